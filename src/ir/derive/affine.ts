/**
 * Is an expression affine in a variable? Decides whether a Normal whose location depends on a Normal latent can be integrated exactly.
 * The answer is a proof by structure: "no" means that no rule applied, and names the operation that stopped it.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { layers } from "../layers.js";
import type { Expr } from "../types.js";
import { type DeriveContext, netOf } from "./context.js";

export type Dependence = { readonly kind: "none" } | { readonly kind: "affine" } | { readonly kind: "other"; readonly reason: string };

const NONE: Dependence = { kind: "none" };
const AFFINE: Dependence = { kind: "affine" };

export function dependenceOn(
  context: DeriveContext,
  expr: Expr,
  variable: string,
  locals: ReadonlyMap<string, Dependence> = new Map(),
): Dependence {
  const of = (e: Expr): Dependence => dependenceOn(context, e, variable, locals);
  switch (expr.kind) {
    case "number":
    case "schedule":
    case "param":
      return NONE;
    case "variable":
      return expr.variable === variable ? AFFINE : NONE;
    case "local": {
      const known = locals.get(expr.local.id);
      if (known) return known;
      const binding = context.bindings.get(expr.local.id);
      return binding ? of(binding.value) : NONE;
    }
    case "record":
      return joined(expr.fields.map((f) => of(f.value)));
    case "field": {
      const target = expr.target.kind === "local" ? context.bindings.get(expr.target.local.id)?.value : expr.target;
      if (target?.kind === "record" && !(expr.target.kind === "local" && locals.has(expr.target.local.id))) {
        const field = target.fields.find((f) => f.name === expr.field);
        if (field) return of(field.value);
      }
      return of(expr.target);
    }
    case "builtin": {
      const parts = expr.args.map(of);
      const all = joined(parts);
      const dependent = parts.flatMap((p, i) => (p.kind === "none" ? [] : [i]));
      const linear = builtins.get(expr.fn)?.linear;
      if (all.kind !== "affine" || isLinearIn(linear, dependent)) return all;
      if (linear && dependent.length > 1 && dependent.every((i) => isLinearIn(linear, [i])))
        return other(`\`${expr.fn}\` of two values that both depend on it`);
      return other(expr.fn === "div" ? "a division by a value that depends on it" : `\`${expr.fn}\` is not linear`);
    }
    case "layer": {
      const all = joined(expr.args.map(of));
      return all.kind !== "affine" || layers.get(expr.instance.layer)?.linear
        ? all
        : other(`the layer \`${expr.instance.layer}\` is not linear`);
    }
    case "netCall": {
      const net = netOf(context, expr.net);
      const inner = new Map(net.params.map((p, i): [string, Dependence] => [p.id, expr.args[i] ? of(expr.args[i]) : NONE]));
      for (const b of net.body) inner.set(b.local.id, dependenceOn(context, b.value, variable, inner));
      return dependenceOn(context, net.result, variable, inner);
    }
    case "logDensity":
    case "expectation":
    case "reduce":
    case "optimum":
    case "grad":
      return other("it stands inside an objective");
  }
}

function joined(parts: readonly Dependence[]): Dependence {
  return parts.find((p) => p.kind === "other") ?? parts.find((p) => p.kind === "affine") ?? NONE;
}

function other(reason: string): Dependence {
  return { kind: "other", reason };
}
