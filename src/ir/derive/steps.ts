/**
 * Where a value steps as a draw moves: `sign(z)`, `argmax(z)`, `where(z > 0, 1, 0)`. The derivative of a sample sees nothing of a step, so that the gradient of
 * a reparameterised draw leaves out what its density does there (Lee, Yu & Yang 2018, "Reparameterization gradient for non-differentiable models").
 */
import { builtins } from "../builtins.js";
import type { BuiltinExpr, Expr, NetCallExpr } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";
import { type DeriveContext, densityOf, netOf } from "./context.js";

/** What carries the draw: names of variables, and locals that have been looked at. */
interface Scope {
  readonly variables: ReadonlySet<string>;
  readonly locals: Map<string, boolean>;
}

/** The first step that a value takes as `names` (variables, or ids of locals) move; through nets and densities, not through `stop`. */
export function stepIn(context: DeriveContext, value: Expr, names: ReadonlySet<string>): Expr | undefined {
  let step: Expr | undefined;
  const some = (exprs: readonly Expr[], scope: Scope): boolean => exprs.map((e) => carries(e, scope)).includes(true);

  /** Whether an expression reads the draw, other than through `stop`. */
  const carries = (e: Expr, scope: Scope): boolean => {
    switch (e.kind) {
      case "variable":
        return scope.variables.has(e.variable);
      case "local":
        return scope.locals.get(e.local.id) ?? scope.variables.has(e.local.id);
      case "builtin":
        return ofBuiltin(e, scope);
      case "netCall":
        return ofNet(e, scope);
      case "logDensity": {
        const { statements } = densityOf(context, e.density).density;
        const moving = [...e.head, ...e.given].filter((slot) => carries(slot.value, scope)).map((slot) => slot.variable);
        const inner: Scope = { variables: new Set(moving), locals: new Map() };
        for (const s of statements)
          if (s.kind === "draw") some(distExprs(s.dist), inner);
          // in order, so that a long chain of bindings is no deep recursion
          else if (s.kind === "bind") inner.locals.set(s.binding.local.id, carries(s.binding.value, inner));
          else carries(s.value, inner);
        return moving.length > 0;
      }
      default:
        return some(childrenOf(e), scope);
    }
  };
  const ofBuiltin = (e: BuiltinExpr, scope: Scope): boolean => {
    if (e.fn === "stop") return false;
    const moving = e.args.map((a) => carries(a, scope));
    const [condition, ...branches] = moving;
    // with branches that move too it may be continuous, as `where(z > 0, z, 0)` is
    if (
      e.fn === "where" ? condition === true && !branches.includes(true) : builtins.get(e.fn)?.noGradient === true && moving.includes(true)
    )
      step ??= e;
    return moving.includes(true);
  };
  const ofNet = (e: NetCallExpr, scope: Scope): boolean => {
    const { params, body, result } = netOf(context, e.net);
    const inner: Scope = {
      variables: new Set(),
      locals: new Map(params.map((p, i) => [p.id, e.args[i] !== undefined && carries(e.args[i], scope)])),
    };
    for (const b of body) inner.locals.set(b.local.id, carries(b.value, inner));
    return carries(result, inner);
  };
  carries(value, { variables: names, locals: new Map() });
  return step;
}
