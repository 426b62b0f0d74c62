/**
 * Functions of compile-time values: `length(sizes)`, `size(x)`, `sum(sizes)`, `floor(H / 2)`.
 * A function of a tensor under the same name (`sum`) takes over where an argument is not static.
 */
import { report } from "../base/report.js";
import type * as ast from "../parser/ast.js";
import { builtins } from "./builtins.js";
import type { Env } from "./env.js";
import { hasNoValue } from "./no-value.js";
import { constantAt, type Dynamic, evaluateStatic, numberOf, requireInteger, showStatic, type Static } from "./static.js";
import type { Dim, Type } from "./types.js";

export type StaticFunction = (env: Env, call: ast.CallExpr) => Static | Dynamic | undefined;

/** A function of numbers; lists are spread, so `max([1, 2])` is `max(1, 2)`. `kin`: the function of the builtin table that has a value for the same numbers. */
function numeric(name: string, arity: number | "any", f: (...values: number[]) => number, kin = name): readonly [string, StaticFunction] {
  return [
    name,
    (env, call) => {
      const dynamic: Dynamic = { kind: "dynamic", span: call.span, what: "a call" };
      const values: number[] = [];
      for (const arg of call.args) {
        if (arg.name) return dynamic;
        const value = evaluateStatic(env, arg.value);
        if (value === undefined || value.kind === "dynamic") return value;
        for (const item of value.kind === "list" ? value.items : [value]) {
          if (item.kind !== "number") return dynamic;
          values.push(item.value);
        }
      }
      if (arity !== "any" && values.length !== arity) return dynamic;
      const texts = call.args.map((arg) => {
        const value = evaluateStatic(env, arg.value);
        return value === undefined || value.kind === "dynamic"
          ? ""
          : value.kind === "number" || value.kind === "list"
            ? value.text
            : showStatic(value);
      });
      const result = f(...values);
      const [only] = call.args;
      const [value = 0] = values;
      if (only && hasNoValue(env, builtins.get(kin), [constantAt(env, only.value, { value, text: texts[0] })], name)) return undefined;
      return numberOf(result, `${name}(${texts.join(", ")})`);
    },
  ];
}

export const staticFunctions: ReadonlyMap<string, StaticFunction> = new Map<string, StaticFunction>([
  [
    "length",
    (env, call) => {
      const [arg, ...more] = call.args;
      if (arg === undefined || more.length > 0) return { kind: "dynamic", span: call.span, what: "a call" };
      const value = evaluateStatic(env, arg.value);
      if (value === undefined || value.kind === "dynamic") return value;
      if (value.kind === "list") return numberOf(value.items.length);
      const help = value.kind === "number" ? [`a list of one number has brackets: \`[${showStatic(value)}]\``] : [];
      report(env.cx.diagnostics, "GM2028", arg.span, { expected: "a list", found: showStatic(value) }, { help });
      return undefined;
    },
  ],
  ["size", sizeFunction],
  numeric("floor", 1, Math.floor),
  numeric("ceil", 1, Math.ceil),
  numeric("round", 1, Math.round),
  numeric("sqrt", 1, Math.sqrt),
  numeric("exp", 1, Math.exp),
  numeric("log", 1, Math.log),
  numeric("log2", 1, Math.log2, "log"),
  numeric("abs", 1, Math.abs),
  numeric("sum", "any", (...v) => v.reduce((a, b) => a + b, 0)),
  numeric("prod", "any", (...v) => v.reduce((a, b) => a * b, 1)),
  numeric("max", "any", Math.max),
  numeric("min", "any", Math.min),
]);

/** `size(x)` is the size of the last axis of a value that has a name, `size(x, 1)` of the first. */
function sizeFunction(env: Env, call: ast.CallExpr): Static | Dynamic | undefined {
  const [target, axis, ...more] = call.args;
  const dynamic: Dynamic = { kind: "dynamic", span: call.span, what: "a call" };
  if (target === undefined || more.length > 0) return dynamic;
  const type = typeOfName(env, target.value);
  if (type === undefined) return { kind: "dynamic", span: target.span, what: "`size` needs a value that has a name" };
  const shape: readonly Dim[] = type.kind === "tensor" ? type.shape : [];
  if (shape.length === 0) {
    report(env.cx.diagnostics, "GM2028", target.span, { expected: "a tensor with axes", found: "a scalar" });
    return undefined;
  }
  const at = axis ? requireInteger(env, axis.value, "an axis", 1, shape.length) : numberOf(shape.length);
  const size = at && shape[at.value - 1];
  return size && numberOf(size.size, size.text);
}

function typeOfName(env: Env, expr: ast.Expr): Type | undefined {
  const entity = expr.kind === "name" ? env.scope.find(expr.name) : indexedLocal(env, expr);
  switch (entity?.kind) {
    case "local":
      return entity.local.type;
    case "value":
      return entity.expr.type;
    case "variable":
      return { kind: "tensor", element: "real", shape: entity.variable.domain.shape };
    case "param":
      return { kind: "tensor", element: "real", shape: entity.param.domain.shape };
    default:
      return undefined;
  }
}

function indexedLocal(env: Env, expr: ast.Expr): ReturnType<Env["scope"]["find"]> {
  if (expr.kind !== "index" || expr.target.kind !== "name") return undefined;
  const family = env.scope.find(expr.target.name);
  const [index] = expr.indices;
  if (family?.kind !== "family" || index === undefined || index.kind === "range") return undefined;
  const at = evaluateStatic(env, index);
  return at?.kind === "number" ? family.members.get(at.value) : undefined;
}
