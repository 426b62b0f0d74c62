/**
 * Cuts a graph into steps. Draws, triangular factors and scattered sums are done on the host (in WebAssembly or JavaScript, see host.ts), where
 * they cost less than what ONNX could compose; all between them is one ONNX model a piece. A training step usually is: draw, run one model.
 * Takes a graph and the names of the outputs that somebody wants; gives steps in order. Nodes that nothing needs are left out.
 */
import { InternalError } from "../../graph/errors.js";
import { sameShape } from "../../graph/shape.js";
import type { Graph, Node, NodeOf } from "../../graph/types.js";

export type HostPrim = "random" | "randomCounts" | "cholesky" | "triangularSolve" | "scatterAdd" | "nade" | "nadeGrad" | "fixedPoint";

export type HostStep =
  | { readonly kind: "host"; readonly node: NodeOf<HostPrim>; readonly id: number }
  /** cast(uniform < p), drawn as 0 and 1 at once: `id` is the cast */
  | { readonly kind: "bernoulli"; readonly draw: NodeOf<"random">; readonly p: number; readonly id: number };

/** One ONNX model. */
export interface ModelStep {
  readonly kind: "model";
  /** computed in it, ascending */
  readonly ids: readonly number[];
  /** results of earlier steps that it reads */
  readonly reads: readonly number[];
  /** results that later steps or the outside read */
  readonly gives: readonly number[];
  /** state name -> id, for the writes that this model can make itself */
  readonly writes: Readonly<Record<string, number>>;
}

export type Step = HostStep | ModelStep;

export interface Plan {
  readonly steps: readonly Step[];
  /** state name -> id of a host step's result, copied at the end */
  readonly copies: Readonly<Record<string, number>>;
}

const hostPrims: ReadonlySet<string> = new Set<HostPrim>([
  "random",
  "randomCounts",
  "cholesky",
  "triangularSolve",
  "scatterAdd",
  "nade",
  "nadeGrad",
  "fixedPoint",
]);
/** Whether a primitive is done on the host. */
export function isHostPrim(node: Node): node is NodeOf<HostPrim> & Node {
  return hostPrims.has(node.prim);
}

const isSource = (node: Node): boolean =>
  node.prim === "input" || node.prim === "state" || node.prim === "constant" || node.prim === "iota";

export function planGraph(graph: Graph, wanted: readonly string[]): Plan {
  const outputs = wanted.map((name) => graph.outputs[name]!);
  const roots = [...outputs, ...Object.values(graph.writes)];
  const fused = bernoulliDraws(graph, roots);
  const operands = (id: number): readonly number[] => {
    const draw = fused.get(id);
    return draw === undefined ? graph.nodes[id]!.inputs : [...draw.draw.inputs, draw.p];
  };
  const live = reachable(roots, operands);
  const isHost = (id: number): boolean => fused.has(id) || isHostPrim(graph.nodes[id]!);

  // Sources are everywhere; host steps get even phases, models odd ones, each after those of its operands.
  const phase = new Map<number, number>();
  for (const id of live) {
    if (isSource(graph.nodes[id]!)) continue;
    const own = isHost(id) ? 0 : 1;
    const before = Math.max(0, ...operands(id).map((operand) => phase.get(operand) ?? 0));
    phase.set(id, before % 2 === own ? before : before + 1);
  }
  // A source that leaves as it is leaves through a model.
  const passed = roots.filter((id) => isSource(graph.nodes[id]!));
  for (const id of passed) phase.set(id, 1);

  const last = Math.max(-1, ...phase.values());
  const steps: Step[] = [];
  for (let p = 0; p <= last; p++) {
    const ids = live.filter((id) => phase.get(id) === p);
    if (ids.length === 0) continue;
    if (p % 2 === 0) steps.push(...ids.map((id) => hostStep(graph, fused, id)));
    else steps.push(modelStep(ids));
  }
  const copies = Object.fromEntries(Object.entries(graph.writes).filter(([, id]) => phase.get(id)! % 2 === 0));
  return { steps, copies };

  function modelStep(ids: readonly number[]): ModelStep {
    const own = new Set(ids);
    const p = phase.get(ids[0]!)!;
    const crossing = (id: number): boolean => phase.has(id) && !own.has(id) && !isSource(graph.nodes[id]!);
    const later = live.filter((id) => (phase.get(id) ?? 0) !== p);
    const read = new Set(later.flatMap((id) => operands(id)));
    return {
      kind: "model",
      ids: ids.filter((id) => !isSource(graph.nodes[id]!)),
      reads: [...new Set(ids.flatMap((id) => operands(id)).filter(crossing))],
      gives: ids.filter((id) => (!isSource(graph.nodes[id]!) && read.has(id)) || outputs.includes(id)),
      writes: Object.fromEntries(Object.entries(graph.writes).filter(([, id]) => own.has(id))),
    };
  }
}

function hostStep(graph: Graph, fused: ReadonlyMap<number, HostStep>, id: number): HostStep {
  const draw = fused.get(id);
  if (draw !== undefined) return draw;
  const node = graph.nodes[id]!;
  if (!isHostPrim(node)) throw new InternalError(`${node.prim} is no host step`);
  return { kind: "host", node, id };
}

/** Ids that the roots need, ascending. */
function reachable(roots: readonly number[], operands: (id: number) => readonly number[]): number[] {
  const seen = new Set<number>();
  const stack = [...roots];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    stack.push(...operands(id));
  }
  return [...seen].sort((a, b) => a - b);
}

/**
 * Draws of 0 and 1: cast(uniform < p) where nothing else looks at the uniforms or the condition, and p is there before any model runs.
 */
function bernoulliDraws(graph: Graph, roots: readonly number[]): Map<number, HostStep & { kind: "bernoulli" }> {
  const uses = new Map<number, number>();
  for (const id of [...graph.nodes.flatMap((node) => node.inputs), ...roots]) uses.set(id, (uses.get(id) ?? 0) + 1);
  const found = new Map<number, HostStep & { kind: "bernoulli" }>();
  for (const node of graph.nodes) {
    if (node.prim !== "cast" || node.dtype !== "f32") continue;
    const less = graph.nodes[node.inputs[0]!]!;
    if (less.prim !== "lt" || uses.get(less.id) !== 1) continue;
    const [draw, p] = [graph.nodes[less.inputs[0]!]!, graph.nodes[less.inputs[1]!]!];
    if (draw.prim !== "random" || draw.params.kind !== "uniform" || uses.get(draw.id) !== 1) continue;
    if (p.prim !== "input" || !sameShape(p.shape, draw.shape)) continue;
    found.set(node.id, { kind: "bernoulli", draw, p: p.id, id: node.id });
  }
  return found;
}
