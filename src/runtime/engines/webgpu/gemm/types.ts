/**
 * What the generator of matrix products takes and gives. C[b, i, j] = Σ_l A[b, i, l] B[b, l, j] in float32, for any m, n, k, batch ≥ 1; what
 * becomes of an element of C is the caller's epilogue. Everything here is text and plain data: no device is touched.
 *
 * The caller owns the bindings. His WGSL (`declarations`) declares them and the functions named below; names that begin with `mm_`, and
 * `main`, are the generator's. The kernel's text is: `enable` directives, `declarations`, the generator's code with the entry point `main`.
 */

/**
 * Where the elements of A (m x k) or B (k x n) come from. `element: "f16"` on an operand says that each of its values is one of float16:
 * tiles of it are kept as f16 in workgroup memory, which loses nothing. Products and sums are float32 in any case.
 */
export type GemmOperand = StridedOperand | FunctionOperand;

/** Element (batch, row, col) is `array[offset + batch * batchStride + row * rowStride + col * colStride]`; strides may be 0, never negative. */
export interface StridedOperand {
  readonly kind: "strided";
  /** Name of a storage array (or of anything that `name[index]` reads), declared by the caller. */
  readonly array: string;
  readonly offset: number;
  readonly batchStride: number;
  readonly rowStride: number;
  readonly colStride: number;
  /** The scalar type of the array; f32 where not said. */
  readonly element?: "f32" | "f16";
  /**
   * The array is declared as `array<vec4<f32>>` (or `vec4<f16>`): then runs of four are one 128-bit load where strides and offset are
   * multiples of 4, and single elements are read as `array[i / 4][i % 4]`. WGSL cannot reinterpret a binding, so the caller chooses its type:
   * vectors are worth it for read-only bindings whose length is a multiple of 4 (one writes no vec4 by components: WGSL lets such a write
   * touch all four). Strides and offset count scalars all the same.
   */
  readonly vectors?: boolean;
}

/** Element (batch, row, col) is computed: a fused prologue, a gather, the index map of a convolution. */
export interface FunctionOperand {
  readonly kind: "function";
  /** `fn name(batch: u32, row: u32, col: u32) -> f32`. Called only in bounds, and once an element and tile (see `cost`). */
  readonly name: string;
  /** Neighbours along this axis lie next to each other in memory, so neighbouring threads take them. Columns where not said. */
  readonly along?: "rows" | "columns";
  /**
   * `fn name(batch: u32, row: u32, col: u32) -> vec4f`: four neighbours along `along`, the first of them at an index that is a multiple of 4;
   * the extent along it must be a multiple of 4 where this is given. Saves index arithmetic; loads may be 128 bits wide.
   */
  readonly vector?: string;
  readonly element?: "f32" | "f16";
  /** About how many instructions a call takes besides its load; 8 where not said. Dear functions favour large tiles. */
  readonly cost?: number;
}

export interface GemmSpec {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batch: number;
  readonly a: GemmOperand;
  readonly b: GemmOperand;
  /** WGSL of the caller: bindings and functions, without directives. */
  readonly declarations: string;
  /** `fn name(batch: u32, row: u32, col: u32, value: f32)`: the epilogue, called exactly once an element of C, in no promised order. */
  readonly store: string;
  /** About how many instructions a call of `store` takes; 4 where not said. */
  readonly storeCost?: number;
}

/** What a device grants: the limits that kernels must respect. */
export interface GemmLimits {
  /** maxComputeWorkgroupStorageSize, bytes */
  readonly workgroupStorage: number;
  /** maxComputeInvocationsPerWorkgroup; never more than 256 are used */
  readonly invocations: number;
  /** maxComputeWorkgroupsPerDimension */
  readonly workgroupsPerDimension: number;
  /** The feature `shader-f16` is on. */
  readonly f16: boolean;
  /**
   * Lanes of a subgroup where the feature `subgroups` is on, `subgroupMinSize === subgroupMaxSize`, and the WGSL language feature `subgroup_id`
   * is offered; otherwise undefined, and no kernel uses subgroups.
   */
  readonly subgroupSize: number | undefined;
}

/** The least that every WebGPU device grants. */
export const leastLimits: GemmLimits = {
  workgroupStorage: 16384,
  invocations: 256,
  workgroupsPerDimension: 65535,
  f16: false,
  subgroupSize: undefined,
};

/** How threads fetch an operand: element by element, or in runs of four neighbours in memory. */
export type LoadWidth = 1 | 4;

/** A kernel's shape. Plain data: it can be kept as JSON. */
export type GemmChoice = TiledChoice | SkinnyChoice | DirectChoice;

/** Tiles of A and B in workgroup memory, a block of C in the registers of each thread. */
export interface TiledChoice {
  readonly form: "tiled";
  readonly tileM: number;
  readonly tileN: number;
  readonly tileK: number;
  /** Block of C that one thread holds: multiples of 4. */
  readonly threadM: number;
  readonly threadN: number;
  /** Teams of threads that share out each tile's depth; their sums are added in fixed order. */
  readonly splitK: number;
  /** 2: the next tile is fetched while this one is multiplied. */
  readonly stages: 1 | 2;
  readonly widthA: LoadWidth;
  readonly widthB: LoadWidth;
}

/**
 * m or n is at most 8: each thread holds all `short` elements of C at one place (`width` places where loads along the long axis are vectors).
 * The short operand is staged in workgroup memory, the long one is read once, straight into registers.
 */
export interface SkinnyChoice {
  readonly form: "skinny";
  /** Which extent is the short one. */
  readonly short: "m" | "n";
  /** Places of the long axis a workgroup covers, `width` counted once. */
  readonly places: number;
  /** Threads that share out K at one place. */
  readonly splitK: number;
  /** Neighbouring threads lie along K (its elements are contiguous), or along the long axis. */
  readonly lanes: "k" | "long";
  readonly width: LoadWidth;
  /** Sums over K are taken within a subgroup, whose lanes are the threads of one place; without, in workgroup memory. */
  readonly subgroup: boolean;
}

/** One thread an element of C, operands read as they come: tiny or batched tiny matrices, outer products. */
export interface DirectChoice {
  readonly form: "direct";
  readonly threads: number;
}

export interface GemmKernel {
  readonly wgsl: string;
  /** For dispatchWorkgroups; the entry point is `main`. */
  readonly workgroups: readonly [number, number, number];
}
