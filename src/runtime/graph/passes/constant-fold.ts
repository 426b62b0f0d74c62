/**
 * Constant folding: computes what depends on literals alone, in float64, where the result is small or one value all over.
 */
import { runKernel } from "../semantics/kernels.js";
import { allocate, type Value } from "../semantics/value.js";
import { sizeOf } from "../shape.js";
import { inferType, type ValueType } from "../shape-rules.js";
import { emit, producer, type Tensor } from "../trace.js";
import type { NodeOf, Prim, PrimParams, Shape } from "../types.js";
import { elementwise } from "./elementwise-prims.js";
import { rewritePass, type Pass } from "./pass.js";

export const constantFold: Pass = rewritePass("constantFold", () => fold);

/** Larger literals would make graphs, and the models that engines build of them, long. */
const LIMIT = 4096;

function fold(prim: Prim, inputs: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  if (inputs.length === 0) return undefined;
  const nodes = inputs.map((t) => producer(t));
  if (!nodes.every((node) => node.prim === "constant" || node.prim === "iota")) return undefined;
  const type = inferType(prim, params, inputs);
  if (Math.max(...inputs.map((t) => sizeOf(t.shape)), sizeOf(type.shape)) <= LIMIT) {
    const values = inputs.map((t) => valueOf(t));
    return literal(run(prim, inputs, params, values));
  }
  const uniform = nodes.every((node) => node.prim === "constant" && node.params.values.length === 1);
  if (!uniform) return undefined;
  if (elementwise.has(prim)) {
    const scalars = inputs.map((t) => valueOf(t, []));
    const out = run(prim, scalars, params, scalars);
    return emit("constant", [], { values: [out.data[0]!] }, type);
  }
  return MOVES.has(prim) ? emit("constant", [], { values: [valueOf(inputs[0]!, []).data[0]!] }, type) : undefined;
}

/** Give values of their operand and nothing else: one value in, the same value out. */
const MOVES: ReadonlySet<Prim> = new Set<Prim>([
  "reshape",
  "transpose",
  "broadcast",
  "slice",
  "reverse",
  "reduceMax",
  "gather",
  "dynamicSlice",
]);

function valueOf(t: Tensor, shape: Shape = t.shape): Value {
  const node = producer(t) as NodeOf<Prim>;
  const out = allocate(shape, t.dtype);
  runKernel({ ...node, shape }, [], out);
  return out;
}

function run<P extends Prim>(prim: P, inputs: readonly ValueType[], params: PrimParams[P], values: readonly Value[]): Value {
  const type = inferType(prim, params, inputs);
  const out = allocate(type.shape, type.dtype);
  runKernel({ id: 0, prim, inputs: [], params, shape: type.shape, dtype: type.dtype, origin: undefined }, values, out);
  return out;
}

function literal(value: Value): Tensor {
  const values = Array.from(value.data);
  const uniform = values.length > 1 && values.every((v) => Object.is(v, values[0]));
  return emit("constant", [], { values: uniform ? [values[0]!] : values }, value);
}
