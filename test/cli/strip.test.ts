/** Samples over training: a row an epoch, of models that draw at once, few rows however long the run. */
import { expect, it } from "vitest";
import { referenceEngine, type ModelDefinition } from "gmc/runtime";
import { collectStrip, STRIP_COLUMNS, type Strip } from "../../src/cli/run/strip.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/runtime/data/safetensors.js";
import { handRbm } from "../support/hand-rbm.js";
import { loadModel } from "../support/model.js";

const generator = loadModel(`
model M {
  data x : real[3]
  latent z : real[2]
  net G(z) = z |> dense(3)
  net critic(x) = x |> dense(1) |> tanh |> sum
  density p(x, z) { z ~ Normal(0, 1)   x = G(z) }
  train { maximize WGAN(p, critic) over critic   minimize WGAN(p, critic) over G   batch = 2 }
}`).model;

async function stripOf(
  model: ModelDefinition,
  steps: readonly number[],
  between: (step: number) => Promise<void> | void = () => {},
  saved?: Parameters<typeof collectStrip>[2],
): Promise<Strip> {
  const session = await referenceEngine.open();
  const [stream = {}] = model.streams;
  const dataset = datasetOf(model, {
    train: Object.fromEntries(Object.keys(stream).map((name) => [name, new Float32Array(4 * (stream[name]?.shape[0] ?? 1))])),
  });
  await writeAll(session, initialWeights(model, 1, dataset));
  const strip = collectStrip({ session, model, dataset }, 4, saved);
  for (const step of steps) {
    await between(step);
    await strip.add(step);
  }
  session.dispose();
  return strip;
}

it("holds the same noise at each epoch, once for each step", async () => {
  const rows = (await stripOf(generator, [10, 20, 20])).rows();
  expect(rows.map((r) => r.step)).toEqual([10, 20]);
  const [first, second] = rows.map((r) => r.samples.values["x"]);
  expect(first?.shape).toEqual([STRIP_COLUMNS, 3]);
  expect(Array.from(second?.data ?? [])).toEqual(Array.from(first?.data ?? []));
  expect(new Set(first?.data).size).toBe(3 * STRIP_COLUMNS);
});

it("spreads few rows over a long run", async () => {
  const steps = (
    await stripOf(
      generator,
      Array.from({ length: 100 }, (_, i) => i),
    )
  )
    .rows()
    .map((r) => r.step);
  expect(steps.length).toBeGreaterThan(10);
  expect(steps.length).toBeLessThanOrEqual(20);
  expect(steps.at(-1)).toBeGreaterThan(90);
  const gaps = steps.slice(1).map((s, i) => s - (steps[i] ?? 0));
  expect(new Set(gaps).size).toBe(1);
});

it("goes on with what was saved, up to the step at which a run goes on", async () => {
  const steps = Array.from({ length: 30 }, (_, i) => i + 1);
  const whole = await stripOf(generator, steps);
  const half = await stripOf(generator, steps.slice(0, 22));
  const resumed = await stripOf(generator, steps.slice(22), undefined, { bytes: half.encode(), step: 22 });
  expect(resumed.rows().map((r) => r.step)).toEqual(whole.rows().map((r) => r.step));
  const [first] = resumed.rows();
  expect(Array.from(first?.samples.values["x"]?.data ?? [])).toEqual(Array.from(whole.rows()[0]?.samples.values["x"]?.data ?? []));
  const earlier = await stripOf(generator, [], undefined, { bytes: half.encode(), step: 9 });
  expect(Math.max(...earlier.rows().map((r) => r.step))).toBeLessThanOrEqual(9);
  expect(earlier.rows().length).toBeGreaterThan(2);
});

it("begins anew where what was saved is damaged", async () => {
  const bytes = (await stripOf(generator, [1, 2])).encode().slice(0, 40);
  expect((await stripOf(generator, [3], undefined, { bytes, step: 2 })).rows().map((r) => r.step)).toEqual([3]);
});

it("begins anew where what was saved is of another model, or lacks a row of the picture", async () => {
  const text = (width: number, name: string): ModelDefinition =>
    loadModel(`
model M {
  data ${name} : real[${width}]
  latent z : real[2]
  net G(z) = z |> dense(${width})
  net critic(${name}) = ${name} |> dense(1) |> tanh |> sum
  density p(${name}, z) { z ~ Normal(0, 1)   ${name} = G(z) }
  train { maximize WGAN(p, critic) over critic   minimize WGAN(p, critic) over G   batch = 2 }
}`).model;
  for (const other of [text(4, "x"), text(3, "y")]) {
    const bytes = (await stripOf(other, [1, 2])).encode();
    expect((await stripOf(generator, [3, 4], undefined, { bytes, step: 2 })).rows().map((r) => r.step)).toEqual([3, 4]);
  }
  const { tensors, metadata } = decodeSafetensors({ path: "strip", bytes: (await stripOf(generator, [1, 2])).encode() });
  const files = {
    "half a row": encodeSafetensors(
      Object.fromEntries(
        Object.entries(tensors).map(([k, t]) => [k, k.startsWith("2:") ? { ...t, shape: [5, 3], data: t.data.slice(0, 15) } : t]),
      ),
      metadata,
    ),
    "a variable less": encodeSafetensors(Object.fromEntries(Object.entries(tensors).filter(([k]) => k !== "2:value:x")), metadata),
    "no count": encodeSafetensors(tensors, { epoch: "2", every: "none" }),
  };
  for (const [name, bytes] of Object.entries(files)) {
    const steps = (await stripOf(generator, [3, 4], undefined, { bytes, step: 2 })).rows().map((r) => r.step);
    expect(steps.slice(-2), name).toEqual([3, 4]);
    expect(steps.slice(0, -2), name).toEqual(
      name === "a variable less" && !Object.keys(tensors).some((k) => k.startsWith("2:value:z")) ? [1] : [],
    );
  }
});

it("is empty where a sample takes many sweeps", async () => {
  expect((await stripOf(handRbm({ D: 4, H: 2, spread: 1, sweeps: 10 }), [1, 2])).rows()).toEqual([]);
});
