/** The forms that entries of the table of bijections share: onto another domain, couplings, autoregressive ones, per event or channel; and their checks. */
import { report } from "../base/report.js";
import type { Bijection, BijectionCall, BijectionResult } from "./bijection-types.js";
import type { OptionSpec, OptionValue } from "./builtins.js";
import { dim, showShape } from "./shapes.js";
import type { Dim, Directions, DomainName } from "./types.js";

export const closed: Directions = { forward: "closed", inverse: "closed" };

/** What a byte is one of, and a dequantisation's levels unless told. */
export const BYTE_LEVELS = 256;

const mask: OptionSpec = {
  name: "mask",
  kind: "choice",
  choices: ["halves", "alternate", "checkerboard", "channel"],
  named: true,
  fallback: "halves",
};
/** How a raw number becomes a scale. */
export const scale: OptionSpec = { name: "scale", kind: "choice", choices: ["tanh", "sigmoid", "exp"], named: true, fallback: "tanh" };
const swap: OptionSpec = { name: "swap", kind: "boolean", named: true, fallback: false };
/** Whether an output layer is put on top of the conditioner. */
const head: OptionSpec = { name: "head", kind: "boolean", named: true, fallback: true };

export function onDomain(
  name: string,
  runtime: string,
  doc: string,
  from: DomainName,
  to: DomainName,
  logDet: string,
  back: string,
): Bijection {
  return {
    name,
    runtime: `${runtime}Flow`,
    doc: `${doc} of each entry, from ${from} to ${to}`,
    options: [],
    takes: [from],
    ends: to,
    back,
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

export function coupling(name: string, runtime: string, doc: string, { perEntry, logDet, options }: Coupled): Bijection {
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
    report(
      call.cx.diagnostics,
      "GM2074",
      call.span,
      { what: call.name, shape: showShape(shape), mask: kind },
      { help: splitHelp(sizes(shape)) },
    );
    return undefined;
  }
  if (kind === "checkerboard") return { kept: last, changed: last };
  // of an odd number of entries, the first half is the smaller one, and every other entry from the first on the larger part
  const half = kind === "alternate" ? Math.ceil(last.size / 2) : Math.floor(last.size / 2);
  const [first, second] = [dim(half), dim(last.size - half)];
  return call.options.get("swap") === true ? { kept: second, changed: first } : { kept: first, changed: second };
}

/** The other masks that part the shape; where none does, what moves it without one. */
function splitHelp(shape: readonly number[]): readonly string[] {
  const channels = shape.at(-1) ?? 1;
  const places = shape.slice(0, -1).reduce((n, s) => n * s, 1);
  if (channels > 1) return ['one place is parted along its last axis: `mask = "halves"` or `"alternate"`'];
  if (places > 1)
    return [
      `one channel is parted by its places, \`mask = "checkerboard"\`${shape.length === 3 ? ", or gets channels by a `squeeze` after this step" : ""}`,
    ];
  return ["one entry has nothing to be kept beside it: `affine`, `planar` and `radial` move it, or a flow that is written out"];
}

export function autoregressive(name: string, runtime: string, doc: string, directions: Directions): Bijection {
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
      const help = [
        "`made_values([100])` gives each entry two values of the entries before it; the last axis holds them, a shift and a scale",
      ];
      return { to: call.from, options: differing(call, [scale]), parameters: 0, conditioner: { from: [d], to: [d, dim(2)], help } };
    },
  };
}

// ---- helpers ---------------------------------------------------------------------------------------

export const sizes = (shape: readonly Dim[]): readonly number[] => shape.map((d) => d.size);
export const count = (shape: readonly Dim[]): number => shape.reduce((n, d) => n * d.size, 1);

type Own = Pick<BijectionResult, "spec" | "parameters">;

export function onEvent(
  call: BijectionCall,
  make: (event: readonly number[], entries: number) => Own | undefined,
): BijectionResult | undefined {
  if (call.from.shape.length === 0) return wrongShape(call, "at least one axis");
  const own = make(sizes(call.from.shape), count(call.from.shape));
  return own && { ...own, to: call.from, options: {} };
}

export function perChannel(call: BijectionCall, make: (channels: number) => Own): BijectionResult | undefined {
  const channels = call.from.shape[call.from.shape.length - 1];
  if (!channels) return wrongShape(call, "at least one axis");
  return { ...make(channels.size), to: call.from, options: {} };
}

export function needsAxis(call: BijectionCall): boolean {
  return call.from.shape.length > 0 || wrongShape(call, "at least one axis") !== undefined;
}

/** Options that differ from their defaults. */
export function differing(call: BijectionCall, specs: readonly OptionSpec[]): Readonly<Record<string, OptionValue>> {
  const out: Record<string, OptionValue> = {};
  for (const spec of specs) {
    const value = call.options.get(spec.name);
    if (value !== undefined && value !== spec.fallback) out[spec.runtime ?? spec.name] = value;
  }
  return out;
}

/** Height, width and channels of an image; of another shape, an error. */
export function imageOf(call: BijectionCall): readonly [Dim, Dim, Dim] | undefined {
  const [h, w, c, ...more] = call.from.shape;
  if (h && w && c && more.length === 0) return [h, w, c];
  const help =
    h && w && !c
      ? [`an image of one channel has three axes: \`${call.from.domain}[${h.size}, ${w.size}, 1]\``]
      : h && !w
        ? ["of a vector, `permute` puts the entries into another order, and a coupling keeps one part of them"]
        : [];
  return wrongShape(call, "an image [height, width, channels]", help);
}

function wrongShape(call: BijectionCall, expected: string, help: readonly string[] = []): undefined {
  report(call.cx.diagnostics, "GM2030", call.span, { what: `\`${call.name}\``, expected, found: showShape(call.from.shape) }, { help });
  return undefined;
}

export function problem(call: BijectionCall, text: string, help: readonly string[] = []): undefined {
  report(call.cx.diagnostics, "GM2031", call.span, { what: `\`${call.name}\``, problem: text }, { help });
  return undefined;
}
