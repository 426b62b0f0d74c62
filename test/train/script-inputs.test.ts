/** What a script hands over without types: it works as the documentation says, or is refused with a code, and never a TypeError. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { GmcError, referenceEngine, type TrainedModel } from "../../src/runtime/index.js";
import { loadTrained, train, type Saved } from "../../src/runtime/node/index.js";
import { loadModel } from "../support/model.js";

const { model } = loadModel(`model C(D = 2) {
  data x : real[D], y : category[3]
  param m : real[3, D] init Normal(0, 1)
  density p(x | y) { x ~ Normal(m[y], 1) }
  train { maximize log p(x | y) optimizer = sgd(lr = 0.1), batch = 6, epochs = 1 }
  evaluate { ll = log p(x | y) }
}`);
const x = Float32Array.from({ length: 24 }, (_, i) => Math.sin(i));
const y = Int32Array.from({ length: 12 }, (_, i) => i % 3);
const engine = referenceEngine;

const folder = mkdtempSync(join(tmpdir(), "gmc-script-"));
let trained: TrainedModel & Saved;
beforeAll(async () => {
  trained = await train(model, { data: { x, y }, engine });
});
afterAll(() => {
  trained.close();
  rmSync(folder, { recursive: true, force: true });
});

/** As a script without types calls it. */
const refused = async (code: string, message: RegExp, run: () => Promise<unknown>) => {
  const error: unknown = await run().then(
    () => undefined,
    (found: unknown) => found,
  );
  expect(error).toBeInstanceOf(GmcError);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) as string });
};

describe("train", () => {
  const run = (options: unknown) => train(model, options as Parameters<typeof train>[1]);
  it.each<[string, unknown, string, RegExp]>([
    ["no data", { engine }, "GM4004", /no data are given for C/],
    ["no options at all", undefined, "GM4004", /no data are given for C/],
    ["data that are null", { engine, data: null }, "GM4051", /rows by variable, found null/],
    [
      "a name of a file in the place of rows",
      { engine, data: { x: "nope", y } },
      "GM4051",
      /`x` is the text "nope", where rows were expected/,
    ],
    ["a number in the place of rows", { engine, data: { x: 3, y } }, "GM4051", /`x` is 3/],
    ["a shape of a plain list", { engine, data: { x: { shape: [12, 2], data: Array.from(x) }, y } }, "GM4051", /a plain list/],
    ["a shape that is a number", { engine, data: { x: { shape: 12, data: x }, y } }, "GM4051", /whose shape is no list of sizes/],
    ["data without a shape", { engine, data: { x: { data: x }, y } }, "GM4051", /without shape and data/],
    [
      "a plain list beside a shape",
      { engine, data: { x: { shape: [12, 2], data: Array.from(x) }, y } },
      "GM4051",
      /the `data` of `x` are a plain list, where a typed array/,
    ],
    [
      "a shape that its numbers do not fill",
      { engine, data: { x: { shape: [13, 2], data: x }, y } },
      "GM4051",
      /has 26 numbers, and its data 24/,
    ],
    ["64-bit integers", { engine, data: { x, y: BigInt64Array.from(y, BigInt) } }, "GM4051", /BigInt64Array/],
    ["validation rows that are a text", { engine, data: { x, y }, validation: "v.npy" }, "GM4051", /rows of a split/],
    [
      "a name that the model does not have",
      { engine, data: { x, z: y } },
      "GM4004",
      /data holds `z`, and C has no data variable of that name/,
    ],
    ["rows of another split by such a name", { engine, data: { x, y }, test: { x, z: y } }, "GM4004", /test holds `z`/],
    ["options of such a name", { engine, data: { x, y }, dataOptions: { z: {} } }, "GM4004", /dataOptions holds `z`/],
    ["a variable without rows", { engine, data: { y } }, "GM4004", /no training data for `x`: data holds `y`/],
    ["an option that does not exist", { engine, data: { x, y }, epoch: 3 }, "GM4050", /train has no option `epoch`/],
    [
      "an option that does not exist, of a variable",
      { engine, data: { x, y }, dataOptions: { x: { scael: "none" } } },
      "GM4050",
      /dataOptions\.x has no option `scael`/,
    ],
    [
      "a way to scale that does not exist",
      { engine, data: { x, y }, dataOptions: { x: { scale: "standardise" } } },
      "GM4008",
      /^dataOptions\.x\.scale must be one of none, standardize, .*found "standardise"/,
    ],
    [
      "options of a variable that are none",
      { engine, data: { x, y }, dataOptions: { x: "standardize" } },
      "GM4050",
      /dataOptions\.x takes an object of options/,
    ],
    ["a list of options", { engine, data: { x, y }, dataOptions: [{ scale: "none" }] }, "GM4008", /dataOptions must be an object by name/],
    [
      "binarising what is not binary",
      { engine, data: { x, y }, dataOptions: { x: { binarize: "fixed" } } },
      "GM4008",
      /makes values binary, and x is real/,
    ],
    [
      "scaling what is a category",
      { engine, data: { x, y }, dataOptions: { y: { scale: "standardize" } } },
      "GM4008",
      /^dataOptions\.y\.scale has nothing to act on: y is category/,
    ],
    [
      "a largest value of a category",
      { engine, data: { x, y }, dataOptions: { y: { maximum: 4 } } },
      "GM4008",
      /^dataOptions\.y\.maximum has nothing to act on: y is category/,
    ],
    [
      "an option without the one it belongs to",
      { engine, data: { x, y }, dataOptions: { x: { ridge: 0.1 } } },
      "GM4008",
      /ridge has nothing to act on without scale: "whiten"/,
    ],
    [
      "an option of the engine that does not exist",
      { engine, data: { x, y }, engineOptions: { thread: 1 } },
      "GM4050",
      /engineOptions has no option `thread`/,
    ],
    [
      "a number of threads below 1",
      { engine, data: { x, y }, engineOptions: { threads: -1 } },
      "GM4008",
      /engineOptions\.threads must be a whole number from 1 on, found -1/,
    ],
    ["a number for a function", { engine, data: { x, y }, onProgress: 3 }, "GM4008", /onProgress must be a function, found 3/],
    ["a number for a signal", { engine, data: { x, y }, signal: 3 }, "GM4008", /signal must be an AbortSignal, found 3/],
    ["a number as text", { engine, data: { x, y }, epochs: "3" }, "GM4008", /epochs must be a positive number, found "3"/],
    [
      "a step between records of none",
      { engine, data: { x, y }, recordEvery: 0 },
      "GM4008",
      /recordEvery must be a whole number from 1 on/,
    ],
    ["an engine that is none", { engine: 3, data: { x, y } }, "GM4008", /engine must be an engine or its name, found 3/],
    ["no rows", { engine, data: { x: [], y: [] } }, "GM5024", /data\.x has no train rows/],
    ["a typed array of no rows", { engine, data: { x: new Float32Array(), y: [] } }, "GM5024", /data\.x has no train rows/],
  ])("refuses %s", async (_, options, code, message) => refused(code, message, () => run(options)));

  it("refuses options of values for a data set that is bound", () =>
    refused("GM4008", /dataOptions has nothing to act on/, () =>
      run({ engine, data: trained.dataset, dataOptions: { x: { scale: "minmax" } } }),
    ));

  it.each<[string, unknown]>([
    ["an empty object", {}],
    ["a module", { model }],
    ["a file's name", "vae.gm.js"],
    ["nothing", undefined],
  ])("refuses %s for a model", (_, wrong) =>
    refused("GM4051", /the model is a model definition, found/, () => train(wrong as typeof model, { engine, data: { x, y } })),
  );

  it("says which names there are", async () => {
    await expect(run({ engine, data: { x, z: y } })).rejects.toMatchObject({ help: ["it has: x, y"] });
  });

  it("says which option was meant", async () => {
    await expect(run({ engine, data: { x, y }, epoch: 3 })).rejects.toMatchObject({ help: ["did you mean epochs?"] });
  });
});

describe("weights", () => {
  it("are as they are stored, unconstrained", async () => {
    const { model: constrained } = loadModel(`model W {
      data x : real[2]
      param s : positive = 2, u : unit = 0.2, w : simplex[2] = 0.5
      density p(x) { x ~ Normal(u * w, s) }
      train { maximize log p(x) optimizer = sgd(lr = 1e-12), batch = 6, steps = 1 }
    }`);
    const session = await train(constrained, { data: { x }, engine });
    const { s, u, w } = await session.weights();
    expect(s?.data[0]).toBeCloseTo(Math.log(Math.expm1(2)), 5);
    expect(u?.data[0]).toBeCloseTo(Math.log(0.2 / 0.8), 5);
    expect(Array.from(w?.data ?? [])).toEqual([expect.closeTo(0, 5), expect.closeTo(0, 5)]);
    session.close();
  });
});

test("rows and entries of nested lists are counted from 1", async () => {
  const rows = [...Array(5).keys()].map((i) => [i, 1]);
  const at = (row: unknown): unknown[] => rows.with(4, row as number[]);
  await refused("GM4004", /^row 5 of `x` has 1 entry, others have 2/, () =>
    loadTrained(model, folder, { data: { x: at([1]) as never, y }, engine }),
  );
});

describe("sample", () => {
  const given = (value: unknown) => trained.sample(3, { given: { y: value as number } });
  it("holds a condition at rows in any form, or at one number", async () => {
    const found = await Promise.all([[0, 1, 2], Int32Array.of(0, 1, 2), { shape: [3], data: Int32Array.of(0, 1, 2) }].map(given));
    for (const { values } of found) expect(values).toEqual(found[0]!.values);
    expect([...(await given(2)).values["y"]!.data]).toEqual([2, 2, 2]);
  });
  it("refuses what is no rows of it", async () => {
    await refused("GM4051", /`y` is the text "two"/, () => given("two"));
    await refused("GM5022", /expected a category 0\.\.2, found 3 in the rows given, row 2$/, () => given([0, 3, 1]));
    await refused("GM5022", /expected a category 0\.\.2, found 7 in the rows given, row 1$/, () => given(7));
    await refused("GM4009", /held at 2 numbers, and 3 rows of it are 3/, () => given([0, 1]));
    await refused("GM4050", /sample has no option `sweep`/, () => trained.sample(3, { sweep: 3 } as object));
    await refused("GM4008", /rows must be a whole number/, () => trained.sample(1.5));
  });
});

describe("a trained model", () => {
  it.each<[string, string, RegExp, () => Promise<unknown>]>([
    ["evaluate", "GM4050", /evaluate has no option `K`/, () => trained.evaluate({ K: 5000 } as object)],
    ["evaluate", "GM4008", /rows must be a whole number from 1 on, found -1/, () => trained.evaluate({ rows: -1 })],
    ["evaluate", "GM4008", /split must be one of train, validation, test/, () => trained.evaluate({ split: "tset" } as object)],
    ["evaluate", "GM4008", /metrics must be a list of texts/, () => trained.evaluate({ metrics: "ll" } as object)],
    ["evaluate", "GM4008", /phase must be below 1/, () => trained.evaluate({ phase: 1 })],
    ["reconstruct", "GM4050", /reconstruct has no option `splt`/, () => trained.reconstruct(2, { splt: "train" } as object)],
    ["reconstruct", "GM4008", /rows must be a whole number/, () => trained.reconstruct(-1)],
    ["interpolate", "GM4050", /interpolate has no option `pth`/, () => trained.interpolate(1, 3, { pth: "linear" } as object)],
    ["interpolate", "GM4008", /path must be one of linear, spherical/, () => trained.interpolate(1, 3, { path: "slerp" } as object)],
    ["interpolate", "GM4008", /pairs must be a whole number/, () => trained.interpolate(0, 3)],
    ["translate", "GM4050", /translate has no option `way`/, () => trained.translate(1, { way: [] } as object)],
    ["data", "GM4008", /split must be one of/, async () => trained.data(1, "tset" as "test")],
    ["sample", "GM4008", /start must be one of random, data, chains/, () => trained.sample(1, { start: "rows" } as object)],
    ["sample", "GM4050", /known has no option `value`/, () => trained.sample(1, { known: { value: [1], mask: [1] } } as object)],
  ])("refuses what %s does not take", (_, code, message, run) => refused(code, message, run));

  it("says that it is closed", async () => {
    const closed = await train(model, { data: { x, y }, engine });
    closed.close();
    closed.close();
    for (const use of [() => closed.evaluate(), () => closed.sample(1), () => closed.weights(), () => closed.save(folder)])
      await refused("GM4009", /C is closed/, use);
  });
});

test("loadTrained takes arrays as train does", async () => {
  await trained.save(folder);
  const other = { x: x.map((v) => v + 1), y };
  const again = await loadTrained(model, folder, { data: { x, y }, test: other, engine });
  expect((await again.evaluate({ split: "train" })).metrics).toEqual((await trained.evaluate()).metrics);
  const whole = await loadTrained(model, folder, { data: other, engine });
  expect((await again.evaluate()).metrics["ll"]!.value).toBe((await whole.evaluate()).metrics["ll"]!.value);
  again.close();
  whole.close();
  await refused("GM4004", /no data are given/, () => loadTrained(model, folder, {} as Parameters<typeof loadTrained>[2]));
  await refused("GM4050", /loadTrained has no option `epochs`/, () =>
    loadTrained(model, folder, { data: { x, y }, epochs: 2 } as object as Parameters<typeof loadTrained>[2]),
  );
});

describe("logDensity", () => {
  it("takes rows in any form", async () => {
    const { model: normal } = loadModel(`model N { data x : real[2] param m : real[2] = 0 density p(x) { x ~ Normal(m, 1) }
      train { maximize log p(x) batch = 4, epochs = 1 } evaluate { ll = log p(x) } }`);
    const session = await train(normal, { data: { x }, engine, lr: 1e-12 });
    const points = Float32Array.of(0, 0, 1, 2);
    const forms = [
      points,
      { shape: [2, 2], data: points },
      [
        [0, 0],
        [1, 2],
      ],
    ];
    for (const form of forms) {
      const found = await session.logDensity(form);
      expect([...found!]).toEqual([expect.closeTo(-Math.log(2 * Math.PI), 5), expect.closeTo(-Math.log(2 * Math.PI) - 2.5, 5)]);
    }
    await refused("GM4051", /a row of `x` is 2 numbers, found \[4\]: 4 rows of 1/, () => session.logDensity({ shape: [4], data: points }));
    await refused("GM4051", /where rows were expected/, () => session.logDensity(undefined as unknown as Float32Array));
    session.close();
  });

  it.each([
    [
      "binary[2]",
      "Bernoulli(probs = 0.25)",
      [
        [0, 1],
        [1, 1],
      ],
      [0.75 * 0.25, 0.25 * 0.25],
    ],
    ["category[3]", "Categorical(logits = w)", [2, 0], [1 / 3, 1 / 3]],
    ["count", "Poisson(2)", [0, 3], [Math.exp(-2), (Math.exp(-2) * 8) / 6]],
  ])("of %s is its log-probability", async (domain, distribution, rows, probabilities) => {
    const { model: discrete } = loadModel(`model N { data x : ${domain} param w : real[3] = 0 density p(x) { x ~ ${distribution} }
      train { maximize log p(x) - mean(w * w) batch = 2, epochs = 1 } evaluate { bits = -log p(x) / log(2) } }`);
    const session = await train(discrete, { data: { x: rows }, engine, lr: 1e-12 });
    expect([...(await session.logDensity(rows))!]).toEqual(probabilities.map((p) => expect.closeTo(Math.log(p), 5) as number));
    session.close();
  });
});
