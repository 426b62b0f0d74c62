/** Samples that are given conditions, judged against data: the generator that is the data's own, and one that draws what was not asked for. */
import { describe, expect, it } from "vitest";
import { hostStream } from "../../src/runtime/index.js";
import type { Evaluation, TrainedSession } from "../../src/runtime/index.js";
import { train } from "../../src/runtime/node/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { loadModel } from "../support/model.js";

const SPREAD = 0.35;

/** Eight Gaussians on a ring, a class each; `shift`: so many classes on from the one that is asked for. */
const text = (shift: number): string => `
model Ring {
  data x : real[2], y : category[8]
  latent z : real[2]
  param b : real[2] = 0
  net G(z, y) {
    t = 0.7853981633974483 * (sum(onehot(y) * cumsum(ones(8))) - 1 + ${shift})
    return stack(2.83 * cos(t), 2.83 * sin(t)) + ${SPREAD} * z + b
  }
  density p(x, z | y) {
    z ~ Normal(0, 1)
    x = G(z, y)
  }
  objective means = E[y ~ data, xf ~ p(x | y)](sum((batch_mean(x) - batch_mean(xf))^2))
  train { minimize means over b   optimizer = sgd(lr = 1e-12), batch = 50, steps = 1 }
  evaluate {
    far = mmd_test(p, rows = 60, permutations = 60)
    quality = classifier_test(p, y, rows = 250, steps = 120, k = 500)
    modes = ring_modes(p, radius = 2.83)
  }
}`;

function ring(rows: number, seed: number): { readonly x: Float32Array; readonly y: Int32Array } {
  const random = hostStream(seed, "ring");
  const y = Int32Array.from({ length: rows }, () => random.below(8));
  const x = new Float32Array(2 * rows);
  y.forEach((c, i) => {
    x[2 * i] = 2.83 * Math.cos((Math.PI * c) / 4) + SPREAD * random.normal();
    x[2 * i + 1] = 2.83 * Math.sin((Math.PI * c) / 4) + SPREAD * random.normal();
  });
  return { x, y };
}

/** Sorted by class, as files often are. */
function sorted({ x, y }: ReturnType<typeof ring>): ReturnType<typeof ring> {
  const order = [...y.keys()].sort((a, b) => (y[a] ?? 0) - (y[b] ?? 0));
  return {
    x: Float32Array.from(order.flatMap((i) => [x[2 * i] ?? NaN, x[2 * i + 1] ?? NaN])),
    y: Int32Array.from(order, (i) => y[i] ?? -1),
  };
}

async function trained(shift: number): Promise<TrainedSession> {
  const { model } = loadModel(text(shift));
  const data = datasetOf(model, { train: sorted(ring(1200, 1)), test: sorted(ring(1200, 2)) });
  return train(model, { data, seed: 1 });
}

const measured = (session: TrainedSession, metrics: readonly string[], seed: number, rows?: number): Promise<Evaluation> =>
  session.evaluate({ terms: false, reconstruction: false, metrics, seed, ...(rows === undefined ? {} : { rows }) });

const moments = (values: readonly number[]): { readonly mean: number; readonly error: number } => {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((s, v) => s + (v - mean) ** 2, 0) / (values.length - 1);
  return { mean, error: Math.sqrt(variance / values.length) };
};

describe("mmd_test of a density with conditions", () => {
  it("has an unbiased distance and a uniform p where the generator is the data's own", async () => {
    const session = await trained(0);
    const found = [];
    for (let seed = 0; seed < 60; seed++) found.push((await measured(session, ["far"], seed)).metrics["far"]);
    session.close();
    const { mean, error } = moments(found.map((r) => r?.value ?? NaN));
    expect(Math.abs(mean)).toBeLessThan(4 * error);
    const p = found.map((r) => r?.detail?.["p"] ?? NaN);
    // a uniform p has the mean 1/2 and the deviation 1 / sqrt(12)
    expect(Math.abs(moments(p).mean - 0.5)).toBeLessThan(4 / Math.sqrt(12 * p.length));
    expect(p.filter((v) => v <= 0.25).length / p.length).toBeLessThan(0.25 + 4 * Math.sqrt(0.1875 / p.length));
    expect(p.filter((v) => v > 0.75).length / p.length).toBeLessThan(0.25 + 4 * Math.sqrt(0.1875 / p.length));
    expect(found[0]).toMatchObject({ rows: 60, conditions: { variables: ["y"], rows: 60 } });
  });

  it("takes half of few rows, and four at least", async () => {
    const session = await trained(0);
    expect((await measured(session, ["far"], 1, 50)).metrics["far"]).toMatchObject({ rows: 25, conditions: { rows: 25 } });
    await expect(measured(session, ["far"], 1, 3)).rejects.toMatchObject({
      code: "GM4041",
      help: ["measure at least 4 rows: `--rows 1000`, or a larger `rows = …`"],
    });
    const { model } = loadModel(text(0));
    const few = await train(model, { data: datasetOf(model, { train: ring(60, 1), test: ring(3, 2) }), seed: 1 });
    await expect(measured(few, ["far"], 1)).rejects.toMatchObject({
      code: "GM4041",
      help: ["measure at least 4 rows, and the split holds 3: take one that holds more"],
    });
    few.close();
    // nothing is compared with data: all rows give conditions
    const { modes } = (await measured(session, ["modes"], 1)).metrics;
    expect(modes?.conditions).toBeUndefined();
    expect(modes?.rows).toBeUndefined();
    session.close();
  });

  it("does not depend on the size of a batch", async () => {
    const session = await trained(0);
    const at = async (batch: number): Promise<number> =>
      (await session.evaluate({ terms: false, reconstruction: false, metrics: ["far"], seed: 5, batch })).metrics["far"]?.value ?? NaN;
    expect(await at(7)).toBeCloseTo(await at(100), 6);
    session.close();
  });
});

describe("classifier_test of a density with conditions", () => {
  it("leaves the data's own generator no nearer than training rows are", async () => {
    const session = await trained(0);
    const ratios = [];
    for (let seed = 0; seed < 8; seed++) {
      const { quality } = (await measured(session, ["quality"], seed)).metrics;
      ratios.push(Math.log((quality?.value ?? NaN) / (quality?.detail?.["training rows"] ?? NaN)));
      expect(quality?.detail?.["classified as asked"]).toBeGreaterThan(0.95);
      // of 250 rows the last nearest is the 249th, and that is what the protocol says
      expect(quality?.neighbours).toBe(249);
      expect(quality?.label).toContain("k = 249");
    }
    session.close();
    // samples of the rows' own conditions came to a fifth of it and less
    expect(Math.abs(moments(ratios).mean)).toBeLessThan(Math.log(2.5));
  });

  it("says where a sample is of another class than was asked for", async () => {
    const session = await trained(1);
    const { quality } = (await measured(session, ["quality"], 1)).metrics;
    const own = await session.judge("quality", { shape: [250, 2], data: ring(250, 3).x });
    session.close();
    expect(quality?.detail?.["classified as asked"]).toBeLessThan(0.05);
    expect(quality?.detail?.["classes apart"]).toBeLessThan(0.15);
    // nothing was asked of rows that come from elsewhere
    expect(own.detail?.["classified as asked"]).toBeUndefined();
  });
});
