/**
 * How much scaling changes a density: log |d x / d v| of a row, x what the model sees and v the values in the file. log p(v) = log p(x) + that.
 * Only of domains over which a density is one per unit of length; counts, bytes and categories have probabilities, which no scale changes.
 */
import type { VariableSpec } from "../model.js";
import type { ColumnContext, ValueStatistics } from "./column-context.js";
import type { Column } from "./dataset.js";

/** In nats a row; 0 where values are as in the file. `over` is what stands for 1. Of sound, the file's values are its whole numbers. */
export function logJacobian(context: ColumnContext, statistics: ValueStatistics, over: number): number {
  if (!isScaled(context.spec.domain)) return 0;
  return ofScaling(context, statistics, over) - context.width * Math.log(statistics.audio?.over ?? 1);
}

function isScaled(domain: VariableSpec["domain"]): boolean {
  return domain === "real" || domain === "unit" || domain === "positive";
}

/** Whether what is drawn of the domain has a density, and no probability. Shares have one, and are what they are in the file. */
export function hasDensity(domain: VariableSpec["domain"]): boolean {
  return isScaled(domain) || domain === "simplex";
}

function ofScaling({ spec, width, options }: ColumnContext, statistics: ValueStatistics, over: number): number {
  if (statistics.moments !== undefined && spec.domain === "real")
    return -statistics.moments.deviation.reduce((sum, deviation) => sum + Math.log(deviation), 0);
  if (statistics.whitening !== undefined) return logDeterminant(statistics.whitening.root, width);
  if (options.scale === "minmax" && spec.domain !== "positive")
    return statistics.high > statistics.low ? -width * Math.log(statistics.high - statistics.low) : 0;
  return over === 1 ? 0 : -width * Math.log(over);
}

/** Of a symmetric positive definite matrix [n, n], by its Cholesky factor. */
function logDeterminant(matrix: Float64Array, n: number): number {
  const factor = matrix.slice();
  let sum = 0;
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let value = factor[i * n + j]!;
      for (let k = 0; k < j; k++) value -= factor[i * n + k]! * factor[j * n + k]!;
      factor[i * n + j] = i === j ? Math.sqrt(value) : value / factor[j * n + j]!;
    }
    sum += 2 * Math.log(factor[j * n + j]!);
  }
  return sum;
}

/** Whole numbers that a density over the line takes for points: it may grow without bound there, and is no probability of them. */
export function takesWholeNumbers(column: Pick<Column, "variable">, statistics: ValueStatistics): boolean {
  const whole = statistics.audio?.whole === true || (statistics.integers && statistics.high - statistics.low > 1);
  return whole && isScaled(column.variable.domain);
}
