/**
 * Closed-form KL: under `E[z ~ q]`, terms c·log p(z | …) − c·log q(z | …) become −c·KL(q, p) where the pair has one.
 *
 * Legal where the two stand as plain terms of one sum (a linear position), with the same coefficient, and it and p's parameters read neither z nor what
 * q draws from it, directly or by way of others: given its own parameters z is independent of all else (the Markov property of q), so E over z given
 * the rest is the KL. In which order q draws what does not depend on each other makes no difference.
 */
import type { EstimatorNote, Factor, Quantity, Term } from "../quantity.js";
import { termsOf } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, densityOf, parentsOf, variablesIn } from "./context.js";
import { readsItself } from "./own-reads.js";

/** Families whose KL to a member of the same family is in the runtime (`klNormal`, …); a test holds the list against it. */
const SAME_FAMILY = [
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
];

/** Pairs (q, p) whose KL is in the runtime: `klNormal(q, p)`, `klNormalMultivariateNormal(q, p)`. A test holds them against it. */
export const CLOSED_FORM_KL: readonly (readonly [q: string, p: string])[] = [
  ...SAME_FAMILY.map((family) => [family, family] as const),
  ["MultivariateNormal", "Normal"],
  ["Normal", "MultivariateNormal"],
  ["Exponential", "Gamma"],
  ["Gamma", "Exponential"],
];

/** The runtime's function for KL(q, p), if it has one. */
export function closedFormKl(q: string, p: string): string | undefined {
  return CLOSED_FORM_KL.some(([a, b]) => a === q && b === p) ? `kl${q === p ? q : q + p}` : undefined;
}

type Averaged = Extract<Quantity, { kind: "expect" | "enumerate" }>;
type Expectation = Extract<Quantity, { kind: "expect" }>;

export function closeKl(context: DeriveContext, node: Averaged, notes: EstimatorNote[]): Quantity {
  if (node.kind === "expect") {
    if (node.plate) return node;
    const steps = node.steps.flatMap((s) => (s.kind === "factor" && !s.local ? [s.factor] : []));
    return { ...node, body: closeWithin(context, node, steps, [], node.body, notes) };
  }
  if (node.weight?.kind !== "factor") return node;
  const { closed, left } = closeOutside(context, node, node.weight, [], node.body, notes);
  if (closed.length === 0) return node;
  const kept: readonly Term[] = left ? [{ scale: 1, factors: [], quantity: { ...node, body: left } }] : [];
  return { kind: "sum", terms: [...kept, ...closed], span: node.span };
}

/**
 * A KL does not depend on the state that is summed over, nor on what is drawn given it: it stands outside of the sum, and of all averages in it.
 * `left`: the body without the pairs, undefined where nothing else is in it.
 */
function closeOutside(
  context: DeriveContext,
  node: Averaged,
  weight: Factor,
  inside: readonly string[],
  body: Quantity,
  notes: EstimatorNote[],
): { readonly closed: readonly Term[]; readonly left: Quantity | undefined } {
  const drawn = plainDraws(body);
  const own = [weight.variable, ...variablesIn(context, distExprs(weight.dist))];
  if (drawn && !own.some((v) => drawn.includes(v)) && (body.kind === "expect" || body.kind === "enumerate")) {
    const inner = closeOutside(context, node, weight, [...inside, ...drawn], body.body, notes);
    return { closed: inner.closed, left: inner.left && { ...body, body: inner.left } };
  }
  const follows = new Set([weight.variable, ...inside]);
  const { rest, closed } = closePairs(context, node, [weight], () => follows, termsOf(body), notes);
  const found: Term[] = [...closed];
  const left = rest.flatMap((t): readonly Term[] => {
    if (closed.includes(t)) return [];
    // averages of one sum may hold pairs each
    if (t.quantity === body || t.factors.length > 0 || !plainDraws(t.quantity)) return [t];
    const inner = closeOutside(context, node, weight, inside, t.quantity, notes);
    found.push(...inner.closed.map((c) => ({ ...c, scale: c.scale * t.scale })));
    return inner.closed.length === 0 ? [t] : inner.left ? [{ ...t, quantity: inner.left }] : [];
  });
  return { closed: found, left: left.length === 0 ? undefined : found.length === 0 ? body : { kind: "sum", terms: left, span: node.span } };
}

/** What an average binds, where it is an average of its body and no more: an `E` of one sample without a surrogate, a sum over states. */
function plainDraws(quantity: Quantity): readonly string[] | undefined {
  if (quantity.kind === "enumerate") return quantity.op === "expect" && !quantity.local ? [quantity.variable] : undefined;
  if (quantity.kind !== "expect" || quantity.plate || quantity.surrogate) return undefined;
  const names = quantity.steps.map((s) =>
    s.kind === "factor" && !s.local ? s.factor.variable : s.kind === "bind" && s.at.size === 0 ? s.variable : undefined,
  );
  return names.every((n) => n !== undefined) ? names : undefined;
}

/**
 * The body of an expectation, and of the sums over states in it, which are expectations too: there each state has a KL of its own. `states` draws
 * what is summed over around `body`.
 */
function closeWithin(
  context: DeriveContext,
  node: Expectation,
  drawn: readonly Factor[],
  states: readonly Factor[],
  body: Quantity,
  notes: EstimatorNote[],
): Quantity {
  const follows = (variable: string): ReadonlySet<string> => drawnFrom(context, node, states, variable);
  const { rest, closed } = closePairs(context, node, drawn, follows, termsOf(body), notes);
  let inner = false;
  const terms = rest.map((t): Term => {
    const q = t.quantity;
    if (q.kind !== "enumerate" || q.op !== "expect" || q.local || q.weight?.kind !== "factor") return t;
    const closedBody = closeWithin(context, node, drawn, [...states, q.weight], q.body, notes);
    if (closedBody === q.body) return t;
    inner = true;
    return { ...t, quantity: { ...q, body: closedBody } };
  });
  return closed.length > 0 || inner ? { kind: "sum", terms, span: node.span } : body;
}

/**
 * The terms with each pair that has a closed form replaced by it: `rest`, of which `closed` are new. `followsFrom` gives a drawn variable and what
 * depends on it.
 */
function closePairs(
  context: DeriveContext,
  node: Averaged,
  drawn: readonly Factor[],
  followsFrom: (variable: string) => ReadonlySet<string>,
  terms: readonly Term[],
  notes: EstimatorNote[],
): { readonly rest: readonly Term[]; readonly closed: readonly Term[] } {
  const ofVariable = new Map<string, Term[]>();
  for (const t of terms) {
    if (t.quantity.kind !== "factor") continue;
    const list = ofVariable.get(t.quantity.variable);
    if (list) list.push(t);
    else ofVariable.set(t.quantity.variable, [t]);
  }
  /** What becomes of the terms that are closed: in the place of the prior's term, so that the code reads in the order of the body. */
  const becomes = new Map<Term, Term | undefined>();
  const closed: Term[] = [];
  drawn.forEach((q) => {
    const open = (ofVariable.get(q.variable) ?? []).filter((t) => !becomes.has(t));
    const own = open.find((t) => t.quantity.kind === "factor" && t.quantity.density === q.density && standsForItself(t.quantity));
    const follows = followsFrom(q.variable);
    const other =
      own &&
      open.find(
        (t) =>
          t !== own &&
          t.scale === -own.scale &&
          sameFactors(t.factors, own.factors) &&
          isPrior(context, t.quantity, q, (variable) => follows.has(variable)),
      );
    if (!own || !other || other.quantity.kind !== "factor" || readsItself(context, q)) return;
    // what multiplies the pair must be the same for all values of the variable
    if ([...variablesIn(context, own.factors)].some((read) => follows.has(read))) return;
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
  return { rest: terms.flatMap((t) => (becomes.has(t) ? (becomes.get(t) ?? []) : [t])), closed };
}

/**
 * `variable`, and what follows from it within the node: whatever a later step that is no plain draw makes, all after it may follow from it. `states`
 * are drawn after the node's steps.
 */
function drawnFrom(context: DeriveContext, node: Expectation, states: readonly Factor[], variable: string): ReadonlySet<string> {
  const found = new Set([variable]);
  const start = node.steps.findIndex((s) => s.kind === "factor" && s.factor.variable === variable);
  const later = node.steps.slice(start + 1);
  const known = later.every((s) => (s.kind === "factor" && !s.local) || s.kind === "bind");
  const add = (made: string, inputs: readonly Expr[], at: ReadonlyMap<string, Expr>): void => {
    const reads = [...variablesIn(context, inputs)];
    const values = reads.flatMap((read) => [
      read,
      ...variablesIn(
        context,
        [at.get(read)].flatMap((e) => e ?? []),
      ),
    ]);
    if (!known || values.some((read) => found.has(read))) found.add(made);
  };
  for (const step of later) {
    if (step.kind === "bind") add(step.variable, [step.value], step.at);
    if (step.kind === "factor") add(step.factor.variable, distExprs(step.factor.dist), step.factor.at);
  }
  for (const weight of states) add(weight.variable, distExprs(weight.dist), weight.at);
  return found;
}

/** The factor is evaluated at the drawn variable itself, not at `z = e`, and nothing follows from others by flows. */
export function standsForItself(factor: Factor): boolean {
  if (factor.through) return false;
  const at = factor.at.get(factor.variable);
  return at === undefined || (at.kind === "variable" && at.variable === factor.variable && at.sample === undefined);
}

function isPrior(context: DeriveContext, quantity: Quantity, q: Factor, follows: (variable: string) => boolean): boolean {
  if (quantity.kind !== "factor" || quantity.variable !== q.variable || quantity.density === q.density || !standsForItself(quantity))
    return false;
  const definition = densityOf(context, quantity.density).definitions.get(quantity.variable);
  // given those before them, the entries of one that is drawn in an order are independent, and no more than that
  if (definition?.kind !== "draw" || readsItself(context, definition)) return false;
  return [...parentsOf(context, definition)].every((parent) => {
    const at = quantity.at.get(parent);
    const read = at === undefined ? parent : at.kind === "variable" ? at.variable : undefined;
    return read !== undefined && !follows(read);
  });
}

/** The same expressions, whatever their places. */
export function sameFactors(a: readonly Expr[], b: readonly Expr[]): boolean {
  return a.length === b.length && a.every((e, i) => b[i] !== undefined && fingerprint(e) === fingerprint(b[i]));
}

/** Structure of an expression without its places. */
export function fingerprint(expr: Expr): string {
  return JSON.stringify(expr, (key, value: unknown) =>
    key === "span" || key === "text" ? undefined : value instanceof Map ? [...value] : value,
  );
}
