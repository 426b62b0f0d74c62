/** GM2: names, domains and shapes. */
import type { CodeEntry } from "./entry.js";

export const gm2 = {} as const satisfies Record<`GM2${string}`, CodeEntry<never>>;
