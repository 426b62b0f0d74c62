/** Variables of an objective's scope that a term reads. */
import type { Factor, Quantity, Term } from "../quantity.js";
import { exprsOf, walkQuantity } from "../quantity-walk.js";
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
  // what is summed over in it is its own, unless a value that it is taken at reads the name outside
  const within = (own: readonly string[], fill: (inner: Set<string>) => boolean): boolean => {
    const inner = new Set<string>();
    const taken = "op" in q && q.op === "expect" ? [] : exprsTakenAt(q);
    if (!fill(inner) || taken.some((e) => [...variablesIn(context, [e])].some((v) => own.includes(v)))) return false;
    for (const v of inner) if (!own.includes(v)) into.add(v);
    return true;
  };
  const terms = (list: readonly Term[]): boolean => {
    return list.every((t) => collectTerm(context, t, into));
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
      return within(
        q.steps.map((s) => s.variable),
        (inner) => q.steps.every((s) => [...s.terms, ...(s.values ?? [])].every((t) => collectTerm(context, t, inner))),
      );
    case "apply":
      return q.args.every((a) => collect(context, a, into));
    case "enumerate":
      return within(
        q.local ? [] : [q.variable],
        (inner) => (!q.weight || collect(context, q.weight, inner)) && collect(context, q.body, inner),
      );
    case "kl":
      return factor(q.q) && factor(q.p);
    default:
      return false;
  }
}

function collectTerm(context: DeriveContext, term: Term, into: Set<string>): boolean {
  for (const v of variablesIn(context, term.factors)) into.add(v);
  return collect(context, term.quantity, into);
}

/** Values that the conditionals in a quantity are taken at. */
function exprsTakenAt(q: Quantity): readonly Expr[] {
  const found: Expr[] = [];
  walkQuantity(q, (x) => {
    const factors = x.kind === "factor" ? [x] : x.kind === "gaussianMarginal" ? [...x.latents, ...x.children] : [];
    for (const f of factors) found.push(...f.at.values());
  });
  return found;
}
