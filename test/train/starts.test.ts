/** Starts from the first batch: once, in order through the layers, recorded; and a flow that is trained on from there. */
import { describe, expect, it } from "vitest";
import {
  actnorm,
  adam,
  add,
  chain,
  coupling,
  defineModel,
  dense,
  hostStream,
  materialize,
  normal,
  real,
  referenceEngine,
  relu,
  reverseFlow,
  sum,
  train,
  trainOn,
  type Bijector,
  type Cursor,
  type HostTensor,
  type ModelDefinition,
  type PhaseDefinition,
  type StepContext,
  type WeightsOf,
} from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";

const STEPS = 6;
const step = { actnorm: actnorm.spec(2), net: { dense1: dense.spec(1, 32), dense2: dense.spec(32, 2) } };
const weights = { flow: Array.from({ length: STEPS }, () => step) };
type Weights = WeightsOf<typeof weights>;

/** From x to z: the list runs backwards. */
function parts(w: Weights): readonly Bijector[] {
  return w.flow.flatMap((layer) => [
    actnorm(layer.actnorm, { event: [2] }),
    coupling({ event: [2], net: (t) => dense(layer.net.dense2, relu(dense(layer.net.dense1, t))) }),
    reverseFlow({ event: [2] }),
  ]);
}

function model(phases: readonly Partial<PhaseDefinition>[]): ModelDefinition {
  return defineModel({
    name: "Flow",
    source: { file: "flow.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
    hyperparameters: {},
    streams: [{ x: real([2]) }],
    latents: { z: real([2]) },
    weights,
    densities: {},
    train: phases.map((phase, i) => ({
      name: `phase ${i + 1}`,
      batch: 200,
      steps: 1,
      updates: [
        {
          direction: "maximize" as const,
          label: "log p(x)",
          place: "flow.gm:5",
          value: ({ w, data }: StepContext) => {
            const z = chain(parts(w as unknown as Weights)).inverse(data["x"]!);
            return add(sum(normal.logProb(z.value, { loc: 0, scale: 1 }), -1), z.logDet);
          },
          over: ["flow"],
          optimizer: adam({ lr: 2e-3 }),
        },
      ],
      ...phase,
    })),
    evaluate: {},
  });
}

/** Two arcs far from 0, of other scales. */
function arcs(rows: number): Float32Array {
  const stream = hostStream(4, "arcs");
  const out = new Float32Array(2 * rows);
  for (let i = 0; i < rows; i++) {
    const angle = Math.PI * stream.uniform();
    const lower = i % 2 === 1;
    out[2 * i] = 40 + 4 * (lower ? 1 - Math.cos(angle) : Math.cos(angle)) + 0.4 * stream.normal();
    out[2 * i + 1] = -5 + (lower ? 0.5 - Math.sin(angle) : Math.sin(angle)) + 0.1 * stream.normal();
  }
  return out;
}

const rows = arcs(200);

/** Mean and variance of each channel behind every actnorm, from x on. */
function behind(read: Readonly<Record<string, HostTensor>>): readonly (readonly number[])[] {
  const feeds = {
    x: { shape: [200, 2], data: rows },
    ...Object.fromEntries(Object.entries(read).map(([k, t]) => [k, { shape: t.shape, data: t.data }])),
  };
  const out = compute(({ x, ...states }) => {
    const w = materialize(weights, (at) => states[at.path]!);
    let value = x!;
    const seen: (typeof value)[] = [];
    [...parts(w)].reverse().forEach((part, i) => {
      value = part.inverse(value).value;
      if (i % 3 === 2) seen.push(value);
    });
    return Object.fromEntries(seen.map((t, i) => [String(i), t]));
  }, feeds);
  return Object.values(out).flatMap(({ data }) =>
    [0, 1].map((c) => {
      const list = Array.from(data).filter((_, i) => i % 2 === c);
      const mean = list.reduce((a, b) => a + b, 0) / list.length;
      return [mean, list.reduce((s, v) => s + (v - mean) ** 2, 0) / list.length];
    }),
  );
}

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("every layer starts with mean 0 and variance 1 for each channel, also behind others", async () => {
    const trained = await train(model([{}]), { data: { x: rows }, engine, lr: 1e-12 });
    const read = await trained.weights();
    trained.close();
    const statistics = behind(read);
    expect(statistics).toHaveLength(2 * STEPS);
    for (const [mean, variance] of statistics) {
      expect(mean).toBeCloseTo(0, 3);
      expect(variance).toBeCloseTo(1, 3);
    }
    // the averages of the weights begin there, too
    const averaged = await train(model([{ ema: 0.999 }]), { data: { x: rows }, engine, lr: 1e-12 });
    const mean = (await averaged.weights())["flow.1.actnorm.shift"];
    expect(mean?.data[1]).toBeCloseTo(read["flow.1.actnorm.shift"]?.data[1] ?? NaN, 6);
    expect(Math.abs(mean?.data[1] ?? 0)).toBeGreaterThan(1e-3);
    averaged.close();
  });

  it("starts once: a later phase and a resumed run go on with the weights that are there", async () => {
    const two = model([{ steps: 5 }, { steps: 3, updates: model([{}]).train[0]!.updates }]);
    const dataset = datasetOf(two, { train: { x: rows } });
    const whole = await engine.open();
    const reached: Cursor[] = [];
    const atPhase: HostTensor[] = [];
    const { result } = await trainOn(whole, two, dataset, {
      seed: 5,
      onCheckpoint: async (reason, cursor) => {
        if (reason === "phase") atPhase.push(await whole.read("flow.1.actnorm.shift"));
        reached.push(cursor);
      },
    });
    expect(result.cursor.started).toHaveLength(2 * STEPS);
    expect(new Set(reached.map((c) => c.started?.length))).toEqual(new Set([2 * STEPS]));

    const stopped = await engine.open();
    const abort = new AbortController();
    const states: string[] = [];
    const first = await trainOn(stopped, two, dataset, {
      seed: 5,
      signal: abort.signal,
      onStep: (report) => void (report().total === 2 && abort.abort()),
      onCheckpoint: (_reason, _cursor, names) => void states.push(...names),
    });
    expect(first.result.outcome).toBe("interrupted");
    const resumed = await engine.open();
    for (const name of new Set(states)) await resumed.write(name, await stopped.read(name));
    await trainOn(resumed, two, dataset, { seed: 5, resume: JSON.parse(JSON.stringify(first.result.cursor)) as Cursor });
    for (const name of ["flow.1.actnorm.shift", "flow.6.actnorm.logScale", "flow.2.net.dense1.kernel"])
      expect((await resumed.read(name)).data).toEqual((await whole.read(name)).data);

    const still = model([{ steps: 5 }, { steps: 1, updates: [{ ...two.train[0]!.updates[0]!, optimizer: adam({ lr: 1e-12 }) }] }]);
    const end = await engine.open();
    await trainOn(end, still, dataset, { seed: 5 });
    const shift = Array.from((await end.read("flow.1.actnorm.shift")).data);
    shift.forEach((v, i) => expect(v).toBeCloseTo(Number(atPhase[0]?.data[i]), 5));
    [whole, stopped, resumed, end].forEach((s) => s.dispose());
  });
});

it.skipIf(!available.includes("onnx"))("a flow learns two arcs, which no Gaussian does", async () => {
  const data = arcs(2000);
  const trained = await train(model([{ steps: 400 }]), { data: { x: data }, engine: onnxEngine, seed: 1, recordEvery: 50 });
  const last = trained.history.at(-1)?.values["log p(x)"] ?? NaN;
  trained.close();
  const log = Math.log;
  const moments = [0, 1].map((c) => Array.from(data).filter((_, i) => i % 2 === c));
  const means = moments.map((list) => list.reduce((a, b) => a + b, 0) / list.length);
  const cov = (i: number, j: number): number =>
    moments[i]!.reduce((s, v, k) => s + (v - means[i]!) * (moments[j]![k]! - means[j]!), 0) / moments[i]!.length;
  const gaussian = -1 - log(2 * Math.PI) - 0.5 * log(cov(0, 0) * cov(1, 1) - cov(0, 1) ** 2);
  expect(last).toBeGreaterThan(gaussian + 0.25);
  // nor more than the arcs allow: entropy along them, log(2 pi), across them, that of the noise, and the scale 4
  expect(last).toBeLessThan(-(log(2 * Math.PI) + 0.5 * log(2 * Math.PI * Math.E * 0.01) + log(4)) + 0.1);
});
