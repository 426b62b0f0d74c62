/**
 * Float16 as storage: results that matrix products and convolutions take as they lie in memory are kept as float16, which halves what they take and what
 * products fetch. All arithmetic is float32, sums of products too; weights, slots, gradients, what a program gives and what the host reads are kept in
 * float32. Asked for with GMC_GPU_STORAGE=f16 or the option `storage`, as a result then has 11 bits, nothing below 6e-8 and nothing above 65504: what lies
 * above becomes infinite, which the check for values that are not finite meets.
 */
import { GmcError } from "../../graph/errors.js";
import { sizeOf } from "../../graph/shape.js";
import type { Graph, Shape } from "../../graph/types.js";
import type { EngineOptions } from "../engine.js";
import { isProduct } from "./kernels/product.js";
import type { Part } from "./schedule.js";

const VARIABLE = "GMC_GPU_STORAGE";

/** Throws GM4008 where neither f32 nor f16 is asked for. */
export function wantsHalf({ storage }: EngineOptions): boolean {
  const { process } = globalThis as { readonly process?: { readonly env: Readonly<Record<string, string | undefined>> } };
  const told = storage ?? process?.env[VARIABLE] ?? "";
  if (told !== "" && told !== "f32" && told !== "f16") {
    throw new GmcError("GM4008", `${storage === undefined ? VARIABLE : "storage"} must be f32 or f16, found ${String(told)}`);
  }
  return told === "f16";
}

/** GM5439 where the adapter's kernels have no float16. */
export function checkHalf(offered: boolean, adapter: string): void {
  if (offered) return;
  throw new GmcError("GM5439", `results cannot be kept as float16 here: the adapter (${adapter}) does not offer shader-f16`, [
    `Leave out ${VARIABLE}=f16, or the option storage: float32 needs nothing.`,
  ]);
}

export const halfBytes = (shape: Shape): number => Math.max(4, 4 * Math.ceil(sizeOf(shape) / 2));

/** Of the results that nothing outside the stage reads (`temporary`), those that products take as they are and no host step reads. */
export function halves(graph: Graph, dispatches: readonly (readonly Part[])[], temporary: (id: number) => boolean): ReadonlySet<number> {
  const parts = dispatches.flat();
  const taken = new Set(graph.nodes.flatMap((node) => (isProduct(graph, node.id) ? node.inputs : [])));
  const onHost = new Set(parts.flatMap((part) => (part.host ? [...part.loads, ...part.stores] : [])));
  return new Set(
    parts.flatMap((part) =>
      part.stores.filter((id) => graph.nodes[id]!.dtype === "f32" && taken.has(id) && temporary(id) && !onHost.has(id)),
    ),
  );
}
