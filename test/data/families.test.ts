/** One array of sequences feeds a family of data variables, a step for each. */
import { describe, expect, it } from "vitest";
import { real, type StreamSpec } from "../../src/runtime/index.js";
import type { Field, RawData } from "../../src/runtime/data/dataset.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { bindData } from "../../src/runtime/data/bind.js";
import { parseDataSpec } from "../../src/runtime/data/spec.js";
import { checkBatch } from "../../src/runtime/data/streams.js";
import { linesOfFamilies, spreadFamilies } from "../../src/runtime/data/families.js";

const field = (shape: readonly number[]): Field => ({
  role: "values",
  path: "x.npy",
  splits: { train: { shape, dtype: "f32", data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i) } },
  options: {},
  notes: [],
});
const raw = (fields: Record<string, Field>, assigned: readonly string[] = []): RawData => ({
  name: "x.npy",
  fields,
  assigned: new Set(assigned),
  unnamed: [{ source: "x.npy", fields: Object.keys(fields) }],
  notes: [],
});
const family = (shape: number[]): StreamSpec => ({ "x[1]": real(shape), "x[2]": real(shape), "x[3]": real(shape) });
const values = (data: RawData, name: string): number[] => Array.from(data.fields[name]!.splits.train!.data);

describe("a family of data variables", () => {
  it("takes the steps of each row", () => {
    const found = spreadFamilies(raw({ x: field([2, 3, 2]) }), [family([2])]);
    expect(Object.keys(found.fields)).toEqual(["x[1]", "x[2]", "x[3]"]);
    expect(values(found, "x[1]")).toEqual([0, 1, 6, 7]);
    expect(values(found, "x[3]")).toEqual([4, 5, 10, 11]);
    expect(found.fields["x[2]"]!.splits.train!.shape).toEqual([2, 2]);
    expect(found.unnamed?.[0]?.fields).toEqual(["x[1]", "x[2]", "x[3]"]);
  });

  it("is named whole by the data", () => {
    const found = spreadFamilies(raw({ x: field([2, 3]) }, ["x"]), [family([])]);
    expect([...found.assigned]).toEqual(["x[1]", "x[2]", "x[3]"]);
    expect(values(found, "x[2]")).toEqual([1, 4]);
  });

  it("takes rows of another split of one variable, of one variable's own options, beside rows of all", () => {
    const { test } = { test: { shape: [1], dtype: "f32", data: Float32Array.of(9) } } as const;
    const own: Field = { ...field([1]), path: "one.npy", splits: { test } };
    const found = spreadFamilies(raw({ x: field([2, 3]), "x[2]": own }, ["x", "x[2]"]), [family([])]);
    expect(values(found, "x[2]")).toEqual([1, 4]);
    expect(found.fields["x[2]"]!.splits.test!.data).toEqual(Float32Array.of(9));
    expect(found.fields["x[2]"]!.paths).toMatchObject({ train: "x.npy", test: "one.npy" });
    expect(found.fields["x[1]"]!.splits.test).toBeUndefined();
  });

  it("without rows of a split is told as it can be given", () => {
    const both = { train: field([2]).splits.train!, test: field([1]).splits.train! };
    const spec = { ...family([]), y: real([]) };
    const data = raw({ x: field([2, 3]), y: { ...field([2]), splits: both } }, ["x", "y"]);
    const found = (given: RawData): unknown => {
      try {
        return bindData(given, [spec]);
      } catch (error) {
        return error;
      }
    };
    expect(found(data)).toMatchObject({
      code: "GM5024",
      message: "y has test rows and x has none, and one data statement holds them all",
      help: ["give them too: --data '…,x.test=FILE'"],
    });
    expect(parseDataSpec("x=a.npy,x.test=b.npy,x[2].test=c.npy").items.map((item) => item.variable)).toEqual(["x", "x", "x[2]"]);
    expect(found({ ...data, fromScript: true })).toMatchObject({ help: ["give them too: test: { …, x }"] });
  });

  it.each([
    ["of another number of steps", raw({ x: field([2, 4]) }), family([])],
    ["whose members are named", raw({ "x[1]": field([2]), x: field([2, 3]) }, ["x[1]"]), family([])],
    ["that is none", raw({ x: field([2, 3]) }), { x: real([3]) } as StreamSpec],
  ])("leaves data as they are: one %s", (_, data, spec) => expect(spreadFamilies(data, [spec])).toBe(data));
});

describe("from a script, a family", () => {
  const model = { name: "F", streams: [{ "x[1]": real([2]), "x[2]": real([2]), "x[3]": real([2]) }] };
  const rows = [0, 1].map((n) => [0, 1, 2].map((t) => [6 * n + 2 * t, 6 * n + 2 * t + 1]));
  const one = Object.fromEntries([0, 1, 2].map((t) => [`x[${t + 1}]`, rows.map((row) => row[t]!)]));
  const of = (...given: Parameters<typeof datasetOf> extends [unknown, ...infer R] ? R : never): unknown =>
    datasetOf(model, ...given).streams.map(({ splits }) => splits);

  it("is given whole as its variables are one by one, in every split and with options for all", () => {
    const options = { scale: "standardize" } as const;
    const whole = { train: { x: rows }, test: { x: { shape: [2, 3, 2], data: Float32Array.from(rows.flat(2)) } } };
    const each = { train: one, test: one };
    expect(of(whole)).toEqual(of(each));
    expect(of(whole, { x: options })).toEqual(of(each, { "x[1]": options, "x[2]": options, "x[3]": options }));
    expect(of(whole, { x: options })).not.toEqual(of(each));
    expect(of({ train: { x: Float32Array.from(rows.flat(2)) } })).toEqual(of({ train: one }));
  });

  it("is refused both ways at once, and of another number of steps", () => {
    expect(() => of({ train: { x: rows, "x[2]": one["x[2]"]! } })).toThrow("data holds `x` whole and `x[2]` by itself");
    expect(() => of({ train: { x: rows.map((row) => row.slice(1)) } })).toThrow(expect.objectContaining({ code: "GM4051" }) as Error);
    expect(() => of({ train: { y: rows } })).toThrow("no data variable of that name");
  });
});

it("is one name in errors of its rows", () => {
  const model = { name: "F", streams: [{ "x[1]": real([]), "x[2]": real([]), y: real([]) }] };
  const column = { shape: [2] as const, data: Float32Array.of(1, 2) };
  const dataset = datasetOf(model, { train: { "x[1]": column, "x[2]": column, y: column } });
  expect(() => checkBatch(dataset, 3)).toThrow("the batch size is 3, and x, y have 2 training rows");
});

it("is told of once where all its members are alike", () => {
  const lines = [
    "x[1]: as in the file",
    "x[2]: as in the file",
    "y: as in the file",
    "x[3]: as in the file",
    "y: twice",
    "w[2]: other",
    "w[3]: third",
  ];
  expect(linesOfFamilies(lines)).toEqual(["x[1] to x[3]: as in the file", "y: as in the file", "y: twice", "w[2]: other", "w[3]: third"]);
  expect(linesOfFamilies(["x[1]: a", "x[2]: b", "x[3]: a"])).toEqual(["x[1], x[3]: a", "x[2]: b"]);
  expect(linesOfFamilies(["y: [28, 28] read as [784]"])).toEqual(["y: [28, 28] read as [784]"]);
});
