/** Cheap measures of how training goes: pseudo-likelihood and reconstruction error. Neither knows the partition function. */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  eye,
  floor,
  logSumExp,
  min,
  mul,
  neg,
  oneHot,
  randomUniform,
  reshape,
  square,
  stack,
  sub,
  sum,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { meanUnits } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy, type Summation } from "./free-energy.js";
import { gibbs, type GibbsOptions } from "./gibbs.js";
import { sitesOf, stateAt } from "./sites.js";
import { countStates } from "./states.js";
import { drawLead, eventOf, flat, held, plainShape, seenBy, unitsOf, without } from "./values.js";

/** Up to this many units all are visited, unless told otherwise, and up to so many states of units and of what is enumerated for each. */
const EXACT_UNITS = 64;
const EXACT_STATES = 4096;

export interface PseudoLikelihoodOptions extends Pick<Summation, "sum" | "enumerate"> {
  /** All units of a variable, or one drawn for each row and taken for all; all up to 64 by default. */
  readonly units?: "all" | "one";
}

/**
 * Σ_i log p(x_i | the other units, what else is in `x`) over the units of all of `names`, [...lead] (Besag 1975), what is in `sum` or `enumerate` summed
 * out. Of a variable with many units one a row is taken, times their number: right in the mean. A "unit" of which at most one of a block is on is the block.
 */
export function pseudoLogLikelihood<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  names: readonly string[],
  options: PseudoLikelihoodOptions = {},
): Tensor {
  return names.map((name) => ofVariable(model, w, key, x, name, options)).reduce((total, t) => add(total, t));
}

function ofVariable<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, name: string, options: PseudoLikelihoodOptions): Tensor {
  const units = unitsOf(model, name);
  const sites = sitesOf(units);
  if (sites === undefined)
    throw new GmcError("GM4009", `the pseudo-likelihood of \`${name}\` (${model.place}): its units are ${units.kind}`, [
      "it is that of binary and category units",
    ]);
  const event = eventOf(units);
  const { sum: summed = [], enumerate = [] } = options;
  const seen = held(without(seenBy(model, x), [...summed, ...enumerate]));
  const lead = drawLead(model, seen, undefined);
  const shape = plainShape(lead);
  const { count, states, none } = sites;
  const few = count <= EXACT_UNITS && (enumerate.length === 0 || count * countStates(model, enumerate) <= EXACT_STATES);
  const all = (options.units ?? (few ? "all" : "one")) === "all";
  const chosen = all
    ? reshape(eye(count), [count, ...shape.map(() => 1), count])
    : oneHot(min(floor(mul(randomUniform(key.at(name), lead), count)), count - 1), count);
  const value = broadcastTo(seen[name]!, [...(all ? [count] : []), ...shape, ...event]);
  const cleared = mul(value, sub(1, sites.cover(chosen)));
  const parts = Array.from({ length: states }, (_, k) => sites.put(chosen, stateAt(states, k)));
  const alternatives = [...(none ? [cleared] : []), ...parts.map((part) => add(cleared, part))];
  const logits = neg(freeEnergy(model, w, { ...seen, [name]: stack(alternatives, 0) }, { sum: summed, enumerate }));
  const scores = broadcastTo(logits, [alternatives.length, ...value.shape.slice(0, value.shape.length - event.length)]);
  // 1 for the alternative that the row holds, 0 for the others
  const on = parts.map((part) => sum(flat(mul(value, part), event), -1));
  const off = sub(
    1,
    on.reduce((total, t) => add(total, t)),
  );
  const present = stack(none ? [off, ...on] : on, 0);
  const logs = sub(sum(mul(present, scores), 0), logSumExp(scores, 0));
  return all ? sum(logs, 0) : mul(logs, count);
}

/** Of the sweeps that draw the other variables. */
export type ReconstructionOptions = Pick<GibbsOptions, "totals" | "sweep" | "sweeps" | "fresh">;

/**
 * Σ (x - E[x | h])^2 over the entries of `name` (categories one-hot), [...lead], the variables h that `x` has no value of drawn by Gibbs sweeps given
 * it, one by default. Falls while CD learns, but does not measure likelihood.
 */
export function reconstructionError<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  name: string,
  options: ReconstructionOptions = {},
): Tensor {
  const values = gibbs(model, w, key, x, { ...options, clamp: Object.keys(model.units).filter((other) => x[other] !== undefined) });
  const miss = sub(seenBy(model, x)[name]!, meanUnits(model, w, values, name, options.totals && { totals: options.totals }));
  return sum(flat(square(miss), eventOf(unitsOf(model, name))), -1);
}
