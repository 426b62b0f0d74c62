/** The ladder's products of beliefs: the conditionals of examples/ladder_vae.gm's inference, against the product of two Normals on a grid. */
import { describe, expect, it } from "vitest";
import { readFileSync } from "node:fs";
import { loadModel, runModel } from "../support/model.js";

const text = readFileSync("examples/ladder_vae.gm", "utf8");
const net = /net precision_weighted[\s\S]*?\n\}/u.exec(text)?.[0] ?? "";

describe("precision_weighted", () => {
  it("is the Normal that two densities of one variable multiply to", () => {
    const loaded = loadModel(`${net}
model M {
  data m : real[2], s : positive[2]
  latent z : real
  param unused : real
  density q(z | m, s) {
    both = precision_weighted((loc = m[1], scale = s[1]), (loc = m[2], scale = s[2]))
    z ~ Normal(both.loc, both.scale)
  }
  density p(z) { z ~ Normal(unused, 1) }
  train { maximize E[z ~ q(z | m, s)](log p(z)) over p }
}`);
    const m = [0.5, -1.25];
    const s = [0.75, 1.5];
    const points = Array.from({ length: 4001 }, (_, i) => -8 + i * 0.004);
    const product = points.map((z) => Math.exp(-0.5 * ((z - m[0]!) / s[0]!) ** 2 - 0.5 * ((z - m[1]!) / s[1]!) ** 2));
    const total = product.reduce((a, b) => a + b, 0) * 0.004;
    const at = [-1, 0, 0.2, 1.5];
    const rows = at.length;
    const { v } = runModel(loaded, ({ f, w, x }) => ({ v: f("logQ")(w, x["z"], x["m"], x["s"]) }), {
      data: {
        z: { shape: [rows], data: at },
        m: { shape: [rows, 2], data: at.flatMap(() => m) },
        s: { shape: [rows, 2], data: at.flatMap(() => s) },
      },
      state: { unused: [0] },
    });
    at.forEach((z, i) => {
      const density = Math.exp(-0.5 * ((z - m[0]!) / s[0]!) ** 2 - 0.5 * ((z - m[1]!) / s[1]!) ** 2) / total;
      expect(Math.exp(v![i]!)).toBeCloseTo(density, 5);
    });
  });
});
