/**
 * Where `stop` makes the gradient of a statement another than that of its value. `x + stop(y - x)` has the value of y and the gradient of x, which
 * passes straight through what y is made of (Bengio, Léonard & Courville 2013); what any other `stop` holds counts as given.
 */
import { remembered } from "../../base/remembered.js";
import { sameExpr } from "../same-expr.js";
import type { Quantity } from "../quantity.js";
import { exprsOf, walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { type DeriveContext, netOf } from "./context.js";
import { gradientParts, stopsGradient } from "./gradient-parts.js";
import { walk } from "./walk-bindings.js";
import { underPaths } from "./weight-paths.js";
import { weightsWithGradient } from "./weights.js";

export interface StopUse {
  /** Each stand-in, or the call of the net in which it is, and the moved weights that its gradient goes to. */
  readonly straight: readonly { readonly at: Expr; readonly weights: readonly string[] }[];
  /** Some other `stop` holds what moved weights act through. */
  readonly holds: boolean;
}

/** Arguments of the calls around, by the parameters of their nets. */
type Arguments = ReadonlyMap<string, { readonly value: Expr; readonly outer: Arguments }>;

interface SignedTerm {
  readonly sign: 1 | -1;
  readonly expr: Expr;
}

/** `moves`: paths of the weights that the statement moves. */
export function stopUse(context: DeriveContext, quantity: Quantity, moves: readonly string[]): StopUse {
  const partsOf = gradientParts(context);
  const found = new Map<Expr, Set<string>>();
  let holds = false;

  /** Moved weights that expressions have a gradient in, through the arguments of calls around them. */
  const reached = (exprs: readonly Expr[], outer: Arguments): readonly string[] => {
    const own = weightsWithGradient(context, exprs).filter((w) => underPaths(w, moves));
    const passed = new Set<string>();
    const seen = new Set<string>();
    for (const e of exprs) walk(context, e, (x) => x.kind === "local" && passed.add(x.local.id), seen, partsOf);
    const above = [...passed].flatMap((id) => outer.get(id) ?? []);
    return [...own, ...above.flatMap((a) => reached([a.value], a.outer))];
  };

  /** `call`: the call of a net that the expression stands in. */
  const search = (expr: Expr, outer: Arguments, call: Expr | undefined, seen: Set<string>): void => {
    const stops = new Set<Expr>();
    const standIns = new Set<Expr>();
    const visit = (e: Expr): void => {
      if (stopsGradient(e)) stops.add(e);
      else if (e.kind === "netCall") {
        if (!hasStops(context, e.net)) return;
        const net = netOf(context, e.net);
        const given = new Map(net.params.flatMap((p, i) => (e.args[i] ? [[p.id, { value: e.args[i], outer }] as const] : [])));
        search(net.result, given, e, new Set());
      } else if (stops.size > 0 && isSum(e)) {
        const cancelled = standIn(context, signedTerms(context, e, 1, standIns));
        if (!cancelled) return;
        standIns.add(e);
        cancelled.stops.forEach((s) => stops.delete(s));
        const weights = reached(cancelled.shown, outer);
        if (weights.length > 0) found.set(call ?? e, new Set([...(found.get(call ?? e) ?? []), ...weights]));
      }
    };
    walk(context, expr, visit, seen, partsOf);
    holds ||= [...stops].some((s) => s.kind === "builtin" && reached(s.args, outer).length > 0);
  };

  const seen = new Set<string>();
  for (const e of exprsOf(quantity)) search(e, new Map(), undefined, seen);
  walkQuantity(quantity, (q) => {
    if (q.kind === "apply" && stopsGradient(q.expr)) holds ||= q.args.some((a) => reached(exprsOf(a), new Map()).length > 0);
  });
  return { straight: [...found].map(([at, weights]) => ({ at, weights: [...weights] })), holds };
}

/** Whether a gradient that enters a net comes to a `stop`. */
function hasStops(context: DeriveContext, name: string): boolean {
  const known = netsWithStops(context);
  const before = known.get(name);
  if (before !== undefined) return before;
  let found = false;
  const visit = (e: Expr): void => void (found ||= stopsGradient(e) || (e.kind === "netCall" && hasStops(context, e.net)));
  walk(context, netOf(context, name).result, visit, new Set(), gradientParts(context));
  known.set(name, found);
  return found;
}

const netsWithStops = remembered((_: DeriveContext) => new Map<string, boolean>());

function isSum(e: Expr): boolean {
  return e.kind === "builtin" && (e.fn === "add" || e.fn === "sub");
}

/** Terms of a sum with their signs, those of `whole` unopened. */
function signedTerms(context: DeriveContext, e: Expr, sign: 1 | -1, whole: ReadonlySet<Expr>): readonly SignedTerm[] {
  const terms = (x: Expr, s: 1 | -1): readonly SignedTerm[] => signedTerms(context, x, s, whole);
  const other = sign === 1 ? -1 : 1;
  const bound = e.kind === "local" ? context.bindings.get(e.local.id)?.value : undefined;
  if (bound && isSum(bound) && !whole.has(bound)) return terms(bound, sign);
  if (e.kind !== "builtin" || whole.has(e)) return [{ sign, expr: e }];
  if (e.fn === "neg" && e.args[0]) return terms(e.args[0], other);
  const [a, b] = isSum(e) ? e.args : [];
  if (!a || !b) return [{ sign, expr: e }];
  return [...terms(a, sign), ...terms(b, e.fn === "add" ? sign : other)];
}

/** The terms of a sum that terms within its stops take away again, and those stops. */
function standIn(
  context: DeriveContext,
  terms: readonly SignedTerm[],
): { readonly shown: readonly Expr[]; readonly stops: readonly Expr[] } | undefined {
  const held = terms.flatMap(({ sign, expr }) =>
    expr.kind === "builtin" && stopsGradient(expr) && expr.args[0]
      ? signedTerms(context, expr.args[0], sign, new Set()).map((inner) => ({ stop: expr, inner }))
      : [],
  );
  const pairs = terms.flatMap(({ sign, expr }) =>
    held.filter(({ inner }) => inner.sign !== sign && sameExpr(inner.expr, expr)).map(({ stop }) => ({ expr, stop })),
  );
  return pairs.length > 0 ? { shown: pairs.map((p) => p.expr), stops: pairs.map((p) => p.stop) } : undefined;
}
