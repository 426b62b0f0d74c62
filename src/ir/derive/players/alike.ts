/**
 * A critic that does not tell data from samples: all terms of its statement move what it says of either the same way, as `log(sigmoid(D(x)))` and
 * `log(sigmoid(D(xf)))` do, by a sign or a `1 -` that was left out; or both sides hold one loss, `(D(x) - 1)^2` and `(D(xf) - 1)^2`. Such an objective
 * may have a bound, and who plays against it has nothing to go by.
 */
import { report } from "../../../base/report.js";
import { textOf } from "../../../base/source.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { printExpr } from "../../print.js";
import type { Expr, NetCallExpr } from "../../types.js";
import { walkExpr } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { weightsIn } from "../weights.js";
import { movedBy, netCalls, outsideGradients, type Player, type Sign } from "./parts.js";
import { criticsOf, isLabelled, isReal, sidesOf, type Side, type Term } from "./runaway.js";
import { isVerdict, verdictsOf } from "./verdicts.js";
import { fingerprint } from "../../same-expr.js";

/** Gives back the statements that a warning has told of. */
export function checkAlike(context: DeriveContext, players: readonly Player[]): ReadonlySet<DerivedUpdate> {
  const told = new Set<DerivedUpdate>();
  for (const { update: derived } of players)
    for (const net of criticsOf(context, derived, isReal)) {
      const weights = weightsIn(context, [netOf(context, net).result]);
      const others = players.map((p) => p.update).filter((u) => u !== derived);
      // another statement may tell them apart; and without one that plays against it, it is no game
      if (others.some((u) => movedBy(u, weights).length > 0) || !others.some((u) => playsAgainst(context, u, net))) continue;
      const sides = sidesOf(context, derived, net) ?? [];
      const terms = (made: boolean): readonly Term[] => sides.filter((s) => s.made === made).flatMap((s) => s.terms);
      const [ofData, ofSamples] = [terms(false), terms(true)];
      // that has no bound, which is said
      if (sides.some((s) => isLabelled(s) && new Set(s.terms.map((t) => t.sign)).size > 1)) continue;
      const [data, samples] = [ofData[0], ofSamples[0]];
      if (!data || !samples) continue;
      const ways = new Set([...ofData, ...ofSamples].map((t) => wayOf(context, t, net)));
      const [way, ...otherWays] = ways;
      const isOneWay = otherWays.length === 0 && way !== undefined;
      // of several heads one may be for data and another for samples
      if (!(isOneWay && [...verdictsIn(context, derived, net)].every(isVerdict)) && !isCopied(sides, net)) continue;
      told.add(derived);
      const isShared = others.some(({ update: { value } }) => holds(value, samples.expr) && !holds(value, data.expr));
      tell(context, derived, { net, data, samples, way: isOneWay ? way : undefined, isShared });
    }
  return told;
}

function verdictsIn(context: DeriveContext, { update }: DerivedUpdate, net: string): readonly NetCallExpr[] {
  return netCalls(context, update.value, outsideGradients).filter((c) => c.net === net);
}

/** It moves what a critic says of what it makes. */
function playsAgainst(context: DeriveContext, u: DerivedUpdate, net: string): boolean {
  return verdictsOf(context, u.update.value, isReal).some((v) => v.key === net && movedBy(u, v.made).length > 0);
}

/** Which way a term moves the critic, wherever its value is. */
function wayOf(context: DeriveContext, { expr, sign }: Term, net: string): Sign | undefined {
  const signs = new Set(verdictsOf(context, expr, isReal).flatMap((v) => (v.key === net ? [v.sign] : [])));
  const [only, ...others] = signs;
  return only === undefined || others.length > 0 ? undefined : ((only * sign) as Sign);
}

/** Is what each side holds one function of the critic's value, and of nothing else? */
function isCopied(sides: readonly Side[], net: string): boolean {
  const keys = sides.map(({ terms }) => {
    const each = terms.map((t) => keyOf(t, net));
    return each.includes(undefined) ? undefined : each.sort().join(" ");
  });
  return keys[0] !== undefined && keys.every((k) => k === keys[0]);
}

function keyOf({ expr, sign }: Term, net: string): string | undefined {
  let free = false;
  const held = (e: Expr): Expr => {
    if (e.kind === "netCall" && e.net === net) return { ...e, args: [] };
    if (e.kind === "builtin") return { ...e, args: e.args.map(held) };
    walkExpr(e, (x) => (free ||= x.kind !== "number"));
    return e;
  };
  const key = fingerprint(held(expr));
  return free ? undefined : `${String(sign)} ${key}`;
}

/** Is a term of a template, by its place, in another statement too? */
function holds(value: Expr, { span }: Expr): boolean {
  let found = false;
  walkExpr(value, (e) => (found ||= e.span.file === span.file && e.span.start === span.start && e.span.end === span.end));
  return found;
}

interface Found {
  readonly net: string;
  readonly data: Term;
  readonly samples: Term;
  readonly way: Sign | undefined;
  /** The term of samples is one of a template that another statement calls. */
  readonly isShared: boolean;
}

function tell(context: DeriveContext, { update }: DerivedUpdate, { net, data, samples, way, isShared }: Found): void {
  const does = way === 1 ? "raises" : way === -1 ? "lowers" : "moves";
  const here = ({ expr }: Term): boolean => expr.span.file.path === update.span.file.path;
  const show = (e: Expr): string => (e.span.file.path === update.span.file.path ? textOf(e.span) : printExpr(e));
  const text = (t: Term): string => `\`${show(t.expr)}\``;
  const { span } = samples.expr;
  const isWritten = span.file === update.span.file && span.start >= update.span.start && span.end <= update.span.end;
  // what is changed in the body of an objective changes in all statements that call it
  const where = isWritten
    ? ""
    : isShared
      ? ", written out in this statement: others call the same objective, and need it as it is"
      : ", in the body of the objective that this statement calls";
  report(
    context.diagnostics,
    "GM3761",
    update.span,
    { net, way: does },
    {
      labels: [
        ...(here(data) ? [{ span: data.expr.span, text: `this ${does} it on data` }] : []),
        ...(here(samples) ? [{ span: samples.expr.span, text: "and this on samples" }] : []),
      ],
      help: [
        `${text(data)} and ${text(samples)} ask the same of both: ${wayOut(samples, net, isShared && !isWritten ? printExpr : show)}${where}`,
        "a critic holds data against samples: it raises what it says of the one and lowers what it says of the other",
      ],
    },
  );
}

/** Functions of a value and of its negative alike. */
const EVEN: ReadonlySet<string> = new Set(["abs", "norm", "square"]);

/** Samples' loss of the opposite value, which is what data's says of them; where that is the same loss, its opposite, within a margin. */
function wayOut({ expr }: Term, net: string, show: (e: Expr) => string): string {
  const text = show(expr);
  let even = false;
  let opposite = text;
  const visit = (e: Expr, around?: Expr): void => {
    if (e.kind === "builtin") e.args.forEach((arg) => visit(arg, e));
    if (e.kind !== "netCall" || e.net !== net) return;
    even ||= around?.kind === "builtin" && (EVEN.has(around.fn) || (around.fn === "pow" && around.args[0] === e));
    opposite = turned(opposite, show(e));
  };
  visit(expr);
  if (even) return `of samples take the opposite, within a margin: \`relu(1 - ${text})\``;
  return opposite === text ? "turn one, by its label" : `of samples take \`${opposite}\``;
}

/** `call` with its sign turned wherever it stands; an argument needs no brackets for it. */
function turned(text: string, call: string): string {
  const [first = "", ...rest] = text.split(call);
  return rest.reduce((done, next) => {
    const isArgument = done.endsWith("(") && next.startsWith(")");
    return `${done}${isArgument ? `-${call}` : `(-${call})`}${next}`;
  }, first);
}
