/** GM3801-GM3840: gradient estimators of discrete and other latents that are not reparameterised. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Estimators = {
  GM3801: code<{ option: string; estimator: string; found: string }>(
    "error",
    "Baseline that is not a number",
    (a) => `\`${a.option}\` of \`${a.estimator}\` is a number for each example, not ${a.found}`,
  ),
  GM3802: code<{ what: string; variable: string; why: string }>(
    "error",
    "Baseline that sees the sample",
    (a) => `${a.what} may not read \`${a.variable}\`, ${a.why}`,
  ),
  GM3803: code<{ variable: string; estimator: string }>(
    "error",
    "Relaxed latent used as an index",
    (a) => `\`${a.estimator}\` makes \`${a.variable}\` a vector between its classes, and it is used as an index`,
  ),
  GM3804: code<{ a: string; b: string }>(
    "error",
    "Two estimators for one family of samples",
    (a) => `\`${a.a}\` and \`${a.b}\` cannot share one family of samples`,
  ),
  GM3805: code<{ estimator: string; density: string; variable: string }>(
    "error",
    "Estimator that leaves out the score where it counts",
    (a) => `\`${a.estimator}\` leaves out the score of \`log ${a.density}(${a.variable} | …)\`, whose mean is not 0 where it stands here`,
  ),
  GM3806: code<{ estimator: string; family: string; variable: string }>(
    "error",
    "Draw after doubly reparameterised samples",
    (a) =>
      `\`${a.estimator}\` weighs the samples of \`${a.family}\` in one bound, and \`${a.variable}\`, drawn after them, makes several of it`,
  ),
  GM3807: code<{ density: string; variable: string }>(
    "warning",
    "Samples that teach what they are drawn from, and move it",
    (a) =>
      `\`log ${a.density}\` learns by stopped weights of its own samples, and a gradient also passes through the draw of \`${a.variable}\``,
  ),
  GM3808: code<{ weight: string; step: string; variable: string }>(
    "warning",
    "Weight inside a step of an average",
    (a) => `\`${a.weight}\` gets no gradient from \`${a.step}\`, whose mean over \`${a.variable}\` moves with it`,
  ),
  GM3858: code<{ variable: string; density: string }>(
    "warning",
    "Latent that nothing reads",
    (a) => `\`${a.variable}\` gets a value in \`${a.density}\`, and nothing reads it`,
  ),
} as const satisfies Record<`GM38${string}`, CodeEntry<never>>;
