/**
 * Combining values in float64 as they come, in memory that does not grow: the mean over samples in one of three ways, for each row;
 * then mean and standard error over rows. The result does not depend on how rows were cut into batches.
 */

export type Combine = "logMeanExp" | "negLogMeanExp" | "mean";

/** Values of one batch of rows over chunks of samples; a chunk of n samples counts n times. */
export class SampleCombiner {
  private readonly top: Float64Array;
  private readonly total: Float64Array;
  private samples = 0;

  constructor(
    private readonly combine: Combine,
    rows: number,
    /** Values are such logarithms times this. */
    private readonly scale = 1,
  ) {
    this.top = new Float64Array(rows).fill(-Infinity);
    this.total = new Float64Array(rows);
  }

  /** `values[i]` is row i's value over `samples` samples. */
  add(values: ArrayLike<number>, samples: number): void {
    this.samples += samples;
    const factor = this.combine === "mean" ? 1 : (this.combine === "negLogMeanExp" ? -1 : 1) / this.scale;
    for (let i = 0; i < this.total.length; i++) {
      const value = factor * (values[i] ?? NaN);
      if (this.combine === "mean") {
        this.total[i] = (this.total[i] ?? 0) + samples * value;
        continue;
      }
      // the sum of exponentials is held as total * exp(top)
      const top = this.top[i] ?? -Infinity;
      if (value > top) {
        this.total[i] = (this.total[i] ?? 0) * Math.exp(top - value) + samples;
        this.top[i] = value;
      } else if (value === -Infinity) continue;
      else this.total[i] = (this.total[i] ?? 0) + samples * Math.exp(value - top);
    }
  }

  /** One value a row. */
  result(): Float64Array {
    const out = new Float64Array(this.total.length);
    for (let i = 0; i < out.length; i++) {
      const total = this.total[i] ?? NaN;
      if (this.combine === "mean") out[i] = total / this.samples;
      else {
        const log = this.scale * ((this.top[i] ?? NaN) + Math.log(total / this.samples));
        out[i] = this.combine === "negLogMeanExp" ? -log : log;
      }
    }
    return out;
  }
}

/** Mean and variance of a stream of numbers (Welford 1962; Chan et al. 1979 for weights are not needed: rows count once). */
export class Moments {
  private n = 0;
  private mu = 0;
  private m2 = 0;

  add(value: number): void {
    this.n++;
    const delta = value - this.mu;
    this.mu += delta / this.n;
    this.m2 += delta * (value - this.mu);
  }

  get count(): number {
    return this.n;
  }

  get mean(): number {
    return this.n === 0 ? NaN : this.mu;
  }

  /** With denominator n. */
  get variance(): number {
    return this.n === 0 ? NaN : this.m2 / this.n;
  }

  /** Of the mean: sqrt(s^2 / n), s^2 with denominator n - 1. NaN below two values. */
  get standardError(): number {
    return this.n < 2 ? NaN : Math.sqrt(this.m2 / (this.n - 1) / this.n);
  }
}

/** How k samples are cut into chunks of one size and a rest; a function of k and the limit alone, so that draws depend on nothing else. */
export function sampleChunks(k: number, limit: number): readonly number[] {
  const whole = Math.floor(k / limit);
  const rest = k - whole * limit;
  return [...Array.from({ length: whole }, () => limit), ...(rest > 0 ? [rest] : [])];
}
