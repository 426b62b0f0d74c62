/** Matrix products and convolutions. One spatial axis is two of which the first has one place; padding is done beforehand, so that any may be asked for. */
import { sizeOf } from "../../graph/shape.js";
import type { ConvParams, Prim, Shape } from "../../graph/types.js";
import type { Cell } from "./cell.js";
import type { Device } from "./device.js";
import type { Placed, Rule } from "./lowering.js";
import { spread } from "./lower-structure.js";
import type { TfTensor } from "./module.js";

const matmul: Rule<"matmul"> = {
  lower: (d, node, [a, b]) => {
    const { transposeA, transposeB } = node.params;
    const folds = b!.shape.length === 2 && a!.shape.length > 2 && !transposeA;
    const width = a!.shape[a!.shape.length - 1]!;
    const left = folds ? d.reshape(a!.tensor(), [sizeOf(a!.shape) / width, width]) : a!.tensor();
    const product = d.run("BatchMatMul", { a: left, b: b!.tensor() }, { transposeA, transposeB });
    return folds ? d.reshape(product, node.shape) : product;
  },
};

/** A convolution over two axes. */
interface Plane {
  readonly strides: readonly [number, number];
  readonly padding: readonly [readonly [number, number], readonly [number, number]];
  readonly dilations: readonly [number, number];
  readonly groups: number;
}

function planeOf({ stride, padding, dilation, groups }: ConvParams): Plane {
  if (stride.length === 2)
    return {
      strides: [stride[0]!, stride[1]!],
      padding: [padding[0]!, padding[1]!],
      dilations: [dilation[0]!, dilation[1]!],
      groups,
    };
  return { strides: [1, stride[0]!], padding: [[0, 0], padding[0]!], dilations: [1, dilation[0]!], groups };
}

type Extents = readonly [number, number, number, number];

/** [N, L, C] as [N, 1, L, C]. */
const pictures = (shape: Shape): Extents => (shape.length === 3 ? [shape[0]!, 1, shape[1]!, shape[2]!] : (shape as unknown as Extents));
/** [L, Cin, Cout] as [1, L, Cin, Cout]. */
const windows = (shape: Shape): Extents => (shape.length === 3 ? [1, shape[0]!, shape[1]!, shape[2]!] : (shape as unknown as Extents));

const asPictures = (d: Device, x: Cell): TfTensor => (x.shape.length === 4 ? x.tensor() : d.reshape(x.tensor(), pictures(x.shape)));
const asWindows = (d: Device, w: Cell): TfTensor => (w.shape.length === 4 ? w.tensor() : d.reshape(w.tensor(), windows(w.shape)));

/** Channels `from` to `from + count` of the last axis. */
function channels(d: Device, x: TfTensor, from: number, count: number): TfTensor {
  return d.slice(x, [0, 0, 0, from], [...x.shape.slice(0, 3), count]);
}

/** One convolution for each group of channels, side by side: `part` takes what belongs to a group of each operand, both cut along channels. */
function byGroups(
  d: Device,
  groups: number,
  [a, b]: readonly [TfTensor, TfTensor],
  part: (a: TfTensor, b: TfTensor) => TfTensor,
): TfTensor {
  const [wa, wb] = [a.shape[3]! / groups, b.shape[3]! / groups];
  return d.concat(
    Array.from({ length: groups }, (_, g) => part(channels(d, a, g * wa, wa), channels(d, b, g * wb, wb))),
    3,
  );
}

const padded = (d: Device, x: TfTensor, { padding }: Plane): TfTensor => d.pad(x, [[0, 0], ...padding, [0, 0]]);
const plain = { pad: "valid", dataFormat: "NHWC" } as const;

const conv: Rule<"conv"> = {
  lower: (d, node, [x, w]) => {
    const plane = planeOf(node.params);
    const { strides, dilations } = plane;
    const y = byGroups(d, plane.groups, [padded(d, asPictures(d, x!), plane), asWindows(d, w!)], (image, filter) =>
      d.run("Conv2D", { x: image, filter }, { ...plain, strides, dilations }),
    );
    return d.reshape(y, node.shape);
  },
};

/** The kernel knows no dilation: the window gets zeros between its entries instead. */
const convInputGrad: Rule<"convInputGrad"> = {
  lower: (d, node, [dy, w]) => {
    const plane = planeOf(node.params);
    const { strides, dilations, padding } = plane;
    const [n, height, width, cin] = pictures(node.params.inputShape);
    const [above, left] = [padding[0][0], padding[1][0]];
    const inputShape = [n, height + above + padding[0][1], width + left + padding[1][1], cin / plane.groups];
    const grad = byGroups(d, plane.groups, [asPictures(d, dy!), asWindows(d, w!)], (part, window) => {
      const filter = spread(d, spread(d, window, 0, dilations[0] - 1), 1, dilations[1] - 1);
      return d.run("Conv2DBackpropInput", { dy: part, filter }, { ...plain, strides, inputShape });
    });
    return d.reshape(d.slice(grad, [0, above, left, 0], [n, height, width, cin]), node.shape);
  },
};

/** By the kernel where the backend has it; it knows no dilation. Else one product x^T dy for each tap of the window, over what the tap sees. */
const convFilterGrad: Rule<"convFilterGrad"> = {
  lower: (d, node, [x, dy]) => {
    const plane = planeOf(node.params);
    const [height, width, cin, cout] = windows(node.params.filterShape);
    const filterShape = [height, width, cin, cout / plane.groups] as const;
    const whole = d.has("Conv2DBackpropFilter") && plane.dilations.every((dilation) => dilation === 1);
    const part = (image: TfTensor, grad: TfTensor): TfTensor =>
      whole
        ? d.run("Conv2DBackpropFilter", { x: image, dy: grad }, { ...plain, strides: plane.strides, filterShape })
        : filterGradByTaps(d, plane, filterShape, image, grad);
    return d.reshape(byGroups(d, plane.groups, [padded(d, asPictures(d, x!), plane), asPictures(d, dy!)], part), node.shape);
  },
};

function filterGradByTaps(
  d: Device,
  { strides, dilations }: Plane,
  [height, width, cin, cout]: readonly [number, number, number, number],
  image: TfTensor,
  grad: TfTensor,
): TfTensor {
  const [n, rows, columns] = grad.shape as [number, number, number, number];
  const right = d.reshape(grad, [n * rows * columns, cout]);
  const taps = Array.from({ length: height * width }, (_, tap) => {
    const [top, left] = [Math.floor(tap / width) * dilations[0], (tap % width) * dilations[1]];
    const end = [n, top + (rows - 1) * strides[0] + 1, left + (columns - 1) * strides[1] + 1, cin];
    const seen = d.stridedSlice(image, [0, top, left, 0], end, [1, ...strides, 1]);
    return d.run("BatchMatMul", { a: d.reshape(seen, [n * rows * columns, cin]), b: right }, { transposeA: true, transposeB: false });
  });
  return d.reshape(d.concat(taps, 0), [height, width, cin, cout]);
}

export const linear = {
  matmul,
  conv,
  convInputGrad,
  convFilterGrad,
  // their loops carry a sum from entry to entry; factors and solves lose digits in f32
  nade: "host",
  nadeGrad: "host",
  fixedPoint: "host",
  cholesky: "host",
  triangularSolve: "host",
} satisfies { readonly [P in Prim]?: Placed<P> };
