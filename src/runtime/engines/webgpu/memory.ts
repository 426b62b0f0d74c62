/**
 * Where results that live within a stage lie: numbered buffers, each taken again once the last dispatch that reads its value is over. Takes dispatches in order and
 * the bytes of each node, gives the number of its buffer for each. Parts of one dispatch run side by side, so no
 * result of a dispatch takes the place of anything that it reads.
 */
import type { Part } from "./schedule.js";

export function planMemory(
  dispatches: readonly (readonly Part[])[],
  bytesOf: (id: number) => number,
  temporary: (id: number) => boolean,
): ReadonlyMap<number, number> {
  const last = new Map<number, number>();
  dispatches.forEach((parts, at) => {
    for (const part of parts) for (const id of [...part.loads, ...part.stores]) last.set(id, at);
  });
  const slots = new Map<number, number>();
  const sizes: number[] = [];
  const free = new Set<number>();
  dispatches.forEach((parts, at) => {
    const stores = parts.flatMap((part) => part.stores).filter(temporary);
    for (const id of [...stores].sort((a, b) => bytesOf(b) - bytesOf(a))) {
      const slot = fitting(free, sizes, bytesOf(id));
      free.delete(slot);
      sizes[slot] = Math.max(sizes[slot] ?? 0, bytesOf(id));
      slots.set(id, slot);
    }
    for (const [id, slot] of slots) if (last.get(id) === at) free.add(slot);
  });
  return slots;
}

/** The smallest free buffer that holds so much, else the largest, which then grows, else a new one. */
function fitting(free: ReadonlySet<number>, sizes: readonly number[], bytes: number): number {
  let [best, largest] = [-1, -1];
  for (const slot of free) {
    if (sizes[slot]! >= bytes && (best < 0 || sizes[slot]! < sizes[best]!)) best = slot;
    if (largest < 0 || sizes[slot]! > sizes[largest]!) largest = slot;
  }
  return best >= 0 ? best : largest >= 0 ? largest : sizes.length;
}
