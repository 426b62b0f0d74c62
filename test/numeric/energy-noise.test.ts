/** Noise contrast of discrete and real energies, compiled: against the objective in plain numbers at the same noise, and at the truth. */
import { describe, expect, it } from "vitest";
import { bernoulli, constant, grad, leavesOf, mean, multinomial, rowsOf, type Key, type Tensor } from "../../src/runtime/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { logSum } from "../support/gaussian-integral.js";
import { loadModel, runModel } from "../support/model.js";

const logistic = (g: number): number => -Math.log1p(Math.exp(-g));
const average = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
const bitsOf = (n: number, units: number): number[] => Array.from({ length: units }, (_, j) => (n >> j) & 1);
const statesOf = (units: number): number[][] => Array.from({ length: 2 ** units }, (_, n) => bitsOf(n, units));
type Weights = Readonly<Record<string, readonly number[]>>;

/** Mean over the rows, log Z where the objective is greatest: found by a search of its own. */
function fitted(data: readonly number[], noise: readonly (readonly number[])[]): number {
  const at = (c: number): number =>
    average(data.map((g) => logistic(g - c))) + noise.reduce((t, list) => t + average(list.map((g) => logistic(c - g))), 0);
  let [low, high] = [-30, 30];
  for (let i = 0; i < 200; i++) {
    const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
    if (at(a) < at(b)) low = a;
    else high = b;
  }
  return at((low + high) / 2);
}

const ranked = (data: readonly number[], noise: readonly (readonly number[])[]): number =>
  average(data.map((g, r) => g - logSum([g, ...noise.map((list) => list[r]!)])));

/** -F of the RBM in loops, `h` summed. */
function minusF(w: Weights, v: readonly number[]): number {
  return logSum(
    statesOf(2).map((h) => v.reduce((t, vi, i) => t + vi * (w["b"]![i]! + h.reduce((s, hj, j) => s + w["W"]![2 * i + j]! * hj, 0)), 0)),
  );
}

const weights: Weights = { W: [0.9, -1.2, 0.4, 0.7, -1.5, 0.3], b: [0.2, -0.5, 0.6], m: [0.5, -0.8, 0.1] };
const RATIO = 3;
const rows = [
  [1, 0, 1],
  [0, 0, 1],
  [1, 1, 0],
  [0, 1, 1],
  [1, 0, 0],
];

describe("a binary energy with hidden units", () => {
  const model = (noise: string): string => `model M {
  data v : binary[3]
  latent h : binary[2]
  param W : real[3, 2], b : real[3], m : real[3]
  density p(v, h) { energy -(v @ W @ h) - b @ v }
  density q(v) { v ~ Bernoulli(logits = m) }
  train { maximize log p(v) by nce(ratio = ${RATIO}${noise})  maximize log q(v)  optimizer = sgd(lr = 0.1) }
}`;
  const logBernoulli = (l: readonly number[], v: readonly number[]): number =>
    v.reduce((t, vi, i) => t + (vi === 1 ? logistic(l[i]!) : logistic(-l[i]!)), 0);
  // base rates: the means, with a hundredth of the uniform distribution in them
  const base = [0, 1, 2].map((i) => {
    const p = 0.99 * average(rows.map((v) => v[i]!)) + 0.005;
    return Math.log(p / (1 - p));
  });

  it.each([
    ["of a density of the model", ", noise = q", weights["m"]!, (key: Key) => key.at("v")],
    ["of independent units at the means of the batch", "", base, (key: Key) => key.at("nce").at("v")],
  ])("noise %s: value and gradient", (_, asked, logits, keyOf) => {
    const got = runModel(
      loadModel(model(asked)),
      ({ f, w, x, key }) => {
        const value = f("logPV")(w, x["v"], key);
        const leaves = w as Record<string, Tensor>;
        const [W, b] = grad(mean(value), [leaves["W"]!, leaves["b"]!]);
        const noise = bernoulli.sample(keyOf(key), { logits: constant([...logits], [3]) }, [RATIO, rowsOf(x["v"]!), 3]);
        return { value: mean(value), W: W!, b: b!, noise };
      },
      { data: { v: { shape: [rows.length, 3], data: rows.flat() } }, state: weights },
    );
    const drawn = (k: number, r: number): readonly number[] =>
      got["noise"]!.slice((k * rows.length + r) * 3, (k * rows.length + r) * 3 + 3);
    const objective = (w: Weights): number => {
      const contrast = (v: readonly number[]): number => minusF(w, v) - logBernoulli(logits, v) - Math.log(RATIO);
      return fitted(
        rows.map(contrast),
        Array.from({ length: RATIO }, (_k, k) => rows.map((_r, r) => contrast(drawn(k, r)))),
      );
    };
    expect(got["value"]![0]).toBeCloseTo(objective(weights), 6);
    for (const name of ["W", "b"])
      weights[name]!.forEach((_w, i) => {
        const moved = (by: number): number => objective({ ...weights, [name]: weights[name]!.map((x, j) => (i === j ? x + by : x)) });
        expect(got[name]![i], `${name}[${i}]`).toBeCloseTo((moved(1e-4) - moved(-1e-4)) / 2e-4, 5);
      });
  });

  it("moves the weights of the energy, and none of the noise's", () => {
    const { train } = loadModel(model(", noise = q")).model;
    expect(train[0]!.updates.map((u) => u.over)).toEqual([["W", "b"], ["m"]]);
  });
});

describe("an energy whose Z differs from row to row", () => {
  const ROWS = 6000;
  const stream = hostStream(5, "rows");
  const drawOf = (logits: readonly number[]): number => {
    const top = logSum(logits);
    let u = stream.uniform();
    return Math.max(
      0,
      logits.findIndex((l) => (u -= Math.exp(l - top)) < 0),
    );
  };

  it.each([
    ["a header's condition", "log p(c | y)", "density p(c | y)"],
    ["a variable of the energy", "log p(c | y)", "density p(c, y)"],
  ])("given %s: at rest at the truth, where one log Z for all rows is not", (_, quantity, head) => {
    // row y of the table, whose log Z are 3 apart
    const T = [2.5, 3, 1.5, 0.3, -1, 0.2];
    const text = (by: string): string => `model M {
  data c : category[3], y : category[2]
  param T : real[2, 3]
  ${head} { energy -(onehot(y) @ T @ onehot(c)) }
  density q(c | y) { c ~ Categorical(logits = U[y]) }
  param U : real[2, 3]
  train { maximize ${quantity} by ${by}  maximize log q(c | y)  optimizer = sgd(lr = 0.1) }
}`;
    const y = Array.from({ length: ROWS }, () => (stream.uniform() < 0.4 ? 1 : 0));
    const c = y.map((k) => drawOf(T.slice(3 * k, 3 * k + 3)));
    const data = { c: { shape: [ROWS], data: c, dtype: "i32" as const }, y: { shape: [ROWS], data: y, dtype: "i32" as const } };
    for (const by of ["nce(ratio = 2)", "nce(ratio = 2, noise = q)"]) {
      const got = (table: readonly number[]): readonly number[] =>
        runModel(
          loadModel(text(by)),
          ({ f, w, x, key }) => {
            const [dT] = grad(mean(f("logPC")(w, x["c"], x["y"], key)), [(w as Record<string, Tensor>)["T"]!]);
            return { dT: dT! };
          },
          { data, state: { T: table, U: [0.4, 0, -0.2, 0, 0.3, 0] } },
        )["dT"]!;
      // four standard errors
      got(T).forEach((g, i) => expect(Math.abs(g), `${by} ${i}`).toBeLessThan(0.02));
      // what is the same at each class of one row cancels
      got(T.map((t, i) => (i < 3 ? t + 1.7 : t))).forEach((g, i) => expect(Math.abs(g), `${by} moved ${i}`).toBeLessThan(0.02));
      expect(got(T.map((t, i) => (i === 0 ? t - 1 : t)))[0], by).toBeGreaterThan(0.04);
    }
  });

  it("counts, each row ranked among documents of its own length", () => {
    const text = (noise: string): string => `model M {
  data v : count[3]
  latent h : binary[2]
  param W : real[3, 2], b : real[3], m : real[3]
  density p(v, h) { energy -(v @ W @ h) - b @ v }
  density q(v) { v ~ Multinomial(total = sum(v), logits = m) }
  train { maximize log p(v) by nce(ratio = ${RATIO}${noise})  maximize log q(v)  optimizer = sgd(lr = 0.1) }
}`;
    const counts = [
      [1, 0, 2],
      [4, 1, 1],
      [0, 3, 2],
      [1, 0, 0],
    ];
    const total = (v: readonly number[]): number => v.reduce((a, b) => a + b, 0);
    const shares = [0, 1, 2].map((i) => Math.log((0.99 * average(counts.map((v) => v[i]!))) / average(counts.map(total)) + 0.01 / 3));
    for (const [asked, logits, keyOf] of [
      [", noise = q", weights["m"]!, (key: Key) => key.at("v")],
      ["", shares, (key: Key) => key.at("nce").at("v")],
    ] as const) {
      const got = runModel(
        loadModel(text(asked)),
        ({ f, w, x, key }) => ({
          value: mean(f("logPV")(w, x["v"], key)),
          noise: multinomial.sample(
            keyOf(key),
            { total: constant(counts.map(total), [counts.length]), logits: constant([...logits], [3]) },
            [RATIO, rowsOf(x["v"]!), 3],
          ),
        }),
        { data: { v: { shape: [counts.length, 3], data: counts.flat() } }, state: weights },
      );
      const drawn = (k: number, r: number): readonly number[] =>
        got["noise"]!.slice((k * counts.length + r) * 3, (k * counts.length + r) * 3 + 3);
      // the orders of the words cancel
      const contrast = (v: readonly number[]): number =>
        minusF(weights, v) - v.reduce((t, x, i) => t + x * (logits[i]! - logSum(logits)), 0);
      const noise = Array.from({ length: RATIO }, (_k, k) => counts.map((_r, r) => contrast(drawn(k, r))));
      counts.forEach((v, r) => expect(total(drawn(0, r))).toBe(total(v)));
      expect(got["value"]![0]).toBeCloseTo(ranked(counts.map(contrast), noise), 6);
    }
  });
});

describe("several variables", () => {
  it("a label and bits, at rest at the truth", () => {
    const ROWS = 8000;
    const T = [0.8, -0.4, 0.3, 1.1, -0.9, 0.2];
    const stream = hostStream(9, "rows");
    const states = statesOf(2).flatMap((v) => [0, 1, 2].map((c) => ({ v, c, e: v.reduce((t, x, i) => t + x * T[3 * i + c]!, 0) })));
    const logZ = logSum(states.map((s) => s.e));
    const drawn = Array.from({ length: ROWS }, () => {
      let u = stream.uniform();
      return states.find((s) => (u -= Math.exp(s.e - logZ)) < 0) ?? states[0]!;
    });
    const text = `model M {
  data v : binary[2], c : category[3]
  param T : real[2, 3]
  density p(v, c) { energy -(v @ T @ onehot(c)) }
  train { maximize log p(v, c) by nce(ratio = 4)  optimizer = sgd(lr = 0.1) }
}`;
    const got = (table: readonly number[]): readonly number[] =>
      runModel(
        loadModel(text),
        ({ f, w, x, key }) => ({ dT: grad(mean(f("logPVC")(w, x["v"], x["c"], key)), [(w as Record<string, Tensor>)["T"]!])[0]! }),
        {
          data: {
            v: { shape: [ROWS, 2], data: drawn.flatMap((s) => s.v) },
            c: { shape: [ROWS], data: drawn.map((s) => s.c), dtype: "i32" },
          },
          state: { T: table },
        },
      )["dT"]!;
    got(T).forEach((g, i) => expect(Math.abs(g), `${i}`).toBeLessThan(0.025));
    expect(got(T.map((t, i) => (i === 3 ? t - 1 : t)))[3]).toBeGreaterThan(0.04);
  });
});

describe("noise with latents of its own", () => {
  it.each([
    ["a mixture, summed", "latent z : category[2]", "density q(v, z) { z ~ Categorical(logits = c)  v ~ Normal(U[z], 1.5) }"],
    ["a flow", "latent z : real[2]  flow f on real[2] = affine()", "density q(v, z) { z ~ Normal(c, 1.5)  v = f(z) }"],
  ])("%s: an energy at the truth is at rest", (_, latent, noise) => {
    const ROWS = 6000;
    const stream = hostStream(3, "rows");
    const [m, r] = [
      [0.4, -0.7],
      [0.5, -0.3],
    ];
    const data = Array.from({ length: ROWS * 2 }, (_row, i) => m[i % 2]! + Math.exp(-r[i % 2]!) * stream.normal());
    const loaded = loadModel(`model M {
  data v : real[2]
  ${latent}
  param m : real[2], r : real[2], c : real[2], U : real[2, 2]
  density p(v) { energy sum(exp(2 * r) * (v - m)^2) / 2 }
  ${noise}
  train { maximize log p(v) by nce(ratio = 3, noise = q)  maximize log q(v)  optimizer = sgd(lr = 0.1) }
}`);
    const flow = Object.fromEntries(leavesOf(loaded.weights).flatMap((l) => (l.path.startsWith("f.") ? [[l.path, [0.3, -0.2]]] : [])));
    const at = (precision: readonly number[]): readonly number[] => {
      const got = runModel(
        loaded,
        ({ f, w, x, key }) => {
          const leaves = w as Record<string, Tensor>;
          const [dm, dr] = grad(mean(f("logPV")(w, x["v"], key)), [leaves["m"]!, leaves["r"]!]);
          return { dm: dm!, dr: dr! };
        },
        {
          data: { v: { shape: [ROWS, 2], data } },
          state: { m, r: precision, c: [0.2, -0.4], U: [1, -0.5, -0.3, 0.2], ...flow },
        },
      );
      return [...got["dm"]!, ...got["dr"]!];
    };
    at(r).forEach((g, i) => expect(Math.abs(g), `${i}`).toBeLessThan(0.05));
    expect(at([r[0]! - 0.5, r[1]!])[2]).toBeGreaterThan(0.08);
  });
});
