/**
 * Matrix products and convolutions: the generator in gemm/ with operands that are arrays where they lie in memory, and functions where they are
 * computed as they are read; what follows entry by entry is the generator's epilogue.
 */
import { InternalError } from "../../../graph/errors.js";
import { sizeOf } from "../../../graph/shape.js";
import type { Graph, NodeOf } from "../../../graph/types.js";
import { Emitter } from "../emitter.js";
import { gemmVariants } from "../gemm/candidates.js";
import { convFilterGradGemm, convGemm, convInputGradGemm, type ConvolutionGemm, type Flat } from "../gemm/convolution.js";
import { estimate } from "../gemm/cost.js";
import { gemmKernel, measuresOf, type Pools } from "../gemm/kernel.js";
import type { GemmChoice, GemmLimits, GemmOperand, GemmSpec } from "../gemm/types.js";
import { axesAt, axesOf, flatAt, type Block } from "../text.js";
import { fresh, storeAll, when, type Body, type KernelContext } from "./body.js";

export type ProductPrim = "matmul" | "conv" | "convInputGrad" | "convFilterGrad";

/** A part's product, before it is decided how many threads a workgroup has. */
export interface Product {
  readonly spec: GemmSpec;
  readonly prefix: string;
}

/** A grid of one dimension, whatever its length: the dispatch takes its number apart. */
const UNLIMITED = 2 ** 31;

export function isProduct(graph: Graph, id: number): boolean {
  const { prim } = graph.nodes[id]!;
  return prim === "matmul" || prim === "conv" || prim === "convInputGrad" || prim === "convFilterGrad";
}

export function productOf(context: Omit<KernelContext, "threads">): Product {
  const node = context.graph.nodes[context.part.core!]!;
  const prefix = context.unique("p");
  switch (node.prim) {
    case "matmul":
      return { spec: matmulSpec(context, node, prefix), prefix };
    case "conv":
    case "convInputGrad":
    case "convFilterGrad":
      return { spec: convolutionSpec(context, node, prefix), prefix };
    default:
      throw new InternalError(`${node.prim} is no product`);
  }
}

/** A kernel for a product, what it costs by the model, and what it asks of a device. */
export interface RankedChoice {
  readonly choice: GemmChoice;
  readonly cost: number;
  readonly threads: number;
  readonly pools: Pools;
}

/** Every kernel with one of these sizes of workgroups, the best first. Up to `simple` multiply-adds it is the shortest. */
export function rankedChoices({ spec }: Product, limits: GemmLimits, sizes: readonly number[], simple: number): readonly RankedChoice[] {
  if (spec.m * spec.n * spec.k * spec.batch <= simple) {
    return sizes.map((threads) => ({ choice: { form: "direct", threads }, cost: 0, threads, pools: {} }));
  }
  return gemmVariants(spec, limits)
    .map((choice) => ({ choice, ...measuresOf(spec, choice) }))
    .filter(({ threads }) => sizes.includes(threads))
    .map(({ choice, threads, pools }) => ({ choice, cost: estimate(spec, choice), threads, pools }))
    .sort((x, y) => x.cost - y.cost);
}

export function productBody({ spec, prefix }: Product, choice: GemmChoice): Body {
  const { wgsl } = gemmKernel(spec, choice, UNLIMITED);
  const { groups, storage } = measuresOf(spec, choice);
  const subgroups = choice.form === "skinny" && choice.subgroup;
  const module = withoutEntry(
    // the module of the dispatch begins with the directives
    wgsl.replace(/^(?:(?:enable|requires) \w+;\n)*/u, ""),
    (lanes) => `fn ${prefix}main(group: vec3u, thread: u32${lanes})`,
  );
  const call = `${prefix}main(vec3u(group, 0u, 0u), thread${subgroups ? ", subgroup, lane" : ""});`;
  return { lines: [call], groups, module: module.replaceAll(/\bmm_/gu, `${prefix}mm_`), storage, subgroups };
}

/** Its entry point as a function that others call. */
function withoutEntry(wgsl: string, head: (lanes: string) => string): string {
  const entry =
    /@compute @workgroup_size\(\d+\)\s*fn main\(@builtin\(workgroup_id\) group: vec3u, @builtin\(local_invocation_index\) thread: u32(.*)\) \{/u;
  if (!entry.test(wgsl)) throw new InternalError("the product's kernel has another entry point than expected");
  return wgsl.replace(entry, (_all, lanes: string) => `${head(lanes.replaceAll(/@builtin\(\w+\) /gu, ""))} {`);
}

type Context = Omit<KernelContext, "threads">;

const elementOf = (half: boolean): { readonly element?: "f16" } => (half ? { element: "f16" } : {});

function fn(head: string, fill: (block: Block) => string | undefined): string {
  const block = fresh();
  const result = fill(block);
  const lines = result === undefined ? block.lines : [...block.lines, `return ${result};`];
  return `fn ${head} {\n${lines.map((line) => `  ${line}\n`).join("")}}\n`;
}

/** The node that lies in memory as an array in the order of `id`, which may be a view of it. */
function arrayBehind(context: Context, id: number): number | undefined {
  if (context.bindings.isArray(id)) return id;
  const node = context.graph.nodes[id]!;
  return node.prim === "reshape" ? arrayBehind(context, node.inputs[0]!) : undefined;
}

function matmulSpec(context: Context, node: NodeOf<"matmul">, prefix: string): GemmSpec {
  const { graph, bindings } = context;
  const [a, b] = node.inputs.map((id) => graph.nodes[id]!);
  const { transposeA, transposeB } = node.params;
  const rank = node.shape.length;
  const [rows, n] = node.shape.slice(-2) as [number, number];
  const k = a!.shape[rank - (transposeA ? 2 : 1)]!;
  const matrices = sizeOf(node.shape.slice(0, -2));
  // a right operand that all share makes one tall product
  const shared = b!.shape.length === 2;
  const tall = shared && !transposeA;
  const [m, batch] = tall ? [rows * matrices, 1] : [rows, matrices];
  const texts: string[] = [];
  const operand = (id: number, letter: "a" | "b", transposed: boolean, extents: readonly [number, number], apart: number): GemmOperand => {
    const [height, width] = extents;
    const stored = arrayBehind(context, id);
    if (stored !== undefined) {
      const { name, offset, half } = bindings.array(stored);
      const [rowStride, colStride] = transposed ? [1, height] : [width, 1];
      return { kind: "strided", array: name, offset, batchStride: apart, rowStride, colStride, ...elementOf(half) };
    }
    const x = graph.nodes[id]!;
    const emitter = new Emitter({ graph, bindings, core: undefined });
    const text = fn(`${prefix}${letter}(batch: u32, row: u32, col: u32) -> f32`, (block) => {
      const matrix = transposed ? ["col", "row"] : ["row", "col"];
      if (letter === "a" && tall && rank > 2) return emitter.value(block, id, flatAt(x.shape, block.let(`row * ${k}u + col`, "i")));
      const lead = letter === "b" && shared ? [] : axesOf(block, flatAt(x.shape.slice(0, -2), "batch"));
      return emitter.value(block, id, axesAt(x.shape, [...lead, ...matrix]));
    });
    texts.push(text);
    return { kind: "function", name: `${prefix}${letter}`, along: transposed ? "rows" : "columns", cost: 12 };
  };
  const left = operand(a!.id, "a", transposeA, [m, k], m * k);
  const right = operand(b!.id, "b", transposeB, [k, n], shared ? 0 : k * n);
  const store = fn(`${prefix}store(batch: u32, row: u32, col: u32, value: f32)`, (block) => {
    const flat = block.let(batch === 1 ? `row * ${n}u + col` : `(batch * ${m}u + row) * ${n}u + col`, "at");
    const plain = rank === 2;
    const at = flatAt(node.shape, flat);
    storeAll({ ...context, threads: 0 }, block, plain ? { ...at, axes: ["row", "col"] } : at, "value");
    return undefined;
  });
  return { m, n, k, batch, a: left, b: right, declarations: texts.join("") + store, store: `${prefix}store` };
}

function convolutionSpec(
  context: Context,
  node: NodeOf<"conv"> | NodeOf<"convInputGrad"> | NodeOf<"convFilterGrad">,
  prefix: string,
): GemmSpec {
  const { graph, bindings } = context;
  const texts: string[] = [];
  const flat = (id: number, name: string): Flat => {
    if (bindings.isArray(id)) {
      const { name: array, offset, half } = bindings.array(id);
      if (offset === 0) return { array, ...elementOf(half) };
    }
    const emitter = new Emitter({ graph, bindings, core: undefined });
    texts.push(fn(`${prefix}${name}(index: u32) -> f32`, (block) => emitter.value(block, id, flatAt(graph.nodes[id]!.shape, "index"))));
    return { read: `${prefix}${name}` };
  };
  const [first, second] = node.inputs.map((id) => graph.nodes[id]!);
  const [x, w] = [flat(first!.id, "read0"), flat(second!.id, "read1")];
  const gemm = ((): ConvolutionGemm => {
    switch (node.prim) {
      case "conv":
        return convGemm(node.params, first!.shape, second!.shape, { x, w }, prefix);
      case "convInputGrad":
        return convInputGradGemm(node.params, first!.shape, second!.shape, { dy: x, w }, prefix);
      case "convFilterGrad":
        return convFilterGradGemm(node.params, first!.shape, second!.shape, { x, dy: w }, prefix);
    }
  })();
  const store = fn(`${prefix}store(batch: u32, row: u32, col: u32, value: f32)`, (block) => {
    block.add(`let at = ${gemm.place}(batch, row, col);`);
    const fill = (inner: Block): void => storeAll({ ...context, threads: 0 }, inner, flatAt(node.shape, "at"), "value");
    if (gemm.partial) when(block, "at != 0xffffffffu", fill);
    else fill(block);
    return undefined;
  });
  const { m, n, k, batch, a, b, functions } = gemm;
  return { m, n, k, batch, a, b, declarations: texts.join("") + functions + store, store: `${prefix}store` };
}
