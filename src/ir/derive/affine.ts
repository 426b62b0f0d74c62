/**
 * Is an expression affine in variables, all together? Decides whether Normals whose locations depend on Normal latents can be integrated exactly.
 * The answer is a proof by structure: "no" means that no rule applied, and names the operation that stopped it.
 */
import { builtins, isLinearIn } from "../builtins.js";
import { layers } from "../layers.js";
import type { Binding, Expr, NetCallExpr } from "../types.js";
import { type DeriveContext, netOf } from "./context.js";
import { inOrder } from "./walk-bindings.js";

export type Dependence = { readonly kind: "none" } | { readonly kind: "affine" } | { readonly kind: "other"; readonly reason: string };

const NONE: Dependence = { kind: "none" };
const AFFINE: Dependence = { kind: "affine" };

export function dependenceOn(context: DeriveContext, expr: Expr, variables: ReadonlySet<string>): Dependence {
  return look({ context, variables, known: new Map(), results: new Map() }, expr);
}

interface Search {
  readonly context: DeriveContext;
  readonly variables: ReadonlySet<string>;
  /** Of locals, and of the fields of those that are records. */
  readonly known: Map<string, Dependence>;
  /** Of what a net gives, by what it is handed. */
  readonly results: Map<string, Dependence>;
}

function settle(search: Search, binding: Binding): void {
  for (const b of inOrder(search.context, binding, (other) => search.known.has(other.local.id))) {
    if (b.value.kind === "record") for (const f of b.value.fields) search.known.set(`${b.local.id}.${f.name}`, look(search, f.value));
    search.known.set(b.local.id, look(search, b.value));
  }
}

function ofNet(search: Search, call: NetCallExpr): Dependence {
  const net = netOf(search.context, call.net);
  const given = net.params.map((_, i) => (call.args[i] ? look(search, call.args[i]) : NONE));
  const key = `${net.name}(${given.map((d) => (d.kind === "other" ? d.reason : d.kind)).join()})`;
  const before = search.results.get(key);
  if (before) return before;
  const inner: Search = { ...search, known: new Map(net.params.map((p, i) => [p.id, given[i] ?? NONE])) };
  const result = look(inner, net.result);
  search.results.set(key, result);
  return result;
}

function look(search: Search, expr: Expr): Dependence {
  const of = (e: Expr): Dependence => look(search, e);
  switch (expr.kind) {
    case "number":
    case "schedule":
    case "param":
      return NONE;
    case "variable":
      return search.variables.has(expr.variable) ? AFFINE : NONE;
    case "local": {
      const { id } = expr.local;
      const binding = search.known.has(id) ? undefined : search.context.bindings.get(id);
      if (binding) settle(search, binding);
      return search.known.get(id) ?? NONE;
    }
    case "record":
      return joined(expr.fields.map((f) => of(f.value)));
    case "field": {
      const field = expr.target.kind === "record" ? expr.target.fields.find((f) => f.name === expr.field) : undefined;
      if (field) return of(field.value);
      const whole = of(expr.target);
      return (expr.target.kind === "local" && search.known.get(`${expr.target.local.id}.${expr.field}`)) || whole;
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
    case "netCall":
      return ofNet(search, expr);
    case "flowCall": {
      const all = joined([expr.arg, ...expr.given].map(of));
      return all.kind === "affine" ? other(`the flow \`${expr.flow}\` is not linear`) : all;
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
