/**
 * What every primitive computes: one total table. A kernel takes the node and its operands' values and fills the result.
 * Plain loops in float64; integers wrap and compare exactly. This table is the definition of right: the reference engine runs it, constant folding uses it, every other engine is compared to it.
 */
import { GmcError } from "../errors.js";
import { drawCounts } from "../random-counts.js";
import { drawKey, fillWords } from "../random.js";
import { sizeOf, stridesOf } from "../shape.js";
import type { NodeOf, Prim } from "../types.js";
import { convFilterGradKernel, convInputGradKernel, convKernel } from "./kernels-conv.js";
import { add, binary, div, mul, select, sub, unary } from "./elementwise.js";
import { fixedPointKernel } from "./kernels-fixed-point.js";
import { nadeGradKernel, nadeKernel } from "./kernels-nade.js";
import { choleskyKernel, matmulKernel, triangularSolveKernel } from "./kernels-linear.js";
import { erf, lgamma, normalQuantile, polygamma, sigmoid, softplus } from "../../../math/special.js";
import { around, copy, whole } from "./strided.js";
import type { Data, Value } from "./value.js";

export type Kernel<P extends Prim> = (node: NodeOf<P>, inputs: readonly Value[], out: Value) => void;

/** NaN if either is, as every engine must. */
const larger = (a: number, b: number): number => Math.max(a, b);
const smaller = (a: number, b: number): number => Math.min(a, b);

function castTo(to: NodeOf<"cast">["params"]["to"], x: number): number {
  switch (to) {
    case "f32":
      return x;
    case "bool":
      return x !== 0 ? 1 : 0;
    case "i32":
      return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), -(2 ** 31)), 2 ** 31 - 1);
    case "u32":
      return Number.isNaN(x) ? 0 : Math.min(Math.max(Math.trunc(x), 0), 2 ** 32 - 1);
  }
}

function source(node: NodeOf<Prim>): never {
  throw new GmcError("GM4906", `${node.prim} has no value of its own`);
}

/** Runs `visit(from, to)` over the positions of a gather or scatter: index list [pre, indices, post] against [pre, size, post]. */
function eachIndexed(
  what: string,
  shape: readonly number[],
  axis: number,
  indices: Value,
  visit: (whole: number, part: number) => void,
): void {
  const [pre, size, post] = around(shape, axis);
  const count = indices.data.length;
  for (let j = 0; j < count; j++) {
    const index = indices.data[j]!;
    if (index < 0 || index >= size) throw new GmcError("GM4907", `${what}: index ${index} lies outside 0..${size - 1}`);
    for (let p = 0; p < pre; p++) {
      for (let q = 0; q < post; q++) visit((p * size + index) * post + q, (p * count + j) * post + q);
    }
  }
}

/** Values to reduce, the reduced ones of each result next to each other. */
function gathered(x: Value, axes: readonly number[]): { data: Data; count: number } {
  const strides = stridesOf(x.shape);
  const kept = [...x.shape.keys()].filter((axis) => !axes.includes(axis));
  const order = [...kept, ...axes];
  const count = sizeOf(axes.map((axis) => x.shape[axis]!));
  if (order.every((axis, i) => axis === i)) return { data: x.data, count };
  const shape = order.map((axis) => x.shape[axis]!);
  const data = x.data.slice();
  copy(shape, { data: x.data, offset: 0, strides: order.map((axis) => strides[axis]!) }, whole(data, shape));
  return { data, count };
}

const clampStart = (index: number, extent: number, size: number): number => Math.min(Math.max(index, 0), extent - size);

export const kernels: { readonly [P in Prim]: Kernel<P> } = {
  input: source,
  state: source,
  constant: ({ params }, _inputs, out) => {
    if (params.values.length === 1) out.data.fill(params.values[0]!);
    else out.data.set(params.values);
  },
  iota: ({ params }, _inputs, out) => {
    const [pre, n, post] = around(out.shape, params.axis);
    for (let i = 0; i < pre * n * post; i++) out.data[i] = Math.floor(i / post) % n;
  },
  random: ({ params }, [rng, iteration], out) => {
    const words = params.kind === "bits" ? (out.data as Uint32Array) : new Uint32Array(out.data.length);
    const key = drawKey(rng!.data, { site: params.site, stage: params.stage, iteration: iteration?.data[0] });
    fillWords(words, out.shape, params.rowAxis, rng!.data[3]!, key);
    if (params.kind === "uniform") for (let i = 0; i < words.length; i++) out.data[i] = (words[i]! >>> 8) * 2 ** -24;
    if (params.kind === "normal") for (let i = 0; i < words.length; i++) out.data[i] = normalQuantile(((words[i]! >>> 8) + 0.5) * 2 ** -24);
  },
  randomCounts: ({ params }, [probs, total, rng, iteration], out) => {
    const key = drawKey(rng!.data, { site: params.site, stage: params.stage, iteration: iteration?.data[0] });
    const given = { probs: probs!.data, totals: total!.data };
    drawCounts(out.data as Float64Array, given, out.shape, params.rowAxis, rng!.data[3]!, key);
  },

  neg: unary((x) => -x),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  floor: unary(Math.floor),
  exp: unary(Math.exp),
  log: unary(Math.log),
  log1p: unary(Math.log1p),
  expm1: unary(Math.expm1),
  sqrt: unary(Math.sqrt),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  tanh: unary(Math.tanh),
  sigmoid: unary(sigmoid),
  softplus: unary(softplus),
  erf: unary(erf),
  lgamma: unary(lgamma),
  polygamma: ({ params }, [x], out) => {
    for (let i = 0; i < out.data.length; i++) out.data[i] = polygamma(params.order, x!.data[i]!);
  },
  add,
  sub,
  mul,
  div,
  // JavaScript gives NaN for 1 ** NaN and (±1) ** ±Infinity, where IEEE 754 gives 1.
  pow: binary((a, b) => (a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b)),
  max: binary(larger),
  min: binary(smaller),
  lt: binary((a, b) => (a < b ? 1 : 0)),
  le: binary((a, b) => (a <= b ? 1 : 0)),
  eq: binary((a, b) => (a === b ? 1 : 0)),
  and: binary((a, b) => a & b),
  or: binary((a, b) => a | b),
  not: unary((x) => 1 - x),
  select,
  cast: ({ params }, [x], out) => {
    for (let i = 0; i < out.data.length; i++) out.data[i] = castTo(params.to, x!.data[i]!);
  },
  stopGradient: (_node, [x], out) => out.data.set(x!.data),

  reshape: (_node, [x], out) => out.data.set(x!.data),
  transpose: ({ params }, [x], out) => {
    const strides = stridesOf(x!.shape);
    copy(out.shape, { data: x!.data, offset: 0, strides: params.perm.map((axis) => strides[axis]!) }, whole(out.data, out.shape));
  },
  broadcast: (_node, [x], out) => {
    const offset = out.shape.length - x!.shape.length;
    const strides = stridesOf(x!.shape);
    const stretched = out.shape.map((_, i) => (i < offset || x!.shape[i - offset] === 1 ? 0 : strides[i - offset]!));
    copy(out.shape, { data: x!.data, offset: 0, strides: stretched }, whole(out.data, out.shape));
  },
  slice: ({ params }, [x], out) => {
    const strides = stridesOf(x!.shape);
    const offset = params.start.reduce((sum, start, i) => sum + start * strides[i]!, 0);
    copy(out.shape, { data: x!.data, offset, strides: strides.map((s, i) => s * params.stride[i]!) }, whole(out.data, out.shape));
  },
  pad: ({ params }, [x], out) => {
    const strides = stridesOf(out.shape);
    const offset = params.low.reduce((sum, low, i) => sum + low * strides[i]!, 0);
    copy(x!.shape, whole(x!.data, x!.shape), { data: out.data, offset, strides: strides.map((s, i) => s * (params.inside[i]! + 1)) });
  },
  concat: ({ params }, inputs, out) => {
    const strides = stridesOf(out.shape);
    let start = 0;
    for (const x of inputs) {
      copy(x.shape, whole(x.data, x.shape), { data: out.data, offset: start * strides[params.axis]!, strides });
      start += x.shape[params.axis]!;
    }
  },
  reverse: ({ params }, [x], out) => {
    const strides = stridesOf(x!.shape);
    const offset = params.axes.reduce((sum, axis) => sum + (x!.shape[axis]! - 1) * strides[axis]!, 0);
    const flipped = strides.map((s, axis) => (params.axes.includes(axis) ? -s : s));
    copy(out.shape, { data: x!.data, offset, strides: flipped }, whole(out.data, out.shape));
  },
  gather: ({ params }, [x, indices], out) => {
    eachIndexed("gather", x!.shape, params.axis, indices!, (from, to) => {
      out.data[to] = x!.data[from]!;
    });
  },
  scatterAdd: ({ params }, [updates, indices], out) => {
    eachIndexed("scatterAdd", out.shape, params.axis, indices!, (to, from) => {
      out.data[to] = out.data[to]! + updates!.data[from]!;
    });
  },
  dynamicSlice: ({ params }, [x, index], out) => {
    const strides = stridesOf(x!.shape);
    const start = clampStart(index!.data[0]!, x!.shape[params.axis]!, params.size);
    copy(out.shape, { data: x!.data, offset: start * strides[params.axis]!, strides }, whole(out.data, out.shape));
  },
  dynamicUpdateSlice: ({ params }, [x, update, index], out) => {
    out.data.set(x!.data);
    const strides = stridesOf(out.shape);
    const start = clampStart(index!.data[0]!, out.shape[params.axis]!, update!.shape[params.axis]!);
    copy(update!.shape, whole(update!.data, update!.shape), { data: out.data, offset: start * strides[params.axis]!, strides });
  },

  reduceSum: ({ params }, [x], out) => {
    const { data, count } = gathered(x!, params.axes);
    for (let i = 0; i < out.data.length; i++) {
      let total = 0;
      for (let j = 0; j < count; j++) total += data[i * count + j]!;
      out.data[i] = total;
    }
  },
  reduceMax: ({ params }, [x], out) => {
    const { data, count } = gathered(x!, params.axes);
    for (let i = 0; i < out.data.length; i++) {
      let top = data[i * count]!;
      for (let j = 1; j < count; j++) top = larger(top, data[i * count + j]!);
      out.data[i] = top;
    }
  },
  argMax: ({ params }, [x], out) => {
    const { data, count } = gathered(x!, [params.axis]);
    for (let i = 0; i < out.data.length; i++) {
      let best = 0;
      for (let j = 1; j < count; j++) if (data[i * count + j]! > data[i * count + best]!) best = j;
      out.data[i] = best;
    }
  },
  cumsum: ({ params }, [x], out) => {
    const [pre, n, post] = around(out.shape, params.axis);
    for (let p = 0; p < pre; p++) {
      for (let q = 0; q < post; q++) {
        let total = 0;
        for (let j = 0; j < n; j++) {
          const i = (p * n + (params.reverse ? n - 1 - j : j)) * post + q;
          total += x!.data[i]!;
          out.data[i] = total;
        }
      }
    }
  },

  matmul: matmulKernel,
  conv: convKernel,
  convInputGrad: convInputGradKernel,
  convFilterGrad: convFilterGradKernel,
  nade: nadeKernel,
  nadeGrad: nadeGradKernel,
  fixedPoint: fixedPointKernel(runKernel),
  cholesky: choleskyKernel,
  triangularSolve: triangularSolveKernel,
};

/** Runs the kernel of one node. */
export function runKernel<P extends Prim>(node: NodeOf<P>, inputs: readonly Value[], out: Value): void {
  const kernel: Kernel<P> = kernels[node.prim];
  kernel(node, inputs, out);
}
