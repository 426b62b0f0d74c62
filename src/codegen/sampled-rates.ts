/** Layers whose KL has no closed form under an `E`: their two log-densities are one term, so that the rate of every layer is a metric. */
import { sameFactors, standsForItself } from "../ir/derive/kl.js";
import type { Factor, Term } from "../ir/quantity.js";

/** log p(z | …) and -log q(z | …) of one sum, under an `E` that draws z from q: a sample of how far that layer is from its prior. */
export interface SampledRate {
  readonly prior: Term & { readonly quantity: Factor };
  readonly own: Term & { readonly quantity: Factor };
}

/** `drawn`: factors, `q.z`, that the `E`s around draw from. */
export function sampledRates(drawn: ReadonlySet<string> | undefined, terms: readonly Term[]): readonly SampledRate[] {
  const factors = terms.filter((t): t is SampledRate["own"] => t.quantity.kind === "factor" && standsForItself(t.quantity));
  return factors.flatMap((own): readonly SampledRate[] => {
    const { density, variable } = own.quantity;
    if (!drawn?.has(`${density}.${variable}`)) return [];
    const same = factors.filter((t) => t.quantity.variable === variable && t !== own);
    const [prior, ...more] = same;
    const paired = prior?.quantity.density !== density && prior?.scale === -own.scale && sameFactors(prior.factors, own.factors);
    return prior && paired && more.length === 0 ? [{ prior, own }] : [];
  });
}
