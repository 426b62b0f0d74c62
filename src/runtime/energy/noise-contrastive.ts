/**
 * Noise-contrastive estimation (Gutmann & Hyvarinen 2010): the energy, with log Z as one more parameter, tells data from noise of known density.
 */
import { add, logSigmoid, neg, sub, sum, type Tensor, type TensorLike } from "../graph/index.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy, type Summation } from "./free-energy.js";

export interface NoiseContrast {
  /** Noise rows, as many for each row of data as `logNoise.noise` has on its first axis: values [ratio, ...lead, ...event]. */
  readonly noise: Values;
  /** log density of the noise distribution at the data [...lead] and at the noise [ratio, ...lead]. */
  readonly logNoise: { readonly data: Tensor; readonly noise: Tensor };
  /** The parameter that stands for log Z; 0 where the energy has a free constant of its own. */
  readonly logZ?: TensorLike;
  readonly sum?: readonly string[];
}

/**
 * log sigmoid(G(x)) + Σ over the noise of log sigmoid(-G(y)), [...lead], to be maximised, with G = log p - log p_noise - log ratio. Conditions in `x`
 * are those of the noise too.
 */
export function noiseContrastive<W>(model: EnergyModel<W>, w: W, x: Values, options: NoiseContrast): Tensor {
  const { noise, logNoise, logZ = 0, sum: names } = options;
  const ratio = logNoise.noise.shape[0] ?? 1;
  const summation: Summation = names === undefined ? {} : { sum: names };
  const contrast = (values: Values, log: Tensor): Tensor =>
    sub(sub(neg(freeEnergy(model, w, values, summation)), add(log, logZ)), Math.log(ratio));
  const data = logSigmoid(contrast(x, logNoise.data));
  return add(data, sum(logSigmoid(neg(contrast({ ...x, ...noise }, logNoise.noise))), 0));
}
