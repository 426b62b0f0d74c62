/**
 * NumPy's .npy, versions 1 to 3: magic, version, header length, a Python dict literal, values.
 * Either byte order, either memory order (the result is in C order). Objects, strings and records are refused with a way out.
 */
import { allocate, checkedCount, showShape, type DataArray } from "./array.js";
import { ByteCursor, corrupt, showBytes, truncated, unsupported, type ByteSource } from "./bytes.js";
import { decodeElements, fileTypeBytes, type FileType } from "./elements.js";

const types: Readonly<Record<string, FileType>> = {
  b1: "bool",
  u1: "u8",
  i1: "i8",
  u2: "u16",
  i2: "i16",
  u4: "u32",
  i4: "i32",
  u8: "u64",
  i8: "i64",
  f2: "f16",
  f4: "f32",
  f8: "f64",
};

/** NumPy itself refuses longer ones. */
const maxHeader = 10_000_000;
const maxAxes = 32;

interface Header {
  readonly descr: string;
  readonly fortran: boolean;
  readonly shape: readonly number[];
}

export function parseNpy(source: ByteSource): DataArray {
  const cursor = new ByteCursor(source);
  const magic = cursor.take(6, "the npy magic number");
  if (magic[0] !== 0x93 || String.fromCharCode(...magic.subarray(1)) !== "NUMPY") {
    throw corrupt(source.path, 0, "the npy magic number (93 4e 55 4d 50 59)", showBytes(magic), [
      "write it with `np.save`; a .csv, .idx or .png file is read by its ending",
    ]);
  }
  const major = cursor.u8("the format version");
  const minor = cursor.u8("the format version");
  if (major < 1 || major > 3 || minor !== 0) throw corrupt(source.path, 6, "version 1.0, 2.0 or 3.0", `${major}.${minor}`);
  const lengthAt = cursor.offset;
  const length = major === 1 ? cursor.u16("the header length", true) : cursor.u32("the header length", true);
  if (length > maxHeader) throw corrupt(source.path, lengthAt, `a header of at most ${maxHeader} bytes`, `${length} bytes`);
  const headerAt = cursor.offset;
  const text = new TextDecoder(major === 3 ? "utf-8" : "latin1").decode(cursor.take(length, "the header"));
  const header = parseHeader(source.path, headerAt, text);

  const order = header.descr[0]!;
  const type = "<>|=".includes(order) ? types[header.descr.slice(1)] : undefined;
  if (type === undefined) {
    throw unsupported(source.path, `elements of type '${header.descr}' are not read`, [
      "save numbers: array.astype('float32'), or category codes as int32",
    ]);
  }
  const count = checkedCount(source.path, header.shape);
  const size = count * fileTypeBytes[type];
  if (cursor.left < size) {
    throw truncated(
      source.path,
      source.bytes.length,
      `${size} bytes of ${type} values for shape ${showShape(header.shape)}`,
      `${cursor.left} bytes after the header`,
    );
  }
  const start = cursor.offset;
  const bytes = cursor.take(size, "the values");
  cursor.end(`${size} bytes of values for shape ${showShape(header.shape)}`);
  const values = decodeElements(source.path, bytes, start, type, count, order !== ">");
  if (!header.fortran || header.shape.length < 2) return { shape: header.shape, ...values };
  return { shape: header.shape, dtype: values.dtype, data: fromFortran(values.data, values.dtype, header.shape) };
}

/** Reads the dict literal that NumPy writes: three keys in any order, no other. */
function parseHeader(path: string, base: number, text: string): Header {
  let at = 0;
  const fail = (expected: string): never => {
    throw corrupt(
      path,
      base + at,
      expected,
      at < text.length ? `'${text.slice(at, at + 16).replace(/[^\x20-\x7e]/g, "?")}'` : "the end of the header",
    );
  };
  const space = (): void => {
    while (at < text.length && " \t\n\r".includes(text[at]!)) at++;
  };
  const accept = (char: string): boolean => {
    space();
    if (text[at] !== char) return false;
    at++;
    return true;
  };
  const expect = (char: string): void => {
    if (!accept(char)) fail(`'${char}' in the header`);
  };
  const string = (): string => {
    space();
    const quote = text[at];
    if (quote !== "'" && quote !== '"') return fail("a quoted name in the header");
    const end = text.indexOf(quote, at + 1);
    if (end < 0) return fail("a closed quote in the header");
    const value = text.slice(at + 1, end);
    at = end + 1;
    return value;
  };
  const integer = (): number => {
    space();
    const match = /^\d{1,16}/.exec(text.slice(at, at + 16));
    if (match === null) return fail("a size in the header");
    at += match[0].length;
    if (text[at] === "L") at++;
    return Number(match[0]);
  };

  let descr: string | undefined;
  let fortran: boolean | undefined;
  let shape: number[] | undefined;
  expect("{");
  while (!accept("}")) {
    const keyAt = at;
    const key = string();
    expect(":");
    space();
    if (key === "descr") {
      if (text[at] === "[")
        throw unsupported(path, "record arrays are not read", ["save each field as an array of its own, for example with np.savez"]);
      descr = string();
      if (descr.length < 2) fail("an element type such as '<f4'");
    } else if (key === "fortran_order") {
      const word = /^(True|False)/.exec(text.slice(at, at + 5))?.[0];
      if (word === undefined) fail("True or False in the header");
      fortran = word === "True";
      at += word!.length;
    } else if (key === "shape") {
      expect("(");
      shape = [];
      while (!accept(")")) {
        shape.push(integer());
        if (shape.length > maxAxes) fail(`at most ${maxAxes} axes`);
        if (!accept(",")) {
          expect(")");
          break;
        }
      }
    } else {
      at = keyAt;
      fail("one of 'descr', 'fortran_order', 'shape'");
    }
    if (!accept(",")) {
      expect("}");
      break;
    }
  }
  space();
  if (at < text.length) fail("the end of the header");
  if (descr === undefined || fortran === undefined || shape === undefined)
    return fail("'descr', 'fortran_order' and 'shape' in the header");
  return { descr, fortran, shape };
}

function fromFortran(data: DataArray["data"], dtype: DataArray["dtype"], shape: readonly number[]): DataArray["data"] {
  const out = allocate(dtype, data.length);
  const strides: number[] = [];
  let stride = 1;
  for (const size of shape) {
    strides.push(stride);
    stride *= size;
  }
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]!++;
      from += strides[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}
