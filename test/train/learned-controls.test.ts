/**
 * Baselines and control variates that learn, in runs of training: at the same weights of the model, the gradient has less variance with what was learned than
 * with what the run began with. What estimators carry goes on bitwise where a run is resumed.
 */
import { describe, expect, it } from "vitest";
import { referenceEngine, train } from "../../src/runtime/index.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { gradientsOf, type GradientResult } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { statesAfter } from "../support/resume.js";

/** The value of a row that is 6 lies 18 nats below that of a row that is 0: no one number is a baseline for both. */
const ROWS = 32;
const x = Array.from({ length: ROWS }, (_, i) => (i % 2 === 0 ? 6 : 0));
const MODEL = (by: string): string => `
model M {
  data x : real[1]
  latent h : binary[4]
  param a : real[1, 4] = 0, b : real[4] = 0
  net c(x) = x |> dense(4) |> tanh |> dense(1) |> sum
  net r(h) = h |> dense(8) |> tanh |> dense(1) |> sum
  density p(x, h) { h ~ Bernoulli(logits = 0)   x ~ Normal(0.5 * sum(h) * ones(1), 1) }
  density q(h | x) { h ~ Bernoulli(logits = x @ a + b) }
  train {
    maximize ELBO(p, q) by ${by}
    optimizer = adam(lr = 0.03), batch = ${ROWS}, steps = 300
  }
}`;

type Weights = Readonly<Record<string, readonly number[]>>;

/** Weights as they begin, and after the run. */
async function trained(by: string): Promise<{ readonly first: Weights; readonly last: Weights }> {
  const { model } = loadModel(MODEL(by));
  const read = async (steps: number): Promise<Weights> => {
    const run = await train(model, { data: { x: Float32Array.from(x) }, engine: referenceEngine, steps, seed: 4 });
    const paths = leavesOf(model.weights).map((l) => l.path);
    const found = await Promise.all(paths.map(async (p) => [p, Array.from((await run.session.read(p)).data)] as const));
    run.close();
    return Object.fromEntries(found);
  };
  return { first: await read(1), last: await read(300) };
}

/** What the estimator makes of the gradient in q. */
async function gradients(by: string, weights: Weights, burnIn = 40): Promise<GradientResult["gradients"]> {
  return (await gradientsIn(by, weights, burnIn)).gradients;
}

function gradientsIn(by: string, weights: Weights, burnIn = 40): Promise<GradientResult> {
  const { model } = loadModel(MODEL(by));
  const used = Object.fromEntries(leavesOf(model.weights).map(({ path }) => [path, weights[path] ?? []]));
  return gradientsOf(model, { weights: used, data: { x }, rows: ROWS, steps: 80, burnIn, seed: 3 });
}

const spreadOf = (found: GradientResult["gradients"]): number =>
  ["a", "b"].reduce((sum, name) => sum + found[name]!.standardError.reduce((s, e) => s + e ** 2, 0), 0);

/** The model's weights of one run, those that `net` has of another. */
const withNet = (weights: Weights, net: string, of: Weights): Weights =>
  Object.fromEntries(Object.entries(weights).map(([name, w]) => [name, name.startsWith(`${net}.`) ? of[name]! : w]));

describe("what an estimator learns takes variance away", () => {
  it("a baseline, less noise than with the mean of earlier steps", async () => {
    const by = "score(baseline = c(x))";
    const { first, last } = await trained(by);
    const after = spreadOf(await gradients(by, last));
    expect(after).toBeLessThan(spreadOf(await gradients(by, withNet(last, "c", first))) / 3);
    expect(after).toBeLessThan(spreadOf(await gradients("score", last)) / 3);
  });

  it("a baseline, in units of the deviation of what is left", async () => {
    const by = "score(baseline = c(x), normalize = true)";
    const { last } = await trained(by);
    // at other weights of q, where the gradient is far from 0
    const at = { ...last, a: last["a"]!, b: [-2, -2, -2, -2] };
    const plain = (await gradientsIn("score(baseline = c(x))", at)).gradients["b"]!.mean;
    const { gradients: scaled, carried } = await gradientsIn(by, at);
    // -KL(q | p) is in closed form and keeps its gradient: what is left is the score's, of the same draws
    const direct = at.b.map((b, i) => {
      const slopes = x.map((v) => {
        const logit = v * at.a[i]! + b;
        return -logit / (2 + 2 * Math.cosh(logit));
      });
      return slopes.reduce((sum, v) => sum + v, 0) / ROWS;
    });
    const [mean, square, weight] = Object.entries(carried).find(([name]) => name.includes("score"))![1].data as unknown as number[];
    const deviation = Math.sqrt(square! / weight! - (mean! / weight!) ** 2);
    expect(deviation).toBeGreaterThan(1.5);
    direct.forEach((d, i) => {
      expect(Math.abs(plain[i]! - d)).toBeGreaterThan(0.05);
      // the deviation moves a little from step to step
      expect(((scaled["b"]!.mean[i]! - d) * deviation) / (plain[i]! - d)).toBeCloseTo(1, 1);
    });
  });

  it("the mean of earlier steps, and the mean square beside it", async () => {
    const { carried } = await gradientsIn("score", { a: [0.3, -0.2, 0.1, 0], b: [-0.5, 1, 0.25, -1] });
    const [mean, square, weight] = Object.values(carried)[0]!.data as unknown as number[];
    // log p(x | h) by the number of bits, which is all that it reads
    const moments = x.map((v) => {
      const on = [0.3, -0.2, 0.1, 0].map((a, i) => 1 / (1 + Math.exp(-(a * v + [-0.5, 1, 0.25, -1][i]!))));
      const bits = on.reduce((p, q) => p.map((_, n) => p[n]! * (1 - q) + (p[n - 1] ?? 0) * q), [1, 0, 0, 0, 0]);
      const f = bits.map((_, n) => -0.5 * (v - 0.5 * n) ** 2 - 0.5 * Math.log(2 * Math.PI));
      return [bits.reduce((s, p, n) => s + p * f[n]!, 0), bits.reduce((s, p, n) => s + p * f[n]! ** 2, 0)] as const;
    });
    const [first, second] = [0, 1].map((i) => moments.reduce((s, m) => s + m[i]!, 0) / ROWS) as [number, number];
    expect(weight).toBeCloseTo(1, 4);
    expect(Math.abs(mean! / weight! - first)).toBeLessThan(0.3);
    expect(square! / weight! / second).toBeCloseTo(1, 1);
  });

  it("the control variate of RELAX", async () => {
    const by = "relax(control = r(h), t = 3, learned = false)";
    const { first, last } = await trained(by);
    expect(spreadOf(await gradients(by, last))).toBeLessThan(0.8 * spreadOf(await gradients(by, withNet(last, "r", first))));
  });

  it("the temperature of REBAR, which goes to the same place from either side", async () => {
    const { last } = await trained("score(baseline = c(x))");
    const temperatures = await Promise.all(
      [10, 0.3].map(async (t) => {
        const { model } = loadModel(MODEL(`rebar(t = ${t})`));
        const run = await gradientsOf(model, {
          weights: { a: last["a"]!, b: last["b"]! },
          data: { x },
          rows: ROWS,
          steps: 20,
          burnIn: 400,
          seed: 3,
        });
        const [carried] = Object.values(run.carried);
        return t * Math.exp(carried!.data[1]!);
      }),
    );
    expect(temperatures[0]! / temperatures[1]!).toBeGreaterThan(0.5);
    expect(temperatures[0]! / temperatures[1]!).toBeLessThan(2);
    const learned = spreadOf(await gradients("rebar(t = 10)", last, 400));
    expect(learned).toBeLessThan(0.5 * spreadOf(await gradients("rebar(t = 10, learned = false)", last, 0)));
  });
});

describe("a run that is resumed goes on bitwise with what its estimators carry", () => {
  it.each([
    ["a running mean", MODEL("score"), ["score"]],
    ["a learned baseline", MODEL("score(baseline = c(x), normalize = true)"), ["score"]],
    ["a temperature", MODEL("rebar"), ["rebar"]],
    ["a control variate", MODEL("relax(control = r(h))"), ["relax"]],
    [
      "codes that a maximum starts from",
      `model M {
  data x : real[1]
  latent z : real[2]
  param W : real[2, 1]
  density p(x, z) { z ~ Laplace(0, 1)   x ~ Normal(z @ W, 0.5) }
  train { maximize max[z](log p(x, z)) by fista(steps = 5, warm = true)   optimizer = adam(lr = 0.03), batch = 8, steps = 12 }
}`,
      ["latents.z"],
    ],
  ])("%s", async (_, text, names) => {
    const { model } = loadModel(text);
    const dataset = datasetOf(model, { train: { x: Float32Array.from(x) } });
    const run = (resumeAt?: number): ReturnType<typeof statesAfter> =>
      statesAfter({ engine: referenceEngine, model, dataset, options: { seed: 11, steps: 12, batch: 8 } }, resumeAt);
    const whole = await run();
    const carried = [...whole.keys()].filter((name) => names.some((n) => name.includes(n)));
    expect(carried.length).toBeGreaterThan(0);
    expect(carried.some((name) => [...whole.get(name)!].some((v) => v !== 0))).toBe(true);
    for (const at of [1, 7]) expect(await run(at)).toEqual(whole);
  });
});
