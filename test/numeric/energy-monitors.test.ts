/** Pseudo-likelihood and reconstruction error as lines of `evaluate`, compiled, against sums over all states. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/runtime/index.js";
import { loadModel, runModel } from "../support/model.js";
import { bruteLogSum, eachState, logSum, type Assignment } from "./energy-cases.js";
import { pipelineCase, type PipelineCase } from "./pipeline-cases.js";

/** The line's value of each row. */
function measured(
  c: PipelineCase,
  line: string,
  rows: readonly Assignment[],
  by = "by pcd(k = 1, sampler = single_site)",
): readonly number[] {
  const text = c.text(by).replace(/\}\s*$/u, `evaluate { line = ${line} } }`);
  const loaded = loadModel(text);
  const metric = loaded.model.evaluate["line"] as unknown as { readonly value: (context: object, samples: number) => Tensor };
  const data = Object.fromEntries(
    Object.keys(rows[0]!).map((name) => [
      name,
      {
        shape: [rows.length, ...(name === "y" && c.atoms["y"] ? [] : [rows[0]![name]!.length])],
        data: rows.flatMap((row) => [...row[name]!]),
        dtype: name === "y" && c.atoms["y"] ? ("i32" as const) : ("f32" as const),
      },
    ]),
  );
  const run = runModel(loaded, ({ w, x, key }) => ({ value: metric.value({ w, data: x, key }, 1) }), { data, state: c.weights, seed: 3 });
  return run["value"]!;
}

/** log p of each unit of the visible variables given the other visible ones, summed. `sites`: the states of each unit, all else as in the row. */
function plain(
  c: PipelineCase,
  row: Assignment,
  sites: (name: string, value: readonly number[]) => readonly (readonly number[])[][],
): number {
  const score = (x: Assignment): number => bruteLogSum(c, c.weights, c.hidden, x);
  return c.visible
    .flatMap((name) => sites(name, row[name]!).map((states) => score(row) - logSum(states.map((s) => score({ ...row, [name]: s })))))
    .reduce((a, b) => a + b, 0);
}

const flips = (value: readonly number[]): number[][][] => value.map((_, i) => [0, 1].map((b) => value.map((v, j) => (j === i ? b : v))));

describe("pseudo-likelihood", () => {
  it("covers all observed discrete variables, labels included", () => {
    const c = pipelineCase("RBM with a label among the visible units");
    const got = measured(c, "pseudo_likelihood(p)", c.rows, "by pcd(k = 1)");
    c.rows.forEach((row, r) =>
      expect(got[r]).toBeCloseTo(
        plain(c, row, (name, v) => (name === "y" ? [[[0], [1], [2]]] : flips(v))),
        5,
      ),
    );
  });

  it.each(["DBM of two hidden layers", "general Boltzmann machine"])("sums over the states of hidden units that meet: %s", (title) => {
    const c = pipelineCase(title);
    const got = measured(
      c,
      "pseudo_likelihood(p)",
      c.rows,
      "by gibbs(steps = 2, sampler = single_site) and pcd(k = 1, sampler = single_site)",
    );
    c.rows.forEach((row, r) =>
      expect(got[r]).toBeCloseTo(
        plain(c, row, (_, v) => flips(v)),
        5,
      ),
    );
  });

  it("visits the states that blocks have", () => {
    const c = pipelineCase("Boltzmann machine with at most one unit of a block on");
    const got = measured(c, "pseudo_likelihood(p)", c.rows);
    const pairs = (value: readonly number[]): number[][][] =>
      [0, 2].map((j) => [0, 1, 2].map((on) => value.map((v, i) => (i === j ? +(on === 1) : i === j + 1 ? +(on === 2) : v))));
    c.rows.forEach((row, r) =>
      expect(got[r]).toBeCloseTo(
        plain(c, row, (_, v) => pairs(v)),
        5,
      ),
    );
  });
});

describe("reconstruction error", () => {
  it("draws hidden layers that meet from their posterior", () => {
    const c = pipelineCase("DBM of two hidden layers");
    const copies = 3000;
    for (const row of c.rows) {
      const got = measured(c, "reconstruction_error(p)", new Array<Assignment>(copies).fill(row), "by gibbs(steps = 2) and pcd(k = 1)");
      // E over p(h1, h2 | v) of the squared distance of v to E[v | h1], the logits of v being W1 h1 + b
      const z = bruteLogSum(c, c.weights, c.hidden, row);
      let [mean, square] = [0, 0];
      eachState(c, c.hidden, row, (x) => {
        const p = Math.exp(-c.energy(c.weights, x) - z);
        const error = row["v"]!.reduce((s, v, i) => {
          const on = x["v"]!.map((u, j) => (j === i ? 1 : u));
          const off = x["v"]!.map((u, j) => (j === i ? 0 : u));
          const rise = c.energy(c.weights, { ...x, v: on }) - c.energy(c.weights, { ...x, v: off });
          return s + (v - 1 / (1 + Math.exp(rise))) ** 2;
        }, 0);
        mean += p * error;
        square += p * error * error;
      });
      const average = got.reduce((s, e) => s + e, 0) / copies;
      expect(Math.abs(average - mean)).toBeLessThan(4.5 * Math.sqrt((square - mean * mean) / copies));
    }
  });
});
