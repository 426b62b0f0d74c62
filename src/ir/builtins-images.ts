/** Functions of images [height, width, channels]. */
import { report } from "../base/report.js";
import { enlarged, inBlocks, mirrored } from "./autoregressive/windows.js";
import { blockRange, blockType, convTransposeType, convType, imageShape } from "./builtin-rules.js";
import { numeric, convolution, pooling, overImage, first, none } from "./builtin-forms.js";
import type { Builtin } from "./builtin-types.js";
import { dim, showShape, tensor, timesDim } from "./shapes.js";
import { reducing } from "./symmetry/axes.js";

export const imageFunctions: readonly Builtin[] = [
  convolution(
    "conv",
    "convolution of an image with a kernel [height, width, channels, filters], linear in each: conv(x, W). As a layer, it has a kernel of its own",
    convType,
  ),
  convolution(
    "conv_transpose",
    "the transpose of `conv` with the same kernel, from filters back to channels: conv_transpose(h, W)",
    convTransposeType,
  ),
  pooling("max_pool", "greatest entry of each window", first, { growth: 1 }),
  pooling("avg_pool", "mean of each window", first, { linear: "all" }),
  {
    fn: "pool",
    runtime: "blockSum",
    doc: "sum over each block of the leading axes: pool(h, 2, 2); of units declared `at_most_one(2, 2)` the blocks are known, and pool(h) is 1 where one of a block is on",
    args: ["x"],
    options: [{ name: "blocks", kind: "sizes" }],
    restOption: "blocks",
    takes: numeric,
    linear: "all",
    reads: ({ blocks, rank }) => (blocks as readonly number[]).map((_, i) => i - (rank as number)),
    degrees: ([x = none], { options: { blocks } }) => inBlocks(x, blocks as readonly number[]),
    range: blockRange,
    type: blockType,
  },
  {
    fn: "global_avg_pool",
    runtime: "globalAvgPool",
    doc: "mean over height and width",
    args: ["x"],
    options: [],
    takes: numeric,
    linear: "all",
    reads: () => overImage,
    permutes: reducing(() => overImage),
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      return shape && { type: tensor([shape[2]]) };
    },
  },
  {
    fn: "reflect_pad",
    runtime: "reflectPad",
    doc: "an image with `size` pixels more on each side of its height and width, mirrored at its border: reflect_pad(x, 1)",
    args: ["x"],
    options: [{ name: "size", kind: "size", required: true }],
    takes: numeric,
    moves: true,
    linear: "all",
    reads: "one",
    degrees: ([x = none], { options: { size }, shape }) => mirrored(x, shape, size as number),
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      const size = call.options.get("size") as number;
      if (!shape) return undefined;
      const [h, w, c] = shape;
      if (Math.min(h.size, w.size) <= size) {
        report(call.cx.diagnostics, "GM2030", call.span, {
          what: "`reflect_pad`",
          expected: `more than ${size} pixels to mirror`,
          found: showShape([h, w]),
        });
        return undefined;
      }
      return { type: tensor([dim(h.size + 2 * size), dim(w.size + 2 * size), c]), options: { size } };
    },
  },
  {
    fn: "upsample",
    runtime: "upsample",
    doc: 'repeats each pixel `factor` times in height and width, or interpolates (method = "bilinear")',
    args: ["x"],
    options: [
      { name: "factor", kind: "size", required: true },
      { name: "method", kind: "choice", choices: ["nearest", "bilinear"], named: true, fallback: "nearest" },
    ],
    takes: numeric,
    linear: "all",
    reads: () => overImage,
    degrees: ([x = none], { options: { factor, method }, shape }) => enlarged(x, shape, factor as number, method === "bilinear"),
    range: first,
    type: (call) => {
      const shape = imageShape(call);
      const factor = call.dims.get("factor")?.[0];
      if (!shape || !factor) return undefined;
      const [h, w, c] = shape;
      return {
        type: tensor([timesDim(h, factor), timesDim(w, factor), c]),
        options: { factor: factor.size, method: call.options.get("method") as string },
      };
    },
  },
];
