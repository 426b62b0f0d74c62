/** What the log Z of rows depends on, and the rows that chains of a reverse run start from. */
import { commonRows, type SplitName } from "../data/dataset.js";
import type { HostTensor, HostTensors } from "../engines/engine.js";
import type { PartitionMetric } from "../model.js";
import { dataFeeds, dataName, defined } from "../train/context.js";
import { hostArray } from "../graph/host.js";
import { allRows, drawnBatches, rngOf, spreadRows } from "./batches.js";
import { stageConditions } from "./metrics.js";
import type { PartitionOptions } from "./partition-program.js";
import { sizeOf } from "../graph/shape.js";

export interface DistinctConditions {
  readonly conditions: readonly HostTensors[];
  /** Which one each of the rows has; undefined where log Z depends on nothing. */
  readonly of: readonly number[] | undefined;
  readonly rowIds: readonly number[] | undefined;
}

/** What the rows' log Z depends on, each value once in the order of the rows, and which one a row has. One empty condition where it depends on nothing. */
export async function distinctConditions(options: PartitionOptions, metric: PartitionMetric): Promise<DistinctConditions> {
  const { session, model, dataset, split, seed, averaged } = options;
  if (metric.given === undefined) return { conditions: [{}], of: undefined, rowIds: undefined };
  const rowIds = spreadRows(allRows(options.rows), metric.rows);
  const batch = Math.min(rowIds.length, 100);
  const { program, inputs } = stageConditions({ model, batch, averaged }, metric);
  const executable = await session.compile(program);
  const known = new Map<string, number>();
  const conditions: HostTensors[] = [];
  const of: number[] = [];
  try {
    for (const drawn of drawnBatches(dataset, split, { batch, seed, rows: rowIds })) {
      options.signal?.throwIfAborted();
      const feeds: HostTensors = { ...dataFeeds(drawn.tensors), rng: rngOf(seed, "evaluate", 0, drawn.offset) };
      const outputs = await executable.run(Object.fromEntries(inputs.map((i) => [i, defined(feeds[i], `data for ${i}`)])));
      for (let row = 0; row < drawn.rows; row++) {
        const condition = Object.fromEntries(Object.entries(outputs).map(([n, t]) => [n, rowOf(t, row)]));
        const key = Object.values(condition)
          .map((t) => Array.from(t.data).join(","))
          .join(";");
        let index = known.get(key);
        if (index === undefined) {
          known.set(key, (index = conditions.length));
          conditions.push(condition);
        }
        of.push(index);
      }
    }
  } finally {
    executable.dispose();
  }
  return { conditions, of, rowIds };
}

/**
 * For each condition the rows that its chains start from, [chains, ...event] by variable: those of the measured split that have the condition, or,
 * where log Z depends on nothing, training rows; evenly spaced, over and over where they are fewer than the chains.
 */
export function startRows(
  options: Pick<PartitionOptions, "dataset" | "split" | "seed">,
  metric: PartitionMetric,
  { conditions, of, rowIds }: DistinctConditions,
  chains: number,
): readonly HostTensors[] {
  const { dataset, seed } = options;
  const variables = metric.statistics ?? [];
  const split: SplitName = of === undefined ? "train" : options.split;
  const all = commonRows(dataset, split);
  return conditions.map((_, condition) => {
    const own = of === undefined ? allRows(all) : (rowIds ?? []).filter((_row, i) => of[i] === condition);
    const chosen = spreadRows(own, chains);
    const found = new Map(variables.map((name): [string, HostTensor[]] => [name, []]));
    for (const drawn of drawnBatches(dataset, split, { batch: Math.min(chosen.length, 100), seed, rows: chosen })) {
      const feeds = dataFeeds(drawn.tensors);
      for (const name of variables) {
        const value = defined(feeds[dataName(name)], `data of ${name}`);
        for (let row = 0; row < drawn.rows; row++) found.get(name)?.push(rowOf(value, row));
      }
    }
    return Object.fromEntries([...found].map(([name, rows]) => [name, repeatedRows(rows, chains)]));
  });
}

/** `count` of the rows, which follow each other over and over. A label that is missing stands for the first class: chains only start here. */
function repeatedRows(rows: readonly HostTensor[], count: number): HostTensor {
  const { dtype, shape } = defined(rows[0], "row");
  const width = sizeOf(shape);
  const data = hostArray(dtype, count * width);
  for (let i = 0; i < count; i++) data.set(defined(rows[i % rows.length], "row").data, i * width);
  return { dtype, shape: [count, ...shape], data: dtype === "i32" ? data.map((label) => Math.max(0, label)) : data };
}

function rowOf(t: HostTensor, row: number): HostTensor {
  const shape = t.shape.slice(1);
  const width = sizeOf(shape);
  return { dtype: t.dtype, shape, data: t.data.slice(row * width, (row + 1) * width) };
}
