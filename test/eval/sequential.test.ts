/** Drawing entry by entry: frequencies against enumeration, draws by row, held entries, temperatures, what comes before and after, errors. */
import { describe, expect, test } from "vitest";
import { regionMask } from "../../src/runtime/eval/known.js";
import * as g from "../../src/runtime/index.js";
import type { ModelDefinition, Tensor } from "../../src/runtime/index.js";
import { chooseEngine } from "../../src/runtime/engines/registry.js";
import { datasetOf, type ArrayInput } from "../../src/runtime/train/arrays.js";
import { drawn, fill, hand, modelOf } from "../support/sequential.js";

const D = 4;
const nade = hand({
  weights: { n: g.nade.spec(D, 5) },
  sequential: {
    variable: "x",
    shape: [D],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => ({ logits: g.nade(w.n, given["x"]!) }),
    draw: (params, key, shape) => g.bernoulli.sample(key, { logits: params["logits"]! }, shape),
    temperature: { logits: -1 },
    mean: (params) => g.sigmoid(params["logits"]!),
  },
});

async function opened(made: typeof nade, scale = 2, engine = "reference") {
  const session = await (await chooseEngine(engine)).engine.open();
  await fill(session, made.weights, scale);
  return session;
}

/** A session as training gives it back, of a model made by hand. */
async function trainedOf(model: ModelDefinition, data: Record<string, Float32Array>, { engine = "reference" } = {}) {
  const session = await (await chooseEngine(engine)).engine.open();
  await fill(session, model.weights, 2);
  const dataset = datasetOf(model, { train: data });
  return g.openSession({ session, model, dataset, seed: 1, averaged: new Set(), step: 0 });
}

/** log p of all rows of 0 and 1. */
async function enumerated(temperature = 1): Promise<number[]> {
  const session = await opened(nade);
  const rows = 2 ** D;
  const graph = g.stage({ x: { shape: [rows, D] } }, ({ x }) => {
    const logits = g.nade(g.materialize(nade.weights).n, x);
    return { p: g.exp(g.sum(g.bernoulli.logProb(x, { logits: g.div(logits, temperature) }), -1)) };
  });
  const program = await session.compile({ name: "p", stages: [{ kind: "call", name: "p", graph }], fetch: ["p"] });
  const all = Float32Array.from({ length: rows * D }, (_, i) => (Math.floor(i / D) >> (i % D)) & 1);
  return Array.from((await program.run({ x: { dtype: "f32", shape: [rows, D], data: all } }))["p"]!.data);
}

const codeOf = (data: ArrayLike<number>, row: number): number =>
  Array.from({ length: D }, (_, d) => data[row * D + d]! << d).reduce((a, b) => a + b);

describe("draws", () => {
  for (const temperature of [1, 0.5]) {
    test(`follow the density at temperature ${temperature}`, async () => {
      const p = await enumerated(temperature);
      expect(p.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      const rows = 4000;
      const { value } = await drawn(await opened(nade), nade, { rows, temperature });
      const counts = new Array<number>(2 ** D).fill(0);
      for (let r = 0; r < rows; r++) counts[codeOf(value.data, r)]!++;
      const chi = counts.reduce((sum, n, i) => sum + (n - rows * p[i]!) ** 2 / (rows * p[i]!), 0);
      // 15 degrees of freedom: above 37.7 once in a thousand
      expect(chi).toBeLessThan(37.7);
    });
  }

  test.each(["reference", "onnx"])("are those of the row, however rows are cut: %s", async (engine) => {
    const all = await drawn(await opened(nade, 2, engine), nade, { rows: 9 });
    const first = await drawn(await opened(nade, 2, engine), nade, { rows: 5 });
    const rest = await drawn(await opened(nade, 2, engine), nade, { rows: 4, firstRow: 5 });
    expect([...first.value.data, ...rest.value.data]).toEqual([...all.value.data]);
    const other = await drawn(await opened(nade, 2, engine), nade, { rows: 9, seed: 2 });
    expect([...other.value.data]).not.toEqual([...all.value.data]);
  });

  test("tell where they stand, and stop", async () => {
    const session = await opened(nade);
    const seen: number[] = [];
    await drawn(session, nade, { rows: 2, onProgress: (done, total) => seen.push(done / total) });
    expect(seen.at(-1)).toBe(1);
    const stop = new AbortController();
    await expect(drawn(session, nade, { rows: 2, signal: stop.signal, onProgress: () => stop.abort() })).rejects.toThrow(/abort/iu);
  });
});

describe("held entries", () => {
  test("stay, and those after them follow them", async () => {
    const p = await enumerated();
    const rows = 3000;
    const mask = { dtype: "f32", shape: [rows, D], data: Float32Array.from({ length: rows * D }, (_, i) => (i % D < 2 ? 1 : 0)) } as const;
    const values = {
      dtype: "f32",
      shape: [rows, D],
      data: Float32Array.from({ length: rows * D }, (_, i) => (i % D === 0 ? 1 : 0)),
    } as const;
    const { value, mean } = await drawn(await opened(nade), nade, { rows, known: { values, mask } });
    const last = [0, 0];
    for (let r = 0; r < rows; r++) {
      expect([value.data[r * D], value.data[r * D + 1]]).toEqual([1, 0]);
      last[value.data[r * D + 3]!]!++;
    }
    expect(mean.data[0]).toBe(1);
    const given = (bit: number): number => p.reduce((sum, v, code) => sum + ((code & 3) === 1 && code >> 3 === bit ? v : 0), 0);
    const expected = given(1) / (given(0) + given(1));
    const error = Math.sqrt((expected * (1 - expected)) / rows);
    expect(Math.abs(last[1]! / rows - expected)).toBeLessThan(4 * error);
  });

  test("halves by name", () => {
    for (const region of ["top", "left"] as const) expect([...regionMask([4], region)]).toEqual([1, 1, 0, 0]);
    expect([...regionMask([4], "left", [2, 2])]).toEqual([1, 0, 1, 0]);
    expect([...regionMask([6], "top", [3, 2])]).toEqual([1, 1, 1, 1, 0, 0]);
    expect([...regionMask([1024], "right")].indexOf(1)).toBe(512);
    expect([...regionMask([6], "left")]).toEqual([1, 1, 1, 0, 0, 0]);
    expect([...regionMask([2, 2, 2], "right")]).toEqual([0, 0, 1, 1, 0, 0, 1, 1]);
    expect([...regionMask([3, 1], "bottom")]).toEqual([0, 0, 1]);
  });

  test("that do not fit are refused, and temperatures that are none", async () => {
    const session = await opened(nade);
    const wrong = { dtype: "f32", shape: [2, 3], data: new Float32Array(6) } as const;
    await expect(drawn(session, nade, { rows: 2, known: { values: wrong, mask: wrong } })).rejects.toThrow(/\[2, 4\], found \[2, 3\]/u);
    await expect(drawn(session, nade, { rows: 2, temperature: 0 })).rejects.toThrow(/above 0, found 0/u);
    const poisson = hand({
      ...nade,
      sequential: {
        ...nade.sequential,
        params: (w, _key, given) => ({ rate: g.softplus(g.nade(w.n, given["x"]!)) }),
        draw: (params, key, shape) => g.poisson.sample(key, { rate: params["rate"]! }, shape),
        temperature: undefined,
      },
    });
    // a Poisson has no logits to be written by
    await expect(drawn(session, poisson, { rows: 2, temperature: 2 })).rejects.toMatchObject({
      message: expect.stringMatching(/`x` has no temperature: its distribution is given rate/u) as string,
      help: ["draw at temperature 1, which leaves the distribution as it is"],
    });
  });
});

describe("a session", () => {
  /** z ~ Bernoulli(probs = 0.5), x | z entry by entry, y | x: what comes before and after the variable. */
  const model: ModelDefinition = {
    ...modelOf(nade as never),
    streams: [{ x: { domain: "binary", shape: [D] }, y: { domain: "real", shape: [] } }],
    latents: { z: { domain: "binary", shape: [] } },
    densities: {
      p: {
        head: ["z", "x", "y"],
        given: [],
        label: "p(z, x, y)",
        place: "hand.gm:1",
        sequential: [
          {
            ...(nade.sequential as never as g.SequentialDefinition),
            reads: ["z"],
            before: (_w, key, rows, given) => {
              const z = given["z"] ?? g.bernoulli.sample(key.at("z"), { probs: 0.5 }, [rows]);
              return { values: { z }, means: {} };
            },
            params: (w, _key, given) => ({
              logits: g.add(g.nade((w as never as { n: g.Nade }).n, given["x"]!), g.mul(100, g.sub(g.expandDims(given["z"]!, -1), 0.5))),
            }),
          },
        ],
        sample: (_w, key, rows, given) => {
          const y = given["y"] ?? g.add(g.sum(given["x"] as Tensor, -1), g.mul(0, g.randomNormal(key.at("y"), [rows])));
          return { values: { y }, means: { y } };
        },
      },
    },
  };

  test("draws what comes before, the entries, and what comes after", async () => {
    const trained = await trainedOf(model, { x: new Float32Array(4 * D), y: new Float32Array(4) });
    const { values, means } = await trained.sample(6);
    const z = values["z"]!.data;
    expect(new Set(z)).toEqual(new Set([0, 1]));
    // the latent decides all entries, and y is their number
    expect([...values["x"]!.data]).toEqual([...z].flatMap((v) => new Array<number>(D).fill(v)));
    expect([...values["y"]!.data]).toEqual([...z].map((v) => v * D));
    expect(means["x"]!.shape).toEqual([6, D]);
    const held = await trained.sample(2, { given: { z: { shape: [2], data: Float32Array.of(1, 0) } } });
    expect([...held.values["y"]!.data]).toEqual([4, 0]);
    const entries = await trained.sample(1, { given: { x: { shape: [1, D], data: Float32Array.of(1, 0, 1, 0) } } });
    expect([...entries.values["y"]!.data]).toEqual([2]);
    await expect(trained.sample(2, { sweeps: 3 })).rejects.toThrow(/not drawn by a chain/u);
  });

  test.each(["reference", "onnx"])("draws other numbers of rows one after another: %s", async (engine) => {
    // what follows from z alone is kept as it is, [rows, ...]
    const data = { x: new Float32Array(4 * D), y: new Float32Array(4) };
    const trained = await trainedOf(model, data, { engine });
    const own = await trainedOf(model, data, { engine });
    await trained.sample(6);
    for (const rows of [2, 7]) {
      const [after, alone] = [await trained.sample(rows, { seed: 3 }), await own.sample(rows, { seed: 3 })];
      expect([...after.values["x"]!.data]).toEqual([...alone.values["x"]!.data]);
    }
  });

  describe("known entries", () => {
    const data = { x: new Float32Array(4 * D), y: new Float32Array(4) };
    // z decides all entries but the second, which is held against it; what is not known may be anything
    const given = { z: [0, 1] };
    const values = [
      [NaN, 1, NaN, NaN],
      [NaN, 0, NaN, NaN],
    ];
    const mask = values.map((row) => row.map((v) => (Number.isNaN(v) ? 0 : 1)));
    const flat = (rows: number[][]): Float32Array => Float32Array.from(rows.flat());

    test.each<[string, ArrayInput, ArrayInput]>([
      ["nested lists", values, mask],
      ["typed arrays", flat(values), Uint8Array.from(mask.flat())],
      ["typed arrays with a shape", { shape: [2, D], data: flat(values) }, { shape: [2, D], data: flat(mask) }],
    ])("are %s", async (_, known, held) => {
      const trained = await trainedOf(model, data);
      const notes: string[] = [];
      const drawn = await trained.sample(2, { given, known: { values: known, mask: held }, onNote: (note) => notes.push(note) });
      expect([...drawn.values["x"]!.data]).toEqual([0, 1, 0, 0, 1, 0, 1, 1]);
      expect(notes.at(-1)).toBe("1 of 4 entries of a row of `x` are drawn before a known one: they do not follow it");
      notes.length = 0;
      const first = mask.map((row) => row.map((_v, i) => (i < 2 ? 1 : 0)));
      await trained.sample(2, { given, known: { values: [[1, 1, 1, 1], [1, 1, 1, 1]], mask: first }, onNote: (note) => notes.push(note) }); // prettier-ignore
      expect(notes.filter((note) => note.includes("known"))).toEqual([]);
    });

    test.each<[string, string, unknown]>([
      ["no mask", "GM4051", { values }],
      ["texts", "GM4051", { values: "mask.npy", mask }],
      ["nothing", "GM4008", null],
      ["a mask that holds by half", "GM4030", { values, mask: [mask[0], [0.5, 0, 0, 0]] }],
      ["other numbers of rows", "GM4030", { values: [values[0]], mask: [mask[0]] }],
      ["a variable that there is not", "GM4030", { variable: "w", values, mask }],
    ])("are refused where they are %s", async (_, code, known) => {
      const trained = await trainedOf(model, data);
      await expect(trained.sample(2, { given, known: known as never })).rejects.toMatchObject({ code });
    });
  });

  test("known entries are refused elsewhere", async () => {
    const { sequential: _, ...plain } = model.densities["p"]!;
    const trained = await trainedOf({ ...model, densities: { p: plain } }, { x: new Float32Array(4 * D), y: new Float32Array(4) });
    const part = { shape: [2, D], data: new Float32Array(2 * D) };
    await expect(trained.sample(2, { known: { values: part, mask: part } })).rejects.toThrow(
      /not drawn entry by entry, nor by a chain: it takes no `known`/u,
    );
  });
});
