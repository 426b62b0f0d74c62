/** Expectation maximisation in the generated file: the likelihood once more, with its conditionals handed to the runtime's `mSteps`. */
import { InternalError } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { distributions } from "../ir/distributions.js";
import type { DerivedObjective, FittedParameter, MaximisationStep } from "../ir/quantity.js";
import { array, arrow, call, type Js, type JsField, name, num, object, str } from "./js.js";
import { lowerDist, variableOf } from "./lower-dist.js";
import { type Called, lowerFunction } from "./lower-objective.js";
import { lowerQuantity } from "./lower-quantity.js";
import { capital } from "./names.js";
import type { FactorParts, QuantityScope } from "./quantity-scope.js";
import { type Names, tensorValue } from "./values.js";

/** `emLogPX(w, x)`: what an M-step climbs. */
export function lowerEm(context: DeriveContext, derived: DerivedObjective, fnName: string, text: string, file: Names): Called | undefined {
  const { em } = derived;
  if (!em) return undefined;
  const { steps, online } = em;
  const averaging = online ? [object({ carried: name("carried"), decay: num(online.decay), smooth: num(online.smooth) })] : [];
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
    const value = scope.writer.bind("value", lowerQuantity(watching, derived.quantity));
    return call("mSteps", name("weights"), value.js, array(met.map(({ step, parts }) => stepJs(context, step, parts))), ...averaging);
  };
  return lowerFunction(
    context,
    file.fresh(`em${capital(fnName)}`),
    {
      ...derived,
      random: false,
      memories: online?.averages.map((a) => ({ name: a.name, size: a.shape.reduce((n, d) => n * d, 1) })) ?? [],
    },
    [`What a step of expectation maximisation climbs: a gradient step of rate 1 sets each parameter to its estimate  ${text}`],
    file,
    body,
    "Tensor",
  );
}

function stepJs(context: DeriveContext, { factor, fits }: MaximisationStep, { x, logProb, dist, inner }: FactorParts): Js {
  const { shape } = variableOf(context, factor.variable).domain;
  return object([
    { name: "law", value: str(distributions.get(factor.dist.dist)?.runtime ?? "") },
    { name: "x", value: tensorValue(x).js },
    { name: "axes", value: num(shape.length) },
    { name: "logProb", value: logProb.js },
    { name: "given", value: dist.params },
    {
      name: "fits",
      value: object(fits.map((fit): JsField => ({ name: fit.parameter, value: fittedJs(inner, factor.dist, fit, shape.length) }))),
    },
  ]);
}

/** `{ path: "mu", of: w.mu, at: (v) => take(v, c, 0) }` */
function fittedJs(scope: QuantityScope, dist: MaximisationStep["factor"]["dist"], fit: FittedParameter, rank: number): Js {
  const picked: QuantityScope = { ...scope, weights: (path) => (path === fit.path ? name("v") : scope.weights(path)) };
  const { params } = lowerDist(picked, { ...dist, params: { [fit.parameter]: fit.selection } }, rank);
  const at = params.kind === "object" ? params.fields.find((f) => f.name === fit.parameter)?.value : undefined;
  if (!at) throw new InternalError(`no code for ${fit.parameter} of a ${dist.dist}`);
  return object({
    path: str(fit.path),
    of: scope.weights(fit.path),
    at: arrow("(v)", at),
    link: fit.link === "exp" ? str("exp") : undefined,
  });
}
