/**
 * Matrices of which only the entries that are not 0 are held, row by row (CSR): counts of words over a vocabulary, a few hundred entries of tens of
 * thousands. They stay so in memory, until a batch of them is gathered.
 */
import { GmcError } from "../graph/errors.js";
import { allocate, checkedCount, showShape, type DataArray } from "./array.js";
import { forbidden, type ColumnContext } from "./column-context.js";
import type { Column } from "./dataset.js";
import { suggestion } from "./suggest.js";
import { sizeOf } from "../graph/shape.js";

/** The arrays of SciPy's `save_npz`, or of `scipy.sparse.csr_matrix`. */
export interface CsrArrays {
  readonly indptr: DataArray;
  readonly indices: DataArray;
  readonly data: DataArray;
}

/** A matrix [rows, columns]. GM5028 where the arrays are none. */
export function csrMatrix(path: string, { indptr, indices, data }: CsrArrays, columns: number): DataArray {
  const rows = indptr.data.length - 1;
  const fail = (what: string): GmcError =>
    new GmcError("GM5028", `${path}: ${what}`, ["a sparse matrix is indptr (rows + 1), indices and data: see scipy.sparse.csr_matrix"]);
  if (rows < 0 || indptr.data[0] !== 0) throw fail("indptr does not begin with 0");
  checkedCount(path, [rows, columns]);
  if (indices.data.length !== data.data.length) throw fail(`${indices.data.length} indices for ${data.data.length} values`);
  for (let row = 0; row < rows; row++) {
    const [start, stop] = [indptr.data[row]!, indptr.data[row + 1]!];
    if (!Number.isInteger(stop) || stop < start) throw fail(`indptr falls from ${start} to ${stop} at row ${row + 1}`);
  }
  if (indptr.data[rows] !== data.data.length) throw fail(`indptr ends at ${indptr.data[rows]}, and there are ${data.data.length} values`);
  for (let i = 0; i < indices.data.length; i++) {
    const index = indices.data[i]!;
    if (!(index >= 0 && index < columns && Number.isInteger(index)))
      throw fail(`index ${index} of entry ${i + 1} lies outside 0..${columns - 1} (row ${rowOf(indptr.data, i) + 1})`);
  }
  const sparse = { starts: Int32Array.from(indptr.data), columns: Int32Array.from(indices.data) };
  return { shape: [rows, columns], dtype: data.dtype, data: data.data, sparse };
}

function rowOf(starts: ArrayLike<number>, entry: number): number {
  let row = 0;
  while (starts[row + 1]! <= entry) row++;
  return row;
}

/** The named columns of a matrix, in the order given; all others are dropped. */
export function keepColumns(array: DataArray, kept: readonly number[], entries: readonly string[]): DataArray {
  const { starts, columns } = placesOf(array);
  const place = new Int32Array(array.shape[1] ?? 0).fill(-1);
  kept.forEach((column, j) => (place[column] = j));
  const rows = array.shape[0]!;
  const count = columns.reduce((n, column) => n + (place[column]! >= 0 ? 1 : 0), 0);
  const sparse = { starts: new Int32Array(rows + 1), columns: new Int32Array(count) };
  const data = allocate(array.dtype, count);
  let to = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = starts[row]!; i < starts[row + 1]!; i++) {
      const column = place[columns[i]!]!;
      if (column < 0) continue;
      sparse.columns[to] = column;
      data[to++] = array.data[i]!;
    }
    sparse.starts[row + 1] = to;
  }
  return { ...array, shape: [rows, kept.length], data, sparse, entries, words: true };
}

/** Rows with an entry other than 0. */
export function filledRows(array: DataArray): number[] {
  const { starts } = placesOf(array);
  const filled = (row: number): boolean => array.data.subarray(starts[row], starts[row + 1]).some((value) => value !== 0);
  return Array.from({ length: array.shape[0]! }, (_, row) => row).filter(filled);
}

/** The array with all of its entries. */
export function dense(array: DataArray): DataArray {
  const { sparse, ...rest } = array;
  if (sparse === undefined) return array;
  const [rows = 0, width = 0] = array.shape;
  const data = allocate(array.dtype, checkedCount("a sparse matrix", array.shape));
  for (let row = 0; row < rows; row++)
    for (let i = sparse.starts[row]!; i < sparse.starts[row + 1]!; i++) data[row * width + sparse.columns[i]!]! += array.data[i]!;
  return { ...rest, data };
}

function placesOf(array: DataArray): NonNullable<DataArray["sparse"]> {
  return array.sparse ?? { starts: new Int32Array(array.shape[0]! + 1), columns: new Int32Array(0) };
}

/** Counts as a column that stays sparse. GM5032 for a value that is no count, GM5022 for a missing one, GM5029 for a document without a word. */
export function sparseCounts(context: ColumnContext, array: DataArray): Column {
  const sparse = placesOf(array);
  const source = Float32Array.from(array.data);
  const [rows = 0, width = 0] = array.shape;
  for (let row = 0; row < rows; row++) {
    let total = 0;
    for (let i = sparse.starts[row]!; i < sparse.starts[row + 1]!; i++) {
      const value = array.data[i]!;
      if (!isCount(value)) throw noCount(context, row * width + sparse.columns[i]!, value);
      total += value;
    }
    if (total === 0 && context.options.empty !== "keep")
      throw new GmcError("GM5029", `${context.path}: ${context.split} row ${row + 1} has no words`, [
        "a document without words says nothing of its topics and has no perplexity: leave such rows out of the file",
        "to keep them all the same, add :empty=keep",
      ]);
  }
  return { variable: context.spec, width, dtype: "f32", source, sparse, scale: 1, stochastic: false };
}

/** Up to this, float32 holds all whole numbers. */
const MOST = 2 ** 24;

export function isCount(value: number): boolean {
  return value >= 0 && value <= MOST && Number.isInteger(value);
}

/** GM5032 for what is no count, or one that float32 does not hold; GM5022 for a missing value. `index` counts entries from the first row on. */
export function noCount(context: ColumnContext, index: number, value: number): GmcError {
  if (value > MOST && Number.isInteger(value)) {
    const expected = "a whole number up to 16,777,216, the last up to which float32 holds all of them";
    const help = [
      "count in larger units: thousands in place of ones",
      "or declare `real` or `positive`, for which rounding does not matter, with :scale=standardize where it is `real`",
    ];
    return forbidden(context, index, expected, value, help, "GM5032");
  }
  const shares = value >= 0 ? ["weights such as tf-idf are no counts: take the numbers that they were made from"] : [];
  const help = [...shares, "declare the variable as `real` or `positive` where its values are measured and not counted"];
  return forbidden(context, index, "a whole number from 0 on", value, help, "GM5032");
}

/** Names of the entries of a row, one a line. GM5030 where there are more or fewer than entries. */
export function withVocabulary(path: string, array: DataArray, vocabulary: string, text: string): DataArray {
  const lines = text.replace(/\r?\n$/, "").split(/\r?\n/);
  const width = sizeOf(array.shape.slice(1));
  if (lines.length !== width)
    throw new GmcError(
      "GM5030",
      `${vocabulary} has ${lines.length} lines, and ${path} ${showShape(array.shape)} has ${width} entries a row`,
      ["a vocabulary has one word a line, in the order of the columns"],
    );
  return { ...array, entries: lines, words: true };
}

/** The three arrays, or GM5007 with what there is. */
export function csrArrays(path: string, arrays: Readonly<Record<string, DataArray>>, names: readonly [string, string, string]): CsrArrays {
  const get = (name: string): DataArray => {
    const array = Object.hasOwn(arrays, name) ? arrays[name] : undefined;
    if (array === undefined) throw new GmcError("GM5007", `${path} has no array named ${name}`, suggestion(name, Object.keys(arrays)));
    return array;
  };
  return { indptr: get(names[0]), indices: get(names[1]), data: get(names[2]) };
}
