/**
 * The steps of a program that run on the host: draws in WebAssembly, triangular factors and scattered sums in JavaScript.
 * A step takes regions and fills a region.
 */
import { GmcError, InternalError } from "../../graph/errors.js";
import { drawCounts } from "../../graph/random-counts.js";
import { drawKey } from "../../graph/random.js";
import { sizeOf } from "../../graph/shape.js";
import type { NodeOf } from "../../graph/types.js";
import { choleskyKernel, triangularSolveKernel } from "../../graph/semantics/kernels-linear.js";
import { runKernel } from "../../graph/semantics/kernels.js";
import { allocate, valueOf, type Value } from "../../graph/semantics/value.js";
import { nadeGradHost, nadeHost } from "./nade.js";
import type { Arena, Region } from "./memory.js";
import type { TypedArray } from "../engine.js";
import type { HostPrim } from "./plan.js";

export type HostRun = (operands: readonly Region[], out: Region) => void;

export function hostKernel(arena: Arena, node: NodeOf<HostPrim>): HostRun {
  switch (node.prim) {
    case "random":
      return drawKernel(arena, node as NodeOf<"random">);
    case "randomCounts":
      return countsKernel(node as NodeOf<"randomCounts">);
    case "cholesky":
      return inFloat64((inputs, out) => choleskyKernel(node as NodeOf<"cholesky">, inputs, out));
    case "triangularSolve":
      return inFloat64((inputs, out) => triangularSolveKernel(node as NodeOf<"triangularSolve">, inputs, out));
    case "fixedPoint":
      return inFloat64((inputs, out) => runKernel(node as NodeOf<"fixedPoint">, inputs, out));
    case "nade":
      return nadeHost(arena, node as NodeOf<"nade">);
    case "nadeGrad":
      return nadeGradHost(arena, node as NodeOf<"nadeGrad">);
    case "scatterAdd":
      return scatterAddKernel(node as NodeOf<"scatterAdd">);
    default:
      throw new InternalError(`${String(node.prim)} is no host step`);
  }
}

/** Factors and solves in float64, whatever their number: they lose digits, and are small beside the products around them. */
function inFloat64(kernel: (inputs: readonly Value[], out: Value) => void): HostRun {
  return (operands, out) => {
    const result = allocate(out.shape, "f32");
    kernel(
      operands.map((operand) => valueOf(operand.shape, operand.dtype, operand.data())),
      result,
    );
    out.data().set(result.data);
  };
}

/** Words as graph/random.ts lays them out, then the kind asked for. */
function drawKernel(arena: Arena, node: NodeOf<"random">): HostRun {
  const { kind } = node.params;
  const words = wordsKernel(arena, node);
  return (operands, out) => {
    words(operands, out);
    if (kind === "uniform") arena.kernels.uniform(out.address, out.size);
    if (kind === "normal") arena.kernels.normal(out.address, out.size);
  };
}

function countsKernel({ params, shape }: NodeOf<"randomCounts">): HostRun {
  const { site, stage, rowAxis } = params;
  return ([probs, total, rng, iteration], out) => {
    const state = rng!.data();
    const key = drawKey(state, { site, stage, iteration: iteration?.data()[0] });
    drawCounts(out.data() as Float32Array, { probs: probs!.data(), totals: total!.data() }, shape, rowAxis, state[3]!, key);
  };
}

/** 0 and 1 by the uniforms of `node` below p; the operands are those of the draw, then p. */
export function bernoulliKernel(arena: Arena, node: NodeOf<"random">): HostRun {
  const { outer, rows, perRow } = layout(node);
  const key = keyOf(node);
  const words = wordsKernel(arena, node);
  return (operands, out) => {
    const p = operands[operands.length - 1]!;
    if (outer === 1) {
      const [k0, k1, row] = key(operands);
      if (out.size > 0) arena.kernels.bernoulliRows(out.address, p.address, rows, perRow, k0, k1, row);
      return;
    }
    words(operands, out);
    arena.kernels.bernoulli(out.address, p.address, out.size);
  };
}

/** A draw as [outer, rows, perRow / outer]; the elements of a row are numbered over both other axes. */
function layout({ params: { rowAxis }, shape }: NodeOf<"random">): { outer: number; rows: number; perRow: number } {
  if (rowAxis === null) return { outer: 1, rows: 1, perRow: sizeOf(shape) };
  const rows = shape[rowAxis]!;
  return { outer: sizeOf(shape.slice(0, rowAxis)), rows, perRow: rows === 0 ? 0 : sizeOf(shape) / rows };
}

/** The key of a draw and its first row, from the operands rng and iteration. */
function keyOf(node: NodeOf<"random">): (operands: readonly Region[]) => [k0: number, k1: number, row: number] {
  const { site, stage, rowAxis } = node.params;
  const iterated = node.inputs.length > 1;
  return (operands) => {
    const rng = operands[0]!.data();
    const [k0, k1] = drawKey(rng, { site, stage, iteration: iterated ? operands[1]!.data()[0]! : undefined });
    return [k0, k1, rowAxis === null ? 0 : rng[3]!];
  };
}

function wordsKernel(arena: Arena, node: NodeOf<"random">): HostRun {
  const { outer, rows, perRow } = layout(node);
  const key = keyOf(node);
  return (operands, out) => {
    if (out.size === 0) return;
    const [k0, k1, row] = key(operands);
    if (outer === 1) return arena.kernels.words(out.address, rows, perRow, k0, k1, row);
    const scratch = arena.region("u32", [rows, perRow]);
    arena.kernels.words(scratch.address, rows, perRow, k0, k1, row);
    interleave(scratch.data(), out.data(), rows, outer, perRow / outer);
    scratch.free();
  };
}

/** [rows, outer, inner] to [outer, rows, inner], word by word whatever the type. */
function interleave(from: TypedArray, to: TypedArray, rows: number, outer: number, inner: number): void {
  const source = new Uint32Array(from.buffer, from.byteOffset, from.length);
  const target = new Uint32Array(to.buffer, to.byteOffset, to.length);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < outer; o++) {
      const start = (r * outer + o) * inner;
      target.set(source.subarray(start, start + inner), (o * rows + r) * inner);
    }
  }
}

/** Rows of updates [pre, count, post] added into [pre, size, post] in the order of the indices. */
function scatterAddKernel(node: NodeOf<"scatterAdd">): HostRun {
  const { axis, size } = node.params;
  const pre = sizeOf(node.shape.slice(0, axis));
  const post = sizeOf(node.shape.slice(axis + 1));
  return ([updates, indices], out) => {
    const to = out.data();
    const from = updates!.data();
    const list = indices!.data();
    to.fill(0);
    for (let j = 0; j < list.length; j++) {
      const index = list[j]!;
      if (index < 0 || index >= size) throw new GmcError("GM4907", `scatterAdd: index ${index} lies outside 0..${size - 1}`);
      for (let p = 0; p < pre; p++) {
        const target = (p * size + index) * post;
        const source = (p * list.length + j) * post;
        for (let q = 0; q < post; q++) to[target + q] = to[target + q]! + from[source + q]!;
      }
    }
  };
}
