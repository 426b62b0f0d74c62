/** ONNX forms of matrix products. */
import { sizeOf } from "../../graph/shape.js";
import type { NodeOf, Prim, Shape } from "../../graph/types.js";
import { contrib, float, full, int, type Attributes, type ModelBuilder, type Value } from "./builder.js";
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
  const rows = sizeOf(a.slice(0, -1));
  const left = folded
    ? (operands[0]!.folded ?? reshaped(c.b, operand(c, node, operands, 0), [rows, a[a.length - 1]!]))
    : operand(c, node, operands, 0);
  const names = [left, operand(c, node, operands, 1)];
  if (bias !== undefined) names.push(biasOf(c, bias, rows, node.shape));
  const alpha = (operands[0]!.factor ?? 1) * (operands[1]!.factor ?? 1);
  const flags: Attributes = {
    ...(alpha === 1 ? {} : { alpha: float(alpha) }),
    ...(node.params.transposeA ? { transA: int(1) } : {}),
    ...(node.params.transposeB ? { transB: int(1) } : {}),
  };
  const product = c.b.op("Gemm", names, flags);
  return folded ? unfolded(c.b, product, node.shape) : { name: product, shape: node.shape };
}

/** A matrix whose rows are folded axes, under its own shape. */
export function unfolded(b: ModelBuilder, folded: string, shape: Shape): Value {
  return { name: reshaped(b, folded, shape), shape, folded };
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

export const linear = { matmul } satisfies { readonly [P in Prim]?: Lowering<P> };
