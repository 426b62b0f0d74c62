/** Convolutions as products, with data, for every kind of array they can read; the truth is the reference engine's kernels. */
import { convFilterGradGemm, convGemm, convInputGradGemm, type Flat } from "../../../src/runtime/engines/webgpu/gemm/index.js";
import type { GemmSpec } from "../../../src/runtime/engines/webgpu/gemm/types.js";
import { convFilterGradKernel, convInputGradKernel, convKernel } from "../../../src/runtime/graph/semantics/kernels-conv.js";
import { allocate, valueOf } from "../../../src/runtime/graph/semantics/value.js";
import { convShape } from "../../../src/runtime/graph/shape-rules.js";
import type { ConvParams, NodeOf, Shape } from "../../../src/runtime/graph/types.js";
import { numbers } from "./gemm-cases.js";

export interface Convolution {
  readonly what: string;
  readonly x: Shape;
  readonly w: Shape;
  readonly params: ConvParams;
}

const params = (stride: Shape, padding: readonly (readonly [number, number])[], dilation: Shape, groups = 1): ConvParams => ({
  stride,
  padding,
  dilation,
  groups,
});
const [one, two] = [
  [1, 1],
  [2, 2],
];
const around = (n: number): (readonly [number, number])[] => [
  [n, n],
  [n, n],
];

export const convolutions: readonly Convolution[] = [
  { what: "a window of 3, same size", x: [2, 7, 6, 4], w: [3, 3, 4, 5], params: params(one, around(1), one) },
  { what: "an even window, stride 2, as in DCGAN", x: [2, 8, 8, 4], w: [4, 4, 4, 8], params: params(two, around(1), one) },
  { what: "no padding", x: [1, 6, 9, 3], w: [2, 5, 3, 4], params: params(one, around(0), one) },
  {
    what: "everything uneven",
    x: [2, 9, 10, 6],
    w: [3, 2, 3, 4],
    params: params(
      [2, 3],
      [
        [2, 0],
        [1, 2],
      ],
      [1, 2],
      2,
    ),
  },
  { what: "stride and dilation with a common factor", x: [2, 11, 9, 2], w: [3, 3, 2, 3], params: params(two, around(2), two) },
  { what: "one axis, stride 4, dilation 6", x: [2, 23, 3], w: [4, 3, 2], params: params([4], [[3, 5]], [6]) },
  { what: "one axis in two groups", x: [3, 10, 8], w: [5, 4, 8], params: params([1], [[2, 2]], [1], 2) },
  { what: "one axis, causal", x: [2, 12, 4], w: [2, 4, 4], params: params([1], [[4, 0]], [4]) },
  { what: "depthwise", x: [2, 5, 6, 4], w: [3, 3, 1, 4], params: params(one, around(1), one, 4) },
  { what: "pointwise", x: [2, 5, 3, 8], w: [1, 1, 8, 4], params: params(one, around(0), one) },
  { what: "pointwise in groups", x: [2, 5, 3, 8], w: [1, 1, 4, 12], params: params(one, around(0), one, 2) },
  { what: "a stride longer than the window", x: [2, 7, 8, 3], w: [1, 2, 3, 4], params: params([3, 3], around(0), one) },
  {
    what: "a crop",
    x: [1, 8, 7, 2],
    w: [2, 3, 2, 3],
    params: params(
      [2, 1],
      [
        [-1, 0],
        [0, -2],
      ],
      one,
    ),
  },
];

export const kinds = ["conv", "convInputGrad", "convFilterGrad"] as const;

export interface PreparedConvolution {
  readonly spec: GemmSpec;
  readonly inputs: readonly Float32Array[];
  readonly outputs: number;
  readonly expected: Float64Array;
}

/** `reading` is how the arrays are declared; one whose size is no multiple of 4 stays one of scalars. */
export function prepareConvolution(
  { x, w, params }: Convolution,
  kind: (typeof kinds)[number],
  reading: "array" | "vectors" | "read",
): PreparedConvolution {
  const y = convShape(params, x, w);
  const size = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);
  const shapes = { x, w, y };
  const [first, second, out] = ({ conv: ["x", "w", "y"], convInputGrad: ["y", "w", "x"], convFilterGrad: ["x", "y", "w"] } as const)[kind];
  const inputs = [first, second].map((name, i) => numbers(size(shapes[name]), i + 3));
  const values = [first, second].map((name, i) => valueOf(shapes[name], "f32", inputs[i]!));
  const result = allocate(shapes[out], "f32");
  if (kind === "conv") convKernel({ params } as NodeOf<"conv">, values, result);
  else if (kind === "convInputGrad")
    convInputGradKernel({ params: { ...params, inputShape: x } } as NodeOf<"convInputGrad">, values, result);
  else convFilterGradKernel({ params: { ...params, filterShape: w } } as NodeOf<"convFilterGrad">, values, result);

  const flat = (i: number): Flat => {
    const name = `${"ab"[i]}Data`;
    if (reading === "read") return { read: `${name}At` };
    return { array: name, vectors: reading === "vectors" && inputs[i]!.length % 4 === 0 };
  };
  const bindings = inputs.map((data, i) => {
    const vectors = reading === "vectors" && data.length % 4 === 0;
    const name = `${"ab"[i]}Data`;
    const binding = `@group(0) @binding(${i}) var<storage, read> ${name}: array<${vectors ? "vec4<f32>" : "f32"}>;\n`;
    return reading === "read" ? `${binding}fn ${name}At(index: u32) -> f32 { return ${name}[index]; }\n` : binding;
  });
  const gemm =
    kind === "conv"
      ? convGemm(params, x, w, { x: flat(0), w: flat(1) }, "conv")
      : kind === "convInputGrad"
        ? convInputGradGemm({ ...params, inputShape: x }, y, w, { dy: flat(0), w: flat(1) }, "conv")
        : convFilterGradGemm({ ...params, filterShape: w }, x, y, { x: flat(0), dy: flat(1) }, "conv");
  const drop = gemm.partial ? "if (at == 0xffffffffu) { return; } " : "";
  const declarations = `${bindings.join("")}@group(0) @binding(2) var<storage, read_write> cData: array<f32>;
${gemm.functions}fn put(batch: u32, row: u32, col: u32, value: f32) { let at = ${gemm.place}(batch, row, col); ${drop}cData[at] = value; }`;
  const { m, n, k, batch, a, b } = gemm;
  return {
    spec: { m, n, k, batch, a, b, declarations, store: "put" },
    inputs,
    outputs: size(shapes[out]),
    expected: result.data as Float64Array,
  };
}
