/** Quantities that couple the rows of a batch: no value of an example by itself, so no mean over the rows of an evaluation. */
import { builtins } from "../../builtins.js";
import { exprsOf, type Quantity, walkQuantity } from "../../quantity.js";
import { walkExpr } from "../../walk.js";

/** What in a quantity couples rows, as a message names it; undefined where nothing does. */
export function couplesRows(quantity: Quantity): string | undefined {
  const fn = batchFunctionIn(quantity);
  if (fn !== undefined) return `\`${fn}\``;
  let moved = false;
  walkQuantity(quantity, (q) => {
    moved ||= q.kind === "expect" && q.steps.some((s) => s.kind === "data" && s.shift > 0);
  });
  return moved ? "a second, independent row of a stream" : undefined;
}

/** A latent that is summed over around a function of the whole batch, and that function: the batch then holds states, not samples. */
export function summedAround(quantity: Quantity): { readonly variable: string; readonly fn: string } | undefined {
  let found: { readonly variable: string; readonly fn: string } | undefined;
  walkQuantity(quantity, (q) => {
    const fn = q.kind === "enumerate" ? batchFunctionIn(q.body) : undefined;
    if (q.kind === "enumerate" && fn !== undefined) found ??= { variable: q.variable, fn };
  });
  return found;
}

function batchFunctionIn(quantity: Quantity): string | undefined {
  let found: string | undefined;
  const note = (fn: string): void => {
    if (builtins.get(fn)?.wholeBatch) found ??= fn;
  };
  walkQuantity(quantity, (q) => q.kind === "apply" && note(q.expr.fn));
  for (const expr of exprsOf(quantity)) walkExpr(expr, (e) => e.kind === "builtin" && note(e.fn));
  return found;
}
