/**
 * Mixtures sum_k w_k f(x; params_k) of K components of one family, with the component axis in one of two places:
 *
 * - `trailing`: parameters [..., K], logits [..., K] or [K]; one mixture for each entry of x [...] (PixelCNN++, mixture density networks).
 * - `leading`: parameters [K, 1, ...event], logits [K] or [K, B]; one component for the whole event x [B, ...event] (mixture of Gaussians).
 *   `logProb` reduces the event's `eventRank` axes.
 *
 * Samples pick a component by the Gumbel-max trick and draw from it; the choice has no pathwise gradient, so they are cut.
 */
import {
  add,
  expandDims,
  lift,
  logSoftmax,
  logSumExp,
  mul,
  oneHot,
  reshape,
  resolveShape,
  sizeOf,
  softmax,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
} from "../graph/index.js";
import type { Tensor, TensorLike } from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { categorical } from "./categorical.js";
import { realVector } from "./distribution.js";
import type { Distribution, ParameterInfo } from "./distribution.js";
import { discretizedLogistic } from "./discretized-logistic.js";
import { logistic } from "./logistic.js";
import { normal } from "./normal.js";

/** The component's parameters by name, each with the component axis, and the mixture's logits. */
export type MixtureParams<P> = P & { readonly logits: TensorLike };

/** A family of components that has no parameter of the name `logits` and is over scalars. */
export type Component<P extends object> = Distribution<P> & Required<Pick<Distribution<P>, "mean" | "variance">>;

function componentParams<P extends object>(params: MixtureParams<P>, map: (value: Tensor) => TensorLike): P {
  const entries = Object.entries(params as Readonly<Record<string, TensorLike>>).filter(([name]) => name !== "logits");
  return Object.fromEntries(entries.map(([name, value]) => [name, typeof value === "number" ? value : map(value)])) as unknown as P;
}

function parametersOf<P extends object>(component: Distribution<P>): readonly Readonly<Record<string, ParameterInfo>>[] {
  return component.parameters.map((record) => ({
    logits: realVector,
    ...Object.fromEntries(Object.entries(record).flatMap(([name, info]) => (info ? [[name, { ...info, rank: info.rank + 1 }]] : []))),
  }));
}

/** One mixture for each entry: component axis last. */
export function mixture<P extends object>(name: string, component: Component<P>) {
  if (component.eventRank !== 0) throw new InternalError(`a trailing mixture of ${component.name}, which is over vectors`);
  const weights = (params: MixtureParams<P>): Tensor => softmax(lift(params.logits), -1);
  const parts = (params: MixtureParams<P>): P => componentParams<P>(params, (value) => value);
  return {
    name,
    support: component.support,
    eventRank: 0,
    parameters: parametersOf(component),
    reparameterised: false,
    /** log sum_k w_k f_k(x) */
    logProb: (x, params) =>
      logSumExp(add(logSoftmax(lift(params.logits), -1), component.logProb(expandDims(lift(x), -1), parts(params))), -1),
    sample: (key, params, shape) => {
      const categories = lift(params.logits).shape.at(-1) ?? 1;
      const pick = oneHot(categorical.sample(key.at("component"), { logits: params.logits }, shape), categories);
      const chosen = componentParams<P>(params, (value) => (value.shape.length === 0 ? value : sum(mul(pick, value), -1)));
      return stopGradient(component.sample(key.at("value"), chosen, shape));
    },
    mean: (params) => sum(mul(weights(params), component.mean(parts(params))), -1),
    /** E[var] + E[mean^2] - E[mean]^2 */
    variance: (params) => {
      const w = weights(params);
      const means = component.mean(parts(params));
      const mean = sum(mul(w, means), -1);
      return add(sum(mul(w, component.variance(parts(params))), -1), sub(sum(mul(w, square(means)), -1), square(mean)));
    },
    cdf: (x, params) => {
      if (component.cdf === undefined) throw new InternalError(`${component.name} has no cdf`);
      return sum(mul(weights(params), component.cdf(expandDims(lift(x), -1), parts(params))), -1);
    },
  } satisfies Distribution<MixtureParams<P>>;
}

/**
 * One component for a whole event: component axis first. `eventAxes` is the number of event axes of x that one component explains.
 * For a component over vectors its own event counts among them.
 */
export function eventMixture<P extends object>(name: string, component: Component<P>, eventAxes: number) {
  const reduced = eventAxes - component.eventRank;
  if (reduced < 0) throw new InternalError(`an event of ${eventAxes} axes for ${component.name}`);
  const parts = (params: MixtureParams<P>): P => componentParams<P>(params, (value) => value);
  /** logits as [K, …] against [K, B] */
  const leadingLogits = (logits: TensorLike, rank: number): Tensor => {
    const all = lift(logits);
    const size = all.shape[0] ?? 1;
    const perRow = all.shape.slice(1);
    const normalised = transpose(logSoftmax(transpose(reshape(all, [size, sizeOf(perRow)])), -1));
    return reshape(normalised, [size, ...new Array<number>(Math.max(0, rank - 1 - perRow.length)).fill(1), ...perRow]);
  };
  return {
    name,
    support: component.support,
    eventRank: eventAxes,
    parameters: parametersOf(component),
    reparameterised: false,
    /** x [B, ...event] -> [B]: log sum_k w_k prod_event f_k(x) */
    logProb: (x, params) => {
      const each = component.logProb(x, parts(params));
      const event = Array.from({ length: reduced }, (_, i) => each.shape.length - reduced + i);
      const joint = sum(each, event);
      return logSumExp(add(joint, leadingLogits(params.logits, joint.shape.length)), 0);
    },
    /** `shape` is [...leading, ...event]; logits [K]. */
    sample: (key, params, shape) => {
      const leading = shape.slice(0, shape.length - eventAxes);
      const size = lift(params.logits).shape[0] ?? 1;
      const index = categorical.sample(key.at("component"), { logits: params.logits }, leading);
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
