/**
 * What of an objective its gradient reaches. A draw whose gradient is a path through its value moves nothing where what reads the value stops the
 * gradient: `E[x ~ p(x)](f(stop(x)))` has none in the weights that x is made of.
 */
import { builtins } from "../builtins.js";
import { latentEntries } from "../latent-estimators.js";
import type { DrawStep, EstimatorNote, Factor, Quantity } from "../quantity.js";
import { exprsOf, namesBoundBy, quantityChildren } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { distExprs } from "../walk.js";
import type { DeriveContext } from "./context.js";
import { gradientParts } from "./gradient-parts.js";
import { walk } from "./walk-bindings.js";

export interface Reach {
  /** Expressions that the objective has a gradient in, as far as their own parts let it pass. */
  readonly exprs: readonly Expr[];
  /** Draws and definitions that no gradient comes to, as `density variable`; none where another draw of the variable gets one. */
  readonly unreached: ReadonlySet<string>;
}

/** Names that a gradient comes to: variables, and locals by their id. */
type Names = Set<string>;

export function gradientReach(context: DeriveContext, quantity: Quantity): Reach {
  const exprs: Expr[] = [];
  const [reached, unreached] = [new Set<string>(), new Set<string>()];
  const namesIn = (read: Iterable<Expr>): Names => {
    const found: Names = new Set();
    const seen = new Set<string>();
    const note = (e: Expr): void => {
      if (e.kind === "variable") found.add(e.variable);
      if (e.kind === "local") found.add(e.local.id);
    };
    for (const e of read) walk(context, e, note, seen, gradientParts(context));
    return found;
  };
  const read = (into: Names, found: readonly Expr[]): void => {
    exprs.push(...found);
    for (const name of namesIn(found)) into.add(name);
  };
  /** A conditional, or what draws from it: its variables stand for the values given to them. */
  const readFactor = (into: Names, { dist, at, through, variable }: Factor, drawn: boolean): void => {
    const own = distExprs(dist);
    exprs.push(...own);
    const queue = [...namesIn(own), ...(drawn ? [] : [variable])];
    const met = new Set(queue);
    for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
      const follows = through?.get(name);
      const value = follows ?? at.get(name);
      if (!value) {
        into.add(name);
        continue;
      }
      exprs.push(value);
      for (const inner of namesIn([value])) {
        // what follows by a flow is written in the density's own names
        if (follows && !met.has(inner)) queue.push(inner);
        if (!follows) into.add(inner);
        met.add(inner);
      }
    }
  };
  const readStep = (into: Names, step: DrawStep, whole: Quantity & { readonly kind: "expect" }): void => {
    const names = namesBoundBy([step]);
    const isRead = [...names].some((name) => into.has(name));
    names.forEach((name) => into.delete(name));
    if (step.kind === "factor") {
      const byPath = PATHS.has(latentEntries.get(step.estimator)?.rule.path ?? "none");
      const key = `${step.factor.density} ${step.factor.variable}`;
      (isRead || !byPath ? reached : unreached).add(key);
      if (isRead || !byPath) readFactor(into, step.factor, true);
      read(into, Object.values(step.asked?.exprs ?? {}));
    } else if (step.kind === "bind") {
      (isRead ? reached : unreached).add(`${step.density} ${step.variable}`);
      if (!isRead) return;
      exprs.push(step.value);
      for (const name of namesIn([step.value])) {
        const value = step.at.get(name);
        if (value) read(into, [value]);
        else into.add(name);
      }
    } else if (step.kind === "distribution") {
      if (isRead) read(into, distExprs(step.dist));
    } else read(into, exprsOf({ ...whole, steps: [step], body: { kind: "sum", terms: [], span: whole.span } }));
  };
  const visit = (q: Quantity, into: Names): void => {
    switch (q.kind) {
      case "value":
        return read(into, [q.expr]);
      case "factor":
        return readFactor(into, q, false);
      case "kl":
        readFactor(into, q.q, true);
        return readFactor(into, q.p, true);
      case "sum":
        for (const term of q.terms) {
          read(into, term.factors);
          visit(term.quantity, into);
        }
        return;
      case "apply":
        if (builtins.get(q.expr.fn)?.noGradient) return;
        return q.args.forEach((a) => visit(a, into));
      case "expect": {
        // a name that is bound here is another outside
        const inner: Names = new Set();
        visit(q.body, inner);
        for (const step of [...q.steps].reverse()) readStep(inner, step, q);
        inner.forEach((name) => into.add(name));
        return;
      }
      case "enumerate": {
        // a gradient comes to the probabilities of the states whatever reads the states themselves
        const inner: Names = new Set();
        visit(q.body, inner);
        inner.delete(q.local?.id ?? q.variable);
        inner.forEach((name) => into.add(name));
        if (q.weight?.kind === "factor") {
          reached.add(`${q.weight.density} ${q.weight.variable}`);
          return readFactor(into, q.weight, true);
        }
        return q.weight && visit(q.weight, into);
      }
      case "grad":
        read(
          into,
          q.expr.locals.map((l) => l.value),
        );
        return visit(q.body, into);
      case "matching":
        // noise is held fixed
        read(into, [...q.at.values()]);
        return q.variables.forEach((name) => into.add(name));
      case "byRow":
        into.add(q.variable);
        return quantityChildren(q).forEach((child) => visit(child, into));
      case "reduce":
      case "optimum":
        return visit(q.body, into);
      default:
        // log-densities of several variables count for all that they read
        read(into, exprsOf(q));
        for (const name of variablesOf(q)) into.add(name);
    }
  };
  visit(quantity, new Set());
  return { exprs, unreached: new Set([...unreached].filter((key) => !reached.has(key))) };
}

/** Estimators by which a gradient comes to a draw's parameters through its value alone. */
const PATHS: ReadonlySet<string> = new Set(["reparameterised", "relaxed", "straight-through", "none"]);

/** Variables that a quantity reads under their own names. */
function variablesOf(q: Quantity): readonly string[] {
  switch (q.kind) {
    case "gaussianMarginal":
      return [...q.latents, ...q.children].map((f) => f.variable);
    case "logDet":
      return [q.variable];
    case "unnormalised":
      return q.given;
    default:
      return [];
  }
}

/** What `explain` says of draws: of those that no gradient comes to, that it is stopped. */
export function stoppedNotes(notes: readonly EstimatorNote[], { unreached }: Reach): readonly EstimatorNote[] {
  return notes.map((n) =>
    n.gradient && n.gradient.path !== "none" && unreached.has(`${n.density} ${n.variable}`)
      ? { ...n, estimator: "sampled", reason: "what reads it stops the gradient", gradient: { ...n.gradient, path: "none", weights: [] } }
      : n,
  );
}
