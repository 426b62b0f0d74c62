/** Kernels of NADE's conditionals and their gradients, by the definition: one example after the other, one entry after the other. */
import type { NodeOf } from "../types.js";
import type { Value } from "./value.js";

interface Extents {
  readonly n: number;
  readonly d: number;
  readonly h: number;
  readonly o: number;
}

function extentsOf([x, inward, , outward]: readonly Value[]): Extents {
  return { n: x!.shape[0]!, d: x!.shape[1]!, h: inward!.shape[1]!, o: outward!.shape[1]! };
}

/** Hidden layers of an example, [D, H]. */
function hiddenOf([x, inward, bias]: readonly Value[], row: number, { d, h }: Extents): Float64Array {
  const sum = Float64Array.from(bias!.data);
  const hidden = new Float64Array(d * h);
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < h; j++) {
      hidden[i * h + j] = 1 / (1 + Math.exp(-sum[j]!));
      sum[j]! += x!.data[row * d + i]! * inward!.data[i * h + j]!;
    }
  }
  return hidden;
}

export function nadeKernel(_node: NodeOf<"nade">, inputs: readonly Value[], out: Value): void {
  const extents = extentsOf(inputs);
  const { n, d, h, o } = extents;
  const outward = inputs[3]!.data;
  for (let row = 0; row < n; row++) {
    const hidden = hiddenOf(inputs, row, extents);
    for (let i = 0; i < d * o; i++) {
      const at = Math.floor(i / o) * h;
      let total = 0;
      for (let j = 0; j < h; j++) total += outward[i * h + j]! * hidden[at + j]!;
      out.data[row * d * o + i] = total;
    }
  }
}

export function nadeGradKernel({ params }: NodeOf<"nadeGrad">, inputs: readonly Value[], out: Value): void {
  const extents = extentsOf(inputs);
  const { n, d, h, o } = extents;
  const [x, inward, , outward, dy] = inputs.map((value) => value.data);
  const weights = params.of === "weights";
  const [biasAt, outwardAt] = [d * h, d * h + h];
  for (let row = 0; row < n; row++) {
    const hidden = hiddenOf(inputs, row, extents);
    // gradient of the sum before entry i, from those after it
    const sum = new Float64Array(h);
    for (let i = d - 1; i >= 0; i--) {
      for (let j = 0; j < h; j++) {
        if (weights) out.data[i * h + j]! += x![row * d + i]! * sum[j]!;
        else out.data[row * d + i]! += sum[j]! * inward![i * h + j]!;
      }
      for (let j = 0; j < h; j++) {
        const own = hidden[i * h + j]!;
        let g = 0;
        for (let k = 0; k < o; k++) {
          const ct = dy![(row * d + i) * o + k]!;
          g += ct * outward![(i * o + k) * h + j]!;
          if (weights) out.data[outwardAt + (i * o + k) * h + j]! += ct * own;
        }
        sum[j]! += g * own * (1 - own);
      }
    }
    if (weights) for (let j = 0; j < h; j++) out.data[biasAt + j]! += sum[j]!;
  }
}
