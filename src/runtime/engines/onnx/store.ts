/**
 * The named state of a session. An entry is a region; one that a graph writes gets a second region, and the two change places after each call,
 * because onnxruntime computes wrong values when one buffer is read from and written to in a run.
 */
import { stagedFor } from "../../graph/host.js";
import { GmcError } from "../../graph/errors.js";
import { sameShape } from "../../graph/shape.js";
import type { DType, Shape } from "../../graph/types.js";
import type { HostTensor } from "../engine.js";
import type { Arena, Region } from "./memory.js";

interface Entry {
  current: Region;
  spare: Region | undefined;
}

export class Store {
  private readonly entries = new Map<string, Entry>();

  constructor(private readonly arena: Arena) {}

  has(name: string): boolean {
    return this.entries.has(name);
  }

  write(name: string, value: HostTensor): void {
    const entry = this.entries.get(name);
    if (entry !== undefined && entry.current.dtype === value.dtype && sameShape(entry.current.shape, value.shape)) {
      entry.current.data().set(value.data);
      return;
    }
    const fresh = this.arena.copyOf(value);
    entry?.current.free();
    entry?.spare?.free();
    this.entries.set(name, { current: fresh, spare: undefined });
  }

  /** Where the entry is now. */
  current(name: string): Region {
    return this.entry(name).current;
  }

  /** The entry, checked against what a graph was staged for. */
  checked(name: string, dtype: DType, shape: Shape): Region {
    return stagedFor(`state entry ${name}`, this.current(name), { dtype, shape });
  }

  /** Where the next value of the entry is to be put, which may be of another shape than it has; an entry that is not there yet begins so. */
  spare(name: string, dtype: DType, shape: Shape): Region {
    const entry = this.entries.get(name);
    if (entry === undefined) {
      const [current, spare] = [this.arena.region(dtype, shape), this.arena.region(dtype, shape)];
      this.entries.set(name, { current, spare });
      return spare;
    }
    if (entry.spare === undefined || entry.spare.dtype !== dtype || !sameShape(entry.spare.shape, shape)) {
      entry.spare?.free();
      entry.spare = this.arena.region(dtype, shape);
    }
    return entry.spare;
  }

  /** Makes the spare region the current one. */
  swap(name: string): void {
    const entry = this.entry(name);
    [entry.current, entry.spare] = [entry.spare ?? entry.current, entry.current];
  }

  drop(name: string): void {
    const entry = this.entries.get(name);
    entry?.current.free();
    entry?.spare?.free();
    this.entries.delete(name);
  }

  clear(): void {
    for (const name of [...this.entries.keys()]) this.drop(name);
  }

  private entry(name: string): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new GmcError("GM4906", `there is no state entry ${name}`);
    return entry;
  }
}
