/**
 * What a model makes of its data where nothing draws their latents, and these are summed out exactly, as in a mixture: the mean of each data variable
 * given its latents, averaged over their exact posterior, E[c ~ p(c | x)](mean of p(x | c)).
 */
import { Diagnostics } from "../../base/report.js";
import type { PosteriorMeans } from "../derived-model.js";
import type { Factor, Quantity } from "../quantity.js";
import { scalarType, typeOfDomain } from "../shapes.js";
import type { Density, Slot } from "../types.js";
import { NO_CHOICES } from "./choices.js";
import { hasMean } from "./has-mean.js";
import { type DeriveContext, densityOf } from "./context.js";
import { deriveLogDensity } from "./marginal.js";

/** Undefined where the latents of `density` do not sum out, or no data variable that they cause has a mean. */
export function posteriorMeansOf(context: DeriveContext, density: Density, latents: readonly string[]): PosteriorMeans | undefined {
  const { name, head, given, span } = density;
  const { energy, definitions } = densityOf(context, name);
  const isData = (v: string): boolean => context.model.variables.get(v)?.role === "data";
  const data = head.filter(isData);
  const all = [...data, ...given];
  const missing = all.some((v) => context.model.variables.get(v)?.domain.optional);
  if (energy || missing || context.sequential.has(name) || latents.length === 0 || given.some((v) => !isData(v))) return undefined;
  const slot = (variable: string): Slot => {
    const declared = context.model.variables.get(variable);
    const type = declared ? typeOfDomain(declared.domain) : scalarType;
    return { variable, value: { kind: "variable", variable, sample: undefined, type, span } };
  };
  const quantity = deriveLogDensity(
    { ...context, diagnostics: new Diagnostics() },
    { kind: "logDensity", density: name, head: data.map(slot), given: given.map(slot), type: scalarType, span },
    { choices: NO_CHOICES, training: false, estimated: new Map(), isFreeData: () => false, span, notes: [] },
  );
  const factors = quantity && summedFactors(quantity, false);
  if (!quantity || !factors) return undefined;
  const shown = data.filter((v) => {
    const definition = definitions.get(v);
    const isMean = definition?.kind === "draw" && hasMean(definition.dist);
    return isMean && context.model.variables.get(v)?.domain.name !== "category" && factors.some((f) => f.variable === v);
  });
  return shown.length === 0 ? undefined : { density: name, latents, given: all, shown, quantity };
}

/** Conditionals under sums over finite latents; undefined where there is anything else. */
function summedFactors(q: Quantity, within: boolean): readonly Factor[] | undefined {
  const all = (list: readonly Quantity[]): readonly Factor[] | undefined => {
    const found = list.map((x) => summedFactors(x, true));
    return found.every((f) => f !== undefined) ? found.flat() : undefined;
  };
  switch (q.kind) {
    case "factor":
      return within && !q.through ? [q] : undefined;
    case "sum":
      return q.terms.every((t) => t.scale === 1 && t.factors.length === 0) ? all(q.terms.map((t) => t.quantity)) : undefined;
    case "enumerate":
      return q.op === "logsumexp" ? all([q.body]) : undefined;
    case "eliminate":
      return q.op === "logsumexp" ? all(q.steps.flatMap((s) => s.terms.map((t) => t.quantity))) : undefined;
    default:
      return undefined;
  }
}
