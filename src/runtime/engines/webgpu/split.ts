/**
 * Takes a graph, gives an equal one in which long sums with few results are taken in two stages, so that a device has workgroups to do them side by side: a
 * reduction of a large tensor to few entries as one over pieces of its longest axis and one over the pieces, and a matrix product of few tiles and a large
 * depth as products over pieces of the depth and their sum. An axis that the pieces do not divide is filled up with zeros, which a sum does not see; a maximum is
 * taken in pieces of equal length alone. One dispatch more each; only the order of the sums differs.
 */
import { matmul } from "../../graph/ops/linear.js";
import { reduceMax, sum } from "../../graph/ops/reduce.js";
import { pad, reshape, transpose } from "../../graph/ops/structure.js";
import { rewritePass } from "../../graph/passes/pass.js";
import { sizeOf } from "../../graph/shape.js";
import type { Tensor } from "../../graph/trace.js";
import type { PrimParams } from "../../graph/types.js";

/** A reduction to at most so many results leaves most of a card idle … */
const FEW_RESULTS = 64;
/** … for longer than a dispatch takes, where it reads so many entries: two hundred thousand are about a tenth of a millisecond of one workgroup. */
const MANY_ENTRIES = 2 ** 18;
/** Entries of a piece, about. */
const PIECE = 2 ** 13;

/** Rows and columns of a tile, the most tiles and the least depth of a product that is taken apart, and the depth of a piece, about. */
const TILE = 32;
const FEW_TILES = 16;
const GREAT_DEPTH = 4096;
const PIECE_DEPTH = 1024;

/** Workgroups that keep a card busy. */
const BUSY = 128;

/** Runs after all passes that bring sums together. */
export const splitSums = rewritePass("splitSums", () => (prim, inputs, params) => {
  switch (prim) {
    case "reduceSum":
    case "reduceMax":
      return splitReduction(prim, inputs[0]!, (params as PrimParams["reduceSum"]).axes);
    case "matmul":
      return splitProduct(inputs[0]!, inputs[1]!, params as PrimParams["matmul"]);
    default:
      return undefined;
  }
});

function splitReduction(prim: "reduceSum" | "reduceMax", x: Tensor, axes: readonly number[]): Tensor | undefined {
  const results = sizeOf(x.shape.filter((_, axis) => !axes.includes(axis)));
  const size = sizeOf(x.shape);
  if (axes.length === 0 || results > FEW_RESULTS || size < MANY_ENTRIES || size < 2 * PIECE * results) return undefined;
  const axis = axes.reduce((longest, each) => (x.shape[each]! > x.shape[longest]! ? each : longest));
  const extent = x.shape[axis]!;
  const wanted = Math.min(extent, BUSY, Math.ceil(size / PIECE));
  const pieces = piecesOf(extent, wanted, prim === "reduceSum");
  if (pieces === undefined) return undefined;
  const parted = inPieces(x, axis, pieces);
  const reduce = prim === "reduceSum" ? sum : reduceMax;
  const partial = reduce(
    parted,
    axes.map((each) => (each < axis ? each : each + 1)),
  );
  return reduce(partial, axis - axes.filter((each) => each < axis).length);
}

function splitProduct(a: Tensor, b: Tensor, { transposeA, transposeB }: PrimParams["matmul"]): Tensor | undefined {
  if (a.shape.length !== 2 || b.shape.length !== 2) return undefined;
  const [depthA, depthB] = [transposeA ? 0 : 1, transposeB ? 1 : 0];
  const [m, n, depth] = [a.shape[1 - depthA]!, b.shape[1 - depthB]!, a.shape[depthA]!];
  const tiles = Math.ceil(m / TILE) * Math.ceil(n / TILE);
  if (tiles > FEW_TILES || depth < GREAT_DEPTH || m * n === 0) return undefined;
  const pieces = piecesOf(depth, Math.min(Math.ceil(depth / PIECE_DEPTH), Math.floor(BUSY / tiles)), true)!;
  // the pieces become the first axis
  const parted = (x: Tensor, axis: number): Tensor => {
    const y = inPieces(x, axis, pieces);
    return axis === 0 ? y : transpose(y, [1, 0, 2]);
  };
  return sum(matmul(parted(a, depthA), parted(b, depthB), { transposeA, transposeB }), 0);
}

/** How many pieces of equal length, about as many as wanted; nothing where only the filled up ones would do and are not allowed. */
function piecesOf(extent: number, wanted: number, fill: boolean): number | undefined {
  for (let pieces = wanted; pieces >= Math.max(2, wanted / 2); pieces--) if (extent % pieces === 0) return pieces;
  return fill ? Math.ceil(extent / Math.ceil(extent / wanted)) : undefined;
}

/** [.., extent, ..] as [.., pieces, length, ..], filled up with zeros at the end. */
function inPieces(x: Tensor, axis: number, pieces: number): Tensor {
  const length = Math.ceil(x.shape[axis]! / pieces);
  const missing = pieces * length - x.shape[axis]!;
  const none = x.shape.map(() => 0);
  const whole = pad(x, none, none.with(axis, missing));
  return reshape(whole, [...x.shape.slice(0, axis), pieces, length, ...x.shape.slice(axis + 1)]);
}
