/**
 * Batches for evaluation: rows in order, the last batch padded, grey values drawn once by (seed, row): the same 0s and 1s
 * in whichever batch a row sits, on every engine, for every sample of every metric.
 */
import { evaluationBatches, type Batch } from "../data/streams.js";
import type { Dataset, SplitName } from "../data/dataset.js";
import type { HostTensor } from "../engines/engine.js";
import { drawKey, fillWords, seedWords } from "../graph/random.js";

/** Random numbers of different purposes differ in the second seed word: "eval", "draw". */
const PURPOSE = { train: 0, evaluate: 0x6576616c, draw: 0x64726177 } as const;

export type Purpose = keyof typeof PURPOSE;

/** rng of a program run. */
export function rngOf(seed: number, purpose: Purpose, step: number, rowOffset: number): HostTensor {
  const [low, high] = seedWords(seed);
  return { dtype: "u32", shape: [4], data: Uint32Array.of(low, (high ^ PURPOSE[purpose]) >>> 0, step >>> 0, rowOffset >>> 0) };
}

/** Variables whose stored values are probabilities of 1. */
export function stochasticVariables(dataset: Dataset): ReadonlySet<string> {
  return new Set(
    dataset.streams.flatMap((s) => Object.entries(s.splits.train.columns).flatMap(([name, c]) => (c.stochastic ? [name] : []))),
  );
}

export const allRows = (count: number): readonly number[] => Array.from({ length: count }, (_, row) => row);

/** So many of the rows, evenly spaced, since rows often lie sorted by class; all of them where they are no more. */
export function spreadRows(rows: readonly number[], count = Infinity): readonly number[] {
  return count >= rows.length ? rows : Array.from({ length: count }, (_, i) => rows[Math.floor((i * rows.length) / count)]!);
}

/** As `evaluationBatches`, with 0s and 1s in place of probabilities. */
export function* drawnBatches(
  dataset: Dataset,
  split: SplitName,
  options: { readonly batch: number; readonly seed: number; readonly rows?: readonly number[] | undefined },
): Generator<Batch, void, void> {
  const stochastic = stochasticVariables(dataset);
  const buffers = new Map<string, { readonly words: Uint32Array; readonly values: Float32Array }>();
  for (const batch of evaluationBatches(dataset, split, options.batch, options.rows)) {
    if (stochastic.size === 0) {
      yield batch;
      continue;
    }
    const tensors: Record<string, HostTensor> = { ...batch.tensors };
    const rng = rngOf(options.seed, "evaluate", 0, batch.offset).data;
    for (const name of stochastic) {
      const fed = tensors[name];
      if (fed === undefined) continue;
      let buffer = buffers.get(name);
      if (buffer === undefined)
        buffers.set(name, (buffer = { words: new Uint32Array(fed.data.length), values: new Float32Array(fed.data.length) }));
      const { words, values } = buffer;
      const key = drawKey(rng, { site: `data.${name}`, stage: 0, iteration: undefined });
      if (options.rows === undefined) fillWords(words, fed.shape, 0, batch.offset, key);
      else fillRows(words, fed.shape, options.rows.slice(batch.offset, batch.offset + batch.rows), key);
      for (let i = 0; i < values.length; i++) values[i] = ((words[i] ?? 0) >>> 8) * 2 ** -24 < (fed.data[i] ?? 0) ? 1 : 0;
      tensors[name] = { ...fed, data: values };
    }
    yield { ...batch, tensors };
  }
}

/** The words of rows that need not follow each other. */
function fillRows(
  words: Uint32Array,
  [size = 1, ...event]: readonly number[],
  rows: readonly number[],
  key: readonly [number, number],
): void {
  const width = words.length / size;
  rows.forEach((row, i) => fillWords(words.subarray(i * width, (i + 1) * width), [1, ...event], 0, row, key));
}
