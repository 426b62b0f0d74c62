/**
 * Chains of parts without a core over equal spaces: where one reads of another only the entry that it is itself at, both are one loop, so that what
 * lies between them is not read back from memory and a state that the chain reads and writes keeps its place. The rules of optimisers are such chains.
 */
import { sizeOf } from "../../graph/shape.js";
import type { Graph } from "../../graph/types.js";
import { isElementwise } from "./expressions.js";
import type { Part } from "./schedule.js";

export interface ChainContext {
  readonly graph: Graph;
  /** What is read from memory when `stores` are computed together. */
  readonly loadsOf: (stores: readonly number[]) => readonly number[];
  /** It is there before any part, though one may copy it. */
  readonly isSource: (id: number) => boolean;
  /** Whether a node is asked for beyond the graph. */
  readonly isRoot: (id: number) => boolean;
  /** A node that was kept for the second of two parts is no longer. */
  readonly forget: (id: number) => void;
  /** Whether a part binds no more than is granted. */
  readonly fits: (part: Part) => boolean;
  /** Each part one level after the last that it reads. */
  readonly leveled: (parts: readonly Part[]) => Part[];
}

/** More results than this make a kernel that keeps too much in registers. */
const MOST_STORES = 8;

/** Takes and gives parts with their levels. */
export function chained(given: readonly Part[], context: ChainContext): Part[] {
  let parts = [...given];
  for (;;) {
    const pair = nextPair(parts, context);
    if (pair === undefined) return parts;
    const { first, second } = pair;
    const others = parts.filter((part) => part !== second);
    const inner = first.stores.filter((id) => !context.isRoot(id) && !others.some((part) => part.loads.includes(id)));
    inner.forEach(context.forget);
    const stores = pair.whole.stores.filter((id) => !inner.includes(id));
    const whole = { ...pair.whole, stores, loads: context.loadsOf(stores) };
    parts = context.leveled(parts.flatMap((part) => (part === first ? [whole] : part === second ? [] : [part])));
  }
}

function nextPair(parts: readonly Part[], context: ChainContext): { first: Part; second: Part; whole: Part } | undefined {
  const home = new Map(parts.flatMap((part) => part.stores.filter((id) => !context.isSource(id)).map((id) => [id, part] as const)));
  const levelOf = (ids: readonly number[]): number => 1 + Math.max(0, ...ids.map((id) => home.get(id)?.level ?? 0));
  for (const second of parts) {
    if (second.core !== undefined || second.size === 1) continue;
    for (const first of new Set(second.loads.flatMap((id) => home.get(id) ?? []))) {
      if (first === second || first.core !== undefined || first.size !== second.size) continue;
      if (first.stores.length + second.stores.length > MOST_STORES || !entryByEntry(context.graph, first, second)) continue;
      const stores = [...first.stores, ...second.stores].sort((a, b) => a - b);
      const loads = context.loadsOf(stores);
      // who else reads of the first waits no longer than before, so nothing between the two depends on it either
      const level = levelOf(loads);
      const others = parts.filter((part) => part !== second && part.loads.some((id) => first.stores.includes(id)));
      if (others.some((part) => part.level <= level)) continue;
      const whole: Part = { core: undefined, stores, size: first.size, level, host: false, loads };
      if (context.fits(whole)) return { first, second, whole };
    }
  }
  return undefined;
}

/** Whether all that `second` reads of `first`, it reads where it is itself. */
function entryByEntry(graph: Graph, first: Part, second: Part): boolean {
  const loads = new Set(second.loads);
  const seen = new Set<string>();
  const reaches = (id: number, moved: boolean): boolean => {
    const key = `${id} ${String(moved)}`;
    if (seen.has(key)) return true;
    seen.add(key);
    if (first.stores.includes(id)) return !moved;
    if (loads.has(id)) return true;
    const node = graph.nodes[id]!;
    const keeps = isElementwise(node.prim) || node.prim === "reshape";
    return node.inputs.every((input) => reaches(input, moved || !keeps || sizeOf(graph.nodes[input]!.shape) !== second.size));
  };
  return second.stores.every((id) => reaches(id, false));
}
