/** Which weights units are read off, as rows: by shape alone, either way round, convolutions, through layers, under constraints. */
import { describe, expect, it } from "vitest";
import { binary, count, dense, init, param, real, type ModelDefinition, type WeightSpecs } from "gmc/runtime";
import { PNG } from "pngjs";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { initialWeights } from "../../src/runtime/train/weights.js";
import { drawFilters, filterRows, throughLayer, topEntries, topicRows } from "../../src/runtime/node/filters.js";
import type { StreamSpec } from "../../src/runtime/model.js";

const modelOf = (weights: WeightSpecs, streams: readonly StreamSpec[]): ModelDefinition => ({
  name: "M",
  source: { file: "m.gm", sha256: "0".repeat(64), compiler: "0.1.0" },
  hyperparameters: {},
  streams,
  latents: {},
  weights,
  densities: {},
  train: [],
  evaluate: {},
});
const opened = (weights: WeightSpecs, x: StreamSpec[string]) => {
  const model = modelOf(weights, [{ x }]);
  const width = x.shape.reduce((a, b) => a * b, 1);
  const dataset = datasetOf(model, { train: { x: new Float32Array(4 * width).map((_, i) => i % 2) } });
  const stored = Object.fromEntries([...initialWeights(model, 1)].map(([path, t]) => [path, t]));
  return { model, dataset, stored };
};

describe("filters", () => {
  it("are the units of weights over an image, whichever axes meet it", () => {
    const { model, dataset, stored } = opened(
      {
        encoder: dense.spec(64, 5),
        decoder: dense.spec(3, 64),
        whole: param([8, 8, 2]),
        other: param([63, 5]),
        bias: param([64]),
      },
      binary([8, 8]),
    );
    const found = filterRows(model, dataset, stored);
    expect(found.map((f) => [f.paths.join(), f.rows.shape])).toEqual([
      ["encoder.kernel", [5, 64]],
      ["decoder.kernel", [3, 64]],
      ["whole", [2, 64]],
    ]);
    const [encoder, decoder, whole] = found;
    // unit 2, pixel 7
    expect(encoder!.rows.data[2 * 64 + 7]).toBe(stored["encoder.kernel"]!.data[7 * 5 + 2]);
    expect(decoder!.rows.data[2 * 64 + 7]).toBe(stored["decoder.kernel"]!.data[2 * 64 + 7]);
    expect(whole!.rows.data[1 * 64 + 7]).toBe(stored["whole"]!.data[7 * 2 + 1]);
    expect(encoder!.picture).toEqual({ height: 8, width: 8, channels: 1 });
  });

  it("are the patches of convolutions over as many channels", () => {
    const { model, dataset, stored } = opened({ first: param([5, 5, 3, 6]), second: param([3, 3, 6, 4]) }, real([16, 16, 3]));
    const [filters, ...more] = filterRows(model, dataset, stored);
    expect(more).toEqual([]);
    expect(filters).toMatchObject({ paths: ["first"], picture: { height: 5, width: 5, channels: 3 } });
    expect(filters!.rows.shape).toEqual([6, 75]);
    expect(filters!.rows.data[4 * 75 + 10]).toBe(stored["first"]!.data[10 * 6 + 4]);
  });

  it("go on through layers, as weighted sums of those below", () => {
    const { model, dataset, stored } = opened({ W1: param([64, 5]), W2: param([5, 3]), W3: param([4, 4]) }, binary([64]));
    const [below] = filterRows(model, dataset, stored);
    const deep = throughLayer(below!, model, stored, "W2");
    expect(deep.rows.shape).toEqual([3, 64]);
    const [W1, W2] = [stored["W1"]!.data, stored["W2"]!.data];
    const expected = [0, 1, 2, 3, 4].reduce((t, u) => t + W1[9 * 5 + u]! * W2[u * 3 + 1]!, 0);
    expect(deep.rows.data[64 + 9]).toBeCloseTo(expected, 6);
    expect(deep.paths).toEqual(["W1", "W2"]);
    expect(() => throughLayer(below!, model, stored, "W3")).toThrow(/does not meet the 5 units of `W1`/);
    const refused = ((): unknown => {
      try {
        return throughLayer(below!, model, stored, "W3");
      } catch (error) {
        return error;
      }
    })();
    expect(refused).toMatchObject({ code: "GM5311", help: [expect.stringContaining("weights with an axis of 5: `W2`")] });
    expect(() => throughLayer(below!, model, stored, "W9")).toThrow(/no weight `W9`/);
  });

  it("go on through convolutions as shifted sums, pooled units at all places of their block", () => {
    const weights = { W1: param([2, 2, 1, 3]), W2: param([2, 2, 3, 2]) };
    const opening = opened(weights, binary([9, 9, 1]));
    // h1 [8, 8, 3] is pooled to [4, 4, 3]; h2 is [3, 3, 2]
    const model = { ...opening.model, latents: { h1: binary([8, 8, 3]), h2: binary([3, 3, 2]) } };
    const [below] = filterRows(model, opening.dataset, opening.stored);
    const deep = throughLayer(below!, model, opening.stored, "W2");
    expect(deep).toMatchObject({ paths: ["W1", "W2"], picture: { height: 5, width: 5, channels: 1 } });
    expect(deep.rows.shape).toEqual([2, 25]);
    const [W1, W2] = [opening.stored["W1"]!.data, opening.stored["W2"]!.data];
    // pixel (y, x) of unit 1: over kernel entries (i, j, k), places (a, b) in the block and pixels (p, q) of the filter that fall on it
    const pixel = (y: number, x: number): number => {
      let total = 0;
      for (const i of [0, 1])
        for (const j of [0, 1])
          for (const k of [0, 1, 2])
            for (const a of [0, 1])
              for (const b of [0, 1]) {
                const [p, q] = [y - 2 * i - a, x - 2 * j - b];
                if (p >= 0 && p < 2 && q >= 0 && q < 2) total += (W2[((i * 2 + j) * 3 + k) * 2 + 1]! * W1[(p * 2 + q) * 3 + k]!) / 4;
              }
      return total;
    };
    for (let at = 0; at < 25; at++) expect(deep.rows.data[25 + at]).toBeCloseTo(pixel(Math.floor(at / 5), at % 5), 9);
    // without latents that say otherwise, nothing is pooled
    expect(throughLayer(below!, opening.model, opening.stored, "W2").picture).toEqual({ height: 3, width: 3, channels: 1 });
  });

  it("are drawn grey at 0, at full contrast each or by one factor", async () => {
    const { model, dataset, stored } = opened({ W: param([64, 2]) }, binary([64]));
    // unit 0 reaches 1, unit 1 a tenth of it
    const data = Float32Array.from({ length: 128 }, (_, i) => (i === 0 ? 1 : i === 2 ? -1 : i === 1 ? 0.1 : 0));
    const [filters] = filterRows(model, dataset, { ...stored, W: { data } });
    const pixel = async (scale: "each" | "joint", unit: number, column: number): Promise<number> => {
      const png = PNG.sync.read(Buffer.from((await drawFilters(filters!, { scale })).content));
      const zoom = png.height / 12;
      return png.data[4 * (zoom * 2 * png.width + zoom * (2 + unit * 10 + column))]!;
    };
    expect(await pixel("each", 0, 0)).toBe(255);
    expect(await pixel("each", 0, 1)).toBe(0);
    expect(await pixel("each", 0, 2)).toBe(128);
    expect(await pixel("each", 1, 0)).toBe(255);
    expect(await pixel("joint", 1, 0)).toBe(Math.round(255 * 0.55));
  });

  it("show the values of constrained weights, not what is stored", () => {
    const { model, dataset, stored } = opened(
      {
        positive: param([64, 2], { constraint: "positive", init: init.constant(0.25) }),
        unit: param([64, 2], { constraint: "unit", init: init.constant(0.75) }),
        simplex: param([2, 64], { constraint: "simplex" }),
      },
      binary([64]),
    );
    const values = filterRows(model, dataset, stored).map((f) => f.rows.data[3]!);
    [0.25, 0.75, 1 / 64].forEach((expected, i) => expect(values[i]).toBeCloseTo(expected, 6));
  });
});

describe("topics", () => {
  it("are the entries with the largest weights, by name", () => {
    const { model, dataset, stored } = opened({ W: param([3, 2]) }, count([3]));
    expect(topicRows(model, dataset, stored)).toEqual([]);
    const [stream] = dataset.streams;
    const column = stream!.splits.train.columns["x"]!;
    const named = { ...column, entries: ["cat", "dog", "cow"] };
    const words = { ...dataset, streams: [{ ...stream!, splits: { train: { rows: 4, columns: { x: named } } } }] };
    const [topics] = topicRows(model, words, { W: { data: Float32Array.of(1, -1, 3, 0, 2, 5) } });
    expect(topEntries(topics!, 2)).toEqual([
      [
        { entry: "dog", weight: 3 },
        { entry: "cow", weight: 2 },
      ],
      [
        { entry: "cow", weight: 5 },
        { entry: "dog", weight: 0 },
      ],
    ]);
  });
});
