/**
 * Mixtures sum_k w_k f(x; params_k) of K components of one family, with the component axis in one of two places:
 *
 * - `trailing`: parameters [..., K], logits [..., K] or [K]; one mixture for each entry of x [...] (PixelCNN++, mixture density networks).
 * - `leading`: parameters [K, 1, ...event], logits [K] or [K, B]; one component for the whole event x [B, ...event] (mixture of Gaussians).
 *   `logProb` reduces the event's `eventRank` axes.
 *
 * Samples pick a component by the Gumbel-max trick and draw from it; the choice has no pathwise gradient, so they are cut. Of a mixture for each entry
 * whose components have a distribution function, the sample moves as the implicit function says (Figurnov, Mohamed & Mnih 2018, eq. 5).
 */
import {
  add,
  currentMode,
  div,
  exp,
  expandDims,
  lift,
  logSumExp,
  max,
  mul,
  oneHot,
  reshape,
  resolveShape,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { categorical, categoricalLogProbs, categoricalProbs, categoriesOf } from "./categorical.js";
import type { CategoricalParams } from "./categorical.js";
import { realVector, simplexVector } from "./distribution.js";
import type { Distribution, Logits, ParameterInfo, Probs } from "./distribution.js";
import { discretizedLogistic } from "./discretized-logistic.js";
import { logistic } from "./logistic.js";
import { normal } from "./normal.js";

/**
 * The mixture's weights as logits or probs, beside the component's parameters, each with the component axis. Where their names meet (a mixture
 * of Bernoullis), the component's stand under `of`.
 */
export type MixtureParams<P> = (Logits | Probs) & (P | { readonly of: P });

/** A family of components over scalars (over vectors too for `eventMixture`). */
export type Component<P extends object> = Distribution<P> & Required<Pick<Distribution<P>, "mean" | "variance">>;

/** The component's parameters, changed one by one. */
function componentParams<P extends object>(params: MixtureParams<P>, map: (value: Tensor) => TensorLike = (value) => value): P {
  const { logits: _logits, probs: _probs, ...rest } = params as Readonly<Record<string, TensorLike>>;
  const own = "of" in params ? (params.of as Readonly<Record<string, TensorLike>>) : rest;
  return Object.fromEntries(
    Object.entries(own).map(([name, value]) => [name, typeof value === "number" ? value : map(value)]),
  ) as unknown as P;
}

/** The weights alone. */
function weightsOf(params: Logits | Probs): CategoricalParams {
  return params.logits === undefined ? { probs: params.probs } : { logits: params.logits };
}

function parametersOf<P extends object>(component: Distribution<P>): readonly Readonly<Record<string, ParameterInfo | undefined>>[] {
  const own = component.parameters.map((record) =>
    Object.fromEntries(Object.entries(record).flatMap(([name, info]) => (info ? [[name, { ...info, rank: info.rank + 1 }]] : []))),
  );
  return [{ logits: realVector }, { probs: simplexVector }].flatMap((weights) => own.map((record) => ({ ...record, ...weights })));
}

/** One mixture for each entry: component axis last. */
export function mixture<P extends object>(name: string, component: Component<P>) {
  if (component.eventRank !== 0) throw new InternalError(`a trailing mixture of ${component.name}, which is over vectors`);
  // where a component ends or has all its mass, the sample jumps as the weights move
  const smooth = component.support !== "interval" && component.support !== "point";
  const implicit = component.reparameterised && component.cdf !== undefined && smooth;
  /** log sum_k w_k f_k(x) */
  const logProb = (x: TensorLike, params: MixtureParams<P>): Tensor =>
    logSumExp(add(categoricalLogProbs(weightsOf(params)), component.logProb(expandDims(lift(x), -1), componentParams<P>(params))), -1);
  const cdf = (x: TensorLike, params: MixtureParams<P>): Tensor => {
    if (component.cdf === undefined) throw new InternalError(`${component.name} has no cdf`);
    return sum(mul(categoricalProbs(weightsOf(params)), component.cdf(expandDims(lift(x), -1), componentParams<P>(params))), -1);
  };
  return {
    name,
    support: component.support,
    eventRank: 0,
    parameters: parametersOf(component),
    reparameterised: implicit,
    logProb,
    sample: (key, params, shape) => {
      const weights = weightsOf(params);
      const pick = oneHot(categorical.sample(key.at("component"), weights, shape), categoriesOf(weights));
      const chosen = componentParams<P>(params, (value) => (value.shape.length === 0 ? value : sum(mul(pick, value), -1)));
      const z = stopGradient(component.sample(key.at("value"), chosen, shape));
      return implicit && currentMode() === "train" ? followed(z, cdf(z, params), logProb(z, params)) : z;
    },
    mean: (params) => sum(mul(categoricalProbs(weightsOf(params)), component.mean(componentParams<P>(params))), -1),
    /** E[var] + E[mean^2] - E[mean]^2 */
    variance: (params) => {
      const w = categoricalProbs(weightsOf(params));
      const means = component.mean(componentParams<P>(params));
      const mean = sum(mul(w, means), -1);
      return add(sum(mul(w, component.variance(componentParams<P>(params))), -1), sub(sum(mul(w, square(means)), -1), square(mean)));
    },
    cdf,
  } satisfies Distribution<MixtureParams<P>>;
}

/** `z` as it moves with the parameters of its distribution function while the probability below it stays: dz = -dF(z) / p(z). */
function followed(z: Tensor, below: Tensor, logDensity: Tensor): Tensor {
  return sub(z, div(sub(below, stopGradient(below)), stopGradient(max(exp(logDensity), 1e-20))));
}

/**
 * One component for a whole event: component axis first. `eventAxes` is the number of event axes of x that one component explains.
 * For a component over vectors its own event counts among them.
 */
export function eventMixture<P extends object>(name: string, component: Component<P>, eventAxes: number) {
  const reduced = eventAxes - component.eventRank;
  if (reduced < 0) throw new InternalError(`an event of ${eventAxes} axes for ${component.name}`);
  /** The weights [K] or [K, B] as categorical parameters [..., K]. */
  const weightsLast = (params: MixtureParams<P>): CategoricalParams => {
    const turn = (x: TensorLike): Tensor => transpose(lift(x), [...lift(x).shape.keys()].slice(1).concat(0));
    const weights = weightsOf(params);
    return weights.logits === undefined ? { probs: turn(weights.probs) } : { logits: turn(weights.logits) };
  };
  /** Their logs [K, …, B] against a joint of the given rank. */
  const leadingLogs = (params: MixtureParams<P>, rank: number): Tensor => {
    const last = categoricalLogProbs(weightsLast(params));
    const first = transpose(last, [last.shape.length - 1, ...[...last.shape.keys()].slice(0, -1)]);
    const [size = 1, ...perRow] = first.shape;
    return reshape(first, [size, ...new Array<number>(Math.max(0, rank - 1 - perRow.length)).fill(1), ...perRow]);
  };
  return {
    name,
    support: component.support,
    eventRank: eventAxes,
    parameters: parametersOf(component),
    reparameterised: false,
    /** x [B, ...event] -> [B]: log sum_k w_k prod_event f_k(x) */
    logProb: (x, params) => {
      const each = component.logProb(x, componentParams<P>(params));
      const event = Array.from({ length: reduced }, (_, i) => each.shape.length - reduced + i);
      const joint = sum(each, event);
      return logSumExp(add(joint, leadingLogs(params, joint.shape.length)), 0);
    },
    /** `shape` is [...leading, ...event]; weights [K], or [K, B] for leading axes [..., B]. */
    sample: (key, params, shape) => {
      const leading = shape.slice(0, shape.length - eventAxes);
      const weights = weightsLast(params);
      const size = categoriesOf(weights);
      const index = categorical.sample(key.at("component"), weights, leading);
      const hot = oneHot(index, size);
      const plain = resolveShape(leading).shape;
      // [...leading, K] -> [K, ...leading, 1…]: weights to sum the parameters with.
      const order = [plain.length, ...plain.keys()];
      const chosen = componentParams<P>(params, (value) => {
        if (value.shape.length === 0) return value;
        const [, rows = 1, ...event] = value.shape;
        const weight = reshape(transpose(hot, order), [size, ...plain, ...event.map(() => 1)]);
        // The parameter's row axis meets the innermost leading axis.
        const spread = reshape(value, [size, ...plain.map((_, i) => (i === plain.length - 1 ? rows : 1)), ...event]);
        return sum(mul(weight, spread), 0);
      });
      return stopGradient(component.sample(key.at("value"), chosen, shape));
    },
  } satisfies Distribution<MixtureParams<P>>;
}

/** NormalMixture(logits, loc, scale), each [..., K]: one mixture for each entry. */
export const normalMixture = mixture("NormalMixture", normal);
/** LogisticMixture(logits, loc, scale), each [..., K]. */
export const logisticMixture = mixture("LogisticMixture", logistic);
/** DiscretizedLogisticMixture(logits, loc, scale), each [..., K], on bytes (Salimans et al. 2017, eq. 2, one mixture for each entry). */
export const discretizedLogisticMixture = mixture("DiscretizedLogisticMixture", discretizedLogistic);
