/** GM35: what derivation finds out about densities, objectives and estimators. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Derivation = {
  GM3501: code<{ quantity: string; hidden: string }>(
    "error",
    "Intractable marginal",
    (a) => `\`${a.quantity}\` has no exact form: ${a.hidden} would have to be integrated out`,
  ),
  GM3502: code<{ fn: string }>(
    "error",
    "Nonlinear function of an intractable expectation",
    (a) => `\`${a.fn}\` of an expectation that is estimated by samples is biased: the estimate of the whole would not converge to it`,
  ),
  GM3503: code<{ variable: string; dist: string; states: string }>(
    "error",
    "No legal gradient through a latent",
    (a) => `no estimator gives a gradient through \`${a.variable} ~ ${a.dist}\` here${a.states}`,
  ),
  GM3504: code<{ estimator: string; variable: string; dist: string }>(
    "error",
    "Estimator does not fit the latent",
    (a) => `\`${a.estimator}\` cannot be used for \`${a.variable} ~ ${a.dist}\``,
  ),
  GM3505: code<{ estimator: string }>("error", "Unknown estimator", (a) => `no estimator is called \`${a.estimator}\``),
  GM3506: code<{ quantity: string; variable: string; net: string }>(
    "error",
    "Likelihood of an implicit density",
    (a) => `\`${a.quantity}\` has no likelihood: \`${a.variable}\` is pushed through \`${a.net}\`, which is not known to be invertible`,
  ),
  GM3508: code<{ variable: string; states: string }>(
    "error",
    "Optimum over a latent that cannot be enumerated",
    (a) => `\`max\` over \`${a.variable}\` has no exact form: ${a.states}`,
  ),
  GM3509: code<{ construct: string }>(
    "error",
    "Outside what can be derived",
    (a) => `${a.construct} is not derived by this version of gmc`,
  ),
  GM3510: code<{ path: string }>(
    "warning",
    "Weight that nothing trains",
    (a) => `no \`maximize\` or \`minimize\` statement moves \`${a.path}\``,
  ),
  GM3511: code<{ name: string; objective: string }>(
    "error",
    "Nothing to train",
    (a) => `\`over ${a.name}\` names no weight that \`${a.objective}\` depends on`,
  ),
  GM3512: code<{ variable: string }>(
    "error",
    "Sample used outside its index",
    (a) => `\`${a.variable}\` stands for a family of samples and is read here without an index`,
  ),
  GM3513: code<{ objective: string }>(
    "warning",
    "Objective that no weight enters",
    (a) => `\`${a.objective}\` depends on no weight: nothing is trained by it`,
  ),
  GM3514: code<{ a: string; b: string; path: string }>(
    "error",
    "Weight moved up and down",
    (a) => `\`${a.path}\` ascends ${a.a} and descends ${a.b}: the two steps undo each other`,
  ),
  GM3521: code<{ problem: string }>("error", "Option of an estimator", (a) => a.problem),
  GM3523: code<{ estimator: string; density: string; missing: string }>(
    "error",
    "Contrastive divergence without a start",
    (a) => `\`${a.estimator}\` starts its chain at the data, but ${a.missing} of ${a.density} has no value here`,
  ),
  GM3524: code<{ density: string; reads: string }>(
    "error",
    "Persistent chains of a conditional energy",
    (a) => `persistent chains of ${a.density} cannot be kept: its energy reads ${a.reads}, which differs from row to row`,
  ),
  GM3525: code<{ names: string; density: string }>(
    "error",
    "Draw from an energy without a sampler",
    (a) => `${a.names} of ${a.density} cannot be drawn exactly: their energy couples them`,
  ),
  GM3526: code<{ estimator: string; why: string }>(
    "error",
    "Estimator without use",
    (a) => `\`${a.estimator}\` treats nothing here: ${a.why}`,
  ),
  GM3527: code<{ estimator: string; quantity: string; why: string }>(
    "error",
    "Objective that cannot be matched",
    (a) => `\`${a.estimator}\` cannot stand in for \`${a.quantity}\`: ${a.why}`,
  ),
  GM3528: code<{ evaluator: string; found: string }>(
    "error",
    "Evaluator of an energy",
    (a) => `\`${a.evaluator}\` is about a density with an energy, and ${a.found}`,
  ),
  GM3529: code<{ estimator: string; density: string }>(
    "error",
    "Sampler that moves nothing",
    (a) => `\`${a.estimator}\` moves real variables along the gradient, and the chains of ${a.density} hold none`,
  ),
  GM3530: code<{ estimator: string; density: string; most: number }>(
    "error",
    "Chain inside a family of samples",
    (a) =>
      `\`${a.estimator}\` would start a chain of ${a.density} at every sample of a family or state of a sum: these are unrolled in the objective, and only \`cd\` of at most ${a.most} sweeps is`,
  ),
  GM3531: code<{ conditional: string; effect: string; variable: string; summed?: boolean }>("error", "Draw from a posterior", (a) =>
    a.summed
      ? `\`${a.conditional}\` is summed over, not drawn from, and has no family of samples`
      : `\`${a.conditional}\` cannot be drawn: \`${a.effect}\` is drawn from \`${a.variable}\`, not the other way round`,
  ),
  GM3532: code<{ density: string; reads: string }>(
    "error",
    "Latents before an energy",
    (a) => `the energy of ${a.density} is normalised given ${a.reads}, of which the data hold no values`,
  ),
  GM3533: code<{ direction: string; objective: string; bound: string }>("warning", "Bound that is moved away", (a) =>
    a.bound === "likelihood"
      ? `\`${a.direction} ${a.objective}\` makes the data less likely`
      : `\`${a.direction} ${a.objective}\` moves ${a.bound.startsWith("u") ? "an" : "a"} ${a.bound} of the log-likelihood away from it`,
  ),
  GM3534: code<{ estimator: string; quantity: string; summed: string }>(
    "error",
    "Difference of bounds",
    (a) =>
      `\`${a.estimator}\` bounds sums from below, and one over ${a.summed} is taken off in \`${a.quantity}\`: what is left is no lower bound of it`,
  ),
  GM3535: code<{ a: string; b: string }>(
    "error",
    "Density of unpaired rows",
    (a) =>
      `this trains a log-density in which \`${a.a}\` and \`${a.b}\` meet, and their rows are independent: they are of two \`data\` statements`,
  ),
  GM3536: code<{ what: string; value: string; estimator: string }>(
    "error",
    "Value of a log-density that is not known",
    (a) => `${a.what} needs the value of ${a.value}, and \`${a.estimator}\` gives its gradient alone`,
  ),
} as const satisfies Record<`GM35${string}`, CodeEntry<never>>;
