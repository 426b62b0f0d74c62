/**
 * The rule of each primitive for its part at one unit, one total table: null where it has none, and is computed in full. `follow` says where units
 * go, `reads` at which offsets operands are read, `emit` how the part is computed.
 */
import * as g from "../ops.js";
import { sizeOf } from "../shape.js";
import { emit, type Tensor } from "../trace.js";
import type { NodeOf, Prim, Shape } from "../types.js";
import type { Operand, UnitRule, Units } from "./unit.js";

const units = (axis: number, block = 1): Units => ({ kind: "units", axis, block });
const unitsOf = (operand: Operand | undefined): Units | undefined => (operand?.kind.kind === "units" ? operand.kind : undefined);
const isFixed = (operand: Operand | undefined): boolean => operand?.kind.kind === "fixed";
const replaced = (shape: Shape, axis: number, extent: number): number[] => shape.map((n, i) => (i === axis ? extent : n));

/** Entry by entry: all operands at the same unit. */
const elementwise: UnitRule<Prim> = {
  follow: (_node, operands) => {
    const found = operands.flatMap((operand) => unitsOf(operand) ?? []);
    return found.every((u) => u.axis === found[0]!.axis && u.block === found[0]!.block) ? found[0] : undefined;
  },
  emit: (node, parts, operands, own, offset) =>
    emit(
      node.prim,
      operands.map((operand, i) => (operand.shape.length === 0 ? parts.whole(i) : parts.part(i, offset, own))),
      node.params,
    ),
};

/** Entries keep their order, so an axis of units is one again where as much lies before it. */
const reshape: UnitRule<"reshape"> = {
  moves: true,
  follow: ({ shape }, [x]) => {
    const from = unitsOf(x)!;
    const before = sizeOf(x!.shape.slice(0, from.axis));
    const count = x!.shape[from.axis]! / from.block;
    const axis = shape.findIndex(
      (extent, i) => sizeOf(shape.slice(0, i)) === before && extent % count === 0 && (extent > 1 || count === 1),
    );
    return axis < 0 ? undefined : units(axis, shape[axis]! / count);
  },
  emit: ({ shape }, parts, _operands, own, offset) => g.reshape(parts.part(0, offset, own), replaced(shape, own.axis, own.block)),
};

const transpose: UnitRule<"transpose"> = {
  moves: true,
  follow: ({ params: { perm } }, [x]) => units(perm.indexOf(unitsOf(x)!.axis), unitsOf(x)!.block),
  emit: ({ params: { perm } }, parts, _operands, own, offset) => g.transpose(parts.part(0, offset, own), perm),
};

const broadcast: UnitRule<"broadcast"> = {
  moves: true,
  follow: ({ shape }, [x]) => {
    const { axis, block } = unitsOf(x)!;
    const moved = axis + shape.length - x!.shape.length;
    return shape[moved] === x!.shape[axis] ? units(moved, block) : undefined;
  },
  emit: ({ shape }, parts, _operands, own, offset) => g.broadcastTo(parts.part(0, offset, own), replaced(shape, own.axis, own.block)),
};

const slice: UnitRule<"slice"> = {
  moves: true,
  follow: ({ params: { start, stop, stride } }, [x]) => {
    const u = unitsOf(x)!;
    return stride[u.axis] === 1 && start[u.axis]! % u.block === 0 && stop[u.axis]! % u.block === 0 ? u : undefined;
  },
  reads: ({ params: { start } }, _i, [x]) => [start[unitsOf(x)!.axis]! / unitsOf(x)!.block],
  emit: ({ params: { start, stop, stride } }, parts, _operands, own, offset) =>
    g.slice(
      parts.part(0, offset + start[own.axis]! / own.block, own),
      replaced(start, own.axis, 0),
      replaced(stop, own.axis, own.block),
      stride,
    ),
};

const pad: UnitRule<"pad"> = {
  moves: true,
  follow: ({ params: { low, high, inside } }, [x]) => {
    const u = unitsOf(x)!;
    return inside[u.axis] === 0 && low[u.axis]! % u.block === 0 && high[u.axis]! % u.block === 0 ? u : undefined;
  },
  reads: ({ params: { low } }, _i, [x]) => [-low[unitsOf(x)!.axis]! / unitsOf(x)!.block],
  emit: ({ params: { low, high, inside } }, parts, _operands, own, offset) =>
    g.pad(parts.padded(0, offset - low[own.axis]! / own.block), replaced(low, own.axis, 0), replaced(high, own.axis, 0), inside),
};

/** Along the units, the part of the operand that the unit lies in; along another axis, all operands at the same unit. */
const concat: UnitRule<"concat"> = {
  moves: true,
  follow: (node, operands) => {
    const own = elementwise.follow(node, operands) as Units | undefined;
    const whole = operands.every(({ shape }) => own !== undefined && shape[own.axis]! % own.block === 0);
    return node.params.axis !== own?.axis || whole ? own : undefined;
  },
  reads: ({ params: { axis } }, i, operands) => {
    const own = operands.flatMap((operand) => unitsOf(operand) ?? [])[0]!;
    return axis === own.axis ? [-startOf(operands, i, own)] : [0];
  },
  emit: ({ params: { axis } }, parts, operands, own, offset) => {
    if (axis !== own.axis)
      return g.concat(
        operands.map((_, i) => parts.part(i, offset, own)),
        axis,
      );
    const piece = (i: number): Tensor => parts.part(i, offset - startOf(operands, i, own), own);
    return operands.reduceRight<Tensor | undefined>(
      (rest, _, i) => (rest === undefined ? piece(i) : g.select(parts.before(offset, startOf(operands, i + 1, own)), piece(i), rest)),
      undefined,
    )!;
  },
};

/** Units of the result before operand i. */
function startOf(operands: readonly Operand[], i: number, { axis, block }: Units): number {
  return operands.slice(0, i).reduce((total, { shape }) => total + shape[axis]! / block, 0);
}

function reduction<P extends "reduceSum" | "reduceMax">(sums: boolean): UnitRule<P> {
  return {
    follow: ({ params: { axes } }, [x]) => {
      const { axis, block } = unitsOf(x)!;
      return axes.includes(axis) ? (sums ? "sum" : undefined) : units(axis - axes.filter((a) => a < axis).length, block);
    },
    emit: ({ prim, params }, parts, [x], _own, offset) => emit(prim, [parts.part(0, offset, unitsOf(x)!)], params),
  };
}

const argMax: UnitRule<"argMax"> = {
  follow: ({ params: { axis: over } }, [x]) => {
    const { axis, block } = unitsOf(x)!;
    return over === axis ? undefined : units(axis - (over < axis ? 1 : 0), block);
  },
  emit: ({ params }, parts, [x], _own, offset) => emit("argMax", [parts.part(0, offset, unitsOf(x)!)], params),
};

/** Along the units a running sum, which the emitter carries: the rule gives what a unit adds. */
const cumsum: UnitRule<"cumsum"> = {
  follow: ({ params: { axis, reverse } }, [x]) =>
    axis === unitsOf(x)!.axis && (reverse || unitsOf(x)!.block > 1) ? undefined : unitsOf(x),
  emit: ({ params: { axis, reverse } }, parts, _operands, own, offset) =>
    axis === own.axis ? parts.padded(0, offset) : g.cumsum(parts.part(0, offset, own), axis, reverse),
};

const reverse: UnitRule<"reverse"> = {
  moves: true,
  follow: ({ params: { axes } }, [x]) => (axes.includes(unitsOf(x)!.axis) ? undefined : unitsOf(x)),
  emit: ({ params: { axes } }, parts, _operands, own, offset) => g.reverse(parts.part(0, offset, own), axes),
};

/** Entries of a fixed table at the units' indices, or fixed indices into another axis than that of the units. */
const gather: UnitRule<"gather"> = {
  follow: ({ params: { axis } }, [x, indices]) => {
    const [own, at] = [unitsOf(x), unitsOf(indices)];
    if (own === undefined) return isFixed(x) && at !== undefined ? units(axis + at.axis, at.block) : undefined;
    if (!isFixed(indices) || own.axis === axis) return undefined;
    return own.axis < axis ? own : units(own.axis + indices!.shape.length - 1, own.block);
  },
  emit: ({ params: { axis } }, parts, [x, indices], _own, offset) => {
    const own = unitsOf(x);
    return own === undefined
      ? g.take(parts.whole(0), parts.part(1, offset, unitsOf(indices)!), axis)
      : g.take(parts.part(0, offset, own), parts.whole(1), axis);
  },
};

/** The axis of a matmul's operand over which it sums: of a the last, of b the last but one, unless it is read transposed. */
export function innerAxis({ params }: NodeOf<"matmul">, i: number, rank: number): number {
  const last = i === 0 ? !params.transposeA : params.transposeB;
  return last ? rank - 1 : rank - 2;
}

/** Rows of a, columns of b, or an axis of the batch run along the units; a sum over them is a running one. */
const matmul: UnitRule<"matmul"> = {
  follow: (node, operands) => {
    const [a, b] = operands as [Operand, Operand];
    const [ua, ub] = [unitsOf(a), unitsOf(b)];
    const rank = a.shape.length;
    if (ua !== undefined && ub !== undefined)
      return ua.axis === ub.axis && ua.block === ub.block && ua.axis < rank - 2 && b.shape.length === rank ? ua : undefined;
    const [i, own, other] = ua === undefined ? [1, ub!, a] : [0, ua, b];
    const ownRank = operands[i]!.shape.length;
    if (own.axis === innerAxis(node, i, ownRank)) return isFixed(other) ? "sum" : undefined;
    if (own.axis < ownRank - 2) return own;
    return units(i === 0 ? rank - 2 : rank - 1, own.block);
  },
  emit: (node, parts, operands, own, offset) => {
    const rank = operands[0]!.shape.length;
    const batch = own.axis < rank - 2;
    const [a, b] = operands.map((operand, i) =>
      unitsOf(operand) !== undefined || (batch && operand.shape.length === rank)
        ? parts.part(i, offset, unitsOf(operand) ?? own)
        : parts.whole(i),
    );
    return emit("matmul", [a!, b!], node.params);
  },
};

/** The window's taps along the units are read one by one; those in the zeros around are zeros. */
const conv: UnitRule<"conv"> = {
  follow: ({ params: { stride } }, [x, w]) => {
    const own = unitsOf(x);
    return own?.axis === 1 && own.block === 1 && isFixed(w) && stride[0] === 1 ? units(1) : undefined;
  },
  reads: ({ params: { padding, dilation } }, _i, [, w]) =>
    Array.from({ length: w!.shape[0]! }, (_, k) => k * dilation[0]! - padding[0]![0]),
  emit: ({ params }, parts, [, w], _own, offset) => {
    const { padding, dilation, groups } = params;
    const taps = Array.from({ length: w!.shape[0]! }, (_, k) => parts.padded(0, offset + k * dilation[0]! - padding[0]![0]));
    const spatial = w!.shape.length - 2;
    if (spatial === 1 && groups === 1) {
      // one product over taps and channels costs less than a convolution of one position
      const kernel = parts.once(1, "rows", (k) => g.reshape(k, [-1, k.shape[2]!]));
      return g.matmul(g.concat(taps, 2), kernel);
    }
    const window = g.concat(taps, 1);
    return emit("conv", [window, parts.whole(1)], {
      ...params,
      padding: params.padding.map((p, i) => (i === 0 ? [0, 0] : p)),
      dilation: params.dilation.map((d, i) => (i === 0 ? 1 : d)),
    });
  },
};

/** Factors and solutions of matrices along the batch. */
const matrices: UnitRule<"cholesky" | "triangularSolve"> = {
  follow: (node, operands) => {
    const own = elementwise.follow(node, operands) as Units | undefined;
    return own !== undefined && own.axis < node.shape.length - 2 ? own : undefined;
  },
  emit: elementwise.emit as UnitRule<"cholesky" | "triangularSolve">["emit"],
};

const unitRules: { readonly [P in Prim]: UnitRule<P> | null } = {
  // sources have no operands: they are fixed, but for the variable itself
  input: null,
  state: null,
  constant: null,
  iota: null,
  random: null,
  // a draw numbers its entries over the whole value
  randomCounts: null,

  neg: elementwise,
  abs: elementwise,
  sign: elementwise,
  floor: elementwise,
  exp: elementwise,
  log: elementwise,
  log1p: elementwise,
  expm1: elementwise,
  sqrt: elementwise,
  sin: elementwise,
  cos: elementwise,
  tanh: elementwise,
  sigmoid: elementwise,
  softplus: elementwise,
  erf: elementwise,
  lgamma: elementwise,
  polygamma: elementwise,
  add: elementwise,
  sub: elementwise,
  mul: elementwise,
  div: elementwise,
  pow: elementwise,
  max: elementwise,
  min: elementwise,
  lt: elementwise,
  le: elementwise,
  eq: elementwise,
  and: elementwise,
  or: elementwise,
  not: elementwise,
  select: elementwise,
  cast: elementwise,
  stopGradient: elementwise,

  reshape,
  transpose,
  broadcast,
  slice,
  pad,
  concat,
  reverse,
  gather,
  scatterAdd: null,
  dynamicSlice: null,
  dynamicUpdateSlice: null,

  reduceSum: reduction<"reduceSum">(true),
  reduceMax: reduction<"reduceMax">(false),
  argMax,
  cumsum,

  matmul,
  conv,
  convInputGrad: null,
  convFilterGrad: null,
  nade: null,
  nadeGrad: null,
  fixedPoint: null,
  cholesky: matrices,
  triangularSolve: matrices,
};

/** The rule of a node, without its type. */
export function ruleOf(node: { readonly prim: Prim }): UnitRule<Prim> | null {
  return unitRules[node.prim] as UnitRule<Prim> | null;
}
