/**
 * Bijections of the table: what flows are made of. One entry each: static options, domain and shape on either side, weights, which
 * directions there are, what its conditioner must map to what. The only place that knows which bijections exist; a test holds the table
 * against `src/runtime/flow`.
 *
 * Every bijection is read in the direction from base to data: `from` is the side of z.
 */
import type { Bijection } from "./bijection-types.js";
import {
  autoregressive,
  BYTE_LEVELS,
  closed,
  count,
  coupling,
  differing,
  imageOf,
  needsAxis,
  onDomain,
  onEvent,
  perChannel,
  problem,
  scale,
  sizes,
} from "./bijection-forms.js";
import { type Order, placesOf } from "./autoregressive/order.js";
import type { OptionSpec } from "./builtins.js";
import { dim, timesDim } from "./shapes.js";
import type { Dim, Side } from "./types.js";

export type { Bijection, BijectionCall } from "./bijection-types.js";
export { bijectionsOf, chained, flowsIn, netsIn, sameSide, showSide, sideOf } from "./flow-steps.js";

/** How many places a channel becomes along each axis. */
const byFactor: OptionSpec = { name: "factor", kind: "size", fallback: 2 };
/** Whole numbers 0 to levels - 1. */
const levels: OptionSpec = { name: "levels", kind: "size", named: true, min: 2, most: 256, fallback: BYTE_LEVELS };

/** Room at both ends of the unit interval, of which the noise keeps clear. */
const alpha: OptionSpec = { name: "alpha", kind: "number", named: true, min: 0, below: 0.5, fallback: 0 };

const table: readonly Bijection[] = [
  {
    name: "affine",
    runtime: "affine",
    doc: "a learned scale and shift of each entry",
    options: [],
    takes: ["real"],
    directions: closed,
    elementwise: true,
    logDet: "sum(log scale)",
    apply: (call) => ({ to: call.from, spec: [sizes(call.from.shape)], options: {}, parameters: 2 * count(call.from.shape) }),
  },
  coupling("coupling", "coupling", "shifts and scales part of the entries by what a net makes of the others (Dinh et al. 2017, eq. 7)", {
    perEntry: () => 2,
    logDet: "sum(log scale(kept))",
    options: [scale],
  }),
  coupling(
    "additive_coupling",
    "additiveCoupling",
    "shifts part of the entries by what a net makes of the others (Dinh et al. 2015, NICE)",
    {
      perEntry: () => 1,
      logDet: "0",
      options: [],
    },
  ),
  coupling(
    "spline_coupling",
    "splineCoupling",
    "moves part of the entries along rational-quadratic splines that a net makes of the others (Durkan et al. 2019)",
    {
      perEntry: (call) => 3 * (call.options.get("bins") as number) - 1,
      logDet: "sum(log slope of the spline(kept))",
      options: [
        // each bin takes at least 1/1000 of the interval, as in the runtime
        { name: "bins", kind: "size", named: true, most: 999, fallback: 8 },
        // of places in [-bound, bound] float32 keeps bound / 2^24, here 6e-5
        { name: "bound", kind: "number", named: true, above: 0, most: 1000, fallback: 3 },
      ],
    },
  ),
  autoregressive(
    "masked_autoregressive",
    "maskedAutoregressive",
    "shifts and scales each entry by what a net makes of the entries of x before it (Papamakarios et al. 2017, MAF)",
    { forward: "sequential", inverse: "closed" },
  ),
  autoregressive(
    "inverse_autoregressive",
    "inverseAutoregressive",
    "shifts and scales each entry by what a net makes of the entries of z before it (Kingma et al. 2016, IAF)",
    { forward: "closed", inverse: "sequential" },
  ),
  {
    name: "planar",
    runtime: "planar",
    doc: "z + u h(w·z + b), h = tanh (Rezende & Mohamed 2015, eq. 10)",
    options: [],
    takes: ["real"],
    directions: { forward: "closed", inverse: "none" },
    elementwise: false,
    logDet: "log |1 + u·w h'(w·z + b)|",
    constraint: "invertible since w·u >= -1, built in",
    apply: (call) => onEvent(call, (event, n) => ({ spec: [event], parameters: 2 * n + 1 })),
  },
  {
    name: "radial",
    runtime: "radial",
    doc: "z + beta (z - z0) / (alpha + |z - z0|) (Rezende & Mohamed 2015, eq. 14)",
    options: [],
    takes: ["real"],
    directions: closed,
    elementwise: false,
    logDet: "(D - 1) log(1 + beta h) + log(1 + beta h + beta h' r)",
    constraint: "invertible since beta >= -alpha, built in",
    apply: (call) => onEvent(call, (event, n) => ({ spec: [event], parameters: n + 2 })),
  },
  {
    name: "sylvester",
    runtime: "sylvester",
    doc: "z + Q R h(R' Q^T z + b) with m columns: a planar flow of rank m (van den Berg et al. 2018)",
    options: [{ name: "rank", kind: "size", required: true }],
    takes: ["real"],
    directions: { forward: "closed", inverse: "none" },
    elementwise: false,
    logDet: "sum(log |1 + h' r_ii r'_ii|)",
    constraint: "invertible since the products of the diagonals of R and R' are above -1, built in",
    apply: (call) => {
      const rank = call.options.get("rank") as number;
      return onEvent(call, (event, n) => {
        if (rank > n) return problem(call, `its rank is at most the number of entries, ${n}, found ${rank}`, [`\`sylvester(${n})\``]);
        return { spec: [event, rank], parameters: n * rank + 2 * rank * rank + rank };
      });
    },
  },
  {
    name: "actnorm",
    runtime: "actnorm",
    doc: "a scale and a shift of each channel that start from the data of the first batch (Kingma & Dhariwal 2018, Glow)",
    options: [],
    takes: ["real"],
    directions: closed,
    elementwise: true,
    logDet: "places * sum(log scale)",
    apply: (call) => perChannel(call, (c) => ({ spec: [c], parameters: 2 * c })),
  },
  {
    name: "invertible_linear",
    runtime: "invertibleLinear",
    doc: "a linear map of the last axis in LU form; on images the invertible 1x1 convolution (Kingma & Dhariwal 2018, Glow)",
    options: [],
    takes: ["real"],
    directions: closed,
    elementwise: false,
    logDet: "places * sum(log |s|)",
    constraint: "invertible since the diagonal of its LU form is not 0, built in",
    apply: (call) => perChannel(call, (c) => ({ spec: [c], parameters: c * c })),
  },
  {
    name: "batch_norm",
    runtime: "batchNormFlow",
    doc: "normalises each channel of x by running averages (Dinh et al. 2017, section 3.7)",
    options: [],
    takes: ["real"],
    directions: closed,
    elementwise: true,
    logDet: "places * sum(log scale)",
    apply: (call) => perChannel(call, (c) => ({ spec: [c], parameters: 2 * c })),
  },
  {
    name: "permute",
    runtime: "permute",
    doc: "puts the entries of the last axis into another order: drawn once by a seed, or x = (z[3], z[1], z[2]) for `[3, 1, 2]`",
    options: [{ name: "order", kind: "order", choices: ["natural", "reverse"], fallback: 0 }],
    directions: closed,
    elementwise: false,
    logDet: "0",
    apply: (call) => {
      if (!needsAxis(call)) return undefined;
      const n = call.from.shape.at(-1)?.size ?? 0;
      const asked = call.options.get("order") as Order;
      if (typeof asked === "object" && asked.length !== n)
        return problem(call, `its order has ${asked.length} places, and the last axis ${n} entries`, [
          ...(asked.length === call.from.shape.length ? ["it orders entries of the last axis, and leaves the axes as they are"] : []),
          n <= MOST_LISTED
            ? `name each of the places once: \`permute([${Array.from({ length: n }, (_, i) => n - i).join(", ")}])\``
            : '`permute("reverse")`, or the seed of an order by chance: `permute(7)`',
        ]);
      return { to: call.from, options: { order: typeof asked === "number" ? asked : placesOf(asked, n) }, parameters: 0 };
    },
  },
  {
    name: "reverse",
    runtime: "reverseFlow",
    doc: "the entries of the last axis in reverse order",
    options: [],
    directions: closed,
    elementwise: false,
    logDet: "0",
    apply: (call) => (needsAxis(call) ? { to: call.from, options: {}, parameters: 0 } : undefined),
  },
  {
    name: "squeeze",
    runtime: "squeezeFlow",
    doc: "on the way to data, channels become space: [h, w, c f^2] to [h f, w f, c] (Dinh et al. 2017, section 3.6)",
    options: [{ ...byFactor, min: 2 }],
    directions: closed,
    elementwise: false,
    logDet: "0",
    apply: (call) => {
      const factor = call.options.get("factor") as number;
      const image = imageOf(call);
      if (!image) return undefined;
      const [h, w, c] = image;
      if (c.size % (factor * factor) !== 0)
        return problem(
          call,
          `from base to data it turns ${factor * factor} channels into ${factor} x ${factor} places, and ${c.size} channels do not divide into ${factor * factor}`,
          squeezeHelp(image, factor),
        );
      const channels = c.size / (factor * factor);
      return {
        to: { ...call.from, shape: [timesDim(h, dim(factor)), timesDim(w, dim(factor)), dim(channels)] },
        options: differing(call, [byFactor]),
        parameters: 0,
      };
    },
  },
  {
    name: "multi_scale",
    runtime: "multiScale",
    doc: "half of the channels go through a chain at half of the resolution, squeezed by `factor`; the others are done (Dinh et al. 2017, section 3.6)",
    nests: true,
    options: [{ ...byFactor, named: true }],
    takes: ["real"],
    directions: closed,
    elementwise: false,
    logDet: "that of the chain",
    apply: (call) => {
      const factor = call.options.get("factor") as number;
      const image = imageOf(call);
      if (!image) return undefined;
      const [h, w, c] = image;
      if (c.size % 2 !== 0)
        return problem(call, `half of the channels go through its chain, and ${c.size} do not halve`, [
          `below a \`squeeze\` they are even: end the chain in one, \`… |> squeeze\`, and declare the base of data ${shapeText([h.size, w.size, c.size])} ${h.size % 2 === 0 && w.size % 2 === 0 ? `as ${shapeText([h.size / 2, w.size / 2, c.size * 4])}` : "at half of their sides, which are to be even"}`,
        ]);
      if (h.size % factor !== 0 || w.size % factor !== 0)
        return problem(
          call,
          `its chain works at 1/${factor} of the resolution, and ${h.size} x ${w.size} places do not divide by ${factor}`,
          factorHelp(h.size, w.size),
        );
      const half = c.size / 2;
      const below: Side = { ...call.from, shape: [dim(h.size / factor), dim(w.size / factor), dim(half * factor * factor)] };
      return { to: call.from, options: {}, parameters: 0, inner: { from: below } };
    },
  },
  {
    name: "dequantize",
    runtime: "dequantizeFlow",
    doc: "whole numbers from 0 on, of so many levels, as floor(levels z), and back by noise, to alpha + (1 - 2 alpha) (x + u) / levels: log p becomes a lower bound (Theis et al. 2016; Ho et al. 2019; alpha of Dinh et al. 2017, section 4.1)",
    options: [levels, alpha],
    takes: ["unit"],
    ends: "byte",
    keyed: true,
    noisy: true,
    directions: closed,
    elementwise: true,
    logDet: "D log(levels / (1 - 2 alpha)); back: minus that - log q(u | x)",
    apply: (call) => ({ to: { domain: "byte", shape: call.from.shape }, options: differing(call, [levels, alpha]), parameters: 0 }),
  },
  onDomain("sigmoid", "sigmoid", "1 / (1 + exp(-z))", "real", "unit", "sum(log sigmoid(z) + log sigmoid(-z))", "logit"),
  onDomain("logit", "logit", "log(z / (1 - z))", "unit", "real", "-sum(log z + log(1 - z))", "sigmoid"),
  onDomain("softplus", "softplus", "log(1 + exp(z))", "real", "positive", "sum(log sigmoid(z))", "inverse softplus"),
  onDomain("exp", "exp", "e^z", "real", "positive", "sum(z)", "log"),
];

/** Most entries of which an order is written out. */
const MOST_LISTED = 8;

const shapeText = (sizes: readonly (number | string)[]): string => `[${sizes.join(", ")}]`;

/** Of an image whose channels do not make the places of a square: the base it would come from, or another factor. */
function squeezeHelp([h, w, c]: readonly [Dim, Dim, Dim], factor: number): readonly string[] {
  const other = Array.from({ length: Math.floor(Math.sqrt(c.size)) }, (_, i) => i + 1).find((f) => f > 1 && c.size % (f * f) === 0);
  const fits = h.size % factor === 0 && w.size % factor === 0;
  const side = commonFactor(h.size, w.size);
  return [
    fits
      ? `a chain runs from base to data: ${shapeText([h.size, w.size, c.size])} behind \`squeeze\` is ${shapeText([h.size / factor, w.size / factor, c.size * factor * factor])} before it; before it ${shapeText([h.size, w.size, `${factor * factor} C`])} is ${shapeText([h.size * factor, w.size * factor, "C"])} behind it`
      : `a chain runs from base to data: the base has ${factor * factor} times the channels, at 1/${factor} of the sides, and ${h.size} x ${w.size} do not divide by ${factor}${side === undefined ? "" : `; ${shapeText([h.size / side, w.size / side, c.size * side * side])} before \`squeeze(${side})\` is ${shapeText([h.size, w.size, c.size])} behind it`}`,
    ...(other === undefined ? [] : [`or another factor: \`squeeze(${other})\``]),
  ];
}

/** The least factor that both sides divide by. */
function commonFactor(h: number, w: number): number | undefined {
  return Array.from({ length: Math.min(h, w) }, (_, i) => i + 1).find((f) => f > 1 && h % f === 0 && w % f === 0);
}

function factorHelp(h: number, w: number): readonly string[] {
  const fits = commonFactor(h, w);
  return [
    fits === undefined ? "no factor divides both sides: give the images others" : `a factor that divides both sides: \`factor = ${fits}\``,
  ];
}

export const bijections: ReadonlyMap<string, Bijection> = new Map(table.map((b) => [b.name, b]));
