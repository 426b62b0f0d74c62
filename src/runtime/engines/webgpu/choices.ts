/**
 * Which kernels compute the products of a dispatch. They share a size of workgroups, and the workgroup memory that the device grants: arrays of one
 * type are one array, as long as the longest, but those of several types, and the scratch of reductions beside them, add up.
 */
import { InternalError } from "../../graph/errors.js";
import type { DeviceLimits } from "./assemble.js";
import { gemmCandidates } from "./gemm/candidates.js";
import { estimate } from "./gemm/cost.js";
import { measuresOf, poolBytes, type Pools } from "./gemm/kernel.js";
import type { GemmChoice, GemmLimits } from "./gemm/types.js";
import { rankedChoices, type Product, type RankedChoice } from "./kernels/product.js";

/** Kernels of a dispatch's products, in their order. */
export interface Picked {
  readonly threads: number;
  readonly choices: readonly GemmChoice[];
  readonly cost: number;
}

/** Bytes of workgroup memory that what shares the dispatch takes, by the threads of a workgroup. */
export type Beside = (threads: number) => number;

const usualThreads = 256;
const workgroupSizes = [256, 128, 64];

/** Products of one dispatch have workgroups of one size: that which makes the whole of them fastest. */
export function chosen(products: readonly Product[], { gemm: limits, simpleProducts }: DeviceLimits, beside: Beside): Picked {
  if (products.length === 0) return { threads: Math.min(usualThreads, limits.invocations), choices: [], cost: 0 };
  const ranked = products.map((product) => rankedChoices(product, limits, workgroupSizes, simpleProducts));
  let best: Picked | undefined;
  for (const threads of workgroupSizes) {
    const found = fitting(
      ranked.map((of) => of.filter((each) => each.threads === threads)),
      limits.workgroupStorage - beside(threads),
    );
    if (found !== undefined && (best === undefined || found.cost < best.cost)) best = { threads, ...found };
  }
  if (best === undefined) throw new InternalError("no kernel computes these products");
  return best;
}

/** What may be faster than the cost model thinks: the i-th best kernel of each product together, best first. */
export function likely(products: readonly Product[], limits: GemmLimits, beside: Beside): readonly Picked[] {
  return workgroupSizes
    .flatMap((threads): Picked[] => {
      const ranked = products.map(({ spec }) =>
        gemmCandidates(spec, limits, threads).map((choice) => ({
          choice,
          cost: estimate(spec, choice),
          threads,
          pools: measuresOf(spec, choice).pools,
        })),
      );
      return Array.from({ length: Math.max(...ranked.map((of) => of.length)) }, (_, i) =>
        fitting(
          ranked.map((of) => of.slice(Math.min(i, of.length - 1))),
          limits.workgroupStorage - beside(threads),
        ),
      ).flatMap((found) => (found === undefined ? [] : [{ threads, ...found }]));
    })
    .sort((x, y) => x.cost - y.cost);
}

/**
 * The best kernel of each product such that all keep within `bytes` of workgroup memory: as long as they do not, one type of arrays is allowed
 * less than it takes, that for which it costs least. Nothing where there are none.
 */
function fitting(ranked: readonly (readonly RankedChoice[])[], bytes: number): Omit<Picked, "threads"> | undefined {
  interface Found {
    readonly choices: readonly RankedChoice[];
    readonly caps: Pools;
    readonly cost: number;
  }
  const under = (caps: Pools): Found[] => {
    const choices = ranked.flatMap(
      (of) => of.find(({ pools }) => Object.entries(pools).every(([type, n]) => n <= (caps[type] ?? Infinity))) ?? [],
    );
    return choices.length < ranked.length ? [] : [{ choices, caps, cost: choices.reduce((sum, { cost }) => sum + cost, 0) }];
  };
  let [found] = under({});
  while (found !== undefined) {
    const { choices, caps } = found;
    const taken: Record<string, number> = {};
    for (const { pools } of choices) for (const [type, n] of Object.entries(pools)) taken[type] = Math.max(taken[type] ?? 0, n);
    if (poolBytes(taken) <= bytes) return { choices: choices.map(({ choice }) => choice), cost: found.cost };
    const less = Object.entries(taken).flatMap(([type, n]) => under({ ...caps, [type]: n - 1 }));
    found = less.sort((x, y) => x.cost - y.cost)[0];
  }
  return undefined;
}
