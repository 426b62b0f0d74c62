/** GM387: data that may be missing in a row. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Missing = {
  GM3871: code<{ variable: string; role: string }>(
    "error",
    "Value that may be missing",
    (a) => `\`${a.variable}\` may be missing in a row, and ${a.role} here`,
  ),
} as const satisfies Record<`GM387${string}`, CodeEntry<never>>;
