/**
 * Layers: functions with weights of their own (or, as dropout, with random numbers). One entry each: static arguments, the shape of the
 * result, the shapes of the weights, and how the runtime's `layer.spec(…)` is called. The only place that knows which layers exist; a test
 * holds the table against `src/runtime/nn`.
 */
import { report } from "../base/report.js";
import { across, along, running, withLast, withTrailing } from "./autoregressive/grid.js";
import { maskedDegrees } from "./autoregressive/masks.js";
import type { Order } from "./autoregressive/order.js";
import { behindInRaster, behindInTime } from "./autoregressive/windows.js";
import { type OptionSpec, type OptionValue } from "./builtins.js";
import { elementCount, plusDim } from "./shapes.js";
import { classed } from "./symmetry/axes.js";
import {
  type LayerCall,
  type LayerResult,
  type Layer,
  spectral,
  bias,
  start,
  channelsAlone,
  lastAxes,
  size,
  biasOf,
  given,
  wrongInput,
  axesMissing,
  imageOf,
} from "./layer-entry.js";
import { convolution, transposed } from "./layers-convolution.js";

const eps: OptionSpec = { name: "eps", kind: "number", named: true, min: 0, fallback: 1e-5 };

const table: readonly Layer[] = [
  {
    name: "dense",
    runtime: "dense",
    doc: "x @ kernel + bias along the last axis",
    takes: "real",
    linear: true,
    product: { kernel: "kernel", bias: "bias" },
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
      if (!inputs || !length) return wrongInput(call, "a sequence [length, channels]", axesMissing(call.input, 1));
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
    doc: "neural autoregressive distribution estimator (Larochelle & Murray 2011): a hidden layer for each entry, over the entries before it, with shared weights; [D] -> [D], with `outputs = n` [D, n]; entries may be vectors, [D, K] of `onehot(x)` (Uria et al. 2016)",
    takes: "real",
    ordered: true,
    degrees: (x, { shape }) => {
      const before = Array.from({ length: x.shape[0] ?? 1 }, (_, i) => [i - 1]);
      const each = x.shape.length === 1 ? x : across(x, [-1], false);
      return withTrailing(along(running(each, -1), -1, before), shape.slice(1));
    },
    specOptions: { takes: ["outputs"], alone: ["outputs"] },
    options: [
      { name: "hidden", kind: "size", required: true },
      { name: "outputs", kind: "size", named: true },
    ],
    apply: (call) => {
      const [entries, inner, ...more] = call.input;
      if (!entries || more.length > 0) return notEntries(call);
      const event = inner ? [entries.size, inner.size] : [entries.size];
      const hidden = size(call, "hidden");
      const outputs = call.dims.get("outputs") ?? [];
      const sizes = outputs.map((d) => d.size);
      return {
        shape: [entries, ...outputs],
        spec: [inner ? event : entries.size, hidden.size],
        options: given(call, { outputs: 0 }),
        weights: {
          inward: [...event, hidden.size],
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
    options: [{ name: "momentum", kind: "number", named: true, min: 0, below: 1, fallback: 0.9 }, eps],
    apply: (call) => channelwise(call, { momentum: 0.9, eps: 1e-5 }),
  },
  {
    name: "layer_norm",
    runtime: "layerNorm",
    doc: "normalises over the last axis (Ba et al. 2016)",
    takes: "real",
    growth: 0,
    centres: true,
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
    options: [{ name: "rate", kind: "number", required: true, min: 0, below: 1 }],
    weightless: true,
    keyed: true,
    keepsSign: true,
    reads: "place",
    apply: (call) => {
      const rate = call.options.get("rate") as number;
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

/** Of a layer over entries in an order, or over places of several values each. */
function notEntries(call: LayerCall): undefined {
  const inner = call.input.at(-1);
  const places = elementCount(call.input.slice(0, -1));
  return wrongInput(
    call,
    "a vector [D], or [D, c] with c values for each entry",
    inner === undefined ? [] : [`\`flatten\` before it makes one axis of all entries, \`reshape(${places}, ${inner.size})\` one of places`],
  );
}

function maskedDense(call: LayerCall): LayerResult | undefined {
  const [first, inner, ...more] = call.input;
  if (!first || more.length > 0) return notEntries(call);
  const units = size(call, "units");
  const channels = call.dims.get("channels")?.[0];
  if (inner && channels) {
    const problem = "of an input [D, c] it gives [D, n] as it is, and takes no `channels`";
    const help = [`\`masked_dense(${channels.size})\` gives [${first.size}, ${channels.size}] here`];
    report(call.cx.diagnostics, "GM2031", call.span, { what: "`masked_dense`", problem }, { help });
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

export const layers: ReadonlyMap<string, Layer> = new Map(table.map((layer) => [layer.name, layer]));

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
