/** What text means: syntax trees of whole files, and of the places where the language could be read in two ways. */
import { describe, expect, it } from "vitest";
import { renderDiagnostics } from "../../src/base/render.js";
import { Diagnostics } from "../../src/base/report.js";
import { textOf } from "../../src/base/source.js";
import type { Expr, FileAst, ModelDecl } from "../../src/parser/ast.js";
import { parse } from "../../src/parser/parse.js";
import { treeText } from "../support/ast-text.js";
import { expectGolden, goldenCases, readCase } from "../support/golden.js";

function read(text: string): FileAst {
  const diagnostics = new Diagnostics();
  const ast = parse({ path: "m.gm", text }, diagnostics);
  expect(renderDiagnostics(diagnostics.list)).toBe("");
  return ast;
}

function expr(text: string): Expr {
  const [decl] = read(`objective V = ${text}`).decls;
  if (decl?.kind !== "objective") throw new Error("no objective");
  return decl.body;
}

function model(members: string): ModelDecl {
  const [decl] = read(`model M {\n${members}\n}`).decls;
  if (decl?.kind !== "model") throw new Error("no model");
  return decl;
}

/** An expression with every group in parentheses. */
function grouped(e: Expr): string {
  switch (e.kind) {
    case "number":
      return String(e.value);
    case "name":
      return e.name;
    case "unary":
      return `(-${grouped(e.operand)})`;
    case "binary":
      return `(${grouped(e.left)} ${e.op} ${grouped(e.right)})`;
    case "pipe":
      return `(${grouped(e.left)} |> ${grouped(e.right)})`;
    case "call":
      return `${grouped(e.callee)}(${e.args.map((arg) => grouped(arg.value)).join(", ")})`;
    default:
      return `<${e.kind}>`;
  }
}

describe("whole files", () => {
  it.each(goldenCases("golden/good", ".gm"))("%s", (name) => {
    const ast = read(readCase(`golden/good/${name}`));
    expectGolden(`golden/good/${name.replace(/\.gm$/, ".ast")}`, `${treeText({ imports: ast.imports, decls: ast.decls })}\n`);
  });
});

describe("precedence", () => {
  it.each([
    ["a + b * c ^ d", "(a + (b * (c ^ d)))"],
    ["a - b - c", "((a - b) - c)"],
    ["a / b * c @ d", "(((a / b) * c) @ d)"],
    ["a ^ b ^ c", "(a ^ (b ^ c))"],
    ["-a ^ b", "(-(a ^ b))"],
    ["-a * b", "((-a) * b)"],
    ["a * -b", "(a * (-b))"],
    ["a ^ -b", "(a ^ (-b))"],
    ["a ^ -b ^ c", "(a ^ (-(b ^ c)))"],
    ["- -a", "(-(-a))"],
    ["a - -b", "(a - (-b))"],
    ["x |> f |> g", "((x |> f) |> g)"],
    ["x |> f + g", "(x |> (f + g))"],
    ["x + y |> f(2)", "((x + y) |> f(2))"],
    ["(a + b) * c", "((a + b) * c)"],
    ["v @ W @ h - a @ h", "(((v @ W) @ h) - (a @ h))"],
    ["2 ^ 3 * 4 ^ -5 - 6", "(((2 ^ 3) * (4 ^ (-5))) - 6)"],
  ])("%s", (text, wanted) => {
    expect(grouped(expr(text))).toBe(wanted);
  });
});

describe("one text, one meaning", () => {
  it("tells log of a density from the function", () => {
    expect(expr("log p(x | z)").kind).toBe("logDensity");
    expect(expr("log(p)").kind).toBe("call");
    expect(grouped(expr("x |> log"))).toBe("(x |> log)");
    const [flow] = read("flow f on real { forward(z) = z |> log   inverse(x) = exp(x) }").decls;
    expect(flow?.kind === "flow" && flow.directions.map((one) => [one.direction, grouped(one.body)])).toEqual([
      ["forward", "(z |> log)"],
      ["inverse", "exp(x)"],
    ]);
  });

  it("tells a range from a float", () => {
    expect(treeText(expr("x[1..L]"))).toBe("(index target: x indices: [(range low: 1 high: L)])");
    expect(treeText(expr("x[1.5]"))).toBe("(index target: x indices: [1.5])");
    expect(treeText(expr("sum[i in 1..2.5](i)"))).toContain("low: 1 high: 2.5");
    expect(treeText(expr("f(1e-3, 2E4, 0.5)"))).toContain("0.001");
  });

  it("reads binders where a bracket follows and names elsewhere", () => {
    expect(expr("max[z](z)").kind).toBe("binder");
    expect(grouped(expr("max(a, b) + E * sum"))).toBe("(max(a, b) + (E * sum))");
    expect(treeText(expr("E[x, z ~ p(x, z)](1)"))).toContain("names: [(name: x) (name: z)]");
    expect(treeText(expr("E[z[1..k] ~ q(z), u ~ data](1)"))).toContain("(range low: 1 high: k)");
    expect(treeText(expr("grad[y = x * 2](f(y))"))).toContain("(name name: y value: (binary");
  });

  it("tells a block from the body of a for", () => {
    const density = model("density p(h) { for l in 1..f(L) { h[l] ~ N(0, 1) } }").members[0];
    const loop = density?.kind === "density" ? density.body[0] : undefined;
    expect(loop?.kind === "for" && loop.body.map((one) => one.kind)).toEqual(["draw"]);
    expect(expr("repeat(8) { a |> b }").kind).toBe("blockCall");
    expect(expr("f(repeat(2) { a })").kind).toBe("call");
  });

  it("tells options of an update from names after over and by", () => {
    const train = model(
      "train { maximize V over D, G by z: reparam, h[1]: a and b(k = 1), steps = 5, lr = 1 \n minimize V batch = 3, n = 4 }",
    ).members[0];
    if (train?.kind !== "train") throw new Error("no train");
    expect(train.items.map((one) => one.kind)).toEqual(["update", "update", "setting", "setting"]);
    const [update] = train.items;
    if (update?.kind !== "update") throw new Error("no update");
    expect(update.over.map(grouped)).toEqual(["D", "G"]);
    expect(update.by.map((one) => [one.latent?.name.name, one.estimators.length])).toEqual([
      ["z", 1],
      ["h", 2],
    ]);
    expect(update.options.map((one) => one.name.name)).toEqual(["steps", "lr"]);
  });

  it("reads init data against an initialiser, and data as a name", () => {
    const [decl] = model("param a : real init data, b : real init data(x), c : real = 0").members;
    expect(decl?.kind === "param" && decl.items.map((one) => one.init?.kind)).toEqual(["data", "distribution", "value"]);
    expect(treeText(expr("E[x ~ data](x) + E[x ~ data(y)](x)"))).toContain("source: data");
  });

  it("needs no separators, and takes semicolons", () => {
    const lines = model("density p(x) { a = 1; b = 2 c = a\n+ b;; d ~ N(c, 1); }").members[0];
    expect(lines?.kind === "density" && lines.body.length).toBe(4);
  });

  it("takes one trailing comma before a closing bracket", () => {
    expect(treeText(expr("f(a, [1, 2,], (b = 1,),)"))).toBe(treeText(expr("f(a, [1, 2], (b = 1))")));
  });

  it("normalises names to NFC, so that one letter is one name", () => {
    const [first, second] = read("const \u00e9 = 1\nconst b = e\u0301").decls;
    expect(first?.kind === "const" && first.name.name).toBe("\u00e9");
    expect(second?.kind === "const" && grouped(second.value)).toBe("\u00e9");
  });

  it("takes docs from the lines right above a declaration", () => {
    const [a, b, c] = read("/// One.\n///   Two.\nconst a = 1 // no\n// no\nconst b = 2\n\n//// no\n/// Three.\n\nconst c = 3").decls;
    expect([a?.doc, b?.doc, c?.doc]).toEqual(["One.\n  Two.", undefined, "Three."]);
  });
});

describe("spans", () => {
  it("cover the text of each node, parentheses included", () => {
    const e = expr("f(x) + (a * b)^2");
    if (e.kind !== "binary") throw new Error("no sum");
    expect(textOf(e.span)).toBe("f(x) + (a * b)^2");
    expect(textOf(e.right.span)).toBe("(a * b)^2");
    expect(e.right.kind === "binary" && textOf(e.right.left.span)).toBe("(a * b)");
    const m = model("data x : real[3]?, y : unit\ndensity p(x) { x ~ N(0, 1) }");
    expect(m.members.map((one) => textOf(one.span))).toEqual(["data x : real[3]?, y : unit", "density p(x) { x ~ N(0, 1) }"]);
    expect(textOf(m.span).endsWith("\n}")).toBe(true);
  });
});
