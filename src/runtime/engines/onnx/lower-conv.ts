/** ONNX forms of convolutions and their gradients. ONNX holds channels first; its optimiser cancels and moves the transpositions between. */
import { sizeOf } from "../../graph/shape.js";
import type { ConvParams, NodeOf, Prim, Shape } from "../../graph/types.js";
import { full, int, ints, type Attributes, type ModelBuilder, type Value } from "./builder.js";
import type { Lowering, LoweringContext } from "./lowering.js";

const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

function operand(c: LoweringContext, node: NodeOf<Prim>, operands: readonly Value[], i: number): string {
  return full(c.b, operands[i]!, c.node(node.inputs[i]!).shape);
}

function transposed(b: ModelBuilder, x: string, perm: readonly number[]): string {
  return b.op("Transpose", [x], { perm: ints(perm) });
}

function reshaped(b: ModelBuilder, x: string, shape: Shape): string {
  return b.op("Reshape", [x, b.i64(shape)]);
}

/** [N, ...spatial, C] to [N, C, ...spatial] and back. */
const channelsFirst = (b: ModelBuilder, x: string, spatial: number): string => transposed(b, x, [0, spatial + 1, ...range(spatial, 1)]);
const channelsLast = (b: ModelBuilder, x: string, spatial: number): string => transposed(b, x, [0, ...range(spatial, 2), 1]);

/** [...window, Cin / groups, Cout] to [Cout, Cin / groups, ...window]. */
function filter(b: ModelBuilder, w: string, spatial: number): string {
  return transposed(b, w, [spatial + 1, spatial, ...range(spatial)]);
}

function attributes(params: ConvParams, window: Shape): Attributes {
  return {
    kernel_shape: ints(window),
    strides: ints(params.stride),
    dilations: ints(params.dilation),
    pads: ints([...params.padding.map((p) => p[0]), ...params.padding.map((p) => p[1])]),
    group: int(params.groups),
  };
}

/** x * w, plus `bias` [Cout] where given. */
export function conv(c: LoweringContext, node: NodeOf<"conv">, operands: readonly Value[], bias?: Value): Value {
  const w = c.node(node.inputs[1]!).shape;
  const strided = isStrided(node.params, w, sizeOf(node.shape.slice(0, -1)) * sizeOf(w.slice(0, -1)));
  return strided ? convByProduct(c, node, operands, bias) : convByOperator(c, node, operands, bias);
}

function convByOperator(c: LoweringContext, node: NodeOf<"conv">, operands: readonly Value[], bias?: Value): Value {
  const w = c.node(node.inputs[1]!).shape;
  const spatial = w.length - 2;
  const x = channelsFirst(c.b, operand(c, node, operands, 0), spatial);
  const names = [x, filter(c.b, operand(c, node, operands, 1), spatial), ...(bias === undefined ? [] : [bias.name])];
  const y = c.b.op("Conv", names, attributes(node.params, w.slice(0, spatial)));
  return { name: channelsLast(c.b, y, spatial), shape: node.shape };
}

/** Fewer channels than this make products too narrow to be fast. */
const narrow = 8;

/**
 * Whether steps are wider than 1 and one product over all patches, of so many elements, is the faster way: onnxruntime takes such windows picture by
 * picture, each a product too small for two threads, and would have channels first besides.
 */
function isStrided(params: ConvParams, w: Shape, elements: number): boolean {
  const [cin, cout] = [w[w.length - 2]!, w[w.length - 1]!];
  const plain = params.groups === 1 && params.dilation.every((d) => d === 1) && params.stride.some((s) => s > 1);
  return plain && cin >= narrow && cout >= narrow && elements <= patchLimit;
}

/** x * w as patches of x, [rows, taps Cin], times the window [taps Cin, Cout]. */
function convByProduct(c: LoweringContext, node: NodeOf<"conv">, operands: readonly Value[], bias?: Value): Value {
  const [x, w] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const views = tapViews(c.b, { ...node.params, filterShape: w }, operand(c, node, operands, 0), x, node.shape);
  const width = sizeOf(w.slice(0, -1));
  const seen = reshaped(c.b, concat(c.b, views, x.length - 1), [sizeOf(node.shape.slice(0, -1)), width]);
  const weights = reshaped(c.b, operand(c, node, operands, 1), [width, w[w.length - 1]!]);
  const y = c.b.op("Gemm", [seen, weights, ...(bias === undefined ? [] : [bias.name])]);
  return { name: reshaped(c.b, y, node.shape), shape: node.shape };
}

/**
 * The gradient in x at stride s, without sums over what overlaps: along an axis entry s i + r of x meets dy[i + d] by entry r + p - s d of the window
 * (p: the padding before), so that the s^2 entries of a cell are one product of the patch around dy[i] with a window whose entries are sorted by d and r
 * (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?").
 */
function inputGradByProduct(c: LoweringContext, node: NodeOf<"convInputGrad">, operands: readonly Value[], bias?: Value): Value {
  const { b } = c;
  const { params } = node;
  const [dy, w] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const spatial = w.length - 2;
  const [cin, cout] = [w[spatial]!, w[spatial + 1]!];
  const axes = range(spatial).map((i) => {
    const [stride, size, pad] = [params.stride[i]!, w[i]!, params.padding[i]![0]];
    const cells = Math.ceil(params.inputShape[i + 1]! / stride);
    const low = Math.ceil((pad - size + 1) / stride);
    const offsets = range(Math.floor((stride - 1 + pad) / stride) - low + 1, low);
    // an entry outside of the window is the zero that is put after it
    const picked = offsets.flatMap((d) => range(stride).map((r) => r + pad - stride * d)).map((t) => (t >= 0 && t < size ? t : size));
    const before = Math.max(0, -low);
    const after = Math.max(0, cells + offsets[offsets.length - 1]! - dy[i + 1]!);
    return { stride, cells, taps: offsets.length, picked, padding: [before, after] as const, first: low + before };
  });
  const nothing = w.map(() => 0);
  const extended = b.op("Pad", [operand(c, node, operands, 1), b.i64([...nothing, ...axes.map(() => 1), 0, 0])]);
  const sorted = axes.reduce((name, axis, i) => b.op("Gather", [name, b.i64(axis.picked)], { axis: int(i) }), extended);
  const split = reshaped(b, sorted, [...axes.flatMap((axis) => [axis.taps, axis.stride]), cin, cout]);
  const order = [...range(spatial).map((i) => 2 * i), 2 * spatial + 1, ...range(spatial).map((i) => 2 * i + 1), 2 * spatial];
  const width = sizeOf(axes.map((axis) => axis.taps)) * cout;
  const phases = sizeOf(axes.map((axis) => axis.stride));
  const weights = reshaped(b, transposed(b, split, order), [width, phases * cin]);
  const cells = axes.map((axis) => axis.cells);
  const around = {
    ...params,
    filterShape: [...axes.map((axis) => axis.taps), cout, cin],
    padding: axes.map((axis) => axis.padding),
    stride: axes.map(() => 1),
  };
  const views = tapViews(b, around, operand(c, node, operands, 0), dy, [dy[0]!, ...cells, cout], {
    origin: axes.map((axis) => axis.first),
  });
  const seen = reshaped(b, concat(b, views, spatial + 1), [dy[0]! * sizeOf(cells), width]);
  const added = bias === undefined ? [] : [reshaped(b, b.op("Expand", [bias.name, b.i64([phases, cin])]), [phases * cin])];
  const y = reshaped(b, b.op("Gemm", [seen, weights, ...added]), [dy[0]!, ...cells, ...axes.map((axis) => axis.stride), cin]);
  const woven = transposed(b, y, [0, ...range(spatial).flatMap((i) => [1 + i, 1 + spatial + i]), 2 * spatial + 1]);
  const whole = reshaped(b, woven, [dy[0]!, ...axes.map((axis) => axis.cells * axis.stride), cin]);
  const sizes = params.inputShape.slice(1, -1);
  if (axes.every((axis, i) => axis.cells * axis.stride === sizes[i])) return { name: whole, shape: node.shape };
  const cropped = b.op("Slice", [whole, b.i64(sizes.map(() => 0)), b.i64(sizes), b.i64(range(spatial, 1))]);
  return { name: cropped, shape: node.shape };
}

/** The gradient in x, which is also the transposed convolution; plus `bias` [Cin] where given. */
export function convInputGrad(c: LoweringContext, node: NodeOf<"convInputGrad">, operands: readonly Value[], bias?: Value): Value {
  const { params } = node;
  const [dy, w] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const [window, cin, cout] = [w.slice(0, -2), w[w.length - 2]!, w[w.length - 1]!];
  if (isStrided(params, w, sizeOf(dy.slice(0, -1)) * sizeOf(window) * cout)) return inputGradByProduct(c, node, operands, bias);
  const reversible = flippedPadding(params, window) !== undefined && params.groups === 1 && cin >= narrow;
  return reversible ? inputGradByConv(c, node, operands, bias) : inputGradByTranspose(c, node, operands, bias);
}

function inputGradByTranspose(c: LoweringContext, node: NodeOf<"convInputGrad">, operands: readonly Value[], bias?: Value): Value {
  const { params } = node;
  const [dy, w] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const spatial = w.length - 2;
  const window = w.slice(0, spatial);
  const names = [channelsFirst(c.b, operand(c, node, operands, 0), spatial), filter(c.b, operand(c, node, operands, 1), spatial)];
  const dx = c.b.op("ConvTranspose", bias === undefined ? names : [...names, bias.name], {
    ...attributes(params, window),
    output_padding: ints(leftOver(params, params.inputShape, dy, window)),
  });
  return { name: channelsLast(c.b, dx, spatial), shape: node.shape };
}

/** Only at stride 1 and with one group, under `flippedPadding`. */
function inputGradByConv(c: LoweringContext, node: NodeOf<"convInputGrad">, operands: readonly Value[], bias?: Value): Value {
  const { params } = node;
  const w = c.node(node.inputs[1]!).shape;
  const spatial = w.length - 2;
  const window = w.slice(0, spatial);
  const padding = flippedPadding(params, window)!;
  const names = [channelsFirst(c.b, operand(c, node, operands, 0), spatial), flippedFilter(c.b, operand(c, node, operands, 1), spatial)];
  const dx = c.b.op("Conv", bias === undefined ? names : [...names, bias.name], attributes({ ...params, padding }, window));
  return { name: channelsLast(c.b, dx, spatial), shape: node.shape };
}

/** At stride 1 the gradient is a convolution with the reversed window under this padding, faster than ConvTranspose; undefined where it is not. */
function flippedPadding(params: ConvParams, window: Shape): [number, number][] | undefined {
  if (params.stride.some((stride) => stride !== 1)) return undefined;
  const padding = window.map((size, i): [number, number] => {
    const reach = params.dilation[i]! * (size - 1);
    return [reach - params.padding[i]![0], reach - params.padding[i]![1]];
  });
  return padding.flat().some((n) => n < 0) ? undefined : padding;
}

/** [...window, Cin, Cout] to [Cin, Cout, ...window], the window reversed. */
function flippedFilter(b: ModelBuilder, w: string, spatial: number): string {
  const all = (value: number): string => b.i64(range(spatial).map(() => value));
  const reversed = b.op("Slice", [w, all(-1), all(-(2 ** 31)), b.i64(range(spatial)), all(-1)]);
  return transposed(b, reversed, [spatial, spatial + 1, ...range(spatial)]);
}

/** Rows of the input that the window's last step leaves over, which the transposed convolution has to be told of. */
function leftOver(params: ConvParams, input: Shape, output: Shape, window: Shape): number[] {
  return window.map((size, i) => {
    const [before, after] = params.padding[i]!;
    const reached = (output[i + 1]! - 1) * params.stride[i]! + params.dilation[i]! * (size - 1) + 1;
    return input[i + 1]! + before + after - reached;
  });
}

/** Elements up to which all patches may be laid side by side. */
const patchLimit = 2 ** 24;

/**
 * Three ways, by measurement: with enough channels one product x^T dy per tap of the window, over what the tap sees; with few, one product over
 * all patches, a row for each tap and channel, so that whole pictures are copied and no single pixels; else (groups, large images) a
 * convolution of x with dy.
 */
const convFilterGrad: Lowering<"convFilterGrad"> = (c, node, operands) => {
  const { params } = node;
  const [x, dy] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const cin = x[x.length - 1]!;
  const patch = sizeOf(dy.slice(0, -1)) * sizeOf(params.filterShape.slice(0, -2)) * cin;
  if (params.groups > 1 || (cin < 2 * narrow && patch > patchLimit)) return filterGradByConv(c, node, operands);
  return cin >= 2 * narrow ? filterGradByTaps(c, node, operands) : filterGradByPatches(c, node, operands);
};

/** dy as a matrix, a row for each place. */
function gradientRows(c: LoweringContext, node: NodeOf<"convFilterGrad">, operands: readonly Value[]): string {
  const dy = c.node(node.inputs[1]!).shape;
  return reshaped(c.b, operand(c, node, operands, 1), [sizeOf(dy.slice(0, -1)), dy[dy.length - 1]!]);
}

const filterGradByTaps: Lowering<"convFilterGrad"> = (c, node, operands) => {
  const [x, dy] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const grad = gradientRows(c, node, operands);
  const seen = [sizeOf(dy.slice(0, -1)), x[x.length - 1]!];
  const products = tapViews(c.b, node.params, operand(c, node, operands, 0), x, dy).map((view) =>
    c.b.op("Gemm", [reshaped(c.b, view, seen), grad], { transA: int(1) }),
  );
  return { name: reshaped(c.b, concat(c.b, products, 0), node.shape), shape: node.shape };
};

const filterGradByPatches: Lowering<"convFilterGrad"> = (c, node, operands) => {
  const [x, dy] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const rows = patches(c.b, node.params, operand(c, node, operands, 0), x, dy);
  return { name: reshaped(c.b, c.b.op("Gemm", [rows, gradientRows(c, node, operands)]), node.shape), shape: node.shape };
};

/** [taps channels, rows]: what each tap sees of each channel. */
function patches(b: ModelBuilder, params: NodeOf<"convFilterGrad">["params"], x: string, xShape: Shape, dy: Shape): string {
  const rank = xShape.length;
  const cin = xShape[rank - 1]!;
  const rows = sizeOf(dy.slice(0, -1));
  const order = [rank - 1, ...range(rank - 1)];
  const planes = cin === 1 ? reshaped(b, x, [1, ...xShape.slice(0, -1)]) : transposed(b, x, order);
  const views = tapViews(b, params, planes, xShape, dy, { first: 2 });
  return concat(
    b,
    views.map((view) => reshaped(b, view, [cin, rows])),
    0,
  );
}

function concat(b: ModelBuilder, parts: readonly string[], axis: number): string {
  return parts.length === 1 ? parts[0]! : b.op("Concat", parts, { axis: int(axis) });
}

/**
 * For each tap of the window, in C order, the entries of x that meet it: [N, ...output, Cin], or with axes in x's order whatever that is. `first` is the
 * first spatial axis, `xShape` the shape with channels last; the first tap begins at `origin` of what is padded, 0 unless told.
 */
function tapViews(
  b: ModelBuilder,
  params: NodeOf<"convFilterGrad">["params"],
  x: string,
  xShape: Shape,
  dy: Shape,
  options: { readonly first?: number; readonly origin?: readonly number[] } = {},
): string[] {
  const { first = 1, origin = [] } = options;
  const spatial = xShape.length - 2;
  const around = (pads: readonly number[]): number[] => [
    ...new Array<number>(first).fill(0),
    ...pads,
    ...new Array<number>(2 - first).fill(0),
  ];
  const ends = [...around(params.padding.map((p) => p[0])), ...around(params.padding.map((p) => p[1]))];
  const wide = ends.every((n) => n === 0) ? x : b.op("Pad", [x, b.i64(ends)]);
  const taps = params.filterShape
    .slice(0, spatial)
    .reduce<number[][]>((list, size) => list.flatMap((tap) => range(size).map((i) => [...tap, i])), [[]]);
  return taps.map((tap) => {
    const start = tap.map((t, i) => (origin[i] ?? 0) + t * params.dilation[i]!);
    const stop = start.map((from, i) => from + (dy[i + 1]! - 1) * params.stride[i]! + 1);
    return b.op("Slice", [wide, b.i64(start), b.i64(stop), b.i64(range(spatial, first)), b.i64(params.stride)]);
  });
}

/**
 * A convolution of x with dy in which rows of the batch are the channels that are summed over, channels of x are the batch, and stride and
 * dilation change places. Groups of channels become groups again.
 */
function filterGradByConv(c: LoweringContext, node: NodeOf<"convFilterGrad">, operands: readonly Value[]): Value {
  const { params } = node;
  const [x, dy] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const [xName, dyName] = [operand(c, node, operands, 0), operand(c, node, operands, 1)];
  const spatial = x.length - 2;
  const window = params.filterShape.slice(0, spatial);
  const cin = x[spatial + 1]! / params.groups;
  const split = reshaped(c.b, xName, [...x.slice(0, spatial + 1), params.groups, cin]);
  const image = reshaped(c.b, transposed(c.b, split, [spatial + 2, spatial + 1, 0, ...range(spatial, 1)]), [
    cin,
    params.groups * x[0]!,
    ...x.slice(1, -1),
  ]);
  const grad = transposed(c.b, dyName, [spatial + 1, 0, ...range(spatial, 1)]);
  const swapped: ConvParams = { ...params, stride: params.dilation, dilation: params.stride };
  const dw = c.b.op("Conv", [image, grad], attributes(swapped, dy.slice(1, -1)));
  const cropped = c.b.op("Slice", [dw, c.b.i64(window.map(() => 0)), c.b.i64(window), c.b.i64(range(spatial, 2))]);
  return { name: transposed(c.b, cropped, [...range(spatial, 2), 0, 1]), shape: node.shape };
}

/** The ways of each, which `bench/convolutions.mjs` measures beside each other. Not all of them take every stride or group. */
export const convolutionWays = {
  conv: { Conv: convByOperator, "patches, Gemm": convByProduct },
  convInputGrad: { ConvTranspose: inputGradByTranspose, "reversed Conv": inputGradByConv, "patches, Gemm": inputGradByProduct },
  convFilterGrad: { "dilated Conv": filterGradByConv, "Gemm for each tap": filterGradByTaps, "patches, Gemm": filterGradByPatches },
};

export const convolution = { conv, convInputGrad, convFilterGrad } satisfies { readonly [P in Prim]?: Lowering<P> };
