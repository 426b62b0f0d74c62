/**
 * Estimators for entries that are Bernoulli each, given what was drawn before. Each evaluates `f` at several related samples, on a first axis:
 * `…Draws` gives them, [n, ..., B, ...event], the function of the estimator's name takes `f` there, [n, ..., B], and gives [..., B].
 */
import {
  abs,
  add,
  cast,
  concat,
  expandDims,
  eye,
  greater,
  less,
  mean,
  mul,
  randomUniform,
  reshape,
  sigmoid,
  sliceAxis,
  squeeze,
  stack,
  stopGradient,
  sub,
  transpose,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { beforeEvent, sumLast } from "../graph/last-axes.js";
import { bernoulli, bernoulliLogits, bernoulliProbs, type BernoulliParams } from "../prob/bernoulli.js";
import { only } from "./surrogate.js";

const row = (x: Tensor, i: number): Tensor => squeeze(sliceAxis(x, 0, i, i + 1), [0]);

/** The uniforms that a pair of antithetic samples is made from. */
function pairNoise(key: Key, shape: DrawShape): Tensor {
  return randomUniform(key, shape.slice(1));
}

/** Two samples from one uniform u an entry: 1[1 - u < p] and 1[u < p]. `shape` [2, ..., B, ...event]. */
export function antitheticDraws(key: Key, params: BernoulliParams, shape: DrawShape): Tensor {
  const u = pairNoise(key, shape);
  const p = bernoulliProbs(params);
  return stack([cast(less(sub(1, u), p), "f32"), cast(less(u, p), "f32")], 0);
}

/**
 * DisARM (Dong, Mnih & Tucker 2020, eq. 8), also called U2G (Yin et al. 2020): half the difference of `f` at two antithetic samples, for the entries at
 * which these differ, times the probability of the likelier value.
 */
export function disarm(f: Tensor, z: Tensor, params: BernoulliParams): Tensor {
  const rank = z.shape.length - f.shape.length;
  const logits = bernoulliLogits(params);
  const gap = beforeEvent(sub(row(f, 0), row(f, 1)), rank);
  const slope = mul(gap, mul(0.5, mul(sub(row(z, 0), row(z, 1)), sigmoid(abs(logits)))));
  return add(mean(f, [0]), sumLast(mul(stopGradient(slope), only(logits)), rank));
}

/** ARM (Yin & Zhou 2019, eq. 8): the same with the uniform itself, less 1/2. `key` and `shape` are those of the draws. */
export function arm(f: Tensor, z: Tensor, params: BernoulliParams, key: Key, shape: DrawShape): Tensor {
  const rank = z.shape.length - f.shape.length;
  const gap = beforeEvent(sub(row(f, 0), row(f, 1)), rank);
  const slope = mul(gap, sub(pairNoise(key, shape), 0.5));
  return add(mean(f, [0]), sumLast(mul(stopGradient(slope), only(bernoulliLogits(params))), rank));
}

/** A sample, and for each of its entries the sample with that entry turned over. `shape` [1 + entries, ..., B, ...event]. */
export function flippedDraws(key: Key, params: BernoulliParams, shape: DrawShape): Tensor {
  const z = expandDims(bernoulli.sample(key, params, shape.slice(1)), 0);
  const [count] = shape;
  const entries = typeof count === "number" ? count - 1 : 0;
  const rank = eventRankOf(shape);
  const event = z.shape.slice(z.shape.length - rank);
  const turned = reshape(eye(entries), [entries, ...z.shape.slice(1, z.shape.length - rank).map(() => 1), ...event]);
  return concat([z, sub(add(z, turned), mul(2, mul(z, turned)))], 0);
}

/** Axes after the rows. */
function eventRankOf(shape: DrawShape): number {
  const rows = shape.findIndex((d) => typeof d !== "number");
  return shape.length - 1 - rows;
}

/**
 * Local expectation gradients (Titsias & Lazaro-Gredilla 2015, eq. 7): each entry is summed over both its values, the others being as drawn. The exact
 * gradient where there is one entry.
 */
export function localExpectation(f: Tensor, z: Tensor, params: BernoulliParams): Tensor {
  const rank = z.shape.length - f.shape.length;
  const drawn = row(z, 0);
  const value = row(f, 0);
  const [all = 1] = f.shape;
  const turned = sub(sliceAxis(f, 0, 1, all), expandDims(value, 0));
  const last = transpose(
    turned,
    [...value.shape.keys(), -1].map((axis) => axis + 1),
  );
  const event = drawn.shape.slice(drawn.shape.length - rank);
  const gain = mul(reshape(last, [...value.shape, ...event]), sub(1, mul(2, drawn)));
  return add(value, sumLast(mul(stopGradient(gain), only(bernoulliProbs(params))), rank));
}

/** 1 where a logit and its noise are above 0. */
export function threshold(x: Tensor): Tensor {
  return cast(greater(x, 0), "f32");
}
