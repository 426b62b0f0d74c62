/** Modes of a mixture whose centres are known: how many hold samples, and grids of centres. */
import { rowCount, type Points } from "./points.js";

/**
 * How many modes hold samples: a sample belongs to its nearest centre if that is within three scales, and a mode is covered that holds a fifth of its
 * even share at least, and half at least of the samples that are nearest to it: one broad bump over all modes has samples in each, and finds none.
 * Also the share of all samples that belong to a mode (Srivastava et al. 2017, section 4.1, "high quality").
 */
export function countModes(
  drawn: Points,
  centres: readonly (readonly number[])[],
  scale: number,
): { readonly covered: number; readonly quality: number } {
  const { width, data } = drawn;
  const rows = rowCount(drawn);
  const [counts, around] = [new Array<number>(centres.length).fill(0), new Array<number>(centres.length).fill(0)];
  for (let row = 0; row < rows; row++) {
    let [nearest, least] = [-1, Infinity];
    centres.forEach((centre, c) => {
      const d = centre.reduce((sum, v, k) => sum + (v - (data[row * width + k] ?? NaN)) ** 2, 0);
      if (d < least) [nearest, least] = [c, d];
    });
    if (nearest < 0) continue;
    around[nearest]! += 1;
    if (least <= (3 * scale) ** 2) counts[nearest]! += 1;
  }
  const share = rows / centres.length / 5;
  return {
    covered: counts.filter((n, c) => n > 0 && n >= share && 2 * n >= around[c]!).length,
    quality: counts.reduce((a, b) => a + b, 0) / Math.max(1, rows),
  };
}

/** Centres of modes evenly spaced on a circle, the first to the right. */
export function ringCentres(modes: number, radius: number): readonly (readonly number[])[] {
  return Array.from({ length: modes }, (_, i) => {
    const angle = (2 * Math.PI * i) / modes;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });
}

/** Centres of modes on a square grid around 0, `side` a row. */
export function gridCentres(side: number, spacing: number): readonly (readonly number[])[] {
  const at = (i: number): number => spacing * (i - (side - 1) / 2);
  return Array.from({ length: side * side }, (_, i) => [at(i % side), at(Math.floor(i / side))]);
}
