/**
 * Special functions in float64, accurate to about 1e-14: what the reference engine computes with, the compiler reads values and signs off, and tests
 * compare to.
 */

const SQRT_2 = Math.SQRT2;
const TWO_OVER_SQRT_PI = 2 / Math.sqrt(Math.PI);

/** erf for |x| < 2.5: e^(-x²) 2/√π Σ 2^n x^(2n+1) / (2n+1)!! (Abramowitz & Stegun 7.1.6; all terms of one sign). */
function erfSeries(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return TWO_OVER_SQRT_PI * Math.exp(-x * x) * total;
}

/** erfc for x >= 2.5: continued fraction e^(-x²) / (√π (x + (1/2)/(x + 1/(x + (3/2)/(x + …))))) (A&S 7.1.14), from the far end. */
function erfcFraction(x: number): number {
  let tail = x;
  for (let n = 60; n >= 1; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

export function erf(x: number): number {
  if (Number.isNaN(x)) return NaN;
  const magnitude = Math.abs(x);
  if (magnitude < 2.5) return magnitude === 0 ? x : erfSeries(x);
  return Math.sign(x) * (1 - (magnitude > 30 ? 0 : erfcFraction(magnitude)));
}

export function erfc(x: number): number {
  if (x < 2.5) return x <= -2.5 ? 2 - erfc(-x) : 1 - erfSeries(x);
  return x > 30 ? 0 : erfcFraction(x);
}

const A = [-39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239];
const B = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1];
const C = [-0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783];
const D = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1];
const horner = (coefficients: readonly number[], x: number): number => coefficients.reduce((value, c) => value * x + c, 0);

/** The standard normal quantile of p in (0, 1): Acklam's rational start, then Halley steps on the distribution function. */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p <= 0) return p === 0 ? -Infinity : NaN;
  let x: number;
  if (p < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(p));
    x = horner(C, q) / horner(D, q);
  } else {
    const q = p - 0.5;
    x = (q * horner(A, q * q)) / horner(B, q * q);
  }
  for (let i = 0; i < 2; i++) {
    const error = 0.5 * erfc(-x / SQRT_2) - p;
    const u = error * Math.sqrt(2 * Math.PI) * Math.exp((x * x) / 2);
    x -= u / (1 + (x * u) / 2);
  }
  return x;
}

/** Bernoulli numbers B2, B4, …, B20. */
const BERNOULLI = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330];
/** From here on the asymptotic series are exact to float64. */
const FAR = 16;

/** log |Γ(x)|: Stirling's series (A&S 6.1.41) after a shift; reflection for x <= 0. */
export function lgamma(x: number): number {
  if (Number.isNaN(x)) return NaN;
  if (x === Infinity || x === -Infinity) return Infinity;
  if (x <= 0) return Number.isInteger(x) ? Infinity : Math.log(Math.PI / Math.abs(Math.sin(Math.PI * x))) - lgamma(1 - x);
  if (x === 1 || x === 2) return 0;
  let product = 1;
  let y = x;
  while (y < FAR) product *= y++;
  let series = 0;
  for (let k = BERNOULLI.length; k >= 1; k--) series = series / (y * y) + BERNOULLI[k - 1]! / (2 * k * (2 * k - 1));
  return (y - 0.5) * Math.log(y) - y + 0.5 * Math.log(2 * Math.PI) + series / y - Math.log(product);
}

/** ψ^(n)(x): asymptotic series (A&S 6.3.18, 6.4.11) after the recurrence ψ^(n)(x) = ψ^(n)(x + 1) - (-1)^n n! x^(-n-1). */
export function polygamma(n: number, x: number): number {
  if (Number.isNaN(x) || x === -Infinity) return NaN;
  if (x <= 0 && Number.isInteger(x)) return NaN;
  if (n === 0 && x < 0) return polygamma(0, 1 - x) - Math.PI / Math.tan(Math.PI * x);
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  const sign = n % 2 === 0 ? 1 : -1;
  let value = 0;
  let y = x;
  for (; y < FAR + n; y++) value -= sign * factorial * y ** (-n - 1);
  if (y === Infinity) return n === 0 ? Infinity : 0;
  if (n === 0) {
    let series = 0;
    for (let k = BERNOULLI.length; k >= 1; k--) series = (series + BERNOULLI[k - 1]! / (2 * k)) / (y * y);
    return value + Math.log(y) - 1 / (2 * y) - series;
  }
  let total = factorial / n / y ** n + factorial / (2 * y ** (n + 1));
  let ratio = factorial / y ** n; // (2k + n - 1)! / (2k)! / y^(2k + n), k = 0 times n
  ratio /= n;
  for (let k = 1; k <= BERNOULLI.length; k++) {
    ratio *= ((2 * k + n - 2) * (2 * k + n - 1)) / ((2 * k - 1) * (2 * k) * y * y);
    total += BERNOULLI[k - 1]! * ratio;
  }
  return value - sign * total;
}

export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}
