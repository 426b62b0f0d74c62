/** Compiled energy models: the gradients of their training programs, exact and estimated, against enumeration. */
import { describe, expect, it } from "vitest";
import { gradientsOf, type Averaged } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { dataOf, differences, logLikelihood, meanOver, pipelineCase, pipelineCases, type PipelineCase } from "./pipeline-cases.js";

const known = new Map<PipelineCase, Record<string, number[]>>();
/** Of the mean log-likelihood of the rows, by differences. */
function exactGradient(c: PipelineCase): Record<string, number[]> {
  const found = known.get(c) ?? differences(c.weights, (w) => meanOver(c.rows, (row) => logLikelihood(c, w, row)));
  known.set(c, found);
  return found;
}

/** Each entry within so many standard errors of its mean. */
function expectWithin(got: Readonly<Record<string, Averaged>>, exact: Readonly<Record<string, readonly number[]>>, errors = 4): void {
  for (const [name, values] of Object.entries(exact)) {
    const { mean, standardError } = got[name]!;
    values.forEach((e, i) =>
      expect(Math.abs(mean[i]! - e), `${name}[${i}]: ${mean[i]} for ${e} +- ${standardError[i]}`).toBeLessThan(
        errors * standardError[i]! + 1e-6,
      ),
    );
  }
}

/** The greatest difference, in standard errors. */
function distance(got: Readonly<Record<string, Averaged>>, exact: Readonly<Record<string, readonly number[]>>): number {
  return Math.max(
    ...Object.entries(exact).flatMap(([name, values]) =>
      values.map((e, i) => Math.abs(got[name]!.mean[i]! - e) / (got[name]!.standardError[i]! + 1e-9)),
    ),
  );
}

describe.each(pipelineCases)("$title", (c) => {
  it("is trained by the gradient of its log-likelihood where everything is exact", async () => {
    const { model } = loadModel(c.text(""));
    const got = await gradientsOf(model, { weights: c.weights, data: dataOf(c.rows), rows: c.rows.length });
    expect(got.value.mean[0]).toBeCloseTo(
      meanOver(c.rows, (row) => logLikelihood(c, c.weights, row)),
      5,
    );
    for (const [name, values] of Object.entries(exactGradient(c)))
      values.forEach((e, i) => expect(Math.abs(got.gradients[name]!.mean[i]! - e), `${name}[${i}]`).toBeLessThan(1e-5));
  });
});

describe("chains", () => {
  const ways: readonly (readonly [title: string, by: string])[] = [
    ["RBM", "by pcd(k = 2, chains = 40)"],
    ["RBM", "by tempering(k = 1, chains = 25, temperatures = 4)"],
    ["Gaussian RBM with precisions", "by pcd(k = 2, chains = 40)"],
    ["Gaussian RBM with precisions", "by tempering(k = 1, chains = 25, temperatures = 3)"],
    ["RBM with a label among the visible units", "by tempering(k = 1, chains = 25, temperatures = 3)"],
    ["RBM with at most one hidden unit of a block on", "by tempering(k = 1, chains = 25, temperatures = 3)"],
    ["DBM of two hidden layers", "by tempering(k = 1, chains = 25, temperatures = 3)"],
    ["general Boltzmann machine", "by pcd(k = 1, chains = 40, sampler = single_site)"],
    ["general Boltzmann machine", "by tempering(k = 1, chains = 20, temperatures = 3, sampler = single_site)"],
    ["Boltzmann machine with at most one unit of a block on", "by pcd(k = 1, chains = 40, sampler = single_site)"],
    [
      "Boltzmann machine with at most one unit of a block on",
      "by gibbs(steps = 10, sampler = single_site) and pcd(k = 1, chains = 40, sampler = single_site)",
    ],
  ];

  it.each(ways)("of %s, %s: the mean of the estimates is the gradient", async (title, by) => {
    const c = pipelineCase(title);
    const { model } = loadModel(c.text(by));
    const got = await gradientsOf(model, { weights: c.weights, data: dataOf(c.rows), rows: 3, steps: 400, burnIn: 50, seed: 5 });
    expectWithin(got.gradients, exactGradient(c), 4.5);
  });

  it("from the data tend to it: the bias of CD-k falls with k", async () => {
    const base = pipelineCase("RBM");
    // couplings so strong that a chain needs tens of sweeps
    const c: PipelineCase = { ...base, weights: { ...base.weights, W: base.weights["W"]!.map((x) => Math.fround(6 * x)) } };
    const rows = Array.from({ length: 150 }, (_, i) => c.rows[i % 3]!);
    const exact = exactGradient(c);
    const far = async (k: number, steps: number): Promise<readonly [bias: number, errors: number]> => {
      const { model } = loadModel(c.text(`by cd(k = ${k})`));
      const { gradients } = await gradientsOf(model, { weights: c.weights, data: dataOf(rows), rows: rows.length, steps, seed: 3 });
      const bias = Object.entries(exact).reduce(
        (s, [name, xs]) => s + xs.reduce((t, e, i) => t + (gradients[name]!.mean[i]! - e) ** 2, 0),
        0,
      );
      return [Math.sqrt(bias), distance(gradients, exact)];
    };
    const [[one, oneErrors], [ten], [hundred, hundredErrors]] = [await far(1, 40), await far(10, 40), await far(100, 40)];
    expect(one).toBeGreaterThan(3 * ten);
    expect(ten).toBeGreaterThan(2 * hundred);
    expect(oneErrors).toBeGreaterThan(10);
    expect(hundredErrors).toBeLessThan(4.5);
  });

  it("keep the condition of their row", async () => {
    const c = pipelineCase("RBM given a real condition");
    const rows = Array.from({ length: 90 }, (_, i) => c.rows[i % 3]!);
    const { model } = loadModel(c.text("by cd(k = 40)"));
    const got = await gradientsOf(model, { weights: c.weights, data: dataOf(rows), rows: 90, steps: 60, seed: 3 });
    expectWithin(got.gradients, exactGradient(c), 4.5);
  });
});
