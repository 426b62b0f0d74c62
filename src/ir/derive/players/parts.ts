/**
 * The linear parts of an objective with their signs, and what an objective depends on: what the checks of a game's players compare.
 * `-V`, `2 * V` and `V - R` hold V with the signs -1, 1 and 1.
 */
import { remembered } from "../../../base/remembered.js";
import type { DerivedUpdate } from "../../derived-model.js";
import type { Expr, NetCallExpr } from "../../types.js";
import { childrenOf, distExprs } from "../../walk.js";
import { type DeriveContext, densityOf } from "../context.js";
import { walk } from "../walk-bindings.js";
import { underPaths } from "../weight-paths.js";
import { weightsIn } from "../weights.js";
import { fingerprint } from "../../same-expr.js";

export type Sign = 1 | -1;

export interface Part {
  readonly sign: Sign;
  /** What it is multiplied by, without its sign; NaN where that is no number (a schedule). */
  readonly weight: number;
  readonly expr: Expr;
  /** It is no sum, difference or multiple of others. */
  readonly whole: boolean;
}

/** An objective that a statement moves its weights by: itself, or one with a name that it is linear in. */
export interface Held {
  readonly name: string;
  readonly shape: string;
  readonly expr: Expr;
  /** 1: the statement ascends it. */
  readonly sign: Sign;
}

export interface Player {
  readonly update: DerivedUpdate;
  readonly held: readonly Held[];
}

/** Those of some weights that a statement moves. */
export function movedBy({ moves }: DerivedUpdate, weights: Iterable<string>): readonly string[] {
  return [...weights].filter((w) => underPaths(w, moves) || moves.some((m) => underPaths(m, [w])));
}

/** An expression and all parts that it is linear in, outermost first; none of what is times 0. A factor that is no number (a schedule) is
 * taken for positive. */
export function linearParts(expr: Expr, sign: Sign = 1): readonly Part[] {
  const under = (inner: readonly Part[]): readonly Part[] => [{ sign, weight: 1, expr, whole: false }, ...inner];
  const flipped: Sign = sign === 1 ? -1 : 1;
  if (expr.kind === "builtin") {
    const [a, b] = expr.args;
    switch (expr.fn) {
      case "neg":
        if (a) return under(linearParts(a, flipped));
        break;
      case "add":
      case "sub":
        if (a && b) return under([...linearParts(a, sign), ...linearParts(b, expr.fn === "add" ? sign : flipped)]);
        break;
      case "mul":
      case "div": {
        const factor = a && expr.fn === "mul" && isScalar(a) ? a : b && isScalar(b) ? b : undefined;
        const other = factor === a ? b : a;
        if (factor?.kind === "number" && factor.value === 0) return [];
        if (!factor || !other) break;
        const by = factor.kind === "number" ? Math.abs(expr.fn === "mul" ? factor.value : 1 / factor.value) : NaN;
        const inner = linearParts(other, factor.kind === "number" && factor.value < 0 ? flipped : sign);
        return under(inner.map((p) => ({ ...p, weight: p.weight * by })));
      }
    }
  }
  return [{ sign, weight: 1, expr, whole: true }];
}

/** The terms of an objective, through sums, means and expectations around them. */
export function termsOf(expr: Expr, sign: Sign = 1): readonly Part[] {
  return averagedParts(expr, sign).flatMap((part): readonly Part[] =>
    part.expr.kind === "expectation" ? termsOf(part.expr.body, part.sign).map((p) => ({ ...p, weight: p.weight * part.weight })) : [part],
  );
}

/** The parts that an expression is linear in, through means and sums around them. */
export function averagedParts(expr: Expr, sign: Sign): readonly Part[] {
  return linearParts(expr, sign).flatMap((part): readonly Part[] => {
    if (!part.whole) return [];
    const [only] = part.expr.kind === "builtin" && AVERAGES.has(part.expr.fn) ? part.expr.args : [];
    return only ? averagedParts(only, part.sign).map((p) => ({ ...p, weight: p.weight * part.weight })) : [part];
  });
}

const AVERAGES: ReadonlySet<string> = new Set(["mean", "sum", "batch_mean"]);

function isScalar(expr: Expr): boolean {
  return expr.kind === "number" || expr.kind === "schedule";
}

/** Structure of an expression without its places; names that it binds itself are told apart by their order alone. */
export const shapeOf = remembered((expr: Expr): string => {
  const ids = new Map<string, number>();
  return fingerprint(expr, (value, key) => {
    if (key !== "id" || typeof value !== "string") return value;
    const number = ids.get(value) ?? ids.size;
    ids.set(value, number);
    return number;
  });
});

/** Densities that an expression draws from or evaluates. */
export function densitiesIn(expr: Expr, kind: "drawn" | "evaluated"): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (e: Expr): void => {
    if (kind === "evaluated" && e.kind === "logDensity") found.add(e.density);
    if (kind === "drawn" && e.kind === "expectation")
      for (const { source } of e.draws) if (source.kind === "density") found.add(source.density);
    for (const child of childrenOf(e)) visit(child);
  };
  visit(expr);
  return found;
}

/** Weights of a density's body. */
export function weightsOfDensity(context: DeriveContext, density: string): ReadonlySet<string> {
  const exprs = [...densityOf(context, density).definitions.values()].flatMap((d): readonly Expr[] =>
    d.kind === "draw" ? distExprs(d.dist) : d.kind === "define" ? [d.value] : d.block.energies.map((e) => e.value),
  );
  return weightsIn(context, exprs);
}

/** Weights of an objective: those in it, and those of the densities that it names. */
export function weightsOf(context: DeriveContext, expr: Expr): ReadonlySet<string> {
  const densities = [...densitiesIn(expr, "drawn"), ...densitiesIn(expr, "evaluated")];
  return new Set([...weightsIn(context, [expr]), ...densities.flatMap((d) => [...weightsOfDensity(context, d)])]);
}

/** Does the density push what it draws through an expression, so that it has no likelihood? */
export function isImplicit(context: DeriveContext, density: string): boolean {
  return [...densityOf(context, density).definitions.values()].some((d) => d.kind === "define");
}

/** Calls of nets in an expression, through the names that stand for values. */
export function netCalls(
  context: DeriveContext,
  expr: Expr,
  partsOf: (expr: Expr) => readonly Expr[] = childrenOf,
): readonly Extract<Expr, { kind: "netCall" }>[] {
  const found: Extract<Expr, { kind: "netCall" }>[] = [];
  const visit = (e: Expr): void => {
    if (e.kind === "netCall") found.push(e);
  };
  walk(context, expr, visit, undefined, partsOf);
  return found;
}

/** Constraints that clip weights, as a help writes them. */
export function clippingText(weights: readonly string[]): string {
  const owners = [...new Set(weights.map((w) => w.split(".")[0] ?? w))];
  return owners.map((o) => `\`constrain ${o}${weights.includes(o) ? "" : ".weights"} in [-0.01, 0.01]\``).join(", ");
}

/** What an expression is made of, but for the slopes in it. */
export const outsideGradients = (e: Expr): readonly Expr[] => (e.kind === "grad" ? [] : childrenOf(e));

/** A net whose value a part is: itself, or its only entry. */
export function calledIn(expr: Expr): NetCallExpr | undefined {
  if (expr.kind === "netCall") return expr;
  const [only] = expr.kind === "builtin" && ["sum", "mean", "index", "reshape", "flatten"].includes(expr.fn) ? expr.args : [];
  return only && calledIn(only);
}
