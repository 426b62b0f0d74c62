/** Which weights are averages: those that the phase at hand keeps an average of, in every reader of a run alike. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { loadTrained, train } from "../../src/runtime/node/index.js";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { HostTensor } from "../../src/runtime/engines/engine.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { trainOn } from "../../src/runtime/training.js";
import type { Cursor } from "../../src/runtime/train/loop.js";
import { loadModel } from "../support/model.js";

const folder = mkdtempSync(join(tmpdir(), "gmc-averages-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const D = 4;
const N = 60;
/** Fixed numbers with about mean 0 and deviation 1. */
const x = Float32Array.from({ length: N * D }, (_, i) => Math.SQRT2 * Math.sin(12.9898 * i + 0.3));

const modelOf = (...phases: readonly string[]) =>
  loadModel(`model E(D = ${D}) {
  data x : real[D]
  param mu : real[D] = 3
  param s : positive[D] = 2
  density p(x) { x ~ Normal(mu, s) }
  train {
${phases
  .map(
    (phase, i) => `    phase "${i}" {
      maximize log p(x) ${phase.replace(/^(?!over)/u, "\n      ")}, batch = ${N}
    }`,
  )
  .join("\n")}
  }
  evaluate { ll = log p(x) }
}`).model;

/** Mean of log p(x), in float64 and by hand, of weights as they are stored: s = softplus(raw). */
function meanLogDensity(mu: ArrayLike<number>, raw: ArrayLike<number>): number {
  let total = 0;
  x.forEach((v, i) => {
    const scale = Math.log1p(Math.exp(raw[i % D]!));
    total += -0.5 * ((v - mu[i % D]!) / scale) ** 2 - Math.log(scale) - 0.5 * Math.log(2 * Math.PI);
  });
  return total / N;
}

const late = "optimizer = sgd(lr = 0.3), steps = 60";
const cases: readonly (readonly [string, readonly string[], { readonly mu: boolean; readonly s: boolean }])[] = [
  ["a later phase without an average", ["over mu optimizer = sgd(lr = 0.1), steps = 5, ema = 0.9", late], { mu: false, s: false }],
  [
    "two phases that average different weights",
    ["over mu optimizer = sgd(lr = 0.1), steps = 20, ema = 0.9", "over s optimizer = sgd(lr = 0.1), steps = 20, ema = 0.9"],
    { mu: false, s: true },
  ],
  [
    "two phases that average the same weights",
    ["over mu optimizer = sgd(lr = 0.1), steps = 5, ema = 0.9", "optimizer = sgd(lr = 0.1), steps = 5, ema = 0.9"],
    { mu: true, s: true },
  ],
  [
    "an average taken up after a phase without it",
    [
      "optimizer = sgd(lr = 0.1), steps = 5, ema = 0.99",
      "optimizer = sgd(lr = 0.1), steps = 20",
      "optimizer = sgd(lr = 0.1), steps = 3, ema = 0.5",
    ],
    { mu: true, s: true },
  ],
];

describe("averaged weights", () => {
  it.each(cases)("after %s", async (name, phases, averaged) => {
    const model = modelOf(...phases);
    const trained = await train(model, { data: { x }, engine: referenceEngine, seed: 3 });
    expect([...trained.averaged].sort()).toEqual(Object.keys(averaged).filter((w) => averaged[w as "mu" | "s"]));
    const of = async (path: "mu" | "s") => (await trained.session.read(averaged[path] ? `ema:${path}` : path)).data;
    const expected = meanLogDensity(await of("mu"), await of("s"));
    const measured = (await trained.evaluate()).metrics["ll"]!.value;
    expect(measured).toBeCloseTo(expected, 3);
    const draws = (await trained.sample(5)).values["x"]!.data;
    const density = await trained.logDensity({ shape: [N, D], data: x });
    expect(density!.reduce((a, b) => a + b, 0) / N).toBeCloseTo(expected, 3);
    // saved and opened again it is the same model
    const to = join(folder, name.replaceAll(" ", "-"));
    await trained.save(to);
    const again = await loadTrained(model, to, { data: datasetOf(model, { train: { x } }), engine: referenceEngine });
    expect(again.averaged).toEqual(trained.averaged);
    expect((await again.evaluate()).metrics["ll"]!.value).toBe(measured);
    expect((await again.sample(5)).values["x"]!.data).toEqual(draws);
    trained.close();
    again.close();
  });

  it("that the last phase moved without an average are what trained", async () => {
    const trained = await train(modelOf(...cases[0]![1]), { data: { x }, engine: referenceEngine, seed: 3 });
    // the maximum: the mean and the deviation of the rows, from where phase one left 3 and 2
    expect((await trained.evaluate()).metrics["ll"]!.value).toBeGreaterThan(-5.8);
    trained.close();
  });

  it.each([
    ["", ["mu", "xi"]],
    [", ema = 0.2", ["mu", "nu", "xi"]],
  ])("of a statement are of the weights that it moves, and go before those of the phase (`%s`)", async (phase, names) => {
    const { model } = loadModel(`model Two(D = ${D}) {
  data x : real[D]
  param mu : real[D] = 3
  param nu : real[D] = -1
  param xi : real[D] = 1
  train {
    minimize sum((x - mu)^2) over mu, ema = 0.5
    minimize sum((x - nu)^2) over nu
    minimize sum((x - xi)^2) over xi, ema = 0.3
    optimizer = sgd(lr = 0.1), batch = ${N}, steps = 8${phase}
  }
}`);
    const dataset = datasetOf(model, { train: { x } });
    const weights: Float32Array[] = [];
    const session = await referenceEngine.open();
    for (let steps = 1; steps <= 8; steps++) {
      const own = await referenceEngine.open();
      await trainOn(own, { ...model, train: [{ ...model.train[0]!, steps }] }, dataset, { seed: 3 });
      weights.push(Float32Array.from((await own.read("mu")).data));
    }
    const { averaged } = await trainOn(session, model, dataset, { seed: 3 });
    expect([...averaged].sort()).toEqual(names);
    // from the start, a = d a + (1 - d) w with d = min(0.5, (1 + n) / (10 + n))
    let expected = new Float64Array(D).fill(3);
    weights.forEach((w, n) => {
      const d = Math.min(0.5, (1 + n) / (10 + n));
      expected = expected.map((a, i) => d * a + (1 - d) * w[i]!);
    });
    Array.from((await session.read("ema:mu")).data).forEach((a, i) => expect(a).toBeCloseTo(expected[i]!, 5));
  });

  it("let early stopping see what a later phase trains", async () => {
    const model = modelOf(
      "over mu optimizer = sgd(lr = 0.1), steps = 5, ema = 0.9",
      "optimizer = sgd(lr = 0.3), epochs = 12, early_stopping = early_stopping(metric = ll, patience = 3)",
    );
    const trained = await train(model, { data: { x }, validation: { x }, engine: referenceEngine, seed: 3 });
    const seen = trained.history.filter((r) => r.split === "validation" && r.phase === "1").map((r) => r.values["ll"]!);
    expect(seen.length).toBe(12);
    seen.slice(1).forEach((value, i) => expect(value).toBeGreaterThan(seen[i]!));
    trained.close();
  });

  it("are the same in a run that was stopped in any phase and goes on", async () => {
    const model = modelOf(...cases[3]![1]);
    const dataset = datasetOf(model, { train: { x } });
    const run = async (stopAt?: number) => {
      let session = await referenceEngine.open();
      let cursor: Cursor | undefined;
      if (stopAt !== undefined) {
        const saved = new Map<string, HostTensor>();
        const stop = new AbortController();
        await trainOn(session, model, dataset, {
          seed: 3,
          signal: stop.signal,
          onStep: (report) => {
            if (report().total === stopAt) stop.abort();
          },
          onCheckpoint: async (_, at, states) => {
            cursor = at;
            saved.clear();
            for (const name of states) saved.set(name, await session.read(name));
          },
        });
        session = await referenceEngine.open();
        for (const [name, value] of saved) await session.write(name, value);
      }
      const { averaged } = await trainOn(session, model, dataset, { seed: 3, resume: cursor });
      return { averaged, mu: (await session.read("ema:mu")).data, s: (await session.read("ema:s")).data };
    };
    const whole = await run();
    for (const at of [3, 5, 15, 25, 26]) expect(await run(at)).toEqual(whole);
  });
});
