/**
 * Batches of a dataset. Training: each stream in an order of its own, shuffled by seed and epoch, the last partial batch dropped; the cursor is
 * a few numbers that are saved and resumed exactly. Evaluation: the rows as they lie, the last batch padded.
 * Buffers are preallocated and reused: a batch is valid until the next but one is asked for, so that one may be gathered while the other runs.
 */
import type { HostTensor } from "../graph/program.js";
import { GmcError } from "../graph/errors.js";
import { permutation } from "../graph/random.js";
import { describeSplits, splitRows, type Column, type Dataset, type Split, type SplitName } from "./dataset.js";
import { familyNames } from "./families.js";
import { makeGather, type RowGather } from "./gather.js";
import { mixedOrder } from "./observed-share.js";

export interface Batch {
  /** By variable: [size, ...event]; categories i32, all else f32. */
  readonly tensors: Readonly<Record<string, HostTensor>>;
  /** Rows of the tensors. */
  readonly size: number;
  /** Rows that are data; those after them are padding. */
  readonly rows: number;
  /** Of the first row among the rows taken, for evaluation (the row offset of the random state); 0 in training. */
  readonly offset: number;
}

/** Where a training stream stands, ready for a manifest: one entry for each `data` statement. */
export interface DataCursor {
  readonly streams: readonly { readonly epoch: number; readonly position: number }[];
}

export interface TrainStream {
  /** Batches until each row of the longest stream was seen once. */
  readonly stepsPerEpoch: number;
  readonly batch: number;
  next(): Batch;
  /** Moves past a batch as `next` does, and gives only its rows, by stream. */
  nextRows(): readonly Uint32Array[];
  /** By variable what batches are taken from, and the number of its stream. */
  readonly columns: Readonly<Record<string, { readonly column: Column; readonly stream: number }>>;
  /** The state before the next batch. */
  cursor(): DataCursor;
  /** Continues where a cursor of the same data, batch size and seed stood. GM5026 where it does not fit. */
  seek(cursor: DataCursor): void;
}

export interface TrainStreamOptions {
  readonly batch: number;
  /** The run's seed; a stream's order in an epoch is a function of seed, stream number and epoch alone. */
  readonly seed: number;
  readonly split?: SplitName;
}

/** GM5024 for a batch that is no number of rows, or where a stream has fewer rows of the split than a batch. */
export function checkBatch(dataset: Dataset, batch: number, split: SplitName = "train"): void {
  if (!Number.isInteger(batch) || batch < 1) throw new GmcError("GM5024", `the batch size must be a whole number from 1 on, not ${batch}`);
  for (const { splits, spec } of dataset.streams) {
    const { rows } = splitOf(dataset, splits[split], split);
    const names = familyNames(Object.keys(spec), spec);
    if (rows >= batch) continue;
    const of = names.length === 0 ? "an epoch has" : `${names.join(", ")} ${names.length === 1 ? "has" : "have"}`;
    const kind = split === "train" ? "training" : split;
    throw new GmcError("GM5024", `${dataset.name}: the batch size is ${batch}, and ${of} ${rows} ${kind} ${rows === 1 ? "row" : "rows"}`, [
      `use a smaller batch: --batch ${rows}`,
    ]);
  }
}

/** GM5024 as of `checkBatch`. */
export function openTrainStream(dataset: Dataset, options: TrainStreamOptions): TrainStream {
  const { batch, seed, split = "train" } = options;
  checkBatch(dataset, batch, split);
  const shuffles = dataset.streams.map((stream, index) =>
    openShuffle(dataset.name, splitOf(dataset, stream.splits[split], split), index, batch, seed),
  );
  const buffers = makeBuffers(dataset, split, batch);
  let turn = 0;
  return {
    batch,
    stepsPerEpoch: Math.max(1, Math.floor(splitRows(dataset, split) / batch)),
    next: () => {
      const buffer = buffers[turn]!;
      turn = (turn + 1) % buffers.length;
      shuffles.forEach((shuffle, index) => {
        const start = shuffle.advance();
        for (const gather of buffer.gathers[index]!) gather.run(shuffle.order(), start, batch);
      });
      return buffer.batch(batch, 0);
    },
    nextRows: () =>
      shuffles.map((shuffle) => {
        const start = shuffle.advance();
        return shuffle.order().subarray(start, start + batch);
      }),
    columns: Object.fromEntries(
      dataset.streams.flatMap(({ splits }, stream) =>
        Object.entries(splitOf(dataset, splits[split], split).columns).map(([name, column]) => [name, { column, stream }] as const),
      ),
    ),
    cursor: () => ({ streams: shuffles.map((shuffle) => shuffle.cursor()) }),
    seek: (cursor) => {
      if (cursor.streams.length !== shuffles.length) {
        throw new GmcError("GM5026", `the saved data cursor is of ${cursor.streams.length} streams, the model has ${shuffles.length}`);
      }
      cursor.streams.forEach((state, index) => shuffles[index]!.seek(state));
    },
  };
}

/** Rows of a split in batches of one size: the first so many, or those named, in order; all unless told. */
export function* evaluationBatches(
  dataset: Dataset,
  split: SplitName,
  batch: number,
  taken: number | readonly number[] = Infinity,
): Generator<Batch, void, void> {
  const streams = dataset.streams.map((stream) => splitOf(dataset, stream.splits[split], split));
  // Unaligned streams are evaluated side by side, as many rows as the shortest has; of a longer one evenly spaced ones, since a file may be sorted.
  const all = Math.min(...streams.map((stream) => stream.rows));
  const order =
    typeof taken === "number"
      ? Int32Array.from({ length: Math.min(taken, all) }, (_, row) => row)
      : Int32Array.from(taken).filter((row) => row < all);
  const rows = order.length;
  const orders = streams.map((stream) => (stream.rows === all ? order : order.map((row) => Math.floor(((row + 0.5) * stream.rows) / all))));
  const buffers = makeBuffers(dataset, split, batch);
  for (let start = 0, turn = 0; start < rows; start += batch, turn = (turn + 1) % buffers.length) {
    const count = Math.min(batch, rows - start);
    const buffer = buffers[turn]!;
    for (const [i, gathers] of buffer.gathers.entries()) {
      for (const gather of gathers) {
        gather.run(orders[i]!, start, count);
        // Padding repeats the first row: legal values of every domain, so that what is left out is never not finite.
        const width = gather.out.length / batch;
        for (let row = count; row < batch; row++) gather.out.copyWithin(row * width, 0, width);
      }
    }
    yield buffer.batch(count, start);
  }
}

interface Buffer {
  /** By stream, by variable. */
  readonly gathers: readonly (readonly RowGather[])[];
  readonly batch: (rows: number, offset: number) => Batch;
}

function makeBuffers(dataset: Dataset, split: SplitName, size: number): readonly [Buffer, Buffer] {
  const make = (): Buffer => {
    const tensors: [string, HostTensor][] = [];
    const gathers = dataset.streams.map((stream) =>
      Object.entries(splitOf(dataset, stream.splits[split], split).columns).map(([name, column]) => {
        const gather = makeGather(column, size);
        tensors.push([name, { dtype: column.dtype, shape: [size, ...column.variable.shape], data: gather.out }]);
        return gather;
      }),
    );
    const shared = { tensors: Object.fromEntries(tensors), size };
    return { gathers, batch: (rows, offset) => ({ ...shared, rows, offset }) };
  };
  return [make(), make()];
}

interface Shuffle {
  /** Moves past one batch and gives where it starts in `order()`. */
  advance(): number;
  order(): Uint32Array;
  cursor(): { epoch: number; position: number };
  seek(state: { epoch: number; position: number }): void;
}

function openShuffle(set: string, { rows, mixed }: Split, index: number, batch: number, seed: number): Shuffle {
  const usable = rows - (rows % batch);
  let epoch = 0;
  let position = 0;
  let order: { readonly epoch: number; readonly rows: Uint32Array } | undefined;
  const current = (): Uint32Array => {
    if (order?.epoch === epoch) return order.rows;
    const site = `data.shuffle.${index}`;
    const shuffled = mixed ? mixedOrder(mixed, batch, usable / batch, seed, site, epoch) : permutation(rows, seed, site, epoch);
    order = { epoch, rows: shuffled };
    return shuffled;
  };
  return {
    order: current,
    advance: () => {
      if (position >= usable) {
        epoch++;
        position = 0;
      }
      const start = position;
      position += batch;
      return start;
    },
    cursor: () => ({ epoch, position }),
    seek: (state) => {
      const fits =
        Number.isInteger(state.epoch) &&
        state.epoch >= 0 &&
        Number.isInteger(state.position) &&
        state.position >= 0 &&
        state.position <= usable &&
        state.position % batch === 0;
      if (!fits) {
        throw new GmcError(
          "GM5026",
          `the saved data cursor (epoch ${state.epoch}, row ${state.position}) does not fit ${set} with ${rows} rows in batches of ${batch}`,
          ["resume with the data and the batch size that the run began with"],
        );
      }
      epoch = state.epoch;
      position = state.position;
    },
  };
}

function splitOf(dataset: Dataset, split: Split | undefined, name: SplitName): Split {
  if (split !== undefined) return split;
  throw new GmcError("GM5024", `${dataset.name} has no ${name} rows, ${describeSplits(dataset)}`, [
    `cut some from the training rows: add :${name}=0.1 to the data`,
    `or give a file: --data '…,x.${name}=FILE'`,
  ]);
}
