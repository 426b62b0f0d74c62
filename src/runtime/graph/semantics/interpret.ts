/** Runs one graph: values for its inputs and state in, values of its outputs and writes out. */
import { GmcError } from "../errors.js";
import { stagedFor } from "../host.js";
import type { Graph, NodeOf, Prim } from "../types.js";
import { runKernel } from "./kernels.js";
import { allocate, type Value } from "./value.js";

export interface GraphResult {
  readonly outputs: Record<string, Value>;
  readonly writes: Record<string, Value>;
}

/** Gives the value of an `input` or `state` node, or undefined where there is none. */
export type Lookup = (prim: "input" | "state", name: string) => Value | undefined;

export function interpret(graph: Graph, lookup: Lookup): GraphResult {
  const values: Value[] = [];
  for (const node of graph.nodes) {
    if (node.prim === "input" || node.prim === "state") {
      values.push(sourceValue(node, lookup));
      continue;
    }
    const out = allocate(node.shape, node.dtype);
    runKernel(
      node as NodeOf<Prim>,
      node.inputs.map((id) => values[id]!),
      out,
    );
    values.push(out);
  }
  const named = (ids: Readonly<Record<string, number>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, values[id]!]));
  return { outputs: named(graph.outputs), writes: named(graph.writes) };
}

function sourceValue(node: NodeOf<"input"> | NodeOf<"state">, lookup: Lookup): Value {
  const { name } = node.params;
  const value = lookup(node.prim, name);
  const what = node.prim === "input" ? "input" : "state entry";
  if (value === undefined) throw new GmcError("GM4906", `the ${what} ${name} has no value`);
  return stagedFor(`${what} ${name}`, value, node);
}
