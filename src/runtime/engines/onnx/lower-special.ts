/**
 * log |Γ(x)| and its derivatives, composed of ONNX operators. In f64: the series cancel, and f32 would lose half of its digits near the roots.
 * Accurate to f32 for any finite argument.
 */
import { int, type ModelBuilder } from "./builder.js";
import { elementType } from "./proto.js";

const cast = (b: ModelBuilder, x: string, to: "f32" | "f64"): string => b.op("Cast", [x], { to: int(elementType[to]) });
const add = (b: ModelBuilder, x: string, y: string): string => b.op("Add", [x, y]);
const sub = (b: ModelBuilder, x: string, y: string): string => b.op("Sub", [x, y]);
const mul = (b: ModelBuilder, x: string, y: string): string => b.op("Mul", [x, y]);
const div = (b: ModelBuilder, x: string, y: string): string => b.op("Div", [x, y]);

/** Σ c[i] x^i */
function polynomial(b: ModelBuilder, coefficients: readonly number[], x: string): string {
  return coefficients
    .slice(0, -1)
    .reduceRight((value, c) => add(b, mul(b, value, x), b.f64(c)), b.f64(coefficients[coefficients.length - 1]!));
}

/** Bernoulli numbers B2, B4, … */
const bernoulli = [1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730];

/** Past here the asymptotic series below are exact to f32 with the six Bernoulli numbers above. */
const far = 6;

/** π x of the argument's fraction, in [-π/2, π/2], so that large arguments keep their digits. */
function turns(b: ModelBuilder, x: string): string {
  const nearest = b.op("Floor", [add(b, x, b.f64(0.5))]);
  return mul(b, b.f64(Math.PI), sub(b, x, nearest));
}

/**
 * Stirling's series (Abramowitz & Stegun 6.1.41) after a shift by the recurrence Γ(x + 1) = x Γ(x); reflection
 * log |Γ(x)| = log(π / |sin π x|) - log Γ(1 - x) below 1/2.
 */
export function lgamma(b: ModelBuilder, x32: string): string {
  const x = cast(b, x32, "f64");
  const one = b.f64(1);
  const low = b.op("Less", [x, b.f64(0.5)]);
  const z = b.op("Where", [low, sub(b, one, x), x]);
  let product = z;
  for (let i = 1; i < far; i++) product = mul(b, product, add(b, z, b.f64(i)));
  const near = b.op("Less", [z, b.f64(far)]);
  const y = b.op("Where", [near, add(b, z, b.f64(far)), z]);
  const correction = b.op("Where", [near, b.op("Log", [product]), b.f64(0)]);
  const inverse = div(b, one, y);
  const series = polynomial(
    b,
    bernoulli.map((value, i) => value / ((2 * i + 2) * (2 * i + 1))),
    mul(b, inverse, inverse),
  );
  // (y - 1/2) log y - y = (y - 1/2) (log y - 1) - 1/2, which an infinite y keeps infinite
  const main = mul(b, sub(b, y, b.f64(0.5)), sub(b, b.op("Log", [y]), one));
  const right = sub(b, add(b, add(b, main, b.f64(0.5 * Math.log(2 * Math.PI) - 0.5)), mul(b, series, inverse)), correction);
  const sine = b.op("Abs", [b.op("Sin", [turns(b, x)])]);
  const left = sub(b, b.op("Log", [div(b, b.f64(Math.PI), sine)]), right);
  return cast(b, b.op("Where", [low, left, right]), "f32");
}

/**
 * ψ^(n): asymptotic series (Abramowitz & Stegun 6.3.18, 6.4.11) after the recurrence ψ^(n)(x) = ψ^(n)(x + 1) - (-1)^n n! x^(-n-1).
 * Below 1/2: for n = 0 the reflection ψ(x) = ψ(1 - x) - π cot π x; for n > 0, whose reflection is a polynomial in cot π x,
 * ψ^(n)(x) = (-1)^n ψ^(n)(1 - x) - d^n/dx^n (π cot π x).
 */
export function polygamma(b: ModelBuilder, order: number, x32: string): string {
  const x = cast(b, x32, "f64");
  const low = b.op("Less", [x, b.f64(0.5)]);
  const z = b.op("Where", [low, sub(b, b.f64(1), x), x]);
  const right = polygammaRight(b, order, z);
  const mirrored = order % 2 === 0 ? right : b.op("Neg", [right]);
  const left = sub(b, mirrored, cotangentDerivative(b, order, x));
  return cast(b, b.op("Where", [low, left, right]), "f32");
}

/** ψ^(n) for z >= 1/2. */
function polygammaRight(b: ModelBuilder, n: number, z: string): string {
  const sign = n % 2 === 0 ? 1 : -1;
  const factorial = factorialOf(n);
  const shift = far + n;
  let recurrence = b.f64(0);
  for (let i = 0; i < shift; i++) recurrence = add(b, recurrence, power(b, div(b, b.f64(1), i === 0 ? z : add(b, z, b.f64(i))), n + 1));
  const y = add(b, z, b.f64(shift));
  const inverse = div(b, b.f64(1), y);
  const square = mul(b, inverse, inverse);
  const asymptotic = n === 0 ? digammaSeries(b, y, inverse, square) : polygammaSeries(b, n, inverse, square);
  return sub(b, n === 0 ? asymptotic : mul(b, b.f64(-sign), asymptotic), mul(b, b.f64(sign * factorial), recurrence));
}

/** log y - 1 / (2 y) - Σ B2k / (2k y^2k) */
function digammaSeries(b: ModelBuilder, y: string, inverse: string, square: string): string {
  const series = polynomial(b, [0, ...bernoulli.map((value, i) => value / (2 * i + 2))], square);
  return sub(b, sub(b, b.op("Log", [y]), mul(b, b.f64(0.5), inverse)), series);
}

/** (n - 1)! / y^n + n! / (2 y^(n+1)) + Σ B2k (2k + n - 1)! / ((2k)! y^(2k+n)) */
function polygammaSeries(b: ModelBuilder, n: number, inverse: string, square: string): string {
  const even = [factorialOf(n - 1), ...bernoulli.map((value, i) => (value * factorialOf(2 * i + 1 + n)) / factorialOf(2 * i + 2))];
  const bracket = add(b, polynomial(b, even, square), mul(b, b.f64(factorialOf(n) / 2), inverse));
  return mul(b, power(b, inverse, n), bracket);
}

/** d^n/dx^n π cot(π x) = π^(n+1) P_n(cot π x), with P_0 = c and P_(n+1)(c) = -(1 + c²) P_n'(c). */
function cotangentDerivative(b: ModelBuilder, n: number, x: string): string {
  let p = [0, 1];
  for (let i = 0; i < n; i++) {
    const next = new Array<number>(p.length + 1).fill(0);
    for (let k = 1; k < p.length; k++) {
      next[k - 1]! -= k * p[k]!;
      next[k + 1]! -= k * p[k]!;
    }
    p = next;
  }
  const angle = turns(b, x);
  const cotangent = div(b, b.op("Cos", [angle]), b.op("Sin", [angle]));
  return mul(b, b.f64(Math.PI ** (n + 1)), polynomial(b, p, cotangent));
}

function power(b: ModelBuilder, x: string, n: number): string {
  if (n === 1) return x;
  const half = power(b, x, Math.floor(n / 2));
  const square = mul(b, half, half);
  return n % 2 === 0 ? square : mul(b, square, x);
}

function factorialOf(n: number): number {
  let product = 1;
  for (let i = 2; i <= n; i++) product *= i;
  return product;
}
