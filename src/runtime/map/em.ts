/**
 * The M-step of expectation maximisation, as a surrogate whose gradient step of rate 1 arrives at the estimates.
 *
 * The weight of a conditional at each row and state is the derivative of the likelihood in its log: the posterior of the state, or 1 at the best one
 * where the likelihood is a maximum over states. A parameter that picks entries of a weight gathers its statistics by the derivative of the picking
 * (a sum over all places that read an entry), so any indexing and sharing within one parameter is counted right.
 *
 * Estimates from batches come of exponential averages of these statistics, carried from step to step.
 */
import { assertNever, InternalError } from "../graph/errors.js";
import {
  abs,
  add,
  cast,
  div,
  exp,
  expandDims,
  expm1,
  floor,
  grad,
  greater,
  less,
  lift,
  log,
  log1p,
  max,
  mean,
  min,
  mul,
  neg,
  oneHot,
  randomUniform,
  reshape,
  select,
  sizeOf,
  sqrt,
  square,
  stack,
  state,
  stopGradient,
  sub,
  sum,
  take,
  writeState,
  zeros,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { beforeEvent } from "../graph/last-axes.js";
import { gradientIn, leaf } from "../graph/gradients.js";
import { fitMap, type LinearMap } from "./linear-maps.js";
import { leavesUnder, type LeafConstraint, type WeightSpecs } from "../nn/spec.js";

/** A parameter of a distribution that picks entries of a weight. */
export interface Fitted {
  /** Of the weight. */
  readonly path: string;
  /** The weight, as the model sees it. */
  readonly of: Tensor;
  /** Picks the entries, [..., ...event]. */
  readonly at: (weight: Tensor) => Tensor;
  /** The parameter is this of the entries. */
  readonly link?: "exp";
  /** A location [K, ...row], rows of which start again where they hardly count: `row` is a whole x, or the last axes of one. */
  readonly ofRows?: boolean;
}

export type FittedLaw =
  "normal" | "logNormal" | "halfNormal" | "exponential" | "bernoulli" | "poisson" | "categorical" | "oneHotCategorical" | "multinomial";

export interface MStep {
  readonly law: FittedLaw;
  /** What is drawn, [..., ...event]. */
  readonly x: Tensor;
  /** Axes of the event. */
  readonly axes: number;
  /** Its log-probability where the likelihood reads it, [...]. */
  readonly logProb: Tensor;
  /** All parameters as they are. */
  readonly given: Readonly<Record<string, TensorLike>>;
  /** Those that are estimated, in order: each given the ones before it as found. */
  readonly fits: Readonly<Record<string, Fitted>>;
  /** Of a normal: its location, where weights of a linear map are estimated. */
  readonly map?: LinearMap;
  /**
   * Where normal latents are integrated out, `x` and all parameters are those at the mean of their posterior, and this is how x - loc deviates from there
   * (x less the offset of a map): [n, ..., ...event], along the n columns of a factor of the posterior covariance.
   */
  readonly spread?: Tensor;
}

/** How steps that take batches average their statistics. */
export interface Averaging {
  /** What the update carries: under `em:PATH` sums and counts of a weight's entries, [2, ...the weight]. */
  readonly carried: Readonly<Record<string, Tensor>>;
  /** Share of the past that an average keeps, below 1: N <- decay N + (1 - decay) n. */
  readonly decay: number;
  /** Laplace smoothing of the K counts N of a weight: (N + smooth) / (ΣN + K smooth) ΣN. */
  readonly smooth: number;
  /**
   * Rows of a location that count for less than `below` of the average start again at rows of the batch, drawn by `key`, at every step until enough is
   * theirs (Dhariwal et al. 2020, section 3.1). Their averages go on.
   */
  readonly restart?: { readonly below: number; readonly key: Key };
}

/** An entry that counts for less is one that no row counts for: sums as small are no longer exact in float32. */
const COUNTED = 1e-30;

/** Estimates keep this far from 0, and probabilities from 1 also: at the very end a log-density has none. */
const EDGE = 1e-6;

/**
 * A number whose gradient in the stored weights is estimate minus weight: a step of rate 1 upwards sets them. `value` [B] is the likelihood, whose
 * derivative in each `logProb` weighs a conditional. An entry that no row counts for stays. With `averaging`, estimates come of statistics averaged over
 * steps (Cappé & Moulines 2009; van den Oord et al. 2017, appendix A.1), which start at 0: their ratio needs no correction for it.
 */
export function mSteps(weights: WeightSpecs, value: Tensor, steps: readonly MStep[], averaging?: Averaging): Tensor {
  const total = steps.flatMap((step) => {
    const shares = stopGradient(gradientIn(value, step.logProb));
    return Object.entries(estimates(step, shares, averaging)).map(([path, estimate]) => {
      const [found] = leavesUnder(weights, path);
      if (!found) throw new InternalError(`no weight ${path}`);
      const stored = state(found.path, found.spec.shape);
      return sum(square(sub(stored, stopGradient(unconstrainedTensor(found.spec.constraint, estimate)))));
    });
  });
  return total.reduce<Tensor>((all, t) => sub(all, mul(0.5, t)), lift(0));
}

/** Value -> state, as in `unconstrained` of the host. */
function unconstrainedTensor(constraint: LeafConstraint, value: Tensor): Tensor {
  switch (constraint) {
    case "none":
      return value;
    case "positive":
      return add(value, log(neg(expm1(neg(value)))));
    case "unit":
      return sub(log(value), log1p(neg(value)));
    case "simplex":
      return log(value);
    default:
      return assertNever(constraint);
  }
}

/** The weights estimated, by path, as the model sees them. */
function estimates(step: MStep, shares: Tensor, averaging: Averaging | undefined): Readonly<Record<string, Tensor>> {
  const found: Record<string, Tensor> = {};
  const weighed = beforeEvent(shares, step.axes);
  const counts = (count: Tensor): Tensor => greater(count, averaging ? COUNTED : 0);
  const put = (name: string, value: Tensor, count: Tensor): Tensor => {
    const fitted = fit(step, name);
    const entry = fitted.link === "exp" ? log(max(value, EDGE)) : value;
    const estimate = select(counts(count), entry, fitted.of);
    const kept = averaging?.restart && fitted.ofRows ? restarted(averaging.restart, fitted, estimate, count, step.x) : estimate;
    found[fitted.path] = kept;
    const now = fitted.at(kept);
    return fitted.link === "exp" ? exp(now) : now;
  };
  const averageOf = (name: string, x: TensorLike, w: Tensor = weighed): { readonly value: Tensor; readonly count: Tensor } => {
    const fitted = fit(step, name);
    // an entry that all of an event reads counts for each of its entries
    const all = averaged(averaging, fitted, gathered(fitted, mul(w, x)), gathered(fitted, add(w, zeros(lift(x).shape))));
    return { value: div(all.sums, select(counts(all.counts), smoothed(averaging, all.counts), 1)), count: all.counts };
  };
  const has = (name: string): boolean => step.fits[name] !== undefined;
  switch (step.law) {
    case "normal":
    case "logNormal": {
      const x = step.law === "normal" ? step.x : log(step.x);
      let loc: TensorLike = step.given["loc"] ?? 0;
      let spread = step.spread;
      if (step.map) {
        const scale = step.given["scale"] ?? 1;
        const map = fitMap(step.map, x, perRow(weighed, scale), div(weighed, square(scale)), spread);
        Object.assign(found, map.weights);
        ({ loc, spread } = map);
      }
      if (has("loc")) {
        const { value, count } = averageOf("loc", x, div(weighed, square(step.given["scale"] ?? 1)));
        loc = put("loc", value, count);
      }
      if (has("scale")) {
        const squares = square(sub(x, loc));
        const { value, count } = averageOf("scale", spread ? add(squares, sum(square(spread), [0])) : squares);
        put("scale", sqrt(max(value, EDGE * EDGE)), count);
      }
      return found;
    }
    case "halfNormal": {
      const { value, count } = averageOf("scale", square(step.x));
      put("scale", sqrt(max(value, EDGE * EDGE)), count);
      return found;
    }
    case "exponential": {
      const { value, count } = averageOf("rate", step.x);
      put("rate", div(1, max(value, EDGE)), count);
      return found;
    }
    case "poisson": {
      const { value, count } = averageOf("rate", step.x);
      put("rate", max(value, EDGE), count);
      return found;
    }
    case "bernoulli": {
      const name = has("logits") ? "logits" : "probs";
      const { value, count } = averageOf(name, step.x);
      const probs = min(max(value, EDGE), 1 - EDGE);
      put(name, name === "probs" ? probs : sub(log(probs), log1p(neg(probs))), count);
      return found;
    }
    case "categorical":
    case "oneHotCategorical":
    case "multinomial": {
      const name = has("logits") ? "logits" : "probs";
      const fitted = fit(step, name);
      const classes = fitted.of.shape.at(-1) ?? 1;
      const [x, w] = step.law === "categorical" ? [oneHot(step.x, classes), expandDims(weighed, -1)] : [step.x, weighed];
      const now = gathered(fitted, mul(w, x));
      const raw = averaged(averaging, fitted, now, now).counts;
      const total = (t: Tensor): Tensor => expandDims(sum(t, [-1]), -1);
      const each = smoothed(averaging, raw);
      const probs = max(div(each, select(counts(total(raw)), total(each), 1)), EDGE);
      put(name, name === "probs" ? div(probs, total(probs)) : log(div(probs, total(probs))), add(total(raw), mul(0, abs(raw))));
      return found;
    }
    default:
      return assertNever(step.law);
  }
}

/** Weights of rows under their noise: one level for a row weighs it, levels of the entries weigh all rows of an entry alike. */
function perRow(weights: Tensor, scale: TensorLike = 1): Tensor {
  const { shape } = lift(scale);
  return shape.length === 0 || shape.at(-1) === 1 ? div(weights, square(scale)) : weights;
}

/** An estimate [K, ...row] with rows of x in place of those that count for too little. */
function restarted(
  { below, key }: NonNullable<Averaging["restart"]>,
  { path, of }: Fitted,
  estimate: Tensor,
  count: Tensor,
  x: Tensor,
): Tensor {
  const [codes = 1, ...row] = of.shape;
  const rows = reshape(x, [sizeOf(x.shape) / sizeOf(row), ...row]);
  const n = rows.shape[0] ?? 1;
  const at = cast(min(floor(mul(randomUniform(key.at(`restart.${path}`), [codes]), n)), n - 1), "i32");
  return select(less(count, mul(below, mean(count))), take(rows, at, 0), estimate);
}

interface Statistics {
  readonly sums: Tensor;
  readonly counts: Tensor;
}

/** Statistics of a weight's entries with those of the steps before, which the next step finds; as they are where nothing is averaged. */
function averaged(averaging: Averaging | undefined, { path }: Fitted, sums: Tensor, counts: Tensor): Statistics {
  if (!averaging) return { sums, counts };
  const { carried, decay } = averaging;
  const before = carried[`em:${path}`];
  if (!before) throw new InternalError(`no averages of ${path} are carried`);
  const now = stopGradient(add(mul(decay, before), mul(1 - decay, stack([sums, counts], 0))));
  writeState(before, now);
  return { sums: take(now, 0, 0), counts: take(now, 1, 0) };
}

/** Counts after Laplace smoothing: none is 0 where any is above, and their total stays. */
function smoothed(averaging: Averaging | undefined, counts: Tensor): Tensor {
  if (!averaging || averaging.smooth === 0) return counts;
  const { smooth } = averaging;
  const all = sum(counts);
  return mul(add(counts, smooth), div(all, add(all, smooth * sizeOf(counts.shape))));
}

function fit(step: MStep, name: string): Fitted {
  const found = step.fits[name];
  if (!found) throw new InternalError(`the ${name} of a ${step.law} is not estimated`);
  return found;
}

/** For each entry of the weight, the sum of `amounts` over the places that read it. */
function gathered({ of, at }: Fitted, amounts: Tensor): Tensor {
  const entries = leaf(of);
  const [found] = grad(sum(mul(at(entries), stopGradient(amounts))), [entries]);
  return found as Tensor;
}
