/** GM384, GM385, GM386: maxima over latents, expectation maximisation, and finite latents that are eliminated. */
import { code, type CodeEntry } from "./entry.js";

export const gm3Map = {
  GM3841: code<{ finite: string; continuous: string }>(
    "error",
    "Maximum over finite and continuous latents at once",
    (a) => `one \`max\` is over ${a.finite}, whose states are tried, and ${a.continuous}, which is climbed in`,
  ),
  GM3842: code<{ estimator: string; variable: string; why: string }>(
    "error",
    "No gradient to climb in a latent",
    (a) => `\`${a.estimator}\` climbs in ${a.variable}: ${a.why}`,
  ),
  GM3843: code<{ estimator: string; term: string; dist: string; why: string }>(
    "error",
    "Kink that is no prior",
    (a) => `\`${a.estimator}\` cannot step over the kinks of \`${a.term}\`, a ${a.dist}: ${a.why}`,
  ),
  GM3844: code<{ what: string }>(
    "error",
    "Maximum of something random",
    (a) => `what \`max\` climbs has to be the same at every step, and ${a.what}`,
  ),
  GM3845: code<{ where: string }>(
    "error",
    "Maximum inside an expectation",
    (a) => `the latents of \`max\` are found once for each row of the batch, and it stands inside ${a.where}`,
  ),
  GM3846: code<{ op: string; term: string }>(
    "error",
    "Optimum away from a prior",
    (a) => `\`${a.op}\` runs away from the prior \`${a.term}\`: it enters with the wrong sign`,
  ),
  GM3851: code<{ found: string }>(
    "error",
    "Expectation maximisation of what is no likelihood",
    (a) => `\`em\` takes a log-likelihood with its latents summed out, integrated out or maximised over, and finds ${a.found}`,
  ),
  GM3852: code<{ parameter: string; conditional: string; dist: string; why: string }>(
    "error",
    "M-step without a closed form",
    (a) => `\`em\` has no closed-form M-step for \`${a.parameter}\` of \`${a.conditional}\`, a ${a.dist}: ${a.why}`,
  ),
  GM3853: code<{ weight: string; first: string; second: string }>(
    "error",
    "Weight of two M-steps",
    (a) => `\`em\` would estimate \`${a.weight}\` twice: for \`${a.first}\` and for \`${a.second}\``,
  ),
  GM3854: code<{ setting: string }>(
    "error",
    "Optimiser beside expectation maximisation",
    (a) => `\`em\` sets the parameters to their estimates, and \`${a.setting}\` has no meaning for it`,
  ),
  GM3855: code<{ direction: string }>(
    "error",
    "Expectation maximisation downwards",
    (a) => `\`em\` raises a likelihood, and the statement says \`${a.direction}\``,
  ),
  GM3859: code<{ conditional: string; why: string }>(
    "error",
    "M-step on batches without counts",
    (a) => `\`em\` with \`decay\` averages sums and counts over batches, and \`${a.conditional}\` has none: ${a.why}`,
  ),
  GM3860: code<{ quantity: string; states: string; most: number }>(
    "error",
    "Sum over finite latents with too large a table",
    (a) => `\`${a.quantity}\` would take a table of ${a.states} states at once, more than ${a.most}`,
  ),
} as const satisfies Record<`GM38${string}`, CodeEntry<never>>;
