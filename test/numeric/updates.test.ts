/** The update graphs against the published algorithms, written here with plain numbers, one weight at a time. */
import { describe, expect, it } from "vitest";
import { evaluateAll } from "../../src/runtime/engines/reference/evaluate.js";
import type { UpdateRule, UpdateSpec } from "../../src/runtime/graph/program.js";
import { slotNames, updateDefaults, updateGraph } from "../../src/runtime/graph/updates.js";

type Numbers = Record<string, number>;
/** One weight's step: gradient, state so far (w and slots), the number of the update from 1. */
type Plain = (g: number, s: Numbers, t: number, lr: number) => Numbers;

const adamLike =
  (b1: number, b2: number, eps: number, decay = 0): Plain =>
  (g, s, t, lr) => {
    const m = b1 * s["m"]! + (1 - b1) * g;
    const v = b2 * s["v"]! + (1 - b2) * g * g;
    const step = m / (1 - b1 ** t) / (Math.sqrt(v / (1 - b2 ** t)) + eps);
    return { w: s["w"]! - lr * (step + decay * s["w"]!), m, v };
  };

const plain: Record<string, { rule: UpdateRule; constants: Numbers; spec?: Partial<UpdateSpec>; step: Plain }> = {
  sgd: { rule: "sgd", constants: {}, step: (g, s, _t, lr) => ({ w: s["w"]! - lr * g }) },
  "momentum (Polyak 1964)": {
    rule: "momentum",
    constants: { momentum: 0.9 },
    step: (g, s, _t, lr) => ({ m: 0.9 * s["m"]! + g, w: s["w"]! - lr * (0.9 * s["m"]! + g) }),
  },
  "momentum (Nesterov)": {
    rule: "momentum",
    constants: { momentum: 0.8, nesterov: 1 },
    step: (g, s, _t, lr) => ({ m: 0.8 * s["m"]! + g, w: s["w"]! - lr * (g + 0.8 * (0.8 * s["m"]! + g)) }),
  },
  "adam (Kingma & Ba 2015, algorithm 1)": { rule: "adam", constants: {}, step: adamLike(0.9, 0.999, 1e-8) },
  "adam, the IWAE paper's constants": { rule: "adam", constants: { beta2: 0.99, epsilon: 1e-4 }, step: adamLike(0.9, 0.99, 1e-4) },
  "adamw (Loshchilov & Hutter 2019)": { rule: "adamw", constants: {}, spec: { weightDecay: 0.05 }, step: adamLike(0.9, 0.999, 1e-8, 0.05) },
  "adam with L2": {
    rule: "adam",
    constants: {},
    spec: { weightDecay: 0.05 },
    step: (g, s, t, lr) => adamLike(0.9, 0.999, 1e-8)(g + 0.05 * s["w"]!, s, t, lr),
  },
  "rmsprop (Tieleman & Hinton 2012)": {
    rule: "rmsprop",
    constants: { decay: 0.9 },
    step: (g, s, _t, lr) => {
      const v = 0.9 * s["v"]! + 0.1 * g * g;
      return { v, w: s["w"]! - (lr * g) / (Math.sqrt(v) + 1e-8) };
    },
  },
  "rmsprop with momentum": {
    rule: "rmsprop",
    constants: { decay: 0.9, momentum: 0.5 },
    step: (g, s, _t, lr) => {
      const v = 0.9 * s["v"]! + 0.1 * g * g;
      const m = 0.5 * s["m"]! + g / (Math.sqrt(v) + 1e-8);
      return { v, m, w: s["w"]! - lr * m };
    },
  },
  "adamax (Kingma & Ba 2015, algorithm 2)": {
    rule: "adamax",
    constants: {},
    step: (g, s, t, lr) => {
      const m = 0.9 * s["m"]! + 0.1 * g;
      const u = Math.max(0.999 * s["u"]!, Math.abs(g) + 1e-8);
      return { m, u, w: s["w"]! - ((lr / (1 - 0.9 ** t)) * m) / u };
    },
  },
  ascent: { rule: "sgd", constants: {}, spec: { sign: -1 }, step: (g, s, _t, lr) => ({ w: s["w"]! + lr * g }) },
};

function specOf(
  rule: UpdateRule,
  constants: Numbers,
  more: Partial<UpdateSpec> = {},
  target: Partial<UpdateSpec["targets"][number]> = {},
): UpdateSpec {
  const slots = slotNames(rule, { ...updateDefaults[rule], ...constants });
  return {
    rule,
    constants,
    learningRate: "lr",
    counter: "count",
    fault: "fault",
    sign: 1,
    clipNorm: null,
    clipValue: null,
    weightDecay: 0,
    ema: null,
    targets: [{ weight: "w", gradient: "g", slots, ema: null, clip: null, maxNorm: null, ...target }],
    ...more,
  };
}

const gradient = (t: number): number[] => [0.3 * t - 1, Math.sin(t), 2 - t, 1e-3 * t];
const START = [0.5, -1, 2, 0];

describe("update rules", () => {
  for (const [name, { rule, constants, spec, step }] of Object.entries(plain)) {
    it(name, () => {
      const graph = updateGraph(specOf(rule, constants, spec), { w: [4] });
      const slots = slotNames(rule, { ...updateDefaults[rule], ...constants });
      let state: Record<string, ArrayLike<number>> = {
        w: START,
        count: [0],
        fault: [0],
        ...Object.fromEntries(slots.map((s) => [s, [0, 0, 0, 0]])),
      };
      let want: Numbers[] = START.map((w) => ({ w, ...Object.fromEntries(slots.map((s) => [s, 0])) }));
      for (let t = 1; t <= 6; t++) {
        const lr = 0.1 / t;
        const { writes } = evaluateAll(graph, { ...state, g: gradient(t), lr });
        state = Object.fromEntries(Object.entries(writes).map(([key, value]) => [key, value.data]));
        want = want.map((s, i) => step(gradient(t)[i]!, s, t, lr));
        for (const key of ["w", ...slots])
          want.forEach((s, i) => expect(state[key]![i], `${key}[${i}] after ${t}`).toBeCloseTo(s[key]!, 11));
        expect(state["count"]![0]).toBe(t);
        expect(state["fault"]![0]).toBe(0);
      }
    });
  }
});

describe("around the rule", () => {
  const once = (spec: UpdateSpec, feeds: Record<string, number[]>): Record<string, number[]> => {
    const { writes } = evaluateAll(updateGraph(spec, { w: [3], v: [2, 2] }), { count: [0], fault: [0], lr: [1], ...feeds });
    return Object.fromEntries(Object.entries(writes).map(([key, value]) => [key, Array.from(value.data)]));
  };
  const sgd = (more: Partial<UpdateSpec>, target: Partial<UpdateSpec["targets"][number]> = {}): UpdateSpec =>
    specOf("sgd", {}, more, target);

  it("clips the global norm over all weights", () => {
    const spec = sgd({ clipNorm: 1 });
    const both = { ...spec, targets: [...spec.targets, { ...spec.targets[0]!, weight: "v", gradient: "h" }] };
    const out = once(both, { w: [0, 0, 0], v: [0, 0, 0, 0], g: [3, 0, 0], h: [0, 4, 0, 0] });
    expect(out["w"]![0]).toBeCloseTo(-0.6, 12);
    expect(out["v"]![1]).toBeCloseTo(-0.8, 12);
  });
  it("leaves a small norm alone, a zero one too", () => {
    expect(once(sgd({ clipNorm: 10 }), { w: [0, 0, 0], g: [3, 4, 0] })["w"]).toEqual([-3, -4, 0]);
    expect(once(sgd({ clipNorm: 1 }), { w: [1, 2, 3], g: [0, 0, 0] })["w"]).toEqual([1, 2, 3]);
  });
  it("clips by value before the norm", () => {
    expect(once(sgd({ clipValue: 2 }), { w: [0, 0, 0], g: [9, -9, 1] })["w"]).toEqual([-2, 2, -1]);
  });
  it("averages the new weights", () => {
    const averaged = (count: number) =>
      once(sgd({ ema: 0.75 }, { ema: "avg" }), { w: [0, 0, 0], g: [-4, -8, 0], avg: [4, 0, 4], count: [count] })["avg"];
    expect(averaged(100)).toEqual([4, 2, 3]);
    // (1 + 2) / (10 + 2) is 1/4; the first update keeps a tenth
    expect(averaged(2)).toEqual([4, 6, 1]);
    expect(averaged(0)?.map((a) => Math.round(a * 1e12) / 1e12)).toEqual([4, 7.2, 0.4]);
  });
  it("keeps weights in a box, and rows in a ball", () => {
    expect(once(sgd({}, { clip: [-0.01, 0.02] }), { w: [0, 0, 0], g: [-1, 1, 0] })["w"]).toEqual([0.02, -0.01, 0]);
    const spec = { ...sgd({}), targets: [{ ...sgd({}).targets[0]!, weight: "v", maxNorm: { axis: 1, limit: 1 } }] };
    const out = once(spec, { v: [3, 4, 0.3, 0.4], g: [0, 0, 0, 0] });
    expect(out["v"]!.map((x) => Math.round(x * 1e9) / 1e9)).toEqual([0.6, 0.8, 0.3, 0.4]);
  });
  it.each([NaN, Infinity, -Infinity])("a gradient of %s changes nothing and sets the fault; later ones change nothing either", (bad) => {
    const out = once(sgd({ clipNorm: 1, clipValue: 1, ema: 0.5 }, { ema: "avg" }), { w: [1, 2, 3], avg: [1, 2, 3], g: [0, bad, 0] });
    expect(out).toEqual({ w: [1, 2, 3], avg: [1, 2, 3], count: [0], fault: [1] });
    expect(once(sgd({}), { w: [1, 2, 3], g: [1, 1, 1], fault: [1] })).toEqual({ w: [1, 2, 3], count: [0], fault: [1] });
  });
  it("says what does not fit", () => {
    expect(() => updateGraph(sgd({}, { slots: ["m"] }), { w: [3] })).toThrow(/keeps 0 slots/);
    expect(() => updateGraph(sgd({}), {})).toThrow(/not known/);
  });
});
