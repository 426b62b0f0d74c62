/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header, the values. Written so that any reader takes it (aligned header, tensors
 * without gaps in the order of the file); read with every number of the header checked. GM5211 for a damaged file.
 */
import type { HostTensor, HostTensors, TypedArray } from "../graph/program.js";
import { GmcError, InternalError } from "../graph/errors.js";
import type { DType } from "../graph/types.js";
import type { ByteSource } from "./bytes.js";
import { sizeOf } from "../graph/shape.js";

const codes: Readonly<Record<DType, string>> = { f32: "F32", i32: "I32", u32: "U32", bool: "BOOL" };
const dtypes = new Map<string, DType>(Object.entries(codes).map(([dtype, code]) => [code, dtype as DType]));
const bytesOf: Readonly<Record<DType, number>> = { f32: 4, i32: 4, u32: 4, bool: 1 };

/** The reference implementation refuses longer headers. */
const maxHeader = 100_000_000;

const hostIsLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

export interface SafetensorsFile {
  readonly tensors: HostTensors;
  readonly metadata: Readonly<Record<string, string>>;
}

export function encodeSafetensors(tensors: HostTensors, metadata: Readonly<Record<string, string>> = {}): Uint8Array {
  if (!hostIsLittleEndian) throw new InternalError("safetensors are written on little-endian machines only");
  if (Object.hasOwn(tensors, "__metadata__")) throw new InternalError("__metadata__ is no name of a tensor");
  // Wide elements first keeps every tensor aligned; names decide among equals.
  const entries = Object.entries(tensors).sort(([a, x], [b, y]) => bytesOf[y.dtype] - bytesOf[x.dtype] || (a < b ? -1 : 1));
  const header: [string, unknown][] = Object.keys(metadata).length > 0 ? [["__metadata__", metadata]] : [];
  let size = 0;
  for (const [name, tensor] of entries) {
    const bytes = tensor.data.length * bytesOf[tensor.dtype];
    if (sizeOf(tensor.shape) !== tensor.data.length) throw new InternalError(`tensor ${name} does not fill its shape`);
    header.push([name, { dtype: codes[tensor.dtype], shape: tensor.shape, data_offsets: [size, size + bytes] }]);
    size += bytes;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerSize = Math.ceil(text.length / 8) * 8;
  const out = new Uint8Array(8 + headerSize + size);
  const view = new DataView(out.buffer);
  view.setUint32(0, headerSize, true);
  out.fill(0x20, 8, 8 + headerSize);
  out.set(text, 8);
  let at = 8 + headerSize;
  for (const [, tensor] of entries) {
    const { data } = tensor;
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return out;
}

export function decodeSafetensors(source: ByteSource): SafetensorsFile {
  const { path, bytes } = source;
  const damaged = (offset: number, expected: string, found: string): GmcError =>
    new GmcError("GM5211", `${path}: wrong content at byte ${offset}: expected ${expected}, found ${found}`);
  if (bytes.length < 8) throw damaged(bytes.length, "8 bytes of header length", `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (size > maxHeader || size > bytes.length - 8)
    throw damaged(0, `a header length within the file's ${bytes.length} bytes`, String(size));
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + size)));
  } catch {
    throw damaged(8, "a header of JSON", "other text");
  }
  if (typeof header !== "object" || header === null || Array.isArray(header)) throw damaged(8, "a JSON object", "another value");
  let metadata: Readonly<Record<string, string>> = {};
  const entries: { name: string; dtype: DType; shape: readonly number[]; begin: number; end: number }[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") {
      metadata = value as Readonly<Record<string, string>>;
      continue;
    }
    const { dtype: code, shape, data_offsets: offsets } = (value ?? {}) as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const dtype = typeof code === "string" ? dtypes.get(code) : undefined;
    if (dtype === undefined) throw damaged(8, `an element type F32, I32, U32 or BOOL for ${name}`, JSON.stringify(code) ?? "none");
    if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) throw damaged(8, `shape and data_offsets of ${name}`, "other fields");
    entries.push({ name, dtype, shape, begin: offsets[0]!, end: offsets[1]! });
  }
  const tensors: [string, HostTensor][] = [];
  const start = 8 + size;
  let at = 0;
  for (const entry of entries.sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    const count = sizeOf(entry.shape);
    if (entry.begin !== at)
      throw damaged(start + at, `tensor ${entry.name} right after the one before`, `offset ${entry.begin} in place of ${at}`);
    if (entry.end - entry.begin !== count * bytesOf[entry.dtype])
      throw damaged(8, `${count * bytesOf[entry.dtype]} bytes for ${entry.name}`, String(entry.end - entry.begin));
    if (start + entry.end > bytes.length)
      throw damaged(
        bytes.length,
        `the values of ${entry.name}, ${entry.end - entry.begin} bytes`,
        `${Math.max(0, bytes.length - start - entry.begin)} left`,
      );
    // A copy, since values in the file need not be aligned (and a Buffer's slice would be a view).
    const copy = new Uint8Array(entry.end - entry.begin);
    copy.set(bytes.subarray(start + entry.begin, start + entry.end));
    tensors.push([entry.name, { dtype: entry.dtype, shape: entry.shape, data: viewAs(entry.dtype, copy.buffer) }]);
    at = entry.end;
  }
  if (start + at !== bytes.length) throw damaged(start + at, "the end of the file", `${bytes.length - start - at} more bytes`);
  return { tensors: Object.fromEntries(tensors), metadata };
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((each) => Number.isSafeInteger(each) && each >= 0);
}

function viewAs(dtype: DType, buffer: ArrayBuffer): TypedArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer);
    case "i32":
      return new Int32Array(buffer);
    case "u32":
      return new Uint32Array(buffer);
    case "bool":
      return new Uint8Array(buffer);
  }
}
