/**
 * Buffers on the device, and the named state of a session. An entry has a place; one that a graph writes gets a second, and the two change places
 * after each call: what a stage writes is not seen by those who read in it.
 */
import { stagedFor } from "../../graph/host.js";
import { GmcError } from "../../graph/errors.js";
import { sameShape, sizeOf } from "../../graph/shape.js";
import type { DType, Shape } from "../../graph/types.js";
import type { HostTensor, StateSpec, TypedArray } from "../engine.js";
import { shortageError, type MemoryShortage } from "../shortage.js";
import type { Budget } from "./budget.js";
import { Commands } from "./commands.js";
import { usage, type Device } from "./device.js";

/** A part of a buffer: a whole tensor. */
export interface Region {
  /** tells regions apart */
  readonly key: number;
  readonly buffer: GPUBuffer;
  /** bytes */
  readonly offset: number;
  readonly bytes: number;
}

export interface TensorRegion extends Region {
  readonly dtype: DType;
  readonly shape: Shape;
}

export const bytesOf = (shape: Shape): number => Math.max(4, 4 * sizeOf(shape));

/** Makes regions, and counts what is held. */
export class Memory {
  private next = 0;
  held = 0;
  readonly commands: Commands;
  /** Gives back what can be done without. */
  release: () => void = () => undefined;

  constructor(
    readonly device: Device,
    readonly budget?: Budget,
  ) {
    this.commands = new Commands(device);
  }

  /** GM5423 where a buffer of so many bytes is more than the device gives. */
  region(bytes: number, extra = 0): Region {
    const { device } = this;
    if (bytes > device.maxBytes) throw shortageError({ ...this.limits("GM5423"), needed: bytes, largest: [] }, "a tensor");
    const buffer = device.gpu.createBuffer({ size: bytes, usage: usage.storage | usage.copySource | usage.copyTarget | extra });
    this.held += bytes;
    device.held += bytes;
    return { key: this.next++, buffer, offset: 0, bytes };
  }

  /** Room for a tensor that comes to what is held; GM5427 where it is more than may be taken. */
  room(bytes: number, what: string): void {
    if (this.budget === undefined) return;
    if (this.device.held + bytes > this.budget.bytes) this.release();
    const needed = this.device.held + bytes;
    if (needed > this.budget.bytes) throw shortageError({ ...this.limits("GM5427"), needed, largest: [] }, `${what}, with what is held,`);
  }

  /** What a shortage is told with. */
  limits(code: MemoryShortage["code"]): Pick<MemoryShortage, "code" | "limit" | "source" | "device"> {
    const { maxBytes, adapter } = this.device;
    const whole = { bytes: maxBytes, source: "the device says so" };
    const { bytes, source } = code === "GM5423" ? whole : (this.budget ?? whole);
    return { code, limit: bytes, source, device: `the device (${adapter.name})` };
  }

  tensor(dtype: DType, shape: Shape): TensorRegion {
    return { ...this.region(bytesOf(shape)), dtype, shape };
  }

  /** A part of a region that holds a tensor. */
  within({ buffer }: Region, offset: number, dtype: DType, shape: Shape): TensorRegion {
    return { key: this.next++, buffer, offset, bytes: bytesOf(shape), dtype, shape };
  }

  free(region: Region): void {
    // a command buffer that reads a buffer cannot be sent once that is gone
    this.commands.submit();
    this.held -= region.bytes;
    this.device.held -= region.bytes;
    region.buffer.destroy();
  }

  upload(region: Region, data: TypedArray): void {
    this.commands.upload(region, data);
  }
}

/** The host's kind of array for a tensor that lies as words. */
export function hostTensor(dtype: DType, shape: Shape, words: ArrayBuffer): HostTensor {
  const size = sizeOf(shape);
  switch (dtype) {
    case "f32":
      return { dtype, shape, data: new Float32Array(words, 0, size) };
    case "i32":
      return { dtype, shape, data: new Int32Array(words, 0, size) };
    case "u32":
      return { dtype, shape, data: new Uint32Array(words, 0, size) };
    case "bool":
      return { dtype, shape, data: Uint8Array.from(new Uint32Array(words, 0, size)) };
  }
}

interface Entry {
  current: TensorRegion;
  spare: TensorRegion | undefined;
  /** It lies in a region of several; its place does not change. */
  pack: Pack | undefined;
}

/** Entries next to each other, each from a multiple of 256 bytes on. */
export interface Pack {
  readonly names: readonly string[];
  readonly region: Region;
  readonly offsets: readonly number[];
}

/** Where tensors of these shapes lie in a pack: bytes, and the bytes of all. */
export function packed(shapes: readonly Shape[]): { readonly offsets: readonly number[]; readonly bytes: number } {
  let bytes = 0;
  const offsets = shapes.map((shape) => {
    const at = bytes;
    bytes += Math.ceil(bytesOf(shape) / 256) * 256;
    return at;
  });
  return { offsets, bytes };
}

export class Store {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly memory: Memory) {}

  has(name: string): boolean {
    return this.entries.has(name);
  }

  /** All entries. */
  specs(): Map<string, StateSpec> {
    return new Map([...this.entries].map(([name, { current }]) => [name, { dtype: current.dtype, shape: current.shape }]));
  }

  write(name: string, value: HostTensor): void {
    const entry = this.entries.get(name);
    if (entry !== undefined && entry.current.dtype === value.dtype && sameShape(entry.current.shape, value.shape)) {
      this.memory.upload(entry.current, value.data);
      return;
    }
    this.drop(name);
    this.memory.room(bytesOf(value.shape), `the state ${name}`);
    const current = this.memory.tensor(value.dtype, value.shape);
    this.memory.upload(current, value.data);
    this.entries.set(name, { current, spare: undefined, pack: undefined });
  }

  current(name: string): TensorRegion {
    return this.entry(name).current;
  }

  /** The entry, checked against what a graph was staged for. */
  checked(name: string, dtype: DType, shape: Shape): TensorRegion {
    return stagedFor(`state entry ${name}`, this.current(name), { dtype, shape });
  }

  /** Where the next value of the entry is put, which may be of another shape; an entry that is not there yet begins so. */
  spare(name: string, dtype: DType, shape: Shape): TensorRegion {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      const [current, spare] = [this.memory.tensor(dtype, shape), this.memory.tensor(dtype, shape)];
      this.entries.set(name, { current, spare, pack: undefined });
      return spare;
    }
    if (entry.spare === undefined || entry.spare.dtype !== dtype || !sameShape(entry.spare.shape, shape)) {
      if (entry.spare !== undefined) this.memory.free(entry.spare);
      entry.spare = this.memory.tensor(dtype, shape);
    }
    return entry.spare;
  }

  /** Makes the spare place the current one; copies where the entry has its place in a pack. */
  swap(name: string, encoder: () => GPUCommandEncoder): void {
    const entry = this.entry(name);
    const { current, spare, pack } = entry;
    if (spare === undefined) return;
    if (pack === undefined) {
      [entry.current, entry.spare] = [spare, current];
    } else if (sameShape(current.shape, spare.shape) && current.dtype === spare.dtype) {
      encoder().copyBufferToBuffer(spare.buffer, 0, current.buffer, current.offset, spare.bytes);
    } else {
      entry.current = spare;
      entry.spare = undefined;
      this.leave(entry);
    }
  }

  /** Brings entries next to each other, in the order of their names; a pack of just these is left as it is. */
  pack(names: readonly string[]): Pack {
    const before = this.entry(names[0]!).pack;
    if (before !== undefined && before.names.length === names.length && names.every((name, i) => before.names[i] === name && this.entry(name).pack === before)) return before; // prettier-ignore
    const entries = names.map((name) => this.entry(name));
    const { offsets, bytes } = packed(entries.map((entry) => entry.current.shape));
    const region = this.memory.region(bytes);
    const pack: Pack = { names, region, offsets };
    const encoder = this.memory.commands.betweenPasses();
    const fresh = entries.map(({ current }, i) => {
      encoder.copyBufferToBuffer(current.buffer, current.offset, region.buffer, offsets[i]!, current.bytes);
      return this.memory.within(region, offsets[i]!, current.dtype, current.shape);
    });
    entries.forEach((entry, i) => {
      const old = entry.current;
      entry.current = fresh[i]!;
      if (entry.pack === undefined) this.memory.free(old);
      else this.leave(entry);
      entry.pack = pack;
    });
    return pack;
  }

  drop(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    if (entry.spare !== undefined) this.memory.free(entry.spare);
    if (entry.pack === undefined) this.memory.free(entry.current);
    else this.leave(entry);
  }

  clear(): void {
    for (const name of [...this.entries.keys()]) this.drop(name);
  }

  /** An entry leaves its pack, which goes with the last one. */
  private leave(entry: Entry): void {
    const { pack } = entry;
    entry.pack = undefined;
    if (pack !== undefined && ![...this.entries.values()].some((other) => other.pack === pack)) this.memory.free(pack.region);
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new GmcError("GM4906", `there is no state entry ${name}`);
    return entry;
  }
}
