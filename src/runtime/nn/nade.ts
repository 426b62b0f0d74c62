/**
 * The neural autoregressive distribution estimator (Larochelle & Murray 2011, eqs. 3 and 4): one hidden layer for each entry, with shared weights.
 *
 *   h_d = sigmoid(c + Σ_{i<d} x_i W_i),   y_d = b_d + V_d · h_d
 *
 * The sums are running ones, so an example takes time O(D H), not O(D^2 H). An entry may be a vector x_i of K numbers, the one-hot one of a category:
 * W_i is K x H then, and with K outputs y_d are the logits of the entry's classes (Uria et al. 2016).
 */
import { add, cumsum, matmul, nadeOutputs, pad, reshape, sigmoid, sizeOf, sliceAxis, transpose } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { init, type Init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface Nade {
  /** W: from entries to the hidden layer, [D, H]; of vectors [D, K, H] */
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

/** x [..., D], or [..., D, K] where entries are vectors -> [..., D], or [..., D, outputs]: logits of a Bernoulli, or of classes, as a rule. */
export function nade(w: Nade, x: Tensor): Tensor {
  const event = w.inward.shape.slice(0, -1);
  const [entries = 0] = event;
  const hidden = w.inward.shape.at(-1) ?? 0;
  const lead = x.shape.slice(0, x.shape.length - event.length);
  if (showShape(x.shape.slice(lead.length)) !== showShape(event))
    throw shapeError(`nade: ${showShape(x.shape)} does not end with ${event.join(" x ")} entries`);
  const outputs = w.outward.shape.length === 3 ? [w.outward.shape[1] ?? 1] : [];
  const outward = reshape(w.outward, [entries, outputs[0] ?? 1, hidden]);
  const flat = reshape(x, [sizeOf(lead), ...event]);
  const y = event.length === 1 ? nadeOutputs(flat, w.inward, w.hiddenBias, outward) : ofVectors(w, flat, outward);
  return add(reshape(y, [...lead, entries, ...outputs]), w.bias);
}

/** x [B, D, K] -> [B, D, outputs] */
function ofVectors({ inward, hiddenBias }: Nade, x: Tensor, outward: Tensor): Tensor {
  const terms = matmul(transpose(x, [1, 0, 2]), inward);
  const before = cumsum(pad(sliceAxis(terms, 0, 0, (terms.shape[0] ?? 1) - 1), [1, 0, 0], [0, 0, 0]), 0);
  return transpose(matmul(sigmoid(add(before, hiddenBias)), outward, { transposeB: true }), [1, 0, 2]);
}

/** `entries`: D, or [D, K] of vectors. */
nade.spec = (entries: number | readonly [number, number], hidden: number, options: NadeSpecOptions = {}): LayerSpec<Nade> => {
  const { outputs, init: start = init.glorotUniform } = options;
  const event = typeof entries === "number" ? [entries] : entries;
  const [count = 0] = event;
  const out = outputs === undefined ? [] : [outputs];
  return layerSpec("nade", {
    inward: leaf([...event, hidden], start, [sizeOf(event), hidden]),
    hiddenBias: leaf([hidden], init.zeros),
    outward: leaf([count, ...out, hidden], start, [hidden, count * (outputs ?? 1)]),
    bias: leaf([count, ...out], init.zeros),
  });
};

/** [D] or [D, K] -> [D] or [D, outputs] */
nade.outShape = (event: readonly number[], outputs?: number): readonly number[] => [
  ...event.slice(0, 1),
  ...(outputs === undefined ? [] : [outputs]),
];
