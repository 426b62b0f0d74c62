/** `em(decay = …)`: estimates from averages over batches, against plain loops over the batches of the run; a run that is taken up again; what is refused. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { openTrainStream } from "../../src/runtime/data/streams.js";
import { referenceEngine, trainOn } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { statesAfter } from "../support/resume.js";
import { loadModel } from "../support/model.js";

const onnx = await onnxEngine.probe();
const [ROWS, B, P, D, K, STEPS, SEED] = [12, 4, 3, 2, 5, 7, 3];
const [LR, DECAY] = [0.01, 0.8];
const wave = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(1.5 * Math.sin((i + 1) * (i + seed))));
const x = wave(ROWS * P * D, 5);
// the last code is far from all vectors
const codes = [...wave((K - 1) * D, 1), 40, 40].map(Math.fround);

const quantiser = (by: string): string => `model VQ {
  data x : real[${P}, ${D}]
  latent e : real[${P}, ${D}], k : category[${K}][${P}]
  param codebook : real[${K}, ${D}] = [${codes.join(", ")}], a : real[${D}] = [1.25, 0.75]
  density m(e | k) { e ~ Normal(codebook[k], 1) }
  train {
    minimize sum((quantize(a * x, codebook) - x)^2) + commitment(a * x, codebook, beta = 0.5) over a, optimizer = sgd(lr = ${LR})
    maximize log m(e = a * x | k = nearest_code(a * x, codebook)) over codebook by ${by}
    batch = ${B}, steps = ${STEPS}
  }
  evaluate { distortion = sum((quantize(a * x, codebook) - x)^2) }
}`;

const dataset = (model: ReturnType<typeof loadModel>["model"], rows: readonly number[] = x) =>
  datasetOf(model, { train: { x: Float32Array.from(rows) }, test: { x: Float32Array.from(rows) } });

/** The batches of a run, as it takes them: their order is the run's, and nothing else of the training is used. */
function batches(model: ReturnType<typeof loadModel>["model"], rows: readonly number[] = x): number[][] {
  const stream = openTrainStream(dataset(model, rows), { batch: B, seed: SEED });
  return Array.from({ length: STEPS }, () => Array.from(stream.next().tensors["x"]!.data));
}

/** Appendix A.1 of van den Oord et al. 2017, with the encoder's gradient step before it. */
function loops(all: readonly number[][], smooth: number): { codebook: number[]; a: number[]; counts: number[] } {
  const codebook = [...codes];
  const a = [1.25, 0.75];
  const counts = new Array<number>(K).fill(0);
  const sums = new Array<number>(K * D).fill(0);
  for (const batch of all) {
    const vectors = Array.from({ length: B * P }, (_, v) => batch.slice(v * D, v * D + D));
    const chosen = (): { z: number[]; k: number }[] =>
      vectors.map((v) => {
        const z = v.map((u, d) => a[d]! * u);
        const distances = Array.from({ length: K }, (_, k) => z.reduce((s, u, d) => s + (u - codebook[k * D + d]!) ** 2, 0));
        return { z, k: distances.indexOf(Math.min(...distances)) };
      });
    const before = chosen();
    for (let d = 0; d < D; d++) {
      let slope = 0;
      before.forEach(({ z, k }, v) => {
        const code = codebook[k * D + d]!;
        const u = vectors[v]![d]!;
        slope += 2 * (code - u) * u + 0.5 * 2 * (z[d]! - code) * u;
      });
      a[d]! -= (LR * slope) / B;
    }
    const now = chosen();
    for (let k = 0; k < K; k++) {
      const own = now.filter((c) => c.k === k);
      counts[k] = DECAY * counts[k]! + (1 - DECAY) * own.length;
      for (let d = 0; d < D; d++) sums[k * D + d] = DECAY * sums[k * D + d]! + (1 - DECAY) * own.reduce((s, c) => s + c.z[d]!, 0);
    }
    const total = counts.reduce((s, n) => s + n, 0);
    for (let k = 0; k < K; k++) {
      if (counts[k] === 0) continue;
      const n = ((counts[k]! + smooth) / (total + K * smooth)) * total;
      for (let d = 0; d < D; d++) codebook[k * D + d] = sums[k * D + d]! / n;
    }
  }
  return { codebook, a, counts };
}

const close = (got: ArrayLike<number> | undefined, wanted: readonly number[], tolerance = 2e-5): void => {
  expect(got).toHaveLength(wanted.length);
  wanted.forEach((v, i) => expect(Math.abs(got![i]! - v), `entry ${i}: ${got![i]} for ${v}`).toBeLessThan(tolerance));
};

describe("a codebook of moving averages", () => {
  it.each([
    [`em(decay = ${DECAY}, smooth = 0.05)`, 0.05],
    [`em(decay = ${DECAY}, smooth = 0)`, 0],
    [`em(decay = ${DECAY})`, 1e-5],
  ])("by %s is what plain loops give", async (by, smooth) => {
    const { model } = loadModel(quantiser(by));
    const states = await statesAfter({ engine: referenceEngine, model, dataset: dataset(model), options: { seed: SEED, steps: STEPS } });
    const { codebook, a, counts } = loops(batches(model), smooth);
    expect(counts.filter((n) => n > 0).length).toBeGreaterThan(2);
    expect(counts.at(-1)).toBe(0);
    close(states.get("a"), a);
    close(states.get("codebook"), codebook);
    // [2, K, D]: sums, then how many vectors each entry counts
    close(
      states.get("chain:em:codebook")?.slice(K * D),
      counts.flatMap((n) => new Array<number>(D).fill(n)),
    );
    // a code that no vector chose stays where it is
    close(states.get("codebook")?.slice(-D), codes.slice(-D), 1e-9);
  });

  it("goes on bitwise where a run is taken up again", async () => {
    const { model } = loadModel(quantiser(`em(decay = ${DECAY})`));
    const all = (at?: number): ReturnType<typeof statesAfter> =>
      statesAfter({ engine: referenceEngine, model, dataset: dataset(model), options: { seed: SEED, steps: STEPS } }, at);
    const whole = await all();
    expect([...whole.keys()]).toContain("chain:em:codebook");
    for (const at of [1, 4]) expect(await all(at)).toEqual(whole);
  });

  it("has no slots of an optimiser that learns, and takes no gradient of the other statement", () => {
    const { model } = loadModel(quantiser(`em(decay = ${DECAY})`));
    const [first, second] = model.train[0]!.updates;
    expect(first?.over).toEqual(["a"]);
    expect(second).toMatchObject({ over: ["codebook"], assigns: "batch" });
  });

  it.skipIf(!onnx.available)("keeps what it has where its averages have faded in float32", async () => {
    // code 0 is chosen in the first step alone, and after 40 steps of decay 0.1 its counts lie below what float32 holds
    const rows = Array.from({ length: 8 }, () => [1, 0.001]).flat();
    const text = `model M {
      data x : real[1, 2]
      latent e : real[1, 2], k : category[2][1]
      param codebook : real[2, 2] = [0, 0, 9, 0], a : real = 1
      density m(e | k) { e ~ Normal(codebook[k], 1) }
      train {
        maximize log m(e = a * x | k = nearest_code(a * x, codebook)) over codebook by em(decay = 0.1, smooth = 0)
        maximize a over a, optimizer = sgd(lr = 7)
        batch = 8, steps = 60
      }
    }`;
    const { model } = loadModel(text);
    const session = await onnxEngine.open();
    await trainOn(session, model, datasetOf(model, { train: { x: Float32Array.from(rows) } }), { seed: 1 });
    close((await session.read("codebook")).data.slice(0, 2), [1, 0.001], 1e-6);
    session.dispose();
  });
});

describe("codes that hardly count, by `restart`", () => {
  const alone = (restart: string, steps: number): string =>
    quantiser(`em(decay = ${DECAY}, smooth = 0${restart})`)
      .replace(/ *minimize .*\n/, "")
      .replace(`steps = ${STEPS}`, `steps = ${steps}`);
  const after = async (restart: string, steps: number, seed = SEED): Promise<Map<string, Float32Array>> => {
    const { model } = loadModel(alone(restart, steps));
    const states = await statesAfter({ engine: referenceEngine, model, dataset: dataset(model), options: { seed, steps } });
    return states as Map<string, Float32Array>;
  };
  const rowsIn = (v: ArrayLike<number>): number[][] =>
    Array.from({ length: v.length / D }, (_, i) => Array.from(v).slice(i * D, i * D + D));
  /** The share of the average below which a code of the first batch is dead. */
  const share = 0.4;

  it("start again at vectors of the batch, and the others stay what averages make of them", async () => {
    const [plain, restarted] = [await after("", 1), await after(`, restart = ${share}`, 1)];
    const counts = rowsIn(plain.get("chain:em:codebook")!.slice(K * D)).map(([n]) => n!);
    const average = counts.reduce((s, n) => s + n, 0) / K;
    const dead = counts.map((n) => n < share * average);
    expect(new Set(dead).size).toBe(2);
    const vectors = rowsIn(batches(loadModel(alone("", 1)).model)[0]!).map((v) => v.map((u, d) => [1.25, 0.75][d]! * u));
    rowsIn(restarted.get("codebook")!).forEach((code, k) => {
      const before = rowsIn(plain.get("codebook")!)[k]!;
      const near = (v: readonly number[]): boolean => v.every((u, d) => Math.abs(u - code[d]!) < 1e-5);
      expect(vectors.some(near), `code ${k}: ${code}`).toBe(
        dead[k] || vectors.some((v) => v.every((u, d) => Math.abs(u - before[d]!) < 1e-5)),
      );
      if (!dead[k]) close(code, before);
    });
    // what counts is not touched
    close(restarted.get("chain:em:codebook"), Array.from(plain.get("chain:em:codebook")!));
  });

  it("are in use after a few steps, where without it one never is", async () => {
    const used = (states: Map<string, Float32Array>): number =>
      rowsIn(states.get("chain:em:codebook")!.slice(K * D)).filter(([n]) => n! > 0).length;
    for (const seed of [1, 2, 3]) {
      expect(used(await after("", STEPS, seed))).toBeLessThan(K);
      expect(used(await after(", restart = 0.1", STEPS, seed))).toBe(K);
    }
  });

  it("are drawn by the seed, and alike where a run is taken up again", async () => {
    const { model } = loadModel(quantiser(`em(decay = ${DECAY}, restart = ${share})`));
    const all = (at?: number): ReturnType<typeof statesAfter> =>
      statesAfter({ engine: referenceEngine, model, dataset: dataset(model), options: { seed: SEED, steps: STEPS } }, at);
    const whole = await all();
    for (const at of [1, 4]) expect(await all(at)).toEqual(whole);
    expect((await after(`, restart = ${share}`, 1)).get("codebook")).not.toEqual(
      (await after(`, restart = ${share}`, 1, 5)).get("codebook"),
    );
  });
});

describe("other laws", () => {
  it("averages counts of a category and of successes", async () => {
    const text = `model M {
      data x : binary[2], c : category[3]
      param w : real[3], r : unit[3, 2]
      density p(x, c) { c ~ Categorical(logits = w)   x ~ Bernoulli(probs = r[c]) }
      train { maximize log p(x, c) by em(decay = ${DECAY}, smooth = 0)   batch = ${B}, steps = ${STEPS} }
    }`;
    const { model } = loadModel(text);
    const rows = {
      x: Array.from({ length: ROWS * 2 }, (_, i) => (Math.sin(i * i) > 0 ? 1 : 0)),
      c: Array.from({ length: ROWS }, (_, i) => i % 3),
    };
    const data = datasetOf(model, { train: { x: Float32Array.from(rows.x), c: Int32Array.from(rows.c) } });
    const states = await statesAfter({ engine: referenceEngine, model, dataset: data, options: { seed: SEED, steps: STEPS } });
    const stream = openTrainStream(data, { batch: B, seed: SEED });
    const n = [0, 0, 0];
    const ones = new Array<number>(6).fill(0);
    for (let s = 0; s < STEPS; s++) {
      const { x: xs, c: cs } = stream.next().tensors as Record<string, { data: ArrayLike<number> }>;
      for (let k = 0; k < 3; k++) {
        n[k] = DECAY * n[k]! + (1 - DECAY) * Array.from(cs!.data).filter((c) => c === k).length;
        for (let d = 0; d < 2; d++)
          ones[k * 2 + d] =
            DECAY * ones[k * 2 + d]! + (1 - DECAY) * Array.from(cs!.data).reduce((t, c, i) => t + (c === k ? xs!.data[i * 2 + d]! : 0), 0);
      }
    }
    const total = n.reduce((s, v) => s + v, 0);
    close(
      states.get("w"),
      n.map((v) => Math.log(v / total)),
      1e-4,
    );
    const sigmoid = (u: number): number => 1 / (1 + Math.exp(-u));
    close(
      Array.from(states.get("r")!).map(sigmoid),
      ones.map((v, i) => Math.min(Math.max(v / n[Math.floor(i / 2)]!, 1e-6), 1 - 1e-6)),
      1e-4,
    );
  });
});

describe("what is refused", () => {
  const codesOf = (text: string): string[] => compile({ path: "m.gm", text }).diagnostics.map((d) => d.code);
  it.each([
    ["GM3521", "em(decay = 1)"],
    ["GM3521", "em(smooth = 0.1)"],
    ["GM3521", "em(decay = 0.9, smooth = -1)"],
    ["GM3521", "em(rate = 0.9)"],
    ["GM3521", "em(restart = 0.1)"],
    ["GM3521", "em(decay = 0.9, restart = 1)"],
    ["GM3854", "em(decay = 0.9), optimizer = sgd(lr = 1)"],
  ])("%s: %s", (code, by) => expect(codesOf(quantiser(by))).toEqual([code]));

  it("a restart where no location is picked", () => {
    const text = quantiser("em(decay = 0.9, restart = 0.1)").replace("e ~ Normal(codebook[k], 1)", "e ~ Normal(codebook[1], 1)");
    expect(codesOf(text)).toContain("GM3521");
  });
});
