/** A small convolutional RBM with blocks, from text: its conditionals and likelihood against the sum over all of its states. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";

const text = `
model M {
  data v : binary[3, 3, 1]
  latent h : binary[2, 2, 2] at_most_one(2, 2)
  param W : real[2, 2, 1, 2], a : real[2], b : real
  density p(v, h) { energy -sum(conv(v, W) * h) - sum(h * a) - b * sum(v) }
  train { maximize log p(v) by cd(k = 1) }
  evaluate { nll = -log p(v) }
}`;

const W = [0.9, -1.2, 0.4, 0.8, -0.7, 1.1, 1.3, -0.5];
const a = [-0.6, 0.3];
const b = -0.2;

/** v [3, 3], h [2, 2, 2] as lists. */
function energy(v: readonly number[], h: readonly number[]): number {
  let e = -b * v.reduce((s, x) => s + x, 0);
  for (let i = 0; i < 2; i++)
    for (let j = 0; j < 2; j++)
      for (let k = 0; k < 2; k++) {
        let field = a[k]!;
        for (let p = 0; p < 2; p++) for (let q = 0; q < 2; q++) field += v[(i + p) * 3 + j + q]! * W[(p * 2 + q) * 2 + k]!;
        e -= h[(i * 2 + j) * 2 + k]! * field;
      }
  return e;
}

const bits = (n: number): number[][] => Array.from({ length: 2 ** n }, (_, s) => Array.from({ length: n }, (_, i) => (s >> i) & 1));
const visible = bits(9);
/** At most one of the four places of each filter. */
const hidden = bits(8).filter((h) => [0, 1].every((k) => [0, 1, 2, 3].reduce((s, place) => s + h[place * 2 + k]!, 0) <= 1));

function mean(states: readonly (readonly number[])[], weightOf: (s: readonly number[]) => number): number[] {
  const weights = states.map(weightOf);
  const total = weights.reduce((s, x) => s + x, 0);
  return states[0]!.map((_, i) => states.reduce((s, state, n) => s + state[i]! * weights[n]!, 0) / total);
}

const loaded = loadModel(text);
const state = { W, a, b: [b] };
const chain = loaded.model.densities["p"]!.chain!;

function run(
  data: Readonly<Record<string, number[]>>,
  shape: readonly number[],
  fn: (w: never, x: Readonly<Record<string, Tensor>>) => Tensor,
): readonly number[] {
  const rows = Object.fromEntries(
    Object.entries(data).map(([name, values]) => [
      name,
      { shape: [values.length / shape.reduce((m, n) => m * n, 1), ...shape], data: values },
    ]),
  );
  return runModel(loaded, ({ w, x }) => ({ out: fn(w, x) }), { data: rows, state })["out"]!;
}

function near(got: readonly number[], want: readonly number[]): void {
  expect(got.length).toBe(want.length);
  want.forEach((v, i) => expect(got[i]).toBeCloseTo(v, 9));
}

describe("a convolutional RBM with one unit of a block", () => {
  test("has 25 hidden states", () => {
    expect(hidden).toHaveLength(25);
  });

  test("p(h | v): a softmax over each block and the state in which none is on", () => {
    const some = visible.filter((_, i) => i % 73 === 5);
    const means = run({ v: some.flat() }, [3, 3, 1], (w, x) => chain.means["h"]!(w, x));
    near(
      means,
      some.flatMap((v) => mean(hidden, (h) => Math.exp(-energy(v, h)))),
    );
  });

  test("p(v | h)", () => {
    const means = run({ h: hidden.flat() }, [2, 2, 2], (w, x) => chain.means["v"]!(w, x));
    near(
      means,
      hidden.flatMap((h) => mean(visible, (v) => Math.exp(-energy(v, h)))),
    );
  });

  test("log p(v), exactly", () => {
    const marginal = visible.map((v) => hidden.reduce((s, h) => s + Math.exp(-energy(v, h)), 0));
    const z = marginal.reduce((s, x) => s + x, 0);
    const { nll } = loaded.model.evaluate;
    if (nll?.kind !== "rows") throw new Error("nll is no mean over rows");
    const got = runModel(loaded, ({ w, x, key }) => ({ out: nll.value({ w, data: x, key, partition: {} } as never, 1) }), {
      data: { v: { shape: [visible.length, 3, 3, 1], data: visible.flat() } },
      state,
    })["out"]!;
    near(
      got,
      marginal.map((m) => Math.log(z / m)),
    );
  });
});

describe("pooled units", () => {
  // the second layer hears whether a unit of a block is on
  const deep = (pooled: string): string => `
model M {
  data v : binary[3, 3, 1]
  latent h : binary[2, 2, 2] at_most_one(2, 2), g : binary[3]
  param W : real[2, 2, 1, 2], a : real[2], b : real, U : real[2, 3]
  density p(v, h, g) { energy -sum(conv(v, W) * h) - sum(h * a) - b * sum(v) - flatten(${pooled}) @ U @ g }
  train { maximize log p(v) by mean_field(steps = 5) and pcd(k = 1, chains = 10) }
  evaluate { nll = -log p(v) }
}`;
  const U = [0.7, -1.1, 0.4, 0.9, 0.2, -0.8];

  test("log p(v), against the sum over all states", () => {
    const whole = (v: readonly number[], h: readonly number[], g: readonly number[]): number => {
      const on = [0, 1].map((k) => [0, 1, 2, 3].reduce((s, place) => s + h[place * 2 + k]!, 0));
      return energy(v, h) - on.reduce((t, p, k) => t + g.reduce((s, x, j) => s + p * U[k * 3 + j]! * x, 0), 0);
    };
    const top = bits(3);
    const weight = (v: readonly number[]): number => hidden.reduce((t, h) => t + top.reduce((s, g) => s + Math.exp(-whole(v, h, g)), 0), 0);
    const logZ = Math.log(visible.reduce((t, v) => t + weight(v), 0));
    const shown = [visible[0]!, visible[77]!, visible[511]!, visible[300]!];
    for (const pooled of ["pool(h)", "pool(h, 2, 2)", "4 * avg_pool(h, 2)"]) {
      const model = loadModel(deep(pooled));
      const { nll } = model.model.evaluate;
      if (nll?.kind !== "rows") throw new Error("no rows");
      const out = runModel(
        model,
        ({ w, x, key, rows }) => ({ out: nll.value({ w, data: x, key, rows, schedule: {}, carried: {}, partition: {} } as never, 1) }),
        { data: { v: { shape: [4, 3, 3, 1], data: shown.flat() } }, state: { ...state, U } },
      )["out"]!;
      shown.forEach((v, i) => expect(out[i], pooled).toBeCloseTo(logZ - Math.log(weight(v)), 4));
    }
  });
});
