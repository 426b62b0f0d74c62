/** Expectation maximisation in the generated file: the likelihood once more, with its conditionals handed to the runtime's `mSteps`. */
import { InternalError } from "../base/internal-error.js";
import { type DeriveContext, variablesIn } from "../ir/derive/context.js";
import { distributions } from "../ir/distributions.js";
import type { DerivedObjective } from "../ir/quantity.js";
import type { FittedParameter, LinearMap, MapTerm, MaximisationStep } from "../ir/maximisation.js";
import type { Expr } from "../ir/types.js";
import { array, arrow, bool, call, type Js, type JsField, name, num, object, str } from "./js.js";
import { alignEvent, tensorJs } from "./lower-builtin.js";
import { lowerDist, variableOf } from "./lower-dist.js";
import { lowerExpr, type Scope } from "./lower-expr.js";
import { type Called, lowerFunction } from "./lower-objective.js";
import { lowerQuantity } from "./lower-quantity.js";
import { capital } from "./names.js";
import type { FactorParts, QuantityScope } from "./quantity-scope.js";
import { joinLeads, type Names, tensorValue, type TensorValue, type Value } from "./values.js";

/** `emLogPX(w, x)`: what an M-step climbs. */
export function lowerEm(context: DeriveContext, derived: DerivedObjective, fnName: string, text: string, file: Names): Called | undefined {
  const { em } = derived;
  if (!em) return undefined;
  const { steps, online } = em;
  const restarts = online !== undefined && online.restart > 0;
  const averaging = online
    ? [
        object({
          carried: name("carried"),
          decay: num(online.decay),
          smooth: num(online.smooth),
          restart: restarts ? object({ below: num(online.restart), key: name("key") }) : undefined,
        }),
      ]
    : [];
  const body = (scope: QuantityScope): Js => {
    const met: { readonly step: MaximisationStep; readonly parts: FactorParts }[] = [];
    const watching: QuantityScope = {
      ...scope,
      onFactor: (factor, parts) => {
        const step = steps.find(
          (s) => s.factor.variable === factor.variable && s.factor.density === factor.density && s.factor.span === factor.span,
        );
        if (step && !met.some((m) => m.step === step)) met.push({ step, parts });
      },
    };
    const value = scope.writer.bind("value", lowerQuantity(watching, em.likelihood));
    return call(
      "mSteps",
      name("weights"),
      value.js,
      array(met.map(({ step, parts }) => stepJs(context, step, parts, restarts))),
      ...averaging,
    );
  };
  return lowerFunction(
    context,
    file.fresh(`em${capital(fnName)}`),
    {
      ...derived,
      random: restarts,
      memories: online?.averages.map((a) => ({ name: a.name, size: a.shape.reduce((n, d) => n * d, 1) })) ?? [],
    },
    [`What a step of expectation maximisation climbs: a gradient step of rate 1 sets each parameter to its estimate  ${text}`],
    file,
    body,
    "Tensor",
  );
}

function stepJs(context: DeriveContext, step: MaximisationStep, parts: FactorParts, restarts: boolean): Js {
  const { factor, fits, map } = step;
  const { x, logProb, dist, inner } = parts;
  const { shape } = variableOf(context, factor.variable).domain;
  return object([
    { name: "law", value: str(distributions.get(factor.dist.dist)?.runtime ?? "") },
    { name: "x", value: tensorValue(x).js },
    { name: "axes", value: num(shape.length) },
    { name: "logProb", value: logProb.js },
    { name: "given", value: dist.params },
    ...(map ? [{ name: "map", value: mapJs(context, map, parts, shape.length) }] : []),
    ...spreadOf(context, step, parts),
    {
      name: "fits",
      value: object(
        fits.map((fit): JsField => ({ name: fit.parameter, value: fittedJs(inner, factor.dist, fit, shape.length, restarts) })),
      ),
    },
  ]);
}

/** The weights of a linear map: `{ path: "W", of: w.W, at: (v) => v, features: z, spread: zSpread.z }`. */
function mapJs(context: DeriveContext, { groups, offset }: LinearMap, { inner, around }: FactorParts, rank: number): Js {
  const termJs = (t: MapTerm): Js => {
    const meeting = (value: TensorValue): TensorValue => (t.entrywise ? { ...value, js: tensorJs(alignEvent(value, rank)) } : value);
    const v = inner.writer.parameter("v");
    const picked: QuantityScope = { ...inner, weights: (path) => (path === t.path ? name(v) : inner.weights(path)) };
    const { features } = t;
    const spreads = features && around && reads(context, [features], around.names);
    return object({
      path: str(t.path),
      of: inner.weights(t.path),
      at: arrow(`(${v})`, meeting(tensorValue(lowerExpr(picked, t.selection))).js),
      features: features && meeting(tensorValue(lowerExpr(inner, features))).js,
      spread: spreads ? around.deviate("featureSpread", (scope) => meeting(tensorValue(lowerExpr(scope, features)))) : undefined,
      entrywise: t.entrywise ? bool(true) : undefined,
      transposed: t.transposed ? bool(true) : undefined,
      negative: t.sign === -1 ? bool(true) : undefined,
    });
  };
  return object({
    groups: array(groups.map((g) => array(g.map(termJs)))),
    offset: offset.length > 0 ? signedSum(inner, offset).js : undefined,
  });
}

/** How x - loc deviates with latents that are integrated out; of a map, x less its offset. */
function spreadOf(context: DeriveContext, { factor, map }: MaximisationStep, { around }: FactorParts): readonly JsField[] {
  if (!around) return [];
  const loc = factor.dist.params["loc"];
  const minus = map ? map.offset : loc ? [{ sign: 1 as const, value: loc }] : [];
  const read = minus.filter(({ value }) => reads(context, [value], around.names));
  const isLatent = around.names.includes(factor.variable);
  if (!isLatent && read.length === 0) return [];
  const value = around.deviate("spread", (scope) => {
    const own = isLatent ? [tensorValue(scope.variable(factor.variable) as Value)] : [];
    const rest = read.length > 0 ? [signedSum(scope, read)] : [];
    const [first, second] = [...own, ...rest];
    if (!first) throw new InternalError(`no deviation of ${factor.variable}`);
    if (!second) return isLatent ? first : { ...first, js: call("neg", first.js) };
    return { ...first, js: call("sub", first.js, second.js), lead: joinLeads([first.lead, second.lead]) };
  });
  return [{ name: "spread", value }];
}

function signedSum(scope: Scope, terms: LinearMap["offset"]): TensorValue {
  const values = terms.map(({ sign, value }) => {
    const v = tensorValue(lowerExpr(scope, value));
    return sign === 1 ? v : { ...v, js: call("neg", v.js) };
  });
  return values.reduce((a, b) => ({
    ...(a.shape.length >= b.shape.length ? a : b),
    js: call("add", a.js, b.js),
    lead: joinLeads([a.lead, b.lead]),
  }));
}

function reads(context: DeriveContext, exprs: readonly Expr[], names: readonly string[]): boolean {
  const read = variablesIn(context, exprs);
  return names.some((v) => read.has(v));
}

/** `{ path: "mu", of: w.mu, at: (v) => take(v, c, 0) }` */
function fittedJs(
  scope: QuantityScope,
  dist: MaximisationStep["factor"]["dist"],
  fit: FittedParameter,
  rank: number,
  restarts: boolean,
): Js {
  const v = scope.writer.parameter("v");
  const picked: QuantityScope = { ...scope, weights: (path) => (path === fit.path ? name(v) : scope.weights(path)) };
  const { params } = lowerDist(picked, { ...dist, params: { [fit.parameter]: fit.selection } }, rank);
  const at = params.kind === "object" ? params.fields.find((f) => f.name === fit.parameter)?.value : undefined;
  if (!at) throw new InternalError(`no code for ${fit.parameter} of a ${dist.dist}`);
  return object({
    path: str(fit.path),
    of: scope.weights(fit.path),
    at: arrow(`(${v})`, at),
    link: fit.link === "exp" ? str("exp") : undefined,
    ofRows: restarts && fit.ofRows ? bool(true) : undefined,
  });
}
