/** Syntax errors as the user sees them: each case of `golden/errors/gm1` with the framed output beside it. */
import { describe, expect, it } from "vitest";
import { gm1 } from "../../src/base/codes/gm1.js";
import { renderDiagnostics } from "../../src/base/render.js";
import { Diagnostics } from "../../src/base/report.js";
import { errorLimit, lengthLimit, parse } from "../../src/parser/parse.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

const folder = "golden/errors/gm1";
const cases = goldenCases(folder, ".gm");

function read(text: string, path = "m.gm"): Diagnostics {
  const diagnostics = new Diagnostics();
  parse({ path, text }, diagnostics);
  return diagnostics;
}

describe("syntax errors", () => {
  it.each(cases)("%s", (name) => {
    const diagnostics = read(readCase(`${folder}/${name}`), name);
    expectGolden(`${folder}/${name.replace(/\.gm$/, ".txt")}`, `${renderDiagnostics(diagnostics.list)}\n`);
    expect(diagnostics.list.map((one) => one.code)).toContain(name.slice(0, 6));
  });

  it("has a case for each code", () => {
    const tested = new Set(cases.map((name) => name.slice(0, 6)));
    const elsewhere = ["GM1016", "GM1017"];
    expect(Object.keys(gm1).filter((code) => !tested.has(code) && !elsewhere.includes(code))).toEqual([]);
  });

  it("stops showing errors at a limit, and says so", () => {
    const found = read("net f(x) = )\n".repeat(errorLimit + 50)).list;
    expect(found.length).toBe(errorLimit + 1);
    expect(found.at(-1)?.code).toBe("GM1016");
    expect(found.at(-1)?.message).toBe(`more than ${errorLimit} syntax errors: the rest is not shown`);
  });

  it("refuses a file that is no model by its length", () => {
    expect(read("x".repeat(lengthLimit + 1)).list.map((one) => one.code)).toEqual(["GM1017"]);
    expect(read(" ".repeat(lengthLimit)).list).toEqual([]);
  });
});

describe("recovery", () => {
  /** A line each that is wrong by itself; between them, right ones. */
  const broken = [
    "y = ",
    "y = f(x",
    "y = 3 4",
    "y = (x + ",
    "y = x[1",
    "y = * 3",
    "y ~ Normal(0 1)",
    "y",
    "y = g(a = )",
    "y = [1, 2",
    "y = E[z](",
    "enrgy x",
    "y = 2x",
  ];

  it.each(broken)("one error for the statement %j, and the next is read", (statement) => {
    const diagnostics = new Diagnostics();
    const ast = parse(
      {
        path: "m.gm",
        text: `model M {\n  density p(x) {\n    a ~ Normal(0, 1)\n    ${statement}\n    b ~ Normal(0, 1)\n  }\n  data x : real[3]\n}\n`,
      },
      diagnostics,
    );
    expect(diagnostics.list.map((one) => `${one.code} ${one.message}`)).toHaveLength(1);
    const [model] = ast.decls;
    expect(model?.kind === "model" && model.members.map((member) => member.kind)).toEqual(["density", "data"]);
    const density = model?.kind === "model" ? model.members[0] : undefined;
    const drawn = density?.kind === "density" ? density.body.flatMap((one) => (one.kind === "draw" ? one.target.name.name : [])) : [];
    expect(drawn).toEqual(expect.arrayContaining(["a", "b"]));
  });

  it("shows every one of independent errors", () => {
    const text = `model M {\n  density p(x) {\n${broken.map((one) => `    ${one}\n    ok ~ Normal(0, 1)\n`).join("")}  }\n}\n`;
    const lines = new Set(read(text).list.map((one) => text.slice(0, one.labels[0]?.span.start).split("\n").length));
    expect(lines.size).toBe(broken.length);
  });

  it("tells later stages what is missing", () => {
    const diagnostics = new Diagnostics();
    const text = "model M {\n  density p(x, z) {\n    z ~ Normal(0, \n    x ~ Normal(z, 1)\n  }\n  net (y) = y\n}\n";
    const ast = parse({ path: "m.gm", text }, diagnostics);
    const names = (ast.broken ?? []).flatMap((part) => part.names);
    expect(names).toEqual(expect.arrayContaining(["z", "y"]));
    const [model] = ast.decls;
    expect(model?.kind === "model" && model.broken).toBe(true);
    const density = model?.kind === "model" ? model.members[0] : undefined;
    expect(density?.kind === "density" && density.broken).toBe(true);
  });

  it("marks nothing as broken in a good file", () => {
    const diagnostics = new Diagnostics();
    const ast = parse({ path: "m.gm", text: "model M {\n  density p(x) { x ~ Normal(0, 1) }\n}\n" }, diagnostics);
    expect(ast.broken).toBeUndefined();
    expect(JSON.stringify(ast.decls, (key, value: unknown) => (key === "file" ? undefined : value))).not.toContain("broken");
  });
});
