/**
 * The neural autoregressive distribution estimator (Larochelle & Murray 2011, eqs. 3 and 4): one hidden layer for each entry, with shared weights.
 *
 *   h_d = sigmoid(c + Σ_{i<d} x_i W_i),   y_d = b_d + V_d · h_d
 *
 * The sums are running ones, so an example takes time O(D H), not O(D^2 H).
 */
import { add, nadeOutputs, reshape, sizeOf } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { init, type Init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface Nade {
  /** W: from entries to the hidden layer, [D, H] */
  readonly inward: Tensor;
  /** c: [H] */
  readonly hiddenBias: Tensor;
  /** V: from the hidden layer to an entry's parameters, [D, H], with several [D, outputs, H] */
  readonly outward: Tensor;
  /** b: [D] or [D, outputs] */
  readonly bias: Tensor;
}

export interface NadeSpecOptions {
  /** Parameters of an entry: the result is [D, outputs], [D] where this is left out. */
  readonly outputs?: number;
  /** Of both matrices. Default Glorot uniform over D and H. */
  readonly init?: Init;
}

/** x [..., D] -> [..., D], or [..., D, outputs]: logits of a Bernoulli as a rule. */
export function nade(w: Nade, x: Tensor): Tensor {
  const [entries = 0, hidden = 0] = w.inward.shape;
  if (x.shape.at(-1) !== entries) throw shapeError(`nade: ${showShape(x.shape)} does not end with ${entries} entries`);
  const outputs = w.outward.shape.length === 3 ? [w.outward.shape[1] ?? 1] : [];
  const flat = reshape(x, [sizeOf(x.shape.slice(0, -1)), entries]);
  const y = nadeOutputs(flat, w.inward, w.hiddenBias, reshape(w.outward, [entries, outputs[0] ?? 1, hidden]));
  return add(reshape(y, [...x.shape, ...outputs]), w.bias);
}

nade.spec = (entries: number, hidden: number, options: NadeSpecOptions = {}): LayerSpec<Nade> => {
  const { outputs, init: start = init.glorotUniform } = options;
  const out = outputs === undefined ? [] : [outputs];
  return layerSpec("nade", {
    inward: leaf([entries, hidden], start),
    hiddenBias: leaf([hidden], init.zeros),
    outward: leaf([entries, ...out, hidden], start, [hidden, entries * (outputs ?? 1)]),
    bias: leaf([entries, ...out], init.zeros),
  });
};

/** [D] -> [D] or [D, outputs] */
nade.outShape = (event: readonly number[], outputs?: number): readonly number[] => [...event, ...(outputs === undefined ? [] : [outputs])];
