/** How fast values grow with the sum H of the terms that hold an energy's real variables; see growth.ts. */
import { builtins, isLinearIn } from "../builtins.js";
import { type DeriveContext, netOf } from "../derive/context.js";
import { layers } from "../layers.js";
import type { BuiltinExpr, Expr } from "../types.js";
import { rangeOf } from "./curvature.js";

/** Names that are followed into one another. */
export const mostFollowed = 300;

/**
 * The least w known with |entries| <= C (1 + H^w), from the exponents of the units; 0 for what is bounded. `listed` gives the units that a value
 * of the energy's own body lists.
 */
export function exponent(
  context: DeriveContext,
  exponents: ReadonlyMap<string, readonly number[]>,
  listed: (e: Expr, variable: string) => readonly number[] | undefined,
  energy: Expr,
): number {
  let depth = 0;
  /** -1 for what depends on no variable: unlike something bounded, it may stand under any function. */
  const visit = (e: Expr, env: ReadonlyMap<string, number> | undefined): number => {
    switch (e.kind) {
      case "variable":
        return Math.max(-1, ...(exponents.get(e.variable) ?? []));
      case "local": {
        const known = env?.get(e.local.id);
        if (known !== undefined) return known;
        const binding = depth < mostFollowed ? context.bindings.get(e.local.id) : undefined;
        if (!binding) return Infinity;
        depth++;
        const inner = visit(binding.value, env);
        depth--;
        return inner;
      }
      case "record":
        return Math.max(-1, ...e.fields.map((f) => visit(f.value, env)));
      case "field":
        return visit(e.target, env);
      case "netCall": {
        const net = netOf(context, e.net);
        const inner = new Map<string, number>(net.params.map((p, i) => [p.id, e.args[i] ? visit(e.args[i], env) : -1]));
        for (const b of net.body) inner.set(b.local.id, visit(b.value, inner));
        return visit(net.result, inner);
      }
      case "layer": {
        const of = Math.max(-1, ...e.args.map((a) => visit(a, env)));
        const growth = layers.get(e.instance.layer)?.growth;
        return of < 0 ? of : grown(of, growth);
      }
      case "builtin":
        return ofBuiltin(e, env);
      case "grad": {
        const values = e.locals.map(({ local, value }): [string, number] => [local.id, visit(value, env)]);
        const of = Math.max(...values.map(([, w]) => w), visit(e.body, new Map([...(env ?? []), ...values])));
        return of < 0 ? of : Infinity; // a bounded function may have any slope
      }
      case "flowCall":
        return Math.max(visit(e.arg, env), ...e.given.map((g) => visit(g, env))) < 0 ? -1 : Infinity;
      default:
        return -1;
    }
  };
  const ofBuiltin = (e: BuiltinExpr, env: ReadonlyMap<string, number> | undefined): number => {
    if (!env)
      for (const [variable, known] of exponents) {
        const units = listed(e, variable);
        if (units) return Math.max(...units.map((u) => known[u] ?? Infinity));
      }
    const args = e.args.map((a) => visit(a, env));
    const most = Math.max(-1, ...args);
    if (most < 0) return -1;
    const range = rangeOf(context, e);
    if (range.low > -Infinity && range.high < Infinity) return 0;
    const entry = builtins.get(e.fn);
    const positions = args.flatMap((w, i) => (w >= 0 ? [i] : []));
    if (isLinearIn(entry?.linear, positions)) return most;
    const [base = 0] = args;
    const n = e.args[1]?.kind === "number" ? e.args[1].value : NaN;
    if (entry?.power === "exponent") return positions.length === 1 && base >= 0 && n >= 0 ? n * base : Infinity;
    if (typeof entry?.power === "number") return entry.power * base;
    if (positions.every((i) => isLinearIn(entry?.linear, [i]))) return positions.reduce((total, i) => total + (args[i] ?? 0), 0);
    if (e.fn === "div" && e.args[1] && rangeOf(context, e.args[1]).low > 0) return Math.max(0, base);
    return grown(most, entry?.growth);
  };
  return visit(energy, undefined);
}

function grown(exponent: number, growth: number | undefined): number {
  if (growth === undefined) return Infinity;
  return growth === 0 ? 0 : growth * exponent;
}
