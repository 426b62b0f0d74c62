/**
 * Activation normalisation (Kingma & Dhariwal 2018, section 3.1): a scale and shift for each channel, which start so that the first batch leaves
 * it with mean 0 and variance 1 for each channel, and are plain weights from then on.
 */
import { add, div, log, mul, neg, sqrt, stopGradient } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "../nn/init.js";
import { batchStatistics } from "../nn/normalise.js";
import { layerSpec, leaf } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { fromInput, startingFrom } from "../nn/start.js";
import { affine } from "./affine.js";
import type { Affine } from "./affine.js";
import { channelsOf, closed } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

/** Least standard deviation that a channel counts as at the start: one that never changes must not be blown up. */
const LEAST = 1e-3;

/** x = z exp(logScale) + shift, both [C], for the last axis. */
export function actnorm(w: Affine, options: EventOptions): Bijector {
  channelsOf("actnorm", options.event);
  const started = (t: Tensor, start: (loc: Tensor, variance: Tensor) => Affine): Bijector =>
    affine(
      startingFrom(w, () => {
        const batch = batchStatistics(stopGradient(t));
        return start(batch.mean, add(batch.variance, LEAST ** 2));
      }),
      options,
    );
  return {
    // either way it is what comes out that gets mean 0 and variance 1
    forward: (z) => started(z, (loc, v) => ({ shift: neg(div(loc, sqrt(v))), logScale: mul(-0.5, log(v)) })).forward(z),
    inverse: (x) => started(x, (loc, v) => ({ shift: loc, logScale: mul(0.5, log(v)) })).inverse(x),
    directions: closed,
  };
}
actnorm.spec = (channels: number): LayerSpec<Affine> =>
  layerSpec("actnorm", { shift: fromInput(leaf([channels], init.zeros)), logScale: fromInput(leaf([channels], init.zeros)) });
