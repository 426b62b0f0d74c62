/** Algebra on what moves values: compositions that merge, moves that do nothing, transpositions taken into matrix products. */
import { broadcastTo, constant } from "../ops/elementwise.js";
import { concat, reshape, reverse, slice, sliceAxis, take, transpose } from "../ops/structure.js";
import { sameShape, sizeOf } from "../shape.js";
import { emit, type Tensor } from "../trace.js";
import type { Prim, PrimParams } from "../types.js";
import { constantValue, made, operand, under } from "./match.js";

export function simplifyStructure(prim: Prim, inputs: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  const x = inputs[0]!;
  switch (prim) {
    case "reshape":
      return reshapeRule(x, params as PrimParams["reshape"]);
    case "transpose":
      return transposeRule(x, params as PrimParams["transpose"]);
    case "broadcast":
      return broadcastRule(x, params as PrimParams["broadcast"]);
    case "slice":
      return sliceRule(x, params as PrimParams["slice"]);
    case "pad": {
      const { low, high, inside } = params as PrimParams["pad"];
      return [...low, ...high, ...inside].every((n) => n === 0) ? x : undefined;
    }
    case "concat":
      return concatRule(inputs, params as PrimParams["concat"]);
    case "reverse": {
      const { axes } = params as PrimParams["reverse"];
      const real = axes.filter((axis) => x.shape[axis] !== 1);
      if (real.length < axes.length) return reverse(x, real);
      const inner = made(x, "reverse");
      if (inner === undefined) return undefined;
      const both = [...axes, ...inner.params.axes];
      return reverse(
        operand(inner, 0),
        both.filter((axis) => both.filter((other) => other === axis).length === 1),
      );
    }
    case "gather": {
      // One entry, known: a slice.
      const index = inputs[1]!.shape.length === 0 ? constantValue(inputs[1]) : undefined;
      const { axis } = params as PrimParams["gather"];
      if (index === undefined || index < 0 || index >= x.shape[axis]!) return undefined;
      return reshape(
        sliceAxis(x, axis, index, index + 1),
        x.shape.filter((_, i) => i !== axis),
      );
    }
    case "scatterAdd": {
      const { axis, size } = params as PrimParams["scatterAdd"];
      const order = inverseOrder(inputs[1]!, size);
      return order && take(x, constant(order, [size], "i32"), axis);
    }
    case "dynamicSlice": {
      const { axis, size } = params as PrimParams["dynamicSlice"];
      const index = constantValue(inputs[1]);
      if (index === undefined) return undefined;
      const start = Math.min(Math.max(index, 0), x.shape[axis]! - size);
      return sliceAxis(x, axis, start, start + size);
    }
    case "matmul":
      return matmulRule(x, inputs[1]!, params as PrimParams["matmul"]);
    default:
      return undefined;
  }
}

/** Of known indices that name each of 0..size - 1 once: where each stands. Adding by them scatters nothing twice, so it is a gather. */
function inverseOrder(indices: Tensor, size: number): number[] | undefined {
  const known = made(indices, "constant");
  if (known === undefined || indices.shape.length !== 1 || known.params.values.length !== size) return undefined;
  const order = new Array<number>(size).fill(-1);
  known.params.values.forEach((to, from) => (order[to] = from));
  return order.includes(-1) ? undefined : order;
}

/** The only value of what is stretched from one element, as a scalar. */
function stretchedScalar(t: Tensor): Tensor | undefined {
  const inner = under(t, "broadcast");
  return inner !== undefined && sizeOf(inner.shape) === 1 ? reshape(inner, []) : undefined;
}

function reshapeRule(x: Tensor, { shape }: PrimParams["reshape"]): Tensor | undefined {
  if (sameShape(x.shape, shape)) return x;
  const inner = under(x, "reshape");
  if (inner !== undefined) return reshape(inner, shape);
  const value = stretchedScalar(x);
  return value === undefined ? undefined : broadcastTo(value, shape);
}

function transposeRule(x: Tensor, { perm }: PrimParams["transpose"]): Tensor | undefined {
  const rank = perm.length;
  if (perm.every((p, i) => p === i)) return x;
  const inner = made(x, "transpose");
  if (inner !== undefined)
    return transpose(
      operand(inner, 0),
      perm.map((p) => inner.params.perm[p]!),
    );
  const moved = perm.filter((p) => x.shape[p] !== 1);
  if (moved.every((p, i) => i === 0 || moved[i - 1]! < p))
    return reshape(
      x,
      perm.map((p) => x.shape[p]!),
    );
  const value = stretchedScalar(x);
  if (value !== undefined)
    return broadcastTo(
      value,
      perm.map((p) => x.shape[p]!),
    );
  const product = made(x, "matmul");
  if (product === undefined || !swapsLastTwo(perm)) return undefined;
  const [a, b] = [operand(product, 0), operand(product, 1)];
  // (A B)^T = B^T A^T; the shared operand cannot come first.
  if (a.shape.length !== rank || b.shape.length !== rank) return undefined;
  return emit("matmul", [b, a], { transposeA: !product.params.transposeB, transposeB: !product.params.transposeA });
}

function swapsLastTwo(perm: readonly number[]): boolean {
  const rank = perm.length;
  return rank >= 2 && perm.every((p, i) => p === (i === rank - 1 ? rank - 2 : i === rank - 2 ? rank - 1 : i));
}

function broadcastRule(x: Tensor, { shape }: PrimParams["broadcast"]): Tensor | undefined {
  if (sameShape(x.shape, shape)) return x;
  const inner = under(x, "broadcast");
  if (inner !== undefined) return broadcastTo(inner, shape);
  // One element needs no axes; leading ones need not be there.
  if (sizeOf(x.shape) === 1 && x.shape.length > 0) return broadcastTo(reshape(x, []), shape);
  const leading = x.shape.findIndex((n) => n !== 1);
  return leading > 0 ? broadcastTo(reshape(x, x.shape.slice(leading)), shape) : undefined;
}

function sliceRule(x: Tensor, { start, stop, stride }: PrimParams["slice"]): Tensor | undefined {
  if (x.shape.every((extent, i) => start[i] === 0 && stop[i] === extent && stride[i] === 1)) return x;
  const value = stretchedScalar(x);
  if (value !== undefined)
    return broadcastTo(
      value,
      x.shape.map((_, i) => Math.ceil((stop[i]! - start[i]!) / stride[i]!)),
    );
  const inner = made(x, "slice");
  if (inner !== undefined) {
    const { start: from, stride: step } = inner.params;
    const count = x.shape.map((_, i) => Math.ceil((stop[i]! - start[i]!) / stride[i]!));
    const first = from.map((f, i) => f + start[i]! * step[i]!);
    const both = step.map((s, i) => s * stride[i]!);
    const last = first.map((f, i) => (count[i] === 0 ? f : f + (count[i]! - 1) * both[i]! + 1));
    return slice(operand(inner, 0), first, last, both);
  }
  return sliceOfConcat(x, { start, stop, stride });
}

/** A slice that lies in one of the joined parts is a slice of that part. */
function sliceOfConcat(x: Tensor, { start, stop, stride }: PrimParams["slice"]): Tensor | undefined {
  const joined = made(x, "concat");
  if (joined === undefined) return undefined;
  const { axis } = joined.params;
  let from = 0;
  for (const [i] of joined.inputs.entries()) {
    const part = operand(joined, i);
    const to = from + part.shape[axis]!;
    if (start[axis]! >= from && stop[axis]! <= to && stop[axis]! > start[axis]!) {
      const shift = (list: readonly number[]): number[] => list.map((n, j) => (j === axis ? n - from : n));
      return slice(part, shift(start), shift(stop), stride);
    }
    from = to;
  }
  return undefined;
}

function concatRule(inputs: readonly Tensor[], { axis }: PrimParams["concat"]): Tensor | undefined {
  if (inputs.length === 1) return inputs[0];
  const real = inputs.filter((t) => t.shape[axis] !== 0);
  if (real.length > 0 && real.length < inputs.length) return concat(real, axis);
  // Parts that follow each other in one tensor are one slice of it.
  const parts = inputs.map((t) => made(t, "slice"));
  const first = parts[0];
  if (first === undefined) return undefined;
  let end = first.params.start[axis]!;
  for (const part of parts) {
    if (part === undefined || part.inputs[0] !== first.inputs[0] || part.params.start[axis] !== end || part.params.stride[axis] !== 1)
      return undefined;
    const fits = part.params.start.every(
      (n, i) =>
        i === axis ||
        (n === first.params.start[i] && part.params.stop[i] === first.params.stop[i] && part.params.stride[i] === first.params.stride[i]),
    );
    if (!fits) return undefined;
    end = part.params.stop[axis]!;
  }
  const stop = first.params.stop.map((n, i) => (i === axis ? end : n));
  return slice(operand(first, 0), first.params.start, stop, first.params.stride);
}

function matmulRule(a: Tensor, b: Tensor, { transposeA, transposeB }: PrimParams["matmul"]): Tensor | undefined {
  const [ta, tb] = [made(a, "transpose"), made(b, "transpose")];
  if (ta !== undefined && swapsLastTwo(ta.params.perm)) return emit("matmul", [operand(ta, 0), b], { transposeA: !transposeA, transposeB });
  if (tb !== undefined && swapsLastTwo(tb.params.perm)) return emit("matmul", [a, operand(tb, 0)], { transposeA, transposeB: !transposeB });
  return undefined;
}
