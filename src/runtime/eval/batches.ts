/**
 * Batches for evaluation: rows in order, the last batch padded, grey values drawn once by (seed, row): the same 0s and 1s
 * in whichever batch a row sits, on every engine, for every sample of every metric.
 */
import { evaluationBatches, type Batch } from "../data/streams.js";
import type { Dataset, SplitName } from "../data/dataset.js";
import type { HostTensor } from "../engines/engine.js";
import { drawKey, fillWords, seedWords } from "../graph/random.js";

/** Random numbers of different purposes differ in the second seed word: "eval", "draw". */
export const PURPOSE = { train: 0, evaluate: 0x6576616c, draw: 0x64726177 } as const;

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

/** As `evaluationBatches`, with 0s and 1s in place of probabilities. */
export function* drawnBatches(
  dataset: Dataset,
  split: SplitName,
  options: { readonly batch: number; readonly seed: number; readonly limit?: number | undefined },
): Generator<Batch, void, void> {
  const stochastic = stochasticVariables(dataset);
  const buffers = new Map<string, { readonly words: Uint32Array; readonly values: Float32Array }>();
  for (const batch of evaluationBatches(dataset, split, options.batch, options.limit)) {
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
      fillWords(words, fed.shape, 0, batch.offset, drawKey(rng, { site: `data.${name}`, stage: 0, iteration: undefined }));
      for (let i = 0; i < values.length; i++) values[i] = ((words[i] ?? 0) >>> 8) * 2 ** -24 < (fed.data[i] ?? 0) ? 1 : 0;
      tensors[name] = { ...fed, data: values };
    }
    yield { ...batch, tensors };
  }
}
