/**
 * What an analysis claims of an energy, held against numbers at random points: differences of first to third order of the energy evaluated in
 * float64. Gives what is claimed and not true, in words.
 */
import type { EnergyAnalysis } from "../../src/ir/energy/index.js";
import type { DeriveContext } from "../../src/ir/derive/context.js";
import { fieldOf, precisionOf } from "../../src/ir/energy/field.js";
import type { Expr } from "../../src/ir/types.js";
import { type Arr, evaluateExpr, type Point, size } from "./energy-evaluate.js";

/** Uniform numbers in 0..1 from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let a = seed | 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

export function falseClaims(context: DeriveContext, analysis: EnergyAnalysis, seed: number): readonly string[] {
  const random = randomFrom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const weights = new Map<string, Arr>();
  const weight = (path: string, shape: readonly number[]): Arr => {
    const known = weights.get(path) ?? { shape, data: Array.from({ length: size(shape) }, () => normal() * 0.7) };
    weights.set(path, known);
    return known;
  };
  const shapeOf = (name: string): readonly number[] => {
    const domain = context.model.variables.get(name)?.domain;
    return [...(domain?.shape ?? []), ...(domain?.classes ? [domain.classes] : [])].map((d) => d.size);
  };
  const continuous = (name: string): Arr => ({ shape: shapeOf(name), data: Array.from({ length: size(shapeOf(name)) }, normal) });
  const inDomain = (name: string): Arr => {
    const domain = context.model.variables.get(name)?.domain;
    const shape = shapeOf(name);
    if (domain?.name === "real" || !domain) return continuous(name);
    if (domain.name === "binary") return { shape, data: Array.from({ length: size(shape) }, () => (random() < 0.5 ? 0 : 1)) };
    if (domain.name === "count") return { shape, data: Array.from({ length: size(shape) }, () => Math.floor(random() * 4)) };
    const classes = domain.classes?.size ?? 1;
    const data = Array.from({ length: size(shape) / classes }, () => {
      const k = Math.floor(random() * classes);
      return Array.from({ length: classes }, (_, i) => (i === k ? 1 : 0));
    }).flat();
    return { shape, data };
  };
  const valueOf = (energies: readonly Expr[], variables: Readonly<Record<string, Arr>>): number => {
    const point: Point = { variables, weight };
    return energies.reduce((total, e) => total + (evaluateExpr(context, point, e).data[0] ?? NaN), 0);
  };
  const moved = (x: Arr, steps: readonly (readonly [unit: number, by: number])[]): Arr => ({
    ...x,
    data: x.data.map((v, i) => v + steps.reduce((t, [unit, by]) => t + (unit === i ? by : 0), 0)),
  });
  const wrong: string[] = [];
  const zero = (what: string, parts: readonly number[]): void => {
    const scale = Math.max(1, ...parts.map(Math.abs));
    const total = parts.reduce((a, b) => a + b, 0);
    if (Number.isFinite(total) && Math.abs(total) > 1e-7 * scale) wrong.push(`${what}: ${total}`);
  };
  const all = [...analysis.variables, ...analysis.reads];
  const index = context.densities.get(analysis.density);
  const written = index?.energy?.energies.map((e) => e.value) ?? [];

  for (let trial = 0; trial < 2; trial++) {
    const there = Object.fromEntries(all.map((name) => [name, inDomain(name)]));
    zero("the rewritten energy is the energy", [valueOf(written, there), -valueOf(analysis.energies, there)]);
    zero("the terms add up to the energy", [
      valueOf(analysis.energies, there),
      ...analysis.terms.map((t) => -t.scale * valueOf([t.expr], there)),
    ]);

    // the claims are about the energy as a function, also between the values of a domain: that is where its gradient is taken
    const x = Object.fromEntries(all.map((name) => [name, continuous(name)]));
    const at = (changes: Readonly<Record<string, Arr>>): number => valueOf(analysis.energies, { ...x, ...changes });
    const base = at({});
    const units = (name: string): readonly number[] => [...(x[name]?.data.keys() ?? [])];
    for (const name of analysis.variables) {
      const law = analysis.laws.get(name)?.kind;
      const value = x[name] as Arr;
      const E = (...steps: readonly (readonly [number, number])[]): number => at({ [name]: moved(value, steps) });
      const straight = law === "bernoulli" || law === "oneOfBlock" || law === "categorical" || law === "multinomial";
      const apart = straight || law === "normal";
      for (const i of units(name)) {
        if (straight || analysis.multiAffine.has(name))
          zero(`${name}: ${law}, affine in unit ${i}`, [E([i, 0.8]), E([i, -0.8]), -base, -base]);
        if (law === "normal" || law === "jointNormal")
          zero(
            `${name}: ${law}, quadratic in unit ${i}`,
            third((t) => E([i, t])),
          );
        if (apart)
          for (const j of units(name))
            if (j > i) zero(`${name}: ${law}, units ${i} and ${j}`, [E([i, 0.9], [j, 1.1]), -E([i, 0.9]), -E([j, 1.1]), base]);
      }
      if (law === "jointNormal") {
        const direction = units(name).map(() => normal());
        zero(
          `${name}: jointNormal`,
          third((t) => E(...direction.map((d, i) => [i, t * d] as const))),
        );
      }
    }
    for (const a of analysis.variables)
      for (const b of analysis.variables) {
        if (a >= b || analysis.edges.some((e) => (e.a === a && e.b === b) || (e.a === b && e.b === a))) continue;
        const [p, q] = [inDomain(a), inDomain(b)];
        zero(`${a} and ${b} do not interact`, [at({ [a]: p, [b]: q }), -at({ [a]: p }), -at({ [b]: q }), base]);
      }
    if (analysis.definite === "proven") {
      const real = analysis.variables.filter((v) => context.model.variables.get(v)?.domain.name === "real");
      const places = real.flatMap((name) => units(name).map((i) => [name, i] as const));
      const given = Object.fromEntries(all.filter((v) => !real.includes(v)).map((name) => [name, there[name] as Arr]));
      const E = (steps: readonly (readonly [number, number])[]): number => {
        const changes: Record<string, Arr> = { ...given };
        for (const name of real)
          changes[name] = moved(
            x[name] as Arr,
            steps.flatMap(([place, by]) => (places[place]?.[0] === name ? [[places[place][1], by] as const] : [])),
          );
        return at(changes);
      };
      const alone = places.map((_, i) => E([[i, 1]]));
      const none = E([]);
      const second = (i: number, j: number): number =>
        E([
          [i, 1],
          [j, 1],
        ]) -
        (alone[i] ?? NaN) -
        (alone[j] ?? NaN) +
        none;
      const hessian = places.map((_, i) => places.map((__, j) => (j <= i ? second(i, j) : 0)));
      if (!isPositiveDefinite(hessian)) wrong.push("the Hessian is proven positive definite");
    }
  }
  return wrong;
}

/** Third difference at 0, as parts that add up to it. */
function third(f: (t: number) => number): readonly number[] {
  return [f(1.5), -3 * f(0.5), 3 * f(-0.5), -f(-1.5)];
}

/** By Cholesky. */
export function isPositiveDefinite(matrix: readonly (readonly number[])[]): boolean {
  const n = matrix.length;
  const l = matrix.map((row) => row.map(() => 0));
  const scale = Math.max(...matrix.map((row, i) => Math.abs(row[i] ?? 0)));
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      let s = matrix[i]?.[j] ?? 0;
      for (let k = 0; k < j; k++) s -= (l[i]?.[k] ?? 0) * (l[j]?.[k] ?? 0);
      if (i === j && s <= 1e-9 * scale) return false;
      (l[i] as number[])[j] = i === j ? Math.sqrt(s) : s / (l[j]?.[j] ?? 1);
    }
  return true;
}

/**
 * The field of every variable whose derivative is given in full, and the precision of Normal ones, held against central differences of the
 * energy at zero. Says how many were compared.
 */
export function wrongFields(
  context: DeriveContext,
  analysis: EnergyAnalysis,
  seed: number,
): { readonly wrong: readonly string[]; readonly checked: number } {
  const random = randomFrom(seed);
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const weights = new Map<string, Arr>();
  const weight = (path: string, shape: readonly number[]): Arr => {
    const known = weights.get(path) ?? { shape, data: Array.from({ length: size(shape) }, normal) };
    weights.set(path, known);
    return known;
  };
  const at: Record<string, Arr> = {};
  for (const name of [...analysis.variables, ...analysis.reads]) {
    const domain = context.model.variables.get(name)?.domain;
    const shape = [...(domain?.shape ?? []), ...(domain?.classes ? [domain.classes] : [])].map((d) => d.size);
    at[name] = { shape, data: Array.from({ length: size(shape) }, normal) };
  }
  const wrong: string[] = [];
  let checked = 0;
  for (const name of analysis.variables) {
    const law = analysis.laws.get(name)?.kind;
    if (law === "coupled" || law === "nonlinear" || law === "jointNormal") continue;
    const { shape } = at[name] as Arr;
    const zero: Arr = { shape, data: Array.from({ length: size(shape) }, () => 0) };
    const E = (unit: number, by: number): number => {
      const x = { ...zero, data: zero.data.map((v, i) => (i === unit ? v + by : v)) };
      return analysis.energies.reduce(
        (t, e) => t + (evaluateExpr(context, { variables: { ...at, [name]: x }, weight }, e).data[0] ?? NaN),
        0,
      );
    };
    const value = (expr: Expr): readonly number[] => {
      const { shape: own, data } = evaluateExpr(context, { variables: { ...at, [name]: zero }, weight }, expr);
      if (size(own) > size(shape)) throw new Error(`a field of shape ${own.join()}`);
      return zero.data.map((_, i) => data[i % data.length] ?? NaN);
    };
    const compare = (what: string, given: readonly number[], wanted: readonly number[]): void => {
      checked++;
      const off = Math.max(...given.map((g, i) => Math.abs(g - (wanted[i] ?? NaN)) / Math.max(1, Math.abs(g))));
      if (!(off < 1e-6)) wrong.push(`${what} of ${name}: ${given.join()} instead of ${wanted.join()}`);
    };
    const field = fieldOf(context, analysis, name);
    if (field.rest.length === 0) {
      const total = field.parts.map(value).reduce((a, b) => a.map((x, i) => x + (b[i] ?? NaN)), zero.data);
      compare(
        "field",
        total,
        zero.data.map((_, i) => E(i, -0.5) - E(i, 0.5)),
      );
    }
    const precision = law === "normal" ? precisionOf(context, analysis, name) : undefined;
    if (precision)
      compare(
        "precision",
        value(precision),
        zero.data.map((_, i) => E(i, 1) + E(i, -1) - 2 * E(i, 0)),
      );
  }
  return { wrong, checked };
}
