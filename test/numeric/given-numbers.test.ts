/** A number, or another value of fewer axes, as the value of a variable: it stands for every entry. Values and gradients against enumeration. */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, dotN, logSum, type Assignment, type Numbers } from "./energy-cases.js";
import { spread } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const text = (objective: string): string => `model M {
  data v : binary[3], y : category[3], x : real[2]
  latent h : binary[2], z : real[2], k : category[3], c : category[3][2], one : binary
  param W : real[3, 2], S : real[3, 2], R : real[2, 2], r : real[3]
  density p(v, y, h) { energy -(v @ W @ h) - S[y] @ h }
  density s(v, h | z) { energy -(v @ W @ (h * z)) - S[1] @ h }
  density e(v, one) { energy -(v @ r * one) - v @ W @ ones(2) }
  density d(v, c) { energy -(v @ W @ S[c][1]) - sum(S[c][2]) }
  density b(v | h) { v ~ Bernoulli(logits = W @ h) }
  density n(x | z) { x ~ Normal(R @ z, 1) }
  density f(v | c) { v ~ Bernoulli(logits = W @ (S[c][1] + 2 * S[c][2])) }
  density t(c | v) { c ~ Categorical(logits = r + sum(v) * S @ ones(2)) }
  density o(k) { k ~ Categorical(logits = r) }
  train { maximize ${objective} over W, S, R, r   optimizer = sgd(lr = 0.1)   batch = 3 }
}`;

const weights: Assignment = {
  W: exactly(spread(6, 1.2, 1)),
  S: exactly(spread(6, 2, 2)),
  R: exactly(spread(4, 1, 3)),
  r: exactly(spread(3, 1, 4)),
};

const rows: readonly Assignment[] = [
  { v: [1, 0, 1], y: [2], x: [0.5, -1] },
  { v: [0, 0, 1], y: [0], x: [-0.25, 2] },
  { v: [1, 1, 0], y: [1], x: [1, 1] },
];

const states = (n: number): Numbers[] => bits(n).map((a) => a.value);
const rowOf = (w: Assignment, k: number): Numbers => w["S"]!.slice(2 * k, 2 * k + 2);
const labels = [0, 1, 2];
const sumOf = (a: Numbers): number => a.reduce((s, x) => s + x, 0);
/** W @ u */
const times = (w: Assignment, u: Numbers): Numbers => [0, 1, 2].map((i) => dotN(w["W"]!.slice(2 * i, 2 * i + 2), u));
const bernoulli = (x: Numbers, logits: Numbers): number => sumOf(x.map((on, i) => on * logits[i]! - Math.log1p(Math.exp(logits[i]!))));

/** -E of p */
const p = (w: Assignment, v: Numbers, y: number, h: Numbers): number => bilinear(v, w["W"]!, h) + dotN(rowOf(w, y), h);
const over = (
  value: (v: Numbers, y: number, h: Numbers) => number,
  vs: readonly Numbers[],
  ys: readonly number[],
  hs: readonly Numbers[],
): number => logSum(vs.flatMap((v) => ys.flatMap((y) => hs.map((h) => value(v, y, h)))));
const [V, H] = [states(3), states(2)];
const ratio =
  (above: (r: Assignment) => readonly [readonly Numbers[], readonly number[], readonly Numbers[]], below: typeof above) =>
  (w: Assignment, r: Assignment): number => {
    const of = (v: Numbers, y: number, h: Numbers): number => p(w, v, y, h);
    return over(of, ...above(r)) - over(of, ...below(r));
  };
const s = (w: Assignment, v: Numbers, h: Numbers, z: number): number =>
  bilinear(
    v,
    w["W"]!,
    h.map((x) => x * z),
  ) + dotN(rowOf(w, 0), h);
const e = (w: Assignment, v: Numbers, one: number): number => dotN(v, w["r"]!) * one + dotN(v, times(w, [1, 1]));
const d = (w: Assignment, v: Numbers, a: number, b: number): number => bilinear(v, w["W"]!, rowOf(w, a)) + sumOf(rowOf(w, b));
const all = (w: Assignment): number => logSum(V.flatMap((v) => labels.flatMap((a) => labels.map((b) => d(w, v, a, b)))));
const f = (w: Assignment, v: Numbers, k: number): number =>
  bernoulli(
    v,
    times(
      w,
      rowOf(w, k).map((x) => 3 * x),
    ),
  );
const t = (w: Assignment, v: Numbers, k: number): number => {
  const logits = labels.map((j) => w["r"]![j]! + sumOf(v) * sumOf(rowOf(w, j)));
  return 2 * (logits[k]! - logSum(logits));
};

const cases: readonly (readonly [string, (w: Assignment, r: Assignment) => number])[] = [
  [
    "log p(v | h = 0)",
    ratio(
      (r) => [[r["v"]!], labels, [[0, 0]]],
      () => [V, labels, [[0, 0]]],
    ),
  ],
  [
    "log p(v, y = 1 | h = 1)",
    ratio(
      (r) => [[r["v"]!], [1], [[1, 1]]],
      () => [V, labels, [[1, 1]]],
    ),
  ],
  [
    "log p(v = 1)",
    ratio(
      () => [[[1, 1, 1]], labels, H],
      () => [V, labels, H],
    ),
  ],
  [
    "log p(h = 1 | v)",
    ratio(
      (r) => [[r["v"]!], labels, [[1, 1]]],
      (r) => [[r["v"]!], labels, H],
    ),
  ],
  [
    "log p(v = 1, y = 1)",
    ratio(
      () => [[[1, 1, 1]], [1], H],
      () => [V, labels, H],
    ),
  ],
  [
    "log p(y = 1 | v = 0)",
    ratio(
      () => [[[0, 0, 0]], [1], H],
      () => [[[0, 0, 0]], labels, H],
    ),
  ],
  [
    "log p(v, h = 1)",
    ratio(
      (r) => [[r["v"]!], labels, [[1, 1]]],
      () => [V, labels, H],
    ),
  ],
  [
    "log p(v | h = v[2])",
    ratio(
      (r) => [[r["v"]!], labels, [[r["v"]![1]!, r["v"]![1]!]]],
      (r) => [V, labels, [[r["v"]![1]!, r["v"]![1]!]]],
    ),
  ],
  ["log s(v | z = 0.5)", (w, r) => logSum(H.map((h) => s(w, r["v"]!, h, 0.5))) - logSum(V.flatMap((v) => H.map((h) => s(w, v, h, 0.5))))],
  ["log e(v | one = 1)", (w, r) => e(w, r["v"]!, 1) - logSum(V.map((v) => e(w, v, 1)))],
  ["log d(v, c = 1)", (w, r) => d(w, r["v"]!, 1, 1) - all(w)],
  ["log d(v, c = y)", (w, r) => d(w, r["v"]!, r["y"]![0]!, r["y"]![0]!) - all(w)],
  ["log d(v, c = ones(2))", (w, r) => d(w, r["v"]!, 1, 1) - all(w)],
  [
    "E[k ~ o(k)](log d(v, c = k))",
    (w, r) => sumOf(labels.map((k) => Math.exp(w["r"]![k]! - logSum(w["r"]!)) * (d(w, r["v"]!, k, k) - all(w)))),
  ],
  ["log b(v | h = 0)", (_w, r) => bernoulli(r["v"]!, [0, 0, 0])],
  ["log b(v = 1 | h = 1)", (w) => bernoulli([1, 1, 1], times(w, [1, 1]))],
  [
    "log n(x | z = 2)",
    (w, r) => sumOf(r["x"]!.map((x, i) => -((x - 2 * sumOf(w["R"]!.slice(2 * i, 2 * i + 2))) ** 2) / 2 - Math.log(2 * Math.PI) / 2)),
  ],
  ["log f(v | c = 2)", (w, r) => f(w, r["v"]!, 2)],
  ["log f(v | c = y)", (w, r) => f(w, r["v"]!, r["y"]![0]!)],
  ["log t(c = y | v)", (w, r) => t(w, r["v"]!, r["y"]![0]!)],
  ["log t(c = 1 | v = 1)", (w) => t(w, [1, 1, 1], 1)],
  ["E[k ~ o(k)](log f(v | c = k))", (w, r) => sumOf(labels.map((k) => Math.exp(w["r"]![k]! - logSum(w["r"]!)) * f(w, r["v"]!, k)))],
];

describe("a value of fewer axes stands for every entry", () => {
  it.each(cases)("%s and its gradient", async (objective, exact) => {
    const { model } = loadModel(text(objective));
    const got = await gradientsOf(model, { weights, data: dataOf(rows), rows: 3 });
    expect(got.value.mean[0]).toBeCloseTo(
      meanOver(rows, (r) => exact(weights, r)),
      4,
    );
    for (const [name, values] of Object.entries(differences(weights, (w) => meanOver(rows, (r) => exact(w, r)))))
      values.forEach((x, i) => expect(Math.abs((got.gradients[name]?.mean[i] ?? 0) - x), `${name}[${i}]`).toBeLessThan(1e-4));
  });
});
