/**
 * Takes what a metric computes of the weights alone out of its program: an evaluation runs that once, and the rest for each batch. So an exact
 * log Z is summed over its states once. No number changes: what is taken out is computed as it stood, and fed.
 */
import type { Program } from "../engines/engine.js";
import { nodeCost } from "../graph/cost.js";
import { input, stage, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { sizeOf } from "../graph/shape.js";
import { emit, source, withOrigin } from "../graph/trace.js";
import type { Graph, Node, NodeOf, Prim } from "../graph/types.js";

export interface Split {
  /** Its outputs are inputs of the rest, by the same names. */
  readonly once: Program;
  readonly rest: Program;
}

/** Operations that are worth a program of their own. */
const WORTH = 1e5;
/** Numbers that are fed in their place with each batch, at the most. */
const FED = 4096;

/** Undefined where nothing of note is the same for all batches. Of a program of one graph without writes. */
export function splitInvariant(program: Program): Split | undefined {
  const [only, ...others] = program.stages;
  if (only?.kind !== "call" || others.length > 0) return undefined;
  const { graph } = only;
  const taken = takenOut(graph);
  if (taken.length === 0) return undefined;
  const names = new Map(taken.map((node): [number, string] => [node.id, `once:${node.id}`]));
  const once = stage({}, () => copied(graph, Object.fromEntries([...names].map(([id, name]) => [name, id])), new Map()), { mode: "eval" });
  const rest = stage({}, () => copied(graph, graph.outputs, names), { mode: "eval" });
  const part = (suffix: string, staged: Graph): Program => {
    const name = `${program.name}${suffix}`;
    return { name, stages: [{ kind: "call", name, graph: optimize(staged) }], fetch: Object.keys(staged.outputs) };
  };
  return { once: part(", once", once), rest: { ...part("", rest), fetch: program.fetch } };
}

/** Of the values that no input reaches, those that others read or that come out, where they are small and dear. */
function takenOut(graph: Graph): readonly Node[] {
  const varies: boolean[] = [];
  for (const node of graph.nodes) varies.push(node.prim === "input" || node.inputs.some((id) => varies[id]));
  const read = new Set(Object.values(graph.outputs));
  for (const node of graph.nodes) if (varies[node.id]) for (const id of node.inputs) read.add(id);
  return graph.nodes.filter(
    (node) => !varies[node.id] && read.has(node.id) && node.dtype !== "bool" && sizeOf(node.shape) <= FED && costOf(graph, node) >= WORTH,
  );
}

/** Operations of all that a value is made of. */
function costOf(graph: Graph, { id }: Node): number {
  const seen = new Set([id]);
  let total = 0;
  for (const each of seen) {
    const node = graph.nodes[each]!;
    total += nodeCost(graph, node).flops;
    for (const from of node.inputs) seen.add(from);
  }
  return total;
}

/** Outputs of a graph in the current stage, the nodes of `fed` as inputs. */
function copied(graph: Graph, outputs: Readonly<Record<string, number>>, fed: ReadonlyMap<number, string>): Record<string, Tensor> {
  const needed = new Set(Object.values(outputs));
  for (const node of [...graph.nodes].reverse()) if (needed.has(node.id) && !fed.has(node.id)) for (const id of node.inputs) needed.add(id);
  const made = new Map<number, Tensor>();
  const copy = (node: Node): Tensor => {
    const name = fed.get(node.id);
    if (name !== undefined) return input(name, node.shape, node.dtype);
    if (node.prim === "input" || node.prim === "state") return source(node.prim, node.params.name, node);
    const { prim, params, inputs }: NodeOf<Prim> = node;
    return emit(
      prim,
      inputs.map((id) => made.get(id)!),
      params,
      node,
    );
  };
  for (const node of graph.nodes)
    if (needed.has(node.id))
      made.set(
        node.id,
        withOrigin(node.origin, () => copy(node)),
      );
  return Object.fromEntries(Object.entries(outputs).map(([name, id]) => [name, made.get(id)!]));
}
