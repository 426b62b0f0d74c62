/**
 * Hamiltonian moves of real variables along a path of energies, for annealing: trajectories in units of the base model's deviations, accepted or refused,
 * so that each leaves the energy at its temperature invariant. A step that suits one temperature does not suit all: a run over the path before the one that
 * counts finds how long they are, by the share that is accepted. What counts then draws nothing that the steps depend on, and no bias enters.
 */
import {
  add,
  clip,
  constant,
  exp,
  expandDims,
  mean,
  mul,
  reshape,
  sub,
  sum,
  type DrawShape,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { beforeEvent } from "../graph/last-axes.js";
import { openUniform } from "../prob/noise.js";
import { baseDeviation, type BaseStatistics } from "./annealed.js";
import type { Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { hmc } from "./langevin.js";
import { unitsOf } from "./values.js";

/** Inverse temperatures that a step is kept for, evenly spaced from 0 to 1; in between they are interpolated. */
const KNOTS = 33;

/** Logs of the step: where it begins, and what it stays within, in deviations of the base. */
const FIRST = Math.log(0.5);
const LEAST = -14;
const MOST = 4;

/** Share of trajectories that is to be accepted (of many dimensions 0.651 is best: Beskos et al. 2013), and how far a step follows what is missing. */
const ACCEPTED = 0.7;
const GAIN = 0.5;

/** Steps of one trajectory lie between these shares of the step, so that none returns to where it began again and again. */
const SHORTEST = 0.5;
const LONGEST = 1.2;

/** Iterations of the run that tunes the steps, for one of so many temperatures. */
export function tuningSteps(temperatures: number): number {
  return Math.min(1000, Math.max(100, Math.round(temperatures / 10)));
}

/** Logs of steps before anything is known of them: [conditions, knots]. */
export function firstSteps(conditions: number): Tensor {
  return constant(Array<number>(conditions * KNOTS).fill(FIRST), [conditions, KNOTS]);
}

/** beta [] or [conditions] against the knots: [knots] or [conditions, knots]. */
function fromKnots(beta: Tensor): Tensor {
  const knots = constant(Array.from({ length: KNOTS }, (_, k) => k));
  return sub(mul(expandDims(beta, -1), KNOTS - 1), knots);
}

/** The logs of the steps after a move at `beta` of which `accepted` [conditions] were: those of this temperature and of colder ones follow. */
export function adapted(steps: Tensor, beta: Tensor, accepted: Tensor): Tensor {
  const share = clip(sub(1, fromKnots(beta)), 0, 1);
  return clip(add(steps, mul(share, expandDims(mul(GAIN, sub(accepted, ACCEPTED)), -1))), LEAST, MOST);
}

/** [conditions] */
function stepAt(steps: Tensor, beta: Tensor): Tensor {
  const at = fromKnots(beta);
  const share = mul(clip(sub(1, at), 0, 1), clip(add(1, at), 0, 1));
  return exp(sum(mul(steps, share), -1));
}

export interface TrajectoryOptions {
  readonly names: readonly string[];
  readonly leapfrog: number;
  readonly sum: readonly string[];
  readonly statistics: Readonly<Record<string, BaseStatistics | undefined>>;
  /** Logs of the steps, [conditions, knots]. */
  readonly steps: Tensor;
  /** [] or [conditions] */
  readonly beta: Tensor;
  readonly lead: DrawShape;
  readonly totals?: Totals;
}

/** One trajectory of each chain [conditions * chains, ...event], and how many were accepted in the mean of each condition. */
export function trajectories<W>(
  cooler: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  { names, leapfrog, sum: summed, statistics, steps, beta, lead, totals }: TrajectoryOptions,
): { readonly values: Values; readonly accepted: Tensor } {
  const [conditions = 1] = steps.shape;
  const each = stepAt(steps, beta);
  const jitter = add(SHORTEST, mul(LONGEST - SHORTEST, openUniform(key.at("length"), lead)));
  const chains = (jitter.shape[0] ?? 1) / conditions;
  const own = reshape(mul(expandDims(each, -1), reshape(jitter, [conditions, chains])), [conditions * chains]);
  const stepSize = (name: string): TensorLike => mul(beforeEvent(own, unitsOf(cooler, name).shape.length), baseDeviation(statistics[name]));
  const { values, acceptance } = hmc(cooler, w, key, x, { names, leapfrog, stepSize, sum: summed, lead, ...(totals && { totals }) });
  return { values, accepted: mean(reshape(acceptance, [conditions, chains]), -1) };
}
