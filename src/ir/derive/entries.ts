/**
 * Finite latents whose entries never meet: a sum over `z : binary[30]` is then one over 2 states for each entry, not over 2^30. Every term that reads
 * the latent must read one entry of it at one place of its own, and be a sum over these places; other variables may be read there as they please.
 * The entries are a plate, and the sum moves into it (Obermeyer et al. 2019, "Tensor Variable Elimination for Plated Factor Graphs").
 */
import { ordersIn } from "../autoregressive/several.js";
import { distributions } from "../distributions.js";
import { type Cause, type Dependence, structureOf } from "../energy/dependence.js";
import { listed } from "../energy/listed.js";
import type { Term } from "../quantity.js";
import { entryStates, MAX_STATES, type States } from "../states.js";
import type { Dim, DistCall, Expr } from "../types.js";
import { distExprs } from "../walk.js";
import type { DeriveContext } from "./context.js";
import { summedBut } from "./entry-values.js";

/** A variable that has several entries, each of few states: what a sum over one entry runs over. */
export function statesOfEntry(context: DeriveContext, name: string, dist: string | undefined): States | undefined {
  const variable = context.model.variables.get(name);
  const states = variable && entryStates(variable.domain, dist);
  return states && states.size <= MAX_STATES ? states : undefined;
}

/** Axes of log-densities, from the end and in order, that the entries of a latent stand along. */
type Axes = readonly number[];

export interface Apart {
  /** Of the candidates, those whose entries never meet. */
  readonly latents: ReadonlyMap<string, States>;
  /** Of the conditionals that read any of them. */
  readonly axes: ReadonlyMap<Conditional, Axes>;
  /** Why others are none of them. */
  readonly reasons: ReadonlyMap<string, string>;
}

/** A term: a conditional of a density, or what is averaged. */
export interface Conditional {
  /** As messages call it. */
  readonly text: string;
  readonly variable: string | undefined;
  /** What `variable` is drawn from; undefined where it has no log-density for each entry. */
  readonly dist: DistCall | undefined;
  /** Whose entries are summed, where it is a sum of values. */
  readonly entries?: Expr;
  /** What the sum is multiplied by. */
  readonly scale?: number;
  readonly reads: ReadonlySet<string>;
}

/** Which of `candidates` the conditionals let be summed entry by entry. */
export function entriesApart(context: DeriveContext, candidates: ReadonlyMap<string, States>, conditionals: readonly Conditional[]): Apart {
  const latents = new Map(candidates);
  const reasons = new Map<string, string>();
  const structure = structureOf(context, [...candidates.keys()]);
  const drop = (name: string, reason: string): void => {
    latents.delete(name);
    reasons.set(name, reason);
  };
  const axesIn = (each: Conditional, name: string): Axes | string => axesOf(context, each, name, (e) => structure.of(e).on.get(name));
  const axes = new Map<Conditional, Axes>();
  for (const each of conditionals) {
    let shared: { readonly name: string; readonly axes: Axes; readonly entries: readonly Dim[] } | undefined;
    for (const [name, { entries = [] }] of [...latents]) {
      const found = axesIn(each, name);
      if (typeof found === "string") drop(name, found);
      else if (found.length === 0) continue;
      else if (shared === undefined) shared = { name, axes: found, entries };
      else if (!same(shared.axes, found) || !same(sizes(shared.entries), sizes(entries)))
        drop(name, `${each.text} reads its entries along other axes than those of \`${shared.name}\``);
    }
  }
  // those that were dropped no longer keep entries apart
  for (const each of conditionals)
    for (const name of latents.keys()) {
      const found = axesIn(each, name);
      if (typeof found !== "string" && found.length > 0) axes.set(each, found);
    }
  return { latents, axes, reasons };
}

const sizes = (dims: readonly Dim[]): readonly number[] => dims.map((d) => d.size);

const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((x, i) => x === b[i]);

/** Where the entries of a latent stand in a conditional's log-densities, none where it reads none; or why they meet there. */
function axesOf(
  context: DeriveContext,
  { text, variable, dist, entries, reads }: Conditional,
  name: string,
  dependence: (e: Expr) => Dependence | undefined,
): Axes | string {
  if (!reads.has(name)) return [];
  if (!entries && (!dist || ordersIn(context, distExprs(dist)) > 1)) return `${text} has one value for all of its entries`;
  const shape = shapeOf(context, name);
  const found: Axes[] = [];
  if (dist && variable === name) {
    if (distributions.get(dist.dist)?.eventRank !== 0) return `a ${dist.dist} draws its entries together`;
    found.push(shape.flatMap((d, i) => (d.size > 1 ? [i - shape.length] : [])));
  }
  for (const { value, rank } of entries ? [{ value: entries, rank: 0 }] : dist ? parametersOf(dist) : []) {
    const d = dependence(value);
    if (!d) continue;
    const place = d.coupling === "single" && d.place?.kind === "axes" ? d.place : undefined;
    if (!place) return `${text} reads several of its entries together${causeText(d.couples)}`;
    const axes: number[] = [];
    for (const [i, c] of place.coordinates.entries()) {
      const size = shape[i]?.size ?? 1;
      if (size === 1) continue;
      if (c.kind === "fixed" || c.start !== 0 || c.size !== size) return `${text} reads some of its entries only`;
      // an axis that the distribution itself takes together is none of its log-densities
      if (c.axis + rank >= 0) return `a ${dist?.dist ?? "term"} takes its entries together`;
      axes.push(c.axis + rank);
    }
    if (axes.some((a, i) => i > 0 && a <= (axes[i - 1] ?? a))) return `${text} reads its entries in another order`;
    found.push(axes);
  }
  const [first, ...others] = found;
  if (!first) return [];
  return others.every((axes) => same(axes, first)) ? first : `${text} reads its entries along different axes`;
}

const causeText = (cause: Cause | undefined): string => (cause ? `: ${cause.reason}` : "");

const shapeOf = (context: DeriveContext, name: string): readonly Dim[] => context.model.variables.get(name)?.domain.shape ?? [];

/** The parameters, and how many axes one draw takes of each; those of what a mixture mixes have one more. */
function parametersOf(dist: DistCall, more = 0): readonly { readonly value: Expr; readonly rank: number }[] {
  const ranks = new Map(distributions.get(dist.dist)?.parameters.flatMap((list) => list.map((p) => [p.runtime ?? p.name, p.rank])));
  const own = Object.entries(dist.params).map(([name, value]) => ({ value, rank: (ranks.get(name) ?? 0) + more }));
  return dist.of ? [...own, ...parametersOf(dist.of, more + 1)] : own;
}

/** A term with the values of its entries apart, where it reads entries one by one. */
export function standApart(term: Term, each: Conditional | undefined, { axes }: Apart): Term {
  const { quantity } = term;
  const apart = each && axes.get(each);
  if (apart && each.entries)
    return { ...term, scale: term.scale * (each.scale ?? 1), quantity: { kind: "value", expr: summedBut(each.entries, apart) } };
  return quantity.kind === "factor" && apart ? { ...term, quantity: { ...quantity, apart } } : term;
}

/** The conditional, of those of a density, that a term is. */
export function conditionalOfTerm({ quantity }: Term, { axes }: Apart): Conditional | undefined {
  return quantity.kind === "factor" ? [...axes.keys()].find((each) => each.variable === quantity.variable) : undefined;
}

/** Why the entries of a latent cannot be summed one by one, for messages. */
export function reasonsText({ reasons }: Apart): readonly string[] {
  return [...reasons].map(([name, reason]) => `the entries of ${listed([name])} cannot be summed one by one: ${reason}`);
}
