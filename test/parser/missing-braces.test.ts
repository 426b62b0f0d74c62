/** Bodies without their braces and text of another language: one error each, and the rest of the file is read. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Diagnostics } from "../../src/base/report.js";
import { parse } from "../../src/parser/parse.js";
import { elaborateText } from "../ir/support.js";

const examples = readdirSync("examples")
  .filter((name) => name.endsWith(".gm"))
  .map((name) => readFileSync(`examples/${name}`, "utf8"));

/** Lines that open a body, and those that close it: by their indentation, which the formatter sets. */
function bodies(text: string): readonly { readonly lines: readonly string[]; readonly open: number; readonly close: number }[] {
  const lines = text.split("\n");
  return lines.flatMap((line, open) => {
    const indent = /^(\s*)(?:model|net|density|train|evaluate)\b.* \{$/.exec(line)?.[1];
    return indent === undefined ? [] : [{ lines, open, close: lines.indexOf(`${indent}}`, open) }];
  });
}

/** Every fourth, which is each kind many times. */
const all = examples.flatMap(bodies).filter((_, i) => i % 4 === 0);

describe("a body without", () => {
  it.each([
    ["its `{`", "", (close: string) => close],
    ["braces, as in Python", ":", () => ""],
    ["braces at all", "", () => ""],
    ["need of a `:`", ": {", (close: string) => close],
  ])("%s is one error, and all of it is read", (_, opener, closer) => {
    expect(all.length).toBeGreaterThan(50);
    for (const { lines, open, close } of all) {
      const text = lines.map((line, i) => (i === open ? line.replace(/ \{$/, opener) : i === close ? closer(line) : line)).join("\n");
      const { codes } = elaborateText(text);
      expect(codes, text).toEqual(["GM1001"]);
      const members = (source: string): unknown =>
        parse({ path: "m.gm", text: source }, new Diagnostics()).decls.map((d) =>
          d.kind === "model" ? d.members.map((m) => [m.kind, "body" in m && Array.isArray(m.body) ? m.body.length : 0]) : d.kind,
        );
      expect(members(text), text).toEqual(members(lines.join("\n")));
    }
  });

  it("its brace does not hide what is wrong elsewhere", () => {
    const { codes } = elaborateText(
      "model M(D = 3) {\n  data x : real[D]\n  net f(x)\n    return x |> dense(D)\n  }\n  param w : real[Y]\n  density p(x) { x ~ Normal(0, 1) }\n}",
    );
    expect(codes).toEqual(["GM1001", "GM2001"]);
  });
});

describe("text of another language", () => {
  const rest = "  density p(x) { x ~ Normal(f(w), 1) }\n  train { maximize log p(x) }\n}\n";
  it.each([
    ["def f(x):\n    h = self.a(x)  # a layer\n    return {'h': h}", "GM1019", "net f(x) { … }"],
    [
      "class Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n\n    def f(self, x):\n        return x",
      "GM1019",
      "model Name(D = 784)",
    ],
    ["function f(x) {\n    const h = x;\n    return h;\n  }", "GM1019", "net f(x) { … }"],
    ["def f(self, x, y): return x + y", "GM1019", "net f(x, y) { … }"],
    ["def f():\n    return 1", "GM1019", "model Name(D = 784)"],
  ])("is one error: %s", (foreign, code, help) => {
    const { codes, text } = elaborateText(`model M(D = 3) {\n  data x : real[D]\n  param w : real[D]\n  ${foreign}\n${rest}`);
    expect(codes, text).toEqual([code]);
    expect(text).toContain(help);
  });

  it.each(["import torch", "import numpy as np", "from torch import nn"])("is one error, with no libraries: %s", (line) => {
    const { codes, text } = elaborateText(`${line}\nmodel M(D = 3) {\n  data x : real[D]\n  param w : real[D]\n  net f(x) = x\n${rest}`);
    expect(codes).toHaveLength(1);
    expect(text).toContain("there are no libraries to import");
  });

  it.each([
    "if z > 0 { x ~ Normal(f(z), 1) }",
    "if (z[1] > 0) { x ~ Normal(f(z), 1) } else { x ~ Normal(0, 1) }",
    "if z > 0 {\n      x ~ Normal(f(z), 1)\n    } else if z > -1 {\n      x ~ Normal(0, 1)\n    } else {\n      x ~ Normal(1, 1)\n    }",
    "if z > 0:\n      x ~ Normal(f(z), 1)\n    elif z > -1:\n      x ~ Normal(0, 1)\n    else:\n      x ~ Normal(1, 1)",
    "x ~ Normal(f(z) if z > 0 else 0, 1)",
    "x ~ Normal(if z > 0 { f(z) } else { 0 }, 1)",
  ])("is one error where it branches: %s", (foreign) => {
    for (const [before, after] of [
      ["\n    ", "\n  "],
      [" ", " "],
    ] as const) {
      if (before === " " && foreign.includes(":")) continue;
      const { codes, text } = elaborateText(
        `model M(D = 3) {\n  data x : real[D]\n  latent z : real\n  net f(z) = z * ones(D)\n  density p(x, z) { z ~ Normal(0, 1)${before}${foreign}${after}}\n  param w : real[Y]\n  train { maximize log p(x, z = 1) }\n}\n`,
      );
      expect(codes, text).toEqual(["GM1019", "GM2001"]);
      expect(text).toContain("where(cond, a, b)");
    }
  });

  it.each(["latent if : real", "net if(x) = x", "param w : real, if : real"])(
    "leaves a name that may not be one to its own error: %s",
    (line) => {
      expect(elaborateText(`model M {\n  data x : real\n  ${line}\n  density p(x) { x ~ Normal(0, 1) }\n}\n`).codes).toContain("GM1012");
    },
  );

  it.each(["import { foo } from", "import {\n  foo,\n} from", "import * as nets from", "import foo from"])("is one error: %s", (words) => {
    const { codes, text } = elaborateText(`${words} "nets.gm"\nmodel M(D = 3) {\n  data x : real[D]\n  param w : real[D]\n${rest}`);
    expect(codes, text).toEqual(["GM1001"]);
    expect(text).toContain('write `import "nets.gm"`');
  });

  it("of a whole file is one error for each of its blocks", () => {
    const { codes } = elaborateText("def model():\n    x = data(784)\n    return x\n\n\ndef guide():\n    return {}\n");
    expect(codes).toEqual(["GM1019", "GM1019"]);
  });
});
