/** Several files: paths, scopes of imports, models of one file, `--set`. */
import { describe, expect, test } from "vitest";
import { isInside, resolveImport } from "../../src/ir/files.js";
import { parseStaticValue } from "../../src/ir/hyper.js";
import { elaborateText } from "./support.js";

describe("paths of imports", () => {
  test.each<[string, string, string | undefined]>([
    ["vae.gm", "nets.gm", "nets.gm"],
    ["models/vae.gm", "nets.gm", "models/nets.gm"],
    ["models/vae.gm", "./nets.gm", "models/nets.gm"],
    ["models/vae.gm", "../nets.gm", "nets.gm"],
    ["models/deep/vae.gm", "../shared/nets.gm", "models/shared/nets.gm"],
    ["/home/me/models/vae.gm", "../nets.gm", "/home/me/nets.gm"],
    ["./vae.gm", "a/./nets.gm", "a/nets.gm"],
    ["vae.gm", "../nets.gm", "../nets.gm"],
    ["models/vae.gm", "../../nets.gm", "../nets.gm"],
    ["models/vae.gm", "a/../../../nets.gm", "../nets.gm"],
    ["../models/vae.gm", "../../nets.gm", "../../nets.gm"],
    ["C:/models/vae.gm", "../nets.gm", "C:/nets.gm"],
    ["/vae.gm", "../nets.gm", undefined],
    ["C:/vae.gm", "../nets.gm", undefined],
    ["vae.gm", "/etc/passwd", undefined],
    ["vae.gm", "https://example.org/nets.gm", undefined],
    ["vae.gm", "C:/nets.gm", undefined],
    ["vae.gm", "..\\nets.gm", undefined],
    ["vae.gm", "", undefined],
  ])("%s imports %s", (from, path, resolved) => {
    expect(resolveImport(from, path)).toBe(resolved);
  });
});

describe("the project that imports may not leave", () => {
  test.each<[string, string, boolean]>([
    ["", "nets.gm", true],
    ["", "models/nets.gm", true],
    ["", "../nets.gm", false],
    ["", "/etc/passwd", false],
    ["..", "nets.gm", true],
    ["..", "../nets.gm", true],
    ["../..", "../../nets.gm", true],
    ["..", "../../nets.gm", false],
    ["../project", "../project/models/nets.gm", true],
    ["../project", "../projects/nets.gm", false],
    ["../project", "../nets.gm", false],
    ["../project", "nets.gm", false],
    ["models", "models/nets.gm", true],
    ["models", "models/../nets.gm", false],
    ["/", "/etc/passwd", true],
    ["/home/me", "/home/me/nets.gm", true],
    ["/home/me", "/home/you/nets.gm", false],
    ["/home/me", "nets.gm", false],
    ["C:/models", "C:/models/nets.gm", true],
    ["C:/models", "D:/models/nets.gm", false],
  ])("%j holds %s: %j", (folder, path, inside) => {
    expect(isInside(folder, path)).toBe(inside);
  });

  test("is where the path of the root file starts, unless told", () => {
    const files = { "../nets.gm": "net f(x) = x", "../../nets.gm": "net f(x) = x" };
    const codes = (path: string, up: string): readonly string[] =>
      elaborateText(model(`import "${up}nets.gm"`, "objective o = sum(f(x))"), { path, files }).codes;
    expect(codes("../models/vae.gm", "../")).toEqual([]);
    expect(codes("../models/vae.gm", "../../")).toEqual(["GM2015"]);
    expect(codes("vae.gm", "../")).toEqual(["GM2015"]);
  });
});

const model = (imports: string, body: string): string => `${imports}\nmodel M { data x : real[4]\n${body}\n train { minimize o } }`;

describe("imports", () => {
  const nets = "const Width = 6\nnet inner(x) = x |> dense(Width)\nnet outer(x) = inner(x) |> tanh";

  test("declarations come along, and see their own file", () => {
    const { ir, text } = elaborateText(model('import "lib/nets.gm"', "const inner = 3\n objective o = sum(outer(x))"), {
      files: { "lib/nets.gm": nets },
    });
    expect(text).toBe("");
    expect(ir?.nets.map((n) => [n.name, n.path])).toEqual([
      ["inner", "o.outer1.inner1"],
      ["outer", "o.outer1"],
    ]);
  });

  test("through another file, and the same file twice", () => {
    const files = {
      "a.gm": 'import "nets.gm"\nnet a(x) = outer(x)',
      "b.gm": 'import "nets.gm"\nnet b(x) = outer(x) + Width',
      "nets.gm": nets,
    };
    const { text } = elaborateText(model('import "a.gm"\nimport "b.gm"', "objective o = sum(a(x) + b(x))"), { files });
    expect(text).toBe("");
  });

  test("imports of imports are not one's own", () => {
    const files = { "a.gm": 'import "nets.gm"\nnet a(x) = outer(x)', "nets.gm": nets };
    const { codes, text } = elaborateText(model('import "a.gm"', "objective o = sum(inner(x))"), { files });
    expect(codes).toEqual(["GM2029"]);
    expect(text).toContain("help: `inner` stands in nets.gm, which a.gm imports for itself: import it here too");
    const deep = elaborateText(model('import "b.gm"', "objective o = sum(x) * Width"), { files: { ...files, "b.gm": 'import "a.gm"' } });
    expect(deep.text).toContain("`Width` stands in nets.gm, which a.gm imports for itself");
  });

  test("a name that is taken", () => {
    const { codes, text } = elaborateText(model('import "nets.gm"\nnet outer(x) = x', "objective o = sum(outer(x))"), {
      files: { "nets.gm": nets },
    });
    expect(codes).toEqual(["GM2002"]);
    expect(text).toContain("nets.gm:3:5");
  });

  test("a broken file is reported under its own path", () => {
    const { text } = elaborateText(model('import "nets.gm"', "objective o = sum(f(x))"), {
      files: { "nets.gm": "net f(x) = x |> dens(4)" },
    });
    expect(text).toContain("--> nets.gm:1:17");
    expect(text).toContain("test.gm:3:19");
  });

  test("what is wrong with an imported template is told once, however often it is used", () => {
    const uses = "objective o = sum(f(x)) + sum(x |> f)\n objective o2 = sum(x |> g)";
    const { diagnostics } = elaborateText(model('import "nets.gm"', uses), {
      files: { "nets.gm": "net f(x) = x |> dense(oops) |> tanh\nnet g(x) = x |> f |> f" },
    });
    expect(diagnostics.list.map((d) => d.code)).toEqual(["GM2001"]);
    expect(diagnostics.list[0]?.labels.map((l) => l.span.file.path)).toEqual(["nets.gm", "test.gm"]);
  });

  test("names of the library may be reused", () => {
    const { ir, text } = elaborateText(
      model("net mlp(x) = x |> dense(3)", "net f(x) { gaussian = mlp(x)   return gaussian }\n objective o = sum(f(x))"),
    );
    expect(text).toBe("");
    expect(ir?.nets.map((n) => n.name)).toEqual(["mlp", "f"]);
  });
});

describe("hyperparameters", () => {
  const text = "model M(A = 2, B = 2 * A, On = true, Ls = [1, 2]) { data x : real[B]   objective o = sum(x)   train { minimize o } }";

  test("later ones follow earlier ones", () => {
    expect(elaborateText(text, { set: { A: 5 } }).ir?.hyper).toEqual([
      { name: "A", value: 5 },
      { name: "B", value: 10 },
      { name: "On", value: true },
      { name: "Ls", value: [1, 2] },
    ]);
  });

  test.each([
    [{ A: true }, "GM2010"],
    [{ On: 1 }, "GM2010"],
    [{ Ls: 3 }, "GM2010"],
    [{ a: 3 }, "GM2008"],
    [{ B: 0.5 }, "GM2018"],
  ])("%j", (set, code) => {
    expect(elaborateText(text, { set: set as Record<string, number> }).codes).toEqual([code]);
  });

  test.each([
    ["400", 400],
    ["1e-3", 0.001],
    ["-2.5", -2.5],
    [".5", 0.5],
    ["true", true],
    ["[200, 100]", [200, 100]],
    ["[]", []],
    ["two", undefined],
    ["[1, two]", undefined],
    ["0x10", undefined],
    ["Infinity", undefined],
    ["", undefined],
  ])("--set H=%s", (typed, value) => {
    expect(parseStaticValue(typed)).toEqual(value);
  });
});

test("one of several models", () => {
  const text =
    "net f(x) = x |> dense(2)\nmodel A { data x : real[1]   objective o = sum(f(x))   train { minimize o } }\nmodel B { data x : real[3]   objective o = sum(f(x))   train { minimize o } }";
  expect(elaborateText(text, { model: "B" }).ir?.variables.get("x")?.domain.shape[0]?.size).toBe(3);
  expect(elaborateText(text).codes).toEqual(["GM2011"]);
});
