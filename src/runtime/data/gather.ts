/**
 * The inner loop of batching: the named rows of a column, one after another, into a preallocated buffer.
 * Bytes are scaled to f32 by a small WebAssembly SIMD kernel (see gather.wat), which is ten times as fast as a loop in JavaScript;
 * where there is no WebAssembly the loop does it, with equal results.
 */
import { gatherWasm } from "./gather-wasm.js";
import type { SparsePlaces } from "./array.js";
import type { Column } from "./dataset.js";

/** Fills `out`, the buffer that `make` gave, with rows; rows past `rows.length` are left as they are. */
export interface RowGather {
  /** Row-major [size, width]; owned by the gather and overwritten by the next call. */
  readonly out: Float32Array | Int32Array;
  run(rows: ArrayLike<number>, start: number, count: number): void;
}

/** A gather of at most `size` rows of a column. */
export function makeGather(column: Column, size: number): RowGather {
  const { source, width, scale } = column;
  if (column.sparse !== undefined) return makeSparseGather(source, column.sparse, width, size);
  if (source instanceof Uint8Array) return makeByteGather(source, width, scale, size);
  const out = source instanceof Int32Array ? new Int32Array(size * width) : new Float32Array(size * width);
  return {
    out,
    run: (rows, start, count) => {
      if (width === 1) {
        for (let i = 0; i < count; i++) out[i] = source[rows[start + i]!]!;
        return;
      }
      for (let i = 0; i < count; i++) {
        const from = rows[start + i]! * width;
        out.set(source.subarray(from, from + width), i * width);
      }
    },
  };
}

/** Zeros, then the entries that are held. */
function makeSparseGather(source: Column["source"], { starts, columns }: SparsePlaces, width: number, size: number): RowGather {
  const out = new Float32Array(size * width);
  return {
    out,
    run: (rows, start, count) => {
      out.fill(0, 0, count * width);
      for (let i = 0; i < count; i++) {
        const row = rows[start + i]!;
        for (let j = starts[row]!; j < starts[row + 1]!; j++) out[i * width + columns[j]!]! += source[j]!;
      }
    },
  };
}

interface Kernel {
  readonly memory: { readonly buffer: ArrayBuffer };
  /** (source byte address, target byte address, multiple of 16 bytes, scale) */
  readonly scale: (from: number, to: number, count: number, scale: number) => void;
}

/** As much of the WebAssembly namespace as is used; the library types without a DOM do not have it. */
interface WebAssemblyApi {
  validate(bytes: Uint8Array): boolean;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Memory: new (descriptor: { readonly initial: number }) => Kernel["memory"];
  readonly Instance: new (module: object, imports: object) => { readonly exports: { readonly scale: Kernel["scale"] } };
}

function makeByteGather(source: Uint8Array, width: number, scale: number, size: number): RowGather {
  const total = size * width;
  const padded = Math.ceil(total / 16) * 16;
  const kernel = openKernel(padded * 5);
  if (kernel === undefined) {
    const out = new Float32Array(total);
    const factor = Math.fround(scale);
    return { out, run: (rows, start, count) => scaleRows(source, width, factor, rows, start, count, out) };
  }
  // The f32 values first, the bytes after them; the feed is a view into this memory, so nothing is copied twice.
  const out = new Float32Array(kernel.memory.buffer, 0, total);
  const bytes = new Uint8Array(kernel.memory.buffer, padded * 4, padded);
  return {
    out,
    run: (rows, start, count) => {
      for (let i = 0; i < count; i++) {
        const from = rows[start + i]! * width;
        bytes.set(source.subarray(from, from + width), i * width);
      }
      kernel.scale(padded * 4, 0, Math.ceil((count * width) / 16) * 16, scale);
    },
  };
}

/** The same in JavaScript; both multiply in f32. */
export function scaleRows(
  source: Uint8Array,
  width: number,
  factor: number,
  rows: ArrayLike<number>,
  start: number,
  count: number,
  out: Float32Array,
): void {
  let to = 0;
  for (let i = 0; i < count; i++) {
    const from = rows[start + i]! * width;
    for (let j = from; j < from + width; j++) out[to++] = source[j]! * factor;
  }
}

let compiled: { readonly api: WebAssemblyApi; readonly module: object } | null | undefined;

function openKernel(bytes: number): Kernel | undefined {
  if (compiled === undefined) compiled = compile();
  if (compiled === null) return undefined;
  const { api, module } = compiled;
  const memory = new api.Memory({ initial: Math.ceil(bytes / 65536) });
  return { memory, scale: new api.Instance(module, { env: { memory } }).exports.scale };
}

function compile(): { readonly api: WebAssemblyApi; readonly module: object } | null {
  const api = (globalThis as unknown as { readonly WebAssembly?: WebAssemblyApi }).WebAssembly;
  if (api === undefined) return null;
  const binary = Uint8Array.from(atob(gatherWasm), (char) => char.charCodeAt(0));
  return api.validate(binary) ? { api, module: new api.Module(binary) } : null;
}
