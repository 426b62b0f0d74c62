/**
 * One dispatch as one WGSL module: each part is a function, and a workgroup finds the part that it belongs to by its number. Takes parts that
 * do not depend on one another, gives the text, the grid, and what is to be bound. Pure: equal arguments, equal text.
 */
import { InternalError } from "../../graph/errors.js";
import type { Graph } from "../../graph/types.js";
import { Bindings, DispatchBindings, type BindingSources, type Slot } from "./bindings.js";
import { chosen, likely, type Picked } from "./choices.js";
import { choiceName, halfDirective, poolBytes, subgroupDirectives } from "./gemm/kernel.js";
import type { GemmChoice, GemmLimits } from "./gemm/types.js";
import { helperText } from "./helpers.js";
import type { Body, KernelContext } from "./kernels/body.js";
import { pointKernel } from "./kernels/point.js";
import { isProduct, productBody, productOf } from "./kernels/product.js";
import { reduceKernel, reductionStorage } from "./kernels/reduce.js";
import { scanKernel } from "./kernels/scan.js";
import { scatterKernel } from "./kernels/scatter.js";
import { choleskyKernel, triangularSolveKernel } from "./kernels/triangular.js";
import type { Part } from "./schedule.js";

/** What kernels are written for. */
export interface DeviceLimits {
  readonly gemm: GemmLimits;
  /** Storage buffers that a kernel may bind. */
  readonly maxBuffers: number;
  /**
   * Products of up to so many multiply-adds take the shortest kernel: a software adapter takes half a second to compile one with tiles, more than it
   * takes to compute thousands of such products.
   */
  readonly simpleProducts: number;
  /** Results that products read are kept as float16 where half.ts says so. */
  readonly half?: boolean;
}

export interface Assembled {
  readonly wgsl: string;
  /** for dispatchWorkgroups; empty parts give none */
  readonly workgroups: readonly [number, number];
  readonly slots: readonly Slot[];
  /** The iteration's number is bound as a uniform of its own. */
  readonly iteration: boolean;
  readonly parts: readonly AssembledPart[];
  /** Where it computes products, the kernels that were chosen for them. */
  readonly products?: ChosenProducts;
}

export interface ChosenProducts {
  /** `64x50x30`, and so on for each. */
  readonly sizes: string;
  /** The kernels' names. */
  readonly choice: string;
  /** The same dispatch with other kernels, the likely best first by the cost model; they bind what this one binds. */
  readonly others: () => readonly { readonly choice: string; readonly assemble: () => Assembled }[];
  /** Measured on a device: milliseconds, and those of what the cost model chose. */
  readonly measured?: { readonly device: string; readonly time: number; readonly usual: number };
}

export interface AssembledPart {
  readonly part: Part;
  readonly groups: number;
  /** Nodes that are loaded, and nodes that are stored, with the buffer of each; what is written to several buffers stands there for each. */
  readonly reads: readonly NodeBuffer[];
  readonly writes: readonly NodeBuffer[];
}

export interface NodeBuffer {
  readonly id: number;
  readonly ref: string;
  readonly half: boolean;
}

/** `picked`: kernels of the products, instead of those that the cost model prefers. */
export function assemble(graph: Graph, all: readonly Part[], sources: BindingSources, device: DeviceLimits, picked?: Picked): Assembled {
  const limits = device.gemm;
  const bindings = new DispatchBindings(sources);
  let names = 0;
  let scratch = false;
  const parts = all.filter((part) => part.size > 0);
  const contexts = parts.map((part): Omit<KernelContext, "threads"> => {
    // what a part stores, it computes; a source among it is copied, so it is read
    const own = new Set(part.stores.filter((id) => !isSource(graph, id)));
    return {
      graph,
      part,
      bindings: new Bindings(bindings, own),
      unique: (name) => `${name}${names++}_`,
      scratch: () => {
        scratch = true;
        return "scratch";
      },
    };
  });
  const products = contexts.map((context) =>
    context.part.core !== undefined && isProduct(graph, context.part.core) ? productOf(context) : undefined,
  );
  const computed = products.filter((p) => p !== undefined);
  const beside = (size: number): number =>
    Math.max(0, ...parts.map(({ core }) => (core === undefined ? 0 : reductionStorage(graph, core, size))));
  const { threads, choices } = picked ?? chosen(computed, device, beside);
  const bodies = contexts.map((context, i) => {
    const product = products[i];
    return product === undefined ? kernelOf({ ...context, threads }) : productBody(product, choices[computed.indexOf(product)]!);
  });

  const total = bodies.reduce((sum, body) => sum + body.groups, 0);
  const down = Math.max(1, Math.ceil(total / limits.workgroupsPerDimension));
  const across = Math.ceil(total / down);
  const texts = bodies.map((body, i) =>
    [
      body.module ?? "",
      `fn part${i}(group: u32, thread: u32${body.subgroups ? ", subgroup: u32, lane: u32" : ""}) {`,
      ...body.lines.map((line) => `  ${line}`),
      "}",
    ].join("\n"),
  );
  const { modules, pools } = shareWorkgroupMemory(texts);
  let first = 0;
  const calls = bodies.map((body, i) => {
    const start = first;
    first += body.groups;
    const call = `part${i}(${start === 0 ? "number" : `number - ${start}u`}, thread${body.subgroups ? ", subgroup, lane" : ""});`;
    return bodies.length === 1 && down === 1 ? call : `${i === 0 ? "" : "else "}if (number < ${first}u) { ${call} }`;
  });
  const subgroups = bodies.some((body) => body.subgroups);
  const lanes = subgroups ? ", @builtin(subgroup_id) subgroup: u32, @builtin(subgroup_invocation_id) lane: u32" : "";
  const wgsl = [
    ...(bindings.slots.some(({ type }) => type === "f16") ? [halfDirective.trimEnd()] : []),
    ...(subgroups ? [subgroupDirectives.trimEnd()] : []),
    bindings.declarations(),
    helperText(bindings.helpers),
    ...(scratch ? [`var<workgroup> scratch: array<f32, ${threads}>;`] : []),
    ...pools,
    ...modules,
    `@compute @workgroup_size(${threads})`,
    `fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) thread: u32${lanes}) {`,
    down === 1 ? "  let number = id.x;" : `  let number = id.y * ${across}u + id.x;`,
    ...calls.map((call) => `  ${call}`),
    "}",
    "",
  ]
    .filter((text) => text !== "")
    .join("\n");
  if (workgroupBytes(wgsl) > limits.workgroupStorage)
    throw new InternalError(`a dispatch takes ${workgroupBytes(wgsl)} bytes of workgroup memory`);
  return {
    wgsl,
    workgroups: [total === 0 ? 0 : across, down],
    slots: bindings.slots,
    iteration: bindings.iteration,
    parts: parts.map((part, i) => ({ part, groups: bodies[i]!.groups, ...buffersOf(part, sources) })),
    ...(computed.length === 0
      ? {}
      : {
          products: {
            sizes: computed.map(({ spec }) => `${spec.batch === 1 ? "" : `${spec.batch} x `}${spec.m}x${spec.n}x${spec.k}`).join(" + "),
            choice: namesOf(choices),
            others: () =>
              likely(computed, limits, beside)
                .filter((other) => namesOf(other.choices) !== namesOf(choices))
                .map((other) => ({ choice: namesOf(other.choices), assemble: () => assemble(graph, all, sources, device, other) })),
          },
        }),
  };
}

const namesOf = (choices: readonly GemmChoice[]): string => choices.map(choiceName).join("; ");

function buffersOf(part: Part, sources: BindingSources): Pick<AssembledPart, "reads" | "writes"> {
  return {
    reads: part.loads.flatMap((id) => {
      const memory = sources.memory(id);
      return memory === undefined ? [] : [{ id, ref: memory.ref, half: memory.half === true }];
    }),
    writes: part.stores.flatMap((id) => sources.targets(id).map(({ ref, half = false }) => ({ id, ref, half }))),
  };
}

function isSource(graph: Graph, id: number): boolean {
  const { prim } = graph.nodes[id]!;
  return prim === "input" || prim === "state" || prim === "constant" || prim === "iota";
}

/** A workgroup runs one part only, so arrays of one type in workgroup memory are one array, as long as the longest. */
function shareWorkgroupMemory(modules: readonly string[]): { readonly modules: readonly string[]; readonly pools: readonly string[] } {
  const sizes = new Map<string, number>();
  const poolOf = (type: string): string => `pool_${type.replaceAll(/\W/gu, "_")}`;
  const shared = modules.map((module) => {
    const names = new Map<string, string>();
    const rest = module.replaceAll(/var<workgroup> (\w+): array<(.+), (\d+)>;\n?/gu, (_all, name: string, type: string, size: string) => {
      names.set(name, poolOf(type));
      sizes.set(type, Math.max(sizes.get(type) ?? 0, Number(size)));
      return "";
    });
    return [...names].reduce((text, [name, pool]) => text.replaceAll(new RegExp(`\\b${name}\\b`, "gu"), pool), rest);
  });
  const pools = [...sizes].map(([type, size]) => `var<workgroup> ${poolOf(type)}: array<${type}, ${size}>;`);
  return { modules: shared, pools };
}

const elementBytes: Readonly<Record<string, number>> = { f32: 4, u32: 4, vec2f: 8, "vec4<f16>": 8, vec4f: 16 };

/** Bytes of workgroup memory that a module declares, each array from a multiple of 16 on, as the limit of WebGPU counts them. */
function workgroupBytes(wgsl: string): number {
  return poolBytes(
    Object.fromEntries(
      [...wgsl.matchAll(/var<workgroup> (\w+): array<(.+), (\d+)>;/gu)].map(([, name, type, size]) => [
        name!,
        elementBytes[type!]! * Number(size),
      ]),
    ),
  );
}

function kernelOf(context: KernelContext): Body {
  const { graph, part } = context;
  const core = part.core === undefined ? undefined : graph.nodes[part.core]!;
  switch (core?.prim) {
    case undefined:
      return pointKernel(context);
    case "reduceSum":
    case "reduceMax":
    case "argMax":
      return reduceKernel(context);
    case "cumsum":
      return scanKernel(context);
    case "scatterAdd":
      return scatterKernel(context);
    case "cholesky":
      return choleskyKernel(context);
    case "triangularSolve":
      return triangularSolveKernel(context);
    default:
      throw new InternalError(`there is no kernel for ${core!.prim}`);
  }
}
