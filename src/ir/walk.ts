/** Walks over syntax trees and over the IR's expressions: every node once, parents first. */
import type * as ast from "../parser/ast.js";
import type { DistCall, Expr } from "./types.js";

export function walkAst(expr: ast.Expr | ast.RangeExpr, visit: (expr: ast.Expr | ast.RangeExpr) => void): void {
  visit(expr);
  for (const child of childrenOfAst(expr)) walkAst(child, visit);
}

function childrenOfAst(expr: ast.Expr | ast.RangeExpr): readonly (ast.Expr | ast.RangeExpr)[] {
  switch (expr.kind) {
    case "number":
    case "boolean":
    case "string":
    case "name":
      return [];
    case "list":
      return expr.items;
    case "record":
      return expr.fields.map((f) => f.value);
    case "unary":
      return [expr.operand];
    case "binary":
    case "pipe":
      return [expr.left, expr.right];
    case "call":
      return [expr.callee, ...expr.args.map((a) => a.value), ...(expr.given ?? []).map((a) => a.value)];
    case "index":
      return [expr.target, ...expr.indices];
    case "range":
      return [expr.low, expr.high];
    case "field":
      return [expr.target];
    case "blockCall":
      return [expr.call, expr.body];
    case "logDensity":
      return [expr.density];
    case "binder":
      return [
        ...expr.binders.flatMap((b) =>
          b.kind === "range"
            ? [b.low, b.high]
            : b.kind === "name"
              ? b.value
                ? [b.value]
                : []
              : [b.source, ...b.names.flatMap((n) => (n.range ? [n.range] : []))],
        ),
        expr.body,
      ];
  }
}

export function walkExpr(expr: Expr, visit: (expr: Expr) => void): void {
  visit(expr);
  for (const child of childrenOf(expr)) walkExpr(child, visit);
}

export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case "number":
    case "schedule":
    case "local":
    case "variable":
    case "param":
      return [];
    case "builtin":
    case "layer":
    case "netCall":
      return expr.args;
    case "flowCall":
      return [expr.arg, ...expr.given];
    case "record":
      return expr.fields.map((f) => f.value);
    case "field":
      return [expr.target];
    case "logDensity":
      return [...expr.head, ...expr.given].map((s) => s.value);
    case "expectation":
      return [
        ...expr.draws.flatMap((d) =>
          d.source.kind === "density"
            ? d.source.given.map((s) => s.value)
            : d.source.kind === "distribution"
              ? distExprs(d.source.dist)
              : [],
        ),
        expr.body,
      ];
    case "reduce":
    case "optimum":
      return [expr.body];
    case "grad":
      return [...expr.locals.map((l) => l.value), expr.body];
  }
}

/** The expression with others in place of its children, in the order of `childrenOf`; itself where it has none. */
export function mapChildren(expr: Expr, to: (child: Expr) => Expr): Expr {
  switch (expr.kind) {
    case "number":
    case "schedule":
    case "local":
    case "variable":
    case "param":
      return expr;
    case "builtin":
    case "layer":
    case "netCall":
      return { ...expr, args: expr.args.map(to) };
    case "flowCall":
      return { ...expr, arg: to(expr.arg), given: expr.given.map(to) };
    case "record":
      return { ...expr, fields: expr.fields.map((f) => ({ ...f, value: to(f.value) })) };
    case "field":
      return { ...expr, target: to(expr.target) };
    case "logDensity": {
      const slots = (list: typeof expr.head): typeof expr.head => list.map((s) => ({ ...s, value: to(s.value) }));
      return { ...expr, head: slots(expr.head), given: slots(expr.given) };
    }
    case "expectation": {
      const draws = expr.draws.map((d): typeof d => {
        const { source } = d;
        if (source.kind === "density")
          return { ...d, source: { ...source, given: source.given.map((s) => ({ ...s, value: to(s.value) })) } };
        return source.kind === "distribution" ? { ...d, source: { ...source, dist: mapDist(source.dist, to) } } : d;
      });
      return { ...expr, draws, body: to(expr.body) };
    }
    case "reduce":
    case "optimum":
      return { ...expr, body: to(expr.body) };
    case "grad":
      return { ...expr, locals: expr.locals.map((l) => ({ ...l, value: to(l.value) })), body: to(expr.body) };
  }
}

function mapDist(dist: DistCall, to: (expr: Expr) => Expr): DistCall {
  const params = Object.fromEntries(Object.entries(dist.params).map(([name, value]) => [name, to(value)]));
  return { ...dist, params, ...(dist.of ? { of: mapDist(dist.of, to) } : {}) };
}

export function distExprs(dist: DistCall): readonly Expr[] {
  return [...Object.values(dist.params), ...(dist.of ? distExprs(dist.of) : [])];
}

/** Variables of the model that an objective reads and no `E`, `max` or `grad` inside it binds. */
export function freeVariables(expr: Expr, bound: ReadonlySet<string> = new Set()): ReadonlySet<string> {
  const out = new Set<string>();
  const visit = (e: Expr, inside: ReadonlySet<string>): void => {
    if (e.kind === "variable" && !inside.has(e.variable)) out.add(e.variable);
    if (e.kind === "expectation") {
      let seen = inside;
      for (const draw of e.draws) {
        const source = draw.source;
        const values =
          source.kind === "density" ? source.given.map((s) => s.value) : source.kind === "distribution" ? distExprs(source.dist) : [];
        for (const value of values) visit(value, seen);
        seen = new Set([...seen, ...draw.names.flatMap((n) => (n.kind === "variable" ? [n.variable] : []))]);
      }
      visit(e.body, seen);
    } else if (e.kind === "optimum") visit(e.body, new Set([...inside, ...e.variables]));
    else for (const child of childrenOf(e)) visit(child, inside);
  };
  visit(expr, bound);
  return out;
}
