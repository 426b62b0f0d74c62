/**
 * Documents with known topics (Griffiths & Steyvers 2004, "Finding scientific topics", PNAS 101, fig. 1): the words are the pixels of a square, a topic is
 * uniform over one of its rows or columns, a document mixes all topics by weights from Dirichlet(1, …, 1).
 */
import { hostStream } from "../graph/random.js";
import type { DataArray } from "./array.js";

export interface BarsOptions {
  /** Documents. */
  readonly rows: number;
  readonly seed: number;
  /** Pixels of a side: side^2 words, 2 side topics. */
  readonly side: number;
  /** Words of a document are uniform in 1..2 mean - 1, so that lengths differ. */
  readonly mean: number;
}

/** Counts [rows, side^2] of one split; other splits are other draws of the same topics. */
export function drawBars(split: string, { rows, seed, side, mean }: BarsOptions): DataArray {
  const random = hostStream(seed, `data.bars.${split}`);
  const data = new Uint16Array(rows * side * side);
  const below = new Float64Array(2 * side);
  for (let row = 0; row < rows; row++) {
    // running sums of exponentials: Dirichlet(1, …, 1) but for their scale
    let sum = 0;
    for (let topic = 0; topic < below.length; topic++) below[topic] = sum -= Math.log(1 - random.uniform());
    const words = 1 + random.below(2 * mean - 1);
    for (let i = 0; i < words; i++) {
      const level = sum * random.uniform();
      const topic = below.findIndex((edge) => edge > level);
      const along = random.below(side);
      const [y, x] = topic < side ? [topic, along] : [along, topic - side];
      data[(row * side + y) * side + x]! += 1;
    }
  }
  const entries = Array.from({ length: side * side }, (_, i) => `r${1 + Math.floor(i / side)}c${1 + (i % side)}`);
  return { shape: [rows, side * side], dtype: "u16", data, entries };
}
