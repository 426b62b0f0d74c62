/** GM37: variables that stand in their own parameters, entry after entry. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Autoregressive = {
  GM3721: code<{ variable: string; param: string; entry: string; read: string }>(
    "error",
    "Not autoregressive",
    (a) => `\`${a.variable}\` is not drawn entry after entry: \`${a.param}\` for \`${a.entry}\` reads \`${a.read}\``,
  ),
  GM3722: code<{ variable: string; a: string; b: string }>(
    "error",
    "Two orders of one variable",
    (a) => `the entries of \`${a.variable}\` cannot be in two orders, ${a.a} and ${a.b}`,
  ),
  GM3723: code<{ layer: string }>(
    "error",
    "Masked layer without an order",
    (a) => `\`${a.layer}\` masks by an order, and no variable that is drawn in one is read here`,
  ),
  GM3724: code<{ layer: string }>(
    "error",
    "Masked layer used in two ways",
    (a) => `the weights of \`${a.layer}\` are shared by uses that need different masks`,
  ),
  GM3725: code<{ variable: string; density: string }>(
    "error",
    "Draw of an autoregressive variable in an objective",
    (a) => `\`${a.variable}\` of \`${a.density}\` is drawn entry after entry, which no objective can do`,
  ),
  GM3726: code<{ density: string; what: string }>(
    "error",
    "Autoregressive variable beside an energy",
    (a) => `\`${a.density}\` draws ${a.what}, and a sample takes one of the two`,
  ),
  GM3727: code<{ evaluator: string; density: string; variable: string }>(
    "error",
    "Evaluator that draws an autoregressive variable",
    (a) => `\`${a.evaluator}\` draws \`${a.variable}\` of \`${a.density}\` at once, and it is drawn entry after entry`,
  ),
  GM3728: code<{ what: string; entry: string; read: string }>(
    "error",
    "Net that is not autoregressive",
    (a) => `the net of \`${a.what}\` is not autoregressive: what it makes for entry ${a.entry} reads entry ${a.read}`,
  ),
  GM3729: code<{ variable: string; param: string; orders: number; other: string; entry: string; read: string }>(
    "error",
    "Autoregressive in one of several orders",
    (a) =>
      `\`${a.variable}\` is drawn entry after entry in the first of its ${a.orders} orders, not in ${a.other}: there \`${a.param}\` for \`${a.entry}\` reads \`${a.read}\``,
  ),
  GM3730: code<{ what: string; orders: number }>(
    "error",
    "Several orders in a bijection",
    (a) => `the net of \`${a.what}\` masks by ${a.orders} orders, and a bijection has one`,
  ),
} as const satisfies Record<`GM37${string}`, CodeEntry<never>>;
