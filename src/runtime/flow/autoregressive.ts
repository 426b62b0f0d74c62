/**
 * Autoregressive flows over vectors [D]: each entry is scaled and shifted by what a net makes of the entries before it. The net maps [..., D] to
 * [..., D, 2], a shift and a raw log scale for each entry, and must be strictly autoregressive in `order`.
 *
 * One direction is one pass of the net. The other is sequential and exact: pass k fixes the k-th entry of the order, later ones are held at 0 (a
 * finite value, which the net ignores for the entry at hand), so D passes of the whole batch fix all. It is unrolled while it is staged, up to
 * `cap` entries.
 */
import { GmcError } from "../graph/errors.js";
import { add, constant, exp, less, mul, neg, reshape, select, sliceAxis, sub, sum, zeros } from "../graph/index.js";
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
  /** Longest event that the sequential direction is unrolled for. Default 128. */
  readonly cap?: number;
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
    const { cap = 128 } = options;
    if (size > cap) {
      throw new GmcError(
        "GM4022",
        `${what}: ${reads === "x" ? "from z to x" : "from x to z"} takes one pass of the net for each of ${size} entries, and they are unrolled up to ${cap}`,
        [
          reads === "x"
            ? "inverseAutoregressive is one pass from z to x, and sequential from x to z"
            : "maskedAutoregressive is one pass from x to z",
          "a coupling is one pass in both directions",
          `\`cap = ${size}\` of the bijection unrolls it all the same: a graph of ${size} passes of the net, slow to load and large where the net is`,
        ],
      );
    }
    const place = constant(places, [size], "i32");
    let known = zeros(t.shape);
    let logScale = known;
    for (let k = 0; k < size; k++) {
      const params = parametersOf(what, known, size, options, reads);
      ({ logScale } = params);
      const value = back(t, params.shift, logScale);
      known = k === size - 1 ? value : select(less(place, k + 1), value, 0);
    }
    return { value: known, logDet: signed(logScale, reads === "x") };
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
