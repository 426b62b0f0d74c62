/**
 * The model phase of maximum likelihood. d log Z / dw = E_model[-dE/dw]; the expectation is taken at samples: a few sweeps from the data (CD,
 * Hinton 2002), or chains that go on from step to step (PCD, Younes 1989; Tieleman 2008). Each function gives a surrogate: a tensor
 * whose gradient in the weights is the estimate. The gradient of log p(v) is then that of -freeEnergy(v) less the surrogate.
 */
import { mean, neg, stopGradient, sub, writeState, type DrawShape, type Key, type Tensor } from "../graph/index.js";
import type { Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy, type Summation } from "./free-energy.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { held, without } from "./values.js";
import { watchCurvature } from "./watch.js";

export interface ChainOptions {
  /** Sweeps; 1 by default. */
  readonly k?: number;
  /** Variables whose conditional mean stands for a sample in the estimate: independent given the rest. */
  readonly sum?: readonly string[];
  /** Variables held at their values. */
  readonly clamp?: readonly string[];
  readonly lead?: DrawShape;
  readonly totals?: Totals;
  /** One sweep, where it is not Gibbs sampling (Langevin, HMC): new values of old ones. */
  readonly sampler?: (key: Key, values: Values) => Values;
}

/**
 * -F at samples of the model, [...lead], the samples held fixed: the gradient of its mean estimates that of log Z. What is summed over is
 * averaged exactly. `given` holds conditions: they are no samples, and a gradient passes through them.
 */
export function logPartitionSurrogate<W>(
  model: EnergyModel<W>,
  w: W,
  samples: Values,
  options: Summation & { readonly given?: Values } = {},
): Tensor {
  const { given = {}, ...summation } = options;
  watchCurvature(model, w, { ...held(samples), ...given });
  return neg(freeEnergy(model, w, without({ ...held(samples), ...given }, summation.sum ?? []), summation));
}

/**
 * 0, with the gradient of `x`: log Z by chains that start at samples differs from sample to sample, as log Z does not, and what weighs samples by their
 * values must not see it.
 */
export function withoutValue(x: Tensor): Tensor {
  return sub(x, stopGradient(x));
}

/** CD-k from the values `x` (data, and samples of hidden variables where the sweep needs them): the surrogate of log Z for each row, [...lead]. */
export function cd<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: ChainOptions = {}): Tensor {
  // Hidden units first: of them the data give no values.
  const samples = advance(model, w, key, x, options, options.sum ?? []);
  return logPartitionSurrogate(model, w, samples, { ...pick(options), given: without(x, Object.keys(model.units)) });
}

/**
 * PCD-k: moves the `chains` (tensors of the state store, each [chains, ...event]) on by k sweeps, writes them back, and gives the mean over
 * them of the surrogate of log Z, []. `given` holds conditions, with leading axes as the chains'. Where the chains hold what is summed over, a sweep
 * ends with it: its last draw and its mean in the estimate then share their products.
 */
export function pcd<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  chains: Values,
  options: ChainOptions & { readonly given?: Values } = {},
): Tensor {
  const names = options.sum ?? [];
  const kept = names.length > 0 && names.every((name) => Object.hasOwn(chains, name));
  const first = kept ? Object.keys(model.units).filter((name) => !names.includes(name)) : names;
  const samples = advance(model, w, key, { ...options.given, ...chains }, options, first);
  for (const [name, chain] of Object.entries(chains)) writeState(chain, samples[name]!);
  return mean(logPartitionSurrogate(model, w, samples, { ...pick(options), ...(options.given && { given: options.given }) }));
}

function advance<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  { k = 1, clamp, lead, totals, sampler }: ChainOptions,
  first: readonly string[],
): Values {
  if (sampler === undefined) {
    const sweep = sweepFrom(model, first);
    return gibbs(model, w, key, x, { sweeps: k, sweep, ...(clamp && { clamp }), ...(lead && { lead }), ...(totals && { totals }) });
  }
  let values = x;
  for (let i = 0; i < k; i++) values = sampler(key.fold(i), values);
  return values;
}

function pick({ sum, totals }: ChainOptions): Summation {
  return { ...(sum && { sum }), ...(totals && { totals }) };
}
