/** Moving, joining and reducing. Integers move on the host; what a run decides (an index) is read there and becomes bounds of a kernel. */
import { GmcError } from "../../graph/errors.js";
import { sizeOf } from "../../graph/shape.js";
import type { Prim, Shape } from "../../graph/types.js";
import type { Cell } from "./cell.js";
import type { Device } from "./device.js";
import { only, type Placed, type Rule } from "./lowering.js";
import type { TfTensor } from "./module.js";

const transpose: Rule<"transpose"> = {
  lower: (d, node, [x]) => d.run("Transpose", { x: x!.tensor() }, { perm: node.params.perm }),
  takes: only("f32", "bool"),
};

const slice: Rule<"slice"> = {
  lower: (d, node, [x]) => {
    const { start, stop, stride } = node.params;
    const cut = d.stridedSlice(x!.tensor(), start, stop, stride);
    return cut === x!.tensor() ? d.unary("Identity", cut) : cut;
  },
};

/** `gap` zeros between neighbours along `axis`: zeros at the end of a new inner axis, of which the last are cut off again. */
export function spread(d: Device, x: TfTensor, axis: number, gap: number): TfTensor {
  const extent = x.shape[axis]!;
  if (gap === 0 || extent < 2) return x;
  // three axes, whatever there are
  const [pre, post] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1))];
  const wide = d.pad(d.reshape(x, [pre * extent, 1, post]), [
    [0, 0],
    [0, gap],
    [0, 0],
  ]);
  const whole = d.reshape(wide, [pre, extent * (gap + 1), post]);
  const reached = extent * (gap + 1) - gap;
  return d.reshape(d.slice(whole, [0, 0, 0], [pre, reached, post]), [...x.shape.slice(0, axis), reached, ...x.shape.slice(axis + 1)]);
}

const pad: Rule<"pad"> = {
  lower: (d, node, [x]) => {
    const { low, high, inside } = node.params;
    const apart = inside.reduce((whole, gap, axis) => spread(d, whole, axis, gap), x!.tensor());
    const padded = d.pad(
      apart,
      low.map((before, axis) => [before, high[axis]!] as const),
    );
    return padded === x!.tensor() ? d.unary("Identity", padded) : padded;
  },
};

const concat: Rule<"concat"> = {
  lower: (d, node, operands) =>
    d.run(
      "Concat",
      operands.map((x) => x.tensor()),
      { axis: node.params.axis },
    ),
};

const reverse: Rule<"reverse"> = { lower: (d, node, [x]) => d.run("Reverse", { x: x!.tensor() }, { dims: node.params.axes }) };

const gather: Rule<"gather"> = {
  lower: (d, node, [x, indices]) => {
    const { axis } = node.params;
    const extent = x!.shape[axis]!;
    for (const index of indices!.numbers())
      if (index < 0 || index >= extent) throw new GmcError("GM4907", `gather: index ${index} lies outside 0..${extent - 1}`);
    const list = d.reshape(indices!.tensor(), [sizeOf(indices!.shape)]);
    return d.reshape(d.run("GatherV2", { x: x!.tensor(), indices: list }, { axis, batchDims: 0 }), node.shape);
  },
  takes: ([x, indices]) => x === "f32" && indices === "i32",
};

/** A runtime start, brought into the axis as the primitive says. */
function startOf(index: Cell, last: number): number {
  return Math.min(Math.max(index.numbers()[0]!, 0), last);
}

const at = (shape: Shape, axis: number, value: number): number[] => shape.map((_, i) => (i === axis ? value : 0));
const sized = (shape: Shape, axis: number, value: number): number[] => shape.map((extent, i) => (i === axis ? value : extent));

const dynamicSlice: Rule<"dynamicSlice"> = {
  lower: (d, node, [x, index]) => {
    const { axis, size } = node.params;
    const start = startOf(index!, x!.shape[axis]! - size);
    return d.run("Slice", { x: x!.tensor() }, { begin: at(node.shape, axis, start), size: node.shape });
  },
  takes: ([x, index]) => x === "f32" && index === "i32",
};

const dynamicUpdateSlice: Rule<"dynamicUpdateSlice"> = {
  lower: (d, node, [x, update, index]) => {
    const { axis } = node.params;
    const { shape } = node;
    const [extent, size] = [shape[axis]!, update!.shape[axis]!];
    const start = startOf(index!, extent - size);
    const part = (from: number, length: number): TfTensor[] =>
      length === 0 ? [] : [d.run("Slice", { x: x!.tensor() }, { begin: at(shape, axis, from), size: sized(shape, axis, length) })];
    const parts = [...part(0, start), update!.tensor(), ...part(start + size, extent - start - size)];
    return parts.length === 1 ? d.unary("Identity", update!.tensor()) : d.run("Concat", parts, { axis });
  },
  takes: ([x, update, index]) => x === "f32" && update === "f32" && index === "i32",
};

/** So many numbers are added up one after the other at most, where a kernel does that: n of them lose up to n / 2 times what one addition does. */
const PIECE = 256;

/** A sum over an axis by its pieces, and over these by theirs. */
function sumInPieces(d: Device, x: TfTensor, axis: number): TfTensor {
  const extent = x.shape[axis]!;
  if (extent <= PIECE) return d.run("Sum", { x }, { axis: [axis], keepDims: false });
  let size = PIECE;
  while (extent % size !== 0 && size > PIECE / 8) size--;
  if (extent % size !== 0) size = PIECE;
  const pieces = Math.ceil(extent / size);
  const whole = d.pad(
    x,
    x.shape.map((_, i) => [0, i === axis ? pieces * size - extent : 0] as const),
  );
  const apart = d.reshape(whole, [...x.shape.slice(0, axis), pieces, size, ...x.shape.slice(axis + 1)]);
  return sumInPieces(d, d.run("Sum", { x: apart }, { axis: [axis + 1], keepDims: false }), axis);
}

const reduceSum: Rule<"reduceSum"> = {
  lower: (d, node, [x]) => {
    const { axes } = node.params;
    const whole = x!.tensor();
    if (axes.length === 0) return d.unary("Identity", whole);
    const count = sizeOf(axes.map((axis) => whole.shape[axis]!));
    if (count <= PIECE || d.exact("Sum") || node.dtype !== "f32") return d.run("Sum", { x: whole }, { axis: axes, keepDims: false });
    return [...axes].sort((a, b) => b - a).reduce((left, axis) => sumInPieces(d, left, axis), whole);
  },
  takes: ([x]) => x === "f32" || x === "i32",
};

const reduceMax: Rule<"reduceMax"> = {
  lower: (d, node, [x]) =>
    node.params.axes.length === 0
      ? d.unary("Identity", x!.tensor())
      : d.run("Max", { x: x!.tensor() }, { reductionIndices: node.params.axes, keepDims: false }),
};

const argMax: Rule<"argMax"> = {
  lower: (d, node, [x]) => d.run("ArgMax", { x: x!.tensor() }, { axis: node.params.axis }),
  takes: ([x]) => x === "f32",
};

const cumsum: Rule<"cumsum"> = {
  lower: (d, node, [x]) => d.run("Cumsum", { x: x!.tensor() }, { axis: node.params.axis, exclusive: false, reverse: node.params.reverse }),
};

export const structure = {
  transpose,
  slice,
  pad,
  concat,
  reverse,
  gather,
  scatterAdd: "host",
  dynamicSlice,
  dynamicUpdateSlice,
  reduceSum,
  reduceMax,
  argMax,
  cumsum,
} satisfies { readonly [P in Prim]?: Placed<P> };
