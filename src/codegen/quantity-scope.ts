/** Where a quantity is lowered: what variables and names mean, the weights, the key; and how a term is named. */
import type { Span } from "../base/source.js";
import type { DeriveContext } from "../ir/derive/context.js";
import type { Dim, Expr } from "../ir/types.js";
import { call, type Js, str } from "./js.js";
import { lowerExpr, type Scope } from "./lower-expr.js";
import { place } from "./place.js";
import type { FunctionWriter, Value } from "./values.js";

/** An objective's scope: variables and locals bound so far. */
export interface QuantityScope {
  readonly context: DeriveContext;
  readonly writer: FunctionWriter;
  readonly variables: ReadonlyMap<string, () => Value>;
  readonly locals: ReadonlyMap<string, () => Value>;
  readonly weights: (path: string) => Js;
  readonly key: Js | undefined;
  /** Inside a sum over states: its terms are no metrics of their own. */
  readonly enumerating?: boolean;
  /** A gradient is taken of it. */
  readonly training?: boolean;
  /** Number of samples: JavaScript of each plate's size. */
  readonly plateSize: (count: Dim) => Js;
}

export function expressionScope(scope: QuantityScope): Scope {
  return {
    context: scope.context,
    writer: scope.writer,
    variable: (v) => scope.variables.get(v)?.(),
    local: (id) => scope.locals.get(id)?.(),
    weights: scope.weights,
    key: scope.key,
  };
}

/** The scope of a density's body: its variables stand for the values given to them. */
export function densityScope(scope: QuantityScope, at: ReadonlyMap<string, Expr>): Scope {
  const outer = expressionScope(scope);
  return {
    ...outer,
    variable: (v) => {
      const given = at.get(v);
      return given ? lowerExpr(outer, given) : outer.variable(v);
    },
  };
}

/** Names a term of the objective with its place, so that metrics and faults can name it. */
export function termOf(scope: QuantityScope, label: string, span: Span, js: Js): Js {
  return call(scope.enumerating ? "origin" : "term", str(label), str(place(span)), js);
}
