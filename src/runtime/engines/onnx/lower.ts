/**
 * Lowering: one ONNX model for one step of a plan. Sources become inputs of the model (state, feeds, results of earlier steps) or literals;
 * every other primitive goes through one total table. Names in the model: `feed:x`, `state:w`, `value:12` in; `value:12`, `write:w` out.
 */
import { InternalError } from "../../graph/errors.js";
import { sizeOf } from "../../graph/shape.js";
import type { DType, Graph, Node, NodeOf, Prim } from "../../graph/types.js";
import { full, int, ModelBuilder, type Value } from "./builder.js";
import { elementwise } from "./lower-elementwise.js";
import { convolution } from "./lower-conv.js";
import { linear } from "./lower-linear.js";
import { structure } from "./lower-structure.js";
import type { Lowering, LoweringContext } from "./lowering.js";
import { findPatterns } from "./patterns.js";
import type { HostPrim, ModelStep } from "./plan.js";
import { elementType, type OnnxModel } from "./proto.js";

/** Entries of an iota from which on what follows from it is computed where it is needed. */
const LONG = 4096;

const isEntry = ({ prim }: Node): boolean => prim === "input" || prim === "state";

type Computed = Exclude<Prim, "input" | "state" | HostPrim>;

const table: { readonly [P in Computed]: Lowering<P> } = { ...elementwise, ...structure, ...linear, ...convolution };

export interface LoweredModel {
  readonly model: OnnxModel;
  /** names of the model's inputs, by what they hold */
  readonly inputs: readonly ModelPort[];
  readonly outputs: readonly ModelPort[];
}

export type ModelPort = { readonly name: string } & (
  { readonly kind: "feed" | "state" | "write"; readonly of: string } | { readonly kind: "value"; readonly id: number }
);

export function lowerModel(name: string, graph: Graph, step: ModelStep): LoweredModel {
  const b = new ModelBuilder(name);
  const values = new Map<number, Value>();
  const inputs = new Map<string, ModelPort>();
  const node = (id: number): Node => graph.nodes[id]!;
  const reads = new Set(step.reads);

  const enter = (port: ModelPort, { dtype, shape }: Node): Value => {
    if (!inputs.has(port.name)) {
      inputs.set(port.name, port);
      b.input(port.name, dtype, shape);
    }
    return { name: port.name, shape };
  };
  /** The value of a node that was computed, or of a source where it is first needed. */
  const value = (id: number): Value => {
    const before = values.get(id);
    if (before !== undefined) return before;
    const made = source(id);
    values.set(id, made);
    return made;
  };
  const source = (id: number): Value => {
    const n = node(id);
    if (reads.has(id)) return enter({ kind: "value", id, name: `value:${id}` }, n);
    switch (n.prim) {
      case "input":
        return enter({ kind: "feed", of: n.params.name, name: `feed:${n.params.name}` }, n);
      case "state":
        return enter({ kind: "state", of: n.params.name, name: `state:${n.params.name}` }, n);
      case "constant":
        return structure.constant(context, n, []);
      case "iota":
        return unfolded(structure.iota(context, n, []), n.dtype);
      default:
        throw new InternalError(`${n.prim} ${id} is read before it is computed`);
    }
  };
  /** A long iota plus a zero that onnxruntime cannot know: it would compute all that follows from the iota beforehand, and hold it. */
  const unfolded = (iota: Value, dtype: DType): Value => {
    const known = step.ids.flatMap((id) => node(id).inputs).find((id) => node(id).dtype === "f32" && (isEntry(node(id)) || reads.has(id)));
    if (sizeOf(iota.shape) < LONG || known === undefined || dtype === "bool") return iota;
    const entry = b.once("Reshape", [value(known).name, b.i64([-1])]);
    const first = b.once("Gather", [entry, b.i64([0])], { axis: int(0) });
    const zero = b.once("Cast", [b.once("Less", [first, first])], { to: int(elementType[dtype]) });
    return { ...iota, name: b.once("Add", [iota.name, zero]) };
  };
  const context: LoweringContext = { b, node, value, full: (id) => full(b, value(id), node(id).shape), scalar: (id) => scalarOf(node(id)) };

  const patterns = findPatterns(graph, step);
  for (const id of step.ids) {
    const n = node(id);
    if (patterns.absorbed.has(id)) continue;
    b.label = n.origin === undefined ? n.prim : `${n.prim} ${n.origin.label}`;
    const pattern = patterns.at.get(id);
    values.set(id, pattern === undefined ? lowerNode(context, n, n.inputs.map(value)) : pattern(context));
  }

  const outputs: ModelPort[] = [];
  const leave = (port: ModelPort, id: number): void => {
    const { dtype, shape } = node(id);
    b.label = port.name;
    b.output(port.name, dtype, shape, full(b, value(id), shape));
    outputs.push(port);
  };
  for (const id of step.gives) leave({ kind: "value", id, name: outputName(graph, id) }, id);
  for (const [of, id] of Object.entries(step.writes)) leave({ kind: "write", of, name: `write:${of}` }, id);
  return { model: b.finish(), inputs: [...inputs.values()], outputs };
}

/** A value that comes in and goes out again needs two names. */
function outputName(graph: Graph, id: number): string {
  const { prim } = graph.nodes[id]!;
  return prim === "input" || prim === "state" ? `value:${prim}:${id}` : `value:${id}`;
}

function lowerNode(context: LoweringContext, node: Node, operands: readonly Value[]): Value {
  const lowering = (table as Readonly<Record<string, Lowering<Prim> | undefined>>)[node.prim];
  if (lowering === undefined) throw new InternalError(`${node.prim} is not part of an ONNX model`);
  return lowering(context, node as NodeOf<Prim>, operands);
}

/** The number that a constant holds everywhere. */
function scalarOf(node: Node): number | undefined {
  return node.prim === "constant" && node.params.values.length === 1 ? node.params.values[0] : undefined;
}
