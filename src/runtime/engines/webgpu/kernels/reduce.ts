/**
 * Sums, maxima, and where a maximum is. `across` threads lie along the results and `threads / across` share the entries of one; their partial
 * results are joined by halves in workgroup memory, always in the same order.
 */
import { sizeOf } from "../../../graph/shape.js";
import type { DType, Graph, NodeOf } from "../../../graph/types.js";
import { Emitter } from "../emitter.js";
import { axesOf, flatAt, axesAt, bothAt } from "../text.js";
import { fresh, storeAll, when, type Body, type KernelContext } from "./body.js";

type Reduction = NodeOf<"reduceSum"> | NodeOf<"reduceMax"> | NodeOf<"argMax">;

/** How many results a workgroup computes: all its threads on one where there are few, one each where there are many. */
function acrossOf(results: number, entries: number, inner: boolean, threads: number): number {
  const enough = 8192;
  if (entries <= 16 || (inner && results >= enough)) return threads;
  // neighbouring threads read neighbours: along the results where those lie innermost
  let across = inner ? Math.min(32, threads) : 1;
  while (across < threads && (threads / across > entries || results / across > enough)) across *= 2;
  return across;
}

/** How a workgroup of so many threads shares out the entries. */
function planOf(
  graph: Graph,
  node: Reduction,
  threads: number,
): { readonly results: number; readonly entries: number; readonly across: number } {
  const { shape } = graph.nodes[node.inputs[0]!]!;
  const axes = axesOfReduction(node);
  const [results, entries] = [sizeOf(node.shape), sizeOf(axes.map((axis) => shape[axis]!))];
  const inner = !axes.includes(shape.length - 1) && shape.length > 0;
  return { results, entries, across: acrossOf(results, entries, inner, threads) };
}

const axesOfReduction = (node: Reduction): readonly number[] => (node.prim === "argMax" ? [node.params.axis] : node.params.axes);

/** Bytes of workgroup memory that a part needs beside products: those of the scratch, and of the places of maxima. */
export function reductionStorage(graph: Graph, core: number, threads: number): number {
  const node = graph.nodes[core]!;
  if (node.prim !== "reduceSum" && node.prim !== "reduceMax" && node.prim !== "argMax") return 0;
  if (planOf(graph, node, threads).across === threads) return 0;
  return 4 * threads * (node.prim === "argMax" ? 2 : 1);
}

const lowest: { readonly [D in Exclude<DType, "bool">]: string } = { f32: "-inf()", i32: "i32(-2147483648)", u32: "0u" };

export function reduceKernel(context: KernelContext): Body {
  const { graph, part, bindings, threads } = context;
  const node = graph.nodes[part.core!]! as Reduction;
  const x = graph.nodes[node.inputs[0]!]!;
  const axes = axesOfReduction(node);
  const { results, entries, across } = planOf(graph, node, threads);
  const down = threads / across;
  const type = x.dtype === "bool" ? "u32" : x.dtype;

  const block = fresh();
  block.add(`let at = group * ${across}u + thread % ${across}u;`);
  block.add(`let lane = thread / ${across}u;`);
  const first = node.prim === "reduceSum" ? `${type}(0)` : lowest[type as "f32"].replace("inf", () => bindings.use("inf"));
  block.add(`var sum: ${type} = ${first};`);
  if (node.prim === "argMax") block.add("var best = 0u;");
  when(block, `at < ${results}u`, (outer) => {
    const kept = axesOf(outer, flatAt(node.shape, "at"));
    const loop = outer.child();
    const reduced = axesOf(loop, flatAt(axes.map((axis) => x.shape[axis]!), "r")); // prettier-ignore
    let [k, r] = [0, 0];
    const place = x.shape.map((_, axis) => (axes.includes(axis) ? reduced[r++]! : kept[k++]!));
    const emitter = new Emitter({ graph, bindings, core: undefined });
    const value = emitter.value(loop, x.id, axesAt(x.shape, place));
    if (node.prim === "reduceSum") loop.add(`sum += ${value};`);
    else if (node.prim === "reduceMax") loop.add(`sum = ${larger("sum", value)};`);
    else
      loop.add(
        `if (${value} > sum || (r == lane && ${type === "f32" ? `!${bindings.use("is_nan")}(${value})` : "true"})) { sum = ${value}; best = r; }`,
      );
    outer.nest(`for (var r = lane; r < ${entries}u; r += ${down}u)`, loop);
  });
  if (down > 1) {
    const scratch = context.scratch();
    const bits = (text: string): string => (type === "f32" ? text : `bitcast<f32>(${text})`);
    const back = (text: string): string => (type === "f32" ? text : `bitcast<${type}>(${text})`);
    const places = node.prim === "argMax" ? context.unique("places") : undefined;
    block.add(`${scratch}[thread] = ${bits("sum")};`);
    if (places !== undefined) block.add(`${places}[thread] = best;`);
    block.add("workgroupBarrier();");
    for (let half = down / 2; half >= 1; half /= 2) {
      when(block, `lane < ${half}u`, (inner) => {
        const other = `thread + ${half * across}u`;
        const [a, b] = [back(`${scratch}[thread]`), back(`${scratch}[${other}]`)];
        if (places === undefined) {
          inner.add(`${scratch}[thread] = ${bits(node.prim === "reduceSum" ? `${a} + ${b}` : larger(a, b))};`);
        } else {
          inner.add(`let take = ${b} > ${a} || (${b} == ${a} && ${places}[${other}] < ${places}[thread]);`);
          inner.add(`if (take) { ${scratch}[thread] = ${scratch}[${other}]; ${places}[thread] = ${places}[${other}]; }`);
        }
      });
      block.add("workgroupBarrier();");
    }
    block.add(`sum = ${back(`${scratch}[thread]`)};`);
    if (places !== undefined) block.add(`best = ${places}[thread];`);
    when(block, `lane == 0u && at < ${results}u`, finish);
    // the next part of this workgroup's memory starts clean
    return {
      lines: block.lines,
      groups: Math.ceil(results / across),
      module: places === undefined ? "" : `var<workgroup> ${places}: array<u32, ${threads}>;`,
      storage: places === undefined ? 0 : 4 * threads,
    };
  }
  when(block, `at < ${results}u`, finish);
  return { lines: block.lines, groups: Math.ceil(results / across), storage: 0 };

  function finish(inner: ReturnType<typeof fresh>): void {
    const result = node.prim === "argMax" ? "i32(best)" : "sum";
    const axesHere = axesOf(inner, flatAt(node.shape, "at"));
    storeAll(context, inner, bothAt(node.shape, "at", axesHere), inner.let(result));
  }

  function larger(a: string, b: string): string {
    return type === "f32" ? `${bindings.use("max_f")}(${a}, ${b})` : `max(${a}, ${b})`;
  }
}
