/**
 * Finds the best kernel of a product on a device by timing the cost model's first candidates, once: the winner's name is kept by device and
 * product in a cache that the caller brings (a file, or memory). Takes the caller's way to time a kernel; gives a choice that `gemmKernel`
 * accepts. A name in the cache that no candidate has (written by another version) counts as nothing, and so do texts that are no JSON.
 */
import { gemmCandidates } from "./candidates.js";
import { choiceName, gemmKernel } from "./kernel.js";
import type { GemmChoice, GemmKernel, GemmLimits, GemmOperand, GemmSpec } from "./types.js";

/** Keeps texts by key; values are small JSON. */
export interface TuningCache {
  get(key: string): string | undefined;
  set(key: string, value: string): void;
}

export interface TuningOptions {
  readonly cache: TuningCache;
  /** Names the device and its driver; kernels of one say nothing of another's. */
  readonly device: string;
  /** Time of a kernel, in any unit, the best of some runs over buffers of the product's sizes. Rejects where the kernel cannot run. */
  readonly time: (kernel: GemmKernel, choice: GemmChoice) => Promise<number>;
  /** Candidates to time at most; 8 where not said. */
  readonly candidates?: number;
}

/** What the cache holds for a product. */
interface Kept {
  readonly best: string;
  readonly time: number;
}

/** The fastest of the first candidates. Where each of them fails, the first one's error. */
export async function tunedChoice(spec: GemmSpec, limits: GemmLimits, options: TuningOptions): Promise<GemmChoice> {
  const candidates = gemmCandidates(spec, limits).slice(0, options.candidates ?? 8);
  const known = keptChoice(spec, options, candidates);
  if (known !== undefined) return known;
  let best: { readonly choice: GemmChoice; readonly time: number } | undefined;
  let failure: { readonly error: unknown } | undefined;
  for (const choice of candidates) {
    try {
      const time = await options.time(gemmKernel(spec, choice, limits.workgroupsPerDimension), choice);
      if (best === undefined || time < best.time) best = { choice, time };
    } catch (error) {
      failure ??= { error };
    }
  }
  if (best === undefined) throw failure!.error;
  const kept: Kept = { best: choiceName(best.choice), time: best.time };
  options.cache.set(tuningKey(spec, options.device), JSON.stringify(kept));
  return best.choice;
}

/** The cached choice, or the cost model's first where none is kept: for a program that must not wait. */
export function quickChoice(spec: GemmSpec, limits: GemmLimits, options: Pick<TuningOptions, "cache" | "device">): GemmChoice {
  const candidates = gemmCandidates(spec, limits);
  return keptChoice(spec, options, candidates) ?? candidates[0]!;
}

function keptChoice(
  spec: GemmSpec,
  { cache, device }: Pick<TuningOptions, "cache" | "device">,
  candidates: readonly GemmChoice[],
): GemmChoice | undefined {
  const text = cache.get(tuningKey(spec, device));
  if (text === undefined) return undefined;
  try {
    const kept = JSON.parse(text) as Partial<Kept> | null;
    return candidates.find((choice) => choiceName(choice) === kept?.best);
  } catch {
    return undefined;
  }
}

/** Device, sizes, and how each operand is read; names and epilogues do not matter to the choice. */
export function tuningKey(spec: GemmSpec, device: string): string {
  const sizes = `${spec.batch}x${spec.m}x${spec.n}x${spec.k}`;
  return `${device} | ${sizes} | ${readingOf(spec.a)} | ${readingOf(spec.b)} | store ${spec.storeCost ?? 4}`;
}

function readingOf(operand: GemmOperand): string {
  const element = operand.element ?? "f32";
  if (operand.kind === "strided") {
    const { offset, batchStride, rowStride, colStride } = operand;
    return `${element} ${batchStride} ${rowStride} ${colStride}${operand.vectors ? ` vectors${offset % 4 === 0 ? "" : " askew"}` : ""}`;
  }
  return `${element} along ${operand.along ?? "columns"}${operand.vector === undefined ? "" : " by four"}, cost ${operand.cost ?? 8}`;
}
