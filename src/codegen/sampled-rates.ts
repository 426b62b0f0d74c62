/** Layers whose KL has no closed form under an `E`: their two log-densities are one term, so that the rate of every layer is a metric. */
import type { DeriveContext } from "../ir/derive/context.js";
import { sameFactors, standsForItself } from "../ir/derive/kl.js";
import type { Factor, Quantity, Term } from "../ir/quantity.js";
import { conditionalText } from "./lower-factor.js";
import { marginalOf } from "./marginal-names.js";

/** log p(z | …) and -log q(z | …) of one sum, under an `E` that draws z from q: a sample of how far that layer is from its prior. */
export interface SampledRate {
  /** A conditional, or what latents are summed out of: a mixture. */
  readonly prior: Term;
  readonly own: Term & { readonly quantity: Factor };
  /** `p(z)` */
  readonly priorText: string;
  /** Where p draws the variable. */
  readonly at: Factor;
}

interface Density {
  readonly term: Term;
  readonly density: string;
  readonly variables: readonly string[];
  readonly text: string;
  readonly at: Factor;
}

/** `drawn`: factors, `q.z`, that the `E`s around draw from. */
export function sampledRates(
  context: DeriveContext,
  drawn: ReadonlySet<string> | undefined,
  terms: readonly Term[],
): readonly SampledRate[] {
  if (!drawn || drawn.size === 0) return [];
  const densities = terms.flatMap((t) => densityOfTerm(context, t, t.quantity) ?? []);
  return densities.flatMap((own): readonly SampledRate[] => {
    const [variable, ...others] = own.variables;
    if (!isOwn(own.term) || variable === undefined || others.length > 0 || !drawn.has(`${own.density}.${variable}`)) return [];
    const same = densities.filter((d) => d !== own && d.variables.includes(variable));
    const [prior, ...more] = same;
    if (!prior || more.length > 0 || prior.variables.length > 1 || prior.density === own.density) return [];
    const paired = prior.term.scale === -own.term.scale && sameFactors(prior.term.factors, own.term.factors);
    return paired ? [{ prior: prior.term, own: own.term, priorText: prior.text, at: prior.at }] : [];
  });
}

const isOwn = (term: Term): term is SampledRate["own"] => term.quantity.kind === "factor";

function densityOfTerm(context: DeriveContext, term: Term, q: Quantity): Density | undefined {
  if (q.kind !== "factor") {
    const marginal = marginalOf(context, q);
    return marginal && { term, ...marginal };
  }
  return standsForItself(q) ? { term, density: q.density, variables: [q.variable], text: conditionalText(context, q), at: q } : undefined;
}
