/** GM3: densities, objectives and estimators. */
import type { CodeEntry } from "./entry.js";

export const gm3 = {} as const satisfies Record<`GM3${string}`, CodeEntry<never>>;
