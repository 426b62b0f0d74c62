/**
 * What is left of tensors where some variables are zero: staged again with every product that holds a zero gone. An energy at h = 0 then has no v @ W left in
 * it, nor has its gradient in W; the graph's own passes leave x * 0 as it is, for NaN's sake.
 */
import { broadcastTo, neg, zeros, type Prim, type Tensor } from "../graph/index.js";
import { sameShape } from "../graph/shape.js";
import { emit, producer, tensorOf, withOrigin } from "../graph/trace.js";
import type { NodeOf } from "../graph/types.js";

/** Zero where their first operand is. */
const THROUGH: ReadonlySet<Prim> = new Set<Prim>([
  "neg",
  "abs",
  "sign",
  "floor",
  "log1p",
  "expm1",
  "sqrt",
  "sin",
  "tanh",
  "erf",
  "stopGradient",
  "reshape",
  "transpose",
  "broadcast",
  "slice",
  "pad",
  "reverse",
  "gather",
  "scatterAdd",
  "dynamicSlice",
  "reduceSum",
  "reduceMax",
  "cumsum",
  "div",
]);
/** Zero where either operand is. */
const PRODUCTS: ReadonlySet<Prim> = new Set<Prim>(["mul", "matmul", "conv", "convInputGrad", "convFilterGrad"]);

/** `outputs` at zero `probes`, which are zeros already. Divisors are taken to be no zeros, and factors to be finite. */
export function atZero(outputs: readonly Tensor[], probes: readonly Tensor[]): Tensor[] {
  const ids = probes.map((t) => t.id);
  const touched = between(
    ids,
    outputs.map((t) => t.id),
  );
  const zero = new Set(ids);
  const made = new Map<number, Tensor>();
  const value = (id: number): Tensor => (zero.has(id) ? zeros(tensorOf(id).shape) : (made.get(id) ?? tensorOf(id)));
  for (const id of touched) {
    const node = producer(tensorOf(id)) as NodeOf<Prim>;
    const [a, b] = node.inputs;
    if (vanishes(node, zero)) {
      zero.add(id);
      continue;
    }
    withOrigin(node.origin, () => {
      const fit = (t: Tensor): Tensor => (sameShape(t.shape, node.shape) ? t : broadcastTo(t, node.shape));
      if (node.prim === "add" && zero.has(a!)) made.set(id, fit(value(b!)));
      else if ((node.prim === "add" || node.prim === "sub") && zero.has(b!)) made.set(id, fit(value(a!)));
      else if (node.prim === "sub" && zero.has(a!)) made.set(id, fit(neg(value(b!))));
      else made.set(id, emit(node.prim, node.inputs.map(value), node.params, node));
    });
  }
  return outputs.map((t) => value(t.id));
}

function vanishes({ prim, inputs, dtype }: NodeOf<Prim>, zero: ReadonlySet<number>): boolean {
  if (dtype !== "f32") return false;
  if (THROUGH.has(prim)) return zero.has(inputs[0]!);
  if (PRODUCTS.has(prim)) return inputs.some((id) => zero.has(id));
  if (prim === "add" || prim === "sub" || prim === "concat") return inputs.every((id) => zero.has(id));
  return prim === "select" && zero.has(inputs[1]!) && zero.has(inputs[2]!);
}

/** Ids of what depends on `from` and is needed for `to`, ascending; without `from`. */
function between(from: readonly number[], to: readonly number[]): number[] {
  const first = Math.min(...from);
  const needed = new Set<number>();
  const stack = [...to];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (id <= first || needed.has(id)) continue;
    needed.add(id);
    stack.push(...producer(tensorOf(id)).inputs);
  }
  const depends = new Set(from);
  const inOrder = [...needed].sort((a, b) => a - b);
  for (const id of inOrder) if (producer(tensorOf(id)).inputs.some((input) => depends.has(input))) depends.add(id);
  return inOrder.filter((id) => depends.has(id) && !from.includes(id));
}
