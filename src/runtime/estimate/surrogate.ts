/**
 * The algebra that gradient estimators are written in: a surrogate is a tensor whose value is the estimate of an expectation and whose gradient is an
 * estimate of the expectation's gradient. So an estimate stays what it was once it is a surrogate, and surrogates add up and nest: an outer one takes
 * an inner one for the value that it averages.
 */
import { add, exp, grad, mul, stopGradient, sub, sum, type Tensor, type TensorLike } from "../graph/index.js";
import { currentTrace } from "../graph/trace.js";

/** 0, with the gradient of `x`. */
export function only(x: Tensor): Tensor {
  return sub(x, stopGradient(x));
}

/**
 * The value of `f`, with the gradient of E[f] over draws of log-probability `logQ`: ∇f + (f - baseline) ∇logQ (Williams 1992). The box
 * exp(logQ - stop(logQ)) of DiCE (Foerster et al. 2018, eq. 7) is 1, so derivatives of every order are right; so are they with a baseline
 * (Mao et al. 2019), which must not depend on what is drawn. `f`, `logQ` and `baseline` broadcast.
 */
export function scoreFunction(f: Tensor, logQ: Tensor, baseline?: TensorLike): Tensor {
  const box = exp(only(logQ));
  const plain = mul(f, box);
  return baseline === undefined
    ? plain
    : add(plain, mul(typeof baseline === "number" ? baseline : stopGradient(baseline as Tensor), sub(1, box)));
}

/**
 * Counts `loss` among what every update of the stage minimises beside its objective, whichever way that goes: what trains a baseline or a control
 * variate. Its value is part of no metric.
 */
export function auxiliaryLoss(loss: Tensor): void {
  currentTrace().auxiliary.push(loss);
}

/** Lets `weights`, and nothing else that the scalar `loss` depends on, descend it. */
export function learn(loss: Tensor, weights: readonly Tensor[]): void {
  const slopes = weights.length > 0 ? grad(loss, weights) : [];
  weights.forEach((w, i) => {
    const slope = slopes[i];
    if (slope) auxiliaryLoss(sum(mul(stopGradient(slope), only(w))));
  });
}

/** The losses counted so far in this stage. */
export function auxiliaryLosses(): readonly Tensor[] {
  return currentTrace().auxiliary;
}

/** Parameters of a distribution through which no gradient passes, those of what it mixes too. */
export function holdFixed<P extends object>(params: P): P {
  const held = Object.entries(params).map(([name, value]: [string, unknown]) => [
    name,
    isTensor(value) ? stopGradient(value) : typeof value === "object" && value !== null ? holdFixed(value) : value,
  ]);
  return Object.fromEntries(held) as P;
}

/** Every tensor of a tree of weights at or below the paths, `control.dense1`. */
export function weightsUnder(weights: object, paths: readonly string[]): readonly Tensor[] {
  const below = (node: unknown): readonly Tensor[] =>
    isTensor(node) ? [node] : typeof node === "object" && node !== null ? Object.values(node).flatMap(below) : [];
  return paths.flatMap((path) => below(path.split(".").reduce<unknown>((node, part) => (node as Record<string, unknown>)[part], weights)));
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === "object" && value !== null && "id" in value && "shape" in value && "dtype" in value;
}
