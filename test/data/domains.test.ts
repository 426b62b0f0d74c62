/** Binding: which field feeds which variable, shapes, domains, splits, and the errors where data and model do not fit. */
import { describe, expect, it } from "vitest";
import {
  applySplits,
  bindData,
  type DataArray,
  type Dataset,
  type Field,
  type FieldOptions,
  type RawData,
} from "../../src/runtime/data/index.js";
import { GmcError } from "../../src/runtime/graph/errors.js";
import { renderDiagnostic } from "../../src/base/render.js";
import { expectGolden } from "../support/golden.js";
import { loadModel } from "../support/model.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import {
  binary,
  byte,
  category,
  count,
  interior,
  optional,
  positive,
  real,
  simplex,
  unit,
  type VariableSpec,
} from "../../src/runtime/model.js";

const u8 = (shape: number[], data: number[]): DataArray => ({ shape, dtype: "u8", data: Uint8Array.from(data) });
const f32 = (shape: number[], data: number[]): DataArray => ({ shape, dtype: "f32", data: Float32Array.from(data) });
const i32 = (shape: number[], data: number[], labels?: string[]): DataArray => ({
  shape,
  dtype: "i32",
  data: Int32Array.from(data),
  labels,
});

function field(splits: Field["splits"], options: FieldOptions = {}, role: Field["role"] = "values"): Field {
  return { role, splits, path: "file.npy", options, notes: [] };
}
const raw = (fields: Record<string, Field>, assigned: string[] = []): RawData => ({
  name: "set",
  fields,
  assigned: new Set(assigned),
  notes: ["source"],
});

function mistake(run: () => unknown): GmcError {
  try {
    run();
  } catch (error) {
    if (error instanceof GmcError) return error;
    throw error;
  }
  throw new Error("expected a GmcError");
}

const bindOne = (spec: VariableSpec, array: DataArray, options: FieldOptions = {}, test?: DataArray): Dataset =>
  bindData(raw({ x: field({ train: array, test }, options) }, ["x"]), [{ x: spec }]);
const held = (data: Dataset, split: "train" | "test" = "train"): number[] => {
  const column = data.streams[0]!.splits[split]!.columns["x"]!;
  return Array.from(column.source, (value) => value * column.scale);
};

describe("domains whose ends the model's densities leave out", () => {
  it("tell values past float32 as such", () => {
    const values = { shape: [2, 2], dtype: "f64" as const, data: Float64Array.of(1, 2, 3, -1e300) };
    for (const spec of [real([2]), count([2])]) {
      const { code, message, help } = mistake(() =>
        bindOne(spec, spec.domain === "real" ? values : { ...values, data: Float64Array.of(1, 2, 3, 1e300) }),
      );
      expect(code).toMatch(/^GM50(22|32)$/u);
      expect(message).not.toContain("Infinity");
      expect(message).toContain("1e+300");
      if (spec.domain === "real") {
        expect(message).toContain("float32 holds, up to 3.4e+38 in size");
        expect(help).toHaveLength(1);
      }
    }
    const infinite = { ...values, data: Float64Array.of(1, 2, 3, Infinity) };
    expect(mistake(() => bindOne(real([2]), infinite)).message).toContain("found Infinity");
  });

  const inside = /above 0 and below 1.* found (0|1|255) in file\.npy, train row 2, entry 1 of 2/u;

  it.each([
    ["zeros", f32([2, 2], [0.1, 0.2, 0, 0.5])],
    ["ones", f32([2, 2], [0.1, 0.2, 1, 0.5])],
    ["white pixels", u8([2, 2], [10, 20, 255, 3])],
  ])("refuse %s with the first row and a way out", (_, array) => {
    const error = mistake(() => bindOne(interior(unit([2])), array));
    expect(error.code).toBe("GM5022");
    expect(error.message).toMatch(inside);
    expect(error.help.join()).toContain("inward");
  });

  it("take what lies inside, and the other end where only one is left out", () => {
    expect(held(bindOne(interior(unit([2])), f32([1, 2], [0.25, 0.75])))).toEqual([0.25, 0.75]);
    expect(held(bindOne(interior(unit([2]), "low"), f32([1, 2], [0.25, 1])))).toEqual([0.25, 1]);
    expect(mistake(() => bindOne(interior(unit([2]), "low"), f32([1, 2], [0.25, 0]))).code).toBe("GM5022");
    expect(mistake(() => bindOne(interior(simplex([2]), "low"), f32([2, 2], [0.25, 0.75, 0, 1]))).message).toContain("row 2, entry 1");
  });

  it("are those that the densities of the model ask for", () => {
    const streams = (draw: string, domain: string): string =>
      JSON.stringify(
        loadModel(`model M(D = 2) {
          data x : ${domain}[D]
          density p(x) { x ~ ${draw} }
          train { maximize log p(x) batch = 2, epochs = 1 }
        }`).model.streams,
      );
    expect(streams("Beta(2, 2)", "unit")).toContain('"open":"both"');
    expect(streams("Gamma(2, 2)", "unit")).toContain('"open":"low"');
    expect(streams("Dirichlet(ones(D))", "simplex")).toContain('"open":"low"');
    for (const [draw, domain] of [
      ["Uniform(0, 1)", "unit"],
      ["Gamma(2, 2)", "positive"],
      ["Normal(0, 1)", "real"],
    ] as const)
      expect(streams(draw, domain)).not.toContain("open");
  });
});

describe("domains", () => {
  it("binary takes grey values as probabilities, drawn in the step", () => {
    const data = bindOne(binary([2]), u8([2, 2], [0, 255, 51, 102]));
    expect(held(data)).toEqual([0, 1, 0.2, 0.4]);
    expect(data.streams[0]!.splits.train.columns["x"]!.stochastic).toBe(true);
    expect(data.provenance.join()).toContain("dynamic binarisation");
  });

  it("binary draws once when fixed: equal for equal seeds, with the right frequency", () => {
    const grey = u8(
      [10000, 1],
      Array.from({ length: 10000 }, (_, i) => (i % 2 === 0 ? 51 : 255)),
    );
    const first = held(bindOne(binary([1]), grey, { binarize: "fixed", binarizeSeed: 3 }));
    expect(held(bindOne(binary([1]), grey, { binarize: "fixed", binarizeSeed: 3 }))).toEqual(first);
    expect(held(bindOne(binary([1]), grey, { binarize: "fixed", binarizeSeed: 4 }))).not.toEqual(first);
    const ones = first.filter((value, i) => i % 2 === 0 && value === 1).length;
    // 5,000 draws of probability 0.2: five standard deviations are 141.
    expect(Math.abs(ones - 1000)).toBeLessThan(141);
    expect(first.every((value, i) => (i % 2 === 1 ? value === 1 : value === 0 || value === 1))).toBe(true);
  });

  it("binary by threshold, and values that are 0 and 1 already", () => {
    expect(held(bindOne(binary([3]), u8([1, 3], [100, 127, 128]), { binarize: "threshold" }))).toEqual([0, 0, 1]);
    const already = bindOne(binary([2]), u8([2, 2], [0, 1, 1, 0]));
    expect(held(already)).toEqual([0, 1, 1, 0]);
    expect(already.streams[0]!.splits.train.columns["x"]!.stochastic).toBe(false);
    expect(held(bindOne(binary([2]), f32([1, 2], [0.25, 1])))).toEqual([0.25, 1]);
    expect(mistake(() => bindOne(binary([2]), f32([1, 2], [0.25, 1.5])))).toMatchObject({ code: "GM5022" });
  });

  it("unit and real scale bytes, and only bytes", () => {
    expect(held(bindOne(unit([2]), u8([1, 2], [51, 255])))).toEqual([0.2, 1]);
    expect(held(bindOne(real([2]), u8([1, 2], [51, 255])))).toEqual([0.2, 1]);
    expect(held(bindOne(real([2]), u8([1, 2], [51, 255]), { scale: "none" }))).toEqual([51, 255]);
    expect(held(bindOne(real([2]), f32([1, 2], [-3, 300])))).toEqual([-3, 300]);
    expect(held(bindOne(unit([2]), u8([1, 2], [4, 16]), { maximum: 16 }))).toEqual([0.25, 1]);
    expect(held(bindOne(byte([2]), u8([1, 2], [4, 255])))).toEqual([4, 255]);
  });

  it("standardizes by the training rows", () => {
    const data = bindOne(real([2]), f32([2, 2], [1, 7, 3, 7]), { scale: "standardize" }, f32([1, 2], [5, 8]));
    expect(held(data)).toEqual([-1, 0, 1, 0]);
    expect(held(data, "test")).toEqual([3, 1]);
    expect(held(bindOne(unit([1]), f32([3, 1], [2, 4, 6]), { scale: "minmax" }, f32([1, 1], [7])))).toEqual([0, 0.5, 1]);
  });

  it("refuses rows of which a part is missing, and says how many rows are", () => {
    const rows = f32([3, 2], [1, 4, NaN, NaN, 2, 3]);
    const notes = (of: ReturnType<typeof bindOne>): string => JSON.stringify(of.provenance);
    const data = bindOne(optional(real([2])), rows, {}, f32([1, 2], [NaN, NaN]));
    expect(notes(data)).toContain("missing in 1 of 3 train rows");
    expect(notes(data)).toContain("missing in 1 of 1 test rows");
    expect(notes(bindOne(optional(real([2])), f32([1, 2], [0, 0])))).not.toContain("missing");
    for (const [spec, part] of [
      [real([2]), [1, 2, NaN, 3]],
      [category(3, [2]), [1, 2, -1, 0]],
      [count([2]), [1, 2, NaN, 0]],
      [binary([2]), [1, 0, NaN, 1]],
    ] as const) {
      const found = mistake(() => bindOne(optional(spec), f32([2, 2], [...part])));
      expect([found.code, found.message]).toEqual(["GM5022", expect.stringContaining("train row 2, entry 1 of 2")]);
      expect(found.message).toContain("expected all entries of a row, or none, found a missing one beside others");
    }
  });

  it("standardizes by what is observed, and leaves missing what is", () => {
    const scale = { scale: "standardize" } as const;
    // observed of the first entry: 1, 1 and 4, of mean 2 and variance 2; of the second: 4, 4 and 10, of mean 6 and variance 8
    const rows = f32([4, 2], [1, 4, NaN, NaN, 1, 4, 4, 10]);
    const data = bindOne(optional(real([2])), rows, scale, f32([1, 2], [2, 6]));
    const near = (value: number): unknown => expect.closeTo(value, 6);
    const [low, high] = [near(-Math.SQRT1_2), near(Math.SQRT2)];
    expect(held(data)).toEqual([low, low, NaN, NaN, low, low, high, high]);
    expect(held(data, "test")).toEqual([0, 0]);
    // where nothing may be missing, the place that is
    expect(mistake(() => bindOne(real([2]), rows, scale)).message).toContain("(a missing value) in file.npy, train row 2, entry 1 of 2");
    expect(mistake(() => bindOne(optional(real([1])), f32([3, 1], [1, Infinity, 3]), scale)).message).toContain("train row 2");
  });

  it("zeros and ones with missing values are no probabilities", () => {
    const data = bindOne(optional(binary([1])), f32([3, 1], [0, NaN, 1]));
    expect(held(data)).toEqual([0, NaN, 1]);
    expect(data.streams[0]!.splits.train.columns["x"]!.stochastic).toBe(false);
  });

  it.each(["fixed", "threshold"] as const)("%s probabilities with missing values: what is missing stays so", (binarize) => {
    expect(held(bindOne(optional(binary([1])), f32([3, 1], [1, NaN, 0.001]), { binarize }))).toEqual([1, NaN, 0]);
  });

  describe("whitens by the training rows", () => {
    // a walk, standardised by nothing: entries correlated at every distance, of growing variance
    const [rows, width] = [400, 7];
    const walk = (seed: number): DataArray => {
      const random = hostStream(seed, "test.walk");
      const values: number[] = [];
      for (let i = 0; i < rows * width; i++) values.push((i % width === 0 ? 3 : values[i - 1]!) + random.normal());
      return f32([rows, width], values);
    };
    const covariance = (values: readonly number[], mean: readonly number[]): number[][] =>
      mean.map((a, i) => mean.map((b, j) => mean_(rows, (n) => (values[n * width + i]! - a) * (values[n * width + j]! - b))));
    const mean_ = (count: number, value: (n: number) => number): number =>
      Array.from({ length: count }, (_, n) => value(n)).reduce((sum, v) => sum + v, 0) / count;
    const means = (values: readonly number[]): number[] =>
      Array.from({ length: width }, (_, j) => mean_(rows, (n) => values[n * width + j]!));

    it("to mean 0 and the identity as covariance, up to the ridge", () => {
      const source = Array.from(walk(1).data);
      const c = covariance(source, means(source));
      const ridge = 1e-9;
      const got = held(bindOne(real([width]), walk(1), { scale: "whiten", ridge }));
      for (const m of means(got)) expect(Math.abs(m)).toBeLessThan(1e-6);
      covariance(got, means(got)).forEach((row, i) => row.forEach((v, j) => expect(v).toBeCloseTo(i === j ? 1 : 0, 5)));

      // with a ridge r: W C W = I - r W^2, W = (C + r I)^(-1/2); so (C + r I)(W C W) = C, W and C commuting
      const r = (0.5 * c.reduce((sum, row, i) => sum + row[i]!, 0)) / width;
      const w = covariance(held(bindOne(real([width]), walk(1), { scale: "whiten", ridge: 0.5 })), Array<number>(width).fill(0));
      c.forEach((row, i) =>
        row.forEach((v, j) => {
          const product = row.reduce((sum, a, l) => sum + (a + (i === l ? r : 0)) * w[l]![j]!, 0);
          expect(product).toBeCloseTo(v, 4);
        }),
      );
    });

    it("and treats the other splits alike", () => {
      const data = bindOne(real([width]), walk(1), { scale: "whiten" }, walk(1));
      expect(held(data, "test")).toEqual(held(data));
      expect(data.provenance.at(-1)).toBe("x: whitened (ZCA) over the training rows, ridge 0.01 of the mean variance");
      const other = held(bindOne(real([width]), walk(1), { scale: "whiten" }, walk(2)), "test");
      // of the same law, so about white; 400 rows tell a variance to 7%
      covariance(other, means(other)).forEach((row, i) =>
        row.forEach((v, j) => expect(Math.abs(v - (i === j ? 1 : 0))).toBeLessThan(0.35)),
      );
    });

    it("in pictures of bytes too, and leaves alone what never varies", () => {
      const grey = u8([6, 2], [10, 7, 20, 7, 30, 7, 40, 7, 50, 7, 60, 7]);
      const got = held(bindOne(real([2]), grey, { scale: "whiten", ridge: 1e-9 }));
      const deviation = Math.sqrt(3500 / 12);
      got.forEach((v, i) => expect(v).toBeCloseTo(i % 2 === 0 ? (grey.data[i]! - 35) / deviation : 0, 4));
      expect(held(bindOne(real([2]), f32([3, 2], [1, 1, 1, 1, 1, 1]), { scale: "whiten" }))).toEqual([0, 0, 0, 0, 0, 0]);
    });

    it("and refuses what has no covariance", () => {
      const whiten: FieldOptions = { scale: "whiten" };
      expect(mistake(() => bindOne(unit([width]), walk(1), whiten))).toMatchObject({ code: "GM5013" });
      expect(mistake(() => bindOne(optional(real([width])), walk(1), whiten))).toMatchObject({ code: "GM5013" });
      expect(mistake(() => bindOne(real([2]), f32([2, 2], [1, 2, 3, 4]), whiten)).message).toBe(
        "scale=whiten takes more rows than entries, and file.npy has 2 training rows of 2 entries for x : real[2]",
      );
      const missing = mistake(() => bindOne(real([2]), f32([3, 2], [1, 2, 3, NaN, 5, 6]), whiten));
      expect(missing.message).toContain("found no number (a missing value) in file.npy, train row 2, entry 2 of 2");
    });
  });

  it("looks at every byte, and at a set of pictures no longer than it must", () => {
    const long = new Uint8Array(300_000).fill(3);
    long[290_001] = 17;
    const array: DataArray = { shape: [300_000, 1], dtype: "u8", data: long };
    expect(mistake(() => bindOne(unit([1]), array, { maximum: 16 })).message).toContain("row 290002");
    expect(bindOne(real([1]), array).streams[0]!.splits.train.columns["x"]!.range).toEqual([3 / 255, 17 / 255]);
    expect(bindOne(real([1]), u8([2, 1], [0, 0])).streams[0]!.splits.train.columns["x"]!.range).toEqual([0, 1]);
    // bytes in which all values occur at once: binding is far quicker than one look at each
    const pictures = Uint8Array.from({ length: 32e6 }, (_, i) => i);
    const time = (run: () => void): number => {
      const began = performance.now();
      run();
      return performance.now() - began;
    };
    const pass = (): number => Math.min(...[1, 2, 3].map(() => time(() => void pictures.reduce((sum, value) => sum + value, 0))));
    const bound = Math.min(...[1, 2, 3].map(() => time(() => bindOne(real([800]), { shape: [40_000, 800], dtype: "u8", data: pictures }))));
    expect(bound).toBeLessThan(pass());
  });

  it.each([
    ["fraction", [3, 0, 1.5, 2]],
    ["negative", [3, 0, -1, 2]],
    ["beyond-float32", [3, 0, 16_777_218, 2]],
  ])("counts that are no whole numbers have a code of their own: %s", (title, values) => {
    const { code, message, help } = mistake(() => bindOne(count([2]), f32([2, 2], values)));
    expect(code).toBe("GM5032");
    expect(message).toContain("file.npy, train row 2, entry 1 of 2");
    const shown = renderDiagnostic({ code, severity: "error", message, labels: [], notes: [], help }, { color: false });
    expectGolden(`golden/errors/gm5/GM5032-${title}.txt`, shown);
  });

  it("names variable, file, row and entry of a forbidden value", () => {
    expect(mistake(() => bindOne(unit([2]), f32([2, 2], [0, 1, 0.5, 3.5]))).message).toBe(
      "x : unit[2]: expected a value in [0, 1], found 3.5 in file.npy, train row 2, entry 2 of 2",
    );
    expect(mistake(() => bindOne(positive([1]), f32([1, 1], [0]))).code).toBe("GM5022");
    expect(mistake(() => bindOne(count([1]), f32([1, 1], [NaN]))).code).toBe("GM5022");
    expect(mistake(() => bindOne(byte([1]), f32([1, 1], [256]))).code).toBe("GM5022");
    expect(mistake(() => bindOne(real([1]), f32([1, 1], [NaN]))).message).toContain("no number (a missing value)");
    expect(mistake(() => bindOne(simplex([2]), f32([1, 2], [0.5, 0.6]))).message).toContain("2 shares that sum to 1");
    expect(held(bindOne(simplex([2]), f32([1, 2], [0.25, 0.75])))).toEqual([0.25, 0.75]);
    expect(Number.isNaN(held(bindOne(optional(real([1])), f32([2, 1], [NaN, 1])))[0])).toBe(true);
  });

  it("counts that float32 does not hold are refused as they lie in the file, and say why", () => {
    const f64 = (...data: number[]): DataArray => ({ shape: [data.length], dtype: "f64", data: Float64Array.from(data) });
    expect(held(bindOne(count([]), f64(0, 2 ** 24)))).toEqual([0, 2 ** 24]);
    // 2^24 + 1 is rounded to 2^24 by float32
    for (const value of [2 ** 24 + 1, 99_990_000])
      expect(mistake(() => bindOne(count([]), f64(3, value)))).toMatchObject({
        message: `x : count: expected a whole number up to 16,777,216, the last up to which float32 holds all of them, found ${value} in file.npy, train row 2`,
        help: [expect.stringContaining("larger units"), expect.stringContaining("standardize")],
      });
    expect(mistake(() => bindOne(count([]), f64(-1))).message).toContain("expected a whole number from 0 on");
    expect(held(bindOne(optional(count([])), f64(NaN, 4)))).toEqual([NaN, 4]);
  });

  it("missing values are answered with what can be done about them", () => {
    for (const spec of [binary([2]), unit([2]), count([2]), real([2])]) {
      const { message, help } = mistake(() => bindOne(spec, f32([2, 2], [0, 1, NaN, 1])));
      expect(message).toContain("found no number (a missing value) in file.npy, train row 2, entry 1 of 2");
      // alone, the variable has nothing that it could be filled in from
      expect(help).toEqual([expect.stringContaining("fill")]);
      const two = raw({ x: field({ train: f32([2, 2], [0, 1, NaN, 1]) }), y: field({ train: f32([2], [0, 1]) }) }, ["x", "y"]);
      expect(mistake(() => bindData(two, [{ x: spec, y: real([]) }])).help).toEqual([
        expect.stringContaining("fill"),
        `where entries are missing one by one, each is a variable of its own, from a column of its own: data x1 : ${spec.domain}?, x2 : ${spec.domain}?`,
        `where whole rows are missing, declare that, unless an energy defines the variable: data x : ${spec.domain}[2]?`,
      ]);
    }
  });

  it("categories: range, one-based labels, missing values, text", () => {
    expect(held(bindOne(category(3), u8([3], [0, 2, 1])))).toEqual([0, 2, 1]);
    const oneBased = mistake(() => bindOne(category(3), u8([3], [1, 2, 3])));
    expect(oneBased.message).toContain("expected a category 0..2, found 3");
    expect(oneBased.help[0]).toContain("subtract 1");
    expect(held(bindOne(optional(category(3)), i32([2], [-1, 2])))).toEqual([-1, 2]);
    const labelled = raw({ x: field({ train: f32([2], [0, 1]) }), y: field({ train: i32([2], [-1, 2]) }) }, ["x", "y"]);
    expect(mistake(() => bindData(labelled, [{ x: real([]), y: category(3) }])).help[0]).toContain("category[3]?");
    expect(mistake(() => bindOne(category(3), i32([2], [-1, 2]))).help[0]).toContain("leave rows");
    // Codes of other splits follow the training labels, not their own order.
    const data = bindOne(category(2), i32([2], [0, 1], ["cat", "dog"]), {}, i32([2], [0, 0], ["dog"]));
    expect(held(data, "test")).toEqual([1, 1]);
    expect(data.provenance.join()).toContain("cat = 0, dog = 1");
    expect(mistake(() => bindOne(category(2), i32([2], [0, 1], ["cat", "dog"]), {}, i32([1], [0], ["cow"]))).message).toContain("cow");
  });
});

describe("shapes", () => {
  it("merges and splits axes in place, and says so", () => {
    const images = u8([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(bindOne(byte([6]), images).provenance).toContain("x: [2, 3] read as [6]");
    expect(bindOne(byte([2, 3, 1]), images).provenance.join()).not.toContain("read as");
    expect(bindOne(byte([]), u8([2, 1], [1, 2])).streams[0]!.splits.train.rows).toBe(2);
  });

  it("refuses other sizes with both numbers, and permuted axes", () => {
    const error = mistake(() => bindOne(binary([784]), u8([1, 28, 20], Array(560).fill(0))));
    expect(error.code).toBe("GM5021");
    expect(error.message).toContain(
      "x : binary[784] holds 784 entries per example, and file.npy has train rows of shape [28, 20], 560 entries",
    );
    expect(error.help).toEqual([]);
    const raw: RawData = {
      name: "d",
      fields: { x: field({ train: u8([1, 28, 20], Array(560).fill(0)) }) },
      assigned: new Set(),
      notes: [],
    };
    const help = (spec: VariableSpec): readonly string[] =>
      mistake(() => bindData(raw, [{ x: spec }], (name, shape) => [`${name} ${shape}`])).help;
    expect(help(binary([784]))).toEqual(["x 560"]);
    expect(help(binary([28, 28]))).toEqual(["x 28,20"]);
    expect(help(binary([4, 14, 14]))).toEqual([]);
    expect(mistake(() => bindOne(byte([2, 2, 3]), u8([1, 3, 2, 2], Array(12).fill(0)))).message).toContain("axes are in another order");
  });
});

describe("matching", () => {
  const images = field({ train: u8([4, 2], [0, 1, 1, 0, 1, 1, 0, 0]) });
  const labels = field({ train: u8([4], [0, 1, 2, 1]) }, {}, "labels");
  const names = (data: Dataset): string[][] => data.streams.map((stream) => Object.keys(stream.splits.train.columns));

  it("gives variables of any name the field of their role", () => {
    expect(names(bindData(raw({ x: images, y: labels }), [{ v: binary([2]), c: category(3) }]))).toEqual([["v", "c"]]);
    expect(names(bindData(raw({ x: images, y: labels }), [{ x: binary([2]) }]))).toEqual([["x"]]);
    const pair = bindData(raw({ noto: images, twemoji: images }), [{ a: binary([2]) }, { b: binary([2]) }]);
    expect(names(pair)).toEqual([["a"], ["b"]]);
  });

  it("says what is offered where nothing fits, and which variables exist", () => {
    expect(mistake(() => bindData(raw({ x: images }), [{ x: binary([2]), y: category(3) }]))).toMatchObject({ code: "GM5020" });
    expect(mistake(() => bindData(raw({ imgs: images }, ["imgs"]), [{ img: binary([2]) }]))).toMatchObject({
      code: "GM5025",
      help: ["did you mean img?"],
    });
  });

  it("refuses a source that feeds nothing, and takes one of several fields of which one is used", () => {
    const offered = { ...raw({ x: images, y: labels }), name: "rings,mnist" };
    const unnamed = [
      { source: "rings", fields: ["x"] },
      { source: "mnist", fields: ["y"] },
    ];
    const error = mistake(() => bindData({ ...offered, unnamed }, [{ v: binary([2]) }]));
    expect(error).toMatchObject({ code: "GM5031" });
    expect(error.message).toMatch(/^mnist feeds no variable of the model: `x` came from elsewhere/u);
    expect(names(bindData({ ...offered, unnamed: [{ source: "both", fields: ["x", "y"] }] }, [{ v: binary([2]) }]))).toEqual([["v"]]);
    expect(names(bindData({ ...offered, unnamed }, [{ v: binary([2]), c: category(3) }]))).toEqual([["v", "c"]]);
  });

  it("wants aligned variables of one length, streams of any", () => {
    const short = field({ train: u8([3], [0, 1, 2]) }, {}, "labels");
    const error = mistake(() => bindData(raw({ x: images, y: short }), [{ x: binary([2]), y: category(3) }]));
    expect(error).toMatchObject({ code: "GM5023" });
    expect(error.message).toContain("x has 4 (file.npy), y has 3 (file.npy)");
    expect(
      bindData(raw({ x: images, y: short }), [{ x: binary([2]) }, { y: category(3) }]).streams.map((s) => s.splits.train.rows),
    ).toEqual([4, 3]);
    const test = { ...images, splits: { ...images.splits, test: u8([1, 2], [0, 1]) } };
    expect(mistake(() => bindData(raw({ x: test, y: labels }), [{ x: binary([2]), y: category(3) }])).code).toBe("GM5024");
  });
});

describe("units declared at_most_one", () => {
  const { model } = loadModel(`
model M(K = 3) {
  data v : binary[6] at_most_one(3), g : binary[4, 2, 2] at_most_one(2, 2)
  latent h : binary[4] at_most_one(2)
  param W : real[6, 4] init Normal(0, 1)
  param b : real = 0
  density p(v, g, h) { energy -v @ W @ h - b * sum(g) }
  train { maximize log p(v, g) optimizer = sgd(lr = 0.1), batch = 4, epochs = 1 }
}`);
  const { v, g } = model.streams[0]!;

  it("takes at most one of each block, rows and channels apart", () => {
    const rows = [0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    expect(held(bindOne(v!, u8([3, 6], rows)))).toEqual(rows);
    // Both channels of one place; and neighbours on either side of the border between two blocks.
    const picture = [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0];
    expect(held(bindOne(g!, f32([1, 4, 2, 2], picture)))).toEqual(picture);
  });

  it("refuses two, along any of the axes that are cut into blocks", () => {
    const error = mistake(() => bindOne(v!, f32([2, 6], [0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1])));
    expect(error).toMatchObject({ code: "GM5022" });
    expect(error.message).toContain(
      "expected at most one 1 in each block of 3 units, found another 1 in file.npy, train row 2, entry 6 of 6",
    );
    for (const other of [2, 4, 6]) {
      const picture = Array.from({ length: 16 }, (_, i) => (i === 0 || i === other ? 1 : 0));
      expect(mistake(() => bindOne(g!, u8([1, 4, 2, 2], picture))).message).toContain("each block of 2 x 2 units");
    }
  });

  it("refuses probabilities, whose draws do not know of each other, and takes what a threshold leaves", () => {
    const grey = u8([1, 6], [200, 10, 0, 0, 0, 255]);
    expect(mistake(() => bindOne(v!, grey)).message).toContain("found probabilities, each of which is drawn for itself");
    expect(held(bindOne(v!, grey, { binarize: "threshold" }))).toEqual([1, 0, 0, 0, 0, 1]);
    expect(mistake(() => bindOne(v!, u8([1, 6], [200, 190, 0, 0, 0, 255]), { binarize: "threshold" }))).toMatchObject({ code: "GM5022" });
  });
});

describe("what OneHotCategorical draws", () => {
  const { model } = loadModel(`
model M(K = 3) {
  data c : binary[2, K], s : simplex[K], b : binary[K]
  param w : real[K] = 0
  density p(c, s, b) { c ~ OneHotCategorical(logits = w) s ~ OneHotCategorical(logits = w) b ~ Bernoulli(logits = w) }
  train { maximize log p(c, s, b) batch = 4, epochs = 1 }
}`);
  const { c, s, b } = model.streams[0]!;

  it("is asked of data, of no other variable", () => {
    expect([c!.unitVector, s!.unitVector, b!.unitVector]).toEqual([true, true, undefined]);
  });

  it.each([
    ["no 1", [0, 0, 0], "found 0 ones in file.npy, train row 1, entry 4 of 6"],
    ["two", [1, 0, 1], "found 2 ones"],
  ])("refuses a row with %s", (_, last, text) => {
    const error = mistake(() => bindOne(c!, u8([2, 2, 3], [0, 1, 0, ...last, 1, 0, 0, 0, 0, 1])));
    expect(error).toMatchObject({ code: "GM5022" });
    expect(error.message).toContain(text);
    expect(error.message).toContain("expected one 1 and 2 zeros");
  });

  it("refuses shares and probabilities, takes unit vectors", () => {
    expect(mistake(() => bindOne(s!, f32([1, 3], [0.5, 0.5, 0]))).message).toContain("values between 0 and 1");
    expect(mistake(() => bindOne(c!, u8([1, 2, 3], [255, 0, 0, 0, 255, 0]))).message).toContain("probabilities");
    expect(held(bindOne(c!, u8([1, 2, 3], [1, 0, 0, 0, 0, 1])))).toEqual([1, 0, 0, 0, 0, 1]);
    expect(held(bindOne(s!, f32([1, 3], [0, 1, 0])))).toEqual([0, 1, 0]);
  });
});

describe("splits", () => {
  const numbers = (n: number): Field =>
    field({
      train: u8(
        [n, 1],
        Array.from({ length: n }, (_, i) => i),
      ),
    });
  const rows = (data: RawData, split: "train" | "validation" | "test"): number[] => Array.from(data.fields["x"]!.splits[split]!.data);

  it("cuts at random by a seed of its own, each row once, aligned over fields", () => {
    const cut = applySplits(raw({ x: numbers(100), y: numbers(100) }), { test: 0.2, validation: 10, split: "random" });
    expect([rows(cut, "test").length, rows(cut, "validation").length, rows(cut, "train").length]).toEqual([20, 10, 70]);
    expect([...rows(cut, "test"), ...rows(cut, "validation"), ...rows(cut, "train")].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
    expect(Array.from(cut.fields["y"]!.splits.test!.data)).toEqual(rows(cut, "test"));
    expect(rows(applySplits(raw({ x: numbers(100) }), { test: 0.2, validation: 10, splitSeed: 1 }), "test")).not.toEqual(rows(cut, "test"));
    expect(cut.notes.join()).toContain(
      "test = 20% of the training rows, validation = 10 of the training rows, picked at random, split seed 0",
    );
  });

  it("cuts the tail, limits, and refuses what cannot be", () => {
    const cut = applySplits(raw({ x: numbers(10) }), { validation: 3, split: "tail", limit: 5 });
    expect(rows(cut, "validation")).toEqual([7, 8, 9]);
    expect(rows(cut, "train")).toEqual([0, 1, 2, 3, 4]);
    expect(mistake(() => applySplits(raw({ x: numbers(10) }), { test: 10 })).code).toBe("GM5024");
    const own = field({ train: u8([1, 1], [0]), test: u8([1, 1], [0]) });
    expect(mistake(() => applySplits(raw({ x: own }), { test: 1 })).code).toBe("GM5013");
  });
});
