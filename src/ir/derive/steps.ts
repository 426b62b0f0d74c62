/**
 * Where a value steps as a draw moves: `sign(z)`, `argmax(z)`, `where(z > 0, 1, 0)`, `abs(z) / z`. The derivative of a sample sees nothing of a step, so that the gradient of
 * a reparameterised draw leaves out what its density does there (Lee, Yu & Yang 2018, "Reparameterization gradient for non-differentiable models").
 */
import { builtins } from "../builtins.js";
import type { BuiltinExpr, Expr, NetCallExpr } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";
import { type DeriveContext, densityOf, netOf } from "./context.js";
import { isHiddenStep } from "./one-sided.js";

/** What carries the draw: names of variables, and locals that have been looked at. */
interface Scope {
  readonly variables: ReadonlySet<string>;
  readonly locals: Map<string, boolean>;
  /** What they stand for. */
  readonly values: Map<string, Expr>;
}

/** Where powers of a number can cancel. */
const QUOTIENTS: ReadonlySet<string> = new Set(["div", "mul"]);

function meantBy(e: Expr, { values }: Scope): Expr | undefined {
  let value: Expr | undefined = e;
  while (value?.kind === "local" && values.has(value.local.id)) value = values.get(value.local.id);
  return value;
}

/** The first step that a value takes as `names` (variables, or ids of locals) move; through nets and densities, not through `stop`. */
export function stepIn(context: DeriveContext, value: Expr, names: ReadonlySet<string>): Expr | undefined {
  const look = looking(context);
  look.carries(value, { variables: names, locals: new Map(), values: new Map() });
  return look.step();
}

/** Which of the variables that are drawn from a density, from top to bottom, move with one of them, itself among them; the first step on the way. */
export function movingWith(
  context: DeriveContext,
  density: string,
  drawn: ReadonlySet<string>,
  variable: string,
): { readonly moving: ReadonlySet<string>; readonly step: Expr | undefined } {
  const look = looking(context);
  const moving = new Set([variable]);
  const scope: Scope = { variables: moving, locals: new Map(), values: new Map() };
  for (const s of densityOf(context, density).density.statements) {
    if (s.kind === "bind") look.bind(s.binding.local.id, s.binding.value, scope);
    else if ((s.kind === "draw" || s.kind === "define") && s.variable !== variable && drawn.has(s.variable))
      if (look.some(s.kind === "draw" ? distExprs(s.dist) : [s.value], scope)) moving.add(s.variable);
  }
  return { moving, step: look.step() };
}

interface Look {
  /** Whether an expression reads the draw, other than through `stop`. */
  readonly carries: (e: Expr, scope: Scope) => boolean;
  readonly some: (exprs: readonly Expr[], scope: Scope) => boolean;
  readonly bind: (id: string, value: Expr, scope: Scope) => void;
  /** The first step on the way. */
  readonly step: () => Expr | undefined;
}

function looking(context: DeriveContext): Look {
  let step: Expr | undefined;
  const some = (exprs: readonly Expr[], scope: Scope): boolean => exprs.map((e) => carries(e, scope)).includes(true);

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
        const inner: Scope = { variables: new Set(moving), locals: new Map(), values: new Map() };
        for (const s of statements)
          if (s.kind === "draw") some(distExprs(s.dist), inner);
          // in order, so that a long chain of bindings is no deep recursion
          else if (s.kind === "bind") bind(s.binding.local.id, s.binding.value, inner);
          else carries(s.value, inner);
        return moving.length > 0;
      }
      default:
        return some(childrenOf(e), scope);
    }
  };
  const bind = (id: string, value: Expr, scope: Scope): void => {
    scope.locals.set(id, carries(value, scope));
    scope.values.set(id, value);
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
    else if (QUOTIENTS.has(e.fn) && moving.every(Boolean) && isHiddenStep(e, (x) => meantBy(x, scope))) step ??= e;
    return moving.includes(true);
  };
  const ofNet = (e: NetCallExpr, scope: Scope): boolean => {
    const { params, body, result } = netOf(context, e.net);
    const inner: Scope = {
      variables: new Set(),
      values: new Map(),
      locals: new Map(params.map((p, i) => [p.id, e.args[i] !== undefined && carries(e.args[i], scope)])),
    };
    for (const b of body) bind(b.local.id, b.value, inner);
    return carries(result, inner);
  };
  return { carries, some, bind, step: () => step };
}
