/**
 * Writes of a part of a state entry, state = dynamicUpdateSlice(state, part, index), made to cost the part: the host copies it into the entry once all
 * that reads the entry has run. As an operation of ONNX it would cost a copy of the whole entry, in time that grows with what is kept.
 */
import { sizeOf } from "../../graph/shape.js";
import type { Graph } from "../../graph/types.js";
import type { Region } from "./memory.js";

export interface PartWrite {
  readonly state: string;
  readonly axis: number;
  /** Outputs that hold the part and where it goes. */
  readonly part: string;
  readonly index: string;
}

export interface InPlace {
  /** Without those writes, with the parts and their places as outputs. */
  readonly graph: Graph;
  readonly parts: readonly PartWrite[];
}

/** `wanted`: the outputs that somebody reads. Entries whose write is `guarded` are exchanged as a whole, or not at all (guards.ts). */
export function partWrites(graph: Graph, wanted: readonly string[], guarded: ReadonlySet<string>): InPlace {
  const outputs: Record<string, number> = { ...graph.outputs };
  const writes: Record<string, number> = {};
  const parts: PartWrite[] = [];
  const read = new Set([...graph.nodes.flatMap((node) => node.inputs), ...wanted.map((name) => graph.outputs[name]!)]);
  const written = Object.values(graph.writes);
  for (const [state, id] of Object.entries(graph.writes)) {
    const node = graph.nodes[id]!;
    const whole = node.prim === "dynamicUpdateSlice" ? graph.nodes[node.inputs[0]!]! : undefined;
    const own =
      whole?.prim === "state" &&
      whole.params.name === state &&
      !guarded.has(state) &&
      !read.has(id) &&
      written.filter((other) => other === id).length === 1;
    if (node.prim !== "dynamicUpdateSlice" || !own) {
      writes[state] = id;
      continue;
    }
    const [part, index] = [`part:${node.inputs[1]!}`, `part:${node.inputs[2]!}`];
    outputs[part] = node.inputs[1]!;
    outputs[index] = node.inputs[2]!;
    parts.push({ state, axis: node.params.axis, part, index });
  }
  return { graph: parts.length === 0 ? graph : { ...graph, outputs, writes }, parts };
}

/** Copies the part into the entry, from the index on, brought into the entry as the primitive says. */
export function writePart(entry: Region, part: Region, index: Region, axis: number): void {
  const [to, from] = [entry.data(), part.data()];
  const post = sizeOf(entry.shape.slice(axis + 1));
  const [extent, size] = [entry.shape[axis]!, part.shape[axis]!];
  const start = Math.min(Math.max(index.data()[0]!, 0), extent - size) * post;
  const run = size * post;
  const pre = sizeOf(entry.shape.slice(0, axis));
  if (run === 1) {
    for (let p = 0; p < pre; p++) to[p * extent * post + start] = from[p]!;
    return;
  }
  for (let p = 0; p < pre; p++) to.set(from.subarray(p * run, (p + 1) * run), p * extent * post + start);
}
