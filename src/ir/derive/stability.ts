/**
 * Rewrites of expressions whose literal evaluation loses precision or overflows, applied before code is printed, so that the generated
 * file already shows the stable form. The graph passes repeat this for values that meet only after nets are called.
 */
import type { BuiltinExpr, Expr } from "../types.js";
import type { DeriveContext } from "./context.js";

export function stable(context: DeriveContext, expr: Expr): Expr {
  switch (expr.kind) {
    case "builtin":
      return rewrite(context, { ...expr, args: expr.args.map((a) => stable(context, a)) });
    case "layer":
    case "netCall":
      return { ...expr, args: expr.args.map((a) => stable(context, a)) };
    case "flowCall":
      return { ...expr, arg: stable(context, expr.arg), given: expr.given.map((e) => stable(context, e)) };
    case "record":
      return { ...expr, fields: expr.fields.map((f) => ({ ...f, value: stable(context, f.value) })) };
    case "field":
      return { ...expr, target: stable(context, expr.target) };
    case "grad":
      return {
        ...expr,
        locals: expr.locals.map((l) => ({ ...l, value: stable(context, l.value) })),
        body: stable(context, expr.body),
      };
    default:
      return expr;
  }
}

function rewrite(context: DeriveContext, expr: BuiltinExpr): Expr {
  const inner = (e: Expr | undefined, fn: string): BuiltinExpr | undefined => {
    const seen = e?.kind === "local" ? context.bindings.get(e.local.id)?.value : e;
    return seen?.kind === "builtin" && seen.fn === fn ? seen : undefined;
  };
  const make = (fn: string, args: readonly Expr[], options: BuiltinExpr["options"] = {}): BuiltinExpr => ({
    kind: "builtin",
    fn,
    args,
    options,
    type: expr.type,
    span: expr.span,
  });
  const [a] = expr.args;
  if (expr.fn === "log") {
    const sigmoid = inner(a, "sigmoid");
    if (sigmoid) return make("log_sigmoid", sigmoid.args);
    const exp = inner(a, "exp");
    if (exp?.args[0]) return exp.args[0];
    const softmax = inner(a, "softmax");
    if (softmax) return make("log_softmax", softmax.args, softmax.options);
    const sum = inner(a, "sum");
    const summed = sum && inner(sum.args[0], "exp");
    if (sum && summed) return make("logsumexp", summed.args, sum.options);
    const mean = inner(a, "mean");
    const averaged = mean && inner(mean.args[0], "exp");
    if (mean && averaged) return make("logmeanexp", averaged.args, mean.options);
    const difference = inner(a, "sub");
    const [one, rest] = difference?.args ?? [];
    const complement = inner(rest, "sigmoid");
    if (one?.kind === "number" && one.value === 1 && complement?.args[0])
      return make("log_sigmoid", [{ ...make("neg", complement.args), type: complement.type }]);
    const plus = inner(a, "add");
    if (plus) {
      const [l, r] = plus.args;
      if (l?.kind === "number" && l.value === 1) {
        const grown = inner(r, "exp");
        return grown ? make("softplus", grown.args) : r ? make("log1p", [r]) : expr;
      }
    }
  }
  if (expr.fn === "exp") {
    const log = inner(a, "log");
    if (log?.args[0]) return log.args[0];
  }
  if (expr.fn === "div") {
    const [n, d] = [inner(expr.args[0], "exp"), inner(expr.args[1], "exp")];
    if (n?.args[0] && d?.args[0]) return make("exp", [{ ...make("sub", [n.args[0], d.args[0]]), type: expr.type }]);
  }
  return expr;
}

/** Distribution parameters in their stable parameterisation: probs = sigmoid(a) -> logits = a; probs = softmax(a) -> logits = a. */
export function stableParams(context: DeriveContext, dist: string, params: Readonly<Record<string, Expr>>): Readonly<Record<string, Expr>> {
  const probs = params["probs"];
  const seen = probs?.kind === "local" ? context.bindings.get(probs.local.id)?.value : probs;
  if (probs && seen?.kind === "builtin" && seen.args[0]) {
    const fits =
      seen.fn === "sigmoid"
        ? ["Bernoulli", "Binomial"].includes(dist)
        : seen.fn === "softmax" && ["Categorical", "OneHotCategorical"].includes(dist);
    if (fits) {
      const { probs: _, ...rest } = params;
      return { ...rest, logits: stable(context, seen.args[0]) };
    }
  }
  return Object.fromEntries(Object.entries(params).map(([name, e]) => [name, stable(context, e)]));
}
