/** Convolutions and their transposes, along one axis or over images. */
import { report } from "../base/report.js";
import { underWindow } from "./autoregressive/windows.js";
import { windowed } from "./builtins.js";
import { dim, timesDim } from "./shapes.js";
import { mixing, type PermutesRule } from "./symmetry/axes.js";
import type { Dim } from "./types.js";
import { type Layer, padding, spectral, bias, channelsAlone, lastAxes, size, biasOf, given, wrongInput, imageOf } from "./layer-entry.js";

/** A window of one position, moved by one, maps each position alike; a larger one mixes neighbours. */
function underWindows(spatial: number): PermutesRule {
  const whole = mixing(() => Array.from({ length: spatial + 1 }, (_, i) => i - spatial - 1));
  return (args, call) => {
    const { stride = 1 } = call.options;
    return call.spec[2] === 1 && stride === 1 ? channelsAlone(args, call) : whole(args, call);
  };
}

export function convolution(name: string, spatial: number, doc: string): Layer {
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

export function transposed(name: string, spatial: number, doc: string): Layer {
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
