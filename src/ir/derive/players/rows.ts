/** Quantities that couple the rows of a batch: no value of an example by itself, so no mean over the rows of an evaluation. */
import { builtins } from "../../builtins.js";
import { exprsOf, type Quantity, walkQuantity } from "../../quantity.js";
import { walkExpr } from "../../walk.js";

/** What in a quantity couples rows, as a message names it; undefined where nothing does. */
export function couplesRows(quantity: Quantity): string | undefined {
  let found: string | undefined;
  const note = (fn: string): void => {
    if (builtins.get(fn)?.wholeBatch) found ??= `\`${fn}\``;
  };
  walkQuantity(quantity, (q) => {
    if (q.kind === "apply") note(q.expr.fn);
    if (q.kind === "expect" && q.steps.some((s) => s.kind === "data" && s.shift > 0)) found ??= "a second, independent row of a stream";
  });
  for (const expr of exprsOf(quantity)) walkExpr(expr, (e) => e.kind === "builtin" && note(e.fn));
  return found;
}
