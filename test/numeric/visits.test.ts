/** A visit to one unit with counts summed out: its conditional by enumeration, the other units as they were. */
import { describe, expect, it } from "vitest";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";
import { broadcastTo, constant, matmul, mul, neg, rootKey, stage, sub, sum, type Tensor } from "../../src/runtime/index.js";
import { energyModel } from "../../src/runtime/energy/energy-model.js";
import { marginal } from "../../src/runtime/energy/free-energy.js";
import { visit } from "../../src/runtime/energy/single-site.js";

const [N, V, H, rows] = [12, 3, 4, 8000];
const W = Array.from({ length: V * H }, (_, i) => 0.5 * Math.sin(2.9 * i + 1));
const a = [0.2, -0.3, 0.1, 0.05];
const h0 = [1, 0, 1, 1];

const model = energyModel<undefined, "v" | "h">({
  name: "p",
  place: "t.gm:1",
  units: { v: { kind: "multinomial", shape: [V] }, h: { kind: "bernoulli", shape: [H] } },
  sweep: [["h"], ["v"]],
  energy: (_, { v, h }) => {
    const met = sum(mul(matmul(v, constant(W, [V, H])), h), -1);
    return sub(neg(met), mul(sum(v, -1), sum(mul(constant(a, [H]), h), -1)));
  },
});

/** log of what h weighs with N words summed out: N (a h + log Σ_k exp(W_k h)). */
const logWeight = (h: readonly number[]): number => {
  const words = Array.from({ length: V }, (_, k) => Math.exp(h.reduce((t, on, j) => t + on * W[k * H + j]!, 0)));
  return N * (h.reduce((t, on, j) => t + on * a[j]!, 0) + Math.log(words.reduce((x, y) => x + y, 0)));
};

describe("visits to one unit", () => {
  it.each([0, 1, 2, 3, 6])("draw unit %i modulo 4 from its conditional, and no other", (index) => {
    const graph = stage({}, () => {
      const alone = marginal(model, { sum: ["v"], totals: { v: constant(N) } }, { sweep: [] });
      const h: Tensor = broadcastTo(constant(h0, [H]), [rows, H]);
      const lead = [{ kind: "rows" as const, size: rows }];
      return { h: visit(alone, undefined, rootKey().at("t"), { h }, "h", constant(index, [], "i32"), lead) };
    });
    const drawn = Array.from(Object.values(evaluate(graph, { rng: [3, 0, 0, 0] }))[0]!.data);
    const unit = index % H;
    const [on, off] = [1, 0].map((x) => Math.exp(logWeight(h0.with(unit, x)) - logWeight(h0)));
    const p = on! / (on! + off!);
    expect(Math.min(p, 1 - p)).toBeGreaterThan(0.02);
    h0.forEach((was, j) => {
      const mean = Array.from({ length: rows }, (_, r) => drawn[r * H + j]!).reduce((x, y) => x + y, 0) / rows;
      if (j === unit) expect(Math.abs(mean - p)).toBeLessThan(4.5 * Math.sqrt((p * (1 - p)) / rows));
      else expect(mean).toBe(was);
    });
  });
});
