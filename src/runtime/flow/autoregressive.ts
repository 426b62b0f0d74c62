/**
 * Autoregressive flows over vectors [D]: each entry is scaled and shifted by what a net makes of the entries before it. The net maps [..., D] to
 * [..., D, 2], a shift and a raw log scale for each entry, and must be strictly autoregressive in `order`.
 *
 * One direction is one pass of the net. The other is sequential and exact: the value is what a pass of the net leaves as it is, and pass k makes the
 * k-th entry of the order right (graph/fixed-point.ts). The graph holds the net once for any number of entries, and memory that of two passes.
 */
import { GmcError } from "../graph/errors.js";
import { solveInOrder } from "../graph/fixed-point.js";
import { add, exp, mul, neg, reshape, sliceAxis, sub, sum } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { type Order, orderOf } from "../nn/degrees.js";
import { leadOf, vectorEvent } from "./bijector.js";
import type { Bijector, Conditioner, EventOptions, Image } from "./bijector.js";
import { logScaleOf } from "./scale.js";
import type { ScaleOptions } from "./scale.js";

export interface AutoregressiveOptions extends EventOptions, ScaleOptions {
  readonly net: Conditioner;
  /** The order in which entries depend on earlier ones: by name, by the seed of a random one, or indices, first to last. As they lie, unless told. */
  readonly order?: Order;
}

/** Shift and log scale, both [..., D], of the map from z to x, given the side that the net reads. */
function parametersOf(
  what: string,
  t: Tensor,
  size: number,
  options: AutoregressiveOptions,
  reads: "x" | "z",
): { shift: Tensor; logScale: Tensor } {
  const params = options.net(t);
  if (params.shape.at(-1) !== 2 || params.shape.at(-2) !== size) {
    throw shapeError(
      `${what}: the net gives ${showShape(params.shape)}, and [..., ${size}, 2] is needed: shift and raw log scale of each entry`,
    );
  }
  const part = (i: number): Tensor => reshape(sliceAxis(params, -1, i, i + 1), params.shape.slice(0, -1));
  const scaled = logScaleOf(part(1), options);
  // a sigmoid belongs to the direction of one pass: what is trained must not grow
  return { shift: part(0), logScale: reads === "x" && options.scale === "sigmoid" ? neg(scaled) : scaled };
}

const toX = (z: Tensor, shift: Tensor, logScale: Tensor): Tensor => add(mul(z, exp(logScale)), shift);
const toZ = (x: Tensor, shift: Tensor, logScale: Tensor): Tensor => mul(sub(x, shift), exp(neg(logScale)));

/** For each entry its place in the order. GM4021 where it is none. */
function placesOf(what: string, size: number, order: Order | undefined): number[] {
  const list = typeof order === "object" ? order : orderOf(order, size);
  const places = Array.from({ length: size }, (_, i) => list.indexOf(i));
  if (list.length !== size || places.includes(-1)) {
    throw new GmcError("GM4021", `${what}: [${list.join(", ")}] is no order of ${size} entries`, [
      `each of 0 to ${size - 1} stands in it once`,
    ]);
  }
  return places;
}

/** `reads`: the side that the net reads. That of x is MAF, that of z is IAF; from it, the other side follows in one pass. */
function autoregressive(what: string, options: AutoregressiveOptions, reads: "x" | "z"): Bijector {
  const size = vectorEvent(what, options.event);
  const places = placesOf(what, size, options.order);
  const [there, back] = reads === "x" ? [toZ, toX] : [toX, toZ];
  const signed = (logScale: Tensor, forward: boolean): Tensor => sum(forward ? logScale : neg(logScale), -1);

  const onePass = (t: Tensor): Image => {
    leadOf(what, t, options.event);
    const { shift, logScale } = parametersOf(what, t, size, options, reads);
    return { value: there(t, shift, logScale), logDet: signed(logScale, reads === "z") };
  };
  const sequential = (t: Tensor): Image => {
    leadOf(what, t, options.event);
    const value = solveInOrder(t.shape, places, (known) => {
      const { shift, logScale } = parametersOf(what, known, size, options, reads);
      return back(t, shift, logScale);
    });
    const { logScale } = parametersOf(what, value, size, options, reads);
    return { value, logDet: signed(logScale, reads === "x") };
  };
  return reads === "x"
    ? { forward: sequential, inverse: onePass, directions: { forward: "sequential", inverse: "closed" } }
    : { forward: onePass, inverse: sequential, directions: { forward: "closed", inverse: "sequential" } };
}

/** MAF (Papamakarios et al. 2017, eq. 3 and 4): x_i = z_i exp(s_i(x_<i)) + t_i(x_<i). */
export function maskedAutoregressive(options: AutoregressiveOptions): Bijector {
  return autoregressive("maskedAutoregressive", options, "x");
}

/** IAF (Kingma et al. 2016): x_i = z_i exp(s_i(z_<i)) + t_i(z_<i). With `scale: "sigmoid"`, the numerically stable gate of eq. 13 and 14, its shift free. */
export function inverseAutoregressive(options: AutoregressiveOptions): Bijector {
  return autoregressive("inverseAutoregressive", options, "z");
}
