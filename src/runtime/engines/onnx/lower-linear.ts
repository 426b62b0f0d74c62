/** ONNX forms of matrix products and convolutions. */
import { sizeOf } from "../../graph/shape.js";
import type { ConvParams, NodeOf, Prim, Shape } from "../../graph/types.js";
import { contrib, full, int, ints, type Attributes, type ModelBuilder, type Value } from "./builder.js";
import type { Lowering, LoweringContext } from "./lowering.js";

function operand(c: LoweringContext, node: NodeOf<Prim>, operands: readonly Value[], i: number): string {
  return full(c.b, operands[i]!, c.node(node.inputs[i]!).shape);
}

function reshaped(b: ModelBuilder, x: string, shape: Shape): string {
  return b.op("Reshape", [x, b.i64(shape)]);
}

/** Whether the product is one of two matrices, after leading axes of `a` are folded into its rows. */
export function isGemm(nodeAt: LoweringContext["node"], node: NodeOf<"matmul">): boolean {
  const [a, b] = [nodeAt(node.inputs[0]!).shape, nodeAt(node.inputs[1]!).shape];
  return b.length === 2 && (a.length === 2 || !node.params.transposeA);
}

/** a @ b, plus `bias` where given (which broadcasts to the product). */
export function gemm(c: LoweringContext, node: NodeOf<"matmul">, operands: readonly Value[], bias?: Value): Value {
  const a = c.node(node.inputs[0]!).shape;
  const folded = a.length > 2;
  const left = operand(c, node, operands, 0);
  const rows = sizeOf(a.slice(0, -1));
  const names = [folded ? reshaped(c.b, left, [rows, a[a.length - 1]!]) : left, operand(c, node, operands, 1)];
  if (bias !== undefined) names.push(biasOf(c, bias, rows, node.shape));
  const flags: Attributes = {
    ...(node.params.transposeA ? { transA: int(1) } : {}),
    ...(node.params.transposeB ? { transB: int(1) } : {}),
  };
  const product = c.b.op("Gemm", names, flags);
  return { name: folded ? reshaped(c.b, product, node.shape) : product, shape: node.shape };
}

/** A bias as the addend of a product with `rows` rows: one row where it is the same for all, else all of it. */
function biasOf(c: LoweringContext, bias: Value, rows: number, shape: Shape): string {
  const columns = shape[shape.length - 1]!;
  if (shape.length === 2 || bias.shape.length < 2) return bias.name;
  return full(c.b, { name: full(c.b, bias, shape), shape }, [rows, columns]);
}

const matmul: Lowering<"matmul"> = (c, node, operands) => {
  if (isGemm(c.node, node)) return gemm(c, node, operands);
  const { transposeA, transposeB } = node.params;
  const names = [operand(c, node, operands, 0), operand(c, node, operands, 1)];
  const name =
    transposeA || transposeB
      ? c.b.op("FusedMatMul", names, { transA: int(transposeA ? 1 : 0), transB: int(transposeB ? 1 : 0) }, contrib)
      : c.b.op("MatMul", names);
  return { name, shape: node.shape };
};

/** Channels last to channels first and back; ORT's optimiser cancels and moves these. */
const toFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, i) => i + 1)];
const toLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1];

function transposed(b: ModelBuilder, x: string, perm: readonly number[]): string {
  return b.op("Transpose", [x], { perm: ints(perm) });
}

/** [...window, Cin / groups, Cout] to [Cout, Cin / groups, ...window]. */
function filter(b: ModelBuilder, w: string, spatial: number): string {
  return transposed(b, w, [spatial + 1, spatial, ...Array.from({ length: spatial }, (_, i) => i)]);
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

const conv: Lowering<"conv"> = (c, node, operands) => {
  const w = c.node(node.inputs[1]!).shape;
  const spatial = w.length - 2;
  const x = transposed(c.b, operand(c, node, operands, 0), toFirst(spatial + 2));
  const y = c.b.op("Conv", [x, filter(c.b, operand(c, node, operands, 1), spatial)], attributes(node.params, w.slice(0, spatial)));
  return { name: transposed(c.b, y, toLast(spatial + 2)), shape: node.shape };
};

/** Rows of the input that the window's last step leaves over, which the transposed convolution has to be told of. */
function leftOver(params: ConvParams, input: Shape, output: Shape, window: Shape): number[] {
  return window.map((size, i) => {
    const [before, after] = params.padding[i]!;
    const reached = (output[i + 1]! - 1) * params.stride[i]! + params.dilation[i]! * (size - 1) + 1;
    return input[i + 1]! + before + after - reached;
  });
}

const convInputGrad: Lowering<"convInputGrad"> = (c, node, operands) => {
  const [dy, w] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const spatial = w.length - 2;
  const window = w.slice(0, spatial);
  const grad = transposed(c.b, operand(c, node, operands, 0), toFirst(spatial + 2));
  const dx = c.b.op("ConvTranspose", [grad, filter(c.b, operand(c, node, operands, 1), spatial)], {
    ...attributes(node.params, window),
    output_padding: ints(leftOver(node.params, node.params.inputShape, dy, window)),
  });
  return { name: transposed(c.b, dx, toLast(spatial + 2)), shape: node.shape };
};

/**
 * The gradient in the filter is a convolution of x with dy in which rows of the batch are the channels that are summed over, channels of x
 * are the batch, and stride and dilation change places. Groups of channels become groups again.
 */
const convFilterGrad: Lowering<"convFilterGrad"> = (c, node, operands) => {
  const { params } = node;
  const [x, dy] = [c.node(node.inputs[0]!).shape, c.node(node.inputs[1]!).shape];
  const spatial = x.length - 2;
  const window = params.filterShape.slice(0, spatial);
  const cin = x[spatial + 1]! / params.groups;
  const inner = Array.from({ length: spatial }, (_, i) => i + 1);
  const split = reshaped(c.b, operand(c, node, operands, 0), [...x.slice(0, spatial + 1), params.groups, cin]);
  const image = reshaped(c.b, transposed(c.b, split, [spatial + 2, spatial + 1, 0, ...inner]), [cin, params.groups * x[0]!, ...x.slice(1, -1)]);
  const grad = transposed(c.b, operand(c, node, operands, 1), [spatial + 1, 0, ...inner]);
  const swapped: ConvParams = { ...params, stride: params.dilation, dilation: params.stride };
  const dw = c.b.op("Conv", [image, grad], attributes(swapped, dy.slice(1, -1)));
  const cropped = c.b.op("Slice", [dw, c.b.i64(window.map(() => 0)), c.b.i64(window), c.b.i64(window.map((_, i) => i + 2))]);
  return { name: transposed(c.b, cropped, [...window.map((_, i) => i + 2), 0, 1]), shape: node.shape };
};

export const linear = { matmul, conv, convInputGrad, convFilterGrad } satisfies { readonly [P in Prim]?: Lowering<P> };
