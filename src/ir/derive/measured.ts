/**
 * Of which data variables a measure is the log-density, or log-probability, and times what: `-log p(x) / 2` is that of x times -1/2. A density
 * depends on the units of its variable, so whoever reports the number has to know.
 */
import { assertNever } from "../../base/internal-error.js";
import type { Quantity, Term } from "../quantity.js";
import type { Expr } from "../types.js";
import { constantOf } from "./units.js";

/** `data`: the data variables that the quantity is a function of. What is no multiple of a log-density in a variable leaves it out. */
export function measuredDensities(quantity: Quantity, sign: 1 | -1, data: readonly string[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const name of data) {
    const times = timesIn(quantity, name);
    if (times !== undefined && times !== 0) found.set(name, sign * times);
  }
  return found;
}

/** By how much the quantity rises where the log-density of `variable` rises by one everywhere; undefined where that differs from value to value. */
function timesIn(q: Quantity, variable: string): number | undefined {
  switch (q.kind) {
    case "factor":
    case "logDet":
      return q.variable === variable && isItself(q.at, variable) ? 1 : 0;
    case "gaussianMarginal":
      return q.children.reduce<number | undefined>((sum, child) => plus(sum, timesIn(child, variable)), 0);
    case "unnormalised":
      return q.given.includes(variable) && isItself(q.at, variable) ? 1 : 0;
    case "sum":
      return q.terms.reduce<number | undefined>((sum, term) => plus(sum, timesInTerm(term, variable)), 0);
    case "byRow": {
      const [there, missing] = [q.there, q.missing].map((each) => each && timesIn(each, variable));
      return there === missing ? there : undefined;
    }
    case "enumerate":
      return plus(timesIn(q.body, variable), q.weight === undefined ? 0 : timesIn(q.weight, variable));
    case "eliminate":
      return q.steps
        .flatMap((s) => (q.op === "expect" ? (s.values ?? []) : s.terms))
        .reduce<number | undefined>((sum, term) => plus(sum, timesInTerm(term, variable)), 0);
    case "expect":
    case "optimum":
      return timesIn(q.body, variable);
    case "reduce": {
      const each = timesIn(q.body, variable);
      return q.op === "sum" && each !== 0 ? undefined : each;
    }
    case "apply":
      return q.args.every((each) => timesIn(each, variable) === 0) ? 0 : undefined;
    // of a divergence both densities change alike, log Z is a number, a slope no log-density
    case "kl":
    case "logPartition":
    case "matching":
    case "value":
    case "grad":
      return 0;
    default:
      return assertNever(q);
  }
}

/** The variable stands for its data, not for another value. */
function isItself(at: ReadonlyMap<string, Expr>, variable: string): boolean {
  const value = at.get(variable);
  return value === undefined || (value.kind === "variable" && value.variable === variable && value.sample === undefined);
}

function timesInTerm({ scale, factors, quantity }: Term, variable: string): number | undefined {
  const times = timesIn(quantity, variable);
  if (times === 0 || times === undefined) return times;
  return factors.reduce<number | undefined>((product, f) => {
    const constant = constantOf(f);
    return product === undefined || constant === undefined ? undefined : product * constant;
  }, scale * times);
}

const plus = (a: number | undefined, b: number | undefined): number | undefined => (a === undefined || b === undefined ? undefined : a + b);
