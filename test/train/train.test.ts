/** Training on the reference engine: it learns, it resumes exactly, it stops where it should, it says what was not finite. */
import { describe, expect, it } from "vitest";
import {
  add,
  cast,
  iwaeSchedule,
  less,
  linear,
  log,
  mul,
  referenceEngine,
  sqrt,
  sub,
  sum,
  train,
  trainOn,
  type Cursor,
  type HostTensor,
  type MetricRecord,
} from "gmc/runtime";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { handVae, templateRows } from "../support/hand-vae.js";

const rows = templateRows(100);

const engines = [referenceEngine, onnxEngine];
const available = (await Promise.all(engines.map((e) => e.probe()))).filter((i) => i.available).map((i) => i.name);

describe.each(engines.filter((e) => available.includes(e.name)))("$name", (engine) => {
  describe("train", () => {
    it("lowers the loss and gives a model that evaluates and draws", async () => {
      const trained = await train(handVae(), { data: { x: rows }, test: { x: templateRows(30, 16, 2) }, engine, epochs: 20, seed: 3 });
      const elbo = trained.history.map((r) => r.values["ELBO(p, q)"] ?? NaN);
      expect(elbo[0]).toBeLessThan(-10);
      // 16 fair coins cost 11.1 nats; the four templates with 5% flips cost about log 4 + 16 H(0.05) = 4.6
      expect(elbo.at(-1)).toBeGreaterThan(-8);
      const first = trained.history[0];
      expect(Object.keys(first?.values ?? {})).toEqual(["ELBO(p, q)", "log p(x | z)", "KL(q(z | x), p(z))"]);
      expect(first?.values["ELBO(p, q)"]).toBeCloseTo((first?.values["log p(x | z)"] ?? 0) - (first?.values["KL(q(z | x), p(z))"] ?? 0), 4);
      const samples = await trained.sample(5);
      expect(samples.values["x"]?.shape).toEqual([5, 16]);
      expect(samples.values["z"]?.shape).toEqual([5, 2]);
      expect([...(samples.values["x"]?.data ?? [])].every((v) => v === 0 || v === 1)).toBe(true);
      const shown = await trained.reconstruct(4);
      expect(shown.shown["x"]?.shape).toEqual([4, 16]);
      const between = await trained.interpolate(2, 5);
      expect(between.shown["x"]?.shape).toEqual([10, 16]);
      const again = await trained.sample(5);
      expect(again.values["x"]?.data).toEqual(samples.values["x"]?.data);
      trained.close();
    });

    it("is the same run for the same seed, and another for another", async () => {
      const run = async (seed: number) => {
        const trained = await train(handVae(), { data: { x: rows }, engine, steps: 7, seed });
        const weights = await trained.weights();
        trained.close();
        return [...(weights["decoder.dense1.kernel"]?.data ?? [])];
      };
      const a = await run(1);
      expect(await run(1)).toEqual(a);
      expect(await run(2)).not.toEqual(a);
    });

    it("draws grey values afresh in each step", async () => {
      const grey = new Uint8Array(100 * 16).fill(128);
      const values: number[] = [];
      const trained = await train(handVae({ spoil: (_, x) => sum(x, [-1]) }), {
        data: { x: grey },
        engine,
        steps: 10,
        recordEvery: 1,
        onRecord: (r) => void values.push(r.values["log p(x | z)"] ?? NaN),
      });
      trained.close();
      expect(values).toHaveLength(10);
      expect(new Set(values).size).toBeGreaterThan(4);
      // 16 coins of probability 128/255, averaged over 10 rows: standard error 0.63
      for (const v of values) expect(Math.abs(v - 8.03)).toBeLessThan(4);
    });

    it("runs phases one after another and moves only what is named", async () => {
      const model = handVae();
      const [phase] = model.train;
      if (!phase) throw new Error("no phase");
      const [update] = phase.updates;
      if (!update) throw new Error("no update");
      const two = {
        ...model,
        train: [
          { ...phase, name: "decoder", steps: 3, updates: [{ ...update, over: ["decoder"] }] },
          { ...phase, name: "encoder", steps: 2, updates: [{ ...update, over: ["encoder.dense2"] }] },
        ],
      };
      const records: MetricRecord[] = [];
      const session = await engine.open();
      const dataset = datasetOf(two, { train: { x: rows } });
      let half: HostTensor | undefined;
      const { result } = await trainOn(session, two, dataset, {
        seed: 5,
        recordEvery: 1,
        onRecord: (r) => void records.push(r),
        onCheckpoint: async (reason) => {
          if (reason === "phase") half = await session.read("decoder.dense1.kernel");
        },
      });
      expect(result.cursor).toMatchObject({ phase: 1, step: 2, total: 5, draws: 5, done: true });
      expect(records.map((r) => [r.phase, r.step])).toEqual([
        ["decoder", 1],
        ["decoder", 2],
        ["decoder", 3],
        ["encoder", 4],
        ["encoder", 5],
      ]);
      expect((await session.read("decoder.dense1.kernel")).data).toEqual(half?.data);
      session.dispose();
    });

    it("warms the KL term up", async () => {
      const seen: number[] = [];
      const trained = await train(handVae({ beta: linear(0, 1, { steps: 4 }) }), {
        data: { x: rows },
        engine,
        steps: 6,
        recordEvery: 1,
        onRecord: ({ values: v }) => {
          const kl = v["KL(q(z | x), p(z))"] ?? NaN;
          seen.push(((v["log p(x | z)"] ?? NaN) - (v["ELBO(p, q)"] ?? NaN)) / kl);
        },
      });
      trained.close();
      [0, 0.25, 0.5, 0.75, 1, 1].forEach((beta, i) => expect(seen[i]).toBeCloseTo(beta, 3));
    });

    it("follows a learning-rate schedule and overrides it", async () => {
      const { sgd } = await import("gmc/runtime");
      const distance = async (lr?: number) => {
        const model = handVae({ optimizer: sgd({ lr: iwaeSchedule({ lr: 1e-3, epochs: 0.8, stages: 2 }) }) });
        const trained = await train(model, { data: { x: rows }, engine, steps: 1, ...(lr === undefined ? {} : { lr }) });
        const zero = await train(model, { data: { x: rows }, engine, steps: 1, lr: 1e-30 });
        const [a, b] = [await trained.weights(), await zero.weights()];
        trained.close();
        zero.close();
        return (a["decoder.dense2.kernel"]?.data[0] ?? 0) - (b["decoder.dense2.kernel"]?.data[0] ?? 0);
      };
      expect((await distance(1e-2)) / (await distance())).toBeCloseTo(10, 2);
    });

    it("keeps a moving average and evaluates it", async () => {
      const decay = 0.5;
      const model = handVae({ phase: { ema: decay } });
      const dataset = datasetOf(model, { train: { x: rows } });
      const session = await engine.open();
      const path: number[] = [];
      const read = async (name: string) => (await session.read(name)).data[0] ?? NaN;
      const { averaged } = await trainOn(session, model, dataset, {
        seed: 1,
        steps: 4,
        recordEvery: 1,
        onRecord: async () => void path.push(await read("decoder.dense1.kernel")),
      });
      const { initialWeights } = await import("../../src/runtime/train/weights.js");
      const initial = initialWeights(model, 1).get("decoder.dense1.kernel")?.data[0];
      const expected = path.reduce((average, w, n) => {
        const kept = Math.min(decay, (1 + n) / (10 + n));
        return kept * average + (1 - kept) * w;
      }, initial ?? NaN);
      expect(await read("ema:decoder.dense1.kernel")).toBeCloseTo(expected, 6);
      expect(averaged.has("decoder.dense1.kernel")).toBe(true);
      session.dispose();
    });
  });

  describe("resume", () => {
    it("continues from any step as if it had never stopped", async () => {
      const model = handVae({ phase: { ema: 0.9 }, beta: linear(0, 1, { steps: 9 }) });
      const grey = Uint8Array.from(rows, (v) => (v ? 230 : 20));
      const dataset = datasetOf(model, { train: { x: grey } });
      const all = async (resumeAt: number | undefined) => {
        const records: MetricRecord[] = [];
        const saved = new Map<string, HostTensor>();
        let cursor: Cursor | undefined;
        let session = await engine.open();
        const options = { seed: 11, steps: 13, recordEvery: 4, onRecord: (r: MetricRecord) => void records.push(r) };
        if (resumeAt !== undefined) {
          const stop = new AbortController();
          await trainOn(session, model, dataset, {
            ...options,
            signal: stop.signal,
            onStep: (report) => {
              if (report().step === resumeAt) stop.abort();
            },
            onCheckpoint: async (_, at, states) => {
              cursor = JSON.parse(JSON.stringify(at)) as Cursor;
              for (const name of states) saved.set(name, await session.read(name));
            },
          });
          session.dispose();
          session = await engine.open();
          for (const [name, value] of saved) await session.write(name, value);
        }
        await trainOn(session, model, dataset, { ...options, resume: cursor });
        const weights = (await session.read("encoder.dense1.kernel")).data;
        const average = (await session.read("ema:encoder.dense1.kernel")).data;
        session.dispose();
        return { records, weights, average };
      };
      const whole = await all(undefined);
      for (const at of [1, 4, 10, 12]) {
        const resumed = await all(at);
        expect(resumed.weights).toEqual(whole.weights);
        expect(resumed.average).toEqual(whole.average);
        expect(resumed.records).toEqual(whole.records);
      }
    });
  });

  it("makes no checkpoint at the end of each short epoch, and always one at the first", async () => {
    const model = handVae();
    const dataset = datasetOf(model, { train: { x: rows } });
    const reasons = async (checkpointGap: number | undefined) => {
      const [found, epochs]: [string[], number[]] = [[], []];
      const session = await engine.open();
      await trainOn(session, model, dataset, {
        batch: 100,
        steps: 4,
        checkpointGap,
        onLook: (total) => void epochs.push(total),
        onCheckpoint: (reason, at) => void found.push(`${reason} ${at.total}`),
      });
      session.dispose();
      expect(epochs).toEqual([1, 2, 3]);
      return found;
    };
    expect(await reasons(undefined)).toEqual(["epoch 1", "epoch 2", "epoch 3", "end 4"]);
    expect(await reasons(3600)).toEqual(["epoch 1", "end 4"]);
  });

  it("is looked at ten times over a phase of few epochs, each time as it is after so many steps", async () => {
    const model = handVae();
    const dataset = datasetOf(model, { train: { x: rows } });
    const path = "decoder.dense1.kernel";
    const run = async (
      steps: number,
    ): Promise<{ readonly looks: ReadonlyMap<number, readonly number[]>; readonly last: readonly number[] }> => {
      const session = await engine.open();
      const weights = async (): Promise<readonly number[]> => Array.from((await session.read(path)).data);
      const looks = new Map<number, readonly number[]>();
      await trainOn(session, model, dataset, { batch: 2, steps, seed: 3, onLook: async (total) => void looks.set(total, await weights()) });
      const last = await weights();
      session.dispose();
      return { looks, last };
    };
    const { looks } = await run(20);
    expect([...looks.keys()]).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18]);
    expect(looks.get(6)).toEqual((await run(6)).last);
  });

  describe("early stopping", () => {
    it("stops when the validation metric no longer improves and brings the best weights back", async () => {
      const model = handVae({
        phase: { earlyStopping: { metric: "ELBO(p, q)", patience: 2, minDelta: 0 }, epochs: 200 },
      });
      // 20 training rows are soon learnt by heart
      const trained = await train(model, {
        data: { x: templateRows(20, 16, 7) },
        validation: { x: templateRows(50, 16, 8) },
        engine,
        lr: 0.05,
        seed: 1,
      });
      const validation = trained.history.filter((r) => r.split === "validation").map((r) => r.values["ELBO(p, q)"] ?? NaN);
      expect(validation.length).toBeLessThan(200);
      const best = Math.max(...validation);
      expect(validation.indexOf(best)).toBe(validation.length - 3);
      const again = await trained.evaluate({ split: "validation", metrics: [] });
      expect(again.terms["ELBO(p, q)"]?.value).toBeCloseTo(best, 4);
      trained.close();
    });

    it("records no validation where the objective has a gradient and no value", async () => {
      const model = handVae();
      const updates = model.train[0]!.updates.map((u) => ({ ...u, gradientOnly: true }));
      const trained = await train(
        { ...model, train: [{ ...model.train[0]!, updates }] },
        { data: { x: rows }, validation: { x: rows }, engine, epochs: 2, seed: 1 },
      );
      expect(trained.history.length).toBeGreaterThan(0);
      expect(trained.history.filter((r) => r.split === "validation")).toEqual([]);
      trained.close();
    });

    it("goes the way that the model says: what should rise stops once it falls", async () => {
      const stopped = async (goal: "rise" | "fall") => {
        const model = handVae({ phase: { earlyStopping: { metric: "ELBO(p, q)", patience: 2, minDelta: 0, goal }, epochs: 6 } });
        const { history } = await train(model, { data: { x: rows }, validation: { x: rows }, engine, seed: 1 });
        return history.filter((r) => r.split === "validation").length;
      };
      expect(await stopped("rise")).toBe(6);
      expect(await stopped("fall")).toBe(3);
    });

    it("needs a validation split and a metric that is measured", async () => {
      const phase = { earlyStopping: { metric: "nothing", patience: 2, minDelta: 0 } };
      await expect(train(handVae({ phase }), { data: { x: rows }, engine, steps: 1 })).rejects.toMatchObject({ code: "GM4004" });
      await expect(train(handVae({ phase }), { data: { x: rows }, validation: { x: rows }, engine, steps: 1 })).rejects.toMatchObject({
        code: "GM4005",
      });
    });
  });

  describe("finiteness", () => {
    const message = async (spoil: Parameters<typeof handVae>[0]) => {
      const model = handVae(spoil);
      const session = await engine.open();
      const error: unknown = await trainOn(session, model, datasetOf(model, { train: { x: rows } }), { steps: 3, lr: 0.01 }).then(
        () => undefined,
        (e: unknown) => e,
      );
      const finite = (await session.read("decoder.dense1.kernel")).data.every(Number.isFinite);
      session.dispose();
      return { error, finite };
    };

    it("names the term whose value is NaN and keeps finite weights", async () => {
      const { error, finite } = await message({ spoil: (t) => log(sub(t, 1e6)) });
      expect(error).toMatchObject({ code: "GM4003", message: expect.stringContaining("log p(x | z), vae.gm:12: is NaN at step 1") });
      expect(finite).toBe(true);
    });

    it("names the term whose gradient is not finite where its value is", async () => {
      // no entry lies below -1, so the root is of 0, where its slope is infinite
      const { error, finite } = await message({ spoil: (t, x) => add(t, sqrt(mul(t, sum(cast(less(x, -1), "f32"), [-1])))) });
      expect(error).toMatchObject({
        code: "GM4003",
        message: expect.stringContaining("log p(x | z), vae.gm:12: has a gradient that is not finite at step 1"),
      });
      expect(finite).toBe(true);
    });
  });

  describe("options", () => {
    it("refuses what makes no sense", async () => {
      const run = (options: object) => train(handVae(), { data: { x: rows }, engine, ...options });
      await expect(run({ steps: 0 })).rejects.toMatchObject({ code: "GM4008" });
      await expect(run({ epochs: -1 })).rejects.toMatchObject({ code: "GM4008" });
      await expect(run({ seed: 0.5 })).rejects.toMatchObject({ code: "GM4008" });
      await expect(train(handVae(), { data: {}, engine })).rejects.toMatchObject({ code: "GM4004" });
      await expect(train(handVae(), { data: { x: rows, y: rows }, engine })).rejects.toMatchObject({ code: "GM4004" });
      await expect(train(handVae(), { data: { x: new Float32Array(17) }, engine })).rejects.toMatchObject({ code: "GM4004" });
      await expect(run({ batch: 1000 })).rejects.toMatchObject({ code: "GM5024" });
    });

    it("takes nested lists", async () => {
      const nested = Array.from({ length: 20 }, (_, i) => Array.from(rows.subarray(i * 16, (i + 1) * 16)));
      const trained = await train(handVae(), { data: { x: nested }, engine, steps: 1 });
      trained.close();
      await expect(train(handVae(), { data: { x: [[0, 1], [1]] }, engine, steps: 1 })).rejects.toMatchObject({ code: "GM4004" });
      for (const [entry, found] of [
        ["1", 'the text "1"'],
        [undefined, "undefined"],
        [null, "null"],
      ]) {
        const x = [[0, entry]] as unknown as number[][];
        await expect(train(handVae(), { data: { x }, engine, steps: 1 })).rejects.toMatchObject({
          code: "GM4004",
          message: `row 1, entry 2, of \`x\` is ${found}, where a number was expected`,
        });
      }
    });
  });
});
