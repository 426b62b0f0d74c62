/**
 * Noise-contrastive estimation: the energy tells data from noise of known density, with log Z as one more parameter or fitted to the rows (Gutmann &
 * Hyvarinen 2010), or ranks each row among noise of its own, where log Z cancels (Ma & Collins 2018).
 */
import {
  add,
  concat,
  expandDims,
  less,
  logSigmoid,
  logSumExp,
  max,
  mean,
  min,
  mul,
  neg,
  reduceMax,
  reduceMin,
  select,
  sigmoid,
  stopGradient,
  sub,
  sum,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy, type Summation } from "./free-energy.js";
import { held } from "./values.js";

export interface NoiseContrast extends Pick<Summation, "sum" | "joint" | "paired" | "enumerate"> {
  /** Noise rows, as many for each row of data as `logNoise.noise` has on its first axis: values [ratio, ...lead, ...event]. */
  readonly noise: Values;
  /** log density of the noise distribution at the data [...lead] and at the noise [ratio, ...lead]. */
  readonly logNoise: { readonly data: Tensor; readonly noise: Tensor };
  /**
   * The parameter that stands for log Z; "fitted": the value at which the objective of these rows is greatest, over all leading axes; "ranked": none,
   * for an energy whose Z differs from row to row.
   */
  readonly logZ: TensorLike | "fitted" | "ranked";
}

/**
 * log sigmoid(G(x)) + Σ over the noise of log sigmoid(-G(y)), [...lead], to be maximised, with G = log p - log p_noise - log ratio; where rows are
 * ranked, G(x) - log(exp G(x) + Σ over the noise of exp G(y)). Conditions in `x` are those of the noise too; the noise gets no gradient.
 */
export function noiseContrastive<W>(model: EnergyModel<W>, w: W, x: Values, options: NoiseContrast): Tensor {
  const { noise, logNoise, logZ, ...summation } = options;
  const ratio = logNoise.noise.shape[0] ?? 1;
  const contrast = (values: Values, log: Tensor): Tensor =>
    sub(neg(freeEnergy(model, w, values, summation)), add(stopGradient(log), Math.log(ratio)));
  const [data, noised] = [contrast(x, logNoise.data), contrast({ ...x, ...held(noise) }, logNoise.noise)];
  if (logZ === "ranked") return sub(data, logSumExp(concat([expandDims(data, 0), noised], 0), 0));
  const constant = logZ === "fitted" ? fittedLogZ(stopGradient(data), stopGradient(noised), ratio) : logZ;
  return add(logSigmoid(sub(data, constant)), sum(logSigmoid(sub(constant, noised)), 0));
}

/** Halvings of the interval: f32 tells no more values apart. */
const HALVINGS = 24;

/**
 * The c at which mean log sigmoid(data - c) + Σ mean log sigmoid(c - noise) is greatest, without gradient: there its derivative in c is 0, so that
 * of the objective in the weights is the same as with c among them. It falls in c, from above 0 at the least of the log-odds to below 0 at the greatest
 * plus log ratio, so halving finds the root.
 */
function fittedLogZ(data: Tensor, noise: Tensor, ratio: number): Tensor {
  let low = min(reduceMin(data), reduceMin(noise));
  let high = add(max(reduceMax(data), reduceMax(noise)), Math.log(ratio));
  for (let i = 0; i < HALVINGS; i++) {
    const middle = mul(0.5, add(low, high));
    const slope = sub(mul(ratio, mean(sigmoid(sub(noise, middle)))), mean(sigmoid(sub(middle, data))));
    const rises = less(0, slope);
    low = select(rises, middle, low);
    high = select(rises, high, middle);
  }
  return mul(0.5, add(low, high));
}
