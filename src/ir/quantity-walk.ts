/** What a quantity contains: its terms, its parts, the expressions that it evaluates. */
import type { Expr } from "./types.js";
import { distExprs } from "./walk.js";

import type { DrawStep, EliminationStep, Factor, LinearGaussian, Quantity, Term } from "./quantity.js";

/** A quantity as a sum of terms, of one where it is no sum. */
export function termsOf(quantity: Quantity): readonly Term[] {
  return quantity.kind === "sum" ? quantity.terms : [{ scale: 1, factors: [], quantity }];
}

export function quantityChildren(q: Quantity): readonly Quantity[] {
  switch (q.kind) {
    case "factor":
    case "logDet":
    case "value":
    case "kl":
    case "gaussianMarginal":
    case "unnormalised":
    case "logPartition":
      return [];
    case "matching":
      return q.noise ? [q.noise.data, q.noise.drawn] : [];
    case "sum":
      return q.terms.map((t) => t.quantity);
    case "apply":
      return q.args;
    case "byRow":
      return [q.there, q.missing].filter((x) => x !== undefined);
    case "enumerate":
      // a factor draws, and is no part of what is averaged
      return q.weight && q.weight.kind !== "factor" ? [q.weight, q.body] : [q.body];
    case "eliminate":
      return q.steps.flatMap((step) => [...step.terms, ...(step.values ?? [])].map((t) => t.quantity));
    case "expect":
    case "reduce":
    case "grad":
    case "optimum":
      return [q.body];
  }
}

export function walkQuantity(q: Quantity, visit: (q: Quantity) => void): void {
  visit(q);
  for (const child of quantityChildren(q)) walkQuantity(child, visit);
}

/** A quantity with `change` applied to each part of it, inner parts first; undefined where `change` gave up. */
export function mapQuantity(q: Quantity, change: (q: Quantity) => Quantity | undefined): Quantity | undefined {
  const inner = (x: Quantity): Quantity | undefined => mapQuantity(x, change);
  switch (q.kind) {
    case "sum": {
      const terms = mapTerms(q.terms, inner);
      return terms && change({ ...q, terms });
    }
    case "eliminate": {
      const steps: EliminationStep[] = [];
      for (const step of q.steps) {
        const terms = mapTerms(step.terms, inner);
        const values = step.values && mapTerms(step.values, inner);
        if (!terms || (step.values && !values)) return undefined;
        steps.push({ ...step, terms, ...(values && { values }) });
      }
      return change({ ...q, steps });
    }
    case "apply": {
      const args: Quantity[] = [];
      for (const a of q.args) {
        const quantity = inner(a);
        if (!quantity) return undefined;
        args.push(quantity);
      }
      return change({ ...q, args });
    }
    case "byRow": {
      const there = q.there && inner(q.there);
      const missing = q.missing && inner(q.missing);
      const lost = (q.there !== undefined && !there) || (q.missing !== undefined && !missing);
      return lost ? undefined : change({ ...q, there, missing });
    }
    case "enumerate": {
      const weight = q.weight && q.weight.kind !== "factor" ? inner(q.weight) : q.weight;
      const body = inner(q.body);
      return body && (weight || !q.weight) ? change({ ...q, weight, body }) : undefined;
    }
    case "expect":
    case "reduce":
    case "grad": {
      const body = inner(q.body);
      return body && change({ ...q, body });
    }
    case "optimum": {
      const body = inner(q.body);
      const smooth = body && inner(q.smooth);
      return smooth && change({ ...q, body, smooth });
    }
    default:
      return change(q);
  }
}

function mapTerms(terms: readonly Term[], change: (q: Quantity) => Quantity | undefined): readonly Term[] | undefined {
  const mapped: Term[] = [];
  for (const t of terms) {
    const quantity = change(t.quantity);
    if (!quantity) return undefined;
    mapped.push({ ...t, quantity });
  }
  return mapped;
}

/** What steps bind: variables by name, locals by id. */
export function namesBoundBy(steps: readonly DrawStep[]): ReadonlySet<string> {
  return new Set(
    steps.flatMap((s) => {
      switch (s.kind) {
        case "factor":
          return [s.local?.id ?? s.factor.variable];
        case "distribution":
          return [s.local.id];
        case "energy":
        case "gaussian":
          return s.variables.map((v) => v.local?.id ?? v.variable);
        case "data":
          return [s.local?.id ?? s.variable];
        case "bind": {
          const at = s.at.get(s.variable);
          return [at?.kind === "local" ? at.local.id : s.variable];
        }
      }
    }),
  );
}

/** What the conditionals of a posterior read. */
export function exprsOfPosterior({ latents, children }: LinearGaussian): readonly Expr[] {
  return [...latents, ...children].flatMap((f) => [...distExprs(f.dist), ...f.at.values()]);
}

function stepExprs(step: DrawStep): readonly Expr[] {
  switch (step.kind) {
    case "factor":
      return [...distExprs(step.factor.dist), ...step.factor.at.values(), ...Object.values(step.asked?.exprs ?? {})];
    case "bind":
      return [step.value];
    case "data":
      return [];
    case "energy":
      return [...step.at.values()];
    case "gaussian":
      return exprsOfPosterior(step.posterior);
    case "distribution":
      return distExprs(step.dist);
  }
}

/** Every expression that a quantity evaluates. The factors of a density share the values of its variables: they come once. */
export function exprsOf(quantity: Quantity): readonly Expr[] {
  const found: Expr[] = [];
  const shared = new Set<ReadonlyMap<string, Expr>>();
  const add = (exprs: Iterable<Expr>): void => {
    for (const e of exprs) found.push(e);
  };
  const values = ({ at, through }: Pick<Factor, "at" | "through">): void => {
    for (const map of through ? [at, through] : [at]) {
      if (!shared.has(map)) add(map.values());
      shared.add(map);
    }
  };
  const factor = (f: Factor): void => {
    add(distExprs(f.dist));
    values(f);
  };
  walkQuantity(quantity, (q) => {
    switch (q.kind) {
      case "factor":
        return factor(q);
      case "logDet":
        add(q.calls);
        return values(q);
      case "value":
        return add([q.expr]);
      case "kl":
        factor(q.q);
        return factor(q.p);
      case "gaussianMarginal":
        return [...q.latents, ...q.children].forEach(factor);
      case "sum":
        return q.terms.forEach((t) => add(t.factors));
      case "eliminate":
        return q.steps.forEach((step) => [...step.terms, ...(step.values ?? [])].forEach((t) => add(t.factors)));
      case "expect":
        return q.steps.forEach((s) => {
          if (s.kind === "gaussian") return [...s.posterior.latents, ...s.posterior.children].forEach(factor);
          if (s.kind !== "factor") return add(stepExprs(s));
          factor(s.factor);
          add(Object.values(s.asked?.exprs ?? {}));
        });
      case "enumerate":
        return q.weight?.kind === "factor" ? factor(q.weight) : undefined;
      case "unnormalised":
        return add([...q.at.values(), ...(q.totals?.values() ?? [])]);
      case "logPartition":
      case "matching":
        return add(q.at.values());
      case "grad":
        return add(q.expr.locals.map((l) => l.value));
      case "apply":
      case "byRow":
      case "reduce":
      case "optimum":
        return;
    }
  });
  return found;
}
