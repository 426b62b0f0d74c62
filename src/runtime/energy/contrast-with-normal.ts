/** Noise-contrastive estimation against a Normal with the means and variances of the batch. */
import { broadcastTo, mean, randomNormal, add, mul, sqrt, stopGradient, sum, variance, type Key, type Tensor } from "../graph/index.js";
import { normal } from "../prob/normal.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { noiseContrastive } from "./noise-contrastive.js";

export interface ContrastOptions {
  /** The real variable. */
  readonly name: string;
  /** Noise samples for each row of data; 1 by default. */
  readonly ratio?: number;
  readonly sum?: readonly string[];
  readonly enumerate?: readonly string[];
}

/**
 * Gutmann & Hyvarinen 2010, eq. 8: log-odds of data against noise, [B], to be maximised. log Z is fitted to the batch, so that the
 * energy needs no constant of its own, and one that it has is left where it is.
 */
export function contrastWithNormal<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: ContrastOptions): Tensor {
  const { name, ratio = 1, sum: summed, enumerate } = options;
  const data = x[name]!;
  const loc = stopGradient(mean(data, 0));
  const scale = stopGradient(sqrt(add(variance(data, 0), 1e-6)));
  const shape = [ratio, ...data.shape];
  const noise = stopGradient(add(loc, mul(broadcastTo(scale, shape), randomNormal(key.at(name), shape))));
  const event = data.shape.slice(1).map((_, i, all) => i - all.length);
  const logNoise = (t: Tensor): Tensor => {
    const each = normal.logProb(t, { loc, scale });
    return event.length === 0 ? each : sum(each, event);
  };
  return noiseContrastive(model, w, x, {
    noise: { [name]: noise },
    logNoise: { data: logNoise(data), noise: logNoise(noise) },
    logZ: "fitted",
    ...(summed && { sum: summed }),
    ...(enumerate && { enumerate }),
  });
}
