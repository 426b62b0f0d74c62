/** Rows to start from, spread over many (k-means++; Arthur & Vassilvitskii 2007, section 2.2). */
import type { HostStream } from "../graph/random.js";

/**
 * `count` of the rows of `values` [n, width], n >= count: the first by chance, each further one with a chance in proportion to its squared distance from
 * the nearest that is taken. So rows that are alike are taken once as long as there are others; then rows that are left are, by chance.
 */
export function spreadRows(values: ArrayLike<number>, width: number, count: number, stream: HostStream): Float32Array {
  const n = values.length / width;
  const out = new Float32Array(count * width);
  const distance = new Float64Array(n).fill(Infinity);
  const left = new Set(Array.from({ length: n }, (_, i) => i));
  for (let k = 0; k < count; k++) {
    const row = k === 0 ? stream.below(n) : (byDistance(distance, stream) ?? [...left][stream.below(left.size)] ?? 0);
    left.delete(row);
    for (let d = 0; d < width; d++) out[k * width + d] = values[row * width + d] ?? 0;
    for (let i = 0; i < n; i++) {
      let squared = 0;
      for (let d = 0; d < width; d++) squared += ((values[i * width + d] ?? 0) - (values[row * width + d] ?? 0)) ** 2;
      distance[i] = Math.min(distance[i] ?? 0, squared);
    }
  }
  return out;
}

/** A row in proportion to its distance; undefined where all are 0. */
function byDistance(distance: Float64Array, stream: HostStream): number | undefined {
  const total = distance.reduce((sum, d) => sum + d, 0);
  if (!(total > 0)) return undefined;
  let at = stream.uniform() * total;
  let last: number | undefined;
  for (const [i, d] of distance.entries()) {
    if (d === 0) continue;
    last = i;
    at -= d;
    if (at < 0) return i;
  }
  return last;
}
