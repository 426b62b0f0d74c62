/** Means and variances of the training rows, entry by entry: what independent base rates are fitted to. */
import type { Column, Dataset } from "../data/dataset.js";
import { makeGather } from "../data/gather.js";
import type { HostTensor } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { Shape } from "../graph/types.js";
import type { VariableSpec } from "../model.js";

export interface Statistics {
  readonly mean: HostTensor;
  readonly variance: HostTensor;
}

/** Shape of the statistics: the event's, of a category with the classes as a last axis. */
export function statisticsShape(spec: VariableSpec): Shape {
  return spec.domain === "category" ? [...spec.shape, spec.classes ?? 1] : spec.shape;
}

/** In float64 over all training rows; missing categories are left out. GM4004 where the variable has no data. */
export function trainingStatistics(dataset: Dataset, variable: string): Statistics {
  const split = dataset.streams.map((s) => s.splits.train).find((s) => s.columns[variable] !== undefined);
  const column = split?.columns[variable];
  if (split === undefined || column === undefined)
    throw new GmcError("GM4004", `base rates follow the training data of \`${variable}\`, and there are none`);
  const shape = statisticsShape(column.variable);
  const { sums, squares, counts } = column.dtype === "i32" ? countClasses(column, split.rows) : addRows(column, split.rows);
  const mean = Float32Array.from(sums, (s, i) => s / Math.max(1, counts[i] ?? 1));
  const variance = Float32Array.from(squares, (s, i) => {
    const n = Math.max(1, counts[i] ?? 1);
    return Math.max(0, s / n - ((sums[i] ?? 0) / n) ** 2);
  });
  return { mean: { dtype: "f32", shape, data: mean }, variance: { dtype: "f32", shape, data: variance } };
}

interface Sums {
  readonly sums: Float64Array;
  readonly squares: Float64Array;
  readonly counts: Float64Array;
}

const AT_ONCE = 256;

function addRows(column: Column, rows: number): Sums {
  const { width } = column;
  const [sums, squares] = [new Float64Array(width), new Float64Array(width)];
  const gather = makeGather(column, AT_ONCE);
  const order = Uint32Array.from({ length: rows }, (_, i) => i);
  for (let start = 0; start < rows; start += AT_ONCE) {
    const count = Math.min(AT_ONCE, rows - start);
    gather.run(order, start, count);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < width; j++) {
        const v = gather.out[i * width + j]!;
        sums[j]! += v;
        // the square of a 0 or 1 that is drawn with probability v has mean v
        squares[j]! += column.stochastic ? v : v * v;
      }
    }
  }
  return { sums, squares, counts: new Float64Array(width).fill(rows) };
}

function countClasses(column: Column, rows: number): Sums {
  const { width, source } = column;
  const classes = column.variable.classes ?? 1;
  const [sums, counts] = [new Float64Array(width * classes), new Float64Array(width * classes)];
  for (let i = 0; i < rows * width; i++) {
    const c = source[i]!;
    if (c < 0) continue;
    const at = (i % width) * classes;
    sums[at + c]! += 1;
    for (let k = 0; k < classes; k++) counts[at + k]! += 1;
  }
  return { sums, squares: sums, counts };
}
