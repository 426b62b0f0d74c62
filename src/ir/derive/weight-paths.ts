/** Paths of weights, `encoder.dense1`: what lies below what, and the shortest way to name many. */
import { remembered } from "../../base/remembered.js";

/** The shortest list of paths that covers `moved` and nothing else of `all`: a net's name where all its layers move. */
export function coveringPaths(all: readonly string[], moved: readonly string[]): readonly string[] {
  if (moved.length === 0) return [];
  const below = countBelow(all);
  const movedBelow = countPaths(moved);
  const covered = (prefix: string): boolean => movedBelow.get(prefix) === below.get(prefix);
  return [...new Set(moved.map((p) => prefixesOf(p).find(covered) ?? p))];
}

/** How many of the paths lie at or below each prefix. */
function countPaths(paths: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) for (const prefix of prefixesOf(path)) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  return counts;
}

/** `a.b.c` -> a, a.b, a.b.c */
function prefixesOf(path: string): readonly string[] {
  const prefixes: string[] = [];
  for (let dot = path.indexOf("."); dot >= 0; dot = path.indexOf(".", dot + 1)) prefixes.push(path.slice(0, dot));
  prefixes.push(path);
  return prefixes;
}

/** Whether a weight path lies at or below one of the prefixes. */
export function underPaths(path: string, prefixes: readonly string[]): boolean {
  if (prefixes.length <= 4) return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
  const set = setOf(prefixes);
  return prefixesOf(path).some((prefix) => set.has(prefix));
}

// Lists of paths are never changed once they are made, and the same one is asked about many times.
const setOf = remembered((paths: readonly string[]): ReadonlySet<string> => new Set(paths));
const countBelow = remembered(countPaths);
