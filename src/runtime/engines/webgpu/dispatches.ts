/**
 * Which parts run side by side: as few dispatches as the longest chain of parts allows, where buffers suffice. Takes parts with their levels, one more
 * than the last that they read. Those that something long waits for go first; one that finds no room, and that nothing waits for yet, takes a later
 * dispatch rather than one of its own (Graham 1966, list scheduling by the longest path).
 */
import type { Part } from "./schedule.js";

const MOST_PARTS = 48;

/** `isSource`: it is there before any part, though one may copy it. `together`: whether parts that do not read of one another can share a kernel. */
export function dispatchesOf(
  parts: readonly Part[],
  isSource: (id: number) => boolean,
  together: (parts: readonly Part[]) => boolean,
): (readonly Part[])[] {
  const home = new Map(parts.flatMap((part) => part.stores.filter((id) => !isSource(id)).map((id) => [id, part] as const)));
  const before = new Map(parts.map((part) => [part, new Set(part.loads.flatMap((id) => home.get(id) ?? []))] as const));
  const latest = latestLevels(parts, before);
  const done = new Set<Part>();
  const dispatches: (readonly Part[])[] = [];
  for (let level = 1; done.size < parts.length; level++) {
    const ready = parts
      .filter((part) => !done.has(part) && [...before.get(part)!].every((other) => done.has(other)))
      .sort((a, b) => latest.get(a)! - latest.get(b)! || a.stores[0]! - b.stores[0]!);
    const open: Part[][] = [];
    for (const part of ready) {
      const fits = open.find((others) => !part.host && !others[0]!.host && others.length < MOST_PARTS && together([...others, part]));
      if (fits !== undefined) fits.push(part);
      else if (open.length === 0 || latest.get(part)! <= level) open.push([part]);
    }
    for (const others of open) {
      dispatches.push(others.sort((a, b) => a.stores[0]! - b.stores[0]!));
      for (const part of others) done.add(part);
    }
  }
  return dispatches;
}

/** The last level at which each part can run without making the whole longer. */
function latestLevels(parts: readonly Part[], before: ReadonlyMap<Part, ReadonlySet<Part>>): ReadonlyMap<Part, number> {
  const last = Math.max(0, ...parts.map((part) => part.level));
  const latest = new Map<Part, number>(parts.map((part) => [part, last]));
  for (const part of [...parts].sort((a, b) => b.level - a.level)) {
    for (const other of before.get(part)!) latest.set(other, Math.min(latest.get(other)!, latest.get(part)! - 1));
  }
  return latest;
}
