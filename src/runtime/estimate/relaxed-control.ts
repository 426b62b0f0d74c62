/**
 * The score function with a control variate from a relaxation: REBAR (Tucker et al. 2017) and RELAX (Grathwohl et al. 2018), for entries that are
 * Bernoulli each, and for one-hot vectors. `f` is evaluated at a sample and at two relaxed ones, on a first axis of 3. Scale, temperature and the control variate itself descend
 * the variance of the gradient in the logits; they are read as earlier steps left them, so the estimate has no bias.
 */
import {
  add,
  concat,
  div,
  exp,
  grad,
  greater,
  lift,
  max,
  mean,
  min,
  mul,
  neg,
  randomUniform,
  reshape,
  select,
  sigmoid,
  sliceAxis,
  softmax,
  softplus,
  sqrt,
  square,
  squeeze,
  stack,
  stopGradient,
  sub,
  sum,
  vjp,
  writeState,
  log,
  log1p,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { beforeEvent, sumLast } from "../graph/last-axes.js";
import { sameShape } from "../graph/shape.js";
import { bernoulli, bernoulliLogits, bernoulliProbs, type BernoulliParams } from "../prob/bernoulli.js";
import { categoricalProbs, oneHotCategorical, type CategoricalParams } from "../prob/categorical.js";
import { memoryOf, type Carried } from "./baseline.js";
import { threshold } from "./binary.js";
import { conditionedGumbels } from "./one-hot.js";
import { learn, only } from "./surrogate.js";

export interface ControlOptions {
  /** Of the relaxation: a number or that of a schedule, times what is learned. */
  readonly temperature: number | Tensor;
  /** Whether scale and temperature move. */
  readonly learned?: boolean;
}

/** Step of the learned scale and log temperature, in units of the root of their mean squared gradients (Tieleman & Hinton 2012). */
const STEP = 0.01;
const KEPT = 0.99;

const entry = (memory: Tensor, i: number): Tensor => squeeze(sliceAxis(memory, 0, i, i + 1), [0]);

/** Carries [4]: scale - 1, log of the temperature over its start, and mean squared gradients of both. */
function controls(memory: Tensor | undefined, temperature: number | Tensor): { readonly scale: Tensor; readonly temperature: Tensor } {
  if (!memory) return { scale: lift(1), temperature: lift(temperature) };
  return { scale: add(1, entry(memory, 0)), temperature: mul(temperature, exp(entry(memory, 1))) };
}

function logitNoise(key: Key, shape: DrawShape): Tensor {
  const u = min(max(randomUniform(key, shape), 2 ** -25), 1 - 2 ** -24);
  return sub(log(u), log1p(neg(u)));
}

/**
 * A sample b = 1[g > 0] with g = logits + noise, its relaxation sigmoid(g / temperature), and the relaxation of a g drawn anew given b (Tucker et al.
 * 2017, appendix A). `shape` [3, ..., B, ...event].
 */
export function relaxedDraws(
  key: Key,
  params: BernoulliParams,
  shape: DrawShape,
  carried: Carried,
  name: string,
  options: ControlOptions,
): Tensor {
  const { temperature } = controls(options.learned === false ? undefined : memoryOf(carried, name), options.temperature);
  const logits = bernoulliLogits(params);
  const inner = shape.slice(1);
  const g = add(logits, logitNoise(key.at("first"), inner));
  const b = threshold(g);
  const again = logitNoise(key.at("second"), inner);
  const given = select(greater(b, 0.5), softplus(add(again, softplus(logits))), neg(softplus(add(again, softplus(neg(logits))))));
  return stack([b, sigmoid(div(g, temperature)), sigmoid(div(given, temperature))], 0);
}

/** The same of one-hot vectors: the unit vector at the largest g = log p + Gumbel noise, relaxed to softmax(g / temperature). */
export function relaxedOneHotDraws(
  key: Key,
  params: CategoricalParams,
  shape: DrawShape,
  carried: Carried,
  name: string,
  options: ControlOptions,
): Tensor {
  const { temperature } = controls(options.learned === false ? undefined : memoryOf(carried, name), options.temperature);
  const { b, g, given } = conditionedGumbels(key, params, shape.slice(1));
  return stack([b, softmax(div(g, temperature), -1), softmax(div(given, temperature), -1)], 0);
}

const row = (x: Tensor, i: number): Tensor => squeeze(sliceAxis(x, 0, i, i + 1), [0]);

/**
 * [f(b) - η c(z̃)] ∇log q(b) + η ∇c(z) - η ∇c(z̃), the control variate c being f itself. `f` [3, ..., B] at `relaxedDraws` `z` -> [..., B].
 */
export function rebar(f: Tensor, z: Tensor, params: BernoulliParams, carried: Carried, name: string, options: ControlOptions): Tensor {
  return controlled(f, undefined, z, bits(params), options.learned === false ? undefined : memoryOf(carried, name), options, []);
}

/** `rebar` at `relaxedOneHotDraws`. */
export function rebarOneHot(
  f: Tensor,
  z: Tensor,
  params: CategoricalParams,
  carried: Carried,
  name: string,
  options: ControlOptions,
): Tensor {
  return controlled(f, undefined, z, unitVectors(params), options.learned === false ? undefined : memoryOf(carried, name), options, []);
}

/**
 * The same with c = f + `control`, a function of the sample that `weights` parametrise: they descend the variance of the gradient. `control` [3, ..., B].
 */
export function relax(
  f: Tensor,
  control: Tensor,
  z: Tensor,
  params: BernoulliParams,
  carried: Carried,
  name: string,
  options: ControlOptions & { readonly weights: readonly Tensor[] },
): Tensor {
  return controlled(f, control, z, bits(params), options.learned === false ? undefined : memoryOf(carried, name), options, options.weights);
}

/** `relax` at `relaxedOneHotDraws`. */
export function relaxOneHot(
  f: Tensor,
  control: Tensor,
  z: Tensor,
  params: CategoricalParams,
  carried: Carried,
  name: string,
  options: ControlOptions & { readonly weights: readonly Tensor[] },
): Tensor {
  const memory = options.learned === false ? undefined : memoryOf(carried, name);
  return controlled(f, control, z, unitVectors(params), memory, options, options.weights);
}

/** What is drawn, to the estimate: its log-probability, and the parameter that its draws are made of with the score in it. */
interface Relaxed {
  /** [..., B]; `rank` axes of an event. */
  readonly logProb: (b: Tensor, rank: number) => Tensor;
  readonly root: Tensor;
  readonly score: (b: Tensor) => Tensor;
}

const bits = (params: BernoulliParams): Relaxed => ({
  logProb: (b, rank) => sumLast(bernoulli.logProb(b, params), rank),
  root: params.logits === undefined ? lift(params.probs) : lift(params.logits),
  score: (b) => (params.logits === undefined ? scoreOfProbs(b, params) : sub(b, bernoulliProbs(params))),
});

const unitVectors = (params: CategoricalParams): Relaxed => ({
  logProb: (b, rank) => sumLast(oneHotCategorical.logProb(b, params), rank - 1),
  root: params.logits === undefined ? lift(params.probs) : lift(params.logits),
  score: (b) => {
    const centred = sub(b, categoricalProbs(params));
    return params.logits === undefined ? div(centred, categoricalProbs(params)) : centred;
  },
});

function controlled(
  f: Tensor,
  control: Tensor | undefined,
  z: Tensor,
  drawn: Relaxed,
  memory: Tensor | undefined,
  options: ControlOptions,
  weights: readonly Tensor[],
): Tensor {
  const rank = z.shape.length - f.shape.length;
  const value = row(f, 0);
  const b = stopGradient(row(z, 0));
  const { scale } = controls(memory, options.temperature);
  const c = control ? add(f, control) : f;
  const [smooth, given] = [row(c, 1), row(c, 2)];
  const logQ = drawn.logProb(b, rank);
  const signal = sub(value, mul(scale, given));
  const paths = [f, ...(control ? [control] : [])].map((t) => throughSamples(t, z, rank)).reduce((sum, t) => add(sum, t));
  const surrogate = add(add(value, mul(stopGradient(signal), only(logQ))), mul(stopGradient(scale), paths));
  if (!memory && weights.length === 0) return surrogate;
  // the estimate in what the draws are made of, as a function of scale, temperature and control variate
  const { root } = drawn;
  const difference = sub(smooth, given);
  const through = vjp([difference], [add(mul(difference, 0), 1)], [root])[0];
  const direct = vjp([value], [add(mul(value, 0), 1)], [root])[0];
  const plain = summedTo(mul(beforeEvent(signal, rank), drawn.score(b)), root.shape);
  const estimate = add(add(plain, through ? mul(scale, through) : lift(0)), direct ? stopGradient(direct) : lift(0));
  const spread = estimate.shape.length === 0 ? square(estimate) : mean(sum(square(estimate), [-1]));
  if (memory) move(memory, spread);
  learn(spread, weights);
  return surrogate;
}

/**
 * 0, with the gradient that the difference of `t` [3, ..., B] at both relaxed samples has through them. What else `t` reads, weights of p or its own,
 * has none: both samples have one distribution, so it would be noise around 0.
 */
function throughSamples(t: Tensor, z: Tensor, rank: number): Tensor {
  const difference = sub(row(t, 1), row(t, 2));
  // a sample that several copies of an outer draw share has no slope of each: there the noise stays
  if (!sameShape(z.shape.slice(0, z.shape.length - rank), t.shape)) return only(difference);
  const [slope] = vjp([difference], [add(mul(difference, 0), 1)], [z]);
  return slope ? sum(sumLast(mul(stopGradient(slope), only(z)), rank), [0]) : lift(0);
}

/** The sum over the axes that a parameter shares: rows, where it is the same for all of them, as its gradient is one. */
function summedTo(x: Tensor, shape: readonly number[]): Tensor {
  const missing = x.shape.length - shape.length;
  const leading =
    missing === 0
      ? x
      : sum(
          x,
          Array.from({ length: missing }, (_, a) => a),
        );
  const shared = shape.flatMap((size, a) => (size === 1 && leading.shape[a] !== 1 ? [a] : []));
  return shared.length === 0 ? leading : reshape(sum(leading, shared), shape);
}

/** ∂/∂p of log q(b). */
function scoreOfProbs(b: Tensor, params: BernoulliParams): Tensor {
  const p = bernoulliProbs(params);
  return sub(div(b, p), div(sub(1, b), sub(1, p)));
}

function move(memory: Tensor, spread: Tensor): void {
  const [slope] = grad(spread, [memory]);
  if (!slope) return;
  const own = sliceAxis(slope, 0, 0, 2);
  const squares = add(mul(KEPT, sliceAxis(memory, 0, 2, 4)), mul(1 - KEPT, square(own)));
  const moved = sub(sliceAxis(memory, 0, 0, 2), mul(STEP, div(own, add(sqrt(squares), 1e-8))));
  writeState(memory, concat([stopGradient(moved), stopGradient(squares)], 0));
}
