/** Scopes in which all is held fixed but some draws, and what follows from draws is computed anew. */
import { type DeriveContext, variablesIn } from "../ir/derive/context.js";
import type { DrawStep } from "../ir/quantity.js";
import { namesBoundBy } from "../ir/quantity-walk.js";
import type { Expr } from "../ir/types.js";
import { walkExpr } from "../ir/walk.js";
import { call, name, path } from "./js.js";
import { lowerBind } from "./lower-draws.js";
import type { Held, QuantityScope } from "./quantity-scope.js";
import { memoKey, type Value } from "./values.js";

type BindStep = Extract<DrawStep, { kind: "bind" }>;
type At = ReadonlyMap<string, Expr>;

/** Whether expressions of a density read draws, or what follows from them; `own` is the variable that they are the parameters of. */
export function readerOf(
  context: DeriveContext,
  steps: readonly DrawStep[],
  drawn: readonly { readonly step: DrawStep }[],
): (exprs: readonly Expr[], at: At, own?: string) => boolean {
  const names = namesBoundBy(drawn.map((d) => d.step));
  const binds = new Map(steps.flatMap((s) => (s.kind === "bind" ? keysOf(s).map((key) => [key, s] as const) : [])));
  const known = new Map<BindStep, boolean>();
  const readsIn = (exprs: readonly Expr[], at: At, own?: string): boolean =>
    [...variablesIn(context, exprs)].some((v) => {
      if (v === own) return false;
      const given = at.get(v);
      return given ? mentions(given) : isDrawn(v);
    });
  const isDrawn = (key: string): boolean => {
    const step = binds.get(key);
    if (!step || names.has(key)) return names.has(key);
    const before = known.get(step);
    if (before !== undefined) return before;
    known.set(step, false);
    const found = readsIn([step.value], step.at, step.variable);
    known.set(step, found);
    return found;
  };
  const mentions = (expr: Expr): boolean => {
    let found = false;
    walkExpr(expr, (e) => {
      found ||= (e.kind === "variable" && isDrawn(e.variable)) || (e.kind === "local" && isDrawn(e.local.id));
    });
    return found || [...variablesIn(context, [expr])].some(isDrawn);
  };
  return readsIn;
}

/** A variable of the density's has the name of a local where the `E` does not draw it by name. */
function keysOf(step: BindStep): readonly string[] {
  const at = step.at.get(step.variable);
  return [at?.kind === "local" ? at.local.id : step.variable];
}

/** The same scope with these values computed anew from what it has. */
export function rebound(scope: QuantityScope, steps: readonly BindStep[]): QuantityScope {
  if (steps.length === 0) return scope;
  const made = new Map<string, Value>();
  const makers = new Map(steps.flatMap((step) => keysOf(step).map((key) => [key, step] as const)));
  const valueOf = (key: string): Value | undefined => {
    const step = makers.get(key);
    if (!step) return undefined;
    const value = made.get(key) ?? lowerBind(result, step);
    made.set(key, value);
    return value;
  };
  const result: QuantityScope = {
    ...scope,
    variable: (v) => valueOf(v) ?? scope.variable(v),
    local: (id) => valueOf(id) ?? scope.local(id),
  };
  return result;
}

/** Weights are held fixed, and the draws of other expectations; what follows from the draws of `steps` is computed anew from these. */
export function holdAllBut(steps: readonly DrawStep[], drawn: readonly { readonly step: DrawStep }[]): Held {
  const names = namesBoundBy(drawn.map((d) => d.step));
  const binds = steps.flatMap((s) => (s.kind === "bind" ? [s] : []));
  return (scope) => {
    const { writer } = scope;
    const weights = writer.remember("held weights", () =>
      writer.bind("held", { kind: "record", js: call("holdFixed", name("w")), fields: new Map() }, "the weights, without a gradient"),
    ).js;
    const root = weights.kind === "name" ? weights.name : "";
    const data = (v: string, value: Value): boolean => {
      const row = scope.data(v);
      return row !== undefined && memoKey(row) === memoKey(value);
    };
    return rebound(
      {
        ...scope,
        held: true,
        weights: (full) => (full === "" ? weights : path(root, full)),
        variable: (v) => {
          const value = scope.variable(v);
          return value && !names.has(v) && !data(v, value) ? stopped(value) : value;
        },
        local: (id) => {
          const value = scope.local(id);
          return value && !names.has(id) ? stopped(value) : value;
        },
      },
      binds,
    );
  };
}

function stopped(value: Value): Value {
  if (value.js.kind === "number") return value;
  if (value.kind === "tensor") return { ...value, js: call("stopGradient", value.js) };
  const fields = [...value.fields].map(([f, v]) => [f, { ...v, js: call("stopGradient", v.js) }] as const);
  return { ...value, js: call("holdFixed", value.js), fields: new Map(fields) };
}
