/**
 * Coupling layers (Dinh et al. 2015, 2017): one part of an event is kept, and a net of it says how each entry of the other is mapped. The
 * Jacobian is triangular, so its log-determinant is the sum over the changed entries. Both directions are one pass of the net.
 *
 * The net maps the kept part [..., k] to [..., n * p]: n changed entries along the last axis, p parameters each. With the mask
 * `checkerboard` it sees the event with changed entries at zero, and gives parameters of all entries, of which those of changed ones are used.
 */
import { add, broadcastTo, exp, mul, neg, reshape, split, sub } from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { broadcastShapes, sameShape, shapeError, showShape } from "../graph/shape.js";
import { sumLast } from "../graph/last-axes.js";
import { closed, leadOf, noVolume, perExample } from "./bijector.js";
import type { Bijector, Conditioner, EventOptions, Image } from "./bijector.js";
import { divide } from "./masks.js";
import type { MaskOptions } from "./masks.js";
import { logScaleOf } from "./scale.js";
import type { ScaleOptions } from "./scale.js";
import { rationalQuadratic, splineParameters } from "./spline.js";
import type { SplineOptions } from "./spline.js";

export interface CouplingOptions extends EventOptions, MaskOptions {
  readonly net: Conditioner;
}

/** What a coupling does to the entries that it changes. */
interface Transformer {
  /** Parameters for each entry. */
  readonly parameters: number;
  /**
   * New entries and the log of each one's derivative (null where it is 1 everywhere), of entries u [..., n] under parameters [..., n * p].
   * `changed`, where given, is 1 at entries to change and 0 at those that stay as they are, with derivative 1.
   */
  readonly apply: (
    u: Tensor,
    params: Tensor,
    direction: "forward" | "inverse",
    changed: Tensor | undefined,
  ) => { readonly value: Tensor; readonly logDerivative: Tensor | null };
}

function couple(what: string, { event, net, ...options }: CouplingOptions, transformer: Transformer): Bijector {
  const run = (x: Tensor, direction: "forward" | "inverse"): Image => {
    const given = leadOf(what, x, event);
    const { entries, cut, join, board } = divide(what, event, options);
    const { seen, changed } = cut(x);
    const params = net(seen);
    // a condition that the net closes over may have more leading axes than the value
    const lead = broadcastShapes(what, [given, paramsLead(what, params, event, entries, transformer.parameters)]);
    const wide = (t: Tensor): Tensor => broadcastTo(t, [...lead, ...t.shape.slice(given.length)]);
    const { value, logDerivative } = transformer.apply(wide(changed), params, direction, board);
    return {
      value: join(wide(seen), value),
      logDet: logDerivative === null ? noVolume(lead) : perExample(sumLast(logDerivative, event.length), lead),
    };
  };
  return { forward: (z) => run(z, "forward"), inverse: (x) => run(x, "inverse"), directions: closed };
}

/** Leading axes of what the net gives. GM4901 where its event is not one for the entries that are changed. */
function paramsLead(what: string, params: Tensor, event: Shape, entries: number, parameters: number): Shape {
  const expected = [...event.slice(0, -1), entries * parameters];
  const rank = params.shape.length - expected.length;
  if (rank < 0 || !sameShape(params.shape.slice(rank), expected)) {
    throw shapeError(
      `${what}: the net gives ${showShape(params.shape)}, which does not end with ${showShape(expected)}: ${parameters} for each of ${entries} changed entries`,
    );
  }
  return params.shape.slice(0, rank);
}

export interface AffineCouplingOptions extends CouplingOptions, ScaleOptions {}

/**
 * RealNVP's (Dinh et al. 2017, eq. 7 and 8), from x to z as there: z = x scale + shift. Parameters: all shifts, then all raw scales. Trained in
 * this direction, the gradient of a shift does not grow with the scale.
 */
export function coupling(options: AffineCouplingOptions): Bijector {
  return couple("coupling", options, {
    parameters: 2,
    apply: (u, params, direction, changed) => {
      const [shift, raw] = split(params, 2, -1);
      const masked = (t: Tensor): Tensor => (changed === undefined ? t : mul(t, changed));
      const logScale = masked(logScaleOf(raw!, options));
      return direction === "inverse"
        ? { value: add(mul(u, exp(logScale)), masked(shift!)), logDerivative: logScale }
        : { value: mul(sub(u, masked(shift!)), exp(neg(logScale))), logDerivative: neg(logScale) };
    },
  });
}

/** NICE's (Dinh et al. 2015, section 3.2), from x to z: z = x + shift; it keeps volumes. Parameters: the shifts. */
export function additiveCoupling(options: CouplingOptions): Bijector {
  return couple("additiveCoupling", options, {
    parameters: 1,
    apply: (u, params, direction, changed) => {
      const shift = changed === undefined ? params : mul(params, changed);
      return { value: direction === "inverse" ? add(u, shift) : sub(u, shift), logDerivative: null };
    },
  });
}

export interface SplineCouplingOptions extends CouplingOptions, SplineOptions {}

/**
 * Neural spline flow (Durkan et al. 2019): each entry goes through a monotone rational-quadratic spline. Parameters of an entry, contiguous:
 * `bins` widths, `bins` heights, `bins - 1` slopes, all raw; at zeros it is the identity.
 */
export function splineCoupling(options: SplineCouplingOptions): Bijector {
  const parameters = splineParameters(options);
  return couple("splineCoupling", options, {
    parameters,
    apply: (u, params, direction, changed) =>
      rationalQuadratic(u, reshape(params, [...params.shape.slice(0, -1), -1, parameters]), direction, options, changed),
  });
}
