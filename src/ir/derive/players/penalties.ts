/**
 * Penalties on slopes: terms of a statement that hold `grad[…]` of nets that it moves. Whether the statement goes down with how steep these are, up,
 * which rewards it without end, or whether no gradient comes from the term at all, as where `stop` stands in it.
 */
import { report } from "../../../base/report.js";
import { textOf } from "../../../base/source.js";
import { builtins } from "../../builtins.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { rangeOf } from "../../energy/curvature.js";
import { isNonNegative, type Range } from "../../range.js";
import { sameExpr } from "../../same-expr.js";
import type { BuiltinExpr, Expr, GradExpr } from "../../types.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { gradientParts } from "../gradient-parts.js";
import { walk } from "../walk-bindings.js";
import { weightsIn, weightsWithGradient } from "../weights.js";
import { movedBy, type Sign, termsOf } from "./parts.js";
import { slopeIn } from "./verdicts.js";

export interface Penalty {
  readonly expr: Expr;
  /** Gradients in it of what the statement moves. */
  readonly grads: readonly GradExpr[];
  /** Weights behind them that the statement moves. */
  readonly weights: readonly string[];
  /**
   * What the statement does with steep slopes; `unlike`: it goes up with a term that is never negative, which need not grow with them, or with one
   * that has a bound, such as `min(norm(grad[z](…)), 1)`.
   */
  readonly effect: "lowers" | "raises" | "unlike" | "none";
  /** Where no gradient comes from it: what stops it, if one function does. */
  readonly stop?: Expr;
  /** The first of the gradients, where what it is taken of does not read the names that it is taken in. */
  readonly unread?: GradExpr;
}

export function penaltiesOf(context: DeriveContext, derived: DerivedUpdate): readonly Penalty[] {
  const direction: Sign = derived.update.direction === "maximize" ? 1 : -1;
  return termsOf(derived.update.value).flatMap(({ expr, sign }): readonly Penalty[] => {
    const grads = gradsIn(context, expr).filter((g) => movedBy(derived, weightsIn(context, [g.body])).length > 0);
    if (grads.length === 0) return [];
    const weights = movedBy(
      derived,
      weightsIn(
        context,
        grads.map((g) => g.body),
      ),
    );
    const reached = gradsIn(context, expr, gradientParts(context));
    const live = grads.filter((g) => reached.includes(g) && isLive(context, derived, g));
    // a stopped slope may move the point at which the net is asked
    if (live.length === 0 && movesBeside(context, derived, expr, grads)) return [];
    const unread = grads.find((g) => !readsNames(context, g, childrenOf));
    if (live.length === 0) return [{ expr, grads, weights, effect: "none", ...(unread ? { unread } : stopIn(context, expr)) }];
    const way = growthIn(context, expr, new Set(live));
    return [{ expr, grads, weights, effect: effectOf(way, (sign * direction) as Sign, rangeOf(context, expr)) }];
  });
}

/** Of a term that grows or falls with slopes, or in no known way, where the statement goes up with it (1) or down. */
function effectOf(way: Sign | undefined, moved: Sign, range: Range): Penalty["effect"] {
  if (way === undefined) return moved === 1 && isNonNegative(range) ? "unlike" : "lowers";
  if (way !== moved) return "lowers";
  return Number.isFinite(way === 1 ? range.high : range.low) ? "unlike" : "raises";
}

/**
 * Warnings of what is rewarded and of what does nothing; none of those that another warning tells of. Steep slopes of nets that make samples, all weights
 * of which are in `makers`, are diversity: a critic holds those.
 */
export function checkPenalties(
  context: DeriveContext,
  { update }: DerivedUpdate,
  penalties: readonly Penalty[],
  makers: ReadonlySet<string>,
): void {
  for (const { expr, weights, effect, stop, unread } of penalties) {
    const owners = [...new Set(weights.map((w) => w.split(".")[0] ?? w))];
    const of = owners.map((o) => `\`${o}\``).join(", ");
    const isHere = ({ span }: Expr): boolean => span.file.path === update.span.file.path;
    if (effect === "raises") {
      if (weights.every((w) => makers.has(w))) continue;
      const [way, sign] = update.direction === "maximize" ? ["maximize", "-"] : ["minimize", "+"];
      report(
        context.diagnostics,
        "GM3756",
        update.span,
        { of },
        {
          labels: isHere(expr) ? [{ span: expr.span, text: "the statement goes up with it" }] : [],
          help: [`a penalty is descended: with its sign turned, \`${way} … ${sign} …\``],
        },
      );
    } else if (effect === "none") {
      report(
        context.diagnostics,
        "GM3757",
        update.span,
        { of },
        {
          labels: [
            unread && isHere(unread)
              ? { span: unread.span, text: `${unreadText(unread)}: it is 0` }
              : stop && isHere(stop)
                ? { span: stop.span, text: "no gradient passes here" }
                : { span: expr.span, text: "this is a number to the statement" },
          ],
          help: [
            unread
              ? readHelp(unread)
              : "take `stop` out of it: the slope in the value and the gradient in the weights both pass through the net",
            "or leave the term out",
          ],
        },
      );
    }
  }
}

function gradsIn(context: DeriveContext, expr: Expr, partsOf: (e: Expr) => readonly Expr[] = childrenOf): readonly GradExpr[] {
  const found: GradExpr[] = [];
  walk(context, expr, (e) => e.kind === "grad" && found.push(e), new Set(), partsOf);
  return found;
}

/** A gradient comes to a weight of the statement from elsewhere in a term than those gradients. */
function movesBeside(context: DeriveContext, derived: DerivedUpdate, expr: Expr, grads: readonly GradExpr[]): boolean {
  const partsOf = gradientParts(context);
  let moves = false;
  const visit = (e: Expr): void => {
    if (e.kind === "netCall" || e.kind === "layer" || e.kind === "param") moves ||= movedBy(derived, weightsWithGradient(context, [{ ...e, args: [] } as Expr])).length > 0; // prettier-ignore
  };
  walk(context, expr, visit, new Set(), (e) => (grads.some((g) => g === e) ? [] : partsOf(e)));
  return moves;
}

/** Its value moves with the point that it is taken at, and with a weight of the statement. */
function isLive(context: DeriveContext, derived: DerivedUpdate, grad: GradExpr): boolean {
  if (movedBy(derived, weightsWithGradient(context, [grad.body])).length === 0) return false;
  return readsNames(context, grad, gradientParts(context));
}

/** Does what a gradient is taken of read a name that it is taken in? */
function readsNames(context: DeriveContext, { body, locals }: GradExpr, partsOf: (e: Expr) => readonly Expr[]): boolean {
  let reads = false;
  const at = new Set(locals.map((l) => l.local.id));
  walk(context, body, (e) => (reads ||= e.kind === "local" && at.has(e.local.id)), new Set(), partsOf);
  return reads;
}

const namesOf = ({ locals }: GradExpr): string => locals.map(({ local }) => `\`${local.name}\``).join(" and ");

export function unreadText(grad: GradExpr): string {
  return `\`${textOf(grad.body.span)}\` does not read ${namesOf(grad)}`;
}

export function readHelp(grad: GradExpr): string {
  return `\`grad[…]\` is the slope in ${namesOf(grad)}: let the net read ${grad.locals.length > 1 ? "them" : "it"} in place of \`${textOf(grad.body.span)}\``;
}

/** The first function in it, and in the nets that it calls, through which no gradient passes. */
function stopIn(context: DeriveContext, expr: Expr): Pick<Penalty, "stop"> {
  let stop: Expr | undefined;
  const nets = new Set<string>();
  const visit = (e: Expr): void => {
    if (e.kind === "builtin" && builtins.get(e.fn)?.noGradient) stop ??= e;
    if (e.kind !== "netCall" || nets.has(e.net)) return;
    nets.add(e.net);
    walk(context, netOf(context, e.net).result, visit);
  };
  walk(context, expr, visit);
  return stop ? { stop } : {};
}

/** Whether an expression grows or falls without end as the gradients in it do, whatever direction they take: norms, and even powers of what they enter. */
function growthIn(context: DeriveContext, expr: Expr, live: ReadonlySet<GradExpr>): Sign | undefined {
  const holds = (e: Expr): boolean => gradsIn(context, e).some((g) => live.has(g));
  /** The gradients times what has none, and more: it is large where they are. */
  const isAffine = (e: Expr): boolean => {
    if (e.kind === "grad") return live.has(e);
    if (e.kind === "local") {
      const binding = context.bindings.get(e.local.id);
      return binding !== undefined && isAffine(binding.value);
    }
    if (e.kind !== "builtin") return false;
    const [only, ...others] = e.args.filter(holds);
    const keeps =
      ["neg", "add", "sub", "mul", "div", "reshape", "flatten", "concat"].includes(e.fn) && !(e.fn === "div" && e.args[1] === only);
    return only !== undefined && others.length === 0 && keeps && isAffine(only);
  };
  const isLarge = (e: Expr | undefined): boolean => e !== undefined && (isAffine(e) || growth(e) !== undefined);
  const isSize = ({ fn, args: [a, b] }: BuiltinExpr): boolean => {
    if (fn === "norm" || fn === "abs" || fn === "square") return isLarge(a);
    if (fn === "pow") return b?.kind === "number" && b.value > 0 && b.value % 2 === 0 && isLarge(a);
    return (fn === "mul" || fn === "matmul") && a !== undefined && b !== undefined && sameExpr(a, b) && isLarge(a);
  };
  const growth = (e: Expr): Sign | undefined => {
    if (e.kind === "local") {
      const binding = context.bindings.get(e.local.id);
      return binding && growth(binding.value);
    }
    if (e.kind !== "builtin") return undefined;
    if (isSize(e)) return 1;
    const ways = new Set(
      e.args.flatMap((arg, i) => {
        if (!holds(arg)) return [];
        const [inner, slope] = [growth(arg), slopeIn(context, e, i)];
        return [inner && slope && inner * slope];
      }),
    );
    const [way, ...others] = ways;
    return others.length === 0 ? (way as Sign | undefined) : undefined;
  };
  return growth(expr);
}
