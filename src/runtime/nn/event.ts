/** Functions of events with any number of leading axes (samples, batch): what generated code calls where a whole shape is named. */
import { broadcastTo, concat, pad, reshape, transpose } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import type { Shape } from "../graph/types.js";

/** [..., ...event] -> [..., ...shape], `rank` the number of event axes. */
export function reshapeEvent(x: Tensor, rank: number, shape: Shape): Tensor {
  return reshape(x, [...x.shape.slice(0, x.shape.length - rank), ...shape]);
}

/** Reorders the last `order.length` axes; entries of `order` count from the end: [-1, -2] swaps the last two. */
export function transposeEvent(x: Tensor, order: readonly number[]): Tensor {
  const rank = x.shape.length;
  const lead = rank - order.length;
  return transpose(x, [...Array.from({ length: lead }, (_, i) => i), ...order.map((a) => rank + a)]);
}

/** Zeros around the last `low.length` axes. */
export function padEvent(x: Tensor, low: Shape, high: Shape): Tensor {
  const zeros = Array.from({ length: x.shape.length - low.length }, () => 0);
  return pad(x, [...zeros, ...low], [...zeros, ...high]);
}

/** Joins along an event axis (negative); leading axes are broadcast, so z [k, B, Z] meets y [B, C]. */
export function concatEvent(xs: readonly Tensor[], axis: number): Tensor {
  const rank = Math.max(...xs.map((x) => x.shape.length));
  const padded = xs.map((x) =>
    x.shape.length === rank ? x : reshape(x, [...Array.from({ length: rank - x.shape.length }, () => 1), ...x.shape]),
  );
  const at = rank + axis;
  const lead = Array.from({ length: rank }, (_, i) => Math.max(...padded.map((x) => x.shape[i] ?? 1)));
  return concat(
    padded.map((x) =>
      broadcastTo(
        x,
        lead.map((size, i) => (i === at ? (x.shape[i] ?? 1) : size)),
      ),
    ),
    at,
  );
}
