/** State that an update carries: how it begins, that it is advanced, saved, resumed bitwise, shared by name, masked by a fault. */
import { describe, expect, it } from "vitest";
import { div, mul, referenceEngine, train, trainOn, type CarriedSpec, type HostTensor } from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { startValue } from "../../src/runtime/train/carried.js";
import { exactLogZ, handRbm, logUnnormalised } from "../support/hand-rbm.js";
import { templateRows } from "../support/hand-vae.js";
import { statesAfter } from "../support/resume.js";

const D = 12;
const rows = templateRows(100, D);
const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

describe("starts", () => {
  const model = handRbm();
  const dataset = datasetOf(model, { train: { v: rows } });
  const start = (spec: Omit<CarriedSpec, "shape" | "dtype"> & Partial<CarriedSpec>, seed = 1, name = "v"): readonly number[] =>
    Array.from(startValue(name, { shape: [200, D], dtype: "f32", ...spec }, seed, dataset).data);
  const average = (x: readonly number[]): number => x.reduce((a, b) => a + b, 0) / x.length;

  it("follow from seed and name alone", () => {
    const first = start({ start: { kind: "bernoulli" } });
    expect(start({ start: { kind: "bernoulli" } })).toEqual(first);
    expect(start({ start: { kind: "bernoulli" } }, 2)).not.toEqual(first);
    expect(start({ start: { kind: "bernoulli" } }, 1, "u")).not.toEqual(first);
  });

  it("have the distribution that they name", () => {
    expect(start({ start: { kind: "zeros" } }).every((v) => v === 0)).toBe(true);
    // 2,400 draws: standard error 0.01
    const coins = start({ start: { kind: "bernoulli", p: 0.2 } });
    expect(new Set(coins)).toEqual(new Set([0, 1]));
    expect(Math.abs(average(coins) - 0.2)).toBeLessThan(0.04);
    const normal = start({ start: { kind: "normal", scale: 3 } });
    expect(Math.abs(average(normal))).toBeLessThan(0.25);
    expect(Math.sqrt(average(normal.map((v) => v * v)))).toBeCloseTo(3, 0);
    const uniform = start({ start: { kind: "uniform", low: -1, high: 3 } });
    expect(Math.min(...uniform)).toBeGreaterThanOrEqual(-1);
    expect(Math.abs(average(uniform) - 1)).toBeLessThan(0.1);
    const classes = start({ dtype: "i32", start: { kind: "categorical", classes: 3 } });
    expect(new Set(classes)).toEqual(new Set([0, 1, 2]));
  });

  it("are rows of the training data, each once as far as they go", () => {
    const all = (x: readonly number[], count: number): string[] =>
      Array.from({ length: count }, (_, i) => x.slice(i * D, (i + 1) * D).join("")).sort();
    const data = all(Array.from(rows), 100);
    const spec = { start: { kind: "data", variable: "v" } } as const;
    expect(all(start({ ...spec, shape: [100, D] }), 100)).toEqual(data);
    expect(all(start({ ...spec, shape: [200, D] }), 200)).toEqual([...data, ...data].sort());
    expect(() => startValue("v", { ...spec, shape: [3, D], dtype: "f32" }, 0, undefined)).toThrow(/no|none/);
  });

  it("draw grey rows, and spread counts", () => {
    const grey = datasetOf(model, { train: { v: new Uint8Array(100 * D).fill(51) } });
    const drawn = Array.from(startValue("v", { shape: [200, D], dtype: "f32", start: { kind: "data", variable: "v" } }, 1, grey).data);
    expect(new Set(drawn)).toEqual(new Set([0, 1]));
    expect(Math.abs(average(drawn) - 0.2)).toBeLessThan(0.04);
    const totals = (x: readonly number[]): number[] =>
      Array.from({ length: x.length / D }, (_, i) => x.slice(i * D, (i + 1) * D).reduce((a, b) => a + b, 0)).sort();
    const counts = start({ shape: [100, D], start: { kind: "counts", variable: "v" } });
    expect(totals(counts)).toEqual(totals(Array.from(rows)));
    expect(Math.max(...counts)).toBeGreaterThan(1);
  });
});

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  it("persistent chains learn a distribution", async () => {
    const trained = await train(handRbm({ chains: 100, k: 2 }), { data: { v: rows }, engine, epochs: 60, lr: 0.1, seed: 2 });
    const weights = await trained.weights();
    const host = { W: weights["W"]!.data, a: weights["a"]!.data, b: weights["b"]!.data };
    const logZ = exactLogZ(host);
    let total = 0;
    for (let i = 0; i < 100; i++) total += logUnnormalised(host, rows.subarray(i * D, (i + 1) * D)) - logZ;
    // independent units with the right means are the best that biases alone can do
    const means = Array.from(
      { length: D },
      (_, i) => Array.from({ length: 100 }, (_, r) => rows[r * D + i]!).reduce((a, b) => a + b, 0) / 100,
    );
    const independent = means.reduce((t, p) => t + p * Math.log(p) + (1 - p) * Math.log(1 - p), 0);
    expect(total / 100).toBeGreaterThan(independent + 1);
    const chain = await trained.session.read("chain:p.v");
    expect(chain.shape).toEqual([100, D]);
    expect(new Set(chain.data)).toEqual(new Set([0, 1]));
    trained.close();
  });

  it("resume goes on bitwise, averages, stopping and chains included", async () => {
    const phase = { ema: 0.9, earlyStopping: { metric: "log p(v)", patience: 50, minDelta: 0 } };
    const model = handRbm({ phase, start: { kind: "data", variable: "v" } });
    const dataset = datasetOf(model, { train: { v: Uint8Array.from(rows, (v) => (v ? 230 : 20)) }, validation: { v: rows } });
    const all = (resumeAt?: number): ReturnType<typeof statesAfter> =>
      statesAfter({ engine, model, dataset, options: { seed: 11, steps: 23 } }, resumeAt);
    const whole = await all();
    for (const name of ["W", "ema:W", "chain:p.v", "best:W", "best:chain:p.v"]) expect([...whole.keys()]).toContain(name);
    for (const at of [1, 10, 17]) expect(await all(at)).toEqual(whole);
  });

  it("an evaluation leaves what is carried as it is", async () => {
    const trained = await train(handRbm(), { data: { v: rows }, engine, epochs: 1, seed: 1 });
    const before = (await trained.session.read("chain:p.v")).data.slice();
    const { terms } = await trained.evaluate({ metrics: [] });
    expect(Object.keys(terms).length).toBeGreaterThan(0);
    expect((await trained.session.read("chain:p.v")).data).toEqual(before);
    trained.close();
  });

  it("early stopping brings the chains of the best epoch back with its weights", async () => {
    const model = handRbm({ phase: { earlyStopping: { metric: "log p(v)", patience: 1, minDelta: 1e9 } } });
    const trained = await train(model, { data: { v: rows }, validation: { v: rows }, engine, epochs: 5, seed: 1 });
    // no epoch is better by 1e9 than the first, so the second ends the phase
    expect(trained.cursor.step).toBe(20);
    const one = await train(model, { data: { v: rows }, validation: { v: rows }, engine, epochs: 1, seed: 1 });
    for (const name of ["W", "chain:p.v"]) expect((await trained.session.read(name)).data).toEqual((await one.session.read(name)).data);
    trained.close();
    one.close();
  });

  it("updates that name the same chain share it, and a later phase goes on with it", async () => {
    const seen: string[] = [];
    const run = async (shape: readonly number[] | undefined) => {
      const model = handRbm({
        train: (update, phase) => {
          const spec = update.carried?.["p.v"];
          if (!spec) throw new Error("no chain");
          return [
            {
              ...phase,
              name: "one",
              steps: 3,
              updates: [
                { ...update, over: ["W"] },
                { ...update, over: ["a", "b"] },
              ],
            },
            { ...phase, name: "two", steps: 2, updates: [{ ...update, carried: { "p.v": { ...spec, shape: shape ?? spec.shape } } }] },
          ];
        },
      });
      const session = await engine.open();
      const dataset = datasetOf(model, { train: { v: rows } });
      let between: HostTensor | undefined;
      await trainOn(session, model, dataset, {
        seed: 4,
        onCheckpoint: async (reason, _, states) => {
          if (reason !== "phase") return;
          seen.push(...states.filter((name) => name.startsWith("chain:")));
          between = await session.read("chain:p.v");
        },
      });
      const after = await session.read("chain:p.v");
      session.dispose();
      return { between, after };
    };
    const same = await run(undefined);
    expect(seen).toEqual(["chain:p.v"]);
    expect(same.after.shape).toEqual([20, D]);
    expect(same.after.data).not.toEqual(same.between?.data);
    // another number of chains begins anew
    expect((await run([7, D])).after.shape).toEqual([7, D]);
    const wrong = handRbm({
      train: (update, phase) => [
        {
          ...phase,
          updates: [
            { ...update, over: ["W"] },
            { ...update, over: ["a"], carried: { "p.v": { shape: [3, D], dtype: "f32", start: { kind: "zeros" } } } },
          ],
        },
      ],
    });
    await expect(train(wrong, { data: { v: rows }, engine, steps: 1 })).rejects.toMatchObject({ code: "GM4007" });
  });

  it("a store that was used before begins anew", async () => {
    const model = handRbm({ phase: { ema: 0.9 } });
    const dataset = datasetOf(model, { train: { v: rows } });
    const session = await engine.open();
    const run = async () => {
      await trainOn(session, model, dataset, { seed: 4, steps: 5 });
      return Promise.all(["W", "ema:W", "chain:p.v"].map(async (name) => (await session.read(name)).data));
    };
    const first = await run();
    expect(await run()).toEqual(first);
    session.dispose();
  });

  it("a chain that is not finite ends the run, and neither it nor the weights take it", async () => {
    const model = handRbm({ chains: 5, spoil: (chain) => div(chain, mul(chain, 0)) });
    const dataset = datasetOf(model, { train: { v: rows } });
    const session = await engine.open();
    const error: unknown = await trainOn(session, model, dataset, { steps: 3 }).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toMatchObject({
      code: "GM4003",
      message: "log p(v), rbm.gm:9: what it carries to the next step (its chains) is not finite at step 1 of train",
    });
    for (const name of ["W", "chain:p.v"]) expect((await session.read(name)).data.every(Number.isFinite)).toBe(true);
    session.dispose();
  });
});
