/** Runs one graph: values for its inputs and state in, values of its outputs and writes out. */
import { GmcError } from "../errors.js";
import { stagedFor } from "../host.js";
import type { DType, Graph, NodeOf, Prim } from "../types.js";
import { runKernel } from "./kernels.js";
import { dataOf, type Data, type Value } from "./value.js";
import { sizeOf } from "../shape.js";

export interface GraphResult {
  readonly outputs: Record<string, Value>;
  readonly writes: Record<string, Value>;
}

/** Gives the value of an `input` or `state` node, or undefined where there is none. */
export type Lookup = (prim: "input" | "state", name: string) => Value | undefined;

export function interpret(graph: Graph, lookup: Lookup): GraphResult {
  const values: Value[] = [];
  const memory = recycler();
  const over = lastReads(graph);
  for (const [i, node] of graph.nodes.entries()) {
    if (node.prim === "input" || node.prim === "state") {
      values.push(sourceValue(node, lookup));
      continue;
    }
    const out: Value = { shape: node.shape, dtype: node.dtype, data: memory.take(node.dtype, sizeOf(node.shape)) };
    runKernel(
      node as NodeOf<Prim>,
      node.inputs.map((id) => values[id]!),
      out,
    );
    values.push(out);
    for (const id of over[i]!) memory.give(values[id]!);
  }
  const named = (ids: Readonly<Record<string, number>>): Record<string, Value> =>
    Object.fromEntries(Object.entries(ids).map(([name, id]) => [name, values[id]!]));
  return { outputs: named(graph.outputs), writes: named(graph.writes) };
}

/** Memory of values that nothing reads any more: to have zeros anew costs more than most kernels do. */
function recycler(): { take(dtype: DType, size: number): Data; give(value: Value): void } {
  const free: Record<DType, Map<number, Data[]>> = { f32: new Map(), i32: new Map(), u32: new Map(), bool: new Map() };
  return {
    take: (dtype, size) => free[dtype].get(size)?.pop()?.fill(0) ?? dataOf(dtype, size),
    give: ({ dtype, data }) => {
      const same = free[dtype].get(data.length);
      if (same) same.push(data);
      else free[dtype].set(data.length, [data]);
    },
  };
}

const known = new WeakMap<Graph, readonly (readonly number[])[]>();

/** For each node, the nodes that it is the last to read; neither what comes in nor what goes out. */
function lastReads(graph: Graph): readonly (readonly number[])[] {
  const before = known.get(graph);
  if (before) return before;
  const kept = new Set([...Object.values(graph.outputs), ...Object.values(graph.writes)]);
  const over = graph.nodes.map((): number[] => []);
  const seen = new Set<number>();
  for (let i = graph.nodes.length - 1; i >= 0; i--) {
    for (const id of [...graph.nodes[i]!.inputs, i]) {
      if (seen.has(id)) continue;
      seen.add(id);
      const { prim } = graph.nodes[id]!;
      if (prim !== "input" && prim !== "state" && !kept.has(id)) over[i]!.push(id);
    }
  }
  known.set(graph, over);
  return over;
}

function sourceValue(node: NodeOf<"input"> | NodeOf<"state">, lookup: Lookup): Value {
  const { name } = node.params;
  const value = lookup(node.prim, name);
  const what = node.prim === "input" ? "input" : "state entry";
  if (value === undefined) throw new GmcError("GM4906", `the ${what} ${name} has no value`);
  return stagedFor(`${what} ${name}`, value, node);
}
