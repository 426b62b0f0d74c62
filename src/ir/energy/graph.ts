/** The interaction graph of an energy's variables: its colouring, and which of them can be summed out. */
import type { Domain } from "../types.js";
import type { EnergyAnalysis, Sampler, UnitLaw } from "./types.js";

type Edges = readonly { readonly a: string; readonly b: string }[];

export function neighbours(edges: Edges, name: string): ReadonlySet<string> {
  return new Set(edges.flatMap((e) => (e.a === name ? [e.b] : e.b === name ? [e.a] : [])));
}

/**
 * Blocks without an edge inside, in the order of a sweep: two where the graph allows it, else a greedy colouring. In each component the
 * first hidden variable is drawn in the first block, since chains start from visible values.
 */
export function colouring(variables: readonly string[], edges: Edges, isHidden: (name: string) => boolean): readonly (readonly string[])[] {
  const order = [...variables.filter(isHidden), ...variables.filter((v) => !isHidden(v))];
  const colour = twoColours(order, edges) ?? greedy(order, edges);
  const count = Math.max(0, ...colour.values()) + 1;
  return Array.from({ length: count }, (_, c) => variables.filter((v) => colour.get(v) === c)).filter((block) => block.length > 0);
}

function twoColours(order: readonly string[], edges: Edges): ReadonlyMap<string, number> | undefined {
  const colour = new Map<string, number>();
  for (const start of order) {
    if (colour.has(start)) continue;
    colour.set(start, 0);
    const queue = [start];
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const other = 1 - (colour.get(name) ?? 0);
      for (const next of neighbours(edges, name)) {
        const seen = colour.get(next);
        if (seen !== undefined && seen !== other) return undefined;
        if (seen !== undefined) continue;
        colour.set(next, other);
        queue.push(next);
      }
    }
  }
  return colour;
}

function greedy(order: readonly string[], edges: Edges): ReadonlyMap<string, number> {
  const colour = new Map<string, number>();
  for (const name of order) {
    const taken = new Set([...neighbours(edges, name)].flatMap((n) => colour.get(n) ?? []));
    let c = 0;
    while (taken.has(c)) c++;
    colour.set(name, c);
  }
  return colour;
}

// ---- what a law allows --------------------------------------------------------------------------

/** Whether the units have a conditional that is drawn at once, and that sums or integrates in closed form. */
export function hasBlockLaw(law: UnitLaw): boolean {
  return law.kind !== "coupled" && law.kind !== "nonlinear";
}

/** Samplers that can draw the variable given the rest, the best first. */
export function samplersOf(law: UnitLaw, domain: Domain): readonly Sampler[] {
  const gradients: readonly Sampler[] = domain.name === "real" ? ["langevin", "hmc"] : [];
  const sites: readonly Sampler[] = domain.name === "binary" || domain.name === "category" ? ["single_site"] : [];
  return [...(hasBlockLaw(law) ? (["gibbs"] as const) : []), ...sites, ...gradients];
}

/** Real variables that no conditional draws. */
export function movedByGradient({ variables, variable, laws }: EnergyAnalysis): readonly string[] {
  return variables.filter((v) => variable.get(v)?.domain.name === "real" && laws.get(v)?.kind === "nonlinear");
}

/** Variables that a sweep reads before it draws them, where those of `given` have values: a chain makes values of theirs up. */
export function readFirst(analysis: EnergyAnalysis, given: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const seen = new Set(given);
  for (const block of analysis.sweep) {
    const drawn = block.filter((v) => !given.includes(v));
    for (const v of drawn) {
      const law = analysis.laws.get(v);
      const read = [...neighbours(analysis.edges, v), ...(law && !hasBlockLaw(law) ? [v] : [])];
      for (const other of read) if (!seen.has(other)) found.add(other);
    }
    for (const v of drawn) seen.add(v);
  }
  return analysis.variables.filter((v) => found.has(v));
}

/** log2 of the number of states; Infinity for real variables and for counts. */
export function log2States(domain: Domain): number {
  const entries = domain.shape.reduce((n, d) => n * d.size, 1);
  if (domain.name === "category") return entries * Math.log2(domain.classes?.size ?? 1);
  if (domain.name !== "binary") return Infinity;
  if (!domain.atMostOne) return entries;
  const block = domain.atMostOne.reduce((n, b) => n * b, 1);
  return (entries / block) * Math.log2(block + 1);
}

function statesOf(analysis: EnergyAnalysis, name: string): number {
  const variable = analysis.variable.get(name);
  return variable ? log2States(variable.domain) : 0;
}

export interface Summed {
  /** Independent given all others; closed form by law. */
  readonly sum: readonly string[];
  /** Real variables that meet each other or those of `sum`: the energy without `sum` is quadratic in each, and they are integrated one after the other. */
  readonly joint?: readonly string[];
  /** Binary variables, each with real ones of `sum` of which each unit meets one of its own: summed unit by unit, these integrated in both states. */
  readonly paired?: Readonly<Record<string, readonly string[]>>;
  /** Summed over all their states. */
  readonly enumerate: readonly string[];
  /** log2 of the number of those states; Infinity where one is not finite. */
  readonly log2States: number;
}

/**
 * How to sum out `hidden`: the set of mutually independent variables with a closed form whose removal leaves the fewest states, and the rest.
 * Of sets that leave equally many, the one that comes first in the order given.
 */
export function summable(analysis: EnergyAnalysis, hidden: readonly string[]): Summed {
  const states = (name: string): number => statesOf(analysis, name);
  const closed = hidden.filter((name) => {
    const law = analysis.laws.get(name);
    return law !== undefined && hasBlockLaw(law);
  });
  const sum = heaviestIndependent(closed, analysis.edges, states);
  const enumerate = hidden.filter((name) => !sum.includes(name));
  return { sum, enumerate, log2States: enumerate.reduce((n, name) => n + states(name), 0) };
}

/**
 * As `summable`, with real variables that meet integrated as one joint Normal, where that leaves no others: all discrete variables that meet them
 * are enumerated, for a sum over their states would leave no quadratic energy. Spikes are summed unit by unit, each with its slab.
 */
export function summableTogether(analysis: EnergyAnalysis, hidden: readonly string[]): Summed {
  const apart = withPairs(analysis, summable(analysis, hidden));
  if (apart.log2States < Infinity || (analysis.definite !== "proven" && analysis.definite !== "checked")) return apart;
  const isReal = (v: string): boolean => analysis.variable.get(v)?.domain.name === "real";
  const real = hidden.filter(isReal);
  const reached = new Set(real.flatMap((v) => [...neighbours(analysis.edges, v)]));
  const free = hidden.filter((v) => !isReal(v) && !reached.has(v));
  const rest = summable(analysis, free);
  const { sum } = summable(analysis, real);
  const enumerate = hidden.filter((v) => !isReal(v) && !rest.sum.includes(v));
  return {
    sum: hidden.filter((v) => sum.includes(v) || rest.sum.includes(v)),
    joint: real.filter((v) => !sum.includes(v)),
    enumerate,
    log2States: enumerate.reduce((n, v) => n + statesOf(analysis, v), 0),
  };
}

/** Of what would be enumerated, units that meet others through their own slabs alone. */
function withPairs(analysis: EnergyAnalysis, way: Summed): Summed {
  const paired = new Map<string, readonly string[]>();
  for (const name of way.enumerate) {
    const near = neighbours(analysis.edges, name);
    const slabs = way.sum.filter((v) => near.has(v));
    const own = analysis.slabs.get(name) ?? [];
    const isTaken = (v: string): boolean => [...paired.values()].some((others) => others.includes(v));
    if (slabs.length === 0 || !slabs.every((v) => own.includes(v) && !isTaken(v)) || [...paired.keys()].some((v) => near.has(v))) continue;
    paired.set(name, slabs);
  }
  if (paired.size === 0) return way;
  const enumerate = way.enumerate.filter((v) => !paired.has(v));
  const log2 = enumerate.reduce((n, v) => n + statesOf(analysis, v), 0);
  return { ...way, paired: Object.fromEntries(paired), enumerate, log2States: log2 };
}

/** Exact up to 20 variables; beyond that the heavier ones are taken first. */
function heaviestIndependent(names: readonly string[], edges: Edges, weight: (name: string) => number): readonly string[] {
  const value = (set: readonly string[]): readonly [infinite: number, finite: number] => [
    set.filter((n) => weight(n) === Infinity).length,
    set.reduce((total, n) => total + (weight(n) === Infinity ? 0 : weight(n)), 0),
  ];
  const heavier = (a: readonly string[], b: readonly string[]): boolean => {
    const [[i, x], [j, y]] = [value(a), value(b)];
    return i > j || (i === j && x > y + 1e-9);
  };
  const free = (set: readonly string[], name: string): boolean => {
    const near = neighbours(edges, name);
    return set.every((n) => !near.has(n));
  };
  if (names.length > 20) {
    const order = [...names].sort((a, b) => (weight(a) === weight(b) ? 0 : weight(b) > weight(a) ? 1 : -1));
    const set = order.reduce<readonly string[]>((chosen, n) => (free(chosen, n) ? [...chosen, n] : chosen), []);
    return names.filter((n) => set.includes(n));
  }
  let best: readonly string[] = [];
  const grow = (set: readonly string[], rest: readonly string[]): void => {
    if (heavier(set, best)) best = set;
    if (!heavier([...set, ...rest], best)) return;
    const [first, ...others] = rest;
    if (first === undefined) return;
    if (free(set, first)) grow([...set, first], others);
    grow(set, others);
  };
  grow([], names);
  return names.filter((n) => best.includes(n));
}
