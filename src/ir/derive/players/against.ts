/**
 * A generator and its critic that pull the same way: both raise, or both lower, the verdict that the one gives to what the other has made. Whatever
 * objectives they have: `maximize W over critic` lowers it, and so does `minimize E[x ~ p(x)](critic(x)) over G`. Where the way is not known, as of a
 * squared distance, the objective that both hold says it. And a critic that two statements move both ways, as where the generator's says not whom it moves.
 */
import { report } from "../../../base/report.js";
import type { DerivedUpdate } from "../../derived-model.js";
import { printExpr } from "../../print.js";
import { type DeriveContext } from "../context.js";
import { underPaths } from "../weight-paths.js";
import { densitiesIn, type Held, isImplicit, movedBy, type Player, type Sign, weightsOfDensity } from "./parts.js";
import { isPenalised, turnedCritic, turnedText, wayOfBound } from "./runaway.js";
import { type Verdict, verdictsOf, withFeatures } from "./verdicts.js";

interface Judge extends Player {
  readonly verdicts: readonly Verdict[];
}

/** What two statements both move: what it is called, and which way each moves it. */
interface Meeting {
  readonly text: string;
  readonly critic: Judge;
  readonly generator: Judge;
  readonly mine: Sign;
  readonly theirs: Sign;
  /** It is an objective that both hold. */
  readonly held: boolean;
}

/** Gives back the statements that a warning has told of. */
export function checkVerdicts(context: DeriveContext, players: readonly Player[]): ReadonlySet<DerivedUpdate> {
  const told = new Set<DerivedUpdate>();
  if (players.length < 2) return told;
  const verdicts = withFeatures(players.map((p) => verdictsOf(context, p.update.update.value)));
  const judges = players.map((p, i): Judge => ({ ...p, verdicts: verdicts[i] ?? [] }));
  const generators = new Set([
    ...judges.flatMap((j) => j.verdicts.flatMap((v) => [...v.made])),
    ...context.model.densities.filter((d) => isImplicit(context, d.name)).flatMap((d) => [...weightsOfDensity(context, d.name)]),
  ]);
  judges.forEach((a, i) => {
    for (const b of judges.slice(i + 1)) {
      const found = meetingOf(a, b, generators) ?? meetingOf(b, a, generators);
      if (!found) continue;
      told.add(a.update).add(b.update);
      if (found.mine === found.theirs) reportTogether(context, a, b, found);
      else reportUndone(context, found);
    }
  });
  return told;
}

/**
 * The first verdict of nets that `critic` moves on what `generator` moves: where both move it the same way, or the opposite way by moving the critic both.
 */
function meetingOf(critic: Judge, generator: Judge, generators: ReadonlySet<string>): Meeting | undefined {
  for (const { key, critic: weights, composed } of critic.verdicts) {
    // a net that makes something itself is no critic: translators hold to one cycle
    if (movedBy(critic.update, weights).length === 0 || [...weights].some((w) => generators.has(w))) continue;
    const both = movedBy(generator.update, weights).length > 0;
    const on = ({ verdicts }: Judge): readonly Verdict[] => verdicts.filter((v) => v.key === key);
    const isMade = (v: Verdict): boolean => movedBy(generator.update, v.made).length > 0 && movedBy(critic.update, v.made).length === 0;
    const [judged, made] = [on(critic).filter(isMade), on(generator).filter(isMade)];
    const [mine, theirs] = waysOf({ ...critic, verdicts: judged }, { ...generator, verdicts: made });
    // an error that a net makes on data and on samples alike is no verdict: a net that finds latents again, a classifier
    if (
      composed &&
      (mine === undefined ||
        wayOf(
          critic,
          on(critic).filter((v) => v.made.size === 0),
        ) !== -mine)
    )
      continue;
    const [shown] = made;
    if (mine !== undefined && theirs !== undefined && shown) {
      const meeting = { text: printExpr(shown.expr), critic, generator, mine, theirs, held: false };
      if (both ? mine !== theirs : mine === theirs) return (!both && sharedBy(critic, generator)) || meeting;
    } else if (!both && judged.length > 0 && shown && on(critic).some((v) => v.made.size === 0)) {
      const shared = sharedBy(critic, generator);
      if (shared) return shared;
    }
  }
  return undefined;
}

/**
 * Which way each of two statements moves verdicts. Where one moves them both ways, as of pairs (x, enc(x)) and (G(z), z), those on what the same weights
 * make are compared: one way where all that are known say so.
 */
function waysOf(critic: Judge, generator: Judge): readonly [Sign | undefined, Sign | undefined] {
  const [mine, theirs] = [wayOf(critic, critic.verdicts), wayOf(generator, generator.verdicts)];
  if (mine !== undefined && theirs !== undefined) return [mine, theirs];
  const madeBy = (v: Verdict): string => [...v.made].sort().join(" ");
  const pairs = [...new Set(critic.verdicts.map(madeBy))].flatMap((by): readonly (readonly [Sign, Sign])[] => {
    const [a, b] = [critic, generator].map((j) =>
      wayOf(
        j,
        j.verdicts.filter((v) => madeBy(v) === by),
      ),
    );
    return a !== undefined && b !== undefined ? [[a, b]] : [];
  });
  const [first] = pairs;
  return first && pairs.every(([a, b]) => (a === b) === (first[0] === first[1])) ? first : [mine, theirs];
}

/** Which way a statement moves verdicts: undefined where it does both, or that is not known. */
function wayOf({ update }: Judge, verdicts: readonly Verdict[]): Sign | undefined {
  const direction: Sign = update.update.direction === "maximize" ? 1 : -1;
  const [sign, ...others] = new Set(verdicts.map((v) => v.sign && ((v.sign * direction) as Sign)));
  return others.length === 0 ? sign : undefined;
}

/** An objective that both hold and move the same way; the whole of a statement before its parts. */
function sharedBy(critic: Judge, generator: Judge): Meeting | undefined {
  const isShared = (mine: Held): boolean =>
    densitiesIn(mine.expr, "evaluated").size === 0 && generator.held.some((h) => h.shape === mine.shape && h.sign === mine.sign);
  const mine = critic.held.find(isShared);
  return mine && { text: mine.name, critic, generator, mine: mine.sign, theirs: mine.sign, held: true };
}

function reportTogether(context: DeriveContext, a: Judge, b: Judge, { text, critic, generator, mine, held }: Meeting): void {
  const way = mine === 1 ? "ascend" : "descend";
  const [first, second] = [a.update.moves.join(", "), b.update.moves.join(", ")];
  // a critic whose statement has no bound goes the wrong way; one whose opposite has none, the right one
  const bound = wayOfBound(context, critic.update);
  const against = turnedText((held && critic === b ? a : held ? b : generator).update);
  report(
    context.diagnostics,
    "GM3744",
    b.update.update.span,
    { objective: text, a: first, b: second, way },
    {
      labels: [{ span: a.update.update.span, text: `\`${first}\` ${way}s it here` }],
      help:
        bound === "wrong"
          ? [`the critic is the one that goes the wrong way, to where its objective has no bound: ${turnedCritic(context, critic.update)}`]
          : [
              `to play against it: ${against}`,
              // critics lower what they think of samples, unless they are energies
              ...(bound === "right" || isPenalised(context, critic.update) || (!held && mine !== 1)
                ? []
                : [`or, where the critic is the one that goes the wrong way: ${turnedText(critic.update)}`]),
            ],
    },
  );
}

function reportUndone(context: DeriveContext, { text, critic, generator, mine }: Meeting): void {
  const weights = new Set(critic.verdicts.flatMap((v) => [...v.critic]));
  const { update, moves } = generator.update;
  const own = moves.filter((m) => ![...weights].some((w) => underPaths(w, [m]) || underPaths(m, [w])));
  const name = moves.find((m) => !own.includes(m)) ?? text;
  const [way, other] = mine === 1 ? ["raises", "lowers"] : ["lowers", "raises"];
  const statement = (s: typeof update): string => `${s.direction} ${s.text}`;
  report(
    context.diagnostics,
    "GM3867",
    update.span,
    { a: statement(critic.update.update), b: statement(update), critic: name, verdict: text, way, other },
    {
      labels: [{ span: critic.update.update.span, text: `${way} it here` }],
      help: [`name the nets that the generator's statement owns: \`${statement(update)} over ${own.join(", ")}\``],
    },
  );
}
