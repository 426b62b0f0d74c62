/** Models whose variable stands in its own parameters: their weights by chance, their sums over all states, which entries parameters read. */
import { leavesOf } from "../../src/runtime/index.js";
import type { Tensor } from "../../src/runtime/index.js";
import { hostStream } from "../../src/runtime/graph/random.js";
import { type Loaded, runModel } from "./model.js";

/** Weights of every leaf, large enough that all that can matter does. */
export function someWeights(loaded: Loaded, seed = 1): Readonly<Record<string, readonly number[]>> {
  const stream = hostStream(seed, "weights");
  return Object.fromEntries(
    leavesOf(loaded.weights).map(({ path, spec }) => [
      path,
      Array.from({ length: spec.shape.reduce((n, s) => n * s, 1) }, () => stream.normal()),
    ]),
  );
}

/** All values of n entries of `states` states each, one after another. */
export function allStates(n: number, states = 2): readonly number[] {
  const rows = states ** n;
  return Array.from({ length: rows * n }, (_, i) => Math.floor(Math.floor(i / n) / states ** (n - 1 - (i % n))) % states);
}

export interface Shown {
  readonly shape: readonly number[];
  readonly states?: number;
  readonly dtype?: "f32" | "i32";
  /** The function of the generated code: `logP` unless told. */
  readonly fn?: string;
  /** Further data, one row for all. */
  readonly given?: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: readonly number[]; readonly dtype?: "f32" | "i32" }>
  >;
}

/** The sum of p(x) over all x, by a function of the generated code. */
export function totalMass(loaded: Loaded, { shape, states = 2, dtype = "f32", fn = "logP", given = {} }: Shown): number {
  const n = shape.reduce((a, b) => a * b, 1);
  const x = { shape: [states ** n, ...shape], data: allStates(n, states), dtype };
  const more = Object.entries(given).map(([name, g]) => [
    name,
    { ...g, shape: [states ** n, ...g.shape], data: Array.from({ length: states ** n }, () => g.data).flat() },
  ]);
  const { log = [] } = runModel(loaded, ({ f, w, x: at }) => ({ log: f(fn)(w, at["x"], ...Object.keys(given).map((name) => at[name])) }), {
    data: { x, ...Object.fromEntries(more) },
    state: someWeights(loaded),
  });
  return log.reduce((total, l) => total + Math.exp(l), 0);
}

/**
 * Of each entry of the variable, the entries that some parameter of it reads: which ones change it. `paramsP` of the generated code, in float64.
 * Parameters are repeated to [...shape, any].
 */
export function readsOf(loaded: Loaded, { shape, dtype = "f32" }: Shown): readonly ReadonlySet<number>[] {
  const n = shape.reduce((a, b) => a * b, 1);
  const found = Array.from({ length: n }, () => new Set<number>());
  for (const seed of [1, 2]) {
    const stream = hostStream(seed, "values");
    const base = Array.from({ length: n }, () => (dtype === "i32" ? 0 : stream.normal()));
    const rows = Array.from({ length: n + 1 }, (_, row) => base.map((v, i) => (i === row ? (dtype === "i32" ? 1 : v + 0.7) : v)));
    const outputs = runModel(
      loaded,
      ({ f, w, x, key }) => f("paramsP")(w, key, { x: x["x"], y: x["x"] }) as unknown as Readonly<Record<string, Tensor>>,
      { data: { x: { shape: [n + 1, ...shape], data: rows.flat(), dtype } }, state: someWeights(loaded, seed) },
    );
    for (const values of Object.values(outputs)) {
      const each = values.length / (n + 1);
      const perEntry = each / n;
      if (perEntry < 1) continue;
      for (let j = 0; j < n; j++)
        for (let k = 0; k < each; k++) if (values[j * each + k] !== values[n * each + k]) found[Math.floor(k / perEntry)]?.add(j);
    }
  }
  return found;
}
