/** GM30: densities and objectives as they are written; what derivation finds out is in gm3-derivation.ts. */
import { code, type CodeEntry } from "./entry.js";

export const gm3 = {
  // ---- densities
  GM3001: code<{ variable: string; density: string }>(
    "error",
    "Variable without a value",
    (a) => `the body of \`${a.density}\` gives \`${a.variable}\` no value`,
  ),
  GM3003: code<{ found: string }>("error", "Energy is not a number", (a) => `an energy is one number per example, found ${a.found}`),
  GM3004: code<{ variable: string; density: string }>(
    "error",
    "Condition is drawn",
    (a) => `\`${a.variable}\` is given to \`${a.density}\` and cannot be drawn in it`,
  ),
  GM3005: code<{ variable: string; density: string }>(
    "error",
    "Draws a variable outside its header",
    (a) => `\`${a.variable}\` is a variable of the model, but not in the header of \`${a.density}\``,
  ),
  GM3006: code<{ name: string; what: string }>(
    "error",
    "Header names no variable",
    (a) => `\`${a.name}\` is ${a.what}; a density's header names data and latents`,
  ),
  GM3008: code<{ name: string }>("error", "Unknown distribution", (a) => `there is no distribution called \`${a.name}\``),
  GM3009: code<{ name: string }>(
    "error",
    "Distribution used as a value",
    (a) => `\`${a.name}\` is a distribution: it is drawn from, it is no value`,
  ),
  GM3010: code<{ what: string }>("error", "Not a distribution", (a) => `a distribution is wanted here: ${a.what}`),
  GM3011: code<{ dist: string; names: string }>(
    "error",
    "Parameters that exclude one another",
    (a) => `\`${a.dist}\` takes ${a.names} only one at a time`,
  ),
  GM3012: code<{ variable: string; domain: string; dist: string; fits: string }>(
    "error",
    "Distribution does not fit the domain",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, and \`${a.dist}\` is a distribution over ${a.fits}`,
  ),
  GM3013: code<{ variable: string; domain: string; dist: string }>(
    "warning",
    "Distribution wider than the domain",
    (a) => `\`${a.variable}\` is \`${a.domain}\`, and \`${a.dist}\` puts mass outside of it`,
  ),
  GM3014: code<{ param: string; dist: string; expected: string; found: string }>(
    "error",
    "Parameter of the wrong shape",
    (a) => `\`${a.param}\` of \`${a.dist}\`: expected ${a.expected}, found ${a.found}`,
  ),
  GM3015: code<{ param: string; dist: string; found: string }>(
    "error",
    "Parameter must be positive",
    (a) => `\`${a.param}\` of \`${a.dist}\` must be positive, found ${a.found}`,
  ),
  GM3016: code<{ variable: string; classes: string; found: string }>(
    "error",
    "Wrong number of classes",
    (a) => `\`${a.variable}\` has ${a.classes} classes, and its probabilities have ${a.found}`,
  ),
  GM3017: code<{ param: string; dist: string; found: string }>(
    "error",
    "Value of either sign where a positive one is wanted",
    (a) => `\`${a.param}\` of \`${a.dist}\` must be positive, and ${a.found} is of either sign`,
  ),
  GM3018: code<{ variable: string; density: string }>(
    "error",
    "Variable in its own parameters",
    (a) => `\`${a.variable}\` is drawn from a distribution that depends on \`${a.variable}\` itself`,
  ),
  GM3019: code<{ param: string; dist: string; problem: string }>(
    "warning",
    "Parameter that may leave its set or is of another scale",
    (a) => `\`${a.param}\` of \`${a.dist}\` ${a.problem}`,
  ),
  GM3020: code<{ param: string; dist: string; found: string }>(
    "error",
    "Not a probability",
    (a) => `\`${a.param}\` of \`${a.dist}\` must lie in 0..1, found ${a.found}`,
  ),
  GM3021: code<{ density: string; variable: string; header: string }>(
    "error",
    "Not a variable of the density",
    (a) => `\`${a.variable}\` is no variable of ${a.header}`,
  ),
  GM3022: code<{ density: string; missing: string }>(
    "error",
    "Condition missing",
    (a) => `\`${a.density}\` is conditioned on ${a.missing}, which must be given here too`,
  ),
  GM3023: code<{ density: string; variable: string }>(
    "error",
    "Condition in the head",
    (a) => `\`${a.variable}\` is a condition of \`${a.density}\`, not one of its variables`,
  ),
  GM3024: code<{ where: string }>(
    "error",
    "Objective inside a model's parts",
    (a) => `a ${a.where} computes with values: log-densities, expectations and objectives stand in objectives`,
  ),
  GM3025: code<{ variable: string; density: string }>(
    "error",
    "Head and condition at once",
    (a) => `\`${a.variable}\` stands on both sides of \`|\` in \`${a.density}\``,
  ),
  GM3026: code("error", "Expression in a slot", () => "the slots of a density are variables"),
  GM3027: code<{ variable: string; role: string; density: string }>(
    "error",
    "Variable out of reach",
    (a) => `\`${a.variable}\` is ${a.role} that \`${a.density}\` is not conditioned on`,
  ),
  GM3028: code<{ variable: string }>("error", "Variable gets two values", (a) => `\`${a.variable}\` has a value already`),
  GM3029: code<{ variable: string }>(
    "error",
    "Variable used before it has a value",
    (a) => `\`${a.variable}\` is used before it has a value`,
  ),
  // ---- objectives
  GM3030: code<{ op: string; expected: string }>("error", "Wrong binder", (a) => `\`${a.op}[…]\` takes ${a.expected}`),
  GM3031: code<{ op: string; name: string }>(
    "error",
    "Optimum over something observed",
    (a) => `\`${a.op}\` cannot go over \`${a.name}\`, which is no latent`,
  ),
  GM3032: code<{ op: string; found: string }>(
    "error",
    "Body is not a number",
    (a) => `the body of \`${a.op}[…]\` must be a scalar, found ${a.found}`,
  ),
  GM3033: code<{ variable: string }>(
    "error",
    "Latent outside an expectation",
    (a) => `\`${a.variable}\` is a latent: it has no value here`,
  ),
  GM3034: code<{ name: string; variable: string }>(
    "error",
    "Objective inside an expectation over its data",
    (a) => `\`${a.name}\` reads \`${a.variable}\` from the data, and here \`${a.variable}\` means a draw`,
  ),
  GM3035: code<{ found: string }>(
    "error",
    "Objective is not one number per example",
    (a) => `an objective is one number per example, found ${a.found}`,
  ),
  GM3036: code<{ found: string }>("error", "Nothing to draw from", (a) => `nothing can be drawn from \`${a.found}\``),
  GM3037: code<{ name: string; samples: string; range: string }>(
    "error",
    "Range of another length than the samples",
    (a) => `\`${a.name}\` has ${a.samples} samples, the index runs over ${a.range}`,
  ),
  GM3038: code("error", "Different numbers of samples", () => "names that are drawn together are drawn equally often"),
  GM3039: code<{ names: number; drawn: number; source: string }>(
    "error",
    "Names and draws differ in number",
    (a) => `${a.names} ${a.names === 1 ? "name" : "names"} for ${a.drawn} ${a.drawn === 1 ? "draw" : "draws"} of \`${a.source}\``,
  ),
  GM3040: code<{ name: string; drawn: string }>(
    "error",
    "Draw under another variable's name",
    (a) => `\`${a.name}\` is another variable than the \`${a.drawn}\` that is drawn`,
  ),
  GM3041: code<{ name: string; problem: string }>(
    "error",
    "Not data of one stream",
    (a) => `\`${a.name}\` cannot be drawn from the data here: ${a.problem}`,
  ),
  GM3042: code<{ template: string; density: string; role: string; hidden: string }>(
    "error",
    "Latent not covered",
    (a) =>
      `\`${a.template}\` takes the rest of \`${a.density}\` for \`${a.role}\`, which must be observed, and ${a.hidden} ${a.hidden.includes(",") || a.hidden.includes(" and ") ? "are" : "is"} latent`,
  ),
  GM3043: code<{ template: string; density: string; roles: string }>(
    "error",
    "Roles cannot be told apart",
    (a) => `\`${a.template}\` cannot tell which variables of \`${a.density}\` its ${a.roles} stand for`,
  ),
  GM3044: code<{ template: string; density: string; extra: string; source: string }>(
    "error",
    "Latent that the other density does not have",
    (a) => `\`${a.template}\` hands ${a.extra} of \`${a.source}\` to \`${a.density}\`, which does not have it`,
  ),
  GM3045: code<{ template: string; density: string; variable: string }>(
    "error",
    "Condition without a value",
    (a) => `\`${a.density}\` is conditioned on the latent \`${a.variable}\`, which has no value in \`${a.template}\``,
  ),
  GM3046: code<{ template: string; formal: string; found: string }>(
    "error",
    "Density expected",
    (a) => `\`${a.formal}\` of \`${a.template}\` must be a density, found ${a.found}`,
  ),
  GM3047: code<{ evaluator: string; density: string; needs: string }>(
    "error",
    "Nothing to measure",
    (a) => `\`${a.evaluator}\` needs ${a.needs}, and \`${a.density}\` draws none`,
  ),
  GM3048: code<{ param: string; dist: string; expected: string; found: string }>(
    "error",
    "Not a covariance",
    (a) => `\`${a.param}\` of \`${a.dist}\` must be ${a.expected}, found ${a.found}`,
  ),
  GM3049: code<{ metric: string }>(
    "error",
    "Early stopping without a direction",
    (a) => `whether \`${a.metric}\` should rise or fall cannot be read off it, and early stopping keeps the epoch where it is best`,
  ),
} as const satisfies Record<`GM30${string}`, CodeEntry<never>>;
