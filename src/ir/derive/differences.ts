/**
 * Mean field bounds the log of a sum from below. Where one is taken off another, however it was written, the bounds point in different directions
 * and what is left is bounded by nothing.
 */
import { textOf } from "../../base/source.js";
import { builtins } from "../builtins.js";
import { isNeverPositive, isNonNegative } from "../range.js";
import { rangeOf } from "../energy/curvature.js";
import type { Quantity, Term } from "../quantity.js";
import type { Expr } from "../types.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { reportDifference } from "./energy.js";
import { constantOf } from "./units.js";
import { fingerprint } from "../same-expr.js";

type Sum = Extract<Quantity, { readonly kind: "unnormalised" }>;

interface Held {
  readonly sum: Sum;
  readonly scale: number;
  /** What makes its sign differ from row to row, as it is written. */
  readonly turned?: string;
}

/** False after an error has been reported. `asked`: what `by` says of the hidden variables. */
export function requireOneSided(context: DeriveContext, quantity: Quantity, asked: Chosen | undefined, training: boolean): boolean {
  if (asked?.entry.hidden !== "meanField") return true;
  return groupsOf(context, quantity, training).every((held) => {
    const either = held.find((h) => h.turned !== undefined && isBounded(h.sum));
    if (either?.turned !== undefined) {
      reportDifference(context, asked, training, either.sum.density, either.turned, either.sum.given, true);
      return false;
    }
    const sums = [...total(held.filter((h) => h.turned === undefined))];
    const below = sums.find((s) => s.scale < 0 && isBounded(s.sum));
    if (!below) return true;
    // the whole joint less a sum is a conditional; so is a sum of more less one of fewer
    const above = sums.find((s) => s.scale > 0 && (isBounded(s.sum) || s.sum.density === below.sum.density));
    if (!above) return true;
    // of two bounds, either is taken off the other: the one that has fewer values is the denominator
    const [numerator, denominator] = above.sum.given.length < below.sum.given.length ? [below, above] : [above, below];
    const text = `${logOf(numerator.sum)} - ${logOf(denominator.sum)}`;
    reportDifference(context, asked, training, denominator.sum.density, text, denominator.sum.given);
    return false;
  });
}

const isBounded = ({ method }: Sum): boolean => method.kind === "meanField";

const logOf = ({ density, given }: Sum): string => `log ${density}(${given.join(", ")})`;

/** Equal sums count together. */
function total(held: readonly Held[]): Iterable<Held> {
  const sums = new Map<string, Held>();
  for (const { sum, scale } of held) {
    const key = [sum.density, ...sum.given.map((v) => `${v}=${fingerprintOf(sum.at.get(v))}`)].join("|");
    sums.set(key, { sum, scale: scale + (sums.get(key)?.scale ?? 0) });
  }
  return sums.values();
}

const fingerprintOf = (value: Expr | undefined): string => (value ? fingerprint(value) : "");

/** The sums over hidden variables that stand together in one value, with their signs; those within a function that keeps no sign stand by themselves. */
function groupsOf(context: DeriveContext, quantity: Quantity, training: boolean): readonly (readonly Held[])[] {
  const apart: (readonly Held[])[] = [];
  const visit = (q: Quantity, scale: number): readonly Held[] => {
    const within = (part: Quantity): void => void apart.push(visit(part, 1));
    const terms = (list: readonly Term[]): readonly Held[] =>
      list.flatMap((t) => {
        const held = visit(
          t.quantity,
          t.factors.reduce((s, f) => s * factorOf(context, f), scale * t.scale),
        );
        const either = training ? t.factors.find((f) => turnsByRow(context, f)) : undefined;
        return either ? turned(held, (h) => `${textOf(either.span)} * ${logOf(h.sum)}`) : held;
      });
    switch (q.kind) {
      case "unnormalised":
        return [{ sum: q, scale }];
      case "sum":
        return terms(q.terms);
      case "apply":
        if (q.expr.fn === "neg") return q.args.flatMap((a) => visit(a, -scale));
        if (q.expr.fn === "sub") return q.args.flatMap((a, i) => visit(a, i === 0 ? scale : -scale));
        if (RISING.has(q.expr.fn)) return q.args.flatMap((a) => visit(a, scale));
        q.args.forEach(within);
        // a function that falls somewhere, or branches of which rows take one or the other
        if (!training || HELD.has(q.expr.fn)) return [];
        if (q.expr.fn === "where")
          return branches(
            q.args.slice(1).map((a) => visit(a, scale)),
            textOf(q.expr.span),
          );
        return turned(
          q.args.flatMap((a) => visit(a, scale)),
          () => textOf(q.expr.span),
        );
      case "byRow":
        return [q.there, q.missing].flatMap((part) => (part ? visit(part, scale) : []));
      case "enumerate":
        return visit(q.body, scale);
      case "eliminate":
        return q.steps.flatMap((s) => terms(s.values ?? s.terms));
      case "expect":
      case "reduce":
      case "optimum":
        return visit(q.body, scale);
      case "grad":
        within(q.body);
        return [];
      case "matching":
      case "factor":
      case "logDet":
      case "value":
      case "kl":
      case "gaussianMarginal":
      case "logPartition":
        return [];
    }
  };
  return [visit(quantity, 1), ...apart];
}

const turned = (held: readonly Held[], text: (h: Held) => string): readonly Held[] =>
  held.map((h) => ({ ...h, turned: h.turned ?? text(h) }));

/** Of values of which each row takes one: where a sum is added in some rows and taken off in others, its sign is either. */
function branches(each: readonly (readonly Held[])[], text: string): readonly Held[] {
  const all = each.flat();
  const signs = new Set(all.filter((h) => isBounded(h.sum)).map((h) => Math.sign(h.scale)));
  return signs.has(1) && signs.has(-1) ? turned(all, () => text) : all;
}

/** Whether a factor of a row's own may be above zero and below it. */
function turnsByRow(context: DeriveContext, factor: Expr): boolean {
  if (constantOf(factor) !== undefined) return false;
  const range = rangeOf(context, factor);
  if (isNonNegative(range) || isNeverPositive(range)) return false;
  return [...variablesIn(context, [factor])].some((v) => context.model.variables.get(v)?.role === "data");
}

/** Functions that pass no gradient on: what they say of a bound is not trained. */
const HELD: ReadonlySet<string> = new Set([...builtins.values()].filter((b) => b.noGradient).map((b) => b.fn));

/** Functions that rise with all of their arguments. */
const RISING: ReadonlySet<string> = new Set("add sum mean stack concat exp log softplus sigmoid tanh relu max min logsumexp".split(" "));

/** Its value where it is one; else its sign, taken for positive where it may be either. */
function factorOf(context: DeriveContext, factor: Expr): number {
  return constantOf(factor) ?? (isNeverPositive(rangeOf(context, factor)) ? -1 : 1);
}
