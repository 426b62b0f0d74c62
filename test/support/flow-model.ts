/** Flow models against their forward direction alone: densities by central differences of what samples are made of. */
import { leavesOf } from "../../src/runtime/nn/spec.js";
import { evaluateInit } from "../../src/runtime/nn/init.js";
import { type Loaded, runModel } from "./model.js";

/** A small generator of its own (mulberry32). */
export function random(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function normals(seed: number, count: number): readonly number[] {
  const next = random(seed);
  return Array.from({ length: count }, () => Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next()));
}

/** Weights away from their starts, where every bijection does something; what no optimiser moves stays as it starts. */
export function someWeights(loaded: Loaded, seed = 1, scale = 0.5): Readonly<Record<string, readonly number[]>> {
  return Object.fromEntries(
    leavesOf(loaded.weights).map(({ path, spec }, i): [string, readonly number[]] => {
      const size = spec.shape.reduce((n, d) => n * d, 1);
      const start = Array.from(evaluateInit(spec.init, spec.shape, { path, seed: 1 }));
      const by = normals(seed * 1000 + i, size);
      return [path, spec.trained ? start.map((v, j) => v + scale * by[j]!) : start];
    }),
  );
}

type State = Readonly<Record<string, readonly number[]>>;
type Given = Readonly<
  Record<string, { readonly shape: readonly number[]; readonly data: readonly number[]; readonly dtype?: "f32" | "i32" }>
>;

/** What the sampler of a density gives where some variables are held. */
export function drawn(loaded: Loaded, sampler: string, state: State, given: Given, seed = 1): Readonly<Record<string, readonly number[]>> {
  return runModel(
    loaded,
    ({ f, w, x, key, rows }) => (f(sampler)(w, key, rows, x) as unknown as { readonly values: Record<string, never> }).values,
    { data: given, state, seed },
  );
}

/** log |det ∂out/∂name| of one row, by central differences. */
export function logDetOf(loaded: Loaded, sampler: string, state: State, given: Given, name: string, out: string): number {
  const base = given[name]!;
  const n = base.data.length;
  const h = 1e-5;
  const rows = Array.from({ length: 2 * n }, (_, r) => base.data.map((v, i) => v + (i === r >> 1 ? (r % 2 === 0 ? h : -h) : 0)));
  const repeated = Object.fromEntries(
    Object.entries(given).map(([key, v]) => [
      key,
      {
        ...v,
        shape: [2 * n, ...v.shape.slice(1)],
        data: key === name ? rows.flat() : Array.from({ length: 2 * n }, () => v.data).flat(),
      },
    ]),
  );
  const values = drawn(loaded, sampler, state, repeated)[out]!;
  const m = values.length / (2 * n);
  const jacobian = Array.from({ length: n }, (_, i) =>
    Array.from({ length: m }, (__, j) => (values[2 * i * m + j]! - values[(2 * i + 1) * m + j]!) / (2 * h)),
  );
  return logAbsDet(jacobian);
}

/** By Gaussian elimination with pivots. */
export function logAbsDet(matrix: readonly (readonly number[])[]): number {
  const a = matrix.map((row) => [...row]);
  let total = 0;
  for (let i = 0; i < a.length; i++) {
    let pivot = i;
    for (let r = i; r < a.length; r++) if (Math.abs(a[r]![i]!) > Math.abs(a[pivot]![i]!)) pivot = r;
    [a[i], a[pivot]] = [a[pivot]!, a[i]!];
    total += Math.log(Math.abs(a[i]![i]!));
    for (let r = i + 1; r < a.length; r++) {
      const factor = a[r]![i]! / a[i]![i]!;
      for (let c = i; c < a.length; c++) a[r]![c]! -= factor * a[i]![c]!;
    }
  }
  return total;
}

export function logNormal(x: readonly number[], loc = 0, scale = 1): number {
  return x.reduce((sum, v) => sum - ((v - loc) / scale) ** 2 / 2 - Math.log(scale) - Math.log(2 * Math.PI) / 2, 0);
}

/** The integral of exp(log p) over a square, by the midpoint rule. */
export function integral(logP: (points: readonly (readonly number[])[]) => readonly number[], half: number, cells: number): number {
  const at = (i: number): number => -half + ((i + 0.5) * 2 * half) / cells;
  const points = Array.from({ length: cells * cells }, (_, i) => [at(Math.floor(i / cells)), at(i % cells)]);
  return logP(points).reduce((sum, v) => sum + Math.exp(v), 0) * ((2 * half) / cells) ** 2;
}
