/** Maximum mean discrepancy between samples and data, with a permutation test. On the host, in float64. */
import type { HostStream } from "../graph/random.js";
import { rowCount, squaredDistances, type Points } from "./points.js";

/**
 * The unbiased estimate of squared MMD between two samples by the kernel exp(-d^2 / (2 s)), and how probable one as large is between samples of one
 * distribution: the share of `permutations` random divisions of all points that reach it, with the division at hand counted (Gretton et al.
 * 2012, eq. 3; Phipson & Smyth 2010). s is the median of the squared distances between rows of the data: the kernel is that of the data alone.
 */
export function mmdTest(
  real: Points,
  drawn: Points,
  permutations: number,
  random: Pick<HostStream, "below">,
): { readonly value: number; readonly p: number; readonly bandwidth: number } {
  const [n, m] = [rowCount(real), rowCount(drawn)];
  const total = n + m;
  const data = new Float64Array(total * real.width);
  data.set(real.data);
  data.set(drawn.data, real.data.length);
  const all: Points = { width: real.width, data };
  const distances = squaredDistances(all, all);
  const own: number[] = [];
  for (let i = 0; i < n; i++) for (let j = i + 1; j < n; j++) own.push(distances[i * total + j] ?? 0);
  own.sort((a, b) => a - b);
  const bandwidth = own[Math.floor(own.length / 2)] || 1;
  const kernel = distances.map((d) => Math.exp(-d / (2 * bandwidth)));
  const order = Int32Array.from({ length: total }, (_, i) => i);
  const statistic = (): number => {
    let [first, second, cross] = [0, 0, 0];
    for (let a = 0; a < total; a++) {
      const row = (order[a] ?? 0) * total;
      for (let b = a + 1; b < total; b++) {
        const k = kernel[row + (order[b] ?? 0)] ?? 0;
        if (b < n) first += k;
        else if (a >= n) second += k;
        else cross += k;
      }
    }
    return (2 * first) / (n * (n - 1)) + (2 * second) / (m * (m - 1)) - (2 * cross) / (n * m);
  };
  const value = statistic();
  let reached = 1;
  for (let t = 0; t < permutations; t++) {
    for (let i = total - 1; i > 0; i--) {
      const j = random.below(i + 1);
      [order[i], order[j]] = [order[j] ?? 0, order[i] ?? 0];
    }
    if (statistic() >= value) reached++;
  }
  return { value, p: reached / (permutations + 1), bandwidth };
}
