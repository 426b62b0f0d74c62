/** Names of terms, each of one quantity: what computes the same is one term, wherever it stands, and two others under one label are told apart. */
import type { Tensor, Trace } from "./trace.js";
import type { Node, Prim } from "./types.js";

type Place = Pick<Node, "prim" | "inputs" | "params" | "shape" | "dtype">;

/** A value, and the nodes of the stage that computes it. */
interface Known {
  readonly nodes: readonly Place[];
  readonly id: number;
}

/**
 * Gives names to the terms of one or of several stages at one batch size. The first quantity under a label has it as its name, others a number beside:
 * `log q(h | x)`, `log q(h | x) #2`.
 */
export class TermNames {
  private readonly known = new Map<string, Known[]>();

  nameOf(label: string, { id }: Tensor, { nodes }: Pick<Trace, "nodes">): string {
    const known = this.known.get(label) ?? [];
    this.known.set(label, known);
    let at = known.findIndex((k) => isSame(k, { nodes, id }));
    // a trace goes on growing: the nodes so far are what computes it
    if (at < 0) at = known.push({ nodes: nodes.slice(0, id + 1), id }) - 1;
    return at === 0 ? label : `${label} #${at + 1}`;
  }
}

/** The values are equal whatever the gradients are. */
const TRANSPARENT: ReadonlySet<Prim> = new Set<Prim>(["stopGradient"]);

/** Whether two values are computed alike, from the same data, weights and draws. */
function isSame(a: Known, b: Known): boolean {
  const met = new Set<string>();
  const open: [number, number][] = [[a.id, b.id]];
  const through = (nodes: readonly Place[], at: number): number => {
    let id = at;
    for (let n = nodes[id]; n && TRANSPARENT.has(n.prim); n = nodes[id]) id = n.inputs[0] ?? id;
    return id;
  };
  for (let pair = open.pop(); pair; pair = open.pop()) {
    const [i, j] = [through(a.nodes, pair[0]), through(b.nodes, pair[1])];
    const key = `${i} ${j}`;
    if (met.has(key)) continue;
    met.add(key);
    const [x, y] = [a.nodes[i], b.nodes[j]];
    if (!x || !y || x.prim !== y.prim || x.dtype !== y.dtype || x.inputs.length !== y.inputs.length) return false;
    if (!isEqual(x.shape, y.shape) || !isEqual(x.params, y.params)) return false;
    x.inputs.forEach((input, at) => open.push([input, y.inputs[at] ?? -1]));
  }
  return true;
}

/** Parameters of primitives: plain data, and the graphs of fixed points. Where a node comes from is no part of what it computes. */
function isEqual(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  const [keys, others] = [a, b].map((o) => Object.keys(o).filter((k) => k !== "origin")) as [string[], string[]];
  const at = (o: object, key: string): unknown => (o as Readonly<Record<string, unknown>>)[key];
  return keys.length === others.length && keys.every((key) => isEqual(at(a, key), at(b, key)));
}
