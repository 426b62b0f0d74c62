/** The forms of a learned scale: from the raw number that a net gives to the log of a scale. */
import { assertNever } from "../graph/errors.js";
import { add, logSigmoid, mul, tanh } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";

/**
 * `tanh`: log scale = limit tanh(raw / limit), which is raw near 0 and bounded (Dinh et al. 2017, section 4.1, bound it by tanh, too).
 * `sigmoid`: the scale is sigmoid(raw + 2), close to 1 at the start and below 1 (Kingma et al. 2016, eq. 14; Kingma & Dhariwal 2018, in code).
 * `exp`: log scale = raw, as in Papamakarios et al. 2017; nothing bounds it.
 */
export type ScaleForm = "tanh" | "sigmoid" | "exp";

export interface ScaleOptions {
  readonly scale?: ScaleForm;
  /** Of `tanh`: the largest |log scale|. Default 3. */
  readonly limit?: number;
}

/** The log scale that a raw number stands for. */
export function logScaleOf(raw: Tensor, { scale = "tanh", limit = 3 }: ScaleOptions): Tensor {
  switch (scale) {
    case "exp":
      return raw;
    case "tanh":
      return mul(limit, tanh(mul(1 / limit, raw)));
    case "sigmoid":
      return logSigmoid(add(raw, 2));
    default:
      return assertNever(scale);
  }
}
