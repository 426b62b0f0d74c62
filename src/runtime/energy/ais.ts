/**
 * Annealed importance sampling (Neal 2001; of Boltzmann machines: Salakhutdinov & Murray 2008), in pieces for a `repeat` stage: chains start at exact draws
 * of a base model, each step weighs them by the change of temperature and moves them by Gibbs sampling at the new one. Memory does not
 * grow with the number of temperatures. What has a closed form is summed out of the weights.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  div,
  exp,
  logMeanExp,
  mean,
  mul,
  sqrt,
  square,
  stack,
  sub,
  sum,
  take,
  zeros,
  type DrawShape,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { annealed, freeEnergyDrop } from "./annealed.js";
import { drawUnits, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { leadOf, plainShape, seenBy, unitsOf, without } from "./values.js";
import { watchMoving } from "./watch.js";

export interface AisChains {
  /** Of the variables that are not summed over, in the domain's values: [chains, ...event]. */
  readonly values: Values;
  /** [chains] */
  readonly logWeight: Tensor;
}

export interface AisOptions<W = never> {
  /** Variables summed over in the weights: independent given the rest. */
  readonly sum?: readonly string[];
  /** Conditions, with leading axes as the chains'. */
  readonly given?: Values;
  readonly totals?: Totals;
  /** Gibbs sweeps at each temperature; 1 by default. */
  readonly sweeps?: number;
  /** A transition that leaves the model it is given invariant, where block Gibbs does not do. */
  readonly sampler?: (model: EnergyModel<W>, key: Key, values: Values) => Values;
}

/** Inverse temperatures 0, …, 1 in `steps` equal steps, or in equal steps up to each of the given ends: [[500, 0.5], [4000, 0.9], [10000, 1]]. */
export function temperatures(steps: number | readonly (readonly [steps: number, until: number])[]): number[] {
  const parts = typeof steps === "number" ? ([[steps, 1]] as const) : steps;
  const betas = [0];
  for (const [count, until] of parts) {
    const from = betas[betas.length - 1]!;
    for (let i = 1; i <= count; i++) betas.push(from + ((until - from) * i) / count);
  }
  if (betas.length < 2 || betas[betas.length - 1] !== 1 || betas.some((b, i) => i > 0 && !(b > betas[i - 1]!)))
    throw new GmcError("GM4008", "inverse temperatures rise from 0 to 1 in at least one step");
  return betas;
}

/** The two temperatures of an iteration: entries `iteration` and `iteration` + 1 of betas [steps + 1]. Reversed betas make the reverse run. */
export function temperaturesAt(betas: Tensor, iteration: Tensor): { readonly from: Tensor; readonly to: Tensor } {
  return { from: take(betas, iteration, 0), to: take(betas, add(iteration, 1), 0) };
}

/** Chains at exact draws of the base model, with weight 1. `lead` is [chains] as a rule. */
export function aisStart<W>(
  base: EnergyModel<W>,
  w: W,
  key: Key,
  lead: DrawShape,
  { sum: summed = [], totals }: Pick<AisOptions, "sum" | "totals"> = {},
): AisChains {
  const kept = Object.keys(base.units).filter((name) => !summed.includes(name));
  const draw = (name: string): Tensor => drawUnits(base, w, key.at(name), {}, name, { lead, ...(totals && { totals }) });
  return { values: Object.fromEntries(kept.map((name) => [name, draw(name)])), logWeight: zeros(plainShape(lead)) };
}

/** One step from temperature `from` to `to`: weights by the drop of the free energy, then a transition at `to`. In a `repeat` stage: key.iterate(iteration). */
export function aisStep<W>(
  model: EnergyModel<W>,
  base: EnergyModel<W>,
  w: W,
  key: Key,
  chains: AisChains,
  { from, to }: { readonly from: TensorLike; readonly to: TensorLike },
  options: AisOptions<W> = {},
): AisChains {
  const { sum: summed = [], given = {}, totals, sweeps = 1, sampler } = options;
  const all = { ...given, ...chains.values };
  const seen = seenBy(model, without(all, summed));
  const drop = freeEnergyDrop(model, base, w, seen, from, to, { sum: summed, lead: leadOf(model, seen), totals });
  const still = Object.keys(chains.values).find((name) => unitsOf(model, name).kind === "real");
  if (sampler === undefined && still !== undefined)
    throw new GmcError(
      "GM4009",
      `no sweep moves \`${still}\` of \`${model.name}\` (${model.place}), which has no conditional: weights of chains that stay are no annealing`,
      ["give a `sampler` that leaves each temperature invariant (hmc, langevin with `metropolis`); `aisProgram` has one"],
    );
  const cooler = annealed(model, base, to);
  const moved =
    sampler?.(cooler, key, all) ?? gibbs(cooler, w, key, all, { sweeps, sweep: sweepFrom(model, summed), ...(totals && { totals }) });
  watchMoving(model, w, { ...all, ...moved });
  return {
    values: Object.fromEntries(Object.keys(chains.values).map((name) => [name, moved[name]!])),
    logWeight: add(chains.logWeight, drop),
  };
}

export interface AisEstimate {
  readonly logZ: Tensor;
  /** Of log Z, by the delta method: the deviation of the weights' mean over that mean. */
  readonly standardError: Tensor;
  /** (Σ w)^2 / Σ w^2, of as many chains as there are. */
  readonly effectiveSampleSize: Tensor;
}

/**
 * log Z from the log Z of the base and the weights [chains, …] of chains that ended at the model. In the mean exp(logZ) is Z, so logZ
 * errs on the low side: with probability 1 - e^-c it is no more than c too high.
 */
export function aisEstimate(baseLogZ: TensorLike, logWeight: Tensor): AisEstimate {
  return estimate(baseLogZ, logWeight, 1);
}

/**
 * log Z from chains that started at samples of the model and ended at the base, the betas reversed (Grosse, Ghahramani & Adams 2015; Burda,
 * Grosse & Salakhutdinov 2015): errs on the high side, so that both runs close in on log Z. Samples that are not the model's own spoil the bound.
 */
export function reverseAisEstimate(baseLogZ: TensorLike, logWeight: Tensor): AisEstimate {
  return estimate(baseLogZ, logWeight, -1);
}

function estimate(baseLogZ: TensorLike, logWeight: Tensor, direction: 1 | -1): AisEstimate {
  const chains = logWeight.shape[0] ?? 1;
  const level = logMeanExp(logWeight, 0);
  const ratio = exp(sub(logWeight, level));
  const squares = mean(square(ratio), 0);
  return {
    logZ: add(baseLogZ, mul(direction, level)),
    standardError: sqrt(div(sum(square(sub(ratio, 1)), 0), chains * Math.max(1, chains - 1))),
    effectiveSampleSize: div(chains, squares),
  };
}

/** The estimate's numbers as one tensor, for a program's output: [logZ, standardError, effectiveSampleSize]. */
export function aisNumbers({ logZ, standardError, effectiveSampleSize }: AisEstimate): Tensor {
  return stack([logZ, standardError, effectiveSampleSize], 0);
}
