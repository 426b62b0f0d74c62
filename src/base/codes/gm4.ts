/** GM4: training. */
import type { CodeEntry } from "./entry.js";

export const gm4 = {} as const satisfies Record<`GM4${string}`, CodeEntry<never>>;
