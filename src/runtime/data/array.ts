/**
 * Arrays as they lie in data files: a shape, an element type and the values in C order.
 * The readers give these; `bind.ts` turns them into what a model's variables hold.
 */
import { GmcError } from "../graph/errors.js";
import { sizeOf } from "../graph/shape.js";

export type DataType = "u8" | "i8" | "u16" | "i16" | "u32" | "i32" | "f32" | "f64" | "bool";

export type DataBuffer = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array | Float32Array | Float64Array;

export interface DataArray {
  /** The first axis counts the rows. */
  readonly shape: readonly number[];
  readonly dtype: DataType;
  /** bool is held as 0 and 1. */
  readonly data: DataBuffer;
  /** Of a matrix of which only some entries are held, all others being 0: `data` are their values. Only `sparse.ts` and what it names take such. */
  readonly sparse?: SparsePlaces;
  /** Of a text column: the label that each code stands for. */
  readonly labels?: readonly string[];
  /** Of a text column: its first cell that is no number. */
  readonly text?: TextCell;
  /** What the entries of a row are called: words of a vocabulary, columns of a table with a header. */
  readonly entries?: readonly string[];
  /** The entries are words of a vocabulary: the data set has one, or the specification names one. */
  readonly words?: true;
  /**
   * Of windows of sound in [-1, 1]: samples a second, what whole numbers of the file were divided by, and whether the samples are such numbers still
   * (neither of another rate nor a mean of channels).
   */
  readonly audio?: { readonly rate: number; readonly over?: number; readonly whole?: boolean };
}

/** Where a text stands in a table. */
export interface TextCell {
  readonly path: string;
  readonly line: number;
  /** 1-based. */
  readonly column: number;
  readonly text: string;
}

/** Row i holds the values number starts[i] to starts[i + 1], each at its column; of several at one place the sum counts. */
export interface SparsePlaces {
  readonly starts: Int32Array;
  readonly columns: Int32Array;
}

export type NamedArrays = Readonly<Record<string, DataArray>>;

/** An array past this is refused at its header, before any memory is asked for. */
export const maxElements = 2 ** 31 - 1;

export function allocate(dtype: DataType, count: number): DataBuffer {
  switch (dtype) {
    case "u8":
    case "bool":
      return new Uint8Array(count);
    case "i8":
      return new Int8Array(count);
    case "u16":
      return new Uint16Array(count);
    case "i16":
      return new Int16Array(count);
    case "u32":
      return new Uint32Array(count);
    case "i32":
      return new Int32Array(count);
    case "f32":
      return new Float32Array(count);
    case "f64":
      return new Float64Array(count);
  }
}

/** Product of the sizes, checked against `maxElements` without overflow. GM5008. */
export function checkedCount(path: string, shape: readonly number[]): number {
  let count = 1;
  let zero = false;
  for (const size of shape) {
    if (size === 0) zero = true;
    else count *= size;
    if (count > maxElements) {
      throw new GmcError("GM5008", `${path}: an array of shape ${showShape(shape)} is past the limit of ${maxElements} elements`, [
        "split the file, or check that its header is not damaged",
      ]);
    }
  }
  return zero ? 0 : count;
}

/** Elements of one row. */
export function rowWidth(shape: readonly number[]): number {
  return sizeOf(shape.slice(1));
}

export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/** Rows `start` to `stop`, without a copy. */
export function sliceRows(array: DataArray, start: number, stop: number): DataArray {
  if (array.sparse !== undefined) {
    const { starts, columns } = array.sparse;
    const [from, to] = [starts[start]!, starts[stop]!];
    const sparse = { starts: starts.slice(start, stop + 1).map((at) => at - from), columns: columns.subarray(from, to) };
    return { ...array, shape: [stop - start, ...array.shape.slice(1)], data: array.data.subarray(from, to), sparse };
  }
  const width = rowWidth(array.shape);
  return { ...array, shape: [stop - start, ...array.shape.slice(1)], data: array.data.subarray(start * width, stop * width) };
}

/** The named rows, in the order given. */
export function takeRows(array: DataArray, rows: ArrayLike<number>): DataArray {
  if (array.sparse !== undefined) return takeSparse(array, array.sparse, rows);
  const width = rowWidth(array.shape);
  const data = allocate(array.dtype, rows.length * width);
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i]!;
    data.set(array.data.subarray(row * width, (row + 1) * width), i * width);
  }
  return { ...array, shape: [rows.length, ...array.shape.slice(1)], data };
}

function takeSparse(array: DataArray, { starts, columns }: SparsePlaces, rows: ArrayLike<number>): DataArray {
  const taken = new Int32Array(rows.length + 1);
  for (let i = 0; i < rows.length; i++) taken[i + 1] = taken[i]! + starts[rows[i]! + 1]! - starts[rows[i]!]!;
  const data = allocate(array.dtype, taken[rows.length]!);
  const places = new Int32Array(data.length);
  for (let i = 0; i < rows.length; i++) {
    const [from, to] = [starts[rows[i]!]!, starts[rows[i]! + 1]!];
    data.set(array.data.subarray(from, to), taken[i]);
    places.set(columns.subarray(from, to), taken[i]);
  }
  return { ...array, shape: [rows.length, ...array.shape.slice(1)], data, sparse: { starts: taken, columns: places } };
}
