/** Compiled chains: tempering between far modes, saved and resumed; Langevin and Hamiltonian chains; chains that begin at draws. */
import { describe, expect, it } from "vitest";
import { referenceEngine, train, trainOn, type Cursor, type HostTensor } from "../../src/runtime/index.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { gradientsOf, type Averaged } from "../support/gradients.js";
import { loadModel } from "../support/model.js";
import { bilinear, bits, bruteLogSum, compositions, dotN, grid, logSum, spread, type Assignment, type Enumerable } from "./energy-cases.js";
import { dataOf, differences, exactly, meanOver } from "./pipeline-cases.js";

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

function expectWithin(got: Averaged, exact: readonly number[], what: string, errors = 4.5): void {
  exact.forEach((e, i) =>
    expect(Math.abs(got.mean[i]! - e), `${what}[${i}]: ${got.mean[i]} for ${e} +- ${got.standardError[i]}`).toBeLessThan(
      errors * got.standardError[i]! + 1e-6,
    ),
  );
}

/** Six visible units that are all on or all off, with two hidden ones: no sweep crosses between these modes. Four rows in five are on. */
const far = {
  text: (by: string): string => `model M {
  data v : binary[6]
  latent h : binary[2]
  param W : real[6, 2], a : real[2], b : real[6]
  density p(v, h) { energy -(v @ W @ h) - a @ h - b @ v }
  train {
    maximize log p(v) ${by}
    optimizer = sgd(lr = 0.01), batch = 4, steps = 9
  }
}`,
  weights: { W: exactly(Array.from({ length: 12 }, () => 6)), a: exactly([-18, -17.8]), b: exactly(Array.from({ length: 6 }, () => -5.8)) },
  energy: (w: Assignment, { v, h }: Assignment): number => -bilinear(v!, w["W"]!, h!) - dotN(w["a"]!, h!) - dotN(w["b"]!, v!),
  atoms: { v: bits(6), h: bits(2) },
} satisfies Enumerable & { readonly text: (by: string) => string; readonly weights: Assignment };
const rows: readonly Assignment[] = [
  { v: [1, 1, 1, 1, 1, 1] },
  { v: [0, 0, 0, 0, 0, 0] },
  { v: [1, 1, 1, 0, 1, 1] },
  { v: [0, 1, 0, 0, 0, 0] },
];

describe("parallel tempering", () => {
  const z = bruteLogSum(far, far.weights, ["v", "h"]);
  const on = Math.exp(
    logSum(bits(6).flatMap(({ value }) => (dotN(value, value) > 3 ? [bruteLogSum(far, far.weights, ["h"], { v: value })] : []))) - z,
  );
  const share = (chain: HostTensor): number => {
    const chains = chain.data.length / 6;
    const last = Array.from({ length: chains }, (_, c) => Array.from(chain.data.slice(6 * c, 6 * c + 6)).reduce((s, x) => s + x, 0));
    return last.filter((n) => n > 3).length / chains;
  };
  const replica = (chain: HostTensor, chains: number): HostTensor => ({
    ...chain,
    shape: [chains, 6],
    data: chain.data.slice(-6 * chains),
  });
  const exact = differences(far.weights, (w) =>
    meanOver(rows, ({ v }) => bruteLogSum(far, w, ["h"], { v: v! }) - bruteLogSum(far, w, ["v", "h"])),
  );
  const run = { weights: far.weights, data: dataOf(rows), rows: 4, seed: 2 };

  it("finds the shares of far modes, where persistent chains keep to the modes that they began in", async () => {
    expect(Math.min(on, 1 - on)).toBeGreaterThan(0.1);
    const stuck = await gradientsOf(loadModel(far.text("by pcd(k = 1, chains = 400)")).model, { ...run, steps: 40, burnIn: 40 });
    const tempered = await gradientsOf(loadModel(far.text("by tempering(k = 1, chains = 400, temperatures = 8)")).model, {
      ...run,
      steps: 100,
      burnIn: 60,
    });
    const chains = stuck.carried["chain:p.v"]!;
    const replicas = tempered.carried["chain:p.v"]!;
    expect(replicas.shape).toEqual([8, 400, 6]);
    // random starts fall to the modes by where they lie, not by how deep the modes are
    expect(Math.abs(share(chains) - on)).toBeGreaterThan(0.15);
    expect(Math.abs(share(replica(replicas, 400)) - on)).toBeLessThan(4 * Math.sqrt((on * (1 - on)) / 400));
    for (const [name, values] of Object.entries(exact)) expectWithin(tempered.gradients[name]!, values, name);
    expect(Math.abs(stuck.gradients["b"]!.mean[0]! - exact["b"]![0]!)).toBeGreaterThan(0.1);
  });

  it("keeps the total of a chain of counts at every temperature", async () => {
    const { model } = loadModel(`model M {
  data v : count[3]
  latent h : binary[2]
  param W : real[3, 2], b : real[3]
  density p(v, h) { energy -(v @ W @ h) - b @ v }
  train { maximize log p(v) by tempering(k = 1, chains = 30, temperatures = 3)
    optimizer = sgd(lr = 0.1), batch = 3, steps = 1 }
}`);
    const weights = { W: exactly(spread(6, 0.9, 1)), b: exactly(spread(3, 0.5, 2)) };
    const documents = [
      [1, 0, 1],
      [0, 3, 0],
      [2, 1, 2],
    ];
    const energy = (w: Assignment, { v, h }: Assignment): number => -bilinear(v!, w["W"]!, h!) - dotN(w["b"]!, v!);
    const free = (w: Assignment, v: readonly number[]): number => bruteLogSum({ energy, atoms: { h: bits(2) } }, w, ["h"], { v });
    const exact = differences(weights, (w) =>
      documents.reduce((s, v) => {
        const states = compositions(3, dotN(v, [1, 1, 1]));
        return s + (free(w, v) - logSum(states.map((a) => a.logMeasure + free(w, a.value)))) / 3;
      }, 0),
    );
    const got = await gradientsOf(model, { weights, data: { v: documents.flat() }, rows: 3, steps: 200, burnIn: 30, seed: 3 });
    const { data } = got.carried["chain:p.v"]!;
    const totals = Array.from({ length: 90 }, (_, i) => dotN(Array.from(data.slice(3 * i, 3 * i + 3)), [1, 1, 1]));
    expect(totals.slice(0, 30)).toEqual(totals.slice(30, 60));
    expect(totals.slice(0, 30)).toEqual(totals.slice(60));
    expect([...totals.slice(0, 30)].sort()).toEqual([...Array(10).fill(2), ...Array(10).fill(3), ...Array(10).fill(5)]);
    for (const [name, values] of Object.entries(exact)) expectWithin(got.gradients[name]!, values, name);
  });

  const tempered = loadModel(far.text("by tempering(k = 2, chains = 5, temperatures = 3)")).model;
  const v = Float32Array.from(rows.flatMap((r) => [...r["v"]!]));

  it.each(engines.filter((e) => available.includes(e.name)))("goes on bitwise with all its replicas: $name", async (engine) => {
    const dataset = datasetOf(tempered, { train: { v } });
    const all = async (resumeAt: number | undefined): Promise<readonly (ArrayLike<number> & object)[]> => {
      const saved = new Map<string, HostTensor>();
      let cursor: Cursor | undefined;
      let session = await engine.open();
      if (resumeAt !== undefined) {
        const stop = new AbortController();
        await trainOn(session, tempered, dataset, {
          seed: 11,
          steps: 9,
          signal: stop.signal,
          onStep: (report) => {
            if (report().step === resumeAt) stop.abort();
          },
          onCheckpoint: async (_, at, states) => {
            cursor = JSON.parse(JSON.stringify(at)) as Cursor;
            saved.clear();
            for (const name of states) saved.set(name, await session.read(name));
          },
        });
        session.dispose();
        session = await engine.open();
        for (const [name, value] of saved) await session.write(name, value);
        expect(saved.get("chain:p.v")?.shape).toEqual([3, 5, 6]);
      }
      await trainOn(session, tempered, dataset, { seed: 11, steps: 9, ...(cursor && { resume: cursor }) });
      const found = await Promise.all(["W", "a", "b", "chain:p.v"].map((name) => session.read(name)));
      session.dispose();
      return found.map((t) => t.data);
    };
    const whole = await all(undefined);
    for (const at of [1, 5]) expect(await all(at)).toEqual(whole);
  });

  it("gives samples from the model's own replica", async () => {
    const trained = await train(tempered, { data: { v }, engine: referenceEngine, steps: 3, seed: 2 });
    const chain = await trained.session.read("chain:p.v");
    const drawn = await trained.sample(5, { sweeps: 1, start: "chains", every: 1 });
    expect(Array.from(drawn.frames?.[0]?.values["v"]?.data ?? [])).toEqual(Array.from(chain.data.slice(-5 * 6)));
    trained.close();
  });
});

/** Two wells, the deeper one on the right: far from Normal. */
const wells = {
  text: (by: string): string => `model M {
  data x : real[1]
  param a : real[1], b : real[1]
  density p(x) { energy sum(x ^ 4) / 4 - sum(exp(a) * x ^ 2) / 2 - b @ x }
  train {
    maximize log p(x) ${by}
    optimizer = sgd(lr = 0.01), batch = 2, steps = 1
  }
}`,
  weights: { a: exactly([-0.5]), b: exactly([0.3]) },
  energy: (w: Assignment, { x }: Assignment): number => {
    const [u] = x! as [number];
    return u ** 4 / 4 - (Math.exp(w["a"]![0]!) * u * u) / 2 - w["b"]![0]! * u;
  },
  atoms: { x: grid(1, 6, 0.02) },
} satisfies Enumerable & { readonly text: (by: string) => string; readonly weights: Assignment };

describe("Langevin and Hamiltonian chains", () => {
  const points: readonly Assignment[] = [{ x: [0.5] }, { x: [-1.25] }];
  const run = { weights: wells.weights, data: dataOf(points), rows: 2, seed: 2 };
  const exact = differences(wells.weights, (w) => meanOver(points, (row) => -wells.energy(w, row) - bruteLogSum(wells, w, ["x"])));
  const got = async (by: string, steps = 200, burnIn = 30): ReturnType<typeof gradientsOf> =>
    gradientsOf(loadModel(wells.text(by)).model, { ...run, steps, burnIn });
  const deviation = (chain: HostTensor): number => Math.sqrt(Array.from(chain.data).reduce((s, x) => s + x * x, 0) / chain.data.length);

  it.each(["by langevin(k = 10, chains = 60, step = 0.7)", "by hmc(k = 2, chains = 60, step = 0.4, leapfrog = 5)"])(
    "%s: the mean of the estimates is the gradient",
    async (by) => {
      const { gradients } = await got(by);
      for (const [name, values] of Object.entries(exact)) expectWithin(gradients[name]!, values, name);
    },
  );

  it("move a Normal variable too where they are asked to, the hidden units drawn between", async () => {
    const text = (by: string): string => `model M {
  data v : real[2]
  latent h : binary[2]
  param W : real[2, 2], b : real[2]
  density p(v, h) { energy sum((v - b) ^ 2) / 2 - v @ W @ h }
  train { maximize log p(v) ${by}
    optimizer = sgd(lr = 0.01), batch = 2, steps = 1 }
}`;
    const weights = { W: exactly(spread(4, 0.9, 1)), b: exactly([0.4, -0.3]) };
    const c: Enumerable = {
      energy: (w, { v, h }) => v!.reduce((s, x, i) => s + (x - w["b"]![i]!) ** 2 / 2, 0) - bilinear(v!, w["W"]!, h!),
      atoms: { v: grid(2, 9, 0.4), h: bits(2) },
    };
    const some: readonly Assignment[] = [{ v: [0.5, 1] }, { v: [-1, 0.25] }];
    const expected = differences(weights, (w) => meanOver(some, (row) => bruteLogSum(c, w, ["h"], row) - bruteLogSum(c, w, ["v", "h"])));
    const loaded = loadModel(text("by hmc(k = 2, chains = 40, step = 0.5, leapfrog = 3)"));
    expect(loaded.ts).toContain('names: ["v"]');
    const { gradients } = await gradientsOf(loaded.model, { weights, data: dataOf(some), rows: 2, steps: 200, burnIn: 20 });
    for (const [name, values] of Object.entries(expected)) expectWithin(gradients[name]!, values, name);
  });

  it.each(["by langevin(k = 10, chains = 60, step = 0.9)", "by hmc(k = 2, chains = 60, step = 0.5, leapfrog = 4)"])(
    "%s: moves real variables that are all Normal given the rest, data and hidden ones",
    async (by) => {
      const text = `model M {
  data v : binary[3]
  latent z : real[2]
  param W : real[3, 2], c : real[2]
  density p(v, z) { energy sum((z - c) ^ 2) / 2 - v @ W @ z }
  train { maximize log p(v) ${by}
    optimizer = sgd(lr = 0.01), batch = 2, steps = 1 }
}`;
      const weights = { W: exactly(spread(6, 0.7, 1)), c: exactly([0.4, -0.3]) };
      const c: Enumerable = {
        energy: (w, { v, z }) => z!.reduce((s, x, i) => s + (x - w["c"]![i]!) ** 2 / 2, 0) - bilinear(v!, w["W"]!, z!),
        atoms: { v: bits(3), z: grid(2, 8, 0.4) },
      };
      const some: readonly Assignment[] = [{ v: [0, 1, 1] }, { v: [1, 0, 0] }];
      const expected = differences(weights, (w) => meanOver(some, (row) => bruteLogSum(c, w, ["z"], row) - bruteLogSum(c, w, ["v", "z"])));
      const { gradients } = await gradientsOf(loadModel(text).model, { weights, data: dataOf(some), rows: 2, steps: 200, burnIn: 40 });
      for (const [name, values] of Object.entries(expected)) expectWithin(gradients[name]!, values, name);
    },
  );

  it("move a Normal vector that stands alone", async () => {
    const text = `model M {
  data v : real[2]
  param b : real[2], s : real[2]
  density p(v) { energy sum(exp(s) * (v - b) ^ 2) / 2 + (v[1] - v[2]) ^ 2 / 4 }
  train { maximize log p(v) by hmc(k = 2, chains = 60, step = 0.5, leapfrog = 4)
    optimizer = sgd(lr = 0.01), batch = 2, steps = 1 }
}`;
    const weights = { b: exactly([0.4, -0.3]), s: exactly([0.1, -0.2]) };
    const c: Enumerable = {
      energy: (w, { v }) =>
        v!.reduce((t, x, i) => t + (Math.exp(w["s"]![i]!) * (x - w["b"]![i]!) ** 2) / 2, 0) + (v![0]! - v![1]!) ** 2 / 4,
      atoms: { v: grid(2, 8, 0.2) },
    };
    const some: readonly Assignment[] = [{ v: [0.5, 1] }, { v: [-1, 0.25] }];
    const expected = differences(weights, (w) => meanOver(some, (row) => -c.energy(w, row) - bruteLogSum(c, w, ["v"])));
    const { gradients } = await gradientsOf(loadModel(text).model, { weights, data: dataOf(some), rows: 2, steps: 200, burnIn: 40 });
    for (const [name, values] of Object.entries(expected)) expectWithin(gradients[name]!, values, name);
  });

  it("take colder, uncorrected walks where told: without noise a chain descends to a well", async () => {
    const { carried } = await got("by langevin(k = 500, chains = 30, step = 0.3, metropolis = false, noise = 0)", 1, 0);
    // dE/dx = 0 at x^3 - e^a x - b = 0
    const slope = (x: number): number => x ** 3 - Math.exp(wells.weights.a[0]!) * x - wells.weights.b[0]!;
    for (const x of carried["chain:p.x"]!.data) expect(Math.abs(slope(x))).toBeLessThan(1e-3);
    const warm = await got("by langevin(k = 200, chains = 200, step = 0.3, metropolis = false, noise = 1)", 1, 0);
    expect(warm.carried["chain:p.x"]!.data.filter((x) => Math.abs(slope(x)) > 0.1).length).toBeGreaterThan(100);
  });

  it("begin afresh at noise each step, or at the rows, or where they were", async () => {
    // a step too small to go anywhere: what the chains are is where they began
    const still = "k = 1, step = 0.000001";
    const noise = await got(`by langevin(${still}, chains = 500, start = noise, scale = 3)`, 4, 0);
    expect(Math.abs(deviation(noise.carried["chain:p.x"]!) - 3)).toBeLessThan(4 * (3 / Math.sqrt(1000)));
    const before = await got(`by langevin(${still}, chains = 500, start = noise, scale = 3)`, 3, 0);
    expect(before.carried["chain:p.x"]!.data).not.toEqual(noise.carried["chain:p.x"]!.data);
    const kept = [await got(`by hmc(${still}, chains = 500)`, 1, 0), await got(`by hmc(${still}, chains = 500)`, 3, 0)] as const;
    kept[0].carried["chain:p.x"]!.data.forEach((x, i) => expect(kept[1].carried["chain:p.x"]!.data[i]).toBeCloseTo(x, 3));
    const rowsToo = await got(`by hmc(${still}, start = data)`, 2, 0);
    Array.from(rowsToo.carried["chain:p.x"]!.data).forEach((x, i) => expect(x).toBeCloseTo([0.5, -1.25][i]!, 4));
  });

  it("trained by short runs are drawn from by such runs", () => {
    const { chain } = loadModel(wells.text("by langevin(k = 30, step = 0.1, metropolis = false, start = noise, scale = 2)")).model
      .densities["p"]!;
    expect(chain?.sweeps).toBe(30);
    expect(chain?.variables["x"]?.start).toEqual({ kind: "normal", scale: 2 });
  });
});
