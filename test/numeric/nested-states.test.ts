/**
 * Sums, maxima and averages over states of which nothing reads some: value and gradient against the sum over all states, in plain arithmetic.
 */
import { describe, expect, it } from "vitest";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSumExp, type Vectors } from "../support/numbers.js";

const text = (objective: string): string => `
model M {
  data x : real
  latent c : binary, z : binary, v : binary[2], k : category[3]
  param a : real, b : real, t : real, s : real
  density p(c, z, x) { c ~ Bernoulli(logits = a)   z ~ Bernoulli(logits = t * c)   x ~ Normal(b * z + c, 1) }
  density r(v, k) { v ~ Bernoulli(logits = s)   k ~ Categorical(logits = zeros(3)) }
  train { maximize ${objective}   optimizer = sgd(lr = 1), batch = 2, steps = 1 }
}`;
const at: Vectors<"a" | "b" | "t" | "s"> = { a: [0.5], b: [1.25], t: [-0.75], s: [0.375] };
type W = typeof at;
const x = 0.75;

const bit = (value: number, logit: number): number => -Math.log1p(Math.exp(value === 1 ? -logit : logit));
const logNormal = (mean: number): number => -0.5 * (x - mean) ** 2 - 0.5 * Math.log(2 * Math.PI);
const logGiven = ({ b, t }: W, c: number): number => logSumExp([0, 1].map((z) => bit(z, t[0]! * c) + logNormal(b[0]! * z + c)));
const overC = (w: W, f: (c: number) => number): number => [0, 1].reduce((s, c) => s + Math.exp(bit(c, w.a[0]!)) * f(c), 0);

const cases: readonly (readonly [objective: string, exact: (w: W) => number])[] = [
  // v has an axis between those of c and z, and nothing on it
  ["E[c ~ p(c)](max[v](log p(x | c)))", (w) => overC(w, (c) => logGiven(w, c))],
  ["E[c ~ p(c)](E[v ~ r(v)](log p(x | c)))", (w) => overC(w, (c) => logGiven(w, c))],
  [
    "E[c ~ p(c)](max[v](exp(log p(x | c) + log r(v))))",
    (w) => overC(w, (c) => Math.exp(logGiven(w, c) - 2 * Math.log1p(Math.exp(-Math.abs(w.s[0]!))))),
  ],
  // nothing reads what is maximised over, or one of two
  ["max[v, k](b)", (w) => w.b[0]!],
  ["max[v, k](b * v[1] - t)", (w) => w.b[0]! - w.t[0]!],
  ["min[v, k](2) + b", (w) => 2 + w.b[0]!],
  // a sum over samples of what reads none of them counts each
  ["E[v[1..2] ~ r(v)](logsumexp[i in 1..2](E[c, z ~ p(c, z | x = v[i][1])](b))) over p", (w) => w.b[0]! + Math.log(2)],
  ["E[v[1..2] ~ r(v)](sum[i in 1..2](E[c, z ~ p(c, z | x = v[i][1])](b))) over p", (w) => 2 * w.b[0]!],
  // a constant is a tensor all the same
  ["E[c ~ p(c)](2) by enumerate", () => 2],
  ["b * x + max[c](-1)", (w) => w.b[0]! * x - 1],
];

describe("states of which nothing reads some", () => {
  it.each(cases)("%s", async (objective, exact) => {
    const { gradients, value } = await gradientsOf(loadModel(text(objective)).model, { weights: at, data: { x: [x, x] }, rows: 2 });
    expect(value.mean[0]).toBeCloseTo(exact(at), 6);
    const want = differences(exact, at);
    for (const [name, { mean }] of Object.entries(gradients)) expect(mean[0], name).toBeCloseTo(want[name as keyof W][0]!, 5);
  });
});
