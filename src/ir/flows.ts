/**
 * Bijections of the table: what flows are made of. One entry each: static options, domain and shape on either side, weights, which
 * directions there are, what its conditioner must map to what. The only place that knows which bijections exist; a test holds the table
 * against `src/runtime/flow`.
 *
 * Every bijection is read in the direction from base to data: `from` is the side of z.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import type { OptionSpec, OptionValue } from "./builtins.js";
import type { Context } from "./env.js";
import { dim, showShape, timesDim } from "./shapes.js";
import type { Dim, Directions, DomainName, Side } from "./types.js";

export { bijectionsOf, chained, flowsIn, netsIn, sameSide, showSide, sideOf } from "./flow-steps.js";

export interface BijectionCall {
  readonly cx: Context;
  readonly name: string;
  readonly span: Span;
  /** What comes out of the step before: the side of z. */
  readonly from: Side;
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

export interface BijectionResult {
  readonly to: Side;
  /** Arguments of the runtime's `bijection.spec(…)`, options aside. */
  readonly spec?: readonly (number | readonly number[])[];
  /** Options of the bijection that differ from their defaults, under the runtime's names; the event's shape aside. */
  readonly options: Readonly<Record<string, OptionValue>>;
  /** Trained numbers of its own. */
  readonly parameters: number;
  /** Event shapes that its conditioner maps from and to. */
  readonly conditioner?: { readonly from: readonly Dim[]; readonly to: readonly Dim[] };
  /** The side that its inner chain maps from, and to. */
  readonly inner?: { readonly from: Side };
}

export interface Bijection {
  /** `invertible_linear` */
  readonly name: string;
  /** The runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  /** Its first argument is a net that gives it its parameters. */
  readonly conditioned?: boolean;
  /** Its net gives each entry's parameters themselves, of the entries before it: no output layer is put on top, and that is proven. */
  readonly autoregressive?: boolean;
  readonly options: readonly OptionSpec[];
  /** Domains that it maps from; absent: any, which it keeps. */
  readonly takes?: readonly DomainName[];
  /** The domain that it leads to, where it is another one. */
  readonly ends?: DomainName;
  readonly directions: Directions;
  /** Each entry of the result depends on that entry alone. */
  readonly elementwise: boolean;
  /** log |det dx/dz| for `explain`, z the input and x the output of the step. */
  readonly logDet: string;
  /** What makes it invertible, where that is a matter of its weights. */
  readonly constraint?: string;
  /** Going back draws random numbers. */
  readonly keyed?: boolean;
  /** Its first argument is a chain that a part of its input goes through. */
  readonly nests?: boolean;
  /** It may take a flow, conditioned on x, that makes its noise. */
  readonly noisy?: boolean;
  readonly apply: (call: BijectionCall) => BijectionResult | undefined;
}

const closed: Directions = { forward: "closed", inverse: "closed" };

const mask: OptionSpec = {
  name: "mask",
  kind: "choice",
  choices: ["halves", "alternate", "checkerboard", "channel"],
  named: true,
  fallback: "halves",
};
/** How a raw number becomes a scale. */
const scale: OptionSpec = { name: "scale", kind: "choice", choices: ["tanh", "sigmoid", "exp"], named: true, fallback: "tanh" };
const swap: OptionSpec = { name: "swap", kind: "boolean", named: true, fallback: false };
/** Whether an output layer is put on top of the conditioner. */
const head: OptionSpec = { name: "head", kind: "boolean", named: true, fallback: true };

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
    apply: (call) => ({
      to: call.from,
      spec: [sizes(call.from.shape)],
      options: {},
      parameters: 2 * count(call.from.shape),
    }),
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
        { name: "bound", kind: "number", named: true, above: 0, fallback: 3 },
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
        if (rank > n) return problem(call, `its rank is at most the number of entries, ${n}, found ${rank}`);
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
    doc: "puts the entries of the last axis into another order, drawn once by `seed`",
    options: [{ name: "seed", kind: "integer", fallback: 0 }],
    directions: closed,
    elementwise: false,
    logDet: "0",
    apply: (call) =>
      needsAxis(call) ? { to: call.from, options: { order: call.options.get("seed") as number }, parameters: 0 } : undefined,
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
    options: [{ name: "factor", kind: "size", fallback: 2 }],
    directions: closed,
    elementwise: false,
    logDet: "0",
    apply: (call) => {
      const factor = call.options.get("factor") as number;
      const [h, w, c, ...more] = call.from.shape;
      if (!h || !w || !c || more.length > 0) return wrongShape(call, "an image [height, width, channels]");
      if (c.size % (factor * factor) !== 0)
        return problem(
          call,
          `from base to data it turns ${factor * factor} channels into ${factor} x ${factor} places, and ${c.size} channels do not divide into ${factor * factor}`,
        );
      const channels = c.size / (factor * factor);
      return {
        to: { ...call.from, shape: [timesDim(h, dim(factor)), timesDim(w, dim(factor)), dim(channels)] },
        options: differing(call, [{ name: "factor", kind: "size", fallback: 2 }]),
        parameters: 0,
      };
    },
  },
  {
    name: "multi_scale",
    runtime: "multiScale",
    doc: "half of the channels go through a chain at half of the resolution, squeezed by `factor`; the others are done (Dinh et al. 2017, section 3.6)",
    nests: true,
    options: [{ name: "factor", kind: "size", named: true, fallback: 2 }],
    takes: ["real"],
    directions: closed,
    elementwise: false,
    logDet: "that of the chain",
    apply: (call) => {
      const factor = call.options.get("factor") as number;
      const [h, w, c, ...more] = call.from.shape;
      if (!h || !w || !c || more.length > 0) return wrongShape(call, "an image [height, width, channels]");
      if (c.size % 2 !== 0) return problem(call, `half of the channels go through its chain, and ${c.size} do not halve`);
      if (h.size % factor !== 0 || w.size % factor !== 0)
        return problem(
          call,
          `its chain works at 1/${factor} of the resolution, and ${h.size} x ${w.size} places do not divide by ${factor}`,
        );
      const half = c.size / 2;
      const below: Side = { ...call.from, shape: [dim(h.size / factor), dim(w.size / factor), dim(half * factor * factor)] };
      return { to: call.from, options: {}, parameters: 0, inner: { from: below } };
    },
  },
  {
    name: "dequantize",
    runtime: "dequantizeFlow",
    doc: "whole numbers 0 to 255 as floor(256 z), and back by noise: log p becomes a lower bound (Theis et al. 2016; Ho et al. 2019)",
    options: [],
    takes: ["unit"],
    ends: "byte",
    keyed: true,
    noisy: true,
    directions: closed,
    elementwise: true,
    logDet: "D log 256; back: -D log 256 - log q(u | x)",
    apply: (call) => ({ to: { domain: "byte", shape: call.from.shape }, options: {}, parameters: 0 }),
  },
  onDomain("sigmoid", "sigmoid", "1 / (1 + exp(-z))", "real", "unit", "sum(log sigmoid(z) + log sigmoid(-z))"),
  onDomain("logit", "logit", "log(z / (1 - z))", "unit", "real", "-sum(log z + log(1 - z))"),
  onDomain("softplus", "softplus", "log(1 + exp(z))", "real", "positive", "sum(log sigmoid(z))"),
  onDomain("exp", "exp", "e^z", "real", "positive", "sum(z)"),
];

export const bijections: ReadonlyMap<string, Bijection> = new Map(table.map((b) => [b.name, b]));

// ---- families of entries -----------------------------------------------------------------------------

function onDomain(name: string, runtime: string, doc: string, from: DomainName, to: DomainName, logDet: string): Bijection {
  return {
    name,
    runtime: `${runtime}Flow`,
    doc: `${doc} of each entry, from ${from} to ${to}`,
    options: [],
    takes: [from],
    ends: to,
    directions: closed,
    elementwise: true,
    logDet,
    apply: (call) => ({ to: { domain: to, shape: call.from.shape }, options: {}, parameters: 0 }),
  };
}

interface Coupled {
  readonly perEntry: (call: BijectionCall) => number;
  readonly logDet: string;
  readonly options: readonly OptionSpec[];
}

function coupling(name: string, runtime: string, doc: string, { perEntry, logDet, options }: Coupled): Bijection {
  return {
    name,
    runtime,
    doc,
    conditioned: true,
    options: [...options, mask, swap, head],
    takes: ["real"],
    directions: closed,
    elementwise: false,
    logDet,
    apply: (call) => {
      const parts = splitOf(call);
      if (!parts) return undefined;
      const perPlace = perEntry(call);
      const parameters = parts.changed.size * perPlace;
      const before = call.from.shape.slice(0, -1);
      return {
        to: call.from,
        options: differing(call, [...options, mask, swap]),
        parameters: 0,
        conditioner: { from: [...before, parts.kept], to: [...before, dim(parameters)] },
      };
    },
  };
}

/** How a coupling parts the last axis, in the places that the runtime parts it. */
function splitOf(call: BijectionCall): { readonly kept: Dim; readonly changed: Dim } | undefined {
  const { shape } = call.from;
  const kind = call.options.get("mask") as string;
  const last = shape[shape.length - 1];
  if (!last) return wrongShape(call, "at least one axis, part of which it keeps");
  const places = kind === "checkerboard" ? (shape.length > 1 ? count(shape) / last.size : last.size) : last.size;
  if (places < 2) {
    report(call.cx.diagnostics, "GM2074", call.span, { what: call.name, shape: showShape(shape), mask: kind }, { help: splitHelp(shape) });
    return undefined;
  }
  if (kind === "checkerboard") return { kept: last, changed: last };
  // of an odd number of entries, the first half is the smaller one, and every other entry from the first on the larger part
  const half = kind === "alternate" ? Math.ceil(last.size / 2) : Math.floor(last.size / 2);
  const [first, second] = [dim(half), dim(last.size - half)];
  return call.options.get("swap") === true ? { kept: second, changed: first } : { kept: first, changed: second };
}

function splitHelp(shape: readonly Dim[]): readonly string[] {
  return shape.length === 3
    ? ['an image of one channel is parted by its places, `mask = "checkerboard"`, or gets channels by a `squeeze` after this step']
    : ["one entry has nothing to be kept beside it: `affine` or a spline of its own moves it"];
}

function autoregressive(name: string, runtime: string, doc: string, directions: Directions): Bijection {
  return {
    name,
    runtime,
    doc,
    conditioned: true,
    autoregressive: true,
    options: [scale],
    takes: ["real"],
    directions,
    elementwise: false,
    logDet: "sum(log scale)",
    constraint: "triangular since its net is proven autoregressive",
    apply: (call) => {
      const [d, ...more] = call.from.shape;
      if (!d || more.length > 0) return wrongShape(call, "a vector");
      return { to: call.from, options: differing(call, [scale]), parameters: 0, conditioner: { from: [d], to: [d, dim(2)] } };
    },
  };
}

// ---- helpers -------------------------------------------------------------------------------------------

const sizes = (shape: readonly Dim[]): readonly number[] => shape.map((d) => d.size);
const count = (shape: readonly Dim[]): number => shape.reduce((n, d) => n * d.size, 1);

type Own = Pick<BijectionResult, "spec" | "parameters">;

function onEvent(call: BijectionCall, make: (event: readonly number[], entries: number) => Own | undefined): BijectionResult | undefined {
  if (call.from.shape.length === 0) return wrongShape(call, "at least one axis");
  const own = make(sizes(call.from.shape), count(call.from.shape));
  return own && { ...own, to: call.from, options: {} };
}

function perChannel(call: BijectionCall, make: (channels: number) => Own): BijectionResult | undefined {
  const channels = call.from.shape[call.from.shape.length - 1];
  if (!channels) return wrongShape(call, "at least one axis");
  return { ...make(channels.size), to: call.from, options: {} };
}

function needsAxis(call: BijectionCall): boolean {
  return call.from.shape.length > 0 || wrongShape(call, "at least one axis") !== undefined;
}

/** Options that differ from their defaults. */
function differing(call: BijectionCall, specs: readonly OptionSpec[]): Readonly<Record<string, OptionValue>> {
  const out: Record<string, OptionValue> = {};
  for (const spec of specs) {
    const value = call.options.get(spec.name);
    if (value !== undefined && value !== spec.fallback) out[spec.runtime ?? spec.name] = value;
  }
  return out;
}

function wrongShape(call: BijectionCall, expected: string): undefined {
  report(call.cx.diagnostics, "GM2030", call.span, { what: `\`${call.name}\``, expected, found: showShape(call.from.shape) });
  return undefined;
}

function problem(call: BijectionCall, text: string): undefined {
  report(call.cx.diagnostics, "GM2031", call.span, { what: `\`${call.name}\``, problem: text });
  return undefined;
}
