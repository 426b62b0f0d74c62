/** What an entry of the table of layers says, and what entries are made of. */
import { report } from "../base/report.js";
import { type Grid } from "./autoregressive/grid.js";
import type { MaskRule } from "./autoregressive/order.js";
import type { Span } from "../base/source.js";
import { type OptionSpec, type OptionValue, type Reads } from "./builtins.js";
import type { Context } from "./env.js";
import { dim, elementCount, showShape } from "./shapes.js";
import { mixing, type PermutesRule } from "./symmetry/axes.js";
import type { Dim, LayerInstance, Masking } from "./types.js";

export interface LayerCall {
  readonly cx: Context;
  readonly name: string;
  readonly span: Span;
  readonly inputSpan: Span;
  /** Event shape of the input; for an embedding, of the labels. */
  readonly input: readonly Dim[];
  /** K of a category's labels. */
  readonly classes: Dim | undefined;
  readonly options: ReadonlyMap<string, OptionValue>;
  readonly dims: ReadonlyMap<string, readonly Dim[]>;
}

/** What a layer's rule about degrees is given. */
export interface LayerDegrees {
  readonly instance: LayerInstance;
  /** Of the result. */
  readonly shape: readonly number[];
  /** Of a layer that is masked by a rule. */
  readonly rule: MaskRule | undefined;
}

export interface LayerResult {
  readonly shape: readonly Dim[];
  /** Arguments of the runtime's `layer.spec(…)`, options aside. */
  readonly spec: readonly (number | readonly number[])[];
  /** Options of `layer.spec` and `layer` that differ from their defaults, under the runtime's names. */
  readonly options: Readonly<Record<string, OptionValue>>;
  readonly masking?: Masking;
  /** Trained weights. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
}

export interface Layer {
  /** `conv` */
  readonly name: string;
  /** Name of its weights: `conv` for `conv1`; `runtime` is the runtime's function. */
  readonly runtime: string;
  readonly doc: string;
  readonly takes: "real" | "int";
  readonly options: readonly OptionSpec[];
  /** Has no weights; the runtime function takes the options and not `w`. */
  readonly weightless?: boolean;
  /** Draws random numbers: the runtime function takes a key. */
  readonly keyed?: boolean;
  /** The sign of entries is that of the input's. */
  readonly keepsSign?: boolean;
  /** Takes the mean along the last axis off, before each entry is scaled and shifted by itself: the rates of its entries follow from one another. */
  readonly centres?: true;
  /** Linear in its input, up to a constant. */
  readonly linear?: boolean;
  /** It is `x @ kernel + bias` along the last axis, of weights with these names; the bias is absent by its option alone. */
  readonly product?: { readonly kernel: string; readonly bias: string };
  /** Its entries grow at most as this power of its input's do, whatever its weights. */
  readonly growth?: number;
  /** Which entries of its input an entry of the result depends on; absent: on any, or on other rows of the batch. */
  readonly reads?: Reads;
  /** What another order of a set's points does to it; absent: nothing where it works entry by entry (`reads`), else it depends on the order. */
  readonly permutes?: PermutesRule;
  /**
   * Degrees of the result's entries from those of the input's, where `reads` is too coarse for that; absent: what `reads` says, and where that is
   * absent too, the greatest of all.
   */
  readonly degrees?: (x: Grid, call: LayerDegrees) => Grid;
  /**
   * A row's result depends on the other rows of the batch, always or in training alone: it stands where a batch of independent rows is seen, in
   * objectives, and never in a density, under `grad[…]` or in an evaluation (`training`: not under `grad[…]`, nor in
   * an energy of what it is given).
   */
  readonly readsBatch?: "always" | "training";
  /** Of such a layer: rows that a batch holds at least; absent: 1. */
  readonly leastRows?: number;
  /** Masks by a rule that the analysis decides: the runtime's `spec` and the layer itself take it. */
  readonly masked?: boolean;
  /** Is made for entries in an order, and so for that of the variable alone: the order that the instance names, or that in which they lie. */
  readonly ordered?: boolean;
  /** The layer that does the same in an order. */
  readonly inOrder?: string;
  /** Options that `layer.spec(…)` takes, and those that only it takes. */
  readonly specOptions?: { readonly takes: readonly string[]; readonly alone: readonly string[] };
  readonly apply: (call: LayerCall) => LayerResult | undefined;
}

export const padding: OptionSpec = { name: "padding", kind: "choice", choices: ["same", "valid"], named: true, fallback: "same" };

export const spectral: OptionSpec = { name: "spectral", kind: "boolean", named: true, fallback: false };

export const bias: OptionSpec = { name: "bias", kind: "boolean", named: true, fallback: true };

/** Where its kernel starts: at zero, a layer whose result starts at zero. */
export const start: OptionSpec = { name: "start", kind: "choice", choices: ["default", "zeros"], named: true, fallback: "default" };

/** Mixes channels, each position alike. */
export const channelsAlone = mixing(() => [-1]);

/** Reads the last n axes whole: a vector's one, the space and channels of an image. */
export function lastAxes(n: number): Reads {
  const axes = Array.from({ length: n }, (_, i) => i - n);
  return () => axes;
}

export function size(call: LayerCall, option: string): Dim {
  return call.dims.get(option)?.[0] ?? dim(1);
}

export function biasOf(call: LayerCall, channels: Dim): Readonly<Record<string, readonly number[]>> {
  return call.options.get("bias") === false ? {} : { bias: [channels.size] };
}

/** Options that differ from their defaults. */
export function given(
  call: LayerCall,
  defaults: Readonly<Record<string, OptionValue>>,
  names: Readonly<Record<string, string>> = {},
): Record<string, OptionValue> {
  const out: Record<string, OptionValue> = {};
  for (const [name, fallback] of Object.entries(defaults)) {
    const value = call.options.get(name);
    if (value !== undefined && value !== fallback) out[names[name] ?? name] = value;
  }
  return out;
}

export function wrongInput(call: LayerCall, expected: string, help: readonly string[] = []): undefined {
  report(call.cx.diagnostics, "GM2030", call.inputSpan, { what: `\`${call.name}\``, expected, found: showShape(call.input) }, { help });
  return undefined;
}

/** The `reshape` that makes an image or a sequence of what has fewer axes; a vector is taken for a square picture, grey or of three colours. */
export function axesMissing(input: readonly Dim[], spatial: number): readonly string[] {
  const sizes = input.map((d) => d.size);
  const write = (shape: readonly (number | string)[]): readonly string[] => [
    `give it its axes before: \`|> reshape(${shape.join(", ")})\``,
  ];
  if (sizes.length === spatial) return write([...sizes, 1]);
  const [entries = 0] = sizes;
  if (spatial !== 2 || sizes.length !== 1) return [];
  const channels = [1, 3].find((c) => Number.isInteger(Math.sqrt(entries / c)));
  const side = Math.sqrt(entries / (channels ?? 1));
  return write(channels === undefined ? ["height", "width", "channels"] : [side, side, channels]);
}

export function imageOf(call: LayerCall, spatial: number): { readonly space: readonly Dim[]; readonly channels: Dim } | undefined {
  const channels = call.input[call.input.length - 1];
  if (!channels || call.input.length !== spatial + 1) {
    wrongInput(
      call,
      spatial === 2 ? "an image [height, width, channels]" : "a sequence [length, channels]",
      axesMissing(call.input, spatial),
    );
    return undefined;
  }
  return { space: call.input.slice(0, -1), channels };
}

/** Number of trained scalars. */
export function parameterCount(result: LayerResult): number {
  return Object.values(result.weights).reduce((total, shape) => total + elementCount(shape.map((n) => dim(n))), 0);
}
