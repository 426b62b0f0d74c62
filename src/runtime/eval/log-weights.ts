/** Log weights of annealed chains: the log of their mean, and how far it may be trusted. In float64. */
import { FEW, type PartitionProtocol } from "./protocol.js";

export interface WeighedLogs {
  readonly value: number;
  readonly standardError: number;
  readonly effectiveSampleSize: number;
  /** Of the logs. */
  readonly deviation: number;
}

/** log of the mean of exp(logs), its standard error by the delta method, and how much the weights behind it are worth. */
export function logMeanWeight(logs: ArrayLike<number>): WeighedLogs {
  const n = logs.length;
  const list = Array.from(logs);
  const top = list.reduce((a, b) => Math.max(a, b), -Infinity);
  const weights = list.map((l) => Math.exp(l - top));
  const total = weights.reduce((a, b) => a + b, 0);
  const squares = weights.reduce((a, b) => a + b * b, 0);
  const mean = total / n;
  const variance = n < 2 ? NaN : (squares - n * mean * mean) / (n - 1);
  const middle = list.reduce((a, b) => a + b, 0) / n;
  return {
    value: top + Math.log(mean),
    // rounding may bring equal weights just below 0
    standardError: Math.sqrt(Math.max(0, variance) / n) / mean,
    effectiveSampleSize: (total * total) / squares,
    deviation: n < 2 ? NaN : Math.sqrt(list.reduce((t, l) => t + (l - middle) ** 2, 0) / (n - 1)),
  };
}

/** Of several conditions: the middle one, and how many one chain decides. */
export function sampleSizes(found: readonly WeighedLogs[]): NonNullable<PartitionProtocol["sampleSizes"]> {
  const sizes = found.map((f) => f.effectiveSampleSize).sort((a, b) => a - b);
  return { median: sizes[Math.floor(sizes.length / 2)] ?? 0, few: sizes.filter((size) => size < FEW).length };
}
