/**
 * Whole numbers as a quantised continuous variable: from z in [0, 1) to x = floor(levels z), and back by a draw, z = (x + u) / levels, or by both with room at the ends. For
 * log p(z) of a density, log p(z) + logDet has, over draws, a mean that is at most log P(x): the bound of Theis et al. 2016 for uniform u, of Ho
 * et al. 2019, eq. 4, for a learned q(u | x), which is tight where q is the posterior.
 */
import { GmcError } from "../graph/errors.js";
import { add, clip, floor, mul, randomNormal, randomUniform, rowsOf, sizeOf, sub } from "../graph/index.js";
import type { DrawShape, Key, Tensor } from "../graph/index.js";
import { sumLast } from "../graph/last-axes.js";
import { normal } from "../prob/normal.js";
import { closed, leadOf, perExample } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

export interface DequantizeFlowOptions extends EventOptions {
  readonly key: Key;
  /** Whole numbers 0 to levels - 1. Default 256. */
  readonly levels?: number;
  /**
   * Room that is left free at both ends of (0, 1), 0 <= alpha < 0.5: z = alpha + (1 - 2 alpha) (x + u) / levels, whose logit is bounded by that of alpha
   * (Dinh et al. 2017, section 4.1, who take 0.05; Papamakarios et al. 2017: 1e-6). What a flow puts there belongs to the first and last level, so that the
   * bound holds and gives it away. Default 0.
   */
  readonly alpha?: number;
  /**
   * Variational dequantisation: given x, a flow from noise of the event's shape to u in (0, 1), such as one that ends in `sigmoidFlow`. Absent: u
   * is uniform.
   */
  readonly noise?: (x: Tensor) => Bijector;
  /** What the flow of `noise` maps: standard normal numbers, the default, or uniform ones of (0, 1). */
  readonly noiseFrom?: "normal" | "uniform";
}

/** How far noise keeps from 0 and 1, so that (x + u) / levels stays within (0, 1) in float32, where a logit is finite: the last digit below `levels`, more where room at the ends is added and taken off. */
const margin = (levels: number, width: number): number => (width === 1 ? 1 : 4 / width) * levels * 2 ** -24;

/**
 * Backwards logDet = -D log(levels / (1 - 2 alpha)) - log q(u | x), u between the edges that `margin` leaves: for one draw the log of what the density of z is to be multiplied by. Forwards it is the
 * logarithm of the volume that levels stretch: rounding has no Jacobian.
 */
export function dequantizeFlow({ event, key, levels = 256, alpha = 0, noise, noiseFrom = "normal" }: DequantizeFlowOptions): Bijector {
  if (!Number.isInteger(levels) || levels < 2)
    throw new GmcError("GM4021", `dequantize: levels is a whole number from 2 on, found ${levels}`);
  if (!(alpha >= 0 && alpha < 0.5)) throw new GmcError("GM4021", `dequantize: alpha lies between 0 and 0.5, found ${alpha}`);
  /** Of the interval that levels fill. */
  const width = 1 - 2 * alpha;
  const volume = sizeOf(event) * Math.log(levels / width);
  const edge = margin(levels, width);
  const inside = 1 - 2 * edge;
  /** log of the density of noise that is squeezed into edge .. 1 - edge, against that of noise on 0 .. 1. */
  const squeezed = -sizeOf(event) * Math.log(inside);
  /** A draw for each entry, tied to the row of the data. */
  const shapeOf = (x: Tensor): DrawShape => {
    const lead = leadOf("dequantize", x, event);
    const row = lead.length - 1;
    return row < 0 ? x.shape : [...lead.slice(0, row), rowsOf(x, row), ...event];
  };
  const draw = (x: Tensor): { readonly u: Tensor; readonly logQ: Tensor | undefined } => {
    if (noise === undefined) return { u: randomUniform(key, shapeOf(x)), logQ: undefined };
    if (noiseFrom === "uniform") {
      const { value, logDet } = noise(x).forward(add(edge, mul(inside, randomUniform(key, shapeOf(x)))));
      return { u: value, logQ: sub(squeezed, logDet) };
    }
    const epsilon = randomNormal(key, shapeOf(x));
    const { value, logDet } = noise(x).forward(epsilon);
    const base = sumLast(normal.logProb(epsilon, { loc: 0, scale: 1 }), event.length);
    return { u: value, logQ: sub(base, logDet) };
  };
  return {
    forward: (z) => ({
      value: clip(floor(mul(levels / width, alpha === 0 ? z : sub(z, alpha))), 0, levels - 1),
      logDet: perExample(volume, leadOf("dequantize", z, event)),
    }),
    inverse: (x) => {
      const lead = leadOf("dequantize", x, event);
      const { u, logQ } = draw(x);
      const constant = -volume - squeezed;
      const filled = mul(width / levels, add(x, add(edge, mul(inside, u))));
      return {
        value: alpha === 0 ? filled : add(alpha, filled),
        logDet: logQ === undefined ? perExample(constant, lead) : sub(constant, logQ),
      };
    },
    directions: closed,
  };
}
