/**
 * What an estimate is to the log-likelihood: said only where it is proven by structure. An evidence bound is
 * E over q of log p(joint) - log q(drawn), in plain terms (a KL stands for its two), or the logmeanexp or mean of that over a family.
 */
import type { Combine } from "../derived-model.js";
import type { Factor, Quantity, Term } from "../quantity.js";
import { quantityChildren, termsOf, walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { isAtDraw } from "./at-draw.js";
import { type DeriveContext, densityOf, flowOf } from "./context.js";
import { flowChain } from "./flow-change.js";
import { samplesMeet } from "./sample-indices.js";
import { isUnit, type Scaled, withoutScale } from "./units.js";

/**
 * "exact", "lower bound" of log p (an upper one of its negative), "estimate"; undefined where no log-density is in it. A bound whose log Z is
 * estimated is one "up to the error of log Z". A constant factor that is no change of unit leaves it a bound of that multiple, "lower bound of 0.5 log p":
 * half of a negative bound lies above it, and may lie above log p.
 */
export function boundOf(context: DeriveContext, measured: Quantity, outer: 1 | -1): string | undefined {
  const { scale, quantity } = withoutScale(measured);
  const bound = unscaledBound(context, { scale, quantity }, outer);
  return isUnit(scale) || !bound?.includes(" bound") ? bound : bound.replace(" bound", ` bound of ${multiple(outer * scale)} log p`);
}

/** Four digits. */
const multiple = (scale: number): string => String(Number(scale.toPrecision(4)));

function unscaledBound(context: DeriveContext, { scale, quantity }: Scaled, outer: 1 | -1): string | undefined {
  const sign = scale < 0 ? -outer : outer;
  let sampled = false;
  let density = false;
  let other = false;
  walkQuantity(quantity, (q) => {
    other ||= q.kind === "grad" || q.kind === "matching";
    sampled ||= q.kind === "expect" || (q.kind === "logPartition" && q.method.kind !== "exact");
    sampled ||= q.kind === "unnormalised" && q.method.kind !== "exact";
    density ||= q.kind === "factor" || q.kind === "kl" || q.kind === "gaussianMarginal" || q.kind === "unnormalised";
  });
  // a slope of a log-density says nothing of its height, nor does what takes the place of a likelihood
  if (!density || other) return undefined;
  // whatever latents the inner loop finds, the value there is not beyond the optimum
  if (quantity.kind === "optimum") return (quantity.op === "max" ? sign : -sign) === 1 ? "lower bound" : "upper bound";
  const meanField = meanFieldBound(quantity);
  if (meanField !== undefined) return `${sign === 1 ? "lower" : "upper"} bound${meanField}`;
  for (const turned of [1, -1] as const) {
    if (isEvidenceBound(context, quantity, turned))
      return `${sign === turned ? "lower" : "upper"} bound${readsEstimate(quantity) ? upToLogZ : ""}`;
  }
  if (sampled) return "estimate";
  const noisy = dequantised(context, quantity);
  if (noisy === 0) return "exact";
  return noisy === undefined ? "estimate" : noisy * sign === 1 ? "lower bound" : "upper bound";
}

/**
 * Whether noise takes a discrete variable to a continuous one: 0 where it does not, else the sign of the log-density of the latter, undefined
 * where it has none. By Jensen's inequality its mean is at most the log-probability (Theis et al. 2016, eq. 13), also through a sum over states.
 */
export function dequantised(context: DeriveContext, quantity: Quantity): 1 | -1 | 0 | undefined {
  switch (quantity.kind) {
    case "logDet":
      return quantity.calls.some((c) => c.direction === "inverse" && flowOf(context, c.flow).random) ? 1 : 0;
    case "sum": {
      const signs = new Set<1 | -1 | 0 | undefined>();
      for (const t of quantity.terms) {
        const inner = dequantised(context, t.quantity);
        if (inner !== 0) signs.add(inner === undefined || t.factors.length > 0 ? undefined : t.scale > 0 ? inner : inner === 1 ? -1 : 1);
      }
      const [only] = signs;
      return signs.size === 0 ? 0 : signs.size === 1 ? only : undefined;
    }
    default: {
      if (quantity.kind === "enumerate" && quantity.op === "logsumexp") return dequantised(context, quantity.body);
      const inner = quantityChildren(quantity).map((q) => dequantised(context, q));
      if (quantity.kind === "eliminate" && quantity.op === "logsumexp") {
        const signs = new Set(inner.filter((s) => s !== 0));
        const [only] = signs;
        return signs.size === 0 ? 0 : signs.size === 1 ? only : undefined;
      }
      return inner.every((s) => s === 0) ? 0 : undefined;
    }
  }
}

/** How chunks of samples combine: the quantity must be one `E` over a family, with the reduction over it outermost. */
export function combineOf(quantity: Quantity, sign: 1 | -1): Combine | undefined {
  if (quantity.kind !== "expect" || !quantity.plate || quantity.body.kind !== "reduce" || quantity.body.plate !== quantity.plate.id)
    return undefined;
  if (samplesMeet(quantity.body, quantity.plate)) return undefined;
  if (quantity.body.op === "logmeanexp") return sign === 1 ? "logMeanExp" : "negLogMeanExp";
  return quantity.body.op === "mean" ? "mean" : undefined;
}

/** Mean field bounds the sum over what is hidden from below, where all else is exact or log Z; what stands behind "bound", or undefined. */
function meanFieldBound(quantity: Quantity): string | undefined {
  const terms = termsOf(quantity);
  let bounded = false;
  let estimated = false;
  for (const { quantity: q, scale, factors } of terms) {
    if (factors.length > 0) return undefined;
    if (q.kind === "unnormalised" && q.method.kind === "meanField") {
      if (scale !== 1) return undefined;
      bounded = true;
    } else if (q.kind === "logPartition") {
      if (q.method.kind === "chain") return undefined;
      estimated ||= q.method.kind === "estimated";
    } else if (q.kind !== "factor" && !(q.kind === "unnormalised" && q.method.kind === "exact")) return undefined;
  }
  return bounded ? (estimated ? upToLogZ : "") : undefined;
}

const upToLogZ = " up to the error of log Z";

function readsEstimate(quantity: Quantity): boolean {
  let found = false;
  walkQuantity(quantity, (q) => {
    found ||= q.kind === "logPartition" && q.method.kind === "estimated";
  });
  return found;
}

/**
 * The sign that no row can have, where the measure is the log-probability of discrete values, a lower bound of it, or the negative of one: only a log Z
 * that is too low gives another. Undefined where values have a density, which may be above 1.
 */
export function impossibleSign(
  context: DeriveContext,
  measured: Quantity,
  value: Expr,
  outer: 1 | -1,
): "positive" | "negative" | undefined {
  const { scale, quantity } = withoutScale(measured);
  if (!readsEstimate(quantity) || (value.kind !== "logDensity" && !isEvidenceBound(context, quantity))) return undefined;
  const found = new Set<string>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "factor") found.add(q.variable);
    if (q.kind === "kl") found.add(q.p.variable);
    if (q.kind === "unnormalised") for (const v of q.given) found.add(v);
  });
  const data = [...found].flatMap((name) => context.model.variables.get(name) ?? []).filter((v) => v.role === "data");
  if (!data.every(({ domain }) => domain.name === "binary" || domain.name === "category" || domain.name === "count")) return undefined;
  return (scale < 0 ? -outer : outer) === 1 ? "positive" : "negative";
}

/**
 * (1 / c) logmeanexp of c times the log weights, 0 < c <= 1, as that of the log weights: the Rényi bound of order alpha = 1 - c. By samples it lies below
 * the exact one, which for alpha of 0 or more lies below the evidence (Li & Turner 2016, theorems 1 and 2). Beyond these orders nothing is said.
 */
function withoutOrder(quantity: Quantity): Quantity {
  if (quantity.kind !== "expect") return quantity;
  const { scale: outer, quantity: inner } = withoutScale(quantity.body);
  if (inner.kind !== "reduce" || inner.op !== "logmeanexp") return quantity;
  const { scale, quantity: body } = withoutScale(inner.body);
  const c = Math.abs(scale);
  const bounds = outer > 0 && c > 0 && c <= 1 && Math.abs(outer * c - 1) < 1e-9;
  return bounds ? { ...quantity, body: { ...inner, body } } : quantity;
}

/** Whether it is a bound of log p, or with `sign` -1 the negative of one, as in `E[z ~ q](log q(z | x) - log p(x, z))`. */
function isEvidenceBound(context: DeriveContext, whole: Quantity, sign: 1 | -1 = 1): boolean {
  const quantity = withoutOrder(whole);
  const family = quantity.kind === "expect" && quantity.plate !== undefined;
  if (family && (combineOf(quantity, 1) === undefined || quantity.body.kind !== "reduce")) return false;
  // the log of a mean of inverse weights bounds nothing
  if (family && sign === -1 && combineOf(quantity, 1) !== "mean") return false;
  // of a family, what the reduction over it is taken of
  const inside = family && quantity.body.kind === "reduce" ? quantity.body.body : quantity;
  const { drawn: deeper, terms } = within(context, inside);
  const drawn = family ? [...drawsOf(context, quantity), ...deeper] : deeper;
  const source = drawn[0]?.density;
  if (source === undefined || drawn.some((f) => f?.density !== source) || terms.some((t) => t.factors.length > 0)) return false;
  const above = new Map<string, Set<string>>();
  const below = new Set<string>();
  for (const t of terms) if (!place({ ...t, scale: sign * t.scale }, source, above, below)) return false;
  // log q is that of the draws, and not of others: `log q(z | x = e)`
  const index = family && quantity.body.kind === "reduce" ? quantity.body.index : undefined;
  const isDrawn = (q: Quantity): boolean =>
    q.kind !== "factor" || q.density !== source || drawn.some((f) => f?.variable === q.variable && isAtDraw(context, f, q, index));
  if (!terms.every((t) => isDrawn(t.quantity))) return false;
  const [joint, ...others] = [...above];
  if (!joint || others.length > 0) return false;
  // Every conditional of the joint once, and every draw's own density once.
  const { definitions } = densityOf(context, joint[0]);
  const sources = [...definitions.values()].flatMap((d) => (d.kind === "define" ? [d.variable] : []));
  const all = [...definitions.keys()].filter((v) => !sources.includes(v));
  return all.every((v) => joint[1].has(v)) && drawn.every((f) => f !== undefined && below.has(f.variable));
}

/** Factors that an expectation draws; undefined for what is none. */
function drawsOf(context: DeriveContext, { steps }: Extract<Quantity, { kind: "expect" }>): readonly (Factor | undefined)[] {
  return steps.flatMap((s) => {
    // what flows make of a draw is that draw in other coordinates
    if (s.kind === "bind" && flowChain(context, s.value)) return [];
    return s.kind === "factor" && (!s.local || isHelper(context, s.factor)) ? [s.factor] : [undefined];
  });
}

/** What expectations draw, by samples or over all states, and the terms under them: E(a) + E(b) is E(a + b). */
function within(
  context: DeriveContext,
  quantity: Quantity,
): { readonly drawn: readonly (Factor | undefined)[]; readonly terms: readonly Term[] } {
  if (quantity.kind === "expect" && quantity.plate === undefined) {
    const inner = within(context, quantity.body);
    return { drawn: [...drawsOf(context, quantity), ...inner.drawn], terms: inner.terms };
  }
  if (quantity.kind === "enumerate" && quantity.op === "expect") {
    const { weight, local, body } = quantity;
    const inner = within(context, body);
    return { drawn: [weight?.kind === "factor" && !local ? weight : undefined, ...inner.drawn], terms: inner.terms };
  }
  if (quantity.kind !== "sum") return { drawn: [], terms: [{ scale: 1, factors: [], quantity }] };
  const parts = quantity.terms.map((t) => ({
    t,
    inner: t.scale === 1 && t.factors.length === 0 ? within(context, t.quantity) : undefined,
  }));
  return {
    drawn: parts.flatMap(({ inner }) => inner?.drawn ?? []),
    terms: parts.flatMap(({ t, inner }) => inner?.terms ?? [t]),
  };
}

/** Drawn under its own name, without being named in the header. */
function isHelper(context: DeriveContext, { density, variable }: Factor): boolean {
  return !densityOf(context, density).header.has(variable);
}

/** Sorts a term into the joint's conditionals and the draws' own; false where it is neither, or stands there a second time. */
function place(term: Term, source: string, above: Map<string, Set<string>>, below: Set<string>): boolean {
  const add = (density: string, variable: string): boolean => {
    const seen = above.get(density) ?? new Set();
    above.set(density, seen);
    return addNew(seen, variable);
  };
  const { scale } = term;
  // what a draw fills in has a density of its own in the rows where it does
  const filled = term.quantity.kind === "byRow" && !term.quantity.there ? term.quantity.missing : undefined;
  const quantity = filled?.kind === "factor" && filled.density === source ? filled : term.quantity;
  if (quantity.kind === "kl" && scale === -1 && quantity.q.density === source) {
    const isNew = add(quantity.p.density, quantity.p.variable);
    return addNew(below, quantity.q.variable) && isNew;
  }
  // an energy's variables are one factor: its value, hidden ones summed out, less log Z
  if (quantity.kind === "unnormalised" && scale === 1 && quantity.density !== source && quantity.method.kind === "exact") {
    const { sum, paired = {}, enumerate } = quantity.method;
    return [...quantity.given, ...sum, ...Object.keys(paired), ...enumerate].every((v) => add(quantity.density, v));
  }
  // what is summed or integrated out of the joint: its factors, all within the log
  if (scale === 1 && quantity.kind === "enumerate" && quantity.op === "logsumexp" && !quantity.local)
    return termsOf(quantity.body).every((t) => placeInSum(t, source, above, below));
  if (scale === 1 && quantity.kind === "eliminate" && quantity.op === "logsumexp")
    return quantity.steps.every((s) => s.terms.every((t) => placeInSum(t, source, above, below)));
  if (scale === 1 && quantity.kind === "gaussianMarginal")
    return [...quantity.latents, ...quantity.children].every((f) => f.density !== source && add(f.density, f.variable));
  if (quantity.kind === "logPartition") return scale === -1 && quantity.method.kind !== "chain";
  if (quantity.kind === "logDet") {
    // of the draws, -log|det| of what was done to them; of the joint, that of going back
    const forth = quantity.calls[0]?.direction === "forward";
    if (scale === 1) return quantity.density === source ? forth : true;
    return false;
  }
  if (quantity.kind !== "factor") return false;
  if (quantity.density === source) return scale === -1 && addNew(below, quantity.variable);
  return scale === 1 && add(quantity.density, quantity.variable);
}

/** A term within the log of a sum over states. */
function placeInSum(t: Term, source: string, above: Map<string, Set<string>>, below: Set<string>): boolean {
  return t.factors.length === 0 && isOfJoint(t.quantity, source) && place(t, source, above, below);
}

/** Log-densities of the joint alone: the sum over states of what a draw's own density is subtracted from is none of it. */
function isOfJoint(quantity: Quantity, source: string): boolean {
  if (quantity.kind === "factor") return quantity.density !== source;
  if (quantity.kind === "gaussianMarginal") return true;
  return (quantity.kind === "enumerate" || quantity.kind === "eliminate") && quantity.op === "logsumexp";
}

/** Adds; false where it was there. */
function addNew(seen: Set<string>, name: string): boolean {
  const isNew = !seen.has(name);
  seen.add(name);
  return isNew;
}
