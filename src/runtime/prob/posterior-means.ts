/** Means of observed variables over the exact posterior of the latents that a log-density sums out. */
import { expandDims, grad, mul, sum } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";

/** One variable at every state of the latents that it is drawn from. */
export interface AtStates {
  /** Its log-density there, [...states, B, ...entries]: a term of the sum. */
  readonly logProb: Tensor;
  /** Its mean there, [...states, B, ...event] or what broadcasts to that. */
  readonly mean: Tensor;
  /** How many axes of states there are. */
  readonly states: number;
  /** Axes of the event, from the end, that the log-density does not have. */
  readonly lacks?: readonly number[];
}

/**
 * E[states | data](mean) of each variable, [B, ...event]. The posterior probability of the states that a term of `logP` [B] is at, is the derivative of
 * `logP` by that term (Darwiche 2003, "A Differential Approach to Inference in Bayesian Networks", section 4): all of them are one backward pass.
 */
export function posteriorMeans<T extends string>(logP: Tensor, of: Readonly<Record<T, AtStates>>): Record<T, Tensor> {
  const names = Object.keys(of) as T[];
  const weights = grad(
    sum(logP),
    names.map((name) => of[name].logProb),
  );
  const means = names.map((name, i): [T, Tensor] => {
    const { mean, states, lacks = [] } = of[name];
    const weight = [...lacks].sort((a, b) => b - a).reduce((w, axis) => expandDims(w, axis), weights[i] as Tensor);
    return [
      name,
      states === 0
        ? mean
        : sum(
            mul(weight, mean),
            Array.from({ length: states }, (_, axis) => axis),
          ),
    ];
  });
  return Object.fromEntries(means) as Record<T, Tensor>;
}
