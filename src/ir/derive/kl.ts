/**
 * Closed-form KL: under `E[z ~ q]`, terms c·log p(z | …) − c·log q(z | …) become −c·KL(q, p) where the pair has one.
 *
 * Legal where the two stand as plain terms of one sum (a linear position), with the same coefficient, and it and p's parameters read neither z nor what
 * q draws from it, directly or by way of others: given its own parameters z is independent of all else (the Markov property of q), so E over z given
 * the rest is the KL. In which order q draws what does not depend on each other makes no difference.
 */
import type { EstimatorNote, Factor, Quantity, Term } from "../quantity.js";
import { termsOf, walkQuantity } from "../quantity-walk.js";
import { distributions } from "../distributions.js";
import { sameExpr } from "../same-expr.js";
import type { DistCall, Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { isAtDraw } from "./at-draw.js";
import { type DeriveContext, densityOf, parentsOf, variablesIn } from "./context.js";
import { sampledKlNotes } from "./kl-sampled.js";
import { readsItself } from "./own-reads.js";
import { fingerprint } from "../same-expr.js";

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

export function closeKl(context: DeriveContext, node: Averaged, notes: EstimatorNote[]): Quantity {
  const around = { context, node, notes };
  if (node.kind === "expect") {
    if (node.plate) return node;
    const drawn = node.steps.flatMap((s) => (s.kind === "factor" && !s.local ? [s.factor] : []));
    const body = closeWithin({ ...around, chain: linksOf(context, node), factors: [] }, drawn, node.body);
    noteSampled({ ...around, node: { ...node, body } }, drawn);
    return body === node.body ? node : { ...node, body };
  }
  if (node.weight?.kind !== "factor") return node;
  const { closed, left } = closeOutside(around, node.weight, [], node.body);
  // one whose prior reads what is drawn inside of the sum stands there
  const body = left && (node.local ? left : closeWithin({ ...around, chain: linksOf(context, node), factors: [] }, [node.weight], left));
  if (closed.length === 0) return body === node.body || !body ? node : { ...node, body };
  const kept: readonly Term[] = body ? [{ scale: 1, factors: [], quantity: { ...node, body } }] : [];
  return { kind: "sum", terms: [...kept, ...closed], span: node.span };
}

function noteSampled({ context, node, notes }: Around, drawn: readonly Factor[]): void {
  const chain: Link[] = [];
  walkQuantity(node, (q) => {
    if (q.kind === "expect" || (q.kind === "enumerate" && q.op === "expect")) chain.push(...linksOf(context, q));
  });
  const rules = {
    standsForItself,
    closes: (q: Factor, p: Factor): boolean => closedFormKl(q.dist.dist, p.dist.dist) !== undefined && !readsItself(context, q),
    followsFrom: (variable: string): ReadonlySet<string> => followersOf(chain, variable),
  };
  notes.push(...sampledKlNotes(context, drawn, node.body, rules));
}

interface Around {
  readonly context: DeriveContext;
  readonly node: Averaged;
  readonly notes: EstimatorNote[];
}

/**
 * A KL does not depend on the state that is summed over, nor on what is drawn given it: it stands outside of the sum, and of all averages in it.
 * `left`: the body without the pairs, undefined where nothing else is in it.
 */
function closeOutside(
  around: Around,
  weight: Factor,
  inside: readonly string[],
  body: Quantity,
): { readonly closed: readonly Term[]; readonly left: Quantity | undefined } {
  const { context, node } = around;
  const drawn = plainDraws(body);
  const own = [weight.variable, ...variablesIn(context, distExprs(weight.dist))];
  if (drawn && !own.some((v) => drawn.includes(v)) && (body.kind === "expect" || body.kind === "enumerate")) {
    const inner = closeOutside(around, weight, [...inside, ...drawn], body.body);
    return { closed: inner.closed, left: inner.left && { ...body, body: inner.left } };
  }
  const follows = new Set([weight.variable, ...inside]);
  const { rest, closed } = closePairs(around, [weight], () => follows, termsOf(body));
  const found: Term[] = [...closed];
  const left = rest.flatMap((t): readonly Term[] => {
    if (closed.includes(t)) return [];
    // averages of one sum may hold pairs each
    if (t.quantity === body || t.factors.length > 0 || !plainDraws(t.quantity)) return [t];
    const inner = closeOutside(around, weight, inside, t.quantity);
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

/** One thing that an average binds: what of, by name. Undefined: it may be made of anything that stands before. */
interface Link {
  readonly variables: readonly string[];
  readonly reads: readonly string[] | undefined;
}

/** What an average of one sample or over states binds, in order. */
function linksOf(context: DeriveContext, node: Averaged): readonly Link[] {
  const reads = (inputs: readonly Expr[], at: ReadonlyMap<string, Expr>): readonly string[] =>
    [...variablesIn(context, inputs)].flatMap((read) => {
      const value = at.get(read);
      return value ? [read, ...variablesIn(context, [value])] : [read];
    });
  const ofFactor = (f: Factor): Link => ({ variables: [f.variable], reads: reads(distExprs(f.dist), f.at) });
  if (node.kind === "enumerate") {
    if (node.local) return [{ variables: [], reads: undefined }];
    return [node.weight?.kind === "factor" ? ofFactor(node.weight) : { variables: [node.variable], reads: undefined }];
  }
  return node.steps.map((s): Link => {
    switch (s.kind) {
      case "factor":
        return s.local ? { variables: [], reads: undefined } : ofFactor(s.factor);
      case "bind":
        return { variables: [s.variable], reads: reads([s.value], s.at) };
      case "data":
        return { variables: s.local ? [] : [s.variable], reads: undefined };
      case "energy":
      case "gaussian":
        return { variables: s.variables.flatMap((v) => (v.local ? [] : [v.variable])), reads: undefined };
      case "distribution":
        return { variables: [], reads: undefined };
    }
  });
}

interface Inside extends Around {
  /** What is bound from the node on. */
  readonly chain: readonly Link[];
  /** What multiplies the body. */
  readonly factors: readonly Expr[];
}

/**
 * The body of an average, and of the averages in it: sums over states, each of which has a KL of its own, and draws of one sample. What they bind may
 * follow from what `drawn` draws.
 */
function closeWithin(around: Inside, drawn: readonly Factor[], body: Quantity): Quantity {
  const { context, node, chain, factors } = around;
  if (drawn.length === 0) return body;
  const known = new Map(drawn.map((f) => [f.variable, followersOf(chain, f.variable)]));
  const follows = (variable: string): ReadonlySet<string> => known.get(variable) ?? followersOf(chain, variable);
  const { rest, closed } = closePairs(around, drawn, follows, termsOf(body));
  let inner = false;
  const terms = rest.map((t): Term => {
    const q = t.quantity;
    const plain = q.kind === "enumerate" ? q.op === "expect" : q.kind === "expect" && !q.plate && !q.surrogate;
    if (!plain || (q.kind !== "enumerate" && q.kind !== "expect")) return t;
    const links = linksOf(context, q);
    const names = new Set(links.flatMap((l) => l.variables));
    // what is drawn anew under its name, or a name that it is drawn from, is another thing in there
    const still = drawn.filter((f) => [f.variable, ...(linkOf(chain, f.variable)?.reads ?? [])].every((v) => !names.has(v)));
    const closedBody = closeWithin({ ...around, chain: [...chain, ...links], factors: [...factors, ...t.factors] }, still, q.body);
    if (closedBody === q.body) return t;
    inner = true;
    return { ...t, quantity: { ...q, body: closedBody } };
  });
  return closed.length > 0 || inner ? { kind: "sum", terms, span: node.span } : body;
}

/** What binds a variable. */
const linkOf = (chain: readonly Link[], variable: string): Link | undefined => chain.find((l) => l.variables.includes(variable));

/**
 * The terms with each pair that has a closed form replaced by it: `rest`, of which `closed` are new. `followsFrom` gives a drawn variable and what
 * depends on it.
 */
function closePairs(
  around: Around & Partial<Inside>,
  drawn: readonly Factor[],
  followsFrom: (variable: string) => ReadonlySet<string>,
  terms: readonly Term[],
): { readonly rest: readonly Term[]; readonly closed: readonly Term[] } {
  const { context, node, notes, factors: outer = [], chain = [] } = around;
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
    const isOwn = ({ quantity: f }: Term): boolean =>
      f.kind === "factor" && f.density === q.density && standsForItself(f) && isAtDraw(context, q, f);
    const own = open.find(isOwn);
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
    const factors = [...outer, ...own.factors];
    if ([...variablesIn(context, factors)].some((read) => follows.has(read))) return;
    if (factors.length > 0 && chain.some((l) => l.reads === undefined)) return;
    const fn = closedFormKl(q.dist.dist, other.quantity.dist.dist);
    if (fn === undefined || !countAlike(q.dist, other.quantity.dist)) return;
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

/** Counts out of the same totals, such as the trials of Binomials: of others there is no closed form. */
function countAlike(q: DistCall, p: DistCall): boolean {
  const totals = (distributions.get(q.dist)?.parameters.flat() ?? []).filter((parameter) => parameter.domain === "count");
  return totals.every(({ name }) => {
    const [a, b] = [q.params[name], p.params[name]];
    return a === undefined ? b === undefined : b !== undefined && sameExpr(a, b);
  });
}

/** `variable`, and what follows from it: after something that may be made of anything, all. */
function followersOf(chain: readonly Link[], variable: string): ReadonlySet<string> {
  const found = new Set([variable]);
  let opaque = false;
  for (const { variables, reads } of chain.slice(chain.findIndex((l) => l.variables.includes(variable)) + 1)) {
    opaque ||= reads === undefined;
    if (opaque || reads?.some((read) => found.has(read))) for (const v of variables) found.add(v);
  }
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
