/** The forms that entries of the function table share: entrywise in one or two operands, reductions, along an axis, convolutions, windows. */
import { camel } from "../base/camel.js";
import { report } from "../base/report.js";
import { across, type Grid, meet, uniform } from "./autoregressive/grid.js";
import { poolWindow, underWindow } from "./autoregressive/windows.js";
import { convRange, elementwise, imageShape, windowed, without } from "./builtin-rules.js";
import type { Builtin, KnownArg, Linearity, Options, OptionSpec } from "./builtin-types.js";
import { anything, between, type Range } from "./range.js";
import { mixing, reducing, uniform as allAlike } from "./symmetry/axes.js";
import { showShape, tensor } from "./shapes.js";
import type { Element } from "./types.js";

export const numeric: readonly Element[] = ["real"];

/** Stands for an argument that is not there. */
export const none = uniform([]);

export function unary(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["x"],
    options: [],
    takes: numeric,
    reads: "place",
    type: ({ args }) => ({ type: tensor(args[0]?.type.shape ?? []) }),
    ...(range ? { range } : {}),
    ...more,
  };
}

export function binary(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: more.runtime ?? camel(fn),
    doc,
    args: ["a", "b"],
    options: [],
    takes: numeric,
    reads: "place",
    type: (call) => elementwise(call, "real"),
    ...(range ? { range } : {}),
    ...more,
  };
}

export function comparison(fn: string, doc: string): Builtin {
  return binary(fn, doc, undefined, { takes: ["real", "int"], growth: 0, pieces: true, type: (call) => elementwise(call, "bool") });
}

const axesOption: OptionSpec = { name: "axis", kind: "axes" };
export const axisOption: OptionSpec = { name: "axis", kind: "axis", fallback: -1 };

export function reduction(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc,
    args: ["x"],
    options: [axesOption],
    takes: numeric,
    reads: ({ axes }) => axes as readonly number[],
    permutes: reducing(({ axes }) => axes as readonly number[]),
    type: ({ args, options }) => {
      const shape = args[0]?.type.shape ?? [];
      const axes = (options.get("axis") as readonly number[] | undefined) ?? shape.map((_, i) => i - shape.length);
      return { type: tensor(without(shape, axes)), options: { axes } };
    },
    ...(range ? { range } : {}),
    ...more,
  };
}

export const kept = ([x]: readonly KnownArg[]): boolean => x?.simplex === true;

/** Linear in both operands together, in each of them, in the first. */
export const together: Linearity = [[0, 1]];
export const each: Linearity = [[0], [1]];
export const inFirst: Linearity = [[0]];

/** Height and width of [height, width, channels]. */
export const overImage: readonly number[] = [-3, -2];

export const first = ([r = anything]: readonly Range[]): Range => r;

export function filled(fn: string, doc: string, value: number): Builtin {
  return {
    fn,
    runtime: fn,
    doc,
    args: [],
    options: [{ name: "shape", kind: "sizes", required: true }],
    restOption: "shape",
    takes: numeric,
    permutes: allAlike,
    constant: () => value,
    range: () => between(value, value, false),
    type: ({ dims }) => {
      const shape = dims.get("shape") ?? [];
      return { type: tensor(shape), options: { shape: shape.map((d) => d.size) } };
    },
  };
}

export function alongAxis(fn: string, doc: string, range?: Builtin["range"], more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc,
    args: ["x"],
    options: [axisOption],
    takes: numeric,
    reads: ({ axis }) => [axis as number],
    permutes: mixing(({ axis }) => [axis as number]),
    type: ({ args, options }) => ({ type: tensor(args[0]?.type.shape ?? []), options: { axis: options.get("axis") as number } }),
    ...(range ? { range } : {}),
    ...more,
  };
}

export function convolution(fn: "conv" | "conv_transpose", doc: string, type: Builtin["type"]): Builtin {
  return {
    fn,
    runtime: fn === "conv" ? "convolve" : "convolveTranspose",
    doc,
    args: ["x", "kernel"],
    options: [
      { name: "stride", kind: "size", named: true, fallback: 1 },
      { name: "padding", kind: "choice", choices: ["valid", "same"], named: true, fallback: "valid" },
    ],
    takes: numeric,
    linear: each,
    ...(fn === "conv" ? { degrees: convDegrees } : {}),
    type,
    range: convRange,
  };
}

/** The image under the kernel, and all of the kernel. */
function convDegrees(
  [x = none, kernel = none]: readonly Grid[],
  { options, shape }: { readonly options: Options; readonly shape: readonly number[] },
): Grid {
  const { stride = 1, padding = "valid" } = options;
  const window = { size: kernel.shape.slice(0, 2), stride: stride as number, padding: padding as "same" | "valid", dilation: 1 };
  return meet(shape, [underWindow(x, shape, window), across(kernel, [-4, -3, -2, -1], false)]);
}

export function pooling(fn: string, doc: string, range: (args: readonly Range[]) => Range, more: Partial<Builtin> = {}): Builtin {
  return {
    fn,
    runtime: camel(fn),
    doc: `${doc}: ${fn}(x, 2), stride = size unless given`,
    args: ["x"],
    options: [
      { name: "size", kind: "size", required: true },
      { name: "stride", kind: "size", named: true },
      { name: "padding", kind: "choice", choices: ["valid", "same"], named: true, fallback: "valid" },
    ],
    takes: numeric,
    reads: () => overImage,
    degrees: ([x = none], { options: { size, stride, padding }, shape }) => {
      const side = size as number;
      return poolWindow(x, shape, { size: [side, side], stride: stride as number, padding: padding as "same" | "valid", dilation: 1 });
    },
    permutes: mixing(() => overImage),
    range,
    type: (call) => {
      const shape = imageShape(call);
      const size = call.options.get("size") as number;
      const stride = (call.options.get("stride") as number | undefined) ?? size;
      const padding = call.options.get("padding") as string;
      if (!shape) return undefined;
      const [h, w, c] = shape;
      const out = [h, w].map((d) => windowed(d, size, stride, padding));
      const [oh, ow] = out;
      if (!oh || !ow) {
        report(call.cx.diagnostics, "GM2030", call.span, {
          what: `\`${fn}\``,
          expected: `at least ${size} pixels`,
          found: showShape([h, w]),
        });
        return undefined;
      }
      return { type: tensor([oh, ow, c]), options: { size, stride, padding } };
    },
    ...more,
  };
}
