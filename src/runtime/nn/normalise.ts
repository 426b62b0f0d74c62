/**
 * Normalising layers over [..., C], channels last. Each centres and scales x by statistics over some axes, then applies a trained scale and
 * shift per channel. Statistics are biased (divided by n), as is usual.
 */
import {
  add,
  currentMode,
  div,
  keepDims,
  mean,
  mul,
  reshape,
  sizeOf,
  sqrt,
  square,
  stopGradient,
  sub,
  variance,
  writeState,
} from "../graph/index.js";
import type { Shape, Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { currentTrace, producer } from "../graph/trace.js";
import { init } from "./init.js";
import { layerSpec, leaf, untrained } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface NormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number;
}

/** scale and shift [C]. */
export interface ChannelNorm {
  readonly scale: Tensor;
  readonly shift: Tensor;
}

const channelLeaves = (shape: Shape) => ({ scale: leaf(shape, init.ones), shift: leaf(shape, init.zeros) });

/** Mean and (biased) variance over all axes but the last, and over how many values. */
export function batchStatistics(x: Tensor): { readonly mean: Tensor; readonly variance: Tensor; readonly count: number } {
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  return { mean: mean(x, axes), variance: variance(x, axes), count: sizeOf(x.shape.slice(0, -1)) };
}

/** (x - mean) / sqrt(variance + eps) over `axes`, and the statistics. */
function standardised(
  x: Tensor,
  axes: readonly number[],
  eps: number,
): { readonly y: Tensor; readonly mean: Tensor; readonly variance: Tensor } {
  const mu = mean(x, axes);
  const centred = sub(x, keepDims(mu, x.shape, axes));
  const variance = mean(square(centred), axes);
  return { y: div(centred, sqrt(add(keepDims(variance, x.shape, axes), eps))), mean: mu, variance };
}

// ---- batch normalisation ------------------------------------------------------------------------

export interface BatchNorm extends ChannelNorm {
  /** Running statistics [C]: state that no optimiser moves. */
  readonly runningMean: Tensor;
  readonly runningVariance: Tensor;
}

export interface BatchNormOptions extends NormOptions {
  /** Share of the old running statistics that a step keeps. Default 0.9. */
  readonly momentum?: number;
}

/**
 * Batch normalisation (Ioffe & Szegedy 2015, algorithms 1 and 2) of x [..., C]. In a training stage, by the mean and variance over all axes
 * but the last, and the running statistics move: r <- momentum r + (1 - momentum) batch, with the unbiased variance n / (n - 1). In an evaluation
 * stage, by the running statistics. Training batches are full (partial ones are dropped), and evaluation stages read and never write, so
 * padding cannot reach the running statistics. Two calls in one stage move them twice, one after the other.
 */
export function batchNorm(w: BatchNorm, x: Tensor, { momentum = 0.9, eps = 1e-5 }: BatchNormOptions = {}): Tensor {
  if (currentMode() === "eval") return add(mul(div(sub(x, w.runningMean), sqrt(add(w.runningVariance, eps))), w.scale), w.shift);
  const axes = x.shape.slice(0, -1).map((_, i) => i);
  const batch = standardised(x, axes, eps);
  moveRunning(w, { ...batch, count: sizeOf(x.shape.slice(0, -1)) }, momentum);
  return add(mul(batch.y, w.scale), w.shift);
}

/** Moves running statistics towards those of a batch of `count` values. */
export function moveRunning(
  w: Pick<BatchNorm, "runningMean" | "runningVariance">,
  batch: { readonly mean: Tensor; readonly variance: Tensor; readonly count: number },
  momentum: number,
): void {
  move(w.runningMean, batch.mean, momentum);
  move(w.runningVariance, mul(batch.variance, batch.count / Math.max(1, batch.count - 1)), momentum);
}

function move(running: Tensor, batch: Tensor, momentum: number): void {
  writeState(running, stopGradient(add(mul(momentum, pending(running)), mul(1 - momentum, batch))));
}

/** What a state entry holds after the writes staged so far. */
export function pending(entry: Tensor): Tensor {
  const node = producer(entry);
  return (node.prim === "state" ? currentTrace().writes.get(node.params.name) : undefined) ?? entry;
}

batchNorm.spec = (channels: number): LayerSpec<BatchNorm> =>
  layerSpec("batchNorm", {
    ...channelLeaves([channels]),
    runningMean: untrained([channels], init.zeros),
    runningVariance: untrained([channels], init.ones),
  });

// ---- layer, group, instance normalisation -------------------------------------------------------

/** Layer normalisation (Ba et al. 2016): over the last axes, as many as `scale` has; [C] for one. */
export function layerNorm(w: ChannelNorm, x: Tensor, { eps = 1e-5 }: NormOptions = {}): Tensor {
  const rank = x.shape.length;
  const axes = w.scale.shape.map((_, i) => rank - w.scale.shape.length + i);
  return add(mul(standardised(x, axes, eps).y, w.scale), w.shift);
}
layerNorm.spec = (shape: number | Shape): LayerSpec<ChannelNorm> =>
  layerSpec("layerNorm", channelLeaves(typeof shape === "number" ? [shape] : shape));

export interface GroupNormOptions extends NormOptions {
  /** Number of spatial axes before the channels: 2 for images (the default), 1 for sequences, 0 for vectors. */
  readonly spatial?: number;
}

/** Group normalisation (Wu & He 2018) of x [..., ...spatial, C]: over space and the channels of each group. `scale` and `shift` are [groups, C / groups]. */
export function groupNorm(w: ChannelNorm, x: Tensor, { eps = 1e-5, spatial = 2 }: GroupNormOptions = {}): Tensor {
  const [groups = 1, size = 1] = w.scale.shape;
  const channels = x.shape.at(-1);
  if (channels !== groups * size || x.shape.length < spatial + 1) {
    throw shapeError(`groupNorm: ${showShape(x.shape)} is not ${spatial} spatial axes and ${groups * size} channels`);
  }
  const split = reshape(x, [...x.shape.slice(0, -1), groups, size]);
  const rank = split.shape.length;
  const axes = [...Array.from({ length: spatial }, (_, i) => rank - 2 - spatial + i), rank - 1];
  return reshape(add(mul(standardised(split, axes, eps).y, w.scale), w.shift), x.shape);
}
groupNorm.spec = (channels: number, groups: number): LayerSpec<ChannelNorm> => {
  if (channels % groups !== 0) throw shapeError(`groupNorm: ${channels} channels do not divide into ${groups} groups`);
  return layerSpec("groupNorm", channelLeaves([groups, channels / groups]));
};

/** Instance normalisation (Ulyanov et al. 2016) of x [..., ...spatial, C]: each channel over space. */
export function instanceNorm(w: ChannelNorm, x: Tensor, { eps = 1e-5, spatial = 2 }: GroupNormOptions = {}): Tensor {
  if (x.shape.length < spatial + 1 || spatial < 1)
    throw shapeError(`instanceNorm: ${showShape(x.shape)} is not ${spatial} spatial axes and channels`);
  const axes = Array.from({ length: spatial }, (_, i) => x.shape.length - 1 - spatial + i);
  return add(mul(standardised(x, axes, eps).y, w.scale), w.shift);
}
instanceNorm.spec = (channels: number): LayerSpec<ChannelNorm> => layerSpec("instanceNorm", channelLeaves([channels]));
