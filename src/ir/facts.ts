/**
 * What is known of a value beyond its type: the interval it lies in, the classes of a label, and whether it comes raw from a layer.
 * Used to find a scale that may be negative or a probability outside 0..1. Bounds are safe: a value never lies outside its interval.
 */
import type { Span } from "../base/source.js";
import { builtins } from "./builtins.js";
import type { Context } from "./env.js";
import { layers } from "./layers.js";
import { anything, hull, type Range, rangeOfDomain } from "./range.js";
import type { Dim, Expr } from "./types.js";
import { childrenOf } from "./walk.js";

export interface Facts {
  readonly range: Range;
  /** K of a category's labels. */
  readonly classes: Dim | undefined;
  /** The layer or matrix product whose output the value is, as it stands: certainly of either sign. */
  readonly raw: Span | undefined;
  /** How deep the expression nests; a name counts as 0. */
  readonly depth: number;
  /** Of a record. */
  readonly fields: ReadonlyMap<string, Facts> | undefined;
}

export const noFacts: Facts = { range: anything, classes: undefined, raw: undefined, depth: 0, fields: undefined };

function ranged(range: Range): Facts {
  return { ...noFacts, range };
}

export function factsOf(cx: Context, expr: Expr): Facts {
  const known = cx.factsOfExpr.get(expr);
  if (known) return known;
  const facts = { ...findFacts(cx, expr), depth: depthOf(cx, expr) };
  cx.factsOfExpr.set(expr, facts);
  return facts;
}

function depthOf(cx: Context, expr: Expr): number {
  let depth = 0;
  for (const child of childrenOf(expr)) depth = Math.max(depth, 1 + factsOf(cx, child).depth);
  return depth;
}

function findFacts(cx: Context, expr: Expr): Facts {
  switch (expr.kind) {
    case "number":
      return ranged({ low: expr.value, high: expr.value, lowOpen: false, highOpen: false });
    case "local":
      return cx.facts.get(expr.local.id) ?? noFacts;
    case "netCall":
      return cx.facts.get(netKey(expr.net)) ?? noFacts;
    case "variable": {
      const domain = cx.variables.get(expr.variable)?.domain;
      return domain ? { ...noFacts, range: rangeOfDomain(domain), classes: domain.classes } : noFacts;
    }
    case "param": {
      const domain = cx.params.find((p) => p.name === expr.param)?.domain;
      return domain ? { ...noFacts, range: rangeOfDomain(domain) } : noFacts;
    }
    case "builtin": {
      const entry = builtins.get(expr.fn);
      if (entry === undefined) return noFacts;
      const args = expr.args.map((arg) => factsOf(cx, arg));
      const range = entry.range
        ? entry.range(
            args.map((a) => a.range),
            expr.options,
          )
        : anything;
      const first = args[0];
      return {
        ...noFacts,
        range,
        raw: entry.fn === "matmul" ? expr.span : entry.moves ? first?.raw : undefined,
        classes: entry.moves ? first?.classes : undefined,
      };
    }
    case "layer": {
      const entry = layers.get(expr.instance.layer);
      const input = expr.args[0];
      return entry?.keepsSign && input ? factsOf(cx, input) : { ...noFacts, raw: expr.span };
    }
    case "record":
      return { ...noFacts, fields: new Map(expr.fields.map((f) => [f.name, factsOf(cx, f.value)])) };
    case "field":
      return factsOf(cx, expr.target).fields?.get(expr.field) ?? noFacts;
    case "reduce":
      return expr.op === "sum" ? noFacts : ranged(factsOf(cx, expr.body).range);
    case "expectation":
      return ranged(factsOf(cx, expr.body).range);
    case "schedule":
      return ranged(hull([]));
    case "logDensity":
    case "optimum":
    case "grad":
      return noFacts;
  }
}

/** Key of a net's result among the facts. */
export function netKey(net: string): string {
  return `${net}()`;
}
