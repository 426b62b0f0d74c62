/** Score matching (a loss, here negated) and noise-contrastive estimation -> calls of the runtime's energy library: per example, to be maximised. */
import { InternalError } from "../base/internal-error.js";
import { energyOf } from "../ir/derive/energy.js";
import { estimators, NOISE } from "../ir/estimators.js";
import type { ExactSum, Matching, NoiseDensity, Quantity } from "../ir/quantity.js";
import { array, call, type Js, name, object, str } from "./js.js";
import { after, bindStep, sitesOf, type Steps } from "./lower-draws.js";
import { summation, valuesOf } from "./lower-energy.js";
import { literal } from "./lower-expr.js";
import { energyModelName } from "./names.js";
import { type QuantityScope, termOf } from "./quantity-scope.js";
import { type Lead, tensorValue, type TensorValue } from "./values.js";

type Lower = (scope: QuantityScope, quantity: Quantity) => TensorValue;

export function lowerMatching(scope: QuantityScope, q: Matching, lower: Lower): TensorValue {
  const entry = estimators.get(q.method);
  if (!entry?.objective) throw new InternalError(`no lowering of ${q.method}`);
  const { fn, loss } = entry.objective;
  const { variables, reads } = energyOf(scope.context, q.density);
  const given = valuesOf(scope, q.density, q.at, [...variables.filter((v) => q.at.has(v)), ...reads]);
  const model = name(energyModelName(q.density));
  const bind = (js: Js, lead: Lead): TensorValue =>
    scope.writer.bind("score", {
      kind: "tensor",
      js: termOf(scope, q.method, q.span, { js, lead }),
      shape: [],
      lead,
    }) as TensorValue;
  const logZ = q.ranked ? str("ranked") : undefined;
  if (q.noise) {
    const options = object({ ...ownNoise(scope, q, q.noise, lower), logZ: logZ ?? str("fitted"), ...fieldsOf(q.hidden) });
    return bind(call("noiseContrastive", model, name("w"), given.js, options), given.lead);
  }
  const { sigma, [NOISE]: _, ...own } = q.options;
  const options = object({
    ...(entry.againstNoise ? { names: array(q.variables.map(str)) } : { name: str(q.variables[0] ?? "") }),
    ...Object.fromEntries(Object.entries(own).map(([key, value]) => [key, literal(value)])),
    ...(logZ && { logZ }),
    ...fieldsOf(q.hidden),
  });
  const blur = sigma === undefined ? [] : [literal(sigma)];
  const value = call(fn, model, name("w"), call("key.at", str(q.method)), given.js, ...blur, options);
  return bind(loss ? call("neg", value) : value, given.lead);
}

function fieldsOf(hidden: ExactSum): Readonly<Record<string, Js | undefined>> {
  const js = summation(hidden);
  return js?.kind === "object" ? Object.fromEntries(js.fields.map((f) => [f.name, f.value])) : {};
}

/** Samples of a density of the model, and its log-density at these and at the data. */
function ownNoise(scope: QuantityScope, q: Matching, noise: NoiseDensity, lower: Lower): Readonly<Record<string, Js>> {
  const { drawn } = noise;
  const quiet: QuantityScope = { ...scope, enumerating: true };
  const data = scope.writer.bind("logNoise", lower(quiet, noise.data));
  if (!drawn.plate) throw new InternalError(`no samples of ${noise.density}`);
  scope.writer.addPlate(drawn.plate.id, scope.plateSize(drawn.plate), drawn.plate.count.text);
  const steps: Steps = { variables: new Map(), locals: new Map(), drawn: new Map() };
  drawn.steps.forEach((step, position) => bindStep(quiet, steps, step, position, drawn.plate?.id));
  const around = new Set([...(scope.around ?? []), ...drawn.steps.flatMap((step) => sitesOf(scope, step))]);
  const inner: QuantityScope = { ...after(quiet, steps, drawn.steps.length), around };
  const values = q.variables.map((v) => {
    const value = inner.variable(v);
    if (!value) throw new InternalError(`no sample of \`${v}\``);
    return { name: v, value: tensorValue(value).js };
  });
  const sampled = scope.writer.bind("logNoiseDrawn", lower(inner, drawn.body));
  scope.writer.dropPlate(drawn.plate.id);
  return { noise: object(values), logNoise: object({ data: data.js, noise: sampled.js }) };
}
