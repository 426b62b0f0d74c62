/**
 * The value of an objective tree by listing every state of everything that is drawn, in float64 and straight from the definitions: nothing of the compiler
 * or the runtime is in it. Its gradient is taken by central differences, with what stands in `stop` evaluated at weights that are held.
 */
import type { Case, Conditional, Density, Index, Node, Reading, Ref, Slot, Source, Value, Variable } from "./objective-tree.js";
import { ARGUMENT, headOf } from "./objective-tree.js";
import { logSoftmax, logSumExp, type Vectors } from "./numbers.js";

/** A number, the entries of a vector, or the members of a family; samples are in a list of their own. */
type State = number | readonly State[];

interface Scope {
  readonly names: Readonly<Record<string, State>>;
  readonly indices: Readonly<Record<string, number>>;
}

interface World {
  readonly model: Case;
  readonly w: Vectors;
  /** Weights that `stop` sees. */
  readonly held: Vectors;
  readonly budget: Budget;
}

/** What is left of the evaluations of nodes that a value may take, and sums over states that are known, by weights. */
interface Budget {
  left: number;
  readonly sums: Map<Vectors, Map<string, number>>;
}

/** A value that would take too long to list. */
export class TooLong extends Error {}
/** A real latent lies where the grid does not reach. */
export class OffGrid extends Error {}

/** The value for one row of data. */
export function valueOf(model: Case, row: Readonly<Record<string, State>>, w: Vectors, held: Vectors = w): number {
  return evaluate({ model, w, held, budget: { left: 30_000, sums: new Map() } }, { names: row, indices: {} }, model.objective);
}

function evaluate(world: World, scope: Scope, n: Node): number {
  if (--world.budget.left < 0) throw new TooLong();
  const go = (m: Node): number => evaluate(world, scope, m);
  switch (n.kind) {
    case "number":
      return n.value;
    case "weight":
      return only(world.w[n.name]);
    case "read":
      return read(world, lookUp(scope, n.ref), n.reading);
    case "unary":
      if (n.fn === "stop") return evaluate({ ...world, w: world.held }, scope, n.a);
      return unary[n.fn](go(n.a));
    case "binary":
      return binary[n.fn](go(n.a), go(n.b));
    case "where": {
      const [a, b] = [go(n.a), go(n.b)];
      return (n.cmp === "greater" ? a > b : a < b) ? go(n.then) : go(n.other);
    }
    case "density":
      return logDensity(world, n.density, assigned(scope, n.head), assigned(scope, n.given));
    case "expect":
      return average(world, scope, n.sources, n.body);
    case "plate":
      return plate[n.op](
        Array.from({ length: n.count }, (_, i) => evaluate(world, { ...scope, indices: { ...scope.indices, [n.index]: i + 1 } }, n.body)),
      );
    case "optimum": {
      const all = statesOf(n.variables.map((v) => variableOf(world.model, v)));
      return Math[n.op](...all.map((s) => evaluate(world, { ...scope, names: { ...scope.names, ...s } }, n.body)));
    }
    case "net": {
      const body = world.model.nets[n.name];
      if (!body) throw new Error(`no net ${n.name}`);
      return evaluate(world, { names: { [ARGUMENT]: go(n.of) }, indices: {} }, body);
    }
    case "named":
      return go(n.body);
  }
}

const unary = {
  neg: (a: number): number => -a,
  tanh: Math.tanh,
  sigmoid: (a: number): number => 1 / (1 + Math.exp(-a)),
  softplus: (a: number): number => logSumExp([0, a]),
  square: (a: number): number => a * a,
  relu: (a: number): number => Math.max(a, 0),
  abs: Math.abs,
  exp: Math.exp,
  logsquare: (a: number): number => Math.log(1 + a * a),
};

const binary = {
  "+": (a: number, b: number): number => a + b,
  "-": (a: number, b: number): number => a - b,
  "*": (a: number, b: number): number => a * b,
  ratio: (a: number, b: number): number => a / (1 + b * b),
  maximum: (a: number, b: number): number => Math.max(a, b),
  minimum: (a: number, b: number): number => Math.min(a, b),
  logaddexp: (a: number, b: number): number => logSumExp([a, b]),
};

const total = (xs: readonly number[]): number => xs.reduce((s, x) => s + x, 0);
const plate = {
  sum: total,
  mean: (xs: readonly number[]): number => total(xs) / xs.length,
  logsumexp: logSumExp,
  logmeanexp: (xs: readonly number[]): number => logSumExp(xs) - Math.log(xs.length),
  max: (xs: readonly number[]): number => Math.max(...xs),
  min: (xs: readonly number[]): number => Math.min(...xs),
};

// ---- values in scope ------------------------------------------------------------------------------

const only = (xs: readonly number[] | undefined): number => xs?.[0] ?? NaN;

function lookUp({ names, indices }: Scope, { name, sample, member }: Ref): State {
  const place = (i: Index): number => (typeof i === "number" ? i : (indices[i] ?? NaN)) - 1;
  let state = names[name];
  for (const i of [sample, member]) if (i !== undefined && typeof state === "object") state = state[place(i)];
  if (state === undefined) throw new Error(`${name} is not in scope`);
  return state;
}

const flat = (s: State): readonly number[] => (typeof s === "number" ? [s] : s.flatMap(flat));

function read({ w }: World, state: State, r: Reading): number {
  const entries = flat(state);
  switch (r.how) {
    case "number":
      return only(entries);
    case "sum":
      return total(entries);
    case "isOne":
      return only(entries) === 1 ? 1 : 0;
    case "entry":
      return entries[r.at - 1] ?? NaN;
    case "dot":
      return total(entries.map((e, i) => e * (w[r.weight]?.[i] ?? NaN)));
    case "lookup":
    case "onehot":
      return w[r.weight]?.[only(entries)] ?? NaN;
  }
}

function pointOf(scope: Scope, v: Value): State {
  const map = (s: State, f: (x: number) => number): State => (typeof s === "number" ? f(s) : s.map((e) => map(e, f)));
  switch (v.kind) {
    case "ref":
      return lookUp(scope, v.ref);
    case "constant":
      return v.value;
    case "flip":
      return map(lookUp(scope, v.ref), (x) => 1 - x);
    case "scaled":
      return map(lookUp(scope, v.ref), (x) => v.by * x);
  }
}

const assigned = (scope: Scope, slots: readonly Slot[]): Record<string, State> =>
  Object.fromEntries(slots.map((s) => [s.variable, pointOf(scope, s.value)]));

// ---- densities -------------------------------------------------------------------------------------

function variableOf(model: Case, name: string): Variable {
  const found = model.variables[name];
  if (!found) throw new Error(`no variable ${name}`);
  return found;
}

function product<T>(lists: readonly (readonly T[])[]): readonly (readonly T[])[] {
  return lists.reduce<readonly (readonly T[])[]>((all, list) => all.flatMap((head) => list.map((x) => [...head, x])), [[]]);
}

/** Places of the trapezoidal rule for a real latent: of what is smooth and falls off as a Normal does its error is far below that of a float. */
const WIDTH = 0.25;
const grid: readonly number[] = Array.from({ length: 65 }, (_, i) => (i - 32) * WIDTH);
const isReal = (v: Variable): boolean => v.domain === "real";
const widthOf = (variables: readonly Variable[]): number => WIDTH ** variables.filter(isReal).length;

function valuesOf({ domain, classes, size, members }: Variable): readonly State[] {
  if (domain === "real") return grid;
  const one: readonly number[] = Array.from({ length: domain === "binary" ? 2 : classes }, (_, i) => i);
  const repeated = (list: readonly State[], n: number): readonly State[] =>
    n === 0 ? list : product(Array.from({ length: n }, () => list));
  return repeated(repeated(one, size), members);
}

export function statesOf(variables: readonly Variable[]): readonly Record<string, State>[] {
  return product(variables.map(valuesOf)).map((values) => Object.fromEntries(variables.map((v, i) => [v.name, values[i] ?? NaN])));
}

function logConditional(world: World, scope: Scope, c: Conditional): number {
  const { w } = world;
  const [name = "", member] = c.variable.split(".");
  const { domain, classes, size } = variableOf(world.model, name);
  const value = flat(lookUp(scope, member === undefined ? { name } : { name, member: Number(member) }));
  const width = domain === "category" ? classes : Math.max(size, 1);
  const numbers = c.terms.map((t) => evaluate(world, scope, t.of));
  const rows = c.rows.map((r) => only(flat(lookUp(scope, r.of))));
  const logits = Array.from(
    { length: width },
    (_, i) =>
      (w[c.base]?.[i] ?? NaN) +
      total(c.terms.map((t, j) => (w[t.weight]?.[i] ?? NaN) * (numbers[j] ?? NaN))) +
      total(c.rows.map((r, j) => w[r.table]?.[(rows[j] ?? NaN) * width + i] ?? NaN)),
  );
  if (domain === "real") return -0.5 * ((only(value) - only(logits)) / c.scale) ** 2 - Math.log(c.scale) - 0.5 * Math.log(2 * Math.PI);
  if (domain === "category") return logSoftmax(logits)[only(value)] ?? NaN;
  return total(value.map((bit, i) => -logSumExp([0, (bit === 1 ? -1 : 1) * (logits[i] ?? NaN)])));
}

function densityOf({ model }: World, name: string): Density {
  const found = model.densities[name];
  if (!found) throw new Error(`no density ${name}`);
  return found;
}

/** log of the joint density of what is set, the rest of the head summed or integrated out; real data that are not set come last and integrate to 1. */
function logSum(world: World, density: Density, set: Readonly<Record<string, State>>): number {
  const known = world.budget.sums.get(world.w) ?? new Map<string, number>();
  world.budget.sums.set(world.w, known);
  const key = `${density.name}${JSON.stringify(set)}`;
  const value = known.get(key) ?? listedSum(world, density, set);
  known.set(key, value);
  return value;
}

function listedSum(world: World, density: Density, set: Readonly<Record<string, State>>): number {
  const free = headOf(density).filter((v) => set[v] === undefined);
  const listed = free.map((v) => variableOf(world.model, v)).filter((v) => !isReal(v) || v.role === "latent");
  const factors = density.body.filter((c) => {
    const [name = ""] = c.variable.split(".");
    return set[name] !== undefined || listed.some((v) => v.name === name);
  });
  const all = statesOf(listed).map((s) => total(factors.map((c) => logConditional(world, { names: { ...set, ...s }, indices: {} }, c))));
  return logSumExp(all) + Math.log(widthOf(listed));
}

function logDensity(world: World, name: string, head: Readonly<Record<string, State>>, given: Readonly<Record<string, State>>): number {
  const density = densityOf(world, name);
  const conditioned = headOf(density).some((v) => given[v] !== undefined);
  return logSum(world, density, { ...given, ...head }) - (conditioned ? logSum(world, density, given) : 0);
}

// ---- expectations ------------------------------------------------------------------------------------

function average(world: World, scope: Scope, sources: readonly Source[], body: Node): number {
  const [source, ...rest] = sources;
  if (!source) return evaluate(world, scope, body);
  const draws: readonly { readonly chance: number; readonly names: Readonly<Record<string, State>> }[] =
    source.kind === "helper"
      ? bernoulli(source.as, evaluate(world, scope, source.logit))
      : states(world, source, assigned(scope, source.given));
  // draws given latents are normalised on the grid, reached or not: this finds the others
  if (Math.abs(total(draws.map((d) => d.chance)) - 1) > 1e-7) throw new OffGrid();
  const families = source.samples === 0 ? draws.map((d) => [d]) : product(Array.from({ length: source.samples }, () => draws));
  return total(
    families.map((family) => {
      const chance = family.reduce((p, d) => p * d.chance, 1);
      const names = Object.keys(family[0]?.names ?? {}).map((n): [string, State] => [
        n,
        source.samples === 0 ? (family[0]?.names[n] ?? NaN) : family.map((d) => d.names[n] ?? NaN),
      ]);
      return chance * average(world, { ...scope, names: { ...scope.names, ...Object.fromEntries(names) } }, rest, body);
    }),
  );
}

function bernoulli(name: string, logit: number): { chance: number; names: Record<string, State> }[] {
  const one = 1 / (1 + Math.exp(-logit));
  return [
    { chance: 1 - one, names: { [name]: 0 } },
    { chance: one, names: { [name]: 1 } },
  ];
}

function states(
  world: World,
  source: Extract<Source, { kind: "density" }>,
  given: Readonly<Record<string, State>>,
): readonly { readonly chance: number; readonly names: Readonly<Record<string, State>> }[] {
  const drawn = source.draws.map((d) => variableOf(world.model, d.variable));
  return statesOf(drawn).map((s) => ({
    chance: widthOf(drawn) * Math.exp(logDensity(world, source.density, s, given)),
    names: Object.fromEntries(source.draws.map((d) => [d.as, s[d.variable] ?? NaN])),
  }));
}
