/** Annealed importance sampling of energies whose real variables no conditional draws, as compiled from their text, against integrals over grids. */
import { describe, expect, it } from "vitest";
import { evaluate, referenceEngine, type Engine, type Result } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { datasetOf, type ArraysBySplit } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";
import { spread, type Numbers } from "../numeric/energy-cases.js";

const fast = (await onnxEngine.probe()).available ? onnxEngine : referenceEngine;

interface Setup {
  readonly text: string;
  readonly data: ArraysBySplit["train"];
  readonly weights?: Readonly<Record<string, Numbers>>;
}

async function logZOf({ text, data, weights = {} }: Setup, seed: number, engine: Engine = fast): Promise<Result> {
  const { model } = loadModel(text);
  const session = await engine.open();
  try {
    for (const { path, spec } of leavesOf(model.weights))
      await session.write(path, { dtype: "f32", shape: spec.shape, data: Float32Array.from(weights[path] ?? []) });
    const dataset = datasetOf(model, { train: data });
    const { metrics } = await evaluate({ session, model, dataset, seed, averaged: new Set(), reconstruction: false, terms: false });
    return metrics["logZ"]!;
  } finally {
    session.dispose();
  }
}

/** log of the integral of exp(-E) over a line or a plane, by the midpoint rule over [-reach, reach]. */
function integral(energy: (x: number, y: number) => number, reach: number, plane: boolean, points = 800): number {
  const width = (2 * reach) / points;
  const at = Array.from({ length: points }, (_, i) => -reach + (i + 0.5) * width);
  let total = 0;
  for (const x of at) for (const y of plane ? at : [0]) total += Math.exp(-energy(x, y));
  return Math.log(total * width ** (plane ? 2 : 1));
}

/** 100 rows near the wells at -1 and 1, the second more often. */
const wells = (D: number): ArraysBySplit["train"] => ({
  v: Float32Array.from({ length: 100 * D }, (_, i) => (((i * 2654435761) >>> 8) % 10 < 7 ? 1 : -1) + 0.45 * Math.sin(12.9898 * i)),
});

const doubleWell = (D: number, line: string): Setup => ({
  text: `model Q {
  data v : real[${D}]
  density p(v) { energy sum((v^2 - 1)^2) - 0.5 * sum(v) }
  evaluate { logZ = ais(${line}) }
}`,
  data: wells(D),
});
const perUnit = integral((x) => (x * x - 1) ** 2 - 0.5 * x, 4, false, 8000);

describe("log Z of energies that are not quadratic", () => {
  it("is that of a double well in 40 dimensions, whatever the seed", async () => {
    for (const seed of [0, 1, 2]) {
      const { value, partitions } = await logZOf(doubleWell(40, "chains = 100, temperatures = 1000"), seed);
      expect(Math.abs(value - 40 * perUnit)).toBeLessThan(0.3);
      expect(partitions![0]).toMatchObject({ moves: { kind: "hmc", variables: ["v"] } });
      expect(partitions![0]!.effectiveSampleSize).toBeGreaterThan(20);
    }
  });

  it("gets closer with more temperatures", async () => {
    const off: number[] = [];
    for (const temperatures of [1, 300]) {
      let total = 0;
      for (const seed of [0, 1, 2])
        total += Math.abs((await logZOf(doubleWell(20, `chains = 30, temperatures = ${temperatures}`), seed)).value - 20 * perUnit) / 3;
      off.push(total);
    }
    expect(off[1]).toBeLessThan(0.3);
    expect(off[0]).toBeGreaterThan(4 * off[1]!);
  });

  it("lies between the runs from both ends, also with a pilot run", async () => {
    const exact = 10 * perUnit;
    for (const more of ["reverse = 100", "reverse = 100, pilot = 50, leapfrog = 3"]) {
      const { value, standardError, partitions } = await logZOf(doubleWell(10, `chains = 100, temperatures = 300, ${more}`), 1);
      const { reverse } = partitions![0]!;
      expect(Math.abs(value - exact)).toBeLessThan(Math.max(0.1, 4 * standardError!));
      expect(Math.abs(reverse!.value - exact)).toBeLessThan(Math.max(0.1, 4 * reverse!.standardError!));
      expect(reverse!.effectiveSampleSize).toBeGreaterThan(50);
    }
  });

  it("is unbiased in its exponential: the steps are not tuned by the chains that count", async () => {
    const exact = 2 * perUnit;
    let total = 0;
    let squares = 0;
    const seeds = 60;
    for (let seed = 0; seed < seeds; seed++) {
      const ratio = Math.exp((await logZOf(doubleWell(2, "chains = 2, temperatures = 4"), seed, referenceEngine)).value - exact);
      total += ratio / seeds;
      squares += ratio ** 2 / seeds;
    }
    expect(Math.abs(total - 1)).toBeLessThan(4 * Math.sqrt((squares - total ** 2) / seeds));
  });

  it("begins with draws of the base, wherever the run that tunes the steps came to", async () => {
    // one temperature weighs the draws before any of them is moved
    const [one, other] = await Promise.all(
      [1, 6].map((leapfrog) => logZOf(doubleWell(1, `chains = 3000, temperatures = 1, leapfrog = ${leapfrog}`), 5)),
    );
    expect(one!.value).toBeCloseTo(other!.value, 6);
    expect(Math.abs(one!.value - perUnit)).toBeLessThan(4 * one!.standardError!);
    expect(one!.standardError).toBeLessThan(0.03);
  });

  it("takes units with conditionals beside, summed out or drawn", async () => {
    const W = spread(6, 1.5, 4);
    const energy = (x: number, y: number): number =>
      (x ** 4 + y ** 4) / 4 - [0, 1, 2].reduce((t, j) => t + Math.log1p(Math.exp(x * W[j]! + y * W[3 + j]!)), 0);
    const summed = await logZOf(
      {
        text: `model M {
  data v : real[2]
  latent h : binary[3]
  param W : real[2, 3]
  density p(v, h) { energy sum(v^4) / 4 - v @ W @ h }
  evaluate { logZ = ais(chains = 200, temperatures = 200) }
}`,
        data: wells(2),
        weights: { W },
      },
      3,
    );
    expect(Math.abs(summed.value - integral(energy, 6, true))).toBeLessThan(4 * summed.standardError!);
    // units that meet are visited, the real ones moved in between
    const J = 1.2;
    const meeting = (x: number): number =>
      -Math.log([0, 1].flatMap((a) => [0, 1].map((b) => Math.exp(-(x ** 4) + x * (a - b) * 1.5 + J * a * b))).reduce((p, q) => p + q));
    const drawn = await logZOf(
      {
        text: `model M {
  data v : real[1]
  latent h : binary[2]
  density p(v, h) { energy sum(v^4) - 1.5 * v[1] * (h[1] - h[2]) - 1.2 * h[1] * h[2] }
  evaluate { logZ = ais(chains = 200, temperatures = 200, sampler = single_site) }
}`,
        data: wells(1),
      },
      3,
    );
    expect(drawn.partitions![0]).toMatchObject({ sampler: "single_site", moves: { variables: ["v"] } });
    expect(Math.abs(drawn.value - integral(meeting, 4, false, 4000))).toBeLessThan(4 * drawn.standardError!);
  });

  it("takes the prior of latents, of which no data tell where it is", async () => {
    const { value, standardError } = await logZOf(
      {
        text: `model V {
  data x : real[2]
  latent z : real[2]
  density p(x, z) { energy sum((z^2 - 4)^2) / 4  x ~ Normal(z, 1) }
  evaluate { logZ = ais(p, chains = 200, temperatures = 500) }
}`,
        data: { x: wells(2)!["v"]! },
      },
      0,
    );
    const exact = 2 * integral((z) => (z * z - 4) ** 2 / 4, 5, false, 4000);
    expect(Math.abs(value - exact)).toBeLessThan(4 * standardError!);
    expect(standardError).toBeLessThan(0.2);
  });
});
