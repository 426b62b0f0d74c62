/**
 * What the compiler proves of a phase's players: no weight both ascends and descends one objective, two players of a game do not pull the same
 * way, every objective is moved by some player, a critic sees one domain, a Wasserstein objective has a Lipschitz control.
 *
 * Signs are normalised (`minimize -V` is `maximize V`), and a net is counted for all who use it: a player moves the weights that it names where
 * they act on the objective, by whatever path. Different objectives are no conflict: an encoder may move for two.
 */
import { report } from "../../../base/report.js";
import type { DerivedPhase, DerivedUpdate } from "../../derived-model.js";
import type { Expr, ModelIr } from "../../types.js";
import { childrenOf } from "../../walk.js";
import { type DeriveContext } from "../context.js";
import { underPaths } from "../weight-paths.js";
import { checkStreams } from "./streams.js";
import { checkLipschitz } from "./lipschitz.js";
import { densitiesIn, isImplicit, linearParts, shapeOf, type Sign, weightsOf, weightsOfDensity } from "./parts.js";

export function checkPlayers(context: DeriveContext, phase: DerivedPhase): void {
  const { updates } = phase;
  const cores = new Map(updates.map(({ update }) => [shapeOf(coreOf(update.value)), nameOfCore(update)]));
  const held = updates.map((u) => (updates.length > 1 ? objectivesIn(context, u, cores) : []));
  const players = updates.map((update, i): Player => ({ update, held: held[i] ?? [] }));
  const meetings = players.flatMap((a, i) => players.slice(i + 1).flatMap((b) => meetingsOf(context, a, b)));
  const undone = new Set(meetings.filter((m) => m.kind === "undone").map((m) => m.mine.shape));
  for (const meeting of meetings) {
    if (meeting.kind === "undone") reportUndone(context, meeting);
    // who owns what comes first
    else if (!undone.has(meeting.mine.shape)) reportTogether(context, meeting);
  }
  for (const update of updates) {
    context.diagnostics.attributing({ span: update.update.span, text: "in this statement" }, () => {
      checkStreams(context, update);
      checkLipschitz(context, phase, update);
    });
  }
}

/** An objective that a statement moves its weights by: itself, or one with a name that it is linear in. */
interface Held {
  readonly name: string;
  readonly shape: string;
  readonly expr: Expr;
  /** 1: the statement ascends it. */
  readonly sign: Sign;
}

/**
 * The statement's own objective, and those that stand in it: declared ones, which are one object wherever they stand, and what another statement is
 * about, such as the template in `maximize WGAN(p, D) - 10 * GradientPenalty(p, D)`, whose calls are alike.
 */
function objectivesIn(context: DeriveContext, { update }: DerivedUpdate, cores: ReadonlyMap<string, string>): readonly Held[] {
  const names = new Map(context.model.objectives.map((o) => [o.value, o.name]));
  const direction: Sign = update.direction === "maximize" ? 1 : -1;
  const found = new Map<string, Held>();
  for (const { expr, sign } of linearParts(update.value)) {
    const shape = shapeOf(expr);
    const name = names.get(expr) ?? cores.get(shape);
    if (name === undefined) continue;
    if (!found.has(shape)) found.set(shape, { name, shape, expr, sign: sign === direction ? 1 : -1 });
  }
  return [...found.values()];
}

function nameOfCore({ text }: DerivedUpdate["update"]): string {
  return text.replace(/^-\s*/u, "");
}

/** What a statement is about, without a sign or a number before it. */
function coreOf(value: Expr): Expr {
  const parts = linearParts(value);
  const at = parts.findIndex((p) => p.whole || (p.expr.kind === "builtin" && (p.expr.fn === "add" || p.expr.fn === "sub")));
  return parts[at]?.expr ?? value;
}

interface Player {
  readonly update: DerivedUpdate;
  readonly held: readonly Held[];
}

/** Two statements that move one objective in a way that they should not. */
interface Meeting {
  /** `undone`: they move one weight both ways; `together`: a generator and its critic go the same way. */
  readonly kind: "undone" | "together";
  readonly a: Player;
  readonly b: Player;
  readonly mine: Held;
  /** A weight that both move. */
  readonly shared: string | undefined;
}

/** The first objective about which two statements meet. */
function meetingsOf(context: DeriveContext, a: Player, b: Player): readonly Meeting[] {
  for (const mine of a.held) {
    const theirs = b.held.find((h) => h.shape === mine.shape);
    if (!theirs) continue;
    const acting = weightsOf(context, mine.expr);
    const moves = (p: Player): readonly string[] =>
      [...acting].filter((w) => underPaths(w, p.update.moves) || p.update.moves.some((m) => underPaths(m, [w])));
    const [first, second] = [moves(a), moves(b)];
    const shared = first.find((w) => second.includes(w));
    if (shared !== undefined && mine.sign !== theirs.sign) return [{ kind: "undone", a, b, mine, shared }];
    if (shared === undefined && mine.sign === theirs.sign && playsAgainst(context, mine.expr, first, second))
      return [{ kind: "together", a, b, mine, shared }];
  }
  return [];
}

function reportUndone(context: DeriveContext, { a, b, mine, shared = "" }: Meeting): void {
  const path = a.update.moves.find((m) => underPaths(shared, [m])) ?? shared;
  const [up, down] = mine.sign === 1 ? [a, b] : [b, a];
  const text = ({ update: { update } }: Player): string =>
    `\`${mine.name}\`${update.text === mine.name ? "" : ` (\`${update.direction} ${update.text}\`)`}`;
  report(
    context.diagnostics,
    "GM3514",
    b.update.update.span,
    { path, a: text(up), b: text(down) },
    {
      labels: [{ span: a.update.update.span, text: `${a.update.update.direction}d here` }],
      help: ["name after `over` the nets that each player owns"],
    },
  );
}

function reportTogether(context: DeriveContext, { a, b, mine }: Meeting): void {
  const other = b.update.update.direction === "maximize" ? "minimize" : "maximize";
  report(
    context.diagnostics,
    "GM3744",
    b.update.update.span,
    { objective: mine.name, a: a.update.moves.join(", "), b: b.update.moves.join(", "), way: mine.sign === 1 ? "ascend" : "descend" },
    {
      labels: [
        { span: a.update.update.span, text: `\`${a.update.moves.join(", ")}\` ${mine.sign === 1 ? "ascends" : "descends"} it here` },
      ],
      help: [`to play against it: \`${other} ${b.update.update.text} over ${b.update.update.over.join(", ")}\``],
    },
  );
}

/**
 * One of the two moves an implicit density that the objective draws from, the other none of the model's, and the objective holds no log-density: a
 * generator and its critic. The parts of a bound, moved by two optimisers, are no such pair, nor are two translators that hold to one cycle.
 */
function playsAgainst(context: DeriveContext, objective: Expr, a: readonly string[], b: readonly string[]): boolean {
  if (densitiesIn(objective, "evaluated").size > 0) return false;
  const weights = (densities: Iterable<string>): ReadonlySet<string> =>
    new Set([...densities].filter((d) => isImplicit(context, d)).flatMap((d) => [...weightsOfDensity(context, d)]));
  const [drawn, all] = [weights(densitiesIn(objective, "drawn")), weights(context.model.densities.map((d) => d.name))];
  const moves = (moved: readonly string[], generated: ReadonlySet<string>): boolean => moved.some((w) => generated.has(w));
  const isPair = (generator: readonly string[], critic: readonly string[]): boolean => moves(generator, drawn) && !moves(critic, all);
  return a.length > 0 && b.length > 0 && (isPair(a, b) || isPair(b, a));
}

/** A warning for each declared objective that neither `train` nor `evaluate` uses, where something is trained. */
export function warnUnmoved(context: DeriveContext, model: ModelIr): void {
  const seen = new Set<Expr>();
  const visit = (e: Expr): void => {
    if (seen.has(e)) return;
    seen.add(e);
    childrenOf(e).forEach(visit);
  };
  for (const phase of model.train) for (const update of phase.updates) visit(update.value);
  for (const { value } of model.evaluate) if (value.kind === "objective") visit(value.expr);
  for (const objective of model.objectives)
    if (!seen.has(objective.value))
      report(
        context.diagnostics,
        "GM3745",
        objective.span,
        { objective: objective.name },
        {
          help: [`\`maximize ${objective.name} over …\` or \`minimize ${objective.name} over …\` in \`train\`, or a line of \`evaluate\``],
        },
      );
}
