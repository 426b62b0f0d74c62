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
  /**
   * Begins a run and gives its results later: once this returns, feeds are taken, and the next run can begin, of this program or another of the session.
   * What is begun may wait until `flush`. `rows` are inputs whose values are rows of tables that the session holds. The same values as by `run`.
   * Absent where a run is over when it returns.
   */
  start?(feeds: HostTensors, rows?: Readonly<Record<string, TableRows>>): Promise<Started>;
  dispose(): void;
}

export interface Started {
  readonly results: Promise<HostTensors>;
}

/** What batches are taken from: rows of `width` entries, of which bytes are multiplied by `scale` in f32. */
export interface Table {
  readonly dtype: "f32" | "i32";
  readonly width: number;
  readonly source: Float32Array | Int32Array | Uint8Array;
  readonly scale: number;
}

/** A table in an engine's memory. */
export interface HeldTable {
  /** False once its memory was needed for something else. */
  readonly held: boolean;
}

/** Rows of a table, in the order of a batch. */
export interface TableRows {
  readonly table: HeldTable;
  readonly rows: Uint32Array;
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
  /** Sends runs that were started; an engine that starts none has no such method. */
  flush?(): void;
  /** Brings a table into the engine's memory. Nothing where there is no room for it. */
  hold?(table: Table): HeldTable | undefined;
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
  /** Version and device, or why it is not available. */
  readonly detail: string;
  /** Where it is not available: what would make it so. */
  readonly help?: readonly string[];
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
  /** The webgpu engine measures kernels of matrix products, and keeps what it found; what GMC_GPU_TUNE says unless told, else not. */
  readonly tune?: boolean;
  /**
   * Called before each kernel that the webgpu engine measures, with those done of a program's, and once after the last. Where it gives false, nothing
   * more is measured: what was found is kept, and the cost model's choice taken for the rest.
   */
  readonly onTuning?: ((done: number, total: number) => unknown) | undefined;
  /** How the webgpu engine keeps results that products read; what GMC_GPU_STORAGE says unless told, else f32. GM5439 where a device has no f16. */
  readonly storage?: "f32" | "f16";
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
