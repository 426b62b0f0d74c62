/**
 * Raw elements of any byte order and alignment to typed arrays: the part that IDX, npy and MATLAB files share.
 * 64-bit integers become i32 where all values fit, else f64 where all are exact, else an error. Half floats become f32.
 */
import type { DataArray, DataType } from "./array.js";
import { allocate } from "./array.js";
import { unsupported } from "./bytes.js";

/** Element types of files; those that no typed array holds well are widened. */
export type FileType = DataType | "i64" | "u64" | "f16";

export const fileTypeBytes: Readonly<Record<FileType, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  u32: 4,
  i32: 4,
  f32: 4,
  f64: 8,
  bool: 1,
  i64: 8,
  u64: 8,
  f16: 2,
};

const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** `count` elements that start at the beginning of `bytes`, which bytes of pictures stay a part of. `offset` is where `bytes` lies in the file, for messages. */
export function decodeElements(
  path: string,
  bytes: Uint8Array,
  offset: number,
  type: FileType,
  count: number,
  littleEndian: boolean,
): Pick<DataArray, "dtype" | "data"> {
  switch (type) {
    case "f16":
      return { dtype: "f32", data: decodeHalf(bytes, count, littleEndian) };
    case "i64":
    case "u64":
      return decodeLong(path, bytes, offset, count, type === "i64", littleEndian);
    case "u8":
      // Pictures are large: a view, not a copy.
      return { dtype: type, data: new Uint8Array(bytes.buffer, bytes.byteOffset, count) };
    default: {
      const data = allocate(type, count);
      const target = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
      target.set(bytes.subarray(0, target.length));
      if (littleEndian !== hostIsLittleEndian) swapBytes(target, fileTypeBytes[type]);
      if (type === "bool") normaliseTruth(target);
      return { dtype: type, data };
    }
  }
}

/** NumPy takes any byte but 0 for true: every such byte becomes 1, four at a time. */
function normaliseTruth(bytes: Uint8Array): void {
  const words = new Uint32Array(bytes.buffer, 0, bytes.length >>> 2);
  for (let i = 0; i < words.length; i++) {
    let word = words[i]!;
    word = (word | (word >>> 4)) & 0x0f0f0f0f;
    word = (word | (word >>> 2)) & 0x03030303;
    words[i] = (word | (word >>> 1)) & 0x01010101;
  }
  for (let i = words.length * 4; i < bytes.length; i++) bytes[i] = bytes[i] === 0 ? 0 : 1;
}

function swapBytes(bytes: Uint8Array, size: number): void {
  if (size === 1) return;
  for (let start = 0; start < bytes.length; start += size) bytes.subarray(start, start + size).reverse();
}

function decodeHalf(bytes: Uint8Array, count: number, littleEndian: boolean): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const out = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const word = view.getUint16(2 * i, littleEndian);
    const exponent = (word >>> 10) & 31;
    const fraction = word & 1023;
    const magnitude =
      exponent === 0 ? fraction * 2 ** -24 : exponent === 31 ? (fraction === 0 ? Infinity : NaN) : (1024 + fraction) * 2 ** (exponent - 25);
    out[i] = word >>> 15 === 1 ? -magnitude : magnitude;
  }
  return out;
}

function decodeLong(
  path: string,
  bytes: Uint8Array,
  offset: number,
  count: number,
  signed: boolean,
  littleEndian: boolean,
): Pick<DataArray, "dtype" | "data"> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = new Float64Array(count);
  let small = true;
  for (let i = 0; i < count; i++) {
    const high = signed
      ? view.getInt32(8 * i + (littleEndian ? 4 : 0), littleEndian)
      : view.getUint32(8 * i + (littleEndian ? 4 : 0), littleEndian);
    const value = high * 2 ** 32 + view.getUint32(8 * i + (littleEndian ? 0 : 4), littleEndian);
    if (!Number.isSafeInteger(value)) {
      throw unsupported(path, `the 64-bit integer at byte ${offset + 8 * i} is past 2^53 and has no exact number`, [
        "save the array as float64 or int32",
      ]);
    }
    if (value > 2147483647 || value < -2147483648) small = false;
    wide[i] = value;
  }
  return small ? { dtype: "i32", data: new Int32Array(wide) } : { dtype: "f64", data: wide };
}
