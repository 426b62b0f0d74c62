/** Functions that couple the rows of a batch: their value is one for the whole batch, of no example. They stand in objectives alone. */
import { numeric } from "./builtin-forms.js";
import { mismatch } from "./builtin-rules.js";
import type { Builtin } from "./builtin-types.js";
import { anything, fromZero } from "./range.js";
import { tensor } from "./shapes.js";

export const batchFunctions: readonly Builtin[] = [
  {
    fn: "batch_mean",
    runtime: "batchMean",
    doc: "mean over the rows of the batch, in objectives alone: a value of the whole batch",
    args: ["x"],
    options: [],
    takes: numeric,
    wholeBatch: true,
    linear: "all",
    range: ([r = anything]) => r,
    type: ({ args }) => ({ type: args[0]?.type ?? tensor([]) }),
  },
  {
    fn: "mmd",
    runtime: "mmd",
    doc: "squared maximum mean discrepancy between two samples, the rows of x and those of y, by kernels exp(-|x - y|^2 / (2 s)) for s in `bandwidths`, summed (Gretton et al. 2012; Li, Swersky & Zemel 2015): in objectives alone, a value of the whole batch",
    args: ["x", "y"],
    options: [
      { name: "bandwidths", kind: "numbers", min: 0, required: true },
      { name: "estimator", kind: "choice", choices: ["unbiased", "biased", "linear"], named: true, fallback: "unbiased" },
    ],
    takes: numeric,
    wholeBatch: true,
    leastRows: ({ estimator }) => (estimator === "biased" ? 1 : 2),
    range: (_, { estimator }) => (estimator === "biased" ? fromZero : anything),
    type: (call) => {
      const [x, y] = call.args;
      if (!x || !y) return undefined;
      if (x.type.shape.map((d) => d.size).join() !== y.type.shape.map((d) => d.size).join()) {
        return mismatch(call, x, y, "`mmd` compares samples of one shape");
      }
      const estimator = call.options.get("estimator") as string;
      return {
        type: tensor([]),
        options: { bandwidths: call.options.get("bandwidths") as readonly number[], ...(estimator === "unbiased" ? {} : { estimator }) },
      };
    },
  },
];
