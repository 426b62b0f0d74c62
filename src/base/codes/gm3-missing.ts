/** Data that may be missing in a row. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Missing = {
  GM3871: code<{ variable: string; role: string }>(
    "error",
    "Value that may be missing",
    (a) => `\`${a.variable}\` may be missing in a row, and ${a.role} here`,
  ),
  GM3857: code<{ variable: string; density: string }>(
    "error",
    "Energy of a value that may be missing",
    (a) => `\`${a.variable}\` may be missing in a row, and has no conditional of its own in \`${a.density}\`: its energy needs the value`,
  ),
} as const satisfies Record<`GM387${string}` | "GM3857", CodeEntry<never>>;
