/**
 * The static graph: what staging builds, passes rewrite, engines run. Plain data in SSA order.
 * Shapes are concrete: a function is staged again for another batch size, which takes milliseconds.
 */

/** f64 exists only inside the reference engine, f16 only as GPU storage, i64 only inside the ONNX lowering. */
export type DType = "f32" | "i32" | "u32" | "bool";
export type Shape = readonly number[];

/** Where a node comes from, for messages: the term and its `.gm` line. */
export interface Origin {
  /** `log p(x | z)` */
  readonly label: string;
  /** `vae.gm:12` */
  readonly place: string;
}

/**
 * Parameters of each primitive; the key is the primitive's name. Inputs are listed in the comment.
 * One total table over this type gives each rule: shape, vjp, and a lowering per engine.
 */
export interface PrimParams {
  // -- sources
  /** () an external value, by name: batch data, a scalar of the schedule, the random state. */
  input: { readonly name: string };
  /** () a named entry of the state store: weights, running statistics, chains. */
  state: { readonly name: string };
  /** () a literal: one value filled over the shape, or all values in C order. */
  constant: { readonly values: readonly number[] };
  /** () 0, 1, 2, … along `axis`. */
  iota: { readonly axis: number };
  /**
   * (rng u32[4] = [seed low, seed high, step, row offset], iteration i32[]?) Threefry-2x32 words, see random.ts.
   * "bits" u32; "uniform" f32 (w >>> 8) * 2^-24; "normal" f32 by the inverse CDF of ((w >>> 8) + 0.5) * 2^-24.
   */
  random: { readonly kind: "bits" | "uniform" | "normal"; readonly site: string; readonly stage: number; readonly rowAxis: number | null };

  /**
   * (probs [..., V], total [...], rng, iteration?) counts f32 [..., V] of `total` draws from V categories, see random-counts.ts. `rowAxis` is one
   * of the leading axes.
   */
  randomCounts: { readonly site: string; readonly stage: number; readonly rowAxis: number | null };

  // -- elementwise; operands have equal shapes, except that any operand may be of rank 0
  neg: Empty;
  abs: Empty;
  sign: Empty;
  floor: Empty;
  exp: Empty;
  log: Empty;
  log1p: Empty;
  expm1: Empty;
  sqrt: Empty;
  sin: Empty;
  cos: Empty;
  tanh: Empty;
  sigmoid: Empty;
  /** log(1 + exp(x)), stable */
  softplus: Empty;
  erf: Empty;
  lgamma: Empty;
  /** order 0 is digamma */
  polygamma: { readonly order: number };
  add: Empty;
  sub: Empty;
  mul: Empty;
  div: Empty;
  pow: Empty;
  max: Empty;
  min: Empty;
  /** comparisons give bool */
  lt: Empty;
  le: Empty;
  eq: Empty;
  and: Empty;
  or: Empty;
  not: Empty;
  /** (condition bool, a, b) */
  select: Empty;
  cast: { readonly to: DType };
  /** identity whose gradient is zero */
  stopGradient: Empty;

  // -- structure
  reshape: { readonly shape: Shape };
  transpose: { readonly perm: readonly number[] };
  /** numpy's rule, aligned at the right */
  broadcast: { readonly shape: Shape };
  slice: { readonly start: Shape; readonly stop: Shape; readonly stride: Shape };
  /** zeros around, `low[i]` before and `high[i]` after, `inside[i]` between neighbours */
  pad: { readonly low: Shape; readonly high: Shape; readonly inside: Shape };
  concat: { readonly axis: number };
  reverse: { readonly axes: readonly number[] };
  /** (x, indices i32) numpy `take` along `axis`: out = x.shape[:axis] + indices.shape + x.shape[axis+1:] */
  gather: { readonly axis: number };
  /** (updates, indices i32) adds updates into zeros of size `size` along `axis`; the transpose of gather; deterministic */
  scatterAdd: { readonly axis: number; readonly size: number };
  /** (x, index i32[]) `size` entries of `axis` from a runtime index on */
  dynamicSlice: { readonly axis: number; readonly size: number };
  /** (x, update, index i32[]) */
  dynamicUpdateSlice: { readonly axis: number };

  // -- reductions; `axes` ascending, not kept
  reduceSum: { readonly axes: readonly number[] };
  reduceMax: { readonly axes: readonly number[] };
  /** i32, first of equals */
  argMax: { readonly axis: number };
  /** inclusive, along `axis` */
  cumsum: { readonly axis: number; readonly reverse: boolean };

  // -- linear algebra
  /** (a, b) [...batch, m, k] @ [...batch, k, n] with equal batch axes, or b of rank 2 shared by all; flags read the last two axes transposed */
  matmul: { readonly transposeA: boolean; readonly transposeB: boolean };
  /** (x [N, ...spatial, Cin], w [...window, Cin / groups, Cout]) channels last, 1 or 2 spatial axes */
  conv: ConvParams;
  /** (dy, w) gradient of conv in x, which has shape `inputShape`; also the transposed convolution */
  convInputGrad: ConvParams & { readonly inputShape: Shape };
  /** (x, dy) gradient of conv in w, which has shape `filterShape` */
  convFilterGrad: ConvParams & { readonly filterShape: Shape };
  /**
   * (x [N, D], inward [D, H], bias [H], outward [D, O, H]) y [N, D, O] = outward_d sigmoid(bias + Σ_{i<d} x_i inward_i): the conditionals of NADE
   * with running sums, which composed of other primitives would take memory for [N, D, H]
   */
  nade: Empty;
  /** (x, inward, bias, outward, dy) gradient of nade: of x [N, D], or of the weights one after the other, [D H + H + D O H] */
  nadeGrad: { readonly of: "x" | "weights" };
  /**
   * (captured …) the x [..., D] that `body` leaves as it is. Entry i of what body gives reads of x only entries j with places[j] < places[i], so x is
   * unique and is found entry after entry, see fixed-point.ts.
   */
  fixedPoint: FixedPointParams;
  /** (a [..., n, n]) lower Cholesky factor */
  cholesky: Empty;
  /** (l [..., n, n] lower, b [..., n, m]) solves l x = b, or l^T x = b */
  triangularSolve: { readonly transpose: boolean };
}

export type Empty = Readonly<Record<string, never>>;

export interface ConvParams {
  readonly stride: Shape;
  /** per spatial axis [before, after] */
  readonly padding: readonly (readonly [number, number])[];
  readonly dilation: Shape;
  readonly groups: number;
}

export interface FixedPointParams {
  /** Inputs `x` and, in the order of the operands, `0`, `1`, …; an output `x`. Beside them it has no sources. */
  readonly body: Graph;
  /** Of each entry of the last axis its place in the order, from 0 on. */
  readonly places: readonly number[];
}

export type Prim = keyof PrimParams;

/** One SSA value. `inputs` are ids of earlier nodes. */
export type Node = { readonly [P in Prim]: NodeOf<P> }[Prim];

export interface NodeOf<P extends Prim> {
  readonly id: number;
  readonly prim: P;
  readonly inputs: readonly number[];
  readonly params: PrimParams[P];
  readonly shape: Shape;
  readonly dtype: DType;
  readonly origin: Origin | undefined;
}

/** `nodes[i].id === i`. `outputs` name values; a state write is an output listed in `writes`. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly outputs: Readonly<Record<string, number>>;
  /** state name -> id of the value it takes after the call */
  readonly writes: Readonly<Record<string, number>>;
}
