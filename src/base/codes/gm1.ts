/** GM1: syntax. */
import { code, type CodeEntry } from "./entry.js";

export const gm1 = {
  GM1001: code("error", "Unexpected text", (a: { expected: string; found: string }) => `expected ${a.expected}, found ${a.found}`),
} as const satisfies Record<`GM1${string}`, CodeEntry<never>>;
