/**
 * Terms in which several samples of a family meet, z[i] beside z[j] or z[1]: value and gradient against the sum over all families of a binary latent, listed
 * in plain arithmetic, and against the moments of a normal one.
 */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { gradientsOf } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { differences, logSumExp, spread, type Vectors } from "../support/numbers.js";

const K = 3;
const text = (objective: string, by: string): string => `
model M {
  data x : real
  latent z : binary[2], h : binary
  param a : real[2], b : real[2], c : real
  density p(x, z) { z ~ Bernoulli(logits = 0)   x ~ Normal(sum(b * z), 1) }
  density q(z | x) { z ~ Bernoulli(logits = a * x) }
  density r(h | z) { h ~ Bernoulli(logits = c * sum(z)) }
  train { maximize ${objective} ${by}
    optimizer = sgd(lr = 0.1), batch = 100, steps = 1 }
}`;
const weights: Vectors = { a: [0.5, -0.75], b: spread(2, 1.2, 2), c: [0.625] };
const x = 0.5;

type Bits = readonly number[];
const states: readonly Bits[] = [0, 1, 2, 3].map((s) => [s & 1, s >> 1]);
const sum = (xs: readonly number[]): number => xs.reduce((s, v) => s + v, 0);
const mean = (xs: readonly number[]): number => sum(xs) / xs.length;
const dot = (a: Bits, b: Bits): number => sum(a.map((v, i) => v * b[i]!));
const distance = (a: Bits, b: Bits): number => sum(a.map((v, i) => (v - b[i]!) ** 2));
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));
const logLikelihood = (w: Vectors, z: Bits): number => -0.5 * (x - dot(w["b"]!, z)) ** 2 - 0.5 * Math.log(2 * Math.PI);

/** The mean of `f` over all families of `k` samples. */
function over(k: number, f: (w: Vectors, z: readonly Bits[]) => number): (w: Vectors) => number {
  const families = (n: number): Bits[][] => (n === 0 ? [[]] : families(n - 1).flatMap((rest) => states.map((s) => [...rest, s])));
  return (w) => {
    const ones = w["a"]!.map((a) => sigmoid(a * x));
    const chance = (z: Bits): number => z.reduce((p, bit, i) => p * (bit === 1 ? ones[i]! : 1 - ones[i]!), 1);
    return sum(families(k).map((z) => z.reduce((p, s) => p * chance(s), 1) * f(w, z)));
  };
}

const cases: readonly (readonly [objective: string, exact: (w: Vectors) => number])[] = [
  ["E[z[1..2] ~ q(z | x)](sum(z[1] * z[2]))", over(2, (_, [u, v]) => dot(u!, v!))],
  [
    "E[z[1..3] ~ q(z | x)](mean[i in 1..3](sum(b * (z[i] - z[2])^2)))",
    over(K, (w, z) =>
      mean(
        z.map((u) =>
          dot(
            w["b"]!,
            u.map((v, i) => (v - z[1]![i]!) ** 2),
          ),
        ),
      ),
    ),
  ],
  [
    "E[z[1..3] ~ q(z | x)](mean[i in 1..3](mean[j in 1..3](exp(-sum((z[i] - z[j])^2)))))",
    over(K, (_, z) => mean(z.flatMap((u) => z.map((v) => Math.exp(-distance(u, v)))))),
  ],
  [
    "E[z[1..3] ~ q(z | x)](logmeanexp[i in 1..3](sum(b * z[i]) + mean[j in 1..3](sum((z[i] - z[j])^2))))",
    over(K, (w, z) => logSumExp(z.map((u) => dot(w["b"]!, u) + mean(z.map((v) => distance(u, v))))) - Math.log(K)),
  ],
  [
    "E[z[1..3] ~ q(z | x)](mean[i in 1..3](mean[j in 1..3](mean[l in 1..3](sum(z[i] * (1 - z[j]) * z[l])))))",
    over(K, (_, z) => mean(z.flatMap((u) => z.flatMap((v) => z.map((t) => sum(u.map((bit, i) => bit * (1 - v[i]!) * t[i]!))))))),
  ],
  [
    "E[z[1..3] ~ q(z | x)](max[i in 1..3](max[j in 1..3](log p(x | z[i]) - log p(x | z[j]))))",
    over(K, (w, z) => Math.max(...z.map((u) => logLikelihood(w, u))) - Math.min(...z.map((u) => logLikelihood(w, u)))),
  ],
  // normalised weights: the sum over j stands within the sum over i and reads none of its samples
  [
    "E[z[1..3] ~ q(z | x)](sum[i in 1..3](exp(log p(x | z[i])) * sum(b * z[i]) / sum[j in 1..3](exp(log p(x | z[j])))))",
    over(K, (w, z) => {
      const p = z.map((u) => Math.exp(logLikelihood(w, u)));
      return sum(z.map((u, i) => p[i]! * dot(w["b"]!, u))) / sum(p);
    }),
  ],
  [
    "E[z[1..2] ~ q(z | x)](log(exp(sum(b * z[1])) + exp(log p(x | z[2]))))",
    over(2, (w, [u, v]) => logSumExp([dot(w["b"]!, u!), logLikelihood(w, v!)])),
  ],
  // a draw for each sample, beside another sample
  [
    "E[z[1..3] ~ q(z | x)](mean[i in 1..3](E[h ~ r(h | z = z[i])](mean[j in 1..3](h * sum(z[j])))))",
    over(K, (w, z) => mean(z.flatMap((u) => z.map((v) => sigmoid(w["c"]![0]! * sum(u)) * sum(v))))),
  ],
];

describe("samples that meet, against all families of them", () => {
  it.each(cases)("%s", async (objective, exact) => {
    const { model } = loadModel(text(objective, "by score(baseline = none)"));
    const rows = 100;
    const steps = 200;
    const { gradients, value } = await gradientsOf(model, {
      weights,
      data: { x: Array.from({ length: rows }, () => x) },
      rows,
      steps,
      seed: 3,
    });
    expect(Math.abs(value.mean[0]! - exact(weights))).toBeLessThan(4 * value.standardError[0]! + 1e-6);
    const want = differences(exact, weights);
    for (const [name, { mean: got, standardError }] of Object.entries(gradients))
      got.forEach((v, i) =>
        expect(Math.abs(v - want[name]![i]!), `${name}[${i}]: ${v} against ${want[name]![i]!}`).toBeLessThan(4 * standardError[i]! + 1e-5),
      );
  });

  it("no weight of a bound then has a sample of its own: vimco is refused, and not chosen", () => {
    const [, , , [objective]] = cases as readonly [unknown, unknown, unknown, readonly [string]];
    const codes = (by: string): readonly string[] =>
      compile({ path: "m.gm", text: text(objective, by) }).diagnostics.flatMap((d) => (d.severity === "error" ? [d.code] : []));
    expect(codes("by vimco")).toEqual(["GM3504"]);
    expect(codes("")).toEqual([]);
  });
});

it("counts of samples that are written tell functions apart, and an evaluation keeps them together", async () => {
  const { model } = loadModel(`
model Pairs {
  data x : real
  latent z : real[2]
  param m : real[2]
  density p(x) { x ~ Normal(0, 1) }
  density q(z) { z ~ Normal(m, 1) }
  train { maximize log p(x) + E[z ~ q(z)](-sum((z - 1)^2))   optimizer = sgd(lr = 0.1), batch = 50, steps = 1 }
  evaluate {
    spread4 = E[z[1..4] ~ q(z)](mean[i in 1..4](sum((z[i] - z[1])^2)))
    spread2 = E[z[1..2] ~ q(z)](mean[i in 1..2](sum((z[i] - z[1])^2)))
    pairs = E[z[1..130] ~ q(z)](mean[i in 1..130](mean[j in 1..130](sum((z[i] - z[j])^2))))
  }
}`);
  const values = { x: Array.from({ length: 400 }, (_, i) => Math.sin(i)) };
  const trained = await train(model, { data: datasetOf(model, { train: values, test: values }), engine: referenceEngine, seed: 1 });
  const { metrics } = await trained.evaluate({ split: "test" });
  // E |z - z'|^2 = 2 for each of 2 entries, of different samples alone
  for (const [name, k] of [
    ["spread4", 4],
    ["spread2", 2],
    ["pairs", 130],
  ] as const)
    expect(Math.abs(metrics[name]!.value - (4 * (k - 1)) / k), name).toBeLessThan(4 * metrics[name]!.standardError!);
  trained.close();
});
