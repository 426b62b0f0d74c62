/** What a domain asks of several entries of a row together: one 1 of a vector, at most one of a block, shares that sum to 1. */
import { sizeOf } from "../graph/shape.js";
import type { VariableSpec } from "../model.js";
import { forbidden, type ColumnContext } from "./column-context.js";
import type { Column } from "./dataset.js";

/** GM5022 where a variable that is drawn from `OneHotCategorical` holds anything but zeros and one 1. */
export function checkUnitVectors(context: ColumnContext, column: Column): void {
  if (context.spec.unitVector !== true) return;
  const { source, scale, stochastic } = column;
  const size = context.spec.shape.at(-1) ?? 1;
  for (let start = 0; start < source.length; start += size) {
    let ones = 0;
    let zeros = 0;
    let missing = false;
    for (let i = start; i < start + size; i++) {
      if (Number.isNaN(source[i])) missing = true;
      if (source[i]! * scale === 1) ones++;
      else if (source[i] === 0) zeros++;
    }
    // whether a value may be missing was asked before
    if (missing || (ones === 1 && zeros === size - 1 && !stochastic)) continue;
    const found =
      ones + zeros < size ? "values between 0 and 1" : stochastic ? "probabilities, from which 0 and 1 are drawn" : `${ones} ones`;
    throw forbidden(context, start, `one 1 and ${size - 1} zeros, which is all that \`OneHotCategorical\` draws`, found, [
      "class numbers need no vector: declare `category` and draw from `Categorical`",
      "counts or shares of several classes: draw from `Multinomial` or `Dirichlet`",
    ]);
  }
}

/** GM5022 where two units of a block are 1 of which the declaration allows one: a state that the model's Z does not count. */
export function checkBlocks(context: ColumnContext, column: Column): void {
  const { atMostOne } = context.spec;
  if (atMostOne === undefined) return;
  const { source, stochastic } = column;
  const expected = `at most one 1 in each block of ${atMostOne.join(" x ")} units`;
  if (stochastic)
    throw forbidden(context, 0, expected, "probabilities, each of which is drawn for itself", [
      "values that are 0 and 1 already: draw one of a block, or none, before they are saved",
    ]);
  const second = secondOfBlock(context.spec, source);
  if (second !== undefined)
    throw forbidden(context, second, expected, "another 1", ["units that may be 1 together: leave `at_most_one` out"]);
}

/** Place of the first value among rows of `spec`'s shape that is another 1 of its block; undefined where there is none, or nothing is asked. */
function secondOfBlock({ atMostOne, shape }: Pick<VariableSpec, "atMostOne" | "shape">, values: ArrayLike<number>): number | undefined {
  if (atMostOne === undefined) return undefined;
  const width = sizeOf(shape);
  const block = blocksOf(shape, atMostOne);
  const seen = new Int32Array(width).fill(-1);
  for (let i = 0; i < values.length; i++) {
    if (values[i] !== 1) continue;
    const row = Math.floor(i / width);
    const at = block[i % width]!;
    if (seen[at] === row) return i;
    seen[at] = row;
  }
  return undefined;
}

/** Number of the block that each entry of an event belongs to: that of the block's first entry. */
function blocksOf(shape: readonly number[], blocks: readonly number[]): Int32Array {
  return Int32Array.from({ length: sizeOf(shape) }, (_, entry) => {
    let first = 0;
    let stride = 1;
    let rest = entry;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      const at = rest % shape[axis]!;
      first += (at - (at % (blocks[axis] ?? 1))) * stride;
      rest = Math.floor(rest / shape[axis]!);
      stride *= shape[axis]!;
    }
    return first;
  });
}

export function checkSums(context: ColumnContext, column: Column): void {
  const size = context.spec.shape.at(-1) ?? 1;
  for (let start = 0; start < column.source.length; start += size) {
    let sum = 0;
    for (let i = start; i < start + size; i++) sum += column.source[i]! * column.scale;
    if (Math.abs(sum - 1) > 1e-3)
      throw forbidden(context, start, `${size} shares that sum to 1`, `a sum of ${sum.toPrecision(6)}`, ["divide each row by its sum"]);
  }
}
