/**
 * Closed-form KL: under `E[z ~ q]`, terms c·log p(z | …) − c·log q(z | …) become −c·KL(q, p) where the pair has one.
 *
 * Legal where the two stand as plain terms of one sum (a linear position), with the same coefficient, and p's parameters read nothing
 * that is drawn with or after z: then E over z given what came before is the KL (law of total expectation).
 */
import type { EstimatorNote, Factor, Quantity, Term } from "../quantity.js";
import type { Expr } from "../types.js";
import { type DeriveContext, densityOf, parentsOf, readsItself } from "./context.js";

/** Families whose KL to a member of the same family is in the runtime (`klNormal`, …); a test holds the list against it. */
export const CLOSED_FORM_KL: ReadonlySet<string> = new Set([
  "Normal",
  "Bernoulli",
  "Categorical",
  "OneHotCategorical",
  "Laplace",
  "Gamma",
  "Beta",
  "Dirichlet",
  "Exponential",
  "MultivariateNormal",
  "LogNormal",
  "HalfNormal",
  "Poisson",
  "Binomial",
]);

/** The runtime's function for KL(q, p), if it has one. */
export function closedFormKl(q: string, p: string): string | undefined {
  return q === p && CLOSED_FORM_KL.has(q) ? `kl${q}` : undefined;
}

type Averaged = Extract<Quantity, { kind: "expect" | "enumerate" }>;

export function closeKl(context: DeriveContext, node: Averaged, notes: EstimatorNote[]): Quantity {
  if (node.kind === "expect" && node.plate) return node;
  const drawn: readonly Factor[] =
    node.kind === "expect"
      ? node.steps.flatMap((s) => (s.kind === "factor" && !s.local ? [s.factor] : []))
      : node.weight?.kind === "factor"
        ? [node.weight]
        : [];
  const terms: readonly Term[] = node.body.kind === "sum" ? node.body.terms : [{ scale: 1, factors: [], quantity: node.body }];
  const ofVariable = new Map<string, Term[]>();
  for (const t of terms) {
    if (t.quantity.kind !== "factor") continue;
    const list = ofVariable.get(t.quantity.variable);
    if (list) list.push(t);
    else ofVariable.set(t.quantity.variable, [t]);
  }
  const drawnAt = new Map(drawn.map((f, i) => [f.variable, i]));
  /** What becomes of the terms that are closed: in the place of the prior's term, so that the code reads in the order of the body. */
  const becomes = new Map<Term, Term | undefined>();
  const closed: Term[] = [];
  drawn.forEach((q, position) => {
    const open = (ofVariable.get(q.variable) ?? []).filter((t) => !becomes.has(t));
    const own = open.find((t) => t.quantity.kind === "factor" && t.quantity.density === q.density && standsForItself(t.quantity));
    const isLater = (variable: string): boolean => (drawnAt.get(variable) ?? -1) >= position;
    const other =
      own &&
      open.find(
        (t) => t !== own && t.scale === -own.scale && sameFactors(t.factors, own.factors) && isPrior(context, t.quantity, q, isLater),
      );
    if (!own || !other || other.quantity.kind !== "factor" || readsItself(context, q)) return;
    const fn = closedFormKl(q.dist.dist, other.quantity.dist.dist);
    if (fn === undefined) return;
    const term: Term = { scale: own.scale, factors: own.factors, quantity: { kind: "kl", fn, q, p: other.quantity, span: node.span } };
    becomes.set(own, undefined).set(other, term);
    closed.push(term);
    notes.push({
      variable: q.variable,
      density: q.density,
      estimator: "closed-form KL",
      reason: `KL between ${q.dist.dist} and ${other.quantity.dist.dist}, a plain term of the objective`,
    });
  });
  if (closed.length === 0) return node;
  if (node.kind === "expect") {
    const left = terms.flatMap((t) => (becomes.has(t) ? (becomes.get(t) ?? []) : [t]));
    return { ...node, body: { kind: "sum", terms: left, span: node.span } };
  }
  // A KL does not depend on the state that is summed over: it stands outside the sum.
  const rest = terms.filter((t) => !becomes.has(t));
  return {
    kind: "sum",
    terms: [
      ...(rest.length > 0
        ? [{ scale: 1, factors: [], quantity: { ...node, body: { kind: "sum" as const, terms: rest, span: node.span } } }]
        : []),
      ...closed,
    ],
    span: node.span,
  };
}

/** The factor is evaluated at the drawn variable itself, not at `z = e`, and nothing follows from others by flows. */
function standsForItself(factor: Factor): boolean {
  if (factor.through) return false;
  const at = factor.at.get(factor.variable);
  return at === undefined || (at.kind === "variable" && at.variable === factor.variable && at.sample === undefined);
}

function isPrior(context: DeriveContext, quantity: Quantity, q: Factor, isLater: (variable: string) => boolean): boolean {
  if (quantity.kind !== "factor" || quantity.variable !== q.variable || quantity.density === q.density || !standsForItself(quantity))
    return false;
  const definition = densityOf(context, quantity.density).definitions.get(quantity.variable);
  // given those before them, the entries of one that is drawn in an order are independent, and no more than that
  if (definition?.kind !== "draw" || readsItself(context, definition)) return false;
  return [...parentsOf(context, definition)].every((parent) => {
    const at = quantity.at.get(parent);
    const read = at === undefined ? parent : at.kind === "variable" ? at.variable : undefined;
    return read !== undefined && !isLater(read);
  });
}

function sameFactors(a: readonly Expr[], b: readonly Expr[]): boolean {
  return a.length === b.length && a.every((e, i) => b[i] !== undefined && fingerprint(e) === fingerprint(b[i]));
}

/** Structure of an expression without its places. */
export function fingerprint(expr: Expr): string {
  return JSON.stringify(expr, (key, value: unknown) =>
    key === "span" || key === "text" ? undefined : value instanceof Map ? [...value] : value,
  );
}
