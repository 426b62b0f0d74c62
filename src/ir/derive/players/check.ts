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
import { checkApart } from "./apart.js";
import { checkStreams } from "./streams.js";
import { checkLipschitz, isControlled } from "./lipschitz.js";
import { checkPenalties, penaltiesOf, type Penalty } from "./penalties.js";
import { densitiesIn, type Held, linearParts, movedBy, type Player, shapeOf, type Sign, weightsOf, weightsOfDensity } from "./parts.js";
import { checkAlike } from "./alike.js";
import { checkVerdicts } from "./against.js";
import { checkCollapse } from "./collapse.js";
import { checkRunaway } from "./runaway.js";
import { checkSquashed } from "./squashed.js";

export function checkPlayers(context: DeriveContext, phase: DerivedPhase): void {
  const { updates } = phase;
  const cores = new Map(updates.map(({ update }) => [shapeOf(coreOf(update.value)), nameOfCore(update)]));
  const held = updates.map((u) => (updates.length > 1 ? objectivesIn(context, u, cores) : []));
  const players = updates.map((update, i): Player => ({ update, held: held[i] ?? [] }));
  const undone = players.flatMap((a, i) => players.slice(i + 1).flatMap((b) => undoneBy(context, a, b)));
  for (const pair of undone) reportUndone(context, pair);
  // who owns what comes first
  const owning = players.filter((p) => undone.every(({ a, b }) => p !== a && p !== b));
  const alike = checkAlike(context, owning);
  const compared = owning.filter((p) => !alike.has(p.update));
  const known = new Set([...alike, ...checkVerdicts(context, compared)]);
  checkCollapse(
    context,
    owning.map((p) => p.update),
  );
  const penalties = new Map(updates.map((u) => [u, penaltiesOf(context, u)]));
  const told = new Set<Penalty>();
  const squashed = new Set<string>();
  for (const update of updates) {
    context.diagnostics.attributing({ span: update.update.span, text: "in this statement" }, () => {
      checkApart(context, update.update.value);
      checkStreams(context, update);
      checkSquashed(context, update, squashed);
      const open = checkLipschitz(context, phase, update, penalties);
      for (const p of open.penalties) told.add(p);
      if (open.warned) known.add(update);
    });
  }
  checkRunaway(context, owning, known, (update, net, what) => isControlled(context, phase, penalties, { update, net, what }));
  const densities = updates.flatMap((u) => [...densitiesIn(u.update.value, "drawn")]);
  const makers = new Set(densities.flatMap((d) => [...weightsOfDensity(context, d)]));
  for (const { update } of owning) {
    const left = (penalties.get(update) ?? []).filter((p) => !told.has(p));
    checkPenalties(context, update, left, makers);
  }
}

/**
 * The statement's own objective, and those that stand in it: declared ones, which are one object wherever they stand, templates, whose calls are alike,
 * and what another statement is about.
 */
function objectivesIn(context: DeriveContext, { update }: DerivedUpdate, cores: ReadonlyMap<string, string>): readonly Held[] {
  const names = new Map([...context.model.expansions, ...context.model.objectives.map((o) => [o.value, o.name] as const)]);
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

/** Two statements that move one weight up and down by one objective. */
interface Undone {
  readonly a: Player;
  readonly b: Player;
  readonly mine: Held;
  readonly shared: string;
}

/** The first objective of which two statements undo each other's steps. */
function undoneBy(context: DeriveContext, a: Player, b: Player): readonly Undone[] {
  for (const mine of a.held) {
    const theirs = b.held.find((h) => h.shape === mine.shape);
    if (!theirs || mine.sign === theirs.sign) continue;
    const moved = movedBy(a.update, weightsOf(context, mine.expr));
    const shared = moved.find((w) => underPaths(w, b.update.moves) || b.update.moves.some((m) => underPaths(m, [w])));
    if (shared !== undefined) return [{ a, b, mine, shared }];
  }
  return [];
}

function reportUndone(context: DeriveContext, { a, b, mine, shared }: Undone): void {
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
