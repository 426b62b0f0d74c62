/** Affine layer whose kernel is masked by integer degrees (MADE, Germain et al. 2015, eqs. 8 to 11): what makes a dense net autoregressive. */
import { add, matmul, mul, reshape } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { shapeError, showShape } from "../graph/shape.js";
import { degreeMask, unitsOf, type Degrees, type DegreeRule, type MaskChoice } from "./degrees.js";
import type { DenseOptions } from "./dense.js";
import { flatten } from "./events.js";
import { init } from "./init.js";
import { layerSpec, leaf } from "./spec.js";
import type { LayerSpec } from "./spec.js";

export interface MaskedDense {
  /** [in, out]; entries that the mask holds at 0 have no gradient and stay as they began. */
  readonly kernel: Tensor;
  /** [out] */
  readonly bias?: Tensor;
}

/**
 * x [..., in] -> x @ (kernel * mask) + bias [..., out]. Where a rule has channels that are not flat, that side of the layer is [D, channels] in place of one axis.
 * `choice` picks one of several masks in place of the rule's own (see `drawnMask`), or all of them: the result then has a leading axis [masks, ...].
 */
export function maskedDense(w: MaskedDense, x: Tensor, rule: DegreeRule, choice?: MaskChoice): Tensor {
  const flat = hasChannels(rule.from) ? flatten(x, 2) : x;
  if (flat.shape.at(-1) !== unitsOf(rule.from))
    throw shapeError(`maskedDense: ${showShape(x.shape)} does not end with the ${unitsOf(rule.from)} units of its rule`);
  const product = matmul(flat, mul(w.kernel, degreeMask(rule, choice)));
  const y = w.bias === undefined ? product : add(product, w.bias);
  return hasChannels(rule.to) ? reshape(y, [...y.shape.slice(0, -1), rule.to.size, rule.to.channels ?? 1]) : y;
}

function hasChannels(degrees: Degrees): degrees is Degrees & { readonly kind: "order" | "hidden" } {
  return (degrees.kind === "order" || degrees.kind === "hidden") && degrees.channels !== undefined && degrees.flat !== true;
}

/** `inputs` and `outputs` count units: D times the channels where a side has some. GM4901 where they are not those of the rule. */
maskedDense.spec = (inputs: number, outputs: number, options: DegreeRule & DenseOptions): LayerSpec<MaskedDense> => {
  for (const [units, degrees] of [
    [inputs, options.from],
    [outputs, options.to],
  ] as const) {
    if (units !== unitsOf(degrees)) throw shapeError(`maskedDense: ${units} units, and the rule gives degrees to ${unitsOf(degrees)}`);
  }
  return layerSpec("maskedDense", {
    kernel: leaf([inputs, outputs], options.init ?? init.glorotUniform),
    ...(options.bias === false ? {} : { bias: leaf([outputs], options.biasInit ?? init.zeros) }),
  });
};

/** Event shape [D] or [D, c] -> [D, n], or [n] of hidden units. */
maskedDense.outShape = (rule: DegreeRule): readonly number[] => {
  const { to } = rule;
  return hasChannels(to) ? [to.size, to.channels ?? 1] : [unitsOf(to)];
};
