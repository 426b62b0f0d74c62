/**
 * Functions of a whole batch: all leading axes are rows of one sample, and the result has none of them. What they estimate is a property of
 * two distributions, not a mean over examples, so their value depends on how many rows a batch holds.
 */
import {
  add,
  div,
  exp,
  eye,
  GmcError,
  matmul,
  matrixTranspose,
  maximum,
  mean,
  mul,
  reshape,
  sizeOf,
  sliceAxis,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
} from "../graph/index.js";
import type { Tensor } from "../graph/index.js";

/** The mean over all rows: x [...rows, ...event] -> event, of `eventRank` axes. */
export function batchMean(x: Tensor, eventRank: number): Tensor {
  return mean(
    x,
    Array.from({ length: x.shape.length - eventRank }, (_, i) => i),
  );
}

export interface MmdOptions {
  /** σ of each kernel exp(-|a - b|^2 / (2 σ)); the kernel is their sum (Li, Swersky & Zemel 2015, section 4). */
  readonly bandwidths: readonly number[];
  /**
   * Of Gretton et al. 2012: `biased`, all pairs (eq. 5, never below 0); `unbiased`, pairs of different rows (eq. 3); `linear`, the rows of the
   * first half of the batch with those of the second, in time linear in the batch (lemma 14, unbiased).
   */
  readonly estimator?: "biased" | "unbiased" | "linear";
}

/**
 * The squared maximum mean discrepancy between two samples, rank 0: x [n, ...event], y [m, ...event], as the last `eventRank` axes are the event.
 * Throws GM4013 where a sample is too small for the estimator.
 */
export function mmd(x: Tensor, y: Tensor, eventRank: number, { bandwidths, estimator = "unbiased" }: MmdOptions): Tensor {
  const [a, b] = [rowsOf(x, eventRank), rowsOf(y, eventRank)];
  const [n, m] = [a.shape[0] ?? 0, b.shape[0] ?? 0];
  if (estimator !== "biased" && Math.min(n, m) < 2) {
    throw new GmcError(
      "GM4013",
      `the ${estimator} estimate of MMD takes two rows of each sample at least, and a batch has ${Math.min(n, m)}`,
      ["use a larger batch"],
    );
  }
  if (estimator === "linear") {
    const half = Math.floor(Math.min(n, m) / 2);
    const halves = (t: Tensor): readonly [Tensor, Tensor] => [sliceAxis(t, 0, 0, half), sliceAxis(t, 0, half, 2 * half)];
    const [a1, a2] = halves(a);
    const [b1, b2] = halves(b);
    const k = (s: Tensor, t: Tensor): Tensor => mixture(sum(square(sub(s, t)), [-1]), bandwidths);
    return mean(sub(add(k(a1, a2), k(b1, b2)), add(k(a1, b2), k(a2, b1))));
  }
  const within = (t: Tensor, size: number): Tensor => {
    const k = mixture(squaredDistances(t, t), bandwidths);
    return estimator === "biased" ? mean(k) : mul(sum(mul(k, sub(1, eye(size)))), 1 / (size * (size - 1)));
  };
  return sub(add(within(a, n), within(b, m)), mul(2, mean(mixture(squaredDistances(a, b), bandwidths))));
}

/** All rows of a sample, each as one vector. */
function rowsOf(x: Tensor, eventRank: number): Tensor {
  const width = sizeOf(x.shape.slice(x.shape.length - eventRank));
  return reshape(x, [-1, width]);
}

/** Entries, at most, of the differences of all pairs: 8 MB of float32. */
const MOST_DIFFERENCES = 2 ** 21;

/**
 * |a_i - b_j|^2 of rows a [n, D] and b [m, D]: [n, m]. Differences come before their squares as long as all of them, [n, m, D], have room: right to
 * rounding wherever rows lie. Beyond that the square is expanded, which takes one matrix product, about the middle of the rows a: its error is that of
 * float32 at the squared distance of a pair's rows from there, so rows far off spoil their own distances alone, and groups far apart those within them.
 */
export function squaredDistances(a: Tensor, b: Tensor): Tensor {
  const [n = 1, width = 1] = a.shape;
  const [m = 1] = b.shape;
  if (n * m * width <= MOST_DIFFERENCES) {
    return sum(square(sub(reshape(a, [n, 1, width]), reshape(b, [1, m, width]))), [-1]);
  }
  const centre = stopGradient(middle(a));
  const [c, d] = [sub(a, centre), sub(b, centre)];
  const norms = (t: Tensor): Tensor => sum(square(t), [-1]);
  const cross = matmul(c, matrixTranspose(d));
  return maximum(sub(add(reshape(norms(c), [-1, 1]), norms(d)), mul(2, cross)), 0);
}

/**
 * Nearly the geometric median of rows [n, D], by steps of Weiszfeld from their mean: [D]. One row far off moves a mean as far as it likes, and this
 * hardly. No distance depends on where 0 is, so it needs to be neither exact nor differentiated.
 */
function middle(rows: Tensor): Tensor {
  let centre = mean(rows, [0]);
  for (let step = 0; step < 4; step++) {
    const far = reshape(sqrt(sum(square(sub(rows, centre)), [-1])), [-1, 1]);
    // a row at the centre itself weighs much, not without end
    const weights = div(1, add(far, add(1e-30, mul(1e-6, mean(far)))));
    centre = div(sum(mul(weights, rows), [0]), sum(weights));
  }
  return centre;
}

function mixture(distances: Tensor, bandwidths: readonly number[]): Tensor {
  return bandwidths.map((s) => exp(mul(distances, -1 / (2 * s)))).reduce((total, k) => add(total, k));
}
