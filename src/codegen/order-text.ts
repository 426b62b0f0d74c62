/** The order in which the entries of a variable are drawn, in words and in LaTeX. */
import type { Sequential } from "../ir/autoregressive/prove.js";
import { orderText } from "../ir/autoregressive/order.js";

/** "p(x) = prod_i p(x_i | x_<i): i over 784 entries, in raster order" */
export function orderLine(sequential: Sequential): string {
  const { density, variable, reads } = sequential;
  const given = reads.length === 0 ? "" : ` | ${reads.join(", ")}`;
  return `${density}(${variable}${given}) = prod_i ${density}(${variable}_i | ${[`${variable}_<i`, ...reads].join(", ")}): ${positionsText(sequential)}`;
}

export function orderLatex({ density, variable, reads }: Sequential, latexName: (text: string) => string): string {
  const [p, x] = [latexName(density), latexName(variable)];
  const rest = reads.map(latexName);
  const given = rest.length === 0 ? "" : ` \\mid ${rest.join(", ")}`;
  return `${p}(${x}${given}) = \\prod_{i} ${p}(${x}_i \\mid ${[`${x}_{<i}`, ...rest].join(", ")})`;
}

/** "i over the 784 pixels [28, 28] in raster order, the 3 entries at one of them at once" */
function positionsText({ shape, positionAxes, positions, order }: Sequential): string {
  const axes = shape.slice(0, positionAxes);
  const atOnce = shape.slice(positionAxes).reduce((n, s) => n * s, 1);
  const where = axes.length > 1 ? `the ${positions} positions [${axes.join(", ")}]` : `the ${positions} positions`;
  const how = order === "natural" ? (axes.length > 1 ? "row after row" : "as they lie") : order === "reverse" ? "from the last to the first" : `in the order of ${orderText(order)}`;
  return `i over ${where}, ${how}${atOnce > 1 ? `, the ${atOnce} entries at one of them at once` : ""}`;
}
