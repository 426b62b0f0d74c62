/** Plain arithmetic that tests compare with: numbers spread out, sums of exponentials, central differences. */

/** Named vectors of numbers. */
export type Vectors<N extends string = string> = Readonly<Record<N, readonly number[]>>;

/** `n` numbers in -scale..scale without a pattern, which f32 holds exactly. */
export const spread = (n: number, scale: number, seed: number): number[] =>
  Array.from({ length: n }, (_, i) => Math.fround(scale * Math.sin(1.7 * (i + 1) * seed + seed)));

export function logSumExp(xs: readonly number[]): number {
  const top = Math.max(...xs);
  return top + Math.log(xs.reduce((s, x) => s + Math.exp(x - top), 0));
}

export const logSoftmax = (xs: readonly number[]): number[] => {
  const total = logSumExp(xs);
  return xs.map((x) => x - total);
};

/** The gradient of `f` in every entry of every vector, by central differences. */
export function differences<N extends string>(f: (w: Vectors<N>) => number, at: Vectors<N>, step = 1e-4): Vectors<N> {
  const moved = (name: N, i: number, by: number): number => f({ ...at, [name]: at[name].map((v, j) => (i === j ? v + by : v)) });
  const entries = (Object.keys(at) as N[]).map((name) => [
    name,
    at[name].map((_, i) => (moved(name, i, step) - moved(name, i, -step)) / (2 * step)),
  ]);
  return Object.fromEntries(entries) as Vectors<N>;
}
