/**
 * Where tensors live: regions of one WebAssembly memory, so that the kernels work in place on what onnxruntime reads and writes.
 * (onnxruntime-node takes typed arrays over such a memory without copying, but not over a shared one.)
 * Growing the memory detaches every view of it; regions make theirs anew when the memory has a new buffer.
 */
import type * as Ort from "onnxruntime-node";
import { GmcError, InternalError } from "../../graph/errors.js";
import { sizeOf } from "../../graph/shape.js";
import type { DType, Shape } from "../../graph/types.js";
import type { HostTensor, TypedArray } from "../engine.js";
import { createMemory, loadKernels, pageBytes, type Kernels, type WasmMemory } from "./kernels.js";

/** Kernels read and write whole groups of 64 bytes, and a group past the end of random words. */
const granule = 64;

/**
 * A first-fit allocator. Sizes get one granule more than they need, besides what the kernels may touch, so that arrays of equal, even sizes
 * (weights, gradients, slots) do not all start at the same place of a page, where they would fight for the same lines of the cache.
 */
export class Arena {
  readonly kernels: Kernels;
  private readonly memory: WasmMemory = createMemory();
  /** free blocks by address, none next to another */
  private free: { start: number; size: number }[] = [];
  private readonly used = new Map<number, number>();
  /** 0 is left out, so that no region lies at address 0 */
  private end = granule;

  /** `ort`: whose tensors the regions give, where anybody asks for them. */
  constructor(private readonly ort?: typeof Ort) {
    this.kernels = loadKernels(this.memory);
  }

  get buffer(): ArrayBuffer {
    return this.memory.buffer;
  }

  region(dtype: DType, shape: Shape): Region {
    const bytes = sizeOf(shape) * (dtype === "bool" ? 1 : 4);
    return new Region(this, this.ort, dtype, shape, this.allocate(bytes));
  }

  /** A region with the contents of `value`. */
  copyOf(value: HostTensor): Region {
    const region = this.region(value.dtype, value.shape);
    region.data().set(value.data);
    return region;
  }

  release(start: number): void {
    const size = this.used.get(start);
    if (size === undefined) throw new InternalError(`no region at ${start}`);
    this.used.delete(start);
    const blocks = [...this.free, { start, size }].sort((a, b) => a.start - b.start);
    this.free = [];
    for (const block of blocks) {
      const last = this.free[this.free.length - 1];
      if (last !== undefined && last.start + last.size === block.start) last.size += block.size;
      else this.free.push(block);
    }
  }

  private allocate(bytes: number): number {
    const size = (Math.ceil(bytes / granule) + 2) * granule;
    const hole = this.free.find((block) => block.size >= size);
    const start = hole?.start ?? this.end;
    if (hole === undefined) {
      this.grow(this.end + size);
      this.end += size;
    }
    if (hole?.size === size) this.free.splice(this.free.indexOf(hole), 1);
    else if (hole !== undefined) {
      hole.start += size;
      hole.size -= size;
    }
    this.used.set(start, size);
    new Uint8Array(this.buffer, start, size).fill(0);
    return start;
  }

  private grow(bytes: number): void {
    const missing = Math.ceil((bytes - this.buffer.byteLength) / pageBytes);
    if (missing <= 0) return;
    try {
      // by a quarter at least, so that many small regions do not detach the views each time
      this.extend(Math.max(missing, Math.min(Math.ceil(this.buffer.byteLength / pageBytes / 4), 1024)), missing);
    } catch {
      throw new GmcError("GM5403", `the onnx engine cannot get ${Math.ceil(bytes / 2 ** 20)} MiB for the tensors of this model`, [
        "Make the model or the batch smaller: weights, optimiser slots and gradients share at most 4 GiB.",
      ]);
    }
  }

  private extend(pages: number, least: number): void {
    try {
      this.memory.grow(pages);
    } catch {
      this.memory.grow(least);
    }
  }
}

/** One tensor at a fixed address. */
export class Region {
  private view: TypedArray | undefined;
  private ortTensor: Ort.Tensor | undefined;

  constructor(
    private readonly arena: Arena,
    private readonly ort: typeof Ort | undefined,
    readonly dtype: DType,
    readonly shape: Shape,
    readonly address: number,
  ) {}

  get size(): number {
    return sizeOf(this.shape);
  }

  /** The elements. Not to be kept: the view is void once the memory has grown. */
  data(): TypedArray {
    if (this.view?.buffer !== this.arena.buffer) {
      this.view = viewOf(this.dtype, this.arena.buffer, this.address, this.size);
      this.ortTensor = undefined;
    }
    return this.view;
  }

  /** The same elements for onnxruntime, to read from or to write to. */
  tensor(): Ort.Tensor {
    const data = this.data();
    if (this.ort === undefined) throw new InternalError("this memory is not onnxruntime's");
    this.ortTensor ??= ortTensor(this.ort, { dtype: this.dtype, shape: this.shape, data });
    return this.ortTensor;
  }

  /** A copy. */
  read(): HostTensor {
    return { dtype: this.dtype, shape: this.shape, data: this.data().slice() };
  }

  free(): void {
    this.arena.release(this.address);
  }
}

function viewOf(dtype: DType, buffer: ArrayBuffer, address: number, size: number): TypedArray {
  switch (dtype) {
    case "f32":
      return new Float32Array(buffer, address, size);
    case "i32":
      return new Int32Array(buffer, address, size);
    case "u32":
      return new Uint32Array(buffer, address, size);
    case "bool":
      return new Uint8Array(buffer, address, size);
  }
}

const ortType = { f32: "float32", i32: "int32", u32: "uint32", bool: "bool" } as const;

/** A host value as onnxruntime takes it: the same memory. */
export function ortTensor(ort: typeof Ort, value: HostTensor): Ort.Tensor {
  return new ort.Tensor(ortType[value.dtype], value.data as never, value.shape);
}
