/** ONNX forms of the primitives that move and cut, and of reductions. Where a value is stretched lazily, only its real extents are worked on. */
import { sameShape, sizeOf } from "../../graph/shape.js";
import type { NodeOf, Prim, Shape } from "../../graph/types.js";
import { full, int, ints, padded, type ModelBuilder, type Value } from "./builder.js";
import type { Lowering, LoweringContext } from "./lowering.js";
import { elementType } from "./proto.js";

/** The first operand at the full shape of its node. */
function whole(c: LoweringContext, node: NodeOf<Prim>, operands: readonly Value[], i = 0): string {
  return full(c.b, operands[i]!, c.node(node.inputs[i]!).shape);
}

function reshaped(b: ModelBuilder, x: string, shape: Shape): string {
  // 0 would copy the operand's extent
  return b.op("Reshape", [x, b.i64(shape)], shape.includes(0) ? { allowzero: int(1) } : {});
}

const reshape: Lowering<"reshape"> = (c, node, operands) => {
  if (operands[0]!.shape.length === 0) return operands[0]!;
  const from = c.node(node.inputs[0]!).shape;
  const x = whole(c, node, operands);
  return { name: sameShape(from, node.shape) ? x : reshaped(c.b, x, node.shape), shape: node.shape };
};

const transpose: Lowering<"transpose"> = (c, node, operands) => {
  if (operands[0]!.shape.length === 0) return operands[0]!;
  const x = whole(c, node, operands);
  const from = c.node(node.inputs[0]!).shape;
  const moved = node.params.perm.filter((axis) => from[axis] !== 1);
  const inOrder = moved.every((axis, i) => i === 0 || moved[i - 1]! < axis);
  return { name: inOrder ? reshaped(c.b, x, node.shape) : c.b.op("Transpose", [x], { perm: ints(node.params.perm) }), shape: node.shape };
};

/** Slice along the axes that the value really has. */
function cut(
  c: LoweringContext,
  node: NodeOf<"slice"> | NodeOf<"reverse">,
  [x]: readonly Value[],
  bounds: (axis: number) => readonly [start: number, stop: number, step: number],
): Value {
  const logical = c.node(node.inputs[0]!).shape;
  const offset = logical.length - x!.shape.length;
  const axes = [...x!.shape.keys()].filter((i) => {
    const [start, stop, step] = bounds(i + offset);
    return x!.shape[i] === logical[i + offset] && !(start === 0 && stop === logical[i + offset] && step === 1);
  });
  if (axes.length === 0) return x!;
  const list = axes.map((i) => bounds(i + offset));
  const column = (k: 0 | 1 | 2): string => c.b.i64(list.map((bound) => bound[k]));
  const name = c.b.op("Slice", [x!.name, column(0), column(1), c.b.i64(axes), column(2)]);
  return { name, shape: x!.shape.map((extent, i) => (axes.includes(i) ? node.shape[i + offset]! : extent)) };
}

const slice: Lowering<"slice"> = (c, node, operands) => {
  const { start, stop, stride } = node.params;
  return cut(c, node, operands, (axis) => [start[axis]!, stop[axis]!, stride[axis]!]);
};

const reverse: Lowering<"reverse"> = (c, node, operands) =>
  cut(c, node, operands, (axis) => {
    const extent = node.shape[axis]!;
    // the bound before the first entry, which a plain -1 does not name
    return node.params.axes.includes(axis) ? [extent - 1, -extent - 1, -1] : [0, extent, 1];
  });

/** Padding between neighbours is padding at the end of a new inner axis, of which the last is cut off again. */
const pad: Lowering<"pad"> = (c, node, operands) => {
  const { low, high, inside } = node.params;
  const zero = c.b.literal(node.dtype, [0], []);
  let x = whole(c, node, operands);
  const shape = [...c.node(node.inputs[0]!).shape];
  inside.forEach((gap, axis) => {
    const extent = shape[axis]!;
    if (gap === 0 || extent < 2) return;
    const split = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
    const ends = new Array<number>(2 * split.length).fill(0);
    ends[split.length + axis + 1] = gap;
    const spread = c.b.op("Pad", [reshaped(c.b, x, split), c.b.i64(ends), zero]);
    shape[axis] = extent * (gap + 1);
    const joined = reshaped(c.b, spread, shape);
    shape[axis] = extent * (gap + 1) - gap;
    x = c.b.op("Slice", [joined, c.b.i64([0]), c.b.i64([shape[axis]!]), c.b.i64([axis])]);
  });
  const outer = [...low, ...high];
  return { name: outer.every((n) => n === 0) ? x : c.b.op("Pad", [x, c.b.i64(outer), zero]), shape: node.shape };
};

const concat: Lowering<"concat"> = (c, node, operands) => ({
  name: c.b.op(
    "Concat",
    operands.map((_, i) => whole(c, node, operands, i)),
    { axis: int(node.params.axis) },
  ),
  shape: node.shape,
});

const gather: Lowering<"gather"> = (c, node, operands) => ({
  name: c.b.op("Gather", [whole(c, node, operands, 0), whole(c, node, operands, 1)], { axis: int(node.params.axis) }),
  shape: node.shape,
});

/** A runtime start along an axis as an i64 vector, brought into 0..last. */
function startOf(c: LoweringContext, index: Value, last: number): string {
  const inside = c.b.op("Min", [c.b.op("Max", [index.name, c.b.literal("i32", [0], [])]), c.b.literal("i32", [last], [])]);
  return c.b.op("Cast", [reshaped(c.b, inside, [1])], { to: int(elementType.i64) });
}

const dynamicSlice: Lowering<"dynamicSlice"> = (c, node, operands) => {
  const { axis, size } = node.params;
  const start = startOf(c, operands[1]!, c.node(node.inputs[0]!).shape[axis]! - size);
  const stop = c.b.op("Add", [start, c.b.i64([size])]);
  const part = c.b.op("Slice", [whole(c, node, operands), start, stop, c.b.i64([axis])]);
  // says the extents, which ONNX cannot infer from bounds at run time
  return { name: reshaped(c.b, part, node.shape), shape: node.shape };
};

const dynamicUpdateSlice: Lowering<"dynamicUpdateSlice"> = (c, node, operands) => {
  const { axis } = node.params;
  const extent = node.shape[axis]!;
  const size = c.node(node.inputs[1]!).shape[axis]!;
  const x = whole(c, node, operands);
  const start = startOf(c, operands[2]!, extent - size);
  const stop = c.b.op("Add", [start, c.b.i64([size])]);
  const before = c.b.op("Slice", [x, c.b.i64([0]), start, c.b.i64([axis])]);
  const after = c.b.op("Slice", [x, stop, c.b.i64([extent]), c.b.i64([axis])]);
  const joined = c.b.op("Concat", [before, whole(c, node, operands, 1), after], { axis: int(axis) });
  return { name: reshaped(c.b, joined, node.shape), shape: node.shape };
};

/** Splits the axes of a reduction into those that the value has and a factor for those over which it is only stretched. */
export function reduction(logical: Shape, x: Value, axes: readonly number[]): { axes: number[]; factor: number; shape: Shape } {
  const offset = logical.length - x.shape.length;
  const present = axes.map((axis) => axis - offset).filter((axis) => axis >= 0);
  const covered = sizeOf(present.map((axis) => x.shape[axis]!));
  return {
    axes: present,
    factor: sizeOf(axes.map((axis) => logical[axis]!)) / covered,
    shape: x.shape.filter((_, i) => !present.includes(i)),
  };
}

/** A reduction over axes of one value; over none, the value itself. */
export function reduce(b: ModelBuilder, op: string, x: Value, axes: readonly number[]): Value {
  if (axes.length === 0) return x;
  const shape = x.shape.filter((_, i) => !axes.includes(i));
  // over extents of 1 nothing is computed
  if (sizeOf(shape) === sizeOf(x.shape)) return { name: reshaped(b, x.name, shape), shape };
  if (op === "ReduceSum" && sizeOf(axes.map((axis) => x.shape[axis]!)) > LONG) return sumInPieces(b, x, axes);
  const all = axes.length === x.shape.length;
  return { name: b.op(op, all ? [x.name] : [x.name, b.i64(axes)], { keepdims: int(0) }), shape };
}

/** ReduceSum adds in a few float32 lanes, of which each loses up to half the last digit an addition: 645,000 equal numbers come out 0.09 % low. */
const LONG = 32_768;

/** A long sum axis by axis, and over a long axis by its pieces and over these. */
function sumInPieces(b: ModelBuilder, x: Value, axes: readonly number[]): Value {
  const [axis, ...others] = [...axes].sort((p, q) => q - p);
  if (axis === undefined) return x;
  if (others.length > 0) return reduce(b, "ReduceSum", reduce(b, "ReduceSum", x, [axis]), others);
  const extent = x.shape[axis]!;
  const root = Math.floor(Math.sqrt(extent));
  let size = root;
  while (extent % size !== 0 && size > root / 8) size--;
  if (extent % size !== 0) size = root;
  const pieces = Math.ceil(extent / size);
  const rest = pieces * size - extent;
  const whole =
    rest === 0 ? x.name : b.op("Pad", [x.name, b.i64([...x.shape.map(() => 0), ...x.shape.map((_, i) => (i === axis ? rest : 0))])]);
  const shape = [...x.shape.slice(0, axis), pieces, size, ...x.shape.slice(axis + 1)];
  return reduce(b, "ReduceSum", reduce(b, "ReduceSum", { name: reshaped(b, whole, shape), shape }, [axis + 1]), [axis]);
}

/**
 * A sum over the first axes, the gradient of every bias, as a product with a row of ones, which takes a third to a tenth of ReduceSum's time;
 * undefined where it is another sum.
 */
function sumOfRows(b: ModelBuilder, x: Value, axes: readonly number[]): Value | undefined {
  const shape = x.shape.slice(axes.length);
  const [rows, columns] = [sizeOf(x.shape.slice(0, axes.length)), sizeOf(shape)];
  if (axes.some((axis, i) => axis !== i) || rows < 16 || columns < 4) return undefined;
  const matrix = x.shape.length === 2 ? x.name : reshaped(b, x.name, [rows, columns]);
  const ones = b.once("Expand", [b.f32([1]), b.i64([1, rows])]);
  return { name: reshaped(b, b.op("Gemm", [ones, matrix]), shape), shape };
}

const reduceSum: Lowering<"reduceSum"> = (c, node, [x]) => {
  const { axes, factor } = reduction(c.node(node.inputs[0]!).shape, x!, node.params.axes);
  const narrow = node.dtype === "u32" ? c.b.op("Cast", [x!.name], { to: int(elementType.i32) }) : x!.name;
  const type = node.dtype === "u32" ? "i32" : node.dtype;
  const rows = node.dtype === "f32" ? sumOfRows(c.b, x!, axes) : undefined;
  const total = rows ?? reduce(c.b, "ReduceSum", { name: narrow, shape: x!.shape }, axes);
  const scaled = factor === 1 ? total.name : c.b.op("Mul", [total.name, c.b.literal(type, [factor], [])]);
  return { name: node.dtype === "u32" ? c.b.op("Cast", [scaled], { to: int(elementType.u32) }) : scaled, shape: total.shape };
};

/** The operand as a type that onnxruntime compares rightly: it has no u32, and for i64 it looks at the low 32 bits. f64 holds either. */
function comparable(c: LoweringContext, node: NodeOf<"reduceMax"> | NodeOf<"argMax">, x: string): string {
  return c.node(node.inputs[0]!).dtype === "u32" ? c.b.op("Cast", [x], { to: int(elementType.f64) }) : x;
}

const reduceMax: Lowering<"reduceMax"> = (c, node, [x]) => {
  const { axes } = reduction(c.node(node.inputs[0]!).shape, x!, node.params.axes);
  const top = reduce(c.b, "ReduceMax", { name: comparable(c, node, x!.name), shape: x!.shape }, axes);
  if (node.dtype !== "u32") return top;
  const wide = c.b.op("Cast", [top.name], { to: int(elementType.i64) });
  return { name: c.b.op("Cast", [wide], { to: int(elementType.u32) }), shape: top.shape };
};

const argMax: Lowering<"argMax"> = (c, node, operands) => {
  const x = comparable(c, node, whole(c, node, operands));
  const index = c.b.op("ArgMax", [x], { axis: int(node.params.axis), keepdims: int(0), select_last_index: int(0) });
  return { name: c.b.op("Cast", [index], { to: int(elementType.i32) }), shape: node.shape };
};

const cumsum: Lowering<"cumsum"> = (c, node, operands) => {
  const { axis, reverse: backwards } = node.params;
  const x = whole(c, node, operands);
  const narrow = node.dtype === "u32" ? c.b.op("Cast", [x], { to: int(elementType.i32) }) : x;
  const total = c.b.op("CumSum", [narrow, c.b.i64([axis], [])], { reverse: int(backwards ? 1 : 0) });
  return { name: node.dtype === "u32" ? c.b.op("Cast", [total], { to: int(elementType.u32) }) : total, shape: node.shape };
};

/** A literal stays one number, an iota one axis. */
const constant: Lowering<"constant"> = (c, node) => {
  const { values } = node.params;
  const single = values.length === 1;
  return { name: c.b.literal(node.dtype, values, single ? [] : node.shape), shape: single ? [] : node.shape };
};

const iota: Lowering<"iota"> = (c, node) => {
  const shape = padded([node.shape[node.params.axis]!], 1).concat(new Array<number>(node.shape.length - node.params.axis - 1).fill(1));
  return { name: c.b.literal(node.dtype, [...new Array(shape[0]!).keys()], shape), shape };
};

export const structure = {
  constant,
  iota,
  reshape,
  transpose,
  /** stretched where an operator needs it */
  broadcast: (_c: unknown, _node: unknown, [x]: readonly Value[]) => x!,
  slice,
  pad,
  concat,
  reverse,
  gather,
  dynamicSlice,
  dynamicUpdateSlice,
  reduceSum,
  reduceMax,
  argMax,
  cumsum,
} satisfies { readonly [P in Prim]?: Lowering<P> };
