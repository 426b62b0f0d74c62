/** Where a quantity is lowered: what variables and names mean, the weights, the key; and how a term is named. */
import type { Span } from "../base/source.js";
import type { Plate } from "../ir/quantity.js";
import { sameShape } from "../ir/shapes.js";
import type { Expr } from "../ir/types.js";
import { call, type Js, num, numbers, str } from "./js.js";
import { flowImage, lowerExpr, type Scope } from "./lower-expr.js";
import { place } from "./place.js";
import type { Factor } from "../ir/quantity.js";
import type { LoweredDist } from "./lower-dist.js";
import type { TensorValue, Value } from "./values.js";

/** An objective's scope: the variables and locals bound so far. */
export interface QuantityScope extends Scope {
  /** The batch of a data variable, whatever the `E`s around have bound under its name. */
  readonly data: (variable: string) => Value | undefined;
  /** Inside of what has one name: its terms are no metrics of their own. */
  readonly enumerating?: boolean;
  /** Of the sums over states around that are expectations, outermost first: the probability of each state. */
  readonly states?: readonly StateWeight[];
  /** Told of each conditional that is evaluated: the M-steps of expectation maximisation are made of them. */
  readonly onFactor?: (factor: Factor, parts: FactorParts) => void;
  /** Inside of a term that has a name: its expressions get none. */
  readonly unnamed?: boolean;
  /** Factors, `q.z`, whose parameters are held fixed; with a scope, all that it holds is, and the gradient through the other names stays. */
  readonly fixed?: ReadonlyMap<string, Held | undefined>;
  /** Weights that only estimators read, which learn what these say. */
  readonly helpers?: readonly string[];
  /** What the estimator of the innermost `E` carries is called. */
  readonly memory?: string;
  /** What becomes of the log of a mean over a family, by its plate: the estimator's function of the log weights and the family's axis in them. */
  readonly bounds?: ReadonlyMap<string, (logW: Value, axis: number) => Js>;
  /** Plates that reductions around run over. */
  readonly reduced?: ReadonlySet<string>;
  /** Those of them within which something is drawn, perhaps for each sample. */
  readonly drawnWithin?: ReadonlySet<string>;
  /** Factors, `q.z`, that the `E`s of one sample around draw from. */
  readonly drawn?: ReadonlySet<string>;
  /** Names that the `E`s around have drawn. */
  readonly around?: ReadonlySet<string>;
  /** A gradient is taken: of several orders, one is drawn. */
  readonly training: boolean;
  /** Number of samples: JavaScript of each plate's size. */
  readonly plateSize: (plate: Plate) => Js;
}

/** The scope of parameters that are held fixed with respect to all but some draws. */
export type Held = (scope: QuantityScope) => QuantityScope;

/** The probabilities of the states along a plate. */
export interface StateWeight {
  readonly plate: string;
  readonly weight: TensorValue;
}

/** A conditional in code: the value drawn, its log-probability, and the scope of its parameters. */
export interface FactorParts {
  readonly x: Value;
  readonly logProb: TensorValue;
  readonly dist: LoweredDist;
  readonly inner: QuantityScope;
  /** Of a conditional that normal latents are integrated out of. */
  readonly around?: GaussianLatents;
}

/** Normal latents that stand at the mean of their posterior. */
export interface GaussianLatents {
  readonly names: readonly string[];
  /** How a value that is affine in them deviates along the columns of a factor of their covariance. */
  readonly deviate: (wanted: string, lower: (scope: Scope) => TensorValue) => Js;
}

/** Where a draw takes its numbers from: its name, and another one where an `E` around draws under that name, so that both are independent. */
export function siteOf({ around }: QuantityScope, name: string): string {
  let site = name;
  for (let i = 2; around?.has(site); i++) site = `${name}#${i}`;
  return site;
}

/**
 * The scope of a density's body: its variables stand for the values given to them, but for `own`; those of `through` follow from others of the
 * density.
 */
export function densityScope<S extends Scope>(
  scope: S,
  at: ReadonlyMap<string, Expr>,
  own?: string,
  through?: ReadonlyMap<string, Expr>,
): S {
  const inner: S = {
    ...scope,
    variable: (v) => {
      const follows = through?.get(v);
      if (follows) return follows.kind === "flowCall" ? flowImage(inner, follows, v).value : lowerExpr(inner, follows);
      const given = v === own ? undefined : at.get(v);
      return given ? asOwn(scope, v, given, lowerExpr(scope.outside ?? scope, given)) : scope.variable(v);
    },
  };
  return inner;
}

/** A value that is given to a variable, as the variable's own are: one of fewer axes, as a number, stands for every entry; a label is a whole number. */
function asOwn({ context }: Scope, variable: string, { type }: Expr, value: Value): Value {
  const domain = context.model.variables.get(variable)?.domain;
  if (domain === undefined || type.kind !== "tensor" || value.kind !== "tensor") return value;
  const label = domain.name === "category" && type.element === "real";
  const dtype = label ? [str("i32")] : [];
  if (!sameShape(type.shape, domain.shape)) {
    const sizes = numbers(domain.shape.map((d) => d.size));
    return { ...value, js: call("broadcastEvent", value.js, num(type.shape.length), sizes, ...dtype), shape: domain.shape };
  }
  return label && value.js.kind !== "number" ? { ...value, js: call("cast", value.js, ...dtype) } : value;
}

/** `name` bound to a value, in a scope's variables or locals. */
export function bound(outer: Scope["variable"], name: string, value: Value): Scope["variable"] {
  return (other) => (other === name ? value : outer(other));
}

/** Names a term of the objective with its place, so that metrics and faults can name it. At every state of a latent, the metric is its mean over them. */
export function termOf(scope: QuantityScope, label: string, span: Span, value: Pick<TensorValue, "js" | "lead">): Js {
  if (scope.enumerating) return call("origin", str(label), str(place(span)), value.js);
  const weight = weightOf(scope.states ?? [], value.lead.plates);
  return call("term", str(label), str(place(span)), value.js, ...(weight ? [weight] : []));
}

/** The probability of the states that a value stands at: a state's own depends on those of the sums around it. */
function weightOf(states: readonly StateWeight[], plates: ReadonlySet<string>): Js | undefined {
  const seen = new Set(plates);
  let product: Js | undefined;
  for (const { plate, weight } of [...states].reverse()) {
    if (!seen.has(plate)) continue;
    for (const p of weight.lead.plates) seen.add(p);
    product = product ? call("mul", weight.js, product) : weight.js;
  }
  return product;
}
