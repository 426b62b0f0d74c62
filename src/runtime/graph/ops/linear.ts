/**
 * Matrix products, triangular systems, convolutions. Convolutions hold channels last: x [N, ...spatial, Cin], w [...window, Cin / groups, Cout].
 */
import { GmcError } from "../errors.js";
import { broadcastShapes, sameShape, shapeError, showShape, sizeOf } from "../shape.js";
import { convExtent } from "../shape-rules.js";
import { emit, type Tensor } from "../trace.js";
import type { ConvParams, Shape } from "../types.js";
import { add, broadcastTo, mul, softplus } from "./elementwise.js";
import { sum } from "./reduce.js";
import { expandDims, eye, lowerTriangle, matrixTranspose, reshape, squeeze } from "./structure.js";

export interface MatmulOptions {
  /** read the last two axes of a operand transposed */
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

/** a @ b as numpy: [..., m, k] @ [..., k, n], leading axes broadcast; a vector is a row on the left, a column on the right. */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  if (a.shape.length === 0 || b.shape.length === 0)
    throw shapeError(`matmul: ${showShape(a.shape)} @ ${showShape(b.shape)}: a scalar has no axes; use mul`);
  if (a.shape.length === 1)
    return squeeze(matmul(expandDims(a, transposeA ? 1 : 0), b, { transposeA, transposeB }), b.shape.length === 1 ? 0 : -2);
  if (b.shape.length === 1) return squeeze(matmul(a, expandDims(b, transposeB ? 0 : 1), { transposeA, transposeB }), -1);
  const batchA = a.shape.slice(0, -2);
  const batchB = b.shape.slice(0, -2);
  if (batchB.length === 0 || sameShape(batchA, batchB)) return emit("matmul", [a, b], { transposeA, transposeB });
  const batch = broadcastShapes("matmul's leading axes", [batchA, batchB]);
  if (sizeOf(batchB) === 1 && sameShape(batch, batchA))
    return emit("matmul", [a, reshape(b, b.shape.slice(-2))], { transposeA, transposeB });
  if (sizeOf(batchA) === 1 && sameShape(batch, batchB)) {
    // (B^T A^T)^T keeps the shared operand on the right, where it is not copied.
    const shared = reshape(a, a.shape.slice(-2));
    return matrixTranspose(emit("matmul", [b, shared], { transposeA: !transposeB, transposeB: !transposeA }));
  }
  return emit("matmul", [broadcastTo(a, [...batch, ...a.shape.slice(-2)]), broadcastTo(b, [...batch, ...b.shape.slice(-2)])], {
    transposeA,
    transposeB,
  });
}

/** Σ a b over the last axis; leading axes broadcast. */
export function dot(a: Tensor, b: Tensor): Tensor {
  return sum(mul(a, b), -1);
}

/** [..., m] and [..., n] to [..., m, n]. */
export function outer(a: Tensor, b: Tensor): Tensor {
  return mul(expandDims(a, -1), expandDims(b, -2));
}

/** Lower factor L of a symmetric positive definite a = L L^T (NaN where it is not). Reads the lower triangle; the gradient is symmetric. */
export function cholesky(a: Tensor): Tensor {
  return emit("cholesky", [a], {});
}

/** Lower triangular with a positive diagonal, of any x [..., n, n]: its entries below the diagonal, softplus of those on it. */
export function choleskyFactor(x: Tensor): Tensor {
  return add(lowerTriangle(x, -1), mul(eye(x.shape.at(-1) ?? 0), softplus(x)));
}

/** Solves l x = b, or l^T x = b, for lower triangular l [..., n, n] and b [..., n, m]; leading axes broadcast. */
export function triangularSolve(l: Tensor, b: Tensor, { transpose = false }: { readonly transpose?: boolean } = {}): Tensor {
  const batch = broadcastShapes("triangularSolve's leading axes", [l.shape.slice(0, -2), b.shape.slice(0, -2)]);
  return emit("triangularSolve", [broadcastTo(l, [...batch, ...l.shape.slice(-2)]), broadcastTo(b, [...batch, ...b.shape.slice(-2)])], {
    transpose,
  });
}

/**
 * The conditionals of NADE (Larochelle & Murray 2011): x [N, D], inward [D, H], bias [H], outward [D, O, H] -> [N, D, O], for each entry what
 * `outward_d sigmoid(bias + Σ_{i<d} x_i inward_i)` gives, in time O(N D H) and without memory for [N, D, H]. It has no second derivative.
 */
export function nadeOutputs(x: Tensor, inward: Tensor, bias: Tensor, outward: Tensor): Tensor {
  return emit("nade", [x, inward, bias, outward], {});
}

/** "same": extent / stride, rounded up; "valid": no padding; a number, or [before, after], per spatial axis. */
export type Padding = "same" | "valid" | number | readonly (number | readonly [number, number])[];

export interface ConvOptions {
  readonly stride?: number | readonly number[];
  readonly padding?: Padding;
  readonly dilation?: number | readonly number[];
  readonly groups?: number;
}

export interface ConvTransposeOptions extends ConvOptions {
  /** added at the end of each spatial axis; only with explicit padding */
  readonly outputPadding?: number | readonly number[];
}

function perAxis(what: string, value: number | readonly number[] | undefined, spatial: number, otherwise: number): number[] {
  const list = typeof value === "object" ? [...value] : new Array<number>(spatial).fill(value ?? otherwise);
  if (list.length !== spatial) throw shapeError(`${what} has ${list.length} entries for ${spatial} spatial axes`);
  if (list.some((n) => !Number.isInteger(n) || n < 0)) throw shapeError(`${what}: [${list.join(", ")}] are not counts`);
  return list;
}

function explicitPadding(padding: Exclude<Padding, "same">, spatial: number): [number, number][] {
  if (padding === "valid") return Array.from({ length: spatial }, () => [0, 0]);
  const list = typeof padding === "number" ? new Array<number>(spatial).fill(padding) : padding;
  if (list.length !== spatial) throw shapeError(`padding has ${list.length} entries for ${spatial} spatial axes`);
  return list.map((p) => (typeof p === "number" ? [p, p] : [p[0], p[1]]));
}

/** Padding under which a convolution of extent `input` gives ceil(input / stride): the smaller half before, as TensorFlow's SAME. */
function samePadding(input: number, window: number, stride: number, dilation: number): [number, number] {
  const total = Math.max(0, (Math.ceil(input / stride) - 1) * stride + dilation * (window - 1) + 1 - input);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}

interface ConvGeometry {
  readonly window: Shape;
  readonly stride: number[];
  readonly dilation: number[];
  readonly groups: number;
}

function geometry(what: string, x: Tensor, w: Tensor, options: ConvOptions): ConvGeometry {
  const spatial = w.shape.length - 2;
  if (spatial < 1 || spatial > 2 || x.shape.length < spatial + 1) {
    throw shapeError(
      `${what}: filter ${showShape(w.shape)} on ${showShape(x.shape)}: x is [..., ...spatial, channels] with 1 or 2 spatial axes`,
    );
  }
  const stride = perAxis(`${what}: stride`, options.stride, spatial, 1);
  const dilation = perAxis(`${what}: dilation`, options.dilation, spatial, 1);
  const groups = options.groups ?? 1;
  if ([...stride, ...dilation, groups].some((n) => n < 1))
    throw new GmcError("GM4901", `${what}: stride, dilation and groups are at least 1`);
  return { window: w.shape.slice(0, spatial), stride, dilation, groups };
}

/** Runs `fn` on x with all leading axes folded into one. */
function folded(x: Tensor, spatial: number, fn: (x: Tensor) => Tensor): Tensor {
  const lead = x.shape.slice(0, x.shape.length - spatial - 1);
  const y = fn(lead.length === 1 ? x : reshape(x, [sizeOf(lead), ...x.shape.slice(lead.length)]));
  return lead.length === 1 ? y : reshape(y, [...lead, ...y.shape.slice(1)]);
}

/** Convolution (cross-correlation) of x [..., ...spatial, Cin] with w [...window, Cin / groups, Cout], over 1 or 2 spatial axes. */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  const { window, stride, dilation, groups } = geometry("conv", x, w, options);
  const spatial = window.length;
  const extents = x.shape.slice(x.shape.length - spatial - 1, -1);
  const asked = options.padding ?? "valid";
  const padding =
    asked === "same" ? extents.map((n, i) => samePadding(n, window[i]!, stride[i]!, dilation[i]!)) : explicitPadding(asked, spatial);
  return folded(x, spatial, (flat) => emit("conv", [flat, w], { stride, padding, dilation, groups }));
}

/**
 * Transposed convolution of x [..., ...spatial, Cin] with w [...window, Cout / groups, Cin]: the gradient of a convolution in its input.
 * "same" gives extent * stride; otherwise (extent - 1) * stride - padding + dilation * (window - 1) + 1 + outputPadding.
 */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}): Tensor {
  const { window, stride, dilation, groups } = geometry("convTranspose", x, w, options);
  const spatial = window.length;
  const extents = x.shape.slice(x.shape.length - spatial - 1, -1);
  const asked = options.padding ?? "valid";
  const extra = perAxis("convTranspose: outputPadding", options.outputPadding, spatial, 0);
  const output = extents.map((n, i) => {
    if (asked === "same") return n * stride[i]!;
    const [before, after] = explicitPadding(asked, spatial)[i]!;
    return (n - 1) * stride[i]! - before - after + dilation[i]! * (window[i]! - 1) + 1 + extra[i]!;
  });
  const padding =
    asked === "same" ? output.map((n, i) => samePadding(n, window[i]!, stride[i]!, dilation[i]!)) : explicitPadding(asked, spatial);
  const params: ConvParams = { stride, padding, dilation, groups };
  output.forEach((n, i) => {
    if (n < 1 || convExtent(n, window[i]!, stride[i]!, padding[i]!, dilation[i]!) !== extents[i]) {
      throw shapeError(`convTranspose: extent ${extents[i]} with window ${window[i]}, stride ${stride[i]} cannot come from ${n}`);
    }
  });
  const channels = w.shape[spatial]! * groups;
  return folded(x, spatial, (flat) => emit("convInputGrad", [flat, w], { ...params, inputShape: [flat.shape[0]!, ...output, channels] }));
}
