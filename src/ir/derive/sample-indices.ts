/** Which samples of a family meet in one term: `z[i]` beside `z[j]` or `z[1]`, where an estimator or an evaluation by chunks takes them apart. */
import type { Plate, Quantity } from "../quantity.js";
import { exprsOf, walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { walkExpr } from "../walk.js";

/** Whether `expr` reads one sample by its number, `z[2]`. */
const readsByNumber = (expr: Expr): boolean => {
  let found = false;
  walkExpr(expr, (e) => {
    found ||= (e.kind === "variable" || e.kind === "local") && e.sample?.kind === "at";
  });
  return found;
};

/** Whether a quantity reads a sample by its number: its family has then the size that is written. */
export const readsNumberedSample = (quantity: Quantity): boolean => exprsOf(quantity).some(readsByNumber);

/** Whether several samples of a family meet in a term of what a reduction over it reduces. */
export function samplesMeet(quantity: Quantity, plate: Plate): boolean {
  let found = false;
  walkQuantity(quantity, (q) => {
    if (q.kind !== "reduce" || q.plate !== plate.id) return;
    found ||= exprsOf(q.body).some(readsByNumber);
    walkQuantity(q.body, (inner) => {
      found ||= inner.kind === "reduce" && inner.plate === plate.id;
    });
  });
  return found;
}

/** Whether what a reduction reduces reads a sample of an index around it. */
export function readsOtherSamples(reduction: Extract<Quantity, { kind: "reduce" }>): boolean {
  const own = new Set<string>();
  walkQuantity(reduction, (q) => q.kind === "reduce" && own.add(q.index));
  let found = false;
  for (const expr of exprsOf(reduction.body))
    walkExpr(expr, (e) => {
      found ||= (e.kind === "variable" || e.kind === "local") && e.sample?.kind === "index" && !own.has(e.sample.index);
    });
  return found;
}
