/** What an engine is: it holds the state store of a model and runs programs over it. */
import type { HostTensor, HostTensors, Program, StateSpec } from "../graph/program.js";
import type { MemoryShortage } from "./shortage.js";

export type {
  HostTensor,
  HostTensors,
  Program,
  Stage,
  StateSpec,
  TypedArray,
  UpdateRule,
  UpdateSpec,
  UpdateTarget,
} from "../graph/program.js";

/** How a run that takes many passes is followed and stopped, see fixed-points.ts; a run of one pass does neither. */
export interface RunWatch {
  /** Passes done, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A compiled program. Feeds are `input` nodes by name; `rng` (u32[4]) is one of them where the program draws. */
export interface Executable {
  run(feeds: HostTensors, watch?: RunWatch): Promise<HostTensors>;
  dispose(): void;
}

/** One session of an engine: a store and the programs compiled against it. */
export interface EngineSession {
  readonly engine: string;
  /** Creates or overwrites state. */
  write(name: string, value: HostTensor): void | Promise<void>;
  /** A copy. */
  read(name: string): Promise<HostTensor>;
  has(name: string): boolean;
  /** Forgets state that no compiled program reads or writes any more; nothing where there is none. */
  drop(name: string): void;
  compile(program: Program): Promise<Executable>;
  /**
   * What keeps `programs` from being compiled beside what the session holds, with `states` in its store, told before any of it is allocated.
   * Nothing where there is memory for them; an engine that does not plan its memory has no such method.
   */
  memoryShortage?(programs: readonly Program[], states: ReadonlyMap<string, StateSpec>): MemoryShortage | undefined;
  dispose(): void;
}

export interface EngineInfo {
  readonly name: string;
  readonly available: boolean;
  /** Version and device, or why it is not available and what would make it so. */
  readonly detail: string;
  /** Where it is not available: a package or a card that nobody installed, which `auto` passes over without a word. */
  readonly absent?: boolean;
  /** It computes on the processor what it is made to compute on a GPU: for tests; `auto` passes it over. */
  readonly software?: boolean;
}

export interface EngineOptions {
  /** Physical cores by default. */
  readonly threads?: number;
  /** Bytes that the webgpu engine may take; what the environment variable GMC_GPU_MEMORY says unless told, else as much as there is. */
  readonly memory?: number;
}

export interface Engine {
  readonly name: string;
  /**
   * What it finds here. `automatic`: nobody asked for this engine by name, so where a look tells cheaply that `auto` would pass it over, nothing heavy
   * is loaded and no driver is spoken to.
   */
  probe(options?: { readonly automatic?: boolean }): Promise<EngineInfo>;
  open(options?: EngineOptions): Promise<EngineSession>;
}
