/**
 * Data that may be missing in a row, `data y : category[10]?`: latent there, observed elsewhere.
 *
 * - `E[y ~ q(y | x)](…)` fills in: y has its value where the data have one, and is drawn (or summed over) where they have none. What it has is a point
 *   mass then, so `log q(y | x)` inside the E counts in the other rows alone.
 * - Within an `E` that draws data of its own in place of the row's, `E[x, y ~ p(x, y)](…)`, y is drawn in all rows: the row's label belongs to the row's x.
 * - `log p(x, y)` outside of such an E is what is known of the row: log p(x, y), or log p(x) with y summed out. Of `log q(y | x)` nothing is left
 *   without y: 0 (the classification term of Kingma et al. 2014, eq. 9).
 * - Everything else must know y: GM3871.
 */
import { InternalError } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { Factor, Quantity, Term } from "../quantity.js";
import { mapQuantity, termsOf } from "../quantity-walk.js";
import { sameExpr } from "../same-expr.js";
import { elementCount } from "../shapes.js";
import type { ExpectationExpr, Expr, LogDensityExpr, ObjectiveDraw, Slot } from "../types.js";
import { childrenOf, distExprs, freeVariables } from "../walk.js";
import { densityOf, type DeriveContext, variablesIn } from "./context.js";
import { logDensityText } from "./marginal.js";

export function mayBeMissing(context: DeriveContext, variable: string): boolean {
  return context.model.variables.get(variable)?.domain.optional === true;
}

/** A log-density at data that may be missing: what it is in rows of either kind. `derive` gives a log-density whose variables all have values. */
export function deriveByRow(
  context: DeriveContext,
  expr: LogDensityExpr,
  bound: ReadonlySet<string>,
  derive: (expr: LogDensityExpr) => Quantity | undefined,
): Quantity | undefined {
  // of energies it is refused where they are declared
  const { definitions } = densityOf(context, expr.density);
  const isOpen = (v: string): boolean => mayBeMissing(context, v) && !bound.has(v) && definitions.get(v)?.kind !== "energy";
  const open = expr.head.find((slot) => standsForItself(slot) && isOpen(slot.variable));
  if (!open) return derive(expr);
  const variable = open.variable;
  const there = deriveByRow(context, expr, new Set([...bound, variable]), derive);
  const head = expr.head.filter((slot) => slot !== open);
  const missing = head.length > 0 ? deriveByRow(context, { ...expr, head }, bound, derive) : undefined;
  if (!there || (head.length > 0 && !missing)) return undefined;
  return { kind: "byRow", variable, there, missing, text: logDensityText(expr), span: expr.span };
}

/** A term that differs with the rows that have a value: the parts that do not, as terms of their own, and what is left of it. */
export function apartByRow(context: DeriveContext, term: Term): readonly Term[] {
  const { quantity: q } = term;
  if (q.kind !== "byRow" || !q.there || !q.missing) return [term];
  const partsOf = (part: Quantity): readonly Term[] => termsOf(part).flatMap((t) => apartByRow(context, t));
  const [there, missing] = [partsOf(q.there), partsOf(q.missing)];
  const left = [...missing];
  const [common, own]: [Term[], Term[]] = [[], []];
  for (const t of there) {
    const at = left.findIndex((m) => isSameTerm(context, t, m));
    if (at >= 0) left.splice(at, 1);
    (at >= 0 ? common : own).push(t);
  }
  if (common.length === 0) return [term];
  const inner = common.map((t) => ({ scale: term.scale * t.scale, factors: [...term.factors, ...t.factors], quantity: t.quantity }));
  const rest = (terms: readonly Term[]): Quantity | undefined => (terms.length > 0 ? { kind: "sum", terms, span: q.span } : undefined);
  return own.length + left.length === 0
    ? inner
    : [...inner, { ...term, quantity: { ...q, there: rest(own), missing: rest(left), text: undefined } }];
}

/** The same conditional at the same values. */
function isSameTerm(context: DeriveContext, a: Term, b: Term): boolean {
  const [p, q] = [a.quantity, b.quantity];
  if (p.kind !== "factor" || q.kind !== "factor" || a.scale !== b.scale || a.factors.length + b.factors.length > 0) return false;
  if (p.density !== q.density || p.variable !== q.variable || p.dist !== q.dist || p.through || q.through) return false;
  return [p.variable, ...variablesIn(context, distExprs(p.dist))].every((v) => {
    const [x, y] = [p.at.get(v), q.at.get(v)];
    const isOwn = (e: Expr | undefined): boolean => e === undefined || standsForItself({ variable: v, value: e });
    return x && y ? sameExpr(x, y) : isOwn(x) && isOwn(y);
  });
}

/**
 * Whether draws put data of their own in the place of the row's, as the sleep phase does: they draw a variable that every row has, and nothing in the `E`
 * reads it of the row.
 */
export function replacesRow(context: DeriveContext, expr: ExpectationExpr): boolean {
  const read = freeVariables(expr);
  return expr.draws.some(
    ({ source, names }) =>
      source.kind === "density" && names.some((n) => n.kind === "variable" && alwaysThere(context, n.variable) && !read.has(n.variable)),
  );
}

function alwaysThere(context: DeriveContext, variable: string): boolean {
  const declared = context.model.variables.get(variable);
  return declared?.role === "data" && declared.domain.optional !== true;
}

/** Inside an `E` that fills variables in: the density that they are drawn from, in the rows where they are drawn. */
export function filledIn(context: DeriveContext, draw: ObjectiveDraw, body: Quantity): Quantity | undefined {
  const { source } = draw;
  if (source.kind !== "density") return body;
  const filled = new Set(draw.names.flatMap((n) => (n.kind === "variable" && mayBeMissing(context, n.variable) ? [n.variable] : [])));
  if (filled.size === 0) return body;
  const isOwn = (q: Factor): boolean => {
    const at = q.at.get(q.variable);
    return (
      q.density === source.density && filled.has(q.variable) && (at === undefined || (at.kind === "variable" && at.variable === q.variable))
    );
  };
  return mapQuantity(body, (q) => {
    if (q.kind !== "factor" || !isOwn(q)) return q;
    return { kind: "byRow", variable: q.variable, there: undefined, missing: q, text: undefined, span: q.span };
  });
}

/**
 * The smallest lists of variables without all of which the quantity has no part in a row: `log p(y)` without y, `log p(y, t)` without both, which is 0
 * there because nothing of it is asked.
 */
export function nothingWithout(quantity: Quantity, variables: readonly string[]): readonly (readonly string[])[] {
  const found: string[][] = [];
  let lists: string[][] = [[]];
  for (let size = 1; size <= variables.length && lists.length > 0; size++) {
    lists = lists
      .flatMap((list) => variables.slice(list.length === 0 ? 0 : variables.indexOf(list.at(-1) ?? "") + 1).map((v) => [...list, v]))
      .filter((list) => !found.some((less) => less.every((v) => list.includes(v))));
    found.push(...lists.filter((list) => isNothingWithout(quantity, new Set(list))));
    lists = lists.filter((list) => !found.includes(list));
  }
  return found;
}

function isNothingWithout(quantity: Quantity, missing: ReadonlySet<string>): boolean {
  switch (quantity.kind) {
    case "byRow": {
      const parts = missing.has(quantity.variable) ? [quantity.missing] : [quantity.there, quantity.missing];
      return parts.every((q) => q === undefined || isNothingWithout(q, missing));
    }
    case "sum":
      return quantity.terms.length > 0 && quantity.terms.every((t) => isNothingWithout(t.quantity, missing));
    case "expect":
    case "reduce":
      return isNothingWithout(quantity.body, missing);
    default:
      return false;
  }
}

const standsForItself = ({ variable, value }: Slot): boolean =>
  value.kind === "variable" && value.variable === variable && value.sample === undefined;

/**
 * Data variables that may be missing and that an objective reads where a value must be there; undefined after GM3871. An evaluation leaves out rows
 * without them, which training cannot: what a row lacks would be lost to all terms.
 */
export function mustBeThere(context: DeriveContext, { value, over, span }: Asked): readonly string[] | undefined {
  if (![...context.model.variables.keys()].some((v) => mayBeMissing(context, v))) return [];
  const found = readsIn(context, value, new Set());
  const wrong = found.find(({ role }) => over !== undefined || role === "drawn");
  if (!wrong) return [...new Set(found.map(({ variable }) => variable))];
  const { variable, role, at } = wrong;
  const whole = elementCount(context.model.variables.get(variable)?.domain.shape ?? []);
  report(
    context.diagnostics,
    "GM3871",
    at.file === context.model.span.file ? at : span,
    { variable, role: ROLES[role] },
    {
      labels: [{ span: declaredAt(context, variable), text: "may be missing in a row" }],
      help: [
        `fill it in where it is missing: \`E[${variable} ~ q(${variable} | …)](…)\` with a density \`q\` of your own`,
        ...(whole > 1
          ? ["where its entries are missing one by one, each is a variable of its own, which is drawn by itself: `x1 : real?, x2 : real?`"]
          : []),
        "or drop the `?`: every row of the data must then have it",
      ],
    },
  );
  return undefined;
}

interface Asked {
  readonly value: Expr;
  /** Undefined for an evaluation. */
  readonly over: readonly string[] | undefined;
  readonly span: Span;
}

type Role = "read" | "condition" | "drawn";
const ROLES: Readonly<Record<Role, string>> = {
  read: "is read",
  condition: "is a condition",
  drawn: "is drawn from the data",
};

function declaredAt(context: DeriveContext, variable: string): Span {
  const declared = context.model.variables.get(variable);
  if (!declared) throw new InternalError(`no variable ${variable}`);
  return declared.span;
}

interface Read {
  readonly variable: string;
  readonly role: Role;
  readonly at: Span;
}

function readsIn(context: DeriveContext, expr: Expr, bound: ReadonlySet<string>): readonly Read[] {
  const within = (exprs: readonly Expr[], inside = bound): readonly Read[] => exprs.flatMap((e) => readsIn(context, e, inside));
  const among = (names: readonly string[], role: Role, at: Span): readonly Read[] =>
    names.flatMap((variable) => (mayBeMissing(context, variable) ? [{ variable, role, at }] : []));
  switch (expr.kind) {
    case "variable":
      return bound.has(expr.variable) ? [] : among([expr.variable], "read", expr.span);
    case "logDensity": {
      const conditions = expr.given.flatMap(({ value }) =>
        value.kind === "variable" && !bound.has(value.variable) ? [value.variable] : [],
      );
      const values = [...expr.head.filter((slot) => !standsForItself(slot)), ...expr.given].map((s) => s.value);
      return [...among(conditions, "condition", expr.span), ...within(values.filter((e) => e.kind !== "variable"))];
    }
    case "expectation": {
      const found: Read[] = [];
      let inside = bound;
      for (const draw of expr.draws) {
        const { source } = draw;
        const names = draw.names.map((n) => (n.kind === "variable" ? n.variable : (n.of ?? "")));
        if (source.kind === "data") found.push(...among(names, "drawn", draw.span));
        if (source.kind === "density")
          found.push(
            ...within(
              source.given.map((s) => s.value),
              inside,
            ),
          );
        if (source.kind === "distribution") found.push(...within(distExprs(source.dist), inside));
        inside = new Set([...inside, ...draw.names.flatMap((n) => (n.kind === "variable" ? [n.variable] : []))]);
      }
      return [...found, ...readsIn(context, expr.body, inside)];
    }
    case "optimum":
      return within([expr.body], new Set([...bound, ...expr.variables]));
    default:
      return within(childrenOf(expr));
  }
}
