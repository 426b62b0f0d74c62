/**
 * `log p(A | B)` of any variables of a directed density: spelled out as factors where the graph says so, with finite latents summed
 * and Normal latents of affine children integrated exactly; otherwise an error that says which variable is in the way and why.
 *
 * Method: take the factors of A, B and their ancestors (others integrate to one), group them by the hidden variables that they share,
 * cancel the groups that numerator and denominator have in common (this finds log p(x | z) in one factor), solve what is left.
 */
import type { Span } from "../../base/source.js";
import { Diagnostics, report } from "../../base/report.js";
import { finiteStates, MAX_STATES, MAX_TABLE, type States } from "../states.js";
import type { Factor, LinearGaussian, PartitionMethod, Quantity, Term } from "../quantity.js";
import type { Expr, LogDensityExpr, Slot, Variable } from "../types.js";
import { walkExpr } from "../walk.js";
import { listed } from "../energy/listed.js";
import {
  energyOf,
  type EnergyRequest,
  hiddenMethod,
  partitionInSum,
  partitionMethod,
  reportNoTotal,
  requireNoBoundBelow,
} from "./energy.js";
import { eliminated, planElimination, type Scoped } from "./elimination.js";
import { type Apart, type Conditional, conditionalOfTerm, entriesApart, reasonsText, standApart, statesOfEntry } from "./entries.js";
import { type Change, changeOfVariables, type DrawnTogether } from "./flow-change.js";
import { whyNotGaussian } from "./gaussian.js";
import { type Definition, type DeriveContext, densityOf, type DensityIndex, parentsOf } from "./context.js";
import { fingerprint } from "../same-expr.js";

/** Name of the distribution that a density draws a variable from. */
export function drawnFrom(index: DensityIndex, variable: string): string | undefined {
  const definition = index.definitions.get(variable);
  return definition?.kind === "draw" ? definition.dist.dist : undefined;
}

interface Group {
  readonly variables: readonly string[];
  readonly hidden: readonly string[];
}

/** Derives a log-density; undefined after an error has been reported. */
export function deriveLogDensity(context: DeriveContext, expr: LogDensityExpr, request: EnergyRequest): Quantity | undefined {
  const index = densityOf(context, expr.density);
  const conditions = new Set(index.density.given);
  const drawn = drawnWith(expr, index, request.drawn ?? []);
  const slots = new Map([...expr.head, ...expr.given].map((slot: Slot): [string, Expr] => [slot.variable, slot.value]));
  const totalOf = (variable: string): Expr | undefined => slots.get(variable) ?? request.ofRow?.(variable);
  const asked: Asked = { text: logDensityText(expr), span: expr.span, energy: request, totalOf };
  const behind = expr.given.map((s) => s.variable).filter((v) => !conditions.has(v));
  const all = [...expr.head.map((s) => s.variable), ...behind];

  const part = (wanted: readonly string[]): Part | undefined => {
    const known = new Set([...wanted, ...conditions]);
    const needed = ancestorsOf(context, index, wanted);
    const change = changeOfVariables(context, index, needed, known, new Set(drawn.keys()), asked);
    return change && { side: { context, index, change }, groups: groupsOf({ context, index, change }, needed, known) };
  };
  const numerator = part(all);
  const denominator = behind.length === 0 ? { groups: [], side: undefined } : part(behind);
  if (!numerator || !denominator) return undefined;
  const reused = [...drawn].filter(([v]) => numerator.side.change.reused.has(v));
  const at = new Map([...slots, ...reused]);
  const terms: Term[] = [];
  for (const [here, other, scale] of [[numerator, denominator, 1] as const, [denominator, numerator, -1] as const]) {
    for (const group of here.side ? groupsWithout(here.groups, other.groups) : []) {
      const quantity = here.side && solve(here.side, group.variables, group.hidden, at, { ...asked, behind }, 1);
      if (!quantity) return undefined;
      if (scale === -1 && !requireNoBoundBelow(context, request, index.density.name, quantity, asked.text, behind)) return undefined;
      terms.push(...flatten(quantity, scale));
    }
  }
  return settlePartition(context, index, terms, asked);
}

interface Part {
  readonly side: Side;
  readonly groups: readonly Group[];
}

/** A density, with what follows from the variables that have a value on a side of the quotient. */
interface Side {
  readonly context: DeriveContext;
  readonly index: DensityIndex;
  readonly change: Change;
}

/** Where all that is asked about was drawn by one `E` from this density: the variables that were drawn with it. */
function drawnWith(expr: LogDensityExpr, { density }: DensityIndex, all: readonly DrawnTogether[]): ReadonlyMap<string, Expr> {
  const [first] = expr.head;
  const sample = first?.value.kind === "variable" || first?.value.kind === "local" ? first.value.sample : undefined;
  const sampled = (value: Expr): Expr => (sample && (value.kind === "variable" || value.kind === "local") ? { ...value, sample } : value);
  const same = (a: Expr, b: Expr | undefined): boolean => b !== undefined && fingerprint(a) === fingerprint(b);
  const found = [...all]
    .reverse()
    .find(
      ({ density: name, values, given }) =>
        name === density.name &&
        expr.head.every((s) => values.has(s.variable) && same(s.value, sampled(values.get(s.variable) ?? s.value))) &&
        expr.given.every((s) => same(s.value, given.find((g) => g.variable === s.variable)?.value)),
    );
  const slots = new Set([...expr.head, ...expr.given].map((s) => s.variable));
  return new Map([...(found?.values ?? [])].flatMap(([v, value]): [string, Expr][] => (slots.has(v) ? [] : [[v, sampled(value)]])));
}

/** log Z cancels in a conditional; where it does not, it needs a method. */
function settlePartition(context: DeriveContext, index: DensityIndex, terms: readonly Term[], asked: Asked): Quantity | undefined {
  const partitions = terms.filter((t) => t.quantity.kind === "logPartition");
  const balance = partitions.reduce((total, t) => total + t.scale, 0);
  let settled = terms.filter((t) => t.quantity.kind !== "logPartition");
  const [partition] = partitions;
  if (partition?.quantity.kind === "logPartition" && balance !== 0 && !isConstant(context, partition.quantity, asked)) {
    // counts of the total that is summed over are a state for chains to start at, and what Z is given
    const totals = settled.flatMap((t) => (t.quantity.kind === "unnormalised" ? [...(t.quantity.totals ?? [])] : []));
    const given = settled.flatMap((t) => (t.quantity.kind === "unnormalised" ? t.quantity.given : []));
    const at = totals.length === 0 ? partition.quantity.at : new Map([...partition.quantity.at, ...totals]);
    const method = partitionMethod(context, asked.energy, index.density.name, [...given, ...totals.map(([v]) => v)], at, asked.text);
    if (!method) return undefined;
    settled = [...settled, { scale: balance, factors: [], quantity: { ...partition.quantity, at, method } }];
  }
  const only = settled[0];
  return settled.length === 1 && only && only.scale === 1 && only.factors.length === 0
    ? only.quantity
    : { kind: "sum", terms: settled, span: asked.span };
}

/** log Z under a gradient in names that its conditions do not read. */
function isConstant(context: DeriveContext, { density, at }: Extract<Quantity, { kind: "logPartition" }>, asked: Asked): boolean {
  const { under } = asked.energy;
  if (!under || under.size === 0) return false;
  const conditions = energyOf(context, density).reads.flatMap((v) => at.get(v) ?? []);
  let reads = false;
  for (const e of conditions) walkExpr(e, (x) => (reads ||= x.kind === "local" && under.has(x.local.id)));
  return !reads;
}

function groupsWithout(groups: readonly Group[], others: readonly Group[]): readonly Group[] {
  const keyOf = (g: Group): string => `${g.variables.join()}|${g.hidden.join()}`;
  const known = new Set(others.map(keyOf));
  return known.size === 0 ? groups : groups.filter((g) => !known.has(keyOf(g)));
}

/** `log p(x | z)` as the user would write it, values of renamed slots left out. */
export function logDensityText(expr: LogDensityExpr): string {
  const names = (slots: readonly Slot[]): string => slots.map((s) => s.variable).join(", ");
  return `log ${expr.density}(${names(expr.head)}${expr.given.length > 0 ? ` | ${names(expr.given)}` : ""})`;
}

/** Variables of a density that others are drawn from, themselves included; what has a value in `known` is not looked behind, and left out. */
export function ancestorsOf(
  context: DeriveContext,
  index: DensityIndex,
  wanted: Iterable<string>,
  known: ReadonlySet<string> = new Set(),
): ReadonlySet<string> {
  const needed = new Set<string>();
  const open = [...wanted];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const definition = index.definitions.get(name);
    if (!definition || needed.has(name) || known.has(name)) continue;
    needed.add(name);
    open.push(...parentsOf(context, definition));
  }
  return needed;
}

function flatten(quantity: Quantity, scale: number): readonly Term[] {
  if (quantity.kind === "sum") return quantity.terms.map((t) => ({ ...t, scale: t.scale * scale }));
  return [{ scale, factors: [], quantity }];
}

/** Factors and log-determinants of what is needed, in the order of the body, grouped by shared hidden variables. */
function groupsOf(side: Side, needed: ReadonlySet<string>, known: ReadonlySet<string>): readonly Group[] {
  const { index, change } = side;
  const counts = ([v, d]: readonly [string, Definition]): boolean => needed.has(v) && (d.kind !== "define" || change.terms.has(v));
  const variables = [...index.definitions].filter(counts).map(([v]) => v);
  const isHidden = (v: string): boolean =>
    !known.has(v) && !change.reused.has(v) && !change.through.has(v) && index.definitions.get(v)?.kind !== "define";
  return regroup(side, variables, variables.filter(isHidden));
}

function regroup({ index, change }: Side, variables: readonly string[], hidden: readonly string[]): readonly Group[] {
  const position = new Map([...index.definitions.keys()].map((v, i) => [v, i]));
  const order = (names: Iterable<string>): readonly string[] => [...names].sort((a, b) => (position.get(a) ?? 0) - (position.get(b) ?? 0));
  const hiddenSet = new Set(hidden);
  interface Open {
    readonly variables: string[];
    readonly hidden: Set<string>;
  }
  const groups = new Set<Open>();
  const groupOf = new Map<string, Open>();
  // The variables of an energy are one factor, whatever is hidden: the first of them stands for all.
  const block = new Set(index.energy?.variables);
  const [leader] = block;
  for (const v of variables) {
    const definition = index.definitions.get(v);
    const read = hiddenSet.size === 0 || !definition ? [] : [...change.reads(definition)];
    const touched = [v, ...read].filter((name) => hiddenSet.has(name));
    const met = leader !== undefined && block.has(v) ? [...touched, leader] : touched;
    // The largest of the groups that meet here takes in the others.
    const meeting = [...new Set(met.flatMap((h) => groupOf.get(h) ?? []))].sort((a, b) => b.variables.length - a.variables.length);
    const [into = { variables: [], hidden: new Set() }, ...joined]: readonly Open[] = meeting;
    for (const g of joined) {
      for (const name of g.variables) into.variables.push(name);
      for (const name of g.hidden) groupOf.set(name, into);
      for (const name of g.hidden) into.hidden.add(name);
      groups.delete(g);
    }
    into.variables.push(v);
    for (const name of met) groupOf.set(name, into);
    for (const name of touched) into.hidden.add(name);
    groups.add(into);
  }
  return [...groups]
    .map((g) => ({ variables: order(g.variables), hidden: order(g.hidden) }))
    .sort((a, b) => (position.get(a.variables[0] ?? "") ?? 0) - (position.get(b.variables[0] ?? "") ?? 0));
}

interface Asked {
  readonly text: string;
  readonly span: Span;
  readonly energy: EnergyRequest;
  /** Counts whose total is that of a variable which is summed out; undefined where the row has none. */
  readonly totalOf?: (variable: string) => Expr | undefined;
  /** What the variables are conditioned on. */
  readonly behind?: readonly string[];
  /** What an error says besides. */
  readonly more?: readonly string[];
}

function solve(
  side: Side,
  variables: readonly string[],
  hidden: readonly string[],
  given: ReadonlyMap<string, Expr>,
  asked: Asked,
  statesSoFar: number,
): Quantity | undefined {
  const { context, index } = side;
  // A variable that is summed or integrated out stands for itself, also where the other side of the quotient gives it a value.
  const at = hidden.some((h) => given.has(h)) ? new Map([...given].filter(([v]) => !hidden.includes(v))) : given;
  const block = new Set(index.energy?.variables);
  const directed = variables.filter((v) => !block.has(v));
  const ofEnergy = variables.filter((v) => block.has(v));
  if (hidden.length === 0 || directed.length === 0) {
    const terms: Term[] = [];
    for (const v of directed) {
      const term = termOf(side, v, at, asked);
      if (!term) return undefined;
      terms.push(term);
    }
    if (ofEnergy.length > 0 && side.change.through.size > 0) {
      const [made = ""] = side.change.through.keys();
      report(
        context.diagnostics,
        "GM3714",
        asked.span,
        { density: index.density.name, variable: made, energy: ofEnergy.map((v) => `\`${v}\``).join(", ") },
        {
          labels: index.energy?.energies.map((e) => ({ span: e.span, text: `the energy of ${ofEnergy.join(", ")}` })) ?? [],
          help: [
            "give what the flow starts from a distribution, `z ~ Normal(0, 1)`",
            "or put the energy on the data and read them through the flow: `energy E(f.inverse(x))`, without a line `x = f(z)`",
          ],
        },
      );
      return undefined;
    }
    if (ofEnergy.length > 0) {
      const parts = energyTerms(context, index, hidden, at, asked);
      if (!parts) return undefined;
      terms.push(...parts);
    }
    return termsQuantity(terms, asked.span);
  }
  if (ofEnergy.length === 0) return solveDirected(side, variables, hidden, at, asked);
  // beside an energy, as many states as may be are visited, and what is left has a closed form or none
  for (const name of hidden) {
    const variable = context.model.variables.get(name);
    const states = variable ? finiteStates(variable.domain, drawnFrom(index, name)) : undefined;
    if (states === undefined || states.size * statesSoFar > MAX_STATES) continue;
    const rest = hidden.filter((h) => h !== name);
    const inner = regroup(side, variables, rest);
    const terms: Term[] = [];
    for (const group of inner) {
      const part = solve(side, group.variables, group.hidden, at, asked, statesSoFar * states.size);
      if (!part) return undefined;
      terms.push(...flatten(part, 1));
    }
    const normalised = outsideTheSum(context, index, name, terms, asked);
    if (!normalised) return undefined;
    const [only] = normalised.inside;
    const { length } = normalised.inside;
    const body: Quantity = length === 1 && only?.scale === 1 ? only.quantity : { kind: "sum", terms: normalised.inside, span: asked.span };
    const enumerated: Quantity = {
      kind: "enumerate",
      op: "logsumexp",
      local: undefined,
      variable: name,
      states,
      weight: undefined,
      body,
      reason: `summed over its ${states.size} states`,
      span: asked.span,
    };
    if (normalised.outside.length === 0) return enumerated;
    return { kind: "sum", terms: [{ scale: 1, factors: [], quantity: enumerated }, ...normalised.outside], span: asked.span };
  }
  return solveNormal(side, variables, hidden, at, asked);
}

/** Finite latents of conditionals are summed out, the others integrated given their states. */
function solveDirected(
  side: Side,
  variables: readonly string[],
  hidden: readonly string[],
  at: ReadonlyMap<string, Expr>,
  asked: Asked,
): Quantity | undefined {
  const { context, index, change } = side;
  const statesIn = (entry: boolean): ReadonlyMap<string, States> =>
    new Map(
      hidden.flatMap((name): [string, States][] => {
        const variable = context.model.variables.get(name);
        const dist = drawnFrom(index, name);
        const states = entry ? statesOfEntry(context, name, dist) : variable && finiteStates(variable.domain, dist);
        return states && states.size <= MAX_STATES ? [[name, states]] : [];
      }),
    );
  const given = (latents: ReadonlyMap<string, States>): readonly Scoped[] | undefined => {
    const terms: Scoped[] = [];
    for (const group of regroup(
      side,
      variables,
      hidden.filter((h) => !latents.has(h)),
    )) {
      const part = solve(side, group.variables, group.hidden, at, asked, 1);
      if (!part) return undefined;
      const read = group.variables.flatMap((v) => {
        const definition = index.definitions.get(v);
        return [v, ...(definition ? change.reads(definition) : [])];
      });
      const reads = new Set(read.filter((v) => latents.has(v)));
      terms.push(...flatten(part, 1).map((term) => ({ term, reads })));
    }
    return terms;
  };
  const [whole, entries] = [statesIn(false), statesIn(true)];
  const isLarge = [...entries.keys()].some((name) => !whole.has(name));
  if (whole.size === 0 && !isLarge) return solveNormal(side, variables, hidden, at, asked);
  // with the states of all entries together the terms are the same: those that read them are not solved further
  const ofAll = isLarge ? undefined : given(whole);
  if (!isLarge && !ofAll) return undefined;
  const fits = ofAll && (whole.size < 2 || planElimination(whole, ofAll).largest <= MAX_TABLE);
  const apart =
    fits || entries.size === 0
      ? undefined
      : apartIn(
          side,
          entries,
          variables,
          hidden.filter((h) => !whole.has(h) && !entries.has(h)),
        );
  const latents = new Map(
    hidden.flatMap((h): [string, States][] => {
      const states = apart?.latents.get(h) ?? whole.get(h);
      return states ? [[h, states]] : [];
    }),
  );
  if (latents.size === 0) return solveNormal(side, variables, hidden, at, apart ? { ...asked, more: reasonsText(apart) } : asked);
  const solved = ofAll ?? given(latents);
  if (!solved) return undefined;
  const terms = apart ? solved.map((s) => ({ ...s, term: standApart(s.term, conditionalOfTerm(s.term, apart), apart) })) : solved;
  const { span } = asked;
  const [first] = latents;
  if (latents.size === 1 && first && !first[1].entries) {
    const body = termsQuantity(
      terms.map((t) => t.term),
      span,
    );
    const [variable, states] = first;
    const reason = `summed over its ${states.size} states`;
    return { kind: "enumerate", op: "logsumexp", local: undefined, variable, states, weight: undefined, body, reason, span };
  }
  return eliminated(context, {
    op: "logsumexp",
    latents,
    terms,
    text: asked.text,
    density: index.density.name,
    span,
    notes: asked.energy.notes,
  });
}

/** Which of `entries` can be summed one by one. `rest`: latents that are integrated out, together with all that is drawn from them. */
function apartIn(side: Side, entries: ReadonlyMap<string, States>, variables: readonly string[], rest: readonly string[]): Apart {
  const { context, index, change } = side;
  const conditionals = regroup(side, variables, rest).flatMap((group) =>
    group.variables.map((variable): Conditional => {
      const definition = index.definitions.get(variable);
      const own = definition?.kind === "draw" && group.hidden.length === 0 && change.through.size === 0;
      const reads = new Set([variable, ...(definition ? change.reads(definition) : [])]);
      return { text: `\`${variable}\``, variable, dist: own ? definition.dist : undefined, reads };
    }),
  );
  return entriesApart(context, entries, conditionals);
}

function termsQuantity(terms: readonly Term[], span: Span): Quantity {
  const [only] = terms;
  return terms.length === 1 && only?.scale === 1 ? only.quantity : { kind: "sum", terms, span };
}

/**
 * Of the terms under a sum over `name`: log Z stands before the sum where it is the same for all states, so that it is settled with the rest; where the
 * energy is normalised for each state, only its exact value can be summed.
 */
function outsideTheSum(
  context: DeriveContext,
  index: DensityIndex,
  name: string,
  terms: readonly Term[],
  asked: Asked,
): { readonly inside: readonly Term[]; readonly outside: readonly Term[] } | undefined {
  const inside: Term[] = [];
  const outside: Term[] = [];
  for (const term of terms) {
    const { quantity } = term;
    if (quantity.kind !== "logPartition") inside.push(term);
    else if (!readsOf(context, index).has(name)) outside.push(term);
    else if (quantity.method.kind === "exact") inside.push(term);
    else {
      const method = partitionInSum(context, asked.energy, index.density.name, name, asked.text);
      if (!method) return undefined;
      inside.push({ ...term, quantity: { ...quantity, method } });
    }
  }
  return { inside, outside };
}

/** What the energy is given: its conditions, what was drawn before it. */
function readsOf(context: DeriveContext, index: DensityIndex): ReadonlySet<string> {
  return new Set(energyOf(context, index.density.name).reads);
}

/** The totals of counts that are summed out: the energy is a distribution of counts given theirs. Undefined after an error has been reported. */
function totalsOf(context: DeriveContext, density: string, hidden: readonly string[], asked: Asked): ReadonlyMap<string, Expr> | undefined {
  const counts = hidden.filter((v) => context.model.variables.get(v)?.domain.name === "count");
  const totals = new Map(counts.flatMap((v): [string, Expr][] => (asked.totalOf?.(v) ? [[v, asked.totalOf(v)!]] : [])));
  const without = counts.filter((v) => !totals.has(v));
  if (without.length === 0) return totals;
  reportNoTotal(context, asked.energy, density, hidden, without, asked.text);
  return undefined;
}

/** log of the energy's factor with `hidden` summed out: log Σ exp(-E) - log Z, the latter still without a method. */
function energyTerms(
  context: DeriveContext,
  index: DensityIndex,
  hidden: readonly string[],
  at: ReadonlyMap<string, Expr>,
  asked: Asked,
): readonly Term[] | undefined {
  const density = index.density.name;
  const given = (index.energy?.variables ?? []).filter((v) => !hidden.includes(v));
  const { span } = asked;
  const totals = totalsOf(context, density, hidden, asked);
  const method = totals && hiddenMethod(context, asked.energy, density, hidden, asked.text, asked.behind);
  if (!method) return undefined;
  const undecided: PartitionMethod = { kind: "estimated", options: {} };
  return [
    { scale: 1, factors: [], quantity: { kind: "unnormalised", density, given, method, at, ...(totals.size > 0 && { totals }), span } },
    { scale: -1, factors: [], quantity: { kind: "logPartition", density, method: undecided, at, span } },
  ];
}

/** Normal latents of normal children whose locations are affine in them. */
function solveNormal(
  side: Side,
  variables: readonly string[],
  hidden: readonly string[],
  at: ReadonlyMap<string, Expr>,
  asked: Asked,
): Quantity | undefined {
  const { context, index } = side;
  const reason = whyNotGaussian(context, index, variables, hidden);
  if (reason === undefined) {
    const factors = linearGaussian(side, variables, hidden, at, asked.span);
    return factors && { kind: "gaussianMarginal", ...factors, span: asked.span };
  }
  const inTheWay = hidden.map((h) => variableText(context.model.variables.get(h), h)).join(", ");
  report(
    context.diagnostics,
    "GM3501",
    asked.span,
    { quantity: asked.text, hidden: inTheWay },
    {
      label: "asked for here",
      labels: hidden.flatMap((h) => {
        const definition = index.definitions.get(h);
        return definition ? [{ span: definition.span, text: `\`${h}\` is drawn here` }] : [];
      }),
      notes: [reason, ...(asked.more ?? [])],
      help: [
        asked.energy.instead ??
          `bound it from below with a density that draws ${listed(hidden)}: \`maximize ELBO(p, q)\` or \`IWAE(p, q, k = 50)\``,
        `exact forms exist where finite latents have at most ${MAX_STATES} states each, or Normal latents enter the locations of Normals linearly`,
      ],
    },
  );
  return undefined;
}

function linearGaussian(
  side: Side,
  variables: readonly string[],
  hidden: readonly string[],
  at: ReadonlyMap<string, Expr>,
  span: Span,
): LinearGaussian | undefined {
  const factors = variables.flatMap((v) => factorOf(side, v, at, span) ?? []);
  const isLatent = (f: Factor): boolean => hidden.includes(f.variable);
  if (factors.length < variables.length) return undefined;
  return { latents: factors.filter(isLatent), children: factors.filter((f) => !isLatent(f)) };
}

/**
 * p(wanted | what `at` gives a value) of a directed density where it is normal; else why it is not. Variables that are neither are integrated out with
 * those that are wanted.
 */
export function gaussianPosterior(
  context: DeriveContext,
  density: string,
  wanted: readonly string[],
  at: ReadonlyMap<string, Expr>,
  span: Span,
): LinearGaussian | string {
  const index = densityOf(context, density);
  const known = new Set([...at.keys(), ...index.density.given]);
  const needed = ancestorsOf(context, index, [...wanted, ...at.keys()]);
  // what a flow has no way back from is said by whoever asks for a log-density
  const quiet = { ...context, diagnostics: new Diagnostics() };
  const change = changeOfVariables(quiet, index, needed, known, new Set(), { text: density, span });
  if (!change) return "what is given follows from a flow";
  const side: Side = { context: quiet, index, change };
  const groups = groupsOf(side, needed, known).filter((g) => g.hidden.some((h) => wanted.includes(h)));
  const hidden = groups.flatMap((g) => g.hidden);
  const variables = [...index.definitions.keys()].filter((v) => groups.some((g) => g.variables.includes(v)));
  const other = wanted.find((v) => !hidden.includes(v));
  if (other !== undefined) return `\`${other}\` is not drawn from a Normal`;
  return (
    whyNotGaussian(context, index, variables, hidden) ?? linearGaussian(side, variables, hidden, at, span) ?? "it is drawn by an energy"
  );
}

function termOf(side: Side, variable: string, at: ReadonlyMap<string, Expr>, asked: Asked): Term | undefined {
  const { index, change } = side;
  const term = change.terms.get(variable);
  const definition = index.definitions.get(variable);
  if (!term || !definition) {
    const factor = factorOf(side, variable, at, asked.span);
    return factor && { scale: 1, factors: [], quantity: factor };
  }
  const through = change.through.size > 0 ? { through: change.through } : {};
  const { calls, scale } = term;
  const { span } = definition;
  return { scale, factors: [], quantity: { kind: "logDet", density: index.density.name, variable, calls, at, ...through, span } };
}

function factorOf({ context, index, change }: Side, variable: string, at: ReadonlyMap<string, Expr>, span: Span): Factor | undefined {
  const definition = index.definitions.get(variable);
  const through = change.through.size > 0 ? { through: change.through } : {};
  if (definition?.kind === "draw")
    return { kind: "factor", density: index.density.name, variable, dist: definition.dist, at, ...through, span: definition.span };
  report(context.diagnostics, "GM3509", span, { construct: `the conditional of \`${variable}\`` });
  return undefined;
}

export function variableText(variable: Variable | undefined, name: string): string {
  if (!variable) return `\`${name}\``;
  const { domain } = variable;
  const shape = domain.shape.length === 0 ? "" : `[${domain.shape.map((d) => d.text).join(", ")}]`;
  return `\`${name} : ${domain.name}${domain.classes ? `[${domain.classes.text}]` : ""}${shape}\``;
}
