/** Why a layer's KL is an estimate from samples where an `E` draws it: said beside the estimators. */
import type { EstimatorNote, Factor, Quantity } from "../quantity.js";
import { walkQuantity } from "../quantity-walk.js";
import { type DeriveContext, densityOf, parentsOf } from "./context.js";

/** What `kl.ts` knows of pairs. */
export interface PairRules {
  readonly standsForItself: (factor: Factor) => boolean;
  /** Whether the pair (q, p) has a closed form. */
  readonly closes: (q: Factor, p: Factor) => boolean;
  /** What depends on a variable, itself among it. */
  readonly followsFrom: (variable: string) => ReadonlySet<string>;
}

/** Notes for those of `drawn` whose log q(z | …) and log p(z | …) are left in the body. */
export function sampledKlNotes(
  context: DeriveContext,
  drawn: readonly Factor[],
  body: Quantity,
  rules: PairRules,
): readonly EstimatorNote[] {
  const factors = new Map<string, Factor[]>();
  /** Latents that the log of a sum is over, by the variables with a density in it. */
  const summed = new Map<string, Set<string>>();
  const visit = (q: Quantity, over: readonly string[]): void => {
    walkQuantity(q, (part) => {
      if (part.kind !== "factor" || !rules.standsForItself(part)) return;
      if (over.includes(part.variable)) return;
      if (over.length === 0) factors.set(part.variable, [...(factors.get(part.variable) ?? []), part]);
      else summed.set(part.variable, new Set([...(summed.get(part.variable) ?? []), ...over]));
    });
  };
  for (const { q, over } of partsOf(body)) visit(q, over);
  return drawn.flatMap((q): readonly EstimatorNote[] => {
    const own = factors.get(q.variable)?.find((f) => f.density === q.density);
    if (!own) return [];
    const reason = reasonOf(
      context,
      q,
      factors.get(q.variable)?.find((f) => f.density !== q.density),
      summed.get(q.variable),
      rules,
    );
    return reason === undefined ? [] : [{ variable: q.variable, density: q.density, estimator: "sampled KL", reason }];
  });
}

function reasonOf(
  context: DeriveContext,
  q: Factor,
  prior: Factor | undefined,
  summed: ReadonlySet<string> | undefined,
  { closes, followsFrom }: PairRules,
): string | undefined {
  if (!prior)
    return summed && `the prior of \`${q.variable}\` is a sum over \`${[...summed].join("`, `")}\`, and KL to a mixture has no closed form`;
  if (!closes(q, prior)) return `KL between ${q.dist.dist} and ${prior.dist.dist} has no closed form here`;
  const definition = densityOf(context, prior.density).definitions.get(prior.variable);
  const follows = followsFrom(q.variable);
  const read = definition && [...parentsOf(context, definition)].find((parent) => follows.has(parent));
  if (read !== undefined) return `the prior of \`${q.variable}\` reads \`${read}\`, which ${q.density} draws from it`;
  return "its two log-densities are no plain terms of one sum with one coefficient";
}

/** The body cut at the logs of sums in it: each part with what is summed around it. */
function partsOf(q: Quantity): readonly { readonly q: Quantity; readonly over: readonly string[] }[] {
  switch (q.kind) {
    case "sum":
      return q.terms.flatMap((t) => partsOf(t.quantity));
    case "enumerate":
      if (q.op === "expect") return partsOf(q.body);
      return partsOf(q.body).map((p) => ({ ...p, over: [...p.over, q.variable] }));
    case "eliminate": {
      if (q.op === "expect") return q.steps.flatMap((s) => (s.values ?? []).flatMap((t) => partsOf(t.quantity)));
      const over = q.steps.map((s) => s.variable);
      return q.steps.flatMap((s) => s.terms.map((t) => ({ q: t.quantity, over })));
    }
    case "expect":
      return partsOf(q.body);
    default:
      return [{ q, over: [] }];
  }
}
