/**
 * `E[z ~ p(z | x)](…)` of many finite latents, a chain for one: their posterior is not written down state by state. The latents are eliminated from
 * p(z, x) one after another, and each part of what is averaged is taken along from the first latent that it reads; see elimination.ts.
 */
import { report } from "../../base/report.js";
import { shortened } from "../energy/listed.js";
import type { EstimatorNote, Quantity, Term } from "../quantity.js";
import { termsOf } from "../quantity-walk.js";
import { finiteStates, MAX_STATES, MAX_TABLE, type States } from "../states.js";
import type { Expr, LogDensityExpr } from "../types.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { eliminated, planElimination, type Scoped } from "./elimination.js";
import { type Conditional, entriesApart, reasonsText, standApart, statesOfEntry } from "./entries.js";
import { summandOf } from "./entry-values.js";
import { linearParts } from "./linear-parts.js";
import { distExprs } from "../walk.js";
import { variablesOfTerm } from "./term-reads.js";

/** Finite latents averaged over together. */
export interface JointStep {
  readonly kind: "joint";
  readonly density: string;
  /** Those that are asked for and those that are summed out beside them, in the order of the body, with what each is drawn from. */
  readonly latents: ReadonlyMap<string, string>;
  /** p of all of them and of what is given. */
  readonly joint: LogDensityExpr;
  /** What was asked for, and as messages quote it. */
  readonly posterior: LogDensityExpr;
  readonly text: string;
}

/** The average of `body`, with the joint density as `joint`; undefined after an error. */
export function averageOverPosterior(
  context: DeriveContext,
  step: JointStep,
  joint: Quantity,
  body: Quantity,
  notes: EstimatorNote[],
): Quantity | undefined {
  const { density, posterior, text } = step;
  const { span } = posterior;
  const names = [...step.latents.keys()];
  const scoped = (term: Term): Scoped => {
    const read = variablesOfTerm(context, term);
    return { term, reads: new Set(names.filter((v) => read?.has(v) !== false)) };
  };
  const readBy = (e: Expr): number => [...variablesIn(context, [e])].filter((v) => step.latents.has(v)).length;
  const terms = termsOf(joint).map(scoped);
  const parts = termsOf(body)
    .flatMap((t) => linearParts(t, readBy))
    .map(scoped);
  const values = parts.filter((p) => p.reads.size > 0).map((p): Scoped => ({ ...p, value: true }));
  const outside = parts.filter((p) => p.reads.size === 0).map((p) => p.term);
  const all = [...terms, ...values];
  const whole = new Map(
    names.flatMap((name): [string, States][] => {
      const variable = context.model.variables.get(name);
      const states = variable && finiteStates(variable.domain, step.latents.get(name));
      return states && states.size <= MAX_STATES ? [[name, states]] : [];
    }),
  );
  const fits = whole.size === names.length && planElimination(whole, all).largest <= MAX_TABLE;
  const entries = new Map(
    names.flatMap((name): [string, States][] => {
      const states = statesOfEntry(context, name, step.latents.get(name));
      return states ? [[name, states]] : [];
    }),
  );
  const isEntrywise = (e: Expr): boolean => [...variablesIn(context, [e])].some((v) => entries.has(v));
  const conditionals = fits || entries.size === 0 ? [] : all.map((s) => conditionalOf(context, s, density, isEntrywise));
  const apart = conditionals.length === 0 ? undefined : entriesApart(context, entries, conditionals);
  const latents = new Map(
    names.flatMap((name): [string, States][] => {
      const states = apart?.latents.get(name) ?? whole.get(name);
      return states ? [[name, states]] : [];
    }),
  );
  const large = names.find((name) => !latents.has(name));
  if (large !== undefined) {
    const [effect = large] = posterior.given.map((s) => s.variable);
    report(
      context.diagnostics,
      "GM3531",
      span,
      { conditional: text, effect, variable: large },
      {
        notes: apart ? reasonsText(apart) : [],
        help: [
          "its states are summed where there are at most 1024 of them, or where its entries never meet, neither in p nor in what is averaged",
          `or draw from a density of your own, \`${large}\` given ${posterior.given.map((s) => `\`${s.variable}\``).join(", ")}`,
        ],
      },
    );
    return undefined;
  }
  const stands = apart ? all.map((s, i) => ({ ...s, term: standApart(s.term, conditionals[i], apart) })) : all;
  if (values.length === 0) return body;
  const drawn = shortened(posterior.head.map((s) => s.variable)).join(", ");
  const asked = { op: "expect", latents, terms: stands, text: `E[${drawn} ~ ${text}]`, density, span, notes, posterior } as const;
  const quantity = eliminated(context, asked);
  if (!quantity || outside.length === 0) return quantity;
  return { kind: "sum", terms: [{ scale: 1, factors: [], quantity }, ...outside], span };
}

/** A conditional of the density itself, at the latents themselves, has a log-density for each entry; all else reads what it reads as a whole. */
export function conditionalOf(
  context: DeriveContext,
  { term, reads }: Pick<Scoped, "term" | "reads">,
  density: string,
  isEntrywise: (e: Expr) => boolean,
  text = "what is averaged",
): Conditional {
  const { quantity, factors } = term;
  const isOwn = (v: string, value: Expr | undefined): boolean =>
    value === undefined || (value.kind === "variable" && value.variable === v && value.sample === undefined);
  const summed = (): { readonly entries: Expr; readonly scale: number } | undefined => {
    const found = quantity.kind === "value" && !factors.some(isEntrywise) ? summandOf(quantity.expr, isEntrywise) : undefined;
    return found && { entries: found.of, scale: found.scale };
  };
  if (quantity.kind !== "factor" || quantity.density !== density || quantity.through)
    return { text, variable: undefined, dist: undefined, reads, ...summed() };
  const { variable, dist, at } = quantity;
  const read = [variable, ...variablesIn(context, distExprs(dist))];
  const stands = read.every((v) => !reads.has(v) || isOwn(v, at.get(v))) && [...reads].every((v) => read.includes(v));
  const plain = stands && [...variablesIn(context, factors)].every((v) => !reads.has(v));
  return { text: `\`${variable}\``, variable, dist: plain ? dist : undefined, reads };
}
