/** `max[…](…)` and `min[…](…)`: over finite latents all states are tried; over continuous ones an inner loop looks, as `by` says. */
import { report } from "../../base/report.js";
import { textOf } from "../../base/source.js";
import { listed } from "../energy/listed.js";
import type { EstimatorNote, Quantity, Term } from "../quantity.js";
import { termsOf } from "../quantity-walk.js";
import { finiteStates, MAX_STATES, type States } from "../states.js";
import type { Expr } from "../types.js";
import { childrenOf } from "../walk.js";
import type { Choices, Chosen } from "./choices.js";
import { drawsNumbers } from "./contents.js";
import { type DeriveContext, densityOf, variablesIn } from "./context.js";
import { eliminated } from "./elimination.js";
import { type Apart, entriesApart, reasonsText, standApart, statesOfEntry } from "./entries.js";
import { linearParts } from "./linear-parts.js";
import { drawnFrom, variableText } from "./marginal.js";
import { deriveContinuousOptimum, optimumReason } from "./optimum.js";
import { conditionalOf } from "./posterior-average.js";
import { variablesOfTerm } from "./term-reads.js";

type OptimumExpr = Extract<Expr, { kind: "optimum" }>;

interface Asked {
  readonly context: DeriveContext;
  readonly choices: Choices;
  readonly notes: EstimatorNote[];
}

/** `derive` derives what is maximised. Undefined after an error has been reported. */
export function deriveMaximum(state: Asked, expr: OptimumExpr, derive: (body: Expr) => Quantity | undefined): Quantity | undefined {
  const isFinite = (name: string): boolean => {
    const variable = state.context.model.variables.get(name);
    return variable !== undefined && finiteStates(variable.domain, drawnIn(state.context, expr.body, name)) !== undefined;
  };
  const asked = state.choices.optimum;
  if (asked && !expr.variables.every(isFinite)) return deriveClimb(state, expr, asked, isFinite, derive);
  const body = derive(expr.body);
  if (!body) return undefined;
  const latents = new Map<string, States>();
  const apart = apartIn(state.context, expr, body);
  for (const name of expr.variables) {
    const variable = state.context.model.variables.get(name);
    const states = variable && finiteStates(variable.domain, drawnIn(state.context, expr.body, name));
    const entries = apart?.of.latents.get(name);
    if (entries) {
      latents.set(name, entries);
      continue;
    }
    if (!states || states.size > MAX_STATES) {
      const found = states ? `it has ${states.size} states, more than ${MAX_STATES}` : `${variableText(variable, name)} is not finite`;
      report(
        state.context.diagnostics,
        "GM3508",
        expr.span,
        { variable: name, states: found },
        {
          notes: apart && states ? reasonsText(apart.of) : [],
          help:
            variable && ["real", "positive", "unit"].includes(variable.domain.name)
              ? ["say how it is found: `by ista(steps = 50)`, `fista`, `adam`; or bound the quantity with `ELBO(p, q)`"]
              : ["bound the quantity with `ELBO(p, q)`, or make the latent a small `category[K]`"],
        },
      );
      return undefined;
    }
    latents.set(name, states);
  }
  const [first] = latents;
  if (apart && apart.of.latents.size > 0) return deriveJointly(state, expr, latents, { kind: "sum", terms: apart.terms, span: expr.span });
  if (latents.size > 1 || !first) return deriveJointly(state, expr, latents, body);
  const [variable, states] = first;
  state.notes.push({
    variable,
    density: "",
    estimator: expr.op,
    reason: `the ${expr.op === "max" ? "best" : "worst"} of its ${states.size} states; the gradient is that of the chosen one`,
  });
  return {
    kind: "enumerate",
    op: expr.op,
    variable,
    local: undefined,
    states,
    weight: undefined,
    body,
    reason: `${expr.op} over ${states.size} states`,
    span: expr.span,
  };
}

/** Where a latent has too many states: which are maximised entry by entry, and what is maximised with these apart. */
function apartIn(
  context: DeriveContext,
  expr: OptimumExpr,
  body: Quantity,
): { readonly of: Apart; readonly terms: readonly Term[] } | undefined {
  let isLarge = false;
  const entries = new Map<string, States>();
  for (const name of expr.variables) {
    const variable = context.model.variables.get(name);
    const dist = drawnIn(context, expr.body, name);
    isLarge ||= ((variable && finiteStates(variable.domain, dist)?.size) ?? 0) > MAX_STATES;
    const states = statesOfEntry(context, name, dist);
    if (states) entries.set(name, states);
  }
  if (!isLarge || entries.size === 0) return undefined;
  const isEntrywise = (e: Expr): boolean => [...variablesIn(context, [e])].some((v) => entries.has(v));
  const terms = termsOf(body).flatMap((t) => linearParts(t, (e) => [...variablesIn(context, [e])].filter((v) => entries.has(v)).length));
  const conditionals = terms.map((term) => {
    const read = variablesOfTerm(context, term);
    const reads = new Set(expr.variables.filter((v) => read?.has(v) !== false));
    const density = term.quantity.kind === "factor" ? term.quantity.density : "";
    return conditionalOf(context, { term, reads }, density, isEntrywise, "what is optimised");
  });
  const of = entriesApart(context, entries, conditionals);
  return { of, terms: terms.map((term, i) => standApart(term, conditionals[i], of)) };
}

/** A maximum over several finite latents moves past the terms that do not read them. */
function deriveJointly(
  { context, notes }: Asked,
  { op, span }: OptimumExpr,
  latents: ReadonlyMap<string, States>,
  body: Quantity,
): Quantity | undefined {
  const scoped = termsOf(body).map((term) => {
    const read = variablesOfTerm(context, term);
    return { term, reads: new Set([...latents.keys()].filter((v) => read?.has(v) !== false)) };
  });
  const outside = scoped.flatMap((s) => (s.reads.size === 0 ? [s.term] : []));
  const terms = scoped.filter((s) => s.reads.size > 0);
  // what nothing reads is at its best anywhere
  const read = new Map([...latents].filter(([v]) => terms.some((t) => t.reads.has(v))));
  if (read.size === 0) return body;
  const elimination = eliminated(context, { op, latents: read, terms, text: textOf(span), density: "", span, notes });
  if (!elimination || outside.length === 0) return elimination;
  return { kind: "sum", terms: [{ scale: 1, factors: [], quantity: elimination }, ...outside], span };
}

/** A maximum over continuous latents, by the inner loop that is asked for. */
function deriveClimb(
  { context, notes }: Asked,
  expr: OptimumExpr,
  asked: Chosen,
  isFinite: (name: string) => boolean,
  derive: (body: Expr) => Quantity | undefined,
): Quantity | undefined {
  const finite = expr.variables.filter(isFinite);
  if (finite.length > 0) {
    const continuous = expr.variables.filter((v) => !finite.includes(v));
    report(
      context.diagnostics,
      "GM3841",
      expr.span,
      { finite: listed(finite), continuous: listed(continuous) },
      { help: [`sum the finite ones out, \`max[${continuous.join(", ")}](log p(…))\` without them, or give them a relaxation`] },
    );
    return undefined;
  }
  const body = derive(expr.body);
  const request = body && { op: expr.op, variables: expr.variables, body, asked, span: expr.span };
  const optimum = request && deriveContinuousOptimum(context, request, (exprs) => drawsNumbers(context, exprs));
  if (!optimum) return undefined;
  for (const variable of expr.variables) notes.push({ variable, density: "", estimator: asked.entry.name, reason: optimumReason(optimum) });
  return optimum;
}

/** The distribution of a variable in the densities of an expression; one that draws vectors with one 1 before others: the rest has no mass there. */
function drawnIn(context: DeriveContext, expr: Expr, variable: string): string | undefined {
  const found = new Set<string | undefined>();
  const visit = (e: Expr): void => {
    if (e.kind === "logDensity") found.add(drawnFrom(densityOf(context, e.density), variable));
    for (const child of childrenOf(e)) visit(child);
  };
  visit(expr);
  return found.has("OneHotCategorical") ? "OneHotCategorical" : [...found][0];
}
