/**
 * A critic's statement without a bound: what it ascends rises without end where the critic gives large numbers to data and to samples alike, as where a
 * discriminator descends `GAN(p, D)`, or to those of one side that nothing outweighs, as with a label above 1. Read off the leading terms of what the
 * statement holds of the critic's values on each side (tails.ts).
 */
import { report } from "../../../base/report.js";
import { textOf } from "../../../base/source.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { builtins } from "../../builtins.js";
import { rangeOf } from "../../energy/curvature.js";
import { anything, type Range } from "../../range.js";
import type { Expr, NetCallExpr, ObjectiveDraw } from "../../types.js";
import { walkExpr } from "../../walk.js";
import { type DeriveContext, netOf } from "../context.js";
import { weightsIn } from "../weights.js";
import { printExpr } from "../../print.js";
import {
  averagedParts,
  calledIn,
  clippingText,
  linearParts,
  movedBy,
  netCalls,
  outsideGradients,
  type Player,
  type Sign,
  termsOf,
} from "./parts.js";
import { bounded, falls, isFactorOf, opposite, plus, rises, type Tail, tailOf, times } from "./tails.js";
import { penaltiesOf } from "./penalties.js";
import { isVerdict } from "./verdicts.js";
import { fingerprint } from "../../same-expr.js";

/** A term of a side, as the statement writes it; its sign is that with which it is ascended. */
export interface Term {
  readonly expr: Expr;
  readonly sign: Sign;
  /** What it is multiplied by, without its sign; NaN where that is no number. */
  readonly weight: number;
  readonly up: Tail | undefined;
  readonly down: Tail | undefined;
}

/** What a statement holds of a critic's values on data, or on samples: what it ascends, far out in either direction. */
export interface Side {
  readonly made: boolean;
  readonly terms: readonly Term[];
  /** Some term is the critic's value itself. */
  readonly plain: boolean;
  readonly up: Tail | undefined;
  readonly down: Tail | undefined;
}

/** The sides that a statement sees a critic on; undefined where a term holds the critic on several. */
export function sidesOf(context: DeriveContext, { update }: DerivedUpdate, critic: string): readonly Side[] | undefined {
  const direction: Sign = update.direction === "maximize" ? 1 : -1;
  const sides = new Map<string, Side>();
  const features = featuresOf(context, update.value, critic);
  let mixed = false;
  const visit = (expr: Expr, sign: Sign, weight: number, sources: ReadonlyMap<string, string>): void => {
    for (const part of averagedParts(expr, sign)) {
      const factor = weight * part.weight;
      if (part.expr.kind === "expectation") {
        const { draws, body } = part.expr;
        visit(body, part.sign, factor, new Map([...sources, ...draws.flatMap(sourcesOf)]));
        continue;
      }
      const calls = netCalls(context, part.expr, outsideGradients).filter((c) => c.net === critic);
      if (calls.length === 0) continue;
      const keys = new Map(calls.map((c) => [sideKey(c, sources), c]));
      const [[key, call] = []] = keys;
      if (key === undefined || !call || keys.size > 1) {
        mixed = true;
        continue;
      }
      const before = sides.get(key) ?? {
        made: isMade(context, call, sources, features),
        plain: false,
        terms: [],
        up: bounded,
        down: bounded,
      };
      const plain = before.plain || calledIn(part.expr) !== undefined;
      const tail = (way: Sign): Tail | undefined =>
        times(tailOf(context, part.expr, critic, way), isFactorOf((part.sign * direction) as Sign, factor));
      const term: Term = { expr: part.expr, sign: (part.sign * direction) as Sign, weight: factor, up: tail(1), down: tail(-1) };
      sides.set(key, {
        ...before,
        plain,
        terms: [...before.terms, term],
        up: plus(before.up, term.up),
        down: plus(before.down, term.down),
      });
    }
  };
  visit(update.value, 1, 1, new Map());
  return mixed ? undefined : [...sides.values()];
}

function sourcesOf({ names, source }: ObjectiveDraw): readonly (readonly [string, string])[] {
  const from = source.kind === "density" ? `sample ${source.density}` : source.kind;
  return names.map((n) => (n.kind === "variable" ? [n.variable, `${from} ${n.variable}`] : [n.local.id, `${from} ${n.of ?? n.local.id}`]));
}

/** What a critic is called with, by what its names are drawn from. */
function sideKey({ args }: NetCallExpr, sources: ReadonlyMap<string, string>): string {
  return fingerprint(args, (value) => {
    const e = value as Expr | null;
    if (typeof e !== "object" || e === null || (e.kind !== "variable" && e.kind !== "local")) return value;
    const name = e.kind === "variable" ? e.variable : e.local.id;
    return sources.get(name) ?? name;
  });
}

/** Weights behind what a critic is called with every time, on data and on samples alike: of features that it reads, and of nothing that is made. */
export function featuresOf(context: DeriveContext, objective: Expr, critic: string): ReadonlySet<string> {
  const [first, ...others] = netCalls(context, objective, outsideGradients)
    .filter((c) => c.net === critic)
    .map((c) => weightsIn(context, c.args));
  return new Set(others.length === 0 ? [] : [...(first ?? [])].filter((w) => others.every((o) => o.has(w))));
}

function isMade(
  context: DeriveContext,
  { args }: NetCallExpr,
  sources: ReadonlyMap<string, string>,
  features: ReadonlySet<string>,
): boolean {
  let made = [...weightsIn(context, args)].some((w) => !features.has(w));
  for (const arg of args)
    walkExpr(arg, (e) => {
      const name = e.kind === "variable" ? e.variable : e.kind === "local" ? e.local.id : "";
      made ||= sources.get(name)?.startsWith("sample ") === true;
    });
  return made;
}

/** Where a critic's numbers take a statement without end. */
export interface Runaway {
  readonly net: string;
  /** Larger or smaller numbers. */
  readonly way: Sign;
  /** Of all, of some alone, or of data and samples apart, whichever are larger. */
  readonly to: "all" | "data" | "samples" | "apart";
}

/** Whether a statement rises (or falls, as it should) without end where the critic gives all examples one number. */
function runsAway(context: DeriveContext, derived: DerivedUpdate): Runaway | undefined {
  return alike(context, derived, rises);
}

/** Which way a critic's statement goes, where one of the two directions alone has a bound. */
export function wayOfBound(context: DeriveContext, derived: DerivedUpdate, net?: string): "right" | "wrong" | undefined {
  const [away, back] = [alike(context, derived, rises, net), alike(context, derived, falls, net)];
  return away && !back ? "wrong" : back && !away ? "right" : undefined;
}

function alike(context: DeriveContext, derived: DerivedUpdate, does: (t: Tail | undefined) => boolean, only?: string): Runaway | undefined {
  for (const net of criticsOf(context, derived, isReal)) {
    if (only !== undefined && net !== only) continue;
    const sides = sidesOf(context, derived, net);
    if (!sides?.some((s) => s.made) || sides.every((s) => s.made)) continue;
    for (const way of waysOf(context, net))
      if (does(sides.map((s) => (way === 1 ? s.up : s.down)).reduce(plus))) return { net, way, to: "all" };
  }
  return undefined;
}

/** One side rises and none outweighs it wherever data and samples lie apart. */
function runsApart(context: DeriveContext, derived: DerivedUpdate): Runaway | undefined {
  for (const net of criticsOf(context, derived)) {
    const sides = sidesOf(context, derived, net);
    // of a difference of means it is said that nothing keeps the critic Lipschitz
    if (sides?.length !== 2 || sides.every((s) => s.plain) || sides.every((s) => s.made) || !sides.some((s) => s.made)) continue;
    for (const way of waysOf(context, net)) {
      const tails = sides.map((s) => (way === 1 ? s.up : s.down));
      const [up, other] = rises(tails[0]) ? tails : [tails[1], tails[0]];
      if (!up || !other || !rises(up) || (falls(other) && other.order > up.order)) continue;
      return { net, way, to: sides[tails.indexOf(up)]?.made === true ? "samples" : "data" };
    }
  }
  return undefined;
}

/**
 * It rises without end whether data are given larger numbers than samples or smaller ones, as a distance of the critic's values does. A bound of a
 * divergence, and a difference of means, fall one of the two ways.
 */
function runsEitherWay(context: DeriveContext, derived: DerivedUpdate): Runaway | undefined {
  for (const net of criticsOf(context, derived, isReal)) {
    if (waysOf(context, net).length < 2) continue;
    const [up, down] = ([1, -1] as const).map((way) => apart(context, derived, net, way));
    if (up && down && rises(up) && rises(down)) return { net, way: 1, to: "apart" };
  }
  return undefined;
}

/** What a statement ascends as its critic gives data numbers far out in the direction `way`, and samples those in the other; undefined without either. */
function apart(context: DeriveContext, { update }: DerivedUpdate, net: string, way: Sign): Tail | undefined {
  const seen = new Set<boolean>();
  const features = featuresOf(context, update.value, net);
  const tail = tailOf(context, update.value, net, (call, draws) => {
    const made = isMade(context, call, new Map(draws.flatMap(sourcesOf)), features);
    seen.add(made);
    return made ? (-way as Sign) : way;
  });
  if (seen.size < 2) return undefined;
  return update.direction === "maximize" ? tail : tail && opposite(tail);
}

/** Whether nothing in a statement outweighs a critic that tells data and samples ever further apart. */
export function risesApart(context: DeriveContext, derived: DerivedUpdate, net: string): boolean {
  return rises(apart(context, derived, net, 1)) || rises(apart(context, derived, net, -1));
}

/** Nets that a statement moves and that give one number for each example, or a map of one for each patch. */
export function criticsOf(
  context: DeriveContext,
  derived: DerivedUpdate,
  judges: (call: NetCallExpr) => boolean = isVerdict,
): ReadonlySet<string> {
  const calls = netCalls(context, derived.update.value, outsideGradients).filter(judges);
  return new Set(calls.filter((c) => movedBy(derived, weightsIn(context, [{ ...c, args: [] }])).length > 0).map((c) => c.net));
}

/** Several heads too: what a loss makes of each entry has a leading term of its own, and where entries meet, as under `softmax`, none is known. */
export function isReal({ type }: NetCallExpr): boolean {
  return type.kind === "tensor" && type.element === "real";
}

/** Directions in which its value has no bound. */
function waysOf(context: DeriveContext, net: string): readonly Sign[] {
  const { result } = netOf(context, net);
  if (isBounded(context, result, new Map())) return [];
  const { low, high } = rangeOf(context, result);
  return ([1, -1] as const).filter((way) => !Number.isFinite(way === 1 ? high : low));
}

/** `isHeld`: does something keep a net's values, or its slopes, within bounds? `told`: statements that another warning is about. */
export function checkRunaway(
  context: DeriveContext,
  players: readonly Player[],
  told: ReadonlySet<DerivedUpdate>,
  isHeld: (derived: DerivedUpdate, net: string, what: "values" | "slopes") => boolean,
): void {
  for (const { update: derived, held } of players) {
    if (told.has(derived)) continue;
    const unheld = (away: Runaway | undefined, what: "values" | "slopes"): Runaway | undefined =>
      away && !isHeld(derived, away.net, what) ? away : undefined;
    const found =
      unheld(runsAway(context, derived), "values") ??
      unheld(runsApart(context, derived), "slopes") ??
      unheld(runsEitherWay(context, derived), "slopes");
    if (!found) continue;
    const { update } = derived;
    const against = players.find(
      (p) => p.update !== derived && p.held.some((h) => held.some((mine) => mine.shape === h.shape && mine.sign !== h.sign)),
    );
    const isInverted = found.to === "all" && isInvertedBy(context, derived, found);
    const cause = isInverted || found.to === "apart" ? undefined : risingIn(context, derived, found);
    const isHere = cause?.expr.span.file.path === update.span.file.path;
    const way = update.direction === "maximize" ? "rises" : "falls";
    report(
      context.diagnostics,
      "GM3759",
      update.span,
      {
        objective: update.text,
        way,
        net: found.net,
        numbers: found.to === "apart" ? "other" : found.way === 1 ? "larger" : "smaller",
        to: found.to === "all" ? "data and samples alike" : found.to === "apart" ? "data than to samples, larger or smaller" : found.to,
      },
      {
        labels: [
          ...(isInverted && against ? [{ span: against.update.update.span, text: "the other player moves it the other way" }] : []),
          ...(cause && isHere ? [{ span: cause.expr.span, text: `this ${way} without end there` }] : []),
        ],
        help:
          found.to === "apart"
            ? waysOutApart(context, found.net, derived, against?.update)
            : isInverted
              ? [
                  `a critic moves its objective to where that has a bound: ${turnedCritic(context, derived)}`,
                  ...(against ? [`and who plays against it the other way: ${turnedText(against.update)}`] : []),
                ]
              : cause
                ? [
                    cause.labels
                      ? `\`${cause.text}\` ${way} there: labels are probabilities, within 0..1`
                      : `\`${cause.text}\` ${way} there, and a loss has a bound on either side: turn its sign`,
                  ]
                : ["let data and samples count alike, so that a number added to all changes nothing"],
      },
    );
  }
}

function waysOutApart(context: DeriveContext, net: string, derived: DerivedUpdate, against: DerivedUpdate | undefined): readonly string[] {
  // nets within it too, as a trunk that it shares, and those that it reads
  const weights = [...weightsIn(context, [netOf(context, net).result]), ...featuresOf(context, derived.update.value, net)];
  const clips = clippingText(movedBy(derived, new Set(weights)));
  return [
    `as a distance, hold the slopes of \`${net}\`: clip its weights, ${clips}, normalise its layers, \`dense(100, spectral = true)\`, or add a gradient penalty`,
    `as a loss of \`${net}\`, it is moved to where it has a bound: ${turnedText(derived)}${against ? `, and against it ${turnedText(against)}` : ""}`,
  ];
}

/** Is it the statement as a whole that goes the wrong way, with no side that has a bound as it is? */
function isInvertedBy(context: DeriveContext, derived: DerivedUpdate, { net }: Runaway): boolean {
  const sides = sidesOf(context, derived, net) ?? [];
  return wayOfBound(context, derived) === "wrong" && !sides.some((s) => falls(s.up) && falls(s.down));
}

/**
 * What takes a statement away: a template's call or an objective that goes the wrong way as a whole, or the term. None where that is the critic's value
 * itself, as of means that do not count alike.
 */
function risingIn(
  context: DeriveContext,
  derived: DerivedUpdate,
  { net, way, to }: Runaway,
): { readonly expr: Expr; readonly text: string; readonly labels: boolean } | undefined {
  const tailOf = (t: Term): Tail | undefined => (way === 1 ? t.up : t.down);
  const sides = (sidesOf(context, derived, net) ?? []).filter((s) => to === "all" || s.made === (to === "samples"));
  const rising = sides.flatMap((s) => s.terms).filter((t) => rises(tailOf(t)));
  const [first, ...others] = rising.sort((a, b) => (tailOf(b)?.order ?? 0) - (tailOf(a)?.order ?? 0));
  if (!first || calledIn(first.expr)) return undefined;
  const { update } = derived;
  const { value } = update;
  const names = new Map([...context.model.expansions, ...context.model.objectives.map((o) => [o.value, o.name] as const)]);
  const isOwn = (e: Expr): boolean => termsOf(e).some((t) => t.expr === first.expr);
  const within = linearParts(value).filter((p) => names.has(p.expr) && isOwn(p.expr));
  const whole = within.find((p) => {
    const terms = termsOf(p.expr).map((t) => t.expr);
    return p.expr !== value && sides.flatMap((s) => s.terms).every((t) => terms.includes(t.expr)) && wayOfBound(context, derived, net) === "wrong"; // prettier-ignore
  });
  if (whole) return { expr: whole.expr, text: names.get(whole.expr) ?? printExpr(whole.expr), labels: false };
  const { expr, sign, weight } = first;
  const written = update.direction === "maximize" ? sign : -sign;
  const factor = Number.isNaN(weight) || weight === 1 ? "" : `${String(Number(weight.toPrecision(4)))} * `;
  const labels = others.length === 0 && sides.some((s) => s.terms.includes(first) && isLabelled(s));
  return {
    expr,
    text: `${written === -1 ? "-" : ""}${factor}${expr.span.file.path === update.span.file.path ? textOf(expr.span) : printExpr(expr)}`,
    labels,
  };
}

/** Two losses of each example, weighted by a label and by what it leaves of 1. */
export function isLabelled({ terms }: Side): boolean {
  const all = terms.reduce((sum, t) => sum + t.sign * t.weight, 0);
  return terms.length === 2 && Math.abs(Math.abs(all) - 1) < 1e-9;
}

/** A statement with its direction turned, as a help writes it. */
export function turnedText({ update }: DerivedUpdate): string {
  const over = update.over.length > 0 ? ` over ${update.over.join(", ")}` : "";
  return `\`${update.direction === "maximize" ? "minimize" : "maximize"} ${update.text}${over}\``;
}

/** A critic's, whose penalties stay what they are. */
export function turnedCritic(context: DeriveContext, derived: DerivedUpdate): string {
  if (!isPenalised(context, derived)) return turnedText(derived);
  const { update } = derived;
  return `turn the sign of its loss within \`${update.direction} ${update.text}\`, and leave that of the penalty`;
}

/** Is it a sum with a penalty that its opposite would reward? */
export function isPenalised(context: DeriveContext, derived: DerivedUpdate): boolean {
  return penaltiesOf(context, derived).some((p) => p.effect === "lowers");
}

/** A difference of means with what turns it upside down: the opposite statement is a bound of a divergence, this one has none. */
export function isUpsideDown(context: DeriveContext, derived: DerivedUpdate, net: string): boolean {
  const sides = sidesOf(context, derived, net) ?? [];
  const isBound = sides.filter((s) => s.made).every((s) => s.up && s.down && !falls(s.up) && !falls(s.down));
  return wayOfBound(context, derived) === "wrong" && isBound;
}

/** Where samples lie and no data do, or where a critic is seen on several, is its value held by what a statement has beside a difference of means? */
export function holdsOnSamples(
  context: DeriveContext,
  derived: DerivedUpdate,
  net: string,
): "held" | "data alone" | "not held" | undefined {
  const sides = sidesOf(context, derived, net);
  if (!sides) return undefined;
  const samples = sides.some((s) => s.made) ? sides.filter((s) => s.made) : sides;
  const isOpen = (s: Side): boolean => rises(s.up) || rises(s.down);
  if (samples.some((s) => !s.up || !s.down)) return undefined;
  if (!samples.some(isOpen)) return "held";
  return sides.some((s) => !s.made && falls(s.up) && falls(s.down)) ? "data alone" : "not held";
}

/** Do its functions keep it within bounds whatever its weights, such as the error of an autoencoder of bounded values? */
export function isBounded(context: DeriveContext, expr: Expr, given: ReadonlyMap<string, Range>): boolean {
  if (expr.kind === "local") {
    const binding = context.bindings.get(expr.local.id);
    return binding !== undefined && isBounded(context, binding.value, given);
  }
  const within = rangeOf(context, expr, given);
  if (Number.isFinite(within.low) && Number.isFinite(within.high)) return true;
  if (expr.kind !== "builtin") return false;
  const entry = builtins.get(expr.fn);
  const range = entry?.range?.(
    expr.args.map(() => anything),
    expr.options,
    expr.args.map((a) => ({ shape: a.type.kind === "tensor" ? a.type.shape : [], simplex: false })),
  );
  if (range && Number.isFinite(range.low) && Number.isFinite(range.high)) return true;
  const [only] = expr.args;
  return expr.args.length === 1 && only !== undefined && entry?.linear === "all" && isBounded(context, only, given);
}
