/**
 * Indices that come from outside. A kernel cannot refuse an index, so it clamps; those that a graph takes as they are fed are looked at on the host
 * before a run (GM4907), as the other engines do. Indices that a graph computes are clamped.
 */
import { GmcError } from "../../graph/errors.js";
import type { Graph } from "../../graph/types.js";
import type { HostTensor } from "../engine.js";

/** An axis that the entries of an input are taken along. */
export interface IndexedAxis {
  readonly input: string;
  readonly prim: "gather" | "scatterAdd";
  readonly size: number;
}

/** Of all that take an input, or a view with all of its entries, as indices. */
export function indexedAxes(graph: Graph): readonly IndexedAxis[] {
  return graph.nodes.flatMap((node): IndexedAxis[] => {
    if (node.prim !== "gather" && node.prim !== "scatterAdd") return [];
    const input = inputBehind(graph, node.inputs[1]!);
    if (input === undefined) return [];
    const size = node.prim === "gather" ? graph.nodes[node.inputs[0]!]!.shape[node.params.axis]! : node.params.size;
    return [{ input, prim: node.prim, size }];
  });
}

function inputBehind(graph: Graph, id: number): string | undefined {
  const node = graph.nodes[id]!;
  switch (node.prim) {
    case "input":
      return node.params.name;
    case "reshape":
    case "broadcast":
    case "transpose":
    case "reverse":
    case "stopGradient":
      return inputBehind(graph, node.inputs[0]!);
    default:
      return undefined;
  }
}

/** Throws GM4907 where an entry lies outside. */
export function checkIndices({ prim, size }: IndexedAxis, { data }: HostTensor): void {
  for (const index of data) {
    if (index < 0 || index >= size) throw new GmcError("GM4907", `${prim}: index ${index} lies outside 0..${size - 1}`);
  }
}
