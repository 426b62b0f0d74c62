/** GM3741-GM3770: draws from the data, gradients as values, and the players of a game. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Players = {
  GM3741: code("error", "Family of rows of the data", () => "a family of samples cannot be drawn from the data"),
  GM3742: code<{ what: string }>(
    "error",
    "Quantity of a whole batch in an evaluation",
    (a) => `${a.what} couples the rows of a batch: it is no mean over rows, which is what \`evaluate\` measures`,
  ),
  GM3743: code(
    "error",
    "Gradient of a density or an expectation",
    () => "`grad[…]` is taken of an expression, and this one holds a log-density or an expectation",
  ),
} as const satisfies Record<`GM37${string}`, CodeEntry<never>>;
