/**
 * Layers: functions with weights of their own (or, as dropout, with random numbers). One entry each: static arguments, the shape of the
 * result, the shapes of the weights, and how the runtime's `layer.spec(…)` is called. The only place that knows which layers exist; a test
 * holds the table against `src/runtime/nn`.
 */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { type OptionSpec, type OptionValue, type Reads, windowed } from "./builtins.js";
import type { Context } from "./env.js";
import { dim, elementCount, showShape, timesDim } from "./shapes.js";
import type { Dim } from "./types.js";

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

export interface LayerResult {
  readonly shape: readonly Dim[];
  /** Arguments of the runtime's `layer.spec(…)`, options aside. */
  readonly spec: readonly (number | readonly number[])[];
  /** Options of `layer.spec` and `layer` that differ from their defaults, under the runtime's names. */
  readonly options: Readonly<Record<string, OptionValue>>;
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
  /** Linear in its input, up to a constant. */
  readonly linear?: boolean;
  /** Which entries of its input an entry of the result depends on; absent: on any, or on other rows of the batch. */
  readonly reads?: Reads;
  readonly apply: (call: LayerCall) => LayerResult | undefined;
}

const padding: OptionSpec = { name: "padding", kind: "choice", choices: ["same", "valid"], named: true, fallback: "same" };
const spectral: OptionSpec = { name: "spectral", kind: "boolean", named: true, fallback: false };
const bias: OptionSpec = { name: "bias", kind: "boolean", named: true, fallback: true };
const eps: OptionSpec = { name: "eps", kind: "number", named: true, min: 0, fallback: 1e-5 };

const table: readonly Layer[] = [
  {
    name: "dense",
    runtime: "dense",
    doc: "x @ kernel + bias along the last axis",
    takes: "real",
    linear: true,
    reads: lastAxes(1),
    options: [{ name: "units", kind: "size", required: true }, bias, spectral],
    apply: (call) => {
      const inputs = call.input[call.input.length - 1];
      const units = size(call, "units");
      if (!inputs) return wrongInput(call, "a vector (or more axes, the last of which it maps)");
      return {
        shape: [...call.input.slice(0, -1), units],
        spec: [inputs.size, units.size],
        options: given(call, { bias: true, spectral: false }),
        weights: { kernel: [inputs.size, units.size], ...biasOf(call, units) },
      };
    },
  },
  convolution("conv", 2, "convolution over [height, width, channels]"),
  convolution("conv1d", 1, "convolution over [length, channels]"),
  transposed(
    "conv_transpose",
    2,
    'transposed convolution over [height, width, channels]: with stride 2 and padding "same" it doubles height and width',
  ),
  transposed("conv1d_transpose", 1, "transposed convolution over [length, channels]"),
  {
    name: "batch_norm",
    runtime: "batchNorm",
    doc: "normalises each channel (the last axis) by the batch in training and by running averages otherwise (Ioffe & Szegedy 2015)",
    takes: "real",
    options: [{ name: "momentum", kind: "number", named: true, min: 0, fallback: 0.9 }, eps],
    apply: (call) => channelwise(call, { momentum: 0.9, eps: 1e-5 }),
  },
  {
    name: "layer_norm",
    runtime: "layerNorm",
    doc: "normalises over the last axis (Ba et al. 2016)",
    takes: "real",
    reads: lastAxes(1),
    options: [eps],
    apply: (call) => channelwise(call, { eps: 1e-5 }),
  },
  {
    name: "group_norm",
    runtime: "groupNorm",
    doc: "normalises over space and groups of channels (Wu & He 2018)",
    takes: "real",
    options: [{ name: "groups", kind: "size", required: true }, eps],
    apply: (call) => {
      const channels = call.input[call.input.length - 1];
      const groups = call.options.get("groups") as number;
      if (channels && channels.size % groups !== 0) {
        report(call.cx.diagnostics, "GM2031", call.span, {
          what: "`group_norm`",
          problem: `${channels.size} channels do not divide into ${groups} groups`,
        });
        return undefined;
      }
      const out = channelwise(call, { eps: 1e-5 });
      return out && { ...out, spec: [...out.spec, groups], options: { ...out.options, ...spatialOf(call) } };
    },
  },
  {
    name: "instance_norm",
    runtime: "instanceNorm",
    doc: "normalises each channel over space (Ulyanov et al. 2016)",
    takes: "real",
    options: [eps],
    apply: (call) => {
      if (call.input.length < 2) return wrongInput(call, "space and channels");
      const out = channelwise(call, { eps: 1e-5 });
      return out && { ...out, options: { ...out.options, ...spatialOf(call) } };
    },
  },
  {
    name: "dropout",
    runtime: "dropout",
    doc: "in training, sets entries to zero with probability `rate` and scales the others (Srivastava et al. 2014)",
    takes: "real",
    options: [{ name: "rate", kind: "number", required: true, min: 0 }],
    weightless: true,
    keyed: true,
    keepsSign: true,
    reads: "place",
    apply: (call) => {
      const rate = call.options.get("rate") as number;
      if (rate >= 1) {
        report(call.cx.diagnostics, "GM2031", call.span, { what: "`dropout`", problem: `its rate must be below 1, found ${rate}` });
        return undefined;
      }
      return { shape: call.input, spec: [rate], options: { eventRank: call.input.length }, weights: {} };
    },
  },
  {
    name: "embedding",
    runtime: "embedding",
    doc: "a trained vector for each class of a label",
    takes: "int",
    options: [
      { name: "units", kind: "size", required: true },
      { name: "classes", kind: "size", named: true },
    ],
    apply: (call) => {
      const classes = call.dims.get("classes")?.[0] ?? call.classes;
      const units = size(call, "units");
      if (!classes) {
        report(
          call.cx.diagnostics,
          "GM2024",
          call.span,
          { what: "`embedding`", missing: "`classes`" },
          { help: ["say how many there are: `embedding(64, classes = 10)`"] },
        );
        return undefined;
      }
      return {
        shape: [...call.input, units],
        spec: [classes.size, units.size],
        options: {},
        weights: { table: [classes.size, units.size] },
      };
    },
  },
];

/** Reads the last n axes whole: a vector's one, the space and channels of an image. */
function lastAxes(n: number): Reads {
  const axes = Array.from({ length: n }, (_, i) => i - n);
  return () => axes;
}

export const layers: ReadonlyMap<string, Layer> = new Map(table.map((layer) => [layer.name, layer]));

function size(call: LayerCall, option: string): Dim {
  return call.dims.get(option)?.[0] ?? dim(1);
}

function biasOf(call: LayerCall, channels: Dim): Readonly<Record<string, readonly number[]>> {
  return call.options.get("bias") === false ? {} : { bias: [channels.size] };
}

/** Options that differ from their defaults. */
function given(
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

function wrongInput(call: LayerCall, expected: string): undefined {
  report(call.cx.diagnostics, "GM2030", call.inputSpan, { what: `\`${call.name}\``, expected, found: showShape(call.input) });
  return undefined;
}

function channelwise(call: LayerCall, defaults: Readonly<Record<string, OptionValue>>): LayerResult | undefined {
  const channels = call.input[call.input.length - 1];
  if (!channels) return wrongInput(call, "at least one axis");
  return {
    shape: call.input,
    spec: [channels.size],
    options: given(call, defaults),
    weights: { scale: [channels.size], shift: [channels.size] },
  };
}

/** Spatial axes before the channels, where they are not the two of an image. */
function spatialOf(call: LayerCall): Readonly<Record<string, number>> {
  return call.input.length === 3 ? {} : { spatial: call.input.length - 1 };
}

function imageOf(call: LayerCall, spatial: number): { readonly space: readonly Dim[]; readonly channels: Dim } | undefined {
  const channels = call.input[call.input.length - 1];
  if (!channels || call.input.length !== spatial + 1) {
    wrongInput(call, spatial === 2 ? "an image [height, width, channels]" : "a sequence [length, channels]");
    return undefined;
  }
  return { space: call.input.slice(0, -1), channels };
}

function convolution(name: string, spatial: number, doc: string): Layer {
  return {
    name,
    runtime: spatial === 2 ? "conv2d" : "conv1d",
    doc: `${doc}: ${name}(channels, size)`,
    takes: "real",
    linear: true,
    reads: lastAxes(spatial + 1),
    options: [
      { name: "channels", kind: "size", required: true },
      { name: "size", kind: "size", required: true },
      { name: "stride", kind: "size", named: true, fallback: 1 },
      padding,
      { name: "dilation", kind: "size", named: true, fallback: 1 },
      { name: "groups", kind: "size", named: true, fallback: 1 },
      bias,
      spectral,
    ],
    apply: (call) => {
      const image = imageOf(call, spatial);
      if (!image) return undefined;
      const channels = size(call, "channels");
      const [window, stride, dilation, groups] = ["size", "stride", "dilation", "groups"].map((o) => call.options.get(o) as number) as [
        number,
        number,
        number,
        number,
      ];
      if (image.channels.size % groups !== 0 || channels.size % groups !== 0) {
        const problem = `${image.channels.size} channels in and ${channels.size} out do not both divide into ${groups} groups`;
        report(call.cx.diagnostics, "GM2031", call.span, { what: `\`${name}\``, problem });
        return undefined;
      }
      const out = image.space.map((d) => windowed(d, window, stride, call.options.get("padding") as string, dilation));
      if (out.includes(undefined)) return wrongInput(call, `at least ${(window - 1) * dilation + 1} positions along each axis`);
      const kernel = [...image.space.map(() => window), image.channels.size / groups, channels.size];
      return {
        shape: [...out.flatMap((d) => d ?? []), channels],
        spec: [image.channels.size, channels.size, window],
        options: given(call, { stride: 1, padding: "same", dilation: 1, groups: 1, bias: true, spectral: false }),
        weights: { kernel, ...biasOf(call, channels) },
      };
    },
  };
}

function transposed(name: string, spatial: number, doc: string): Layer {
  return {
    name,
    runtime: spatial === 2 ? "convTranspose2d" : "convTranspose1d",
    doc: `${doc}: ${name}(channels, size, stride = 2)`,
    takes: "real",
    linear: true,
    reads: lastAxes(spatial + 1),
    options: [
      { name: "channels", kind: "size", required: true },
      { name: "size", kind: "size", required: true },
      { name: "stride", kind: "size", named: true, fallback: 1 },
      padding,
      bias,
      spectral,
    ],
    apply: (call) => {
      const image = imageOf(call, spatial);
      if (!image) return undefined;
      const channels = size(call, "channels");
      const [window, stride] = ["size", "stride"].map((o) => call.options.get(o) as number) as [number, number];
      const same = call.options.get("padding") === "same";
      const grow = (d: Dim): Dim => (same ? timesDim(d, dim(stride)) : dim((d.size - 1) * stride + window));
      return {
        shape: [...image.space.map(grow), channels],
        spec: [image.channels.size, channels.size, window],
        options: given(call, { stride: 1, padding: "same", bias: true, spectral: false }),
        weights: { kernel: [...image.space.map(() => window), image.channels.size, channels.size], ...biasOf(call, channels) },
      };
    },
  };
}

/** Number of trained scalars. */
export function parameterCount(result: LayerResult): number {
  return Object.values(result.weights).reduce((total, shape) => total + elementCount(shape.map((n) => dim(n))), 0);
}
