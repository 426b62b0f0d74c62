/** How many codes are in use, against plain counts: over a split, of latents and of a quantiser, and of the batches of training, which it does not change. */
import { describe, expect, it } from "vitest";
import { compile } from "../../src/compile.js";
import { openTrainStream } from "../../src/runtime/data/streams.js";
import { evaluate, referenceEngine, train, trainOn, type Evaluation, type ModelDefinition } from "../../src/runtime/index.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights, writeAll } from "../../src/runtime/train/weights.js";
import { loadModel } from "../support/model.js";

const [ROWS, P, D, K] = [23, 3, 2, 6];
const wave = (n: number, seed: number): number[] => Array.from({ length: n }, (_, i) => Math.fround(1.5 * Math.sin((i + 1) * (i + seed))));
const x = wave(ROWS * P * D, 5);
const codebook = wave(K * D, 1);

const perplexity = (codes: readonly number[]): number => {
  const counts = new Map<number, number>();
  for (const c of codes) counts.set(c, (counts.get(c) ?? 0) + 1);
  return Math.exp([...counts.values()].reduce((h, n) => h - (n / codes.length) * Math.log(n / codes.length), 0));
};
/** Code of each place by brute force. */
const nearest = (values: readonly number[], codes = codebook): number[] =>
  Array.from({ length: values.length / D }, (_, v) => {
    const distances = Array.from({ length: K }, (_, k) => [0, 1].reduce((s, d) => s + (values[v * D + d]! - codes[k * D + d]!) ** 2, 0));
    return distances.indexOf(Math.min(...distances));
  });
const quantiser = (rest = "", evaluated = "codes = code_use(nearest_code(x, codebook))"): string => `model M {
  data x : real[${P}, ${D}]
  param codebook : real[${K}, ${D}] = [${codebook.join(", ")}], b : real
  train {
    ${rest === "" ? "minimize commitment(x, codebook) over codebook, optimizer = sgd(lr = 0.1)" : rest}
    batch = 5, steps = 8
  }
  evaluate { ${evaluated} }
}`;

async function measured(model: ModelDefinition, data: Record<string, Float32Array | Int32Array>, batch?: number): Promise<Evaluation> {
  const dataset = datasetOf(model, { train: data, test: data });
  const session = await referenceEngine.open();
  await writeAll(session, initialWeights(model, 1, dataset));
  const found = await evaluate({ session, model, dataset, seed: 4, averaged: new Set(), terms: false, reconstruction: false, batch });
  session.dispose();
  return found;
}

describe("over a split", () => {
  it.each([undefined, 1, 7])("a quantiser's codes are those that plain loops count, in batches of %s", async (batch) => {
    const { model } = loadModel(quantiser());
    const { metrics, protocol } = await measured(model, { x: Float32Array.from(x) }, batch);
    const codes = nearest(x);
    const places = Array.from({ length: P }, (_, p) => Math.log(perplexity(codes.filter((_, i) => i % P === p))));
    const found = metrics["codes"]!;
    expect(found).toMatchObject({ label: "code_use(nearest_code(x, codebook))", unit: "codes", standardError: null });
    expect(found.value).toBeCloseTo(perplexity(codes), 10);
    expect(found.detail).toEqual({
      used: new Set(codes).size,
      "used of": K,
      "at one place": expect.closeTo(Math.exp(places.reduce((s, h) => s + h, 0) / P), 10) as number,
      counted: ROWS * P,
    });
    expect(protocol.rows).toBe(ROWS);
  });

  it("categories and vectors with one 1 are counted alike, each by its name; other latents are left out", async () => {
    // logits so far apart that each draw is certain
    const text = `model M {
      data x : real[1]
      latent c : category[4], h : binary[2, 3], z : real[2]
      param s : positive = 1, m : real[2, 3] = [0, 1, 2, 2, 1, 0], t : real[4] = [1, -1, 0, 0]
      density p(x, c, h, z) { c ~ Categorical(logits = zeros(4))   h ~ OneHotCategorical(logits = zeros(2, 3))   z ~ Normal(0, 1)   x ~ Normal(0, s) }
      density q(c, h, z | x) {
        c ~ Categorical(logits = 1000 * sum(x) * t)
        h ~ OneHotCategorical(logits = 1000 * sum(x) * m)
        z ~ Normal(0, 1)
      }
      train { maximize ELBO(p, q)   optimizer = adam(lr = 0.1), batch = 5, steps = 2 }
      evaluate { use = code_use(q) }
    }`;
    const { model } = loadModel(text);
    const rows = [1, 1, 1, -1, 1, 1, -1, 1];
    const { metrics } = await measured(model, { x: Float32Array.from(rows) });
    // c: 0 where x > 0, 1 where not; h: place 1 has the last class where x > 0 and the first where not, place 2 the other way round
    const h = rows.flatMap((v) => (v > 0 ? [2, 0] : [0, 2]));
    const one = perplexity(rows.map((v) => (v > 0 ? 0 : 1)));
    expect(metrics["use"]!.value).toBeCloseTo(Math.sqrt(one * perplexity(h)), 6);
    expect(metrics["use"]!.detail).toMatchObject({
      "c used": 2,
      "c used of": 4,
      "h used": 2,
      "h used of": 3,
      "c counted": 8,
      "h counted": 16,
    });
    expect(metrics["use"]!.detail?.["h perplexity"]).toBeCloseTo(2, 10);
    expect(metrics["use"]!.detail?.["h at one place"]).toBeCloseTo(one, 6);
    expect(Object.keys(metrics["use"]!.detail ?? {}).some((k) => k.startsWith("z"))).toBe(false);
  });

  it("draws of a category have the perplexity of their law", async () => {
    const text = `model M {
      data x : real[1]
      latent c : category[4]
      param s : positive = 1, t : real[4] = [${Math.log(2)}, 0, 0, -100]
      density p(x, c) { c ~ Categorical(logits = zeros(4))   x ~ Normal(0, s) }
      density q(c | x) { c ~ Categorical(logits = t) }
      train { maximize log p(x)   optimizer = adam(lr = 0.1), batch = 5, steps = 2 }
      evaluate { use = code_use(q) }
    }`;
    const { metrics } = await measured(loadModel(text).model, { x: new Float32Array(20_000) });
    // the deviation of the entropy of 20,000 draws is sqrt(Var(log p) / n) = 0.0025
    expect(Math.log(metrics["use"]!.value)).toBeCloseTo(1.5 * Math.log(2), 1.9);
    expect(metrics["use"]!.detail).toMatchObject({ used: 3, "used of": 4, counted: 20_000 });
  });
});

describe("in training", () => {
  const data = { x: Float32Array.from(x) };

  it("shows that of each batch, by the name of the line", async () => {
    const { model } = loadModel(quantiser());
    const trained = await train(model, { data, engine: referenceEngine, seed: 2, recordEvery: 1 });
    const stream = openTrainStream(datasetOf(model, { train: data }), { batch: 5, seed: 2 });
    const codes = [...codebook];
    const wanted = Array.from({ length: 8 }, () => {
      const values = Array.from(stream.next().tensors["x"]!.data);
      const chosen = nearest(values, codes);
      const slopes = codes.map(
        (c, i) => chosen.reduce((s, k, v) => s + (k === Math.floor(i / D) ? 2 * (c - values[v * D + (i % D)]!) : 0), 0) / 5,
      );
      slopes.forEach((s, i) => (codes[i]! -= 0.1 * s));
      return perplexity(chosen);
    });
    const shown = trained.history.flatMap((h) => (h.values["codes"] === undefined ? [] : [h.values["codes"]]));
    await trained.close();
    expect(shown).toHaveLength(8);
    wanted.forEach((v, i) => expect(shown[i]).toBeCloseTo(v, 4));
  });

  it("is shown by the first statement that moves what the codes depend on, and by no other", async () => {
    const both = `minimize b^2 + 0 * sum(x) over b, optimizer = sgd(lr = 0.1)
      minimize commitment(x, codebook) over codebook, optimizer = sgd(lr = 0.1)`;
    const still = "minimize b^2 + 0 * sum(x) over b, optimizer = sgd(lr = 0.1)";
    for (const [rest, count] of [
      [both, 8],
      [still, 0],
    ] as const) {
      const { model } = loadModel(quantiser(rest));
      const trained = await train(model, { data, engine: referenceEngine, seed: 2, recordEvery: 1 });
      expect(trained.history.filter((h) => h.values["codes"] !== undefined)).toHaveLength(count);
      await trained.close();
    }
  });

  it("changes nothing of it, running statistics included", async () => {
    const text = (evaluated: string): string => `model M {
      data x : real[${P}, ${D}]
      param codebook : real[${K}, ${D}] = [${codebook.join(", ")}]
      net f(x) = x |> dense(${D}) |> batch_norm
      train {
        minimize sum((quantize(f(x), codebook) - x)^2) + commitment(f(x), codebook)
        optimizer = adam(lr = 0.01), batch = 5, steps = 6
      }
      evaluate { ${evaluated} }
    }`;
    const runs = await Promise.all(
      ["far = sum((quantize(f(x), codebook) - x)^2)", "codes = code_use(nearest_code(f(x), codebook))"].map(async (evaluated) => {
        const { model } = loadModel(text(evaluated));
        const session = await referenceEngine.open();
        await trainOn(session, model, datasetOf(model, { train: data }), { seed: 1 });
        const names = ["codebook", "f.dense1.kernel", "f.batch_norm1.runningMean", "f.batch_norm1.runningVariance"];
        const states = await Promise.all(names.map(async (n) => Array.from((await session.read(n)).data)));
        session.dispose();
        return states;
      }),
    );
    expect(runs[1]).toEqual(runs[0]);
  });
});

describe("what is no code", () => {
  const codesOf = (text: string): string[] => compile({ path: "m.gm", text }).diagnostics.map((d) => d.code);
  it.each([
    ["GM3778", "codes = code_use(sum(x))"],
    ["GM2001", "codes = code_use(nothing)"],
    ["GM3046", "codes = active_units(codebook)"],
  ])("%s: %s", (code, evaluated) => expect(codesOf(quantiser("", evaluated))).toEqual([code]));
});
