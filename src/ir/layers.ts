/**
 * Layers: functions with weights of their own (or, as dropout, with random numbers). One entry each: static arguments, the shape of the
 * result, the shapes of the weights, and how the runtime's `layer.spec(…)` is called. The only place that knows which layers exist; a test
 * holds the table against `src/runtime/nn`.
 */
import { report } from "../base/report.js";
import { along, type Grid, running, withLast, withTrailing } from "./autoregressive/grid.js";
import { maskedDegrees } from "./autoregressive/masks.js";
import type { MaskRule, Order } from "./autoregressive/order.js";
import { behindInRaster, behindInTime, underWindow } from "./autoregressive/windows.js";
import type { Span } from "../base/source.js";
import { type OptionSpec, type OptionValue, type Reads, windowed } from "./builtins.js";
import type { Context } from "./env.js";
import { dim, elementCount, plusDim, showShape, timesDim } from "./shapes.js";
import { classed, mixing, type PermutesRule } from "./symmetry/axes.js";
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
  /** Linear in its input, up to a constant. */
  readonly linear?: boolean;
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

const padding: OptionSpec = { name: "padding", kind: "choice", choices: ["same", "valid"], named: true, fallback: "same" };
const spectral: OptionSpec = { name: "spectral", kind: "boolean", named: true, fallback: false };
const bias: OptionSpec = { name: "bias", kind: "boolean", named: true, fallback: true };
/** Where its kernel starts: at zero, a layer whose result starts at zero. */
const start: OptionSpec = { name: "start", kind: "choice", choices: ["default", "zeros"], named: true, fallback: "default" };
const eps: OptionSpec = { name: "eps", kind: "number", named: true, min: 0, fallback: 1e-5 };

/** Mixes channels, each position alike. */
const channelsAlone = mixing(() => [-1]);

const table: readonly Layer[] = [
  {
    name: "dense",
    runtime: "dense",
    doc: "x @ kernel + bias along the last axis",
    takes: "real",
    linear: true,
    growth: 1,
    reads: lastAxes(1),
    permutes: channelsAlone,
    degrees: (x, { shape }) => withLast(x, shape.at(-1) ?? 1),
    inOrder: "masked_dense",
    options: [{ name: "units", kind: "size", required: true }, bias, start, spectral],
    apply: (call) => {
      const inputs = call.input[call.input.length - 1];
      const units = size(call, "units");
      if (!inputs) return wrongInput(call, "a vector (or more axes, the last of which it maps)");
      return {
        shape: [...call.input.slice(0, -1), units],
        spec: [inputs.size, units.size],
        options: given(call, { bias: true, start: "default", spectral: false }),
        weights: { kernel: [inputs.size, units.size], ...biasOf(call, units) },
      };
    },
  },
  {
    name: "masked_dense",
    runtime: "maskedDense",
    doc: "dense, masked so that its units read entries of the variable in an order: [D] -> [n] by degrees, [D, c] -> [D, n]; `channels = c`: [n, c]; `orders = k`: k orders and connectivities",
    takes: "real",
    linear: true,
    masked: true,
    ordered: true,
    degrees: (x, { shape, rule }) => maskedDegrees(x, shape, rule),
    options: [
      { name: "units", kind: "size", required: true },
      { name: "order", kind: "order", named: true, choices: ["natural", "reverse"] },
      { name: "orders", kind: "size", named: true, most: 1000 },
      { name: "seed", kind: "integer", named: true },
      { name: "channels", kind: "size", named: true },
      bias,
    ],
    apply: maskedDense,
  },
  {
    name: "masked_conv",
    runtime: "maskedConv2d",
    doc: 'convolution over [height, width, channels] that sees what comes before a pixel in raster order, with mask = "B" the pixel too: masked_conv(channels, size)',
    takes: "real",
    linear: true,
    ordered: true,
    degrees: (x, { instance, shape }) =>
      behindInRaster(
        x,
        shape,
        instance.spec[2] as number,
        instance.options["mask"] as "A" | "B",
        (instance.options["groups"] as number | undefined) ?? 1,
      ),
    specOptions: { takes: ["mask", "groups", "bias"], alone: ["bias"] },
    options: [
      { name: "channels", kind: "size", required: true },
      { name: "size", kind: "size", required: true },
      { name: "mask", kind: "choice", choices: ["A", "B"], named: true, required: true },
      { name: "groups", kind: "size", named: true, fallback: 1 },
      bias,
    ],
    apply: maskedConvolution,
  },
  {
    name: "causal_conv",
    runtime: "causalConv1d",
    doc: "convolution over [length, channels] that sees the positions up to its own, where `strict` those before it; of an image, along each row: causal_conv(channels, size)",
    takes: "real",
    linear: true,
    ordered: true,
    degrees: (x, { instance, shape }) => {
      const { dilation = 1, strict = false } = instance.options;
      return behindInTime(x, shape, instance.spec[2] as number, dilation as number, strict as boolean);
    },
    specOptions: { takes: ["bias"], alone: ["bias"] },
    options: [
      { name: "channels", kind: "size", required: true },
      { name: "size", kind: "size", required: true },
      { name: "dilation", kind: "size", named: true, fallback: 1 },
      { name: "strict", kind: "boolean", named: true, fallback: false },
      bias,
    ],
    apply: (call) => {
      const [inputs, length] = call.input.toReversed();
      if (!inputs || !length) return wrongInput(call, "a sequence [length, channels]");
      const [channels, window] = [size(call, "channels"), call.options.get("size") as number];
      return {
        shape: [...call.input.slice(0, -1), channels],
        spec: [inputs.size, channels.size, window],
        options: given(call, { dilation: 1, strict: false, bias: true }),
        weights: { kernel: [window, inputs.size, channels.size], ...biasOf(call, channels) },
      };
    },
  },
  {
    name: "nade",
    runtime: "nade",
    doc: "neural autoregressive distribution estimator (Larochelle & Murray 2011): a hidden layer for each entry, over the entries before it, with shared weights; [D] -> [D], with `outputs = n` [D, n]",
    takes: "real",
    ordered: true,
    degrees: (x, { shape }) => {
      const before = Array.from({ length: x.shape[0] ?? 1 }, (_, i) => [i - 1]);
      return withTrailing(along(running(x, -1), -1, before), shape.slice(1));
    },
    specOptions: { takes: ["outputs"], alone: ["outputs"] },
    options: [
      { name: "hidden", kind: "size", required: true },
      { name: "outputs", kind: "size", named: true },
    ],
    apply: (call) => {
      const [entries, ...more] = call.input;
      if (!entries || more.length > 0)
        return wrongInput(
          call,
          "a vector",
          more.length === 0
            ? []
            : ["`masked_dense` reads entries of several numbers in the same order: `[D, K] |> masked_dense(n)` is `[D, n]`"],
        );
      const hidden = size(call, "hidden");
      const outputs = call.dims.get("outputs") ?? [];
      const sizes = outputs.map((d) => d.size);
      return {
        shape: [entries, ...outputs],
        spec: [entries.size, hidden.size],
        options: given(call, { outputs: 0 }),
        weights: {
          inward: [entries.size, hidden.size],
          hiddenBias: [hidden.size],
          outward: [entries.size, hidden.size, ...sizes],
          bias: [entries.size, ...sizes],
        },
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
    readsBatch: "training",
    permutes: channelsAlone,
    options: [{ name: "momentum", kind: "number", named: true, min: 0, fallback: 0.9 }, eps],
    apply: (call) => channelwise(call, { momentum: 0.9, eps: 1e-5 }),
  },
  {
    name: "layer_norm",
    runtime: "layerNorm",
    doc: "normalises over the last axis (Ba et al. 2016)",
    takes: "real",
    growth: 0,
    reads: lastAxes(1),
    permutes: channelsAlone,
    options: [eps],
    apply: (call) => channelwise(call, { eps: 1e-5 }),
  },
  {
    name: "group_norm",
    runtime: "groupNorm",
    doc: "normalises over space and groups of channels (Wu & He 2018)",
    takes: "real",
    growth: 0,
    permutes: channelsAlone,
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
    growth: 0,
    permutes: channelsAlone,
    options: [eps],
    apply: (call) => {
      if (call.input.length < 2) return wrongInput(call, "space and channels");
      const out = channelwise(call, { eps: 1e-5 });
      return out && { ...out, options: { ...out.options, ...spatialOf(call) } };
    },
  },
  {
    name: "minibatch_discrimination",
    runtime: "minibatchDiscrimination",
    doc: "a vector, and behind it how near the row is to the others of the batch by `kernels` distances in `dims` dimensions (Salimans et al. 2016, section 3.2): in critics of objectives alone",
    takes: "real",
    readsBatch: "always",
    leastRows: 2,
    options: [
      { name: "kernels", kind: "size", required: true },
      { name: "dims", kind: "size", required: true },
    ],
    apply: (call) => {
      const [features, ...more] = call.input;
      if (!features || more.length > 0) return wrongInput(call, "a vector");
      const [kernels, dims] = [size(call, "kernels"), size(call, "dims")];
      return {
        shape: [plusDim(features, kernels)],
        spec: [features.size, kernels.size, dims.size],
        options: {},
        weights: { kernel: [features.size, kernels.size, dims.size] },
      };
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
    permutes: classed,
    degrees: (x, { shape }) => withTrailing(x, shape.slice(-1)),
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

function maskedDense(call: LayerCall): LayerResult | undefined {
  const [first, inner, ...more] = call.input;
  if (!first || more.length > 0) return wrongInput(call, "a vector [D], or [D, c] with c values for each entry");
  const units = size(call, "units");
  const channels = call.dims.get("channels")?.[0];
  if (inner && channels) {
    const problem = "of an input [D, c] it gives [D, n] as it is: leave out `channels`";
    report(call.cx.diagnostics, "GM2031", call.span, { what: "`masked_dense`", problem });
    return undefined;
  }
  const shape = inner ? [first, units] : channels ? [units, channels] : [units];
  const [inputs, outputs] = [call.input, shape].map((dims) => elementCount(dims)) as [number, number];
  const order = call.options.get("order") as Order | undefined;
  const seed = call.options.get("seed") as number | undefined;
  const orders = (call.options.get("orders") as number | undefined) ?? 1;
  return {
    shape,
    spec: [inputs, outputs],
    options: given(call, { bias: true }),
    masking: {
      ...(order === undefined || order === "natural" ? {} : { order }),
      ...(orders === 1 ? {} : { orders }),
      ...(seed === undefined ? {} : { seed }),
      ...(channels ? { channels: channels.size } : {}),
    },
    weights: { kernel: [inputs, outputs], ...(call.options.get("bias") === false ? {} : { bias: [outputs] }) },
  };
}

function maskedConvolution(call: LayerCall): LayerResult | undefined {
  const image = imageOf(call, 2);
  if (!image) return undefined;
  const channels = size(call, "channels");
  const [window, groups] = [call.options.get("size") as number, call.options.get("groups") as number];
  const problem =
    window % 2 === 0
      ? `its size must be odd, so that the window has a centre, found ${window}`
      : image.channels.size % groups !== 0 || channels.size % groups !== 0
        ? `${image.channels.size} channels in and ${channels.size} out do not both divide into ${groups} groups`
        : undefined;
  if (problem !== undefined) {
    report(call.cx.diagnostics, "GM2031", call.span, { what: "`masked_conv`", problem });
    return undefined;
  }
  return {
    shape: [...image.space, channels],
    spec: [image.channels.size, channels.size, window],
    options: { mask: call.options.get("mask") as string, ...given(call, { groups: 1, bias: true }) },
    weights: { kernel: [(window + 1) / 2, window, image.channels.size, channels.size], ...biasOf(call, channels) },
  };
}

/** Reads the last n axes whole: a vector's one, the space and channels of an image. */
function lastAxes(n: number): Reads {
  const axes = Array.from({ length: n }, (_, i) => i - n);
  return () => axes;
}

/** A window of one position, moved by one, maps each position alike; a larger one mixes neighbours. */
function underWindows(spatial: number): PermutesRule {
  const whole = mixing(() => Array.from({ length: spatial + 1 }, (_, i) => i - spatial - 1));
  return (args, call) => {
    const { stride = 1 } = call.options;
    return call.spec[2] === 1 && stride === 1 ? channelsAlone(args, call) : whole(args, call);
  };
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

function wrongInput(call: LayerCall, expected: string, help: readonly string[] = []): undefined {
  report(call.cx.diagnostics, "GM2030", call.inputSpan, { what: `\`${call.name}\``, expected, found: showShape(call.input) }, { help });
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
    growth: 1,
    reads: lastAxes(spatial + 1),
    permutes: underWindows(spatial),
    inOrder: spatial === 2 ? "masked_conv" : "causal_conv",
    degrees: (x, { instance, shape }) => {
      const { stride = 1, padding = "same", dilation = 1 } = instance.options;
      const taps = new Array<number>(spatial).fill(instance.spec[2] as number);
      return underWindow(x, shape, {
        size: taps,
        stride: stride as number,
        padding: padding as "same" | "valid",
        dilation: dilation as number,
      });
    },
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
    growth: 1,
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
