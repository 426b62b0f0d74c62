/** Variables of an objective's scope that a term reads. */
import type { Factor, Quantity, Term } from "../quantity.js";
import { exprsOf } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, variablesIn } from "./context.js";

/** Undefined where it may read all: only conditionals, and sums and functions of these, say which of a density's variables they read. */
export function variablesOfTerm(context: DeriveContext, term: Term): ReadonlySet<string> | undefined {
  const found = new Set(variablesIn(context, term.factors));
  return collect(context, term.quantity, found) ? found : undefined;
}

function collect(context: DeriveContext, q: Quantity, into: Set<string>): boolean {
  const add = (exprs: readonly Expr[]): void => {
    for (const v of variablesIn(context, exprs)) into.add(v);
  };
  const factor = ({ variable, dist, at, through }: Factor): boolean => {
    if (through) return false;
    for (const v of [variable, ...variablesIn(context, distExprs(dist))]) {
      const value = at.get(v);
      if (value) add([value]);
      else into.add(v);
    }
    return true;
  };
  const terms = (list: readonly Term[]): boolean => {
    add(list.flatMap((t) => t.factors));
    return list.every((t) => collect(context, t.quantity, into));
  };
  switch (q.kind) {
    case "factor":
      return factor(q);
    case "gaussianMarginal":
      return [...q.latents, ...q.children].every(factor);
    case "value":
      add(exprsOf(q));
      return true;
    case "sum":
      return terms(q.terms);
    case "eliminate":
      return q.steps.every((s) => terms(s.terms));
    case "apply":
      return q.args.every((a) => collect(context, a, into));
    case "enumerate":
      return (!q.weight || collect(context, q.weight, into)) && collect(context, q.body, into);
    default:
      return false;
  }
}
