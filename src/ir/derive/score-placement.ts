/**
 * Where an estimator may hold log q(z | x) fixed, and so leave out a term of mean 0: its score. Takes the draws and what is averaged over them; gives the
 * variable for which the mean is another.
 */
import { latentEntries } from "../latent-estimators.js";
import type { DrawStep, Factor, Quantity } from "../quantity.js";
import { namesBoundBy, termsOf, walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { walkExpr } from "../walk.js";
import { isAtDraw } from "./at-draw.js";
import { type DeriveContext, variablesIn } from "./context.js";

type FactorStep = Extract<DrawStep, { kind: "factor" }>;

/**
 * E[c d log q(z | x)] is 0 where z is the draw itself and c does not follow from it: in a plain term (Roeder, Wu & Duvenaud 2017, eq. 7), or in one of a
 * sum over what is drawn later, whose weights add up to 1. DReG brings it into another form where it is subtracted once in the log weights of a bound
 * (Tucker et al. 2019, eq. 6).
 */
export function misplacedDensity(context: DeriveContext, by: FactorStep, steps: readonly DrawStep[], body: Quantity): string | undefined {
  const surrogate = latentEntries.get(by.estimator)?.rule.surrogate;
  const weighed = surrogate?.kind === "bound" && surrogate.of === "samples";
  if (!weighed && surrogate?.kind !== "fixedDensity") return undefined;
  const misplaced = steps.find((step, i): step is FactorStep => {
    if (step.kind !== "factor" || step.estimator !== by.estimator) return false;
    return weighed ? !isWeight(context, step, body) : !isPlain(context, step, namesBoundBy(steps.slice(i)), body);
  });
  return misplaced?.factor.variable;
}

const isOwn = ({ factor }: FactorStep, q: Quantity): q is Factor =>
  q.kind === "factor" && q.density === factor.density && q.variable === factor.variable;

function countOf(step: FactorStep, body: Quantity): number {
  let count = 0;
  walkQuantity(body, (q) => {
    if (isOwn(step, q)) count++;
  });
  return count;
}

/** Whether log q of a draw stands in terms alone whose coefficients read none of `names`: the draw, and what is drawn after it. */
function isPlain(context: DeriveContext, step: FactorStep, names: ReadonlySet<string>, q: Quantity): boolean {
  if (isOwn(step, q)) return isAtDraw(context, step.factor, q);
  if (countOf(step, q) === 0) return true;
  const within = (inner: Quantity | undefined, more: Iterable<string> = []): boolean =>
    inner === undefined || isPlain(context, step, new Set([...names, ...more]), inner);
  switch (q.kind) {
    case "sum":
      return q.terms.every(
        (t) => countOf(step, t.quantity) === 0 || (within(t.quantity) && !t.factors.some((f) => readsName(context, f, names))),
      );
    case "expect":
      return within(q.body, namesBoundBy(q.steps));
    case "enumerate":
      return q.op === "expect" && (!q.weight || countOf(step, q.weight) === 0) && within(q.body, [q.local?.id ?? q.variable]);
    case "byRow":
      return within(q.there) && within(q.missing);
    case "reduce":
      return (q.op === "sum" || q.op === "mean") && within(q.body);
    default:
      return false;
  }
}

/** Whether log q of the samples is subtracted in the log weights of one bound, of each in its own weight, and stands nowhere else. */
function isWeight(context: DeriveContext, step: FactorStep, body: Quantity): boolean {
  let plain = 0;
  walkQuantity(body, (q) => {
    if (q.kind !== "reduce" || q.op !== "logmeanexp") return;
    for (const { scale, factors, quantity } of termsOf(q.body))
      if (isOwn(step, quantity) && scale === -1 && factors.length === 0 && isAtDraw(context, step.factor, quantity, q.index)) plain++;
  });
  return plain === 1 && countOf(step, body) === 1;
}

export function readsName(context: DeriveContext, expr: Expr, names: ReadonlySet<string>): boolean {
  let found = false;
  walkExpr(expr, (e) => {
    found ||= (e.kind === "variable" && names.has(e.variable)) || (e.kind === "local" && names.has(e.local.id));
  });
  return found || [...variablesIn(context, [expr])].some((v) => names.has(v));
}
