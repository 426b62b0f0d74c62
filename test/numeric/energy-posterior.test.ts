/** Hidden variables of several layers drawn by Gibbs sweeps: their chains begin at values made up. Against enumeration. */
import { describe, expect, it } from "vitest";
import { gibbs, rootKey } from "../../src/runtime/index.js";
import { gradientsOf, type Averaged } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import {
  bilinear,
  bits,
  bruteLogSum,
  caseOf,
  dotN,
  eachState,
  feedsOf,
  indices,
  rowsFrom,
  run,
  spread,
  weightsOf,
} from "./energy-cases.js";
import { dataOf, differences, logLikelihood, meanOver, pipelineCase } from "./pipeline-cases.js";

function expectWithin(got: Readonly<Record<string, Averaged>>, exact: Readonly<Record<string, readonly number[]>>, errors = 4.5): void {
  for (const [name, values] of Object.entries(exact))
    values.forEach((e, i) => {
      const { mean, standardError } = got[name]!;
      expect(Math.abs(mean[i]! - e), `${name}[${i}]: ${mean[i]} for ${e} +- ${standardError[i]}`).toBeLessThan(
        errors * standardError[i]! + 1e-6,
      );
    });
}

describe("Gibbs sweeps of what is hidden", () => {
  it.each(["DBM with three hidden layers", "Boltzmann machine with lateral connections"])(
    "find the means of the posterior: %s",
    (title) => {
      const c = caseOf(title);
      const hidden = Object.keys(c.model.units).filter((v) => v !== "v");
      const v = c.atoms["v"]![5]!.value;
      const rows = 6000;
      const fresh = Object.keys(c.model.units).filter((name) => name !== "v");
      const draw = (w: Parameters<Parameters<typeof run>[1]>[0], x: Parameters<Parameters<typeof run>[1]>[1]) => ({
        ...gibbs(c.model, w, rootKey().at("g"), x, { sweeps: 40, clamp: ["v"], fresh }),
      });
      const start = Array.from({ length: rows }, () => ({ v }));
      const drawn = rowsFrom(c, run(c, draw, feedsOf(c, start, ["v"]), [7, 0, 0, 0]), rows);
      const w = weightsOf(c);
      const logZ = bruteLogSum(c, w, hidden, { v });
      for (const name of hidden) {
        const exact = new Array<number>(c.atoms[name]![0]!.value.length).fill(0);
        eachState(c, hidden, { v }, (state) => {
          const p = Math.exp(-c.energy(w, state) - logZ);
          state[name]!.forEach((x, i) => (exact[i] = exact[i]! + p * x));
        });
        exact.forEach((e, i) => {
          const mean = drawn.reduce((s, row) => s + row[name]![i]!, 0) / rows;
          expect(Math.abs(mean - e), `${name}[${i}]`).toBeLessThan(4.5 * Math.sqrt((e * (1 - e)) / rows) + 1e-4);
        });
      }
    },
  );

  it.each([
    ["DBM of two hidden layers", "by gibbs(steps = 50) and pcd(k = 2, chains = 40)"],
    ["general Boltzmann machine", "by gibbs(steps = 50, sampler = single_site) and pcd(k = 2, chains = 40, sampler = single_site)"],
  ])("give the gradient of the log-likelihood: %s %s", async (title, by) => {
    const c = pipelineCase(title);
    const exact = differences(c.weights, (w) => meanOver(c.rows, (row) => logLikelihood(c, w, row)));
    const rows = Array.from({ length: 30 }, (_, i) => c.rows[i % c.rows.length]!);
    const { model } = loadModel(c.text(by));
    const { gradients } = await gradientsOf(model, { weights: c.weights, data: dataOf(rows), rows: 30, steps: 200, burnIn: 20, seed: 4 });
    expectWithin(gradients, exact);
  });

  it("give the gradient of a conditional, whose numerator and denominator are sums", async () => {
    const { model } = loadModel(`model M {
      data v : binary[3], y : category[2]
      latent h : binary[2]
      param W : real[3, 2], U : real[2, 2], b : real[3]
      density p(v, y, h) { energy -(v @ W @ h) - U[y] @ h - b @ v }
      train { maximize log p(v | y) by gibbs(steps = 40) }
    }`);
    const weights = { W: spread(6, 1.5, 1), U: spread(4, 1, 2), b: spread(3, 1, 3) };
    const c = {
      atoms: { v: bits(3), y: indices(2, 1), h: bits(2) },
      energy: (w: Readonly<Record<string, readonly number[]>>, { v, y, h }: Readonly<Record<string, readonly number[]>>): number =>
        -bilinear(v!, w["W"]!, h!) - dotN(w["U"]!.slice(2 * y![0]!, 2 * y![0]! + 2), h!) - dotN(w["b"]!, v!),
    };
    const rows = Array.from({ length: 32 }, (_, i) => ({ v: [i & 1, (i >> 1) & 1, (i >> 3) & 1], y: [(i >> 2) & 1] }));
    const exact = differences(weights, (w) =>
      meanOver(rows, ({ v = [], y = [] }) => bruteLogSum(c, w, ["h"], { v, y }) - bruteLogSum(c, w, ["v", "h"], { y })),
    );
    const { gradients } = await gradientsOf(model, { weights, data: dataOf(rows), rows: 32, steps: 200, burnIn: 0, seed: 5 });
    expectWithin(gradients, exact);
  });
});

describe("what results call a number", () => {
  const c = pipelineCase("DBM of two hidden layers");
  const measured = (line: string): string => loadModel(c.text("").replace(/\}$/u, `  evaluate { m = ${line} }\n}`)).ts;

  it.each([
    ["-log p(v) by mean_field(steps = 5)", "upper bound"],
    ["log p(v) by mean_field(steps = 5)", "lower bound"],
    ["-log p(v) by mean_field(steps = 5) and ais(chains = 5, temperatures = 5)", "upper bound up to the error of log Z"],
    ["-log p(v)", "exact"],
  ])("%s: %s", (line, bound) => expect(measured(line)).toContain(`bound: "${bound}"`));

  it("leaves out objectives whose value is no measure", () => {
    const of = (by: string): boolean | undefined => loadModel(c.text(by)).model.train[0]!.updates[0]!.gradientOnly;
    expect(of("by pcd(k = 1, chains = 10)")).toBe(true);
    expect(of("by gibbs(steps = 5)")).toBe(true);
    expect(of("by mean_field(steps = 5)")).toBeUndefined();
    expect(of("")).toBeUndefined();
  });
});
