/**
 * Expressions that bind names: `sum[i in 1..k](…)` and its like, `E[z ~ q(z | x)](…)`, `max[z](…)`, `grad[y = e](…)`.
 * A sum over the samples of a draw stays a sum; one over another range is spelled out.
 */
import { report } from "../base/report.js";
import type * as ast from "../parser/ast.js";
import { checkFree, localEntity, makeLocal, maxUnrolled, staticRange } from "./body.js";
import { builtinCall, reportLabel, requireTensor } from "./builtin-call.js";
import { type Context, type Env, freshId, within } from "./env.js";
import { elaborateExpectation } from "./expectation.js";
import { elaborateExpr, numberExpr } from "./expr.js";
import { chain } from "./indexing.js";
import { overlay } from "./objective-env.js";
import { type Entity, Scope } from "./scope.js";
import { record, scalarType, showType } from "./shapes.js";
import { slotNames } from "./slots.js";
import { numberOf } from "./static.js";
import type { Dim, Expr, GradExpr } from "./types.js";
import { walkAst } from "./walk.js";

export function elaborateBinder(env: Env, expr: ast.BinderExpr): Expr | undefined {
  if (expr.op === "E") return elaborateExpectation(env, expr);
  if (expr.op === "grad") return elaborateGrad(env, expr);
  const ranges = expr.binders.flatMap((b) => (b.kind === "range" ? [b] : []));
  if (ranges.length === expr.binders.length) return elaborateRange(env, expr, ranges);
  if (expr.op === "max" || expr.op === "min") return elaborateOptimum(env, expr, expr.op);
  checkBinders(env.cx, expr);
  return undefined;
}

/** Reports GM3030 where what is bound is of another kind than the operator binds. */
export function checkBinders({ diagnostics }: Pick<Context, "diagnostics">, { op, binders, span }: ast.BinderExpr): boolean {
  const all = (fits: (binder: ast.Binder) => boolean): boolean => binders.every(fits);
  const ranges = all((b) => b.kind === "range");
  const wrong = (expected: string): boolean => {
    const at = binders.find((b) => b.kind !== (op === "E" ? "draw" : "range")) ?? binders[0];
    report(diagnostics, "GM3030", at?.span ?? span, { op, expected });
    return false;
  };
  switch (op) {
    case "E":
      return all((b) => b.kind === "draw") || wrong("draws, as in `z ~ q(z | x)`");
    case "grad":
      return all((b) => b.kind === "name") || wrong("names, as in `grad[x](…)` or `grad[y = e](…)`");
    case "max":
    case "min":
      return ranges || all((b) => b.kind === "name" && !b.value) || wrong("names of latents, as in `max[z](…)`, or a range");
    default:
      return ranges || wrong("a range, as in `i in 1..k`");
  }
}

// ---- sums and the like ------------------------------------------------------------------------------

type RangeOp = "sum" | "mean" | "max" | "min" | "logsumexp" | "logmeanexp";

function elaborateRange(env: Env, expr: ast.BinderExpr, ranges: readonly ast.RangeBinder[]): Expr | undefined {
  const [range, ...inner] = ranges;
  if (!range) return undefined;
  const body: ast.Expr = inner.length === 0 ? expr.body : { ...expr, binders: inner };
  const op = expr.op as RangeOp;
  const bounds = staticRange(env, range);
  const { name, span } = range.name;
  if (!bounds || !checkFree(env, name, span, new Scope(env.scope))) return undefined;
  const samples = samplesIndexedBy(env, body, name);
  if (samples && bounds.low === 1 && bounds.high === samples.size) {
    const scope = new Scope(env.scope);
    const index = freshId(env.cx, name);
    scope.define(name, { kind: "sampleIndex", index, count: samples, span });
    const value = elaborateExpr(within(env, scope), body);
    return (
      value && requireTensor(env, value) && { kind: "reduce", op, index, count: samples, body: value, type: value.type, span: expr.span }
    );
  }
  const terms: Expr[] = [];
  for (let i = bounds.low; i <= bounds.high; i++) {
    if (++env.cx.budget.unrolled > maxUnrolled) {
      report(env.cx.diagnostics, "GM2023", range.span, { problem: `it unrolls the model into more than ${maxUnrolled} terms` });
      return undefined;
    }
    const scope = new Scope(env.scope);
    scope.define(name, { kind: "static", what: "index", value: numberOf(i), span });
    const term = elaborateExpr(within(env, scope), body);
    if (!term) return undefined;
    terms.push(term);
  }
  return combine(env, op, terms, expr, range);
}

function combine(env: Env, op: RangeOp, terms: readonly Expr[], expr: ast.BinderExpr, range: ast.RangeBinder): Expr | undefined {
  const [first, ...rest] = terms;
  if (first === undefined) {
    if (op === "sum") return numberExpr(numberOf(0), expr.span);
    report(env.cx.diagnostics, "GM2023", range.span, { problem: `it is empty, and the ${op} of nothing is no number` });
    return undefined;
  }
  // a chain of two-sided functions would be as deep as it is long
  const folds = terms.length <= (op === "sum" || op === "mean" ? 8 : op === "max" || op === "min" ? 2 : 0);
  if (!folds) {
    const stacked = builtinCall(env, "stack", terms, expr.span);
    const rank = stacked?.type.kind === "tensor" ? stacked.type.shape.length : 1;
    return stacked && builtinCall(env, op, [stacked], expr.span, { options: new Map([["axis", [-rank]]]), dims: new Map() });
  }
  const fn = op === "max" ? "maximum" : op === "min" ? "minimum" : "add";
  const total = rest.reduce<Expr | undefined>((a, b) => a && builtinCall(env, fn, [a, b], expr.span), first);
  if (op !== "mean" || !total) return total;
  return builtinCall(env, "div", [total, numberExpr(numberOf(terms.length), expr.span)], expr.span);
}

/** The number of samples of the draws that `name` indexes in `body`, undefined where it indexes none. */
function samplesIndexedBy(env: Env, body: ast.Expr, name: string): Dim | undefined {
  let found: Dim | undefined;
  walkAst(body, (e) => {
    if (e.kind !== "index") return;
    const { base, indices } = chain(e);
    const [first] = indices;
    if (base.kind !== "name" || first?.kind !== "name" || first.name !== name) return;
    const entity = env.scope.find(base.name);
    found ??= entity && samplesOfEntity(env, entity);
  });
  return found;
}

function samplesOfEntity(env: Env, entity: Entity): Dim | undefined {
  switch (entity.kind) {
    case "variable":
      return env.access.samples?.(entity.variable.name);
    case "role":
      return entity.variables[0] === undefined ? undefined : env.access.samples?.(entity.variables[0]);
    case "local":
      return entity.samples;
    case "family": {
      const [member] = entity.members.values();
      return member && samplesOfEntity(env, member);
    }
    default:
      return undefined;
  }
}

// ---- max over variables ------------------------------------------------------------------------------

function elaborateOptimum(env: Env, expr: ast.BinderExpr, op: "max" | "min"): Expr | undefined {
  const variables: string[] = [];
  if (env.mode !== "objective") {
    report(env.cx.diagnostics, "GM3024", expr.span, { where: env.mode });
    return undefined;
  }
  if (!checkBinders(env.cx, expr)) return undefined;
  for (const binder of expr.binders) {
    if (binder.kind !== "name") return undefined;
    const names = slotNames(env, { kind: "name", name: binder.name.name, span: binder.name.span });
    if (!names) return undefined;
    for (const n of names) {
      if (n.local || env.cx.variables.get(n.variable)?.role !== "latent") {
        report(
          env.cx.diagnostics,
          "GM3031",
          binder.span,
          { op, name: binder.name.name },
          { help: ["it goes over latents: the data are given"] },
        );
        return undefined;
      }
      variables.push(n.variable);
    }
  }
  const body = elaborateExpr({ ...env, access: overlay(env.access, new Map(variables.map((v) => [v, undefined]))) }, expr.body);
  return body && scalarBody(env, expr, body) ? { kind: "optimum", op, variables, body, type: scalarType, span: expr.span } : undefined;
}

// ---- gradients ---------------------------------------------------------------------------------------

function elaborateGrad(env: Env, expr: ast.BinderExpr): Expr | undefined {
  const scope = new Scope(env.scope);
  const locals: GradExpr["locals"][number][] = [];
  if (!checkBinders(env.cx, expr)) return undefined;
  for (const binder of expr.binders) {
    if (binder.kind !== "name") return undefined;
    const value = elaborateExpr(env, binder.value ?? { kind: "name", name: binder.name.name, span: binder.name.span });
    if (!value || (binder.value && !checkFree(env, binder.name.name, binder.name.span, scope))) return undefined;
    const type = requireTensor(env, value);
    if (!type) return undefined;
    if (type.element === "int") {
      reportLabel(env, value, "`grad`");
      return undefined;
    }
    const local = makeLocal(env.cx, env.site, binder.name.name, value, binder.name.span);
    locals.push({ local, value });
    scope.define(binder.name.name, localEntity(local));
  }
  const body = elaborateExpr(within(env, scope), expr.body);
  if (!body || !scalarBody(env, expr, body)) return undefined;
  const [only, ...more] = locals;
  const types = locals.flatMap(({ local }) => (local.type.kind === "tensor" ? [{ name: local.name, type: local.type }] : []));
  return only && { kind: "grad", locals, body, type: more.length === 0 ? only.local.type : record(types), span: expr.span };
}

function scalarBody(env: Env, expr: ast.BinderExpr, body: Expr): boolean {
  if (body.type.kind === "tensor" && body.type.shape.length === 0) return true;
  if (body.kind === "netCall" && expr.op === "grad") {
    const { vectorCritics } = env.cx;
    // said of the net once, here or where its value is averaged
    if (vectorCritics.has(body.net)) return false;
    vectorCritics.add(body.net);
    // a penalty of the library is about a discriminator
    if (body.span.file.path.startsWith("std/")) {
      const found = { net: body.net, found: showType(body.type) };
      report(env.cx.diagnostics, "GM3746", body.span, found, { help: ["let it end in one number: `… |> dense(1) |> sum`"] });
      return false;
    }
  }
  report(
    env.cx.diagnostics,
    "GM3032",
    expr.body.span,
    { op: expr.op, found: showType(body.type) },
    { help: ["`sum(…)` adds up its entries"] },
  );
  return false;
}
