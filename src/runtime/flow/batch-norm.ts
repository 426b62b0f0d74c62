/**
 * Batch normalisation as a bijection (Dinh et al. 2017, section 3.7 and appendix E; Papamakarios et al. 2017, appendix B), for the last axis: from x
 * to z, z = (x - m) / sqrt(v + eps) exp(logScale) + shift, log |det| = positions Σ (logScale - log(v + eps) / 2).
 */
import { add, currentMode, exp, log, mul, neg, sub, sum } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { init } from "../nn/init.js";
import { batchStatistics, moveRunning } from "../nn/normalise.js";
import type { BatchNormOptions } from "../nn/normalise.js";
import { layerSpec, leaf, untrained } from "../nn/spec.js";
import type { LayerSpec } from "../nn/spec.js";
import { channelsOf, closed, leadOf, perExample, positionsOf } from "./bijector.js";
import type { Bijector, EventOptions } from "./bijector.js";

/** All [C]; the running statistics are state that no optimiser moves. */
export interface BatchNormFlow {
  readonly shift: Tensor;
  readonly logScale: Tensor;
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
}

/**
 * From x to z, a training stage takes m and v from the batch, as do the gradients, and moves the running statistics; the log-determinant is
 * that of the map with m and v held fixed, as in both papers. An evaluation stage takes the running ones. From z to x both take the running
 * ones, since m and v are those of x. Training goes from x to z; a flow that is trained from z to x (a posterior) takes its inverse.
 */
export function batchNormFlow(w: BatchNormFlow, { event, momentum = 0.9, eps = 1e-5 }: EventOptions & BatchNormOptions): Bijector {
  channelsOf("batchNorm", event);
  /** log of what z is multiplied by, less shift, from x. */
  const logFactor = (variance: Tensor): Tensor => sub(w.logScale, mul(0.5, log(add(variance, eps))));
  const logDet = (factor: Tensor): Tensor => mul(positionsOf(event), sum(factor));
  return {
    inverse: (x) => {
      const lead = leadOf("batchNorm", x, event);
      const training = currentMode() === "train";
      const batch = training ? batchStatistics(x) : undefined;
      if (batch) moveRunning({ runningMean: w.runningMean, runningVariance: w.runningVariance }, batch, momentum);
      const factor = logFactor(batch?.variance ?? w.runningVariance);
      return {
        value: add(mul(sub(x, batch?.mean ?? w.runningMean), exp(factor)), w.shift),
        logDet: perExample(logDet(factor), lead),
      };
    },
    forward: (z) => {
      const lead = leadOf("batchNorm", z, event);
      const factor = logFactor(w.runningVariance);
      return { value: add(mul(sub(z, w.shift), exp(neg(factor))), w.runningMean), logDet: perExample(neg(logDet(factor)), lead) };
    },
    directions: closed,
  };
}
batchNormFlow.spec = (channels: number): LayerSpec<BatchNormFlow> =>
  layerSpec("batchNormFlow", {
    shift: leaf([channels], init.zeros),
    logScale: leaf([channels], init.zeros),
    runningMean: untrained([channels], init.zeros),
    runningVariance: untrained([channels], init.ones),
  });
