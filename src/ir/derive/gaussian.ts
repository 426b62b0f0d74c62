/**
 * Which conditionals are jointly normal in hidden variables: each a normal whose location is affine in these, with a scale that is free of them. Hidden
 * variables of such a group are integrated out exactly, and normal given the rest; else the reason says which factor is in the way.
 */
import { distributions } from "../distributions.js";
import { finiteStates, MAX_STATES, stateCount } from "../states.js";
import { dependenceOn } from "./affine.js";
import { type Definition, type DeriveContext, type DensityIndex } from "./context.js";
import { readsItself } from "./own-reads.js";

/** Why the group is not jointly normal in `hidden`, variables of `group` themselves; undefined where it is. */
export function whyNotGaussian(
  context: DeriveContext,
  index: DensityIndex,
  group: readonly string[],
  hidden: readonly string[],
): string | undefined {
  const drawn = group.map((v) => ({ variable: v, definition: index.definitions.get(v) }));
  const latent = new Set(hidden);
  // what is hidden first: a latent that is no normal says more than what is drawn from it
  const sorted = [...drawn.filter((d) => latent.has(d.variable)), ...drawn.filter((d) => !latent.has(d.variable))];
  for (const { variable, definition } of sorted) {
    const reason = whyNotOne(context, variable, definition, latent);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function whyNotOne(
  context: DeriveContext,
  name: string,
  definition: Definition | undefined,
  hidden: ReadonlySet<string>,
): string | undefined {
  const variable = context.model.variables.get(name);
  const states =
    hidden.has(name) && variable && finiteStates(variable.domain, definition?.kind === "draw" ? definition.dist.dist : undefined);
  if (states)
    return `\`${name}\` has ${stateCount(states.size)} states${states.size > MAX_STATES ? `, more than ${MAX_STATES}` : " and no value: the posterior is a mixture over them"}`;
  const law = definition?.kind === "draw" ? distributions.get(definition.dist.dist) : undefined;
  if (definition?.kind !== "draw" || law?.gaussian !== true) return `\`${name}\` is not drawn from a Normal`;
  if (readsItself(context, definition)) return `\`${name}\` is drawn entry after entry`;
  if (law.eventRank > 0 && variable?.domain.shape.length !== law.eventRank) return `\`${name}\` is not one vector, but several`;
  for (const [parameter, value] of Object.entries(definition.dist.params)) {
    const dependence = dependenceOn(context, value, hidden);
    if (dependence.kind === "none") continue;
    const on = [...hidden].filter((h) => dependenceOn(context, value, new Set([h])).kind !== "none").map((h) => `\`${h}\``);
    if (parameter !== "loc") return `the ${parameter === "scale" ? "scale" : "covariance"} of \`${name}\` depends on ${on.join(", ")}`;
    if (dependence.kind === "other") return `the location of \`${name}\` is not affine in ${on.join(", ")}: ${dependence.reason}`;
  }
  return undefined;
}
