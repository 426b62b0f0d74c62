/** Whether a log-density is that of a draw: `log q(z | x)` of z ~ q(z | x), and not `log q(z | x = e)` or `log q(z = e | x)`. */
import type { Factor } from "../quantity.js";
import { sameExpr } from "../same-expr.js";
import type { Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, variablesIn } from "./context.js";

/** Whether `q` is the log-density of a draw of `factor` given what it is drawn given; of a family, of the sample that `index` counts. */
export function isAtDraw(context: DeriveContext, factor: Factor, q: Factor, index?: string): boolean {
  if (q.through !== factor.through) return false;
  return [factor.variable, ...variablesIn(context, distExprs(factor.dist))].every((v) => {
    const [drawn, given] = [factor.at.get(v), q.at.get(v)];
    if (drawn === given) return true;
    const [a, b] = [placeOf(v, drawn), placeOf(v, given)];
    if (!a || !b) return drawn !== undefined && given !== undefined && sameExpr(drawn, given);
    const counted = a.sample === undefined && b.sample?.kind === "index" && b.sample.index === index;
    return a.name === b.name && (counted || JSON.stringify(a.sample) === JSON.stringify(b.sample));
  });
}

/** Of a value that is a name: which, and which sample of it; a variable that is not listed stands under its own. */
function placeOf(variable: string, value: Expr | undefined) {
  if (value === undefined) return { name: variable, sample: undefined };
  if (value.kind === "variable") return { name: value.variable, sample: value.sample };
  return value.kind === "local" ? { name: value.local.id, sample: value.sample } : undefined;
}
