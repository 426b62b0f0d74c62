/**
 * Values that are found entry after entry: the x with x = f(x), where entry i of f(x) reads only entries of x that come before it in an order. D passes
 * of f over all entries find D of them exactly, whatever the later ones are: the i-th pass makes the i-th entry right. Nothing is unrolled: f is
 * staged once and becomes the body of one node, whose size does not grow with D.
 */
import { zeros } from "./ops/elementwise.js";
import { sameShape } from "./shape.js";
import { inline } from "./stage.js";
import { currentTrace, emit, producer, tensorOf, type Tensor } from "./trace.js";
import type { Graph, Node, NodeOf, Prim, Shape } from "./types.js";

/**
 * x [..., D] of `shape` (wider where f gives more leading axes) with x = f(x). `places`: of each entry of the last axis its place in the order. What f
 * computes without x is computed once. What it asks of the stage (writes of states, terms, checks) is not taken: call it at the solution for that.
 */
export function solveInOrder(shape: Shape, places: readonly number[], f: (x: Tensor) => Tensor): Tensor {
  // layers that start from the first batch do so at a value, not at one that is sought
  if (currentTrace().starts !== undefined) f(zeros(shape));
  const hole = leaf(zeros(shape));
  const result = aside(() => f(hole));
  if (!sameShape(result.shape, shape)) return solveInOrder(result.shape, places, f);
  const { body, captured } = bodyOf(result, hole);
  return emit("fixedPoint", captured.map(tensorOf), { body, places });
}

/** The body of a fixed point once more, at values: leaves, so that a gradient in one of them counts what is computed from it alone. */
export function replayBody(
  body: Graph,
  at: Tensor,
  operands: readonly Tensor[],
): { readonly value: Tensor; readonly x: Tensor; readonly captured: readonly Tensor[] } {
  const x = leaf(at);
  const captured = operands.map(leaf);
  return { value: inline(body, { ...Object.fromEntries(captured.entries()), x })["x"]!, x, captured };
}

function leaf(t: Tensor): Tensor {
  return emit("reshape", [t], { shape: [...t.shape] });
}

/** Runs `fn` without what it leaves in the trace beside nodes. */
function aside<T>(fn: () => T): T {
  const { writes, terms, auxiliary, marks, checks } = currentTrace();
  const before = [...writes];
  const lists = [terms, auxiliary, marks, checks].map((list) => [list, list.length] as const);
  const result = fn();
  writes.clear();
  for (const [name, t] of before) writes.set(name, t);
  for (const [list, length] of lists) list.length = length;
  return result;
}

/** Names and literals. */
const LITERALS: ReadonlySet<Prim> = new Set<Prim>(["constant", "iota"]);
/** Only rearrange what they read: captured as their operand, they take no memory of their own. */
const VIEWS: ReadonlySet<Prim> = new Set<Prim>(["broadcast", "reshape"]);

/** What leads from `hole` to `result` as a graph of its own, and the values that it reads beside. */
function bodyOf(result: Tensor, hole: Tensor): { readonly body: Graph; readonly captured: readonly number[] } {
  const { nodes } = currentTrace();
  const reads = new Array<boolean>(result.id + 1).fill(false);
  reads[hole.id] = true;
  for (let id = hole.id + 1; id <= result.id; id++) reads[id] = nodes[id]!.inputs.some((input) => reads[input]);

  const captured: number[] = [];
  const made: Node[] = [];
  const numbers = new Map<number, number>();
  const add = (node: Omit<NodeOf<Prim>, "id">): number => made.push({ ...node, id: made.length } as Node) - 1;
  const source = (id: number, name: string): number => {
    const { shape, dtype } = tensorOf(id);
    return add({ prim: "input", inputs: [], params: { name }, shape, dtype, origin: undefined });
  };
  const entry = (id: number): number => {
    if (id === hole.id) return source(id, "x");
    const node = producer(tensorOf(id)) as NodeOf<Prim>;
    if (!reads[id] && !LITERALS.has(node.prim) && !VIEWS.has(node.prim)) return source(id, String(captured.push(id) - 1));
    return add({ ...node, inputs: node.inputs.map((input) => numbers.get(input)!) });
  };
  const opened = (id: number): readonly number[] => (id !== hole.id && (reads[id] || VIEWS.has(nodes[id]!.prim)) ? nodes[id]!.inputs : []);
  // operands before what reads them, in the order in which they are met: equal functions have equal bodies. Without recursion, graphs may be deep
  const open = [result.id];
  for (let id = open.at(-1); id !== undefined; id = open.at(-1)) {
    const waiting = opened(id).filter((input) => !numbers.has(input));
    open.push(...waiting.reverse());
    if (waiting.length > 0) continue;
    open.pop();
    if (!numbers.has(id)) numbers.set(id, entry(id));
  }
  return { body: { nodes: made, outputs: { x: numbers.get(result.id)! }, writes: {} }, captured };
}
