/**
 * WGSL functions that expressions call: special functions in f32, words of Threefry, comparisons that know NaN. `helperText` gives the text of
 * the functions asked for and of those that they call. WGSL lets a compiler assume that there is no NaN, so NaN is told by its bits.
 */

interface Helper {
  readonly text: string;
  readonly needs?: readonly string[];
}

/** Stirling's series from here on is exact to f32 (A&S 6.1.41). */
const FAR = 8;

const helpers: Readonly<Record<string, Helper>> = {
  is_nan: { text: `fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }` },
  is_finite: { text: `fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }` },
  // a constant expression may hold neither
  nan: { text: `fn nan() -> f32 { var bits = 0x7fc00000u; return bitcast<f32>(bits); }` },
  inf: { text: `fn inf() -> f32 { var bits = 0x7f800000u; return bitcast<f32>(bits); }` },
  max_f: { text: `fn max_f(a: f32, b: f32) -> f32 { return select(select(max(a, b), b, is_nan(b)), a, is_nan(a)); }`, needs: ["is_nan"] },
  min_f: { text: `fn min_f(a: f32, b: f32) -> f32 { return select(select(min(a, b), b, is_nan(b)), a, is_nan(a)); }`, needs: ["is_nan"] },
  sign_f: { text: `fn sign_f(x: f32) -> f32 { return select(sign(x), x, is_nan(x)); }`, needs: ["is_nan"] },
  // 2 artanh(x / (2 + x)) near 0 (A&S 4.1.28)
  log1p_f: {
    text: `fn log1p_f(x: f32) -> f32 {
  if (abs(x) > 0.25) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (0.2 + q * (1.0 / 7.0 + q / 9.0))));
}`,
  },
  expm1_f: {
    text: `fn expm1_f(x: f32) -> f32 {
  if (abs(x) > 0.5) { return exp(x) - 1.0; }
  return x * (1.0 + x * (0.5 + x * (1.0 / 6.0 + x * (1.0 / 24.0 + x * (1.0 / 120.0 + x * (1.0 / 720.0 + x / 5040.0))))));
}`,
  },
  tanh_f: {
    text: `fn tanh_f(x: f32) -> f32 {
  let e = expm1_f(-2.0 * abs(x));
  return select(1.0, -1.0, x < 0.0) * (-e / (2.0 + e));
}`,
    needs: ["expm1_f"],
  },
  sigmoid_f: {
    text: `fn sigmoid_f(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}`,
  },
  softplus_f: {
    text: `fn softplus_f(x: f32) -> f32 { return select(max(x, 0.0), x, is_nan(x)) + log1p_f(exp(-abs(x))); }`,
    needs: ["log1p_f", "is_nan"],
  },
  // Cody & Waite: π/2 in three parts, then the polynomials of Cephes' sinf and cosf on [-π/4, π/4]
  sincos_f: {
    text: `fn sincos_f(x: f32, shift: i32) -> f32 {
  let k = round(x * 0.636619772);
  var r = fma(-k, 1.5703125, x);
  r = fma(-k, 4.837512969970703125e-4, r);
  r = fma(-k, 7.549789954891882e-8, r);
  let q = (i32(k) + shift) & 3;
  let z = r * r;
  let s = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let c = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let v = select(s, c, (q & 1) == 1);
  return select(v, -v, (q & 2) == 2);
}`,
  },
  // Near 0 the series (A&S 7.1.5), elsewhere 1 - erfc(x) by a rational fit of relative error 1.2e-7 (Numerical Recipes, 6.2)
  erf_f: {
    text: `fn erf_f(x: f32) -> f32 {
  let a = abs(x);
  let q = x * x;
  if (a < 0.5) { return x * 1.128379167 * (1.0 - q * (1.0 / 3.0 - q * (0.1 - q * (1.0 / 42.0 - q * (1.0 / 216.0 - q / 1320.0))))); }
  if (a > 6.0) { return sign(x); }
  let t = 1.0 / (1.0 + 0.5 * a);
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  let r = 1.0 - t * exp(-q + p);
  return select(r, -r, x < 0.0);
}`,
  },
  pow_f: {
    text: `fn pow_f(a: f32, b: f32) -> f32 {
  if (b == 0.0 || a == 1.0) { return 1.0; }
  if (is_nan(a) || is_nan(b)) { return nan(); }
  let whole = floor(b) == b;
  let odd = whole && abs(b) < 16777216.0 && (abs(b) - 2.0 * floor(abs(b) * 0.5)) == 1.0;
  let x = abs(a);
  var r = exp2(b * log2(x));
  if (x == 0.0) { r = select(inf(), 0.0, b > 0.0); }
  if (whole && abs(b) <= 4.0 && x != 0.0) {
    let square = x * x;
    let n = i32(abs(b));
    r = select(1.0, x, (n & 1) == 1) * select(1.0, square, (n & 2) == 2) * select(1.0, square * square, (n & 4) == 4);
    r = select(r, 1.0 / r, b < 0.0);
  }
  if (x == 1.0 && !is_finite(b)) { return 1.0; }
  if (a < 0.0 && !whole && is_finite(b)) { return nan(); }
  return select(r, -r, a < 0.0 && odd);
}`,
    needs: ["is_nan", "nan", "inf", "is_finite"],
  },
  // Stirling's series after a shift, reflection below 0 (A&S 6.1.41, 6.1.17)
  lgamma_up: {
    text: `fn lgamma_up(x: f32) -> f32 {
  var product = 1.0;
  var y = x;
  for (var i = 0; i < ${FAR} && y < ${FAR}.0; i++) { product *= y; y += 1.0; }
  let r = 1.0 / y;
  let q = r * r;
  return (y - 0.5) * log(y) - y + 0.918938533 + r * (1.0 / 12.0 - q * (1.0 / 360.0 - q / 1260.0)) - log(product);
}`,
  },
  lgamma_f: {
    text: `fn lgamma_f(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (!is_finite(x) || (x <= 0.0 && floor(x) == x)) { return inf(); }
  if (x == 1.0 || x == 2.0) { return 0.0; }
  if (x > 0.0) { return lgamma_up(x); }
  return log(3.14159265 / abs(sincos_f(3.14159265 * (x - floor(x)), 0))) - lgamma_up(1.0 - x);
}`,
    needs: ["is_nan", "is_finite", "inf", "lgamma_up", "sincos_f"],
  },
  // A&S 6.3.18 after the recurrence 6.3.5, reflection 6.3.7
  digamma_up: {
    text: `fn digamma_up(x: f32) -> f32 {
  var sum = 0.0;
  var y = x;
  for (var i = 0; i < ${FAR} && y < ${FAR}.0; i++) { sum -= 1.0 / y; y += 1.0; }
  let r = 1.0 / y;
  let q = r * r;
  return sum + log(y) - 0.5 * r - q * (1.0 / 12.0 - q * (1.0 / 120.0 - q * (1.0 / 252.0 - q / 240.0)));
}`,
  },
  digamma_f: {
    text: `fn digamma_f(x: f32) -> f32 {
  if (is_nan(x) || (x <= 0.0 && (floor(x) == x || !is_finite(x)))) { return nan(); }
  if (!is_finite(x)) { return x; }
  if (x > 0.0) { return digamma_up(x); }
  let a = 3.14159265 * (x - floor(x));
  return digamma_up(1.0 - x) - 3.14159265 * sincos_f(a, 1) / sincos_f(a, 0);
}`,
    needs: ["is_nan", "is_finite", "nan", "digamma_up", "sincos_f"],
  },
  // A&S 6.4.11 after the recurrence 6.4.6. The sign is (-1)^(n+1).
  polygamma_f: {
    text: `fn polygamma_f(n: i32, x: f32) -> f32 {
  if (is_nan(x) || (x <= 0.0 && (floor(x) == x || !is_finite(x)))) { return nan(); }
  if (!is_finite(x)) { return 0.0; }
  var factorial = 1.0;
  for (var i = 2; i <= n; i++) { factorial *= f32(i); }
  let far = f32(${FAR} + n);
  var sum = 0.0;
  var y = x;
  while (y < far) {
    var p = 1.0 / y;
    for (var i = 0; i < n; i++) { p /= y; }
    sum += factorial * p;
    y += 1.0;
  }
  var power = 1.0;
  for (var i = 0; i < n; i++) { power /= y; }
  let m = f32(n);
  let q = 1.0 / (y * y);
  // (n - 1)! / y^n (1 + n / 2y + Σ B_2k (2k + n - 1)! / ((2k)! (n - 1)!) y^-2k)
  let c1 = m * (m + 1.0) / 12.0;
  let c2 = -m * (m + 1.0) * (m + 2.0) * (m + 3.0) / 720.0;
  let c3 = m * (m + 1.0) * (m + 2.0) * (m + 3.0) * (m + 4.0) * (m + 5.0) / 30240.0;
  let total = sum + factorial / m * power * (1.0 + 0.5 * m / y + q * (c1 + q * (c2 + q * c3)));
  return select(-total, total, (n & 1) == 1);
}`,
    needs: ["is_nan", "is_finite", "nan"],
  },
  idiv: { text: `fn idiv(a: i32, b: i32) -> i32 { if (b == 0) { return 0; } return a / b; }` },
  udiv: { text: `fn udiv(a: u32, b: u32) -> u32 { if (b == 0u) { return 0u; } return a / b; }` },
  f_to_i: {
    text: `fn f_to_i(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  if (x <= -2147483648.0) { return i32(-2147483648); }
  return i32(x);
}`,
    needs: ["is_nan"],
  },
  f_to_u: {
    text: `fn f_to_u(x: f32) -> u32 {
  if (is_nan(x) || x <= 0.0) { return 0u; }
  if (x >= 4294967296.0) { return 4294967295u; }
  return u32(x);
}`,
    needs: ["is_nan"],
  },
  // Threefry-2x32-20, see graph/random.ts for the layout
  threefry: {
    text: `fn threefry(key: vec2u, counter: vec2u) -> vec2u {
  let k2 = key.x ^ key.y ^ 0x1bd11bdau;
  var x = counter + key;
${[
  ["13u, 15u, 26u, 6u", "key.y", "k2", 1],
  ["17u, 29u, 16u, 24u", "k2", "key.x", 2],
  ["13u, 15u, 26u, 6u", "key.x", "key.y", 3],
  ["17u, 29u, 16u, 24u", "key.y", "k2", 4],
  ["13u, 15u, 26u, 6u", "k2", "key.x", 5],
]
  .map(([rotations, a, b, i]) => `  x = four_rounds(x, vec4u(${rotations})) + vec2u(${a}, ${b} + ${i}u);`)
  .join("\n")}
  return x;
}`,
    needs: ["four_rounds"],
  },
  four_rounds: {
    text: `fn four_rounds(words: vec2u, r: vec4u) -> vec2u {
  var x = words;
  x.x += x.y; x.y = ((x.y << r.x) | (x.y >> (32u - r.x))) ^ x.x;
  x.x += x.y; x.y = ((x.y << r.y) | (x.y >> (32u - r.y))) ^ x.x;
  x.x += x.y; x.y = ((x.y << r.z) | (x.y >> (32u - r.z))) ^ x.x;
  x.x += x.y; x.y = ((x.y << r.w) | (x.y >> (32u - r.w))) ^ x.x;
  return x;
}`,
  },
  draw: {
    text: `fn draw(key: vec2u, row: u32, e: u32) -> u32 {
  let pair = threefry(key, vec2u(row, e >> 1u));
  return select(pair.x, pair.y, (e & 1u) == 1u);
}`,
    needs: ["threefry"],
  },
  uniform_of: { text: `fn uniform_of(word: u32) -> f32 { return f32(word >> 8u) * 5.9604644775390625e-8; }` },
  // √2 erfinv(s 2^-23): Giles 2010, "Approximating the erfinv function", table 5 (single precision)
  normal_of: {
    text: `fn normal_of(word: u32) -> f32 {
  let s = f32(i32(word >> 8u) - 8388608) + 0.5;
  let x = s * 1.1920928955078125e-7;
  let rest = (8388608.0 - abs(s)) * 1.1920928955078125e-7;
  var w = -log(rest * (1.0 + abs(x)));
  var p: f32;
  if (w < 5.0) {
    w -= 2.5;
    p = 1.50140941 + w * (0.246640727 + w * (-0.00417768164 + w * (-0.00125372503 + w * (0.000218580870 + w * (-4.39150654e-6 + w * (-3.5233877e-6 + w * (3.43273939e-7 + w * 2.81022636e-8)))))));
  } else {
    w = sqrt(w) - 3.0;
    p = 2.83297682 + w * (1.00167406 + w * (0.00943887047 + w * (-0.0076224613 + w * (0.00573950773 + w * (-0.00367342844 + w * (0.00134934322 + w * (0.000100950558 - w * 0.000200214257)))))));
  }
  return 1.41421356 * p * x;
}`,
  },
};

/** The functions named and all that they need, each once, in an order that does not depend on that of the names. */
export function helperText(names: Iterable<string>): string {
  const wanted = new Set<string>();
  const add = (name: string): void => {
    if (wanted.has(name)) return;
    wanted.add(name);
    helpers[name]!.needs?.forEach(add);
  };
  for (const name of names) add(name);
  return Object.keys(helpers)
    .filter((name) => wanted.has(name))
    .map((name) => helpers[name]!.text)
    .join("\n");
}
