/**
 * Counts of independent draws from categories, the semantics of the primitive `randomCounts`: by inversion, one word a draw, so exact up to the
 * word's grid of 2^-32 and in time proportional to the total, whatever the number of categories.
 *
 * Layout, continuing that of random.ts: k is the node key; vectors (entries of the leading axes) are numbered o = 0, 1, … in C order over the
 * leading axes but the row axis.
 *
 *   vector key     k' = threefry(k, (r, o))
 *   draw i         pair = threefry(k', (i >> 1, 0));  w = pair[i & 1]
 *   category       the first v with P(v) > (w + 0.5) * 2^-32 * P(last), P the running sums in float64 of the probabilities in f32
 *
 * Probabilities need not sum to one. A total that is no whole number in 0..2^32, or probabilities without a positive finite sum, give NaN.
 */
import { threefry2x32 } from "./random.js";
import { sizeOf } from "./shape.js";
import type { Shape } from "./types.js";

type Numbers = Float32Array | Float64Array;

/** Fills `out` and reads `probs`, both of `shape` [...lead, V] in C order; `totals` is [...lead]. */
export function drawCounts(
  out: Numbers,
  { probs, totals }: { readonly probs: ArrayLike<number>; readonly totals: ArrayLike<number> },
  shape: Shape,
  rowAxis: number | null,
  rowOffset: number,
  [k0, k1]: readonly [number, number],
): void {
  const categories = shape[shape.length - 1]!;
  const lead = shape.slice(0, -1);
  const rows = rowAxis === null ? 1 : lead[rowAxis]!;
  const inner = rowAxis === null ? sizeOf(lead) : sizeOf(lead.slice(rowAxis + 1));
  const sums = new Float64Array(categories);
  const pair = new Uint32Array(2);
  for (let vector = 0; vector < totals.length; vector++) {
    const at = vector * categories;
    const total = totals[vector]!;
    let sum = 0;
    for (let v = 0; v < categories; v++) sums[v] = sum += Math.fround(probs[at + v]!);
    const fits = total >= 0 && total <= 2 ** 32 && Number.isInteger(total) && (total === 0 || (sum > 0 && sum < Infinity));
    out.fill(fits ? 0 : NaN, at, at + categories);
    if (!fits || total === 0) continue;
    const row = rowAxis === null ? 0 : (Math.floor(vector / inner) % rows) + rowOffset;
    const position = rowAxis === null ? vector : Math.floor(vector / (inner * rows)) * inner + (vector % inner);
    threefry2x32(k0, k1, row | 0, position | 0, pair);
    const [v0, v1] = [pair[0]!, pair[1]!];
    const scale = sum * 2 ** -32;
    for (let i = 0; i < total; i++) {
      if (i % 2 === 0) threefry2x32(v0, v1, (i / 2) | 0, 0, pair);
      const category = firstAbove(sums, (pair[i % 2]! + 0.5) * scale);
      out[at + category] = out[at + category]! + 1;
    }
  }
}

/** The first index whose running sum is above `level`, which lies below the last. */
function firstAbove(sums: Float64Array, level: number): number {
  let low = 0;
  let high = sums.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sums[middle]! > level) high = middle;
    else low = middle + 1;
  }
  return low;
}
