/** What a net cannot do with its arguments. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Nets = {
  GM3626: code<{ net: string; axes: string; layer: string; reason: string }>(
    "error",
    "Net that cannot be mapped",
    (a) => `\`${a.net}\` is mapped over ${a.axes} here, but \`${a.layer}\` in it ${a.reason}`,
  ),
} as const satisfies Record<`GM36${string}`, CodeEntry<never>>;
