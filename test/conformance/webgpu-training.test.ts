/**
 * Training with everything on the device: batches taken from data that it holds, many steps in a submission, metrics that come later. Compared bit by bit with
 * the same engine one step at a time, fed with values.
 */
import { afterEach, describe, expect, it, vi, type TestContext } from "vitest";
import type { Engine, EngineSession, HostTensor, Program, Table } from "../../src/runtime/engines/engine.js";
import { openDevice } from "../../src/runtime/engines/webgpu/device.js";
import { webgpuEngine } from "../../src/runtime/engines/webgpu/index.js";
import { openSession } from "../../src/runtime/engines/webgpu/session.js";
import * as g from "../../src/runtime/graph/index.js";
import { linear, log, sub, trainOn, type Cursor, type MetricRecord, type ModelDefinition } from "../../src/runtime/index.js";
import { datasetOf, type ArraysBySplit } from "../../src/runtime/train/arrays.js";
import { handVae, templateRows } from "../support/hand-vae.js";

async function missing(context: TestContext): Promise<boolean> {
  const info = await webgpuEngine.probe();
  if (!info.available) context.skip(`webgpu is not available: ${info.detail}`);
  return !info.available;
}

/** The engine as it was before it could start runs: each is waited for, and fed with values. */
const oneByOne: Engine = {
  ...webgpuEngine,
  async open(options) {
    const { flush: _flush, hold: _hold, ...session } = await webgpuEngine.open(options);
    return {
      ...session,
      async compile(program) {
        const { run, dispose } = await session.compile(program);
        return { run, dispose };
      },
    } satisfies EngineSession;
  },
};

/** It starts runs, and holds no tables. */
const fedWithValues: Engine = {
  ...webgpuEngine,
  async open(options) {
    const { hold: _hold, ...session } = await webgpuEngine.open(options);
    return session;
  },
};

interface Trained {
  readonly states: Readonly<Record<string, readonly number[]>>;
  readonly records: readonly MetricRecord[];
  readonly held: number;
  readonly steps: readonly number[];
}

interface Case {
  readonly model: ModelDefinition;
  readonly splits: ArraysBySplit;
  readonly steps?: number;
  readonly resumeAt?: number;
}

async function run(engine: Engine, { model, splits, steps = 70, resumeAt }: Case): Promise<Trained> {
  const dataset = datasetOf(model, splits);
  const records: MetricRecord[] = [];
  const seen: number[] = [];
  const saved = new Map<string, HostTensor>();
  let cursor: Cursor | undefined;
  let held = 0;
  const open = async (): Promise<EngineSession> => {
    const session = await engine.open();
    const { hold } = session;
    if (hold === undefined) return session;
    return {
      ...session,
      hold(table: Table) {
        const made = hold(table);
        if (made !== undefined) held++;
        return made;
      },
    };
  };
  let session = await open();
  const common = { seed: 11, steps, recordEvery: 7, onRecord: (record: MetricRecord) => void records.push(record) };
  if (resumeAt !== undefined) {
    const stop = new AbortController();
    await trainOn(session, model, dataset, {
      ...common,
      signal: stop.signal,
      onStep: (report) => {
        seen.push(report().step);
        if (report().step === resumeAt) stop.abort();
      },
      onCheckpoint: async (reason, at, names) => {
        if (reason === "interrupted") expect(at.step).toBeGreaterThanOrEqual(resumeAt);
        cursor = JSON.parse(JSON.stringify(at)) as Cursor;
        for (const name of names) saved.set(name, await session.read(name));
      },
    });
    session.dispose();
    session = await open();
    for (const [name, value] of saved) await session.write(name, value);
  }
  await trainOn(session, model, dataset, { ...common, resume: cursor, onStep: (report) => void seen.push(report().step) });
  const names = ["encoder.dense1.kernel", "decoder.dense2.bias", "ema:encoder.dense1.kernel", "optimizer:0.0:count"].filter((name) =>
    session.has(name),
  );
  const states: Record<string, readonly number[]> = {};
  for (const name of names) states[name] = [...(await session.read(name)).data];
  session.dispose();
  return { states, records, held, steps: seen };
}

const grey = Uint8Array.from(templateRows(100), (v) => (v ? 230 : 20));
const cases: Readonly<Record<string, () => Case>> = {
  "bits as floats": () => ({ model: handVae(), splits: { train: { x: templateRows(100) } } }),
  "grey bytes that are drawn afresh, a schedule, averages": () => ({
    model: handVae({ phase: { ema: 0.9 }, beta: linear(0, 1, { steps: 9 }) }),
    splits: { train: { x: grey } },
  }),
};

describe("training on the device", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(Object.entries(cases))("of %s is bitwise what one step at a time gives, resumed or not", async (_name, make) => {
    if (!(await webgpuEngine.probe()).available) return;
    const plain = await run(oneByOne, make());
    expect(plain.held).toBe(0);
    const held = await run(webgpuEngine, make());
    expect(held.held).toBe(1);
    expect(held.states).toEqual(plain.states);
    expect(held.records).toEqual(plain.records);
    expect(held.steps).toEqual(plain.steps);
    const fed = await run(fedWithValues, make());
    expect(fed.states).toEqual(plain.states);
    const resumed = await run(webgpuEngine, { ...make(), resumeAt: 23 });
    expect(resumed.states).toEqual(plain.states);
    expect(resumed.records).toEqual(plain.records);
    expect(resumed.steps).toEqual(plain.steps);
  });

  it("sends steps together as time allows", async (context) => {
    if (await missing(context)) return;
    const device = await openDevice();
    const submit = vi.spyOn(device.gpu.queue, "submit");
    const steps = 120;
    // one epoch, so that nothing but the pace makes it wait
    await run(webgpuEngine, { model: handVae({ phase: { batch: 1 } }), splits: { train: { x: templateRows(120) } }, steps });
    const sent = submit.mock.calls.length;
    submit.mockClear();
    await run(oneByOne, { model: handVae({ phase: { batch: 1 } }), splits: { train: { x: templateRows(120) } }, steps });
    expect(submit.mock.calls.length).toBeGreaterThanOrEqual(steps);
    expect(sent).toBeLessThan(steps);
  });

  it("says what was not finite, at the step and with the batch that it was", async (context) => {
    if (await missing(context)) return;
    // one batch holds what no other does: a row of ones
    const rows = Float32Array.from(templateRows(100)).fill(1, 57 * 16, 58 * 16);
    const model = handVae({ spoil: (t, x) => g.add(t, log(sub(15.5, g.sum(x, [-1])))), phase: { batch: 5 } });
    const failure = async (engine: Engine): Promise<unknown> => {
      const session = await engine.open();
      const error: unknown = await trainOn(session, model, datasetOf(model, { train: { x: rows } }), { steps: 20, lr: 0.001 }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      const weights = [...(await session.read("decoder.dense1.kernel")).data];
      session.dispose();
      return { message: (error as Error | undefined)?.message, weights };
    };
    const plain = await failure(oneByOne);
    expect(plain).toMatchObject({ message: expect.stringMatching(/is NaN at step \d+ of/u) });
    expect(await failure(webgpuEngine)).toEqual(plain);
  });
});

describe("rows of a table", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const tables: Readonly<Record<string, Table>> = {
    bytes: { dtype: "f32", width: 7, source: Uint8Array.from({ length: 35 }, (_, i) => (i * 37) % 256), scale: 1 / 255 },
    floats: { dtype: "f32", width: 33, source: Float32Array.from({ length: 165 }, (_, i) => Math.sin(i)), scale: 1 },
    codes: { dtype: "i32", width: 1, source: Int32Array.from([3, 1, 4, 1, 5]), scale: 1 },
    many: { dtype: "i32", width: 40, source: Int32Array.from({ length: 200 }, (_, i) => i % 9), scale: 1 },
  };

  it.each(Object.entries(tables))("are the values that the host would feed: %s", async (_name, table) => {
    if (!(await webgpuEngine.probe()).available) return;
    const session = await webgpuEngine.open();
    const rows = Uint32Array.from([4, 0, 3]);
    const graph = g.stage({ x: { shape: [3, table.width], dtype: table.dtype } }, ({ x }) => ({ y: g.add(x!, 0) }));
    const program: Program = { name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] };
    const executable = await session.compile(program);
    const held = session.hold!(table)!;
    expect(session.hold!(table)).toBe(held);
    const submit = vi.spyOn((await openDevice()).gpu.queue, "submit");
    const first = await executable.start!({}, { x: { table: held, rows } });
    // of a run that is begun before the first is sent
    const second = await executable.start!({}, { x: { table: held, rows: Uint32Array.from([1, 1, 2]) } });
    for (let i = 0; i < 30; i++) await executable.start!({}, { x: { table: held, rows } });
    expect(submit).not.toHaveBeenCalled();
    session.flush!();
    expect(submit).toHaveBeenCalledTimes(1);
    const expected = (order: readonly number[]): number[] =>
      order.flatMap((row) =>
        [...table.source.slice(row * table.width, (row + 1) * table.width)].map((v) =>
          table.source instanceof Uint8Array ? Math.fround(v * Math.fround(table.scale)) : v,
        ),
      );
    expect([...(await first.results)["y"]!.data]).toEqual(expected([4, 0, 3]));
    expect([...(await second.results)["y"]!.data]).toEqual(expected([1, 1, 2]));
    session.dispose();
  });

  it("that are indices are refused where one lies outside", async (context) => {
    if (await missing(context)) return;
    const session = await webgpuEngine.open();
    const graph = g.stage({ i: { shape: [2], dtype: "i32" } }, ({ i }) => ({ y: g.take(g.constant([1, 2, 3, 4, 5], [5]), i!, 0) }));
    const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] });
    const table = session.hold!(tables["codes"]!)!;
    const rows = Uint32Array.from([0, 1]);
    await expect(executable.start!({}, { i: { table, rows } })).rejects.toMatchObject({
      code: "GM4907",
      message: "gather: index 5 lies outside 0..4",
    });
    session.dispose();
  });

  it("give way to what needs their memory", async (context) => {
    if (await missing(context)) return;
    const device = await openDevice();
    const before = device.held;
    const session = openSession(device, { budget: { bytes: before + 40_000, source: "a test" } });
    const table = session.hold!({ dtype: "f32", width: 10, source: new Float32Array(4_000), scale: 1 })!;
    expect(table.held).toBe(true);
    expect(session.hold!({ dtype: "f32", width: 10, source: new Float32Array(4_000), scale: 1 })).toBeUndefined();
    await session.write("s", { dtype: "f32", shape: [7_000], data: new Float32Array(7_000) });
    expect(table.held).toBe(false);
    session.dispose();
    await vi.waitFor(() => expect(device.held).toBe(before));
  });
});
