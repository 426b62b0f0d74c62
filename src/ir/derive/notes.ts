/** What `explain` says of an objective beside the estimators of its draws. */
import { ordersIn } from "../autoregressive/several.js";
import type { EstimatorNote, Quantity } from "../quantity.js";
import { walkQuantity } from "../quantity-walk.js";
import { distExprs } from "../walk.js";
import type { DeriveContext } from "./context.js";

/** What becomes of several orders, by variable. */
export function ordersNotes(context: DeriveContext, quantity: Quantity, training: boolean): readonly EstimatorNote[] {
  const notes: EstimatorNote[] = [];
  walkQuantity(quantity, (q) => {
    const orders = q.kind === "factor" ? ordersIn(context, distExprs(q.dist)) : 1;
    if (q.kind !== "factor" || orders === 1) return;
    notes.push({
      variable: q.variable,
      density: q.density,
      estimator: training ? "order of the step" : "ensemble",
      reason: training
        ? `log p in one of ${orders} orders by chance, the same for all rows: its mean over orders is at most log of the mean of p, which is measured (Germain et al. 2015, section 4.2)`
        : `p is the mean over ${orders} orders, each of which sums to 1`,
    });
  });
  return notes;
}

/** A log-density that stands twice is treated alike both times. */
export function distinct(notes: readonly EstimatorNote[]): readonly EstimatorNote[] {
  const seen = new Set<string>();
  return notes.filter((n) => {
    const key = [n.density, n.variable, n.estimator].join(" ");
    return !seen.has(key) && seen.add(key);
  });
}
