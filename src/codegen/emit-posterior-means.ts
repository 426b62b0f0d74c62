/**
 * `meansP`: data as the model makes them of themselves, through the exact posterior of the latents that it sums out. The posterior probability of the
 * states that a conditional is at is the derivative of log p(x) by its log-density there (Darwiche 2003, "A Differential Approach to Inference").
 */
import { InternalError } from "../base/internal-error.js";
import type { PosteriorMeans } from "../ir/derived-model.js";
import { type DeriveContext, densityOf } from "../ir/derive/context.js";
import { drawsNumbers } from "../ir/derive/contents.js";
import { exprsOf } from "../ir/quantity-walk.js";
import { call, type Js, type JsFunction, method, name, num, numbers, object } from "./js.js";
import { modelScope } from "./lower-expr.js";
import { givenValue, variableOf } from "./lower-dist.js";
import { lowerQuantity } from "./lower-quantity.js";
import { capital } from "./names.js";
import { place } from "./place.js";
import type { FactorParts, QuantityScope } from "./quantity-scope.js";
import { FunctionWriter, type Names, tensorValue, type TensorValue, type Value } from "./values.js";

interface Met {
  readonly parts: FactorParts;
  readonly apart: readonly number[];
  /** Axes of states, before that of the rows. */
  readonly states: number;
  readonly mean: Js;
}

export function lowerPosteriorMeans(context: DeriveContext, means: PosteriorMeans, file: Names): JsFunction {
  const { density, latents, given, shown, quantity } = means;
  const writer = new FunctionWriter(file, ["w", "given", "key"], undefined);
  const random = drawsNumbers(context, exprsOf(quantity));
  const values = new Map<string, Value>();
  for (const variable of given) values.set(variable, writer.bind(variable, givenValue(context, variable)));
  const met = new Map<string, Met>();
  const scope: QuantityScope = {
    ...modelScope(context, writer, values, random ? name("key") : undefined),
    data: (v) => values.get(v),
    enumerating: true,
    training: false,
    plateSize: (plate): Js => num(plate.count.size),
    onFactor: ({ variable, density: of, apart = [] }, parts) => {
      if (of !== density || !shown.includes(variable)) return;
      const { dist, logProb } = parts;
      const mean: TensorValue = {
        kind: "tensor",
        js: method(dist.object, "mean", dist.params),
        shape: variableOf(context, variable).domain.shape,
        lead: dist.lead,
      };
      const states = writer.leadAxes({ ...logProb.lead, batch: true }).length - 1;
      met.set(variable, { parts, apart, states, mean: writer.bind(`mean${capital(variable)}`, mean).js });
    },
  };
  const total = writer.bind(`log${capital(density)}`, lowerQuantity(scope, quantity));
  const found = shown.map((variable): [string, Js] => [variable, atStates(context, variable, met.get(variable))]);
  const names = shown.join(", ");
  return {
    name: `means${capital(density)}`,
    doc: [
      `What ${density} makes of ${names}: the mean of ${shown.length === 1 ? names : "each"} given ${latents.join(", ")}, over the exact posterior ` +
        `of ${latents.length === 1 ? "it" : "these"} given ${given.join(", ")}  ${place(densityOf(context, density).density.span)}`,
    ],
    params: [
      { name: "w", type: "Weights" },
      { name: "given", type: "Readonly<Record<string, Tensor>>" },
      ...(random ? [{ name: "key", type: "Key" }] : []),
    ],
    returns: "Readonly<Record<string, Tensor>>",
    body: writer.finish(call("posteriorMeans", tensorValue(total).js, object(Object.fromEntries(found))), undefined),
  };
}

/** A variable's log-density and mean at the states that it is drawn from. */
function atStates(context: DeriveContext, variable: string, met: Met | undefined): Js {
  if (!met) throw new InternalError(`no conditional of ${variable}`);
  const { shape } = variableOf(context, variable).domain;
  const { logProb, dist } = met.parts;
  // axes of the event that the log-density has not: those that it was summed over, and those of one draw
  const lacks = shape.map((_, i) => i - shape.length).filter((axis) => !met.apart.includes(axis + dist.eventRank));
  return object({ logProb: logProb.js, mean: met.mean, states: num(met.states), lacks: lacks.length === 0 ? undefined : numbers(lacks) });
}
