/**
 * Convolutions that look at one position at a time: with a window of 1, stride 1 and no padding, x * w is the product of each position's channels
 * with a matrix, and so are both gradients. As products they take what products take (a bias, a gate, transposed operands), and an engine that
 * holds channels first has nothing to move.
 */
import { reshape } from "../ops/structure.js";
import { sizeOf } from "../shape.js";
import { emit, type Tensor } from "../trace.js";
import type { ConvParams, Prim, PrimParams, Shape } from "../types.js";

export function simplifyConvolution(prim: Prim, [x, y]: readonly Tensor[], params: PrimParams[Prim]): Tensor | undefined {
  switch (prim) {
    case "conv": {
      if (!isPointwise(params as ConvParams, y!.shape)) return undefined;
      return emit("matmul", [x!, matrix(y!)], { transposeA: false, transposeB: false });
    }
    case "convInputGrad": {
      if (!isPointwise(params as ConvParams, y!.shape)) return undefined;
      return emit("matmul", [x!, matrix(y!)], { transposeA: false, transposeB: true });
    }
    case "convFilterGrad": {
      const { filterShape } = params as PrimParams["convFilterGrad"];
      if (!isPointwise(params as ConvParams, filterShape)) return undefined;
      return reshape(emit("matmul", [positions(x!), positions(y!)], { transposeA: true, transposeB: false }), filterShape);
    }
    default:
      return undefined;
  }
}

function isPointwise({ stride, padding, groups }: ConvParams, filter: Shape): boolean {
  const ones = filter
    .slice(0, -2)
    .concat(stride)
    .every((n) => n === 1);
  return ones && groups === 1 && padding.flat().every((n) => n === 0);
}

/** [1, …, Cin, Cout] as [Cin, Cout]. */
const matrix = (w: Tensor): Tensor => reshape(w, w.shape.slice(-2));

/** [N, ...spatial, C] as [N positions, C]. */
const positions = (t: Tensor): Tensor => reshape(t, [sizeOf(t.shape.slice(0, -1)), t.shape.at(-1)!]);
