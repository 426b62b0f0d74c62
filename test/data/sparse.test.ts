/** Word counts as sparse matrices: files of SciPy, rows taken and cut, batches against the dense matrix, and what is wrong with them. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { bindData, evaluationBatches, openTrainStream, type DataArray } from "../../src/runtime/data/index.js";
import { sliceRows, takeRows } from "../../src/runtime/data/array.js";
import { csrMatrix, dense, keepColumns } from "../../src/runtime/data/sparse.js";
import { trainingStatistics } from "../../src/runtime/eval/statistics.js";
import { loadDataset } from "../../src/runtime/node/datasets.js";
import { count, real, type StreamSpec } from "../../src/runtime/model.js";

// [[0, 2, 0, 1], [3, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 5]] by rows and by columns, in the members that scipy.sparse.save_npz writes, by NumPy
const csr =
  "UEsDBC0AAAAIAAAAIQDqRm75//////////8LABQAaW5kaWNlcy5ucHkBABAAmAAAAAAAAABQAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GmY6mjoKtQoUAC5GBgYGZgYIALGZoHwAUEsDBC0AAAAIAAAAIQAjzAF7//////////8KABQAaW5kcHRyLm5weQEAEACUAAAAAAAAAE4AAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoq6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkapjqaOgq1ChQALgYgYAJiZihmA2IAUEsDBC0AAAAIAAAAIQCjw3SX//////////8KABQAZm9ybWF0Lm5weQEAEACDAAAAAAAAAEUAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgXhNsrK6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkamjoKtQoUAa7k4iIAUEsDBC0AAAAIAAAAIQCdKCpV//////////8JABQAc2hhcGUubnB5AQAQAJAAAAAAAAAASQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mhrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RpGOpo6CrUKFAAuFgYIgNEAUEsDBC0AAAAIAAAAIQB7Y+0T//////////8IABQAZGF0YS5ucHkBABAAsAAAAAAAAABRAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GmY6mjoKtQoUAC4mBghghNLMaHwYzQqlAVBLAQItAy0AAAAIAAAAIQDqRm75UAAAAJgAAAALAAAAAAAAAAAAAACAAQAAAABpbmRpY2VzLm5weVBLAQItAy0AAAAIAAAAIQAjzAF7TgAAAJQAAAAKAAAAAAAAAAAAAACAAY0AAABpbmRwdHIubnB5UEsBAi0DLQAAAAgAAAAhAKPDdJdFAAAAgwAAAAoAAAAAAAAAAAAAAIABFwEAAGZvcm1hdC5ucHlQSwECLQMtAAAACAAAACEAnSgqVUkAAACQAAAACQAAAAAAAAAAAAAAgAGYAQAAc2hhcGUubnB5UEsBAi0DLQAAAAgAAAAhAHtj7RNRAAAAsAAAAAgAAAAAAAAAAAAAAIABHAIAAGRhdGEubnB5UEsFBgAAAAAFAAUAFgEAAKcCAAAAAA==";
const csc =
  "UEsDBC0AAAAIAAAAIQAwJhHR//////////8LABQAaW5kaWNlcy5ucHkBABAAmAAAAAAAAABMAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaKuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GmY6mjoKtQoUAC5GBghghmIYGwBQSwMELQAAAAgAAAAhAMhxDFj//////////woAFABpbmRwdHIubnB5AQAQAJQAAAAAAAAAUQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBuk2mirqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqmOpo6CrUKFAAuBiBgBGJmIGYBYjYgBgBQSwMELQAAAAgAAAAhAFHjxP3//////////woAFABmb3JtYXQubnB5AQAQAIMAAAAAAAAARQAAAAAAAACb7BfqGxDJyFDGUK2eklqcXKRupaBeE2ysrqOgnpZfVFKUmBefX5SSChJ3S8wpTgWKF2ckFqQC+RqaOgq1ChQBruTiZABQSwMELQAAAAgAAAAhAJ0oKlX//////////wkAFABzaGFwZS5ucHkBABAAkAAAAAAAAABJAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TaaGuo6Cell9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GkY6mjoKtQoUAC4WBgiA0QBQSwMELQAAAAgAAAAhADoyJTz//////////wgAFABkYXRhLm5weQEAEACwAAAAAAAAAFAAAAAAAAAAm+wX6hsQychQxlCtnpJanFykbqWgbpNpoa6joJ6WX1RSlJgXn1+UkgoSd0vMKU4FihdnJBakAvkaZjqaOgq1ChQALmYGCGCC0ow4aFYoDQBQSwECLQMtAAAACAAAACEAMCYR0UwAAACYAAAACwAAAAAAAAAAAAAAgAEAAAAAaW5kaWNlcy5ucHlQSwECLQMtAAAACAAAACEAyHEMWFEAAACUAAAACgAAAAAAAAAAAAAAgAGJAAAAaW5kcHRyLm5weVBLAQItAy0AAAAIAAAAIQBR48T9RQAAAIMAAAAKAAAAAAAAAAAAAACAARYBAABmb3JtYXQubnB5UEsBAi0DLQAAAAgAAAAhAJ0oKlVJAAAAkAAAAAkAAAAAAAAAAAAAAIABlwEAAHNoYXBlLm5weVBLAQItAy0AAAAIAAAAIQA6MiU8UAAAALAAAAAIAAAAAAAAAAAAAACAARsCAABkYXRhLm5weVBLBQYAAAAABQAFABYBAAClAgAAAAA=";

const rows = [
  [0, 2, 0, 1],
  [3, 0, 0, 0],
  [0, 0, 0, 0],
  [0, 1, 1, 5],
];

const folder = mkdtempSync(join(tmpdir(), "gmc-sparse-"));
afterAll(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "counts.npz"), Buffer.from(csr, "base64"));
writeFileSync(join(folder, "csc.npz"), Buffer.from(csc, "base64"));
writeFileSync(join(folder, "words.txt"), "ape\nbat\ncat\ndog\n");
writeFileSync(join(folder, "few.txt"), "ape\nbat\n");

const load = (spec: string, stream: StreamSpec = { v: count([4]) }): ReturnType<typeof loadDataset> =>
  loadDataset(spec, [stream], { base: folder });
const i32 = (...data: number[]): DataArray => ({ shape: [data.length], dtype: "i32", data: Int32Array.from(data) });
const f64 = (...data: number[]): DataArray => ({ shape: [data.length], dtype: "f64", data: Float64Array.from(data) });
const matrix = (): DataArray =>
  csrMatrix("m", { indptr: i32(0, 2, 3, 3, 6), indices: i32(3, 1, 0, 1, 2, 3), data: i32(1, 2, 3, 1, 1, 5) }, 4);
const table = ({ data }: DataArray): number[][] => rows.map((_, r) => Array.from(data.slice(4 * r, 4 * r + 4))).filter((r) => r.length > 0);

describe("sparse counts", () => {
  it("are read from SciPy's files, with the words of a vocabulary", async () => {
    const data = await load("v=counts.npz:vocabulary=words.txt:empty=keep");
    const { train } = data.streams[0]!.splits;
    expect(train.rows).toBe(4);
    expect(train.columns["v"]!.source).toHaveLength(6);
    expect(train.columns["v"]!.entries).toEqual(["ape", "bat", "cat", "dog"]);
    const batches = [...evaluationBatches(data, "train", 3)].flatMap((b) => Array.from(b.tensors["v"]!.data).slice(0, 4 * b.rows));
    expect(batches).toEqual(rows.flat());
    const { mean } = trainingStatistics(data, "v");
    expect(Array.from(mean.data)).toEqual([0.75, 0.75, 0.25, 1.5]);
  });

  it("are cut into splits as other rows are, and shuffled", async () => {
    const data = await load("v=counts.npz:empty=keep:test=1:split=tail");
    expect([...evaluationBatches(data, "test", 1)].map((b) => Array.from(b.tensors["v"]!.data))).toEqual([rows[3]]);
    const seen = new Set<string>();
    const stream = openTrainStream(data, { batch: 1, seed: 3 });
    for (let i = 0; i < 3; i++) seen.add(Array.from(stream.next().tensors["v"]!.data).join());
    expect([...seen].sort()).toEqual(rows.slice(0, 3).map(String).sort());
  });

  it("take, slice and drop as the dense matrix does; values at one place add up", () => {
    expect(table(dense(matrix()))).toEqual(rows);
    expect(table(dense(takeRows(matrix(), [3, 0, 3])))).toEqual([rows[3], rows[0], rows[3]]);
    expect(table(dense(sliceRows(matrix(), 1, 4)))).toEqual(rows.slice(1));
    expect(Array.from(dense(keepColumns(matrix(), [3, 0], ["dog", "ape"])).data)).toEqual([1, 0, 0, 3, 0, 0, 5, 0]);
    const twice = csrMatrix("m", { indptr: i32(0, 2), indices: i32(1, 1), data: i32(2, 3) }, 2);
    expect(Array.from(dense(twice).data)).toEqual([0, 5]);
  });

  it("become dense for variables that are no counts", async () => {
    const data = await load("v=counts.npz", { v: real([4]) });
    expect(Array.from(data.streams[0]!.splits.train.columns["v"]!.source)).toEqual(rows.flat());
  });
});

describe("what is wrong is said", () => {
  const bind = (array: DataArray, options = {}): unknown => {
    const field = { role: "values", splits: { train: array }, path: "m.npz", options, notes: [] } as const;
    return bindData({ name: "m", fields: { v: field }, assigned: new Set(["v"]), notes: [] }, [{ v: count([array.shape[1]!]) }]);
  };
  const csrOf = (data: DataArray): DataArray => csrMatrix("m", { indptr: i32(0, 1, 2), indices: i32(1, 0), data }, 2);

  it.each([
    ["negative", "GM5032", csrOf(f64(1, -2)), "expected a whole number from 0 on, found -2 in m.npz, train row 2, entry 1 of 2"],
    ["no whole number", "GM5032", csrOf(f64(1.5, 2)), "found 1.5 in m.npz, train row 1, entry 2 of 2"],
    ["no number", "GM5022", csrOf(f64(1, NaN)), "found no number"],
  ])("a count that is %s", (_, code, array, text) => {
    expect(() => bind(array)).toThrowError(expect.objectContaining({ code, message: expect.stringContaining(text) as string }));
  });

  it("a document without words", async () => {
    await expect(load("v=counts.npz")).rejects.toMatchObject({ code: "GM5029", message: "counts.npz: train row 3 has no words" });
    expect(() => bind(csrOf(i32(1, 0)))).toThrowError(expect.objectContaining({ code: "GM5029" }));
    expect(() => bind(csrOf(i32(1, 0)), { empty: "keep" })).not.toThrow();
  });

  it.each([
    ["an index out of range", i32(0, 1, 2), i32(1, 2), "index 2 of entry 2 lies outside 0..1 (row 2)"],
    ["a negative index", i32(0, 1, 2), i32(-1, 0), "index -1 of entry 1"],
    ["falling starts", i32(0, 2, 1), i32(0, 1), "indptr falls from 2 to 1 at row 2"],
    ["starts past the values", i32(0, 1, 3), i32(0, 1), "indptr ends at 3, and there are 2 values"],
    ["other starts", i32(1, 2), i32(0, 1), "indptr does not begin with 0"],
    ["too few indices", i32(0, 1, 2), i32(0), "1 indices for 2 values"],
  ])("%s", (_, indptr, indices, text) => {
    expect(() => csrMatrix("m", { indptr, indices, data: i32(1, 1) }, 2)).toThrowError(
      expect.objectContaining({ code: "GM5028", message: expect.stringContaining(text) as string }),
    );
  });

  it("a vocabulary of another length, a matrix by columns, other data where 20news is not", async () => {
    await expect(load("v=counts.npz:vocabulary=few.txt")).rejects.toMatchObject({
      code: "GM5030",
      message: "few.txt has 2 lines, and counts.npz [4, 4] has 4 entries a row",
    });
    await expect(load("v=csc.npz")).rejects.toMatchObject({ code: "GM5004", message: expect.stringContaining("csc") as string });
    const absent = loadDataset("20news", [{ v: count([2000]) }], { base: folder, env: { GMC_DATA: folder } });
    await expect(absent).rejects.toMatchObject({
      code: "GM5011",
      help: expect.arrayContaining([expect.stringContaining("--data bars")]) as string[],
    });
  });
});
