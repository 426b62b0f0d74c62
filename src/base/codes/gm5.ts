/** GM5: command line, data and configuration. */
import type { CodeEntry } from "./entry.js";

export const gm5 = {} as const satisfies Record<`GM5${string}`, CodeEntry<never>>;
