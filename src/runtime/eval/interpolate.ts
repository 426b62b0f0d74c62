/** Paths between rows: the rows of an interpolation from pairs of ends. */
import type { HostTensor } from "../engines/engine.js";
import { hostArray } from "../graph/host.js";

/** "spherical" keeps the norm of Normal latents typical (White 2016); others have no sphere, and go along the line. */
export type Path = "linear" | "spherical";

/** Rows 2p and 2p + 1 of `t` are the ends of pair p; "nearest" keeps the nearer end: [2 pairs, ...] -> [pairs * steps, ...]. */
export function interpolateRows(t: HostTensor, pairs: number, steps: number, path: Path | "nearest"): HostTensor {
  const width = t.data.length / (2 * pairs);
  const out = hostArray(t.dtype, pairs * steps * width);
  for (let p = 0; p < pairs; p++) {
    const a = t.data.subarray(2 * p * width, (2 * p + 1) * width);
    const b = t.data.subarray((2 * p + 1) * width, (2 * p + 2) * width);
    for (let s = 0; s < steps; s++) {
      const f = s / (steps - 1);
      const [u, v] = path === "nearest" ? (f < 0.5 ? [1, 0] : [0, 1]) : path === "linear" ? [1 - f, f] : sphericalWeights(a, b, f);
      // an end without a share has none of its missing values either
      for (let j = 0; j < width; j++) out[(p * steps + s) * width + j] = (u === 0 ? 0 : u * (a[j] ?? 0)) + (v === 0 ? 0 : v * (b[j] ?? 0));
    }
  }
  return { dtype: t.dtype, shape: [pairs * steps, ...t.shape.slice(1)], data: out };
}

/**
 * The direction turns from a's to b's at an even pace (Shoemake 1985: sin((1 - f) w) / sin w and sin(f w) / sin w of unit vectors, w the angle between
 * them), and the norm goes from the one to the other along a line: those weights of vectors of unequal norm lead far outside of both, the farther the
 * nearer w is to half a turn.
 */
function sphericalWeights(a: ArrayLike<number>, b: ArrayLike<number>, f: number): [number, number] {
  let [ab, aa, bb] = [0, 0, 0];
  for (let j = 0; j < a.length; j++) {
    ab += (a[j] ?? 0) * (b[j] ?? 0);
    aa += (a[j] ?? 0) ** 2;
    bb += (b[j] ?? 0) ** 2;
  }
  const [na, nb] = [Math.sqrt(aa), Math.sqrt(bb)];
  const angle = Math.acos(Math.max(-1, Math.min(1, ab / (na * nb || 1))));
  // ends that are alike, opposite or at 0 have no one arc between them
  if (na * nb === 0 || Math.sin(angle) < 1e-6) return [1 - f, f];
  const norm = (1 - f) * na + f * nb;
  return [(norm * Math.sin((1 - f) * angle)) / Math.sin(angle) / na, (norm * Math.sin(f * angle)) / Math.sin(angle) / nb];
}
