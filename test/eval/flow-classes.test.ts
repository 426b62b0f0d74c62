/** Flows that a latent class conditions: the class by its posterior, the base by the inverse there; and what may be held beside what. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { train, type TrainedSession } from "../../src/runtime/node/index.js";
import { normals } from "../support/flow-model.js";
import { loadModel } from "../support/model.js";

const x = { shape: [32, 2], data: Float32Array.from(normals(1, 64)) };
const shift = "flow f(z | e) on real[2] { forward(z) = 2 * z + e  inverse(x) = (x - e) / 2 }";
const plain = "flow h on real[2] { forward(z) = 3 * z - 1  inverse(x) = (x + 1) / 3 }";

const trained = (declared: string, head: string, body: string, data: object = { x }): Promise<TrainedSession> =>
  train(
    loadModel(
      `model M { latent z : real[2]  data x : real[2] ${declared} ${shift} ${plain}  density p(${head}) { ${body} }
        train { maximize log p(${Object.keys(data).join(", ")})  optimizer = sgd(lr = 1e-9), steps = 1, batch = 16 } }`,
    ).model,
    { data: data as never, engine: "reference", seed: 2 },
  );

const at = [1.2, -0.4];
const repeated = (row: readonly number[], n: number) => ({
  shape: [n, row.length],
  data: Float32Array.from({ length: n * row.length }, (_, i) => row[i % row.length]!),
});

describe("a class and a bit", () => {
  let session: TrainedSession;
  beforeAll(async () => {
    session = await trained(
      "latent c : category[3], b : binary",
      "x, z, c, b",
      "c ~ Categorical(logits = stack(0, 0.5, -0.5))  b ~ Bernoulli(probs = 0.3)  z ~ Normal(0, 1)  x = f(z | 2 * onehot(c)[1..2] + b)",
    );
  });
  afterAll(() => session.close());

  /** e of each joint state, and p(state | x) by Bayes. */
  const states = [0, 1, 2].flatMap((c) =>
    [0, 1].map((b) => ({
      c,
      b,
      e: [
        [2, 0],
        [0, 2],
        [0, 0],
      ][c]!.map((m) => m + b),
    })),
  );
  const weights = states.map(({ c, b, e }) => {
    const base = at.reduce((log, v, i) => log - ((v - e[i]!) / 2) ** 2 / 2, 0);
    return Math.exp(base + [0, 0.5, -0.5][c]!) * (b === 1 ? 0.3 : 0.7);
  });
  const total = weights.reduce((a, w) => a + w, 0);

  it("are drawn from their posterior given data, and the base is the inverse at them", async () => {
    const n = 6000;
    const notes: string[] = [];
    const { values } = await session.sample(n, { seed: 5, given: { x: repeated(at, n) as never }, onNote: (note) => notes.push(note) });
    expect(notes).toEqual([]);
    const counts = states.map(() => 0);
    for (let i = 0; i < n; i++) {
      const k = values["c"]!.data[i]! * 2 + values["b"]!.data[i]!;
      counts[k]!++;
      for (const j of [0, 1]) expect(Math.abs(values["z"]!.data[2 * i + j]! - (at[j]! - states[k]!.e[j]!) / 2)).toBeLessThan(1e-5);
    }
    const chi2 = counts.reduce((sum, count, k) => sum + (count - (n * weights[k]!) / total) ** 2 / ((n * weights[k]!) / total), 0);
    expect(chi2).toBeLessThan(20.5); // 5 degrees of freedom, p = 0.001
  });

  it("may be held beside the data: the base follows", async () => {
    const { values } = await session.sample(32, { given: { x, c: 1, b: 1 } as never });
    values["z"]!.data.forEach((z, i) => expect(z).toBeCloseTo((x.data[i]! - [1, 3][i % 2]!) / 2, 5));
  });

  it("one may be held: the other is drawn given it and the data", async () => {
    const n = 4000;
    const { values } = await session.sample(n, { seed: 3, given: { x: repeated(at, n), c: 1 } as never });
    const [off, on] = states.flatMap(({ c }, k) => (c === 1 ? [weights[k]!] : []));
    const share = Array.from(values["b"]!.data).reduce((sum, b) => sum + b, 0) / n;
    const p = on! / (off! + on!);
    expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / n));
    for (let i = 0; i < n; i++)
      for (const j of [0, 1]) expect(values["z"]!.data[2 * i + j]!).toBeCloseTo((at[j]! - [0, 2][j]! - values["b"]!.data[i]!) / 2, 5);
  });

  it("reconstruct and interpolate rows", async () => {
    const { data, shown } = await session.reconstruct(8);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    const between = await session.interpolate(2, 5);
    const ends = [0, 4, 5, 9].flatMap((row) => Array.from(between.shown["x"]!.data.slice(2 * row, 2 * row + 2)));
    ends.forEach((v, i) => expect(v).toBeCloseTo(between.data["x"]!.data[i]!, 5));
  });

  it("data are not held beside what they are made of", async () => {
    const both = { x, z: x } as never;
    await expect(session.sample(32, { given: both })).rejects.toThrow(/`x` of .* is a function of `z`, and both are held/u);
    await expect(session.sample(32, { given: { x, z: x, c: 1, b: 0 } as never })).rejects.toThrow(/both are held/u);
    const { values } = await session.sample(4, { given: { z: { shape: [4, 2], data: new Float32Array(8) }, c: 2, b: 0 } as never });
    expect(Array.from(values["x"]!.data.slice(0, 2))).toEqual([0, 0]);
  });
});

it("a chain of flows under a class", async () => {
  const session = await trained(
    "latent c : category[2], u : real[2]",
    "x, u, z, c",
    "c ~ Categorical(logits = zeros(2))  z ~ Normal(0, 1)  u = f(z | onehot(c))  x = h(u)",
  );
  const { values } = await session.sample(32, { given: { x, c: 1 } as never });
  values["u"]!.data.forEach((u, i) => expect(u).toBeCloseTo((x.data[i]! + 1) / 3, 5));
  values["z"]!.data.forEach((z, i) => expect(z).toBeCloseTo(((x.data[i]! + 1) / 3 - (i % 2)) / 2, 5));
  await expect(session.sample(32, { given: { x, z: x, c: 1 } as never })).rejects.toThrow(/is a function of `z`, `c`/u);
  session.close();
});

it("a variable that another flow is given needs no more than its own inverse", async () => {
  const session = await trained(
    ", y : real[2]  latent v : real[2]",
    "x, z, v, y",
    "z ~ Normal(0, 1)  x = h(z)  v ~ Normal(0, 1)  y = f(v | x)",
    { x, y: x },
  );
  const one = await session.sample(32, { given: { x } as never });
  one.values["z"]!.data.forEach((z, i) => expect(z).toBeCloseTo((x.data[i]! + 1) / 3, 5));
  expect(one.values["y"]!.data.every((y, i) => Math.abs(y - (2 * one.values["v"]!.data[i]! + x.data[i]!)) < 1e-5)).toBe(true);
  const two = await session.sample(32, { given: { x, y: x } as never });
  two.values["v"]!.data.forEach((v) => expect(v).toBeCloseTo(0, 5));
  session.close();
});

describe("a mixture of two classes under a flow that neither conditions", () => {
  let session: TrainedSession;
  beforeAll(async () => {
    session = await trained(
      "latent c : category[3], b : binary",
      "x, z, c, b",
      "c ~ Categorical(logits = stack(0, 0.5, -0.5))  b ~ Bernoulli(logits = onehot(c)[1])  z ~ Normal(onehot(c)[1..2] - b, 0.5 + b)  x = h(z)",
    );
  });
  afterAll(() => session.close());

  const base = at.map((v) => (v + 1) / 3);
  const states = [0, 1, 2].flatMap((c) =>
    [0, 1].map((b) => {
      const bit = 1 / (1 + Math.exp(-(c === 0 ? 1 : 0)));
      const scale = 0.5 + b;
      const log = base.reduce((sum, z, j) => sum - ((z - ((c === j ? 1 : 0) - b)) / scale) ** 2 / 2 - Math.log(scale), 0);
      return { c, b, weight: Math.exp(log + [0, 0.5, -0.5][c]!) * (b === 1 ? bit : 1 - bit) };
    }),
  );

  it.each([{}, { c: 0 }, { c: 2 }, { b: 1 }, { b: 0 }, { c: 1, b: 1 }] as Record<string, number>[])(
    "the others by their posterior given data and %o",
    async (held) => {
      const n = 4000;
      const notes: string[] = [];
      const { values } = await session.sample(n, {
        seed: 5,
        given: { x: repeated(at, n), ...held } as never,
        onNote: (note) => notes.push(note),
      });
      expect(notes).toEqual([]);
      const possible = states.filter((s) => Object.entries(held).every(([name, v]) => s[name as "c" | "b"] === v));
      const total = possible.reduce((sum, s) => sum + s.weight, 0);
      let chi2 = 0;
      let counted = 0;
      for (const { c, b, weight } of possible) {
        let count = 0;
        for (let i = 0; i < n; i++) if (values["c"]!.data[i] === c && values["b"]!.data[i] === b) count++;
        chi2 += (count - (n * weight) / total) ** 2 / ((n * weight) / total);
        counted += count;
      }
      expect(counted).toBe(n);
      expect(chi2).toBeLessThan([0, 10.8, 13.8, 16.3, 18.5, 20.5][possible.length - 1]! + 1e-6); // p = 0.001
      values["z"]!.data.forEach((z, i) => expect(z).toBeCloseTo(base[i % 2]!, 5));
    },
  );

  it("reconstruct and interpolate rows", async () => {
    const { data, shown } = await session.reconstruct(8);
    data["x"]!.data.forEach((v, i) => expect(shown["x"]!.data[i]).toBeCloseTo(v, 5));
    const between = await session.interpolate(2, 5);
    const ends = [0, 4, 5, 9].flatMap((row) => Array.from(between.shown["x"]!.data.slice(2 * row, 2 * row + 2)));
    ends.forEach((v, i) => expect(v).toBeCloseTo(between.data["x"]!.data[i]!, 5));
  });
});
