/** Batches: every row once an epoch, order by seed alone, exact resume, padding; the SIMD gather against the plain loop; toy sets. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import wabt from "wabt";
import {
  bindData,
  drawSynthetic,
  evaluationBatches,
  evaluationSplit,
  openTrainStream,
  syntheticLogDensity,
  syntheticNames,
  type DataArray,
  type Dataset,
  type Field,
} from "../../src/runtime/data/index.js";
import { makeGather, scaleRows } from "../../src/runtime/data/gather.js";
import { gatherWasm } from "../../src/runtime/data/gather-wasm.js";
import { GmcError } from "../../src/runtime/graph/errors.js";
import { byte, category, real } from "../../src/runtime/model.js";

const column = (array: DataArray, role: Field["role"] = "values"): Field => ({
  role,
  splits: { train: array, test: array },
  path: "f",
  options: {},
  notes: [],
});
const ids = (n: number): DataArray => ({ shape: [n, 2], dtype: "i32", data: Int32Array.from({ length: 2 * n }, (_, i) => (i >> 1) % 256) });
const labels = (n: number): DataArray => ({ shape: [n], dtype: "i32", data: Int32Array.from({ length: n }, (_, i) => i % 256) });

function aligned(n: number): Dataset {
  return bindData({ name: "set", fields: { x: column(ids(n)), y: column(labels(n), "labels") }, assigned: new Set(), notes: [] }, [
    { x: byte([2]), y: category(256) },
  ]);
}

describe("training stream", () => {
  it("shows each row once an epoch, variables aligned, in an order of seed and epoch alone", () => {
    const read = (seed: number, epochs: number): number[][] => {
      const stream = openTrainStream(aligned(100), { batch: 10, seed });
      return Array.from({ length: epochs }, () =>
        Array.from({ length: stream.stepsPerEpoch }, () => {
          const { tensors } = stream.next();
          const x = tensors["x"]!.data;
          const y = tensors["y"]!.data;
          for (let i = 0; i < 10; i++) expect([x[2 * i], x[2 * i + 1]]).toEqual([y[i], y[i]]);
          expect(tensors["x"]).toMatchObject({ dtype: "f32", shape: [10, 2] });
          expect(tensors["y"]).toMatchObject({ dtype: "i32", shape: [10] });
          return Array.from(y);
        }).flat(),
      );
    };
    const [first, second] = read(7, 2);
    expect([...first!].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...second!].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(second).not.toEqual(first);
    expect(read(7, 2)).toEqual([first, second]);
    expect(read(8, 1)[0]).not.toEqual(first);
  });

  it("drops the last partial batch, and resumes exactly from a cursor at any step", () => {
    const data = aligned(25);
    const whole = openTrainStream(data, { batch: 4, seed: 1 });
    expect(whole.stepsPerEpoch).toBe(6);
    const seen: number[][] = [];
    const cursors: unknown[] = [];
    for (let step = 0; step < 20; step++) {
      cursors.push(JSON.parse(JSON.stringify(whole.cursor())));
      seen.push(Array.from(whole.next().tensors["y"]!.data));
    }
    for (const step of [0, 1, 5, 6, 7, 12, 19]) {
      const resumed = openTrainStream(data, { batch: 4, seed: 1 });
      resumed.seek(cursors[step] as ReturnType<typeof whole.cursor>);
      for (let at = step; at < 20; at++) expect(Array.from(resumed.next().tensors["y"]!.data)).toEqual(seen[at]);
    }
    expect(() => whole.seek({ streams: [{ epoch: 0, position: 3 }] })).toThrow(GmcError);
    expect(() => whole.seek({ streams: [] })).toThrow(GmcError);
  });

  it("keeps a batch intact while the next is gathered", () => {
    const stream = openTrainStream(aligned(100), { batch: 10, seed: 1 });
    const first = stream.next();
    const copy = Array.from(first.tensors["x"]!.data);
    stream.next();
    expect(Array.from(first.tensors["x"]!.data)).toEqual(copy);
  });

  it("shuffles independent streams apart, each over its own rows", () => {
    const data = bindData({ name: "s", fields: { a: column(ids(40)), b: column(ids(20)) }, assigned: new Set(), notes: [] }, [
      { a: byte([2]) },
      { b: byte([2]) },
    ]);
    const stream = openTrainStream(data, { batch: 5, seed: 1 });
    expect(stream.stepsPerEpoch).toBe(8);
    const a: number[] = [];
    const b: number[] = [];
    for (let step = 0; step < 8; step++) {
      const { tensors } = stream.next();
      for (let i = 0; i < 5; i++) {
        a.push(tensors["a"]!.data[2 * i]!);
        b.push(tensors["b"]!.data[2 * i]!);
      }
    }
    expect(new Set(a).size).toBe(40);
    expect(new Set(b.slice(0, 20)).size).toBe(20);
    expect(stream.cursor().streams).toEqual([
      { epoch: 0, position: 40 },
      { epoch: 1, position: 20 },
    ]);
  });

  it("says that a batch is larger than the data", () => {
    expect(() => openTrainStream(aligned(5), { batch: 6, seed: 1 })).toThrow(/batch size is 6, and x, y have 5 training rows/);
  });
});

describe("evaluation", () => {
  it("gives all rows in order, pads with legal values and says how many are data", () => {
    const data = aligned(10);
    expect(evaluationSplit(data)).toBe("test");
    const batches = [...evaluationBatches(data, "test", 4)].map((batch) => ({
      rows: batch.rows,
      offset: batch.offset,
      y: Array.from(batch.tensors["y"]!.data),
    }));
    expect(batches.map((batch) => [batch.rows, batch.offset])).toEqual([
      [4, 0],
      [4, 4],
      [2, 8],
    ]);
    expect(batches[2]).toMatchObject({ y: [8, 9, 8, 8], rows: 2 });
    expect([...evaluationBatches(data, "test", 4, 6)].map((batch) => batch.rows)).toEqual([4, 2]);
  });

  it("takes evenly spaced rows of a longer stream, which may be sorted", () => {
    const fields = { a: column(labels(4), "labels"), b: column(labels(40), "labels") };
    const data = bindData({ name: "set", fields, assigned: new Set(), notes: [] }, [{ a: category(256) }, { b: category(256) }]);
    const [batch] = evaluationBatches(data, "train", 4);
    expect([Array.from(batch!.tensors["a"]!.data), Array.from(batch!.tensors["b"]!.data)]).toEqual([
      [0, 1, 2, 3],
      [5, 15, 25, 35],
    ]);
    const [second] = evaluationBatches(data, "train", 1, [2]);
    expect([second!.tensors["a"]!.data[0], second!.tensors["b"]!.data[0]]).toEqual([2, 25]);
  });
});

describe("gather", () => {
  it("scales bytes as the plain loop does, at odd sizes too", () => {
    for (const [rows, width, size] of [
      [9, 784, 5],
      [7, 1, 7],
      [5, 13, 3],
    ] as const) {
      const source = Uint8Array.from({ length: rows * width }, (_, i) => (i * 37) % 256);
      const gather = makeGather({ variable: real([width]), width, dtype: "f32", source, scale: 1 / 255, stochastic: false }, size);
      const order = Int32Array.from({ length: rows }, (_, i) => rows - 1 - i);
      gather.run(order, 1, size - 1);
      const expected = new Float32Array((size - 1) * width);
      scaleRows(source, width, Math.fround(1 / 255), order, 1, size - 1, expected);
      expect(Array.from(gather.out.subarray(0, expected.length))).toEqual(Array.from(expected));
      expect(gather.out[0]).toBeCloseTo(source[(rows - 2) * width]! / 255, 6);
    }
  });

  it("ships the kernel that its source compiles to", async () => {
    const source = readFileSync(new URL("../../src/runtime/data/gather.wat", import.meta.url), "utf8");
    const { buffer } = (await wabt()).parseWat("gather.wat", source, { simd: true }).toBinary({});
    expect(gatherWasm).toBe(Buffer.from(buffer).toString("base64"));
  });

  it("takes tens of microseconds for 128 pictures", () => {
    const width = 784;
    const source = new Uint8Array(10000 * width);
    const gather = makeGather({ variable: real([width]), width, dtype: "f32", source, scale: 1 / 255, stochastic: false }, 128);
    const order = Int32Array.from({ length: 128 }, (_, i) => (i * 7919) % 10000);
    const times = Array.from({ length: 300 }, () => {
      const start = performance.now();
      gather.run(order, 0, 128);
      return performance.now() - start;
    }).sort((a, b) => a - b);
    // Generous: a busy machine must not fail it; the plain loop takes more than 0.3 ms.
    expect(times[75]).toBeLessThan(0.25);
  });
});

describe("toy sets", () => {
  it("are equal for equal seeds, differ between seeds and splits, and lie where they should", () => {
    for (const name of syntheticNames) {
      const draw = (seed: number, split: string): number[] => Array.from(drawSynthetic(name, split, { rows: 2000, seed }).data);
      const values = draw(1, "train");
      expect(draw(1, "train")).toEqual(values);
      expect(draw(2, "train")).not.toEqual(values);
      expect(draw(1, "test")).not.toEqual(values);
      expect(Math.max(...values.map(Math.abs))).toBeLessThan(6);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(Math.abs(mean)).toBeLessThan(0.6);
    }
  });

  it("have their shapes: eight modes, dark fields, rings", () => {
    const points = (name: (typeof syntheticNames)[number], noise: number): [number, number][] => {
      const { data } = drawSynthetic(name, "train", { rows: 4000, seed: 1, noise });
      return Array.from({ length: 4000 }, (_, i) => [data[2 * i]!, data[2 * i + 1]!]);
    };
    const modes = new Set(points("eight_gaussians", 0).map(([x, y]) => `${x.toFixed(3)},${y.toFixed(3)}`));
    expect(modes.size).toBe(8);
    for (const [x, y] of points("checkerboard", 0)) expect((Math.floor(x / 2) + Math.floor(y / 2) + 100) % 2).toBe(0);
    const radii = new Set(points("rings", 0).map(([x, y]) => Math.hypot(x, y).toFixed(3)));
    expect([...radii].sort()).toEqual(["0.750", "1.500", "2.250", "3.000"]);
  });

  // Noise wide enough for a coarse grid, narrow enough that the rings leave the middle empty and no arm of the pinwheel folds over.
  it.each(syntheticNames.map((name) => [name, name === "pinwheel" ? 0.1 : name === "rings" ? 0.2 : 0.3] as const))(
    "%s: its density integrates to one and is that of the draws",
    (name, noise) => {
      // the pinwheel's noise is doubled with it
      const step = name === "pinwheel" ? noise : noise / 2;
      const reach = 6.6;
      const side = Math.round((2 * reach) / step);
      const at = (i: number): number => -reach + (i + 0.5) * step;
      const grid = Float64Array.from({ length: 2 * side * side }, (_, i) =>
        at(i % 2 === 0 ? (i >> 1) % side : Math.floor((i >> 1) / side)),
      );
      const density = syntheticLogDensity(name, grid, { noise }).map((v) => Math.exp(v) * step * step);
      expect(Math.abs(density.reduce((a, b) => a + b, 0) - 1)).toBeLessThan(2e-3);
      // E cos(k x) and E sin(k x) at some frequencies, over the grid and over draws
      const rows = 20_000;
      const { data } = drawSynthetic(name, "train", { rows, seed: 3, noise });
      for (const [a, b] of [
        [0.7, 0],
        [0, 0.9],
        [1.1, 1.3],
        [-1.6, 0.8],
        [2.3, -1.9],
      ] as const)
        // prettier-ignore
        for (const wave of [Math.cos, Math.sin]) {
          let drawn = 0;
          for (let i = 0; i < rows; i++) drawn += wave(a * data[2 * i]! + b * data[2 * i + 1]!) / rows;
          const exact = density.reduce((sum, p, i) => sum + p * wave(a * grid[2 * i]! + b * grid[2 * i + 1]!), 0);
          expect(Math.abs(drawn - exact)).toBeLessThan(4 / Math.sqrt(rows));
        }
    },
  );

  it("have densities in closed form at some points", () => {
    const log = (name: (typeof syntheticNames)[number], x: number, y: number, noise?: number): number =>
      syntheticLogDensity(name, [x, y], { noise })[0]!;
    expect(log("checkerboard", 1, 1)).toBeCloseTo(-Math.log(32), 12);
    expect(log("checkerboard", 1, -1)).toBe(-Infinity);
    // at a corner of two dark fields a blurred board has half of a field's density
    expect(log("checkerboard", 0, 0, 0.01)).toBeCloseTo(-Math.log(64), 10);
    expect(log("eight_gaussians", 2 * Math.SQRT2, 0, 0.1)).toBeCloseTo(-Math.log(8 * 2 * Math.PI * 0.01), 10);
    expect(log("rings", 0, 1.5, 0.01)).toBeCloseTo(-Math.log(4 * 2 * Math.PI * 1.5 * 0.01 * Math.sqrt(2 * Math.PI)), 10);
    // a narrow line of even density 1 / length: 1 / (2 pi) along each moon, of two
    expect(log("two_moons", -1, 1.5, 0.001)).toBeCloseTo(-Math.log(2 * 2 * Math.PI * 0.002 * Math.sqrt(2 * Math.PI)), 4);
  });
});
