/** Model IR -> derived model: every objective of `train` and `evaluate`, which weights it moves, which densities generate and infer. */
import { InternalError } from "../../base/internal-error.js";
import { report, type Diagnostics } from "../../base/report.js";
import { proveOrders } from "../autoregressive/prove.js";
import { checkSites, analyseEnergy, type EnergyAnalysis, requireMonitor } from "../energy/index.js";
import { estimators } from "../estimators.js";
import type { DerivedEvaluation, DerivedModel, DerivedPhase, DerivedUpdate } from "../derived-model.js";
import type { DerivedObjective, Quantity } from "../quantity.js";
import type { Maximisation } from "../maximisation.js";
import { evaluators } from "../settings-table.js";
import { scalarType, typeOfDomain } from "../shapes.js";
import type { Density, Evaluation, Expr, ModelIr, Phase, Slot, Update, Variable } from "../types.js";
import { boundOf, combineOf, impossibleSign } from "./bounds.js";
import { measuredDensities } from "./measured.js";
import { preparations } from "./preparation.js";
import { constantOf, type MeasuredEvent, unitOf, withoutScale } from "./units.js";
import { deriveContext, type DeriveContext, densityOf } from "./context.js";
import { coveringPaths, underPaths } from "./weight-paths.js";
import { weightEntries, type WeightEntry } from "./weights.js";
import { chosen, firstChoice } from "./choices.js";
import { energyOf, type EstimatedPartition, type EstimatedPartitions, requireDataReads } from "./energy.js";
import { movedBy } from "./contents.js";
import { deriveObjective } from "./objective.js";
import { deriveDensity } from "./derived-density.js";
import { checkApart } from "./players/apart.js";
import { couplesRows, refuseReadersInDensities } from "./players/rows.js";
import { checkPlayers, warnUnmoved } from "./players/check.js";
import { linearParts } from "./players/parts.js";
import { roles } from "./roles.js";
import { nameSchedules } from "./schedules.js";
import { deriveStarts } from "./starts.js";
import { stoppingGoal } from "./stopping.js";

/** Derives a model; undefined after errors have been reported. */
export function derive(model: ModelIr, diagnostics: Diagnostics): DerivedModel | undefined {
  const directed = withOrders(deriveContext(model, diagnostics));
  const context = directed && withEnergies(directed);
  if (!context) return undefined;
  refuseDomains(context);
  refuseReadersInDensities(context);
  const entries = weightEntries(context);
  const weights = entries.map((e) => e.path);
  let failed = false;
  const derivedPhases = model.train.map((phase): DerivedPhase => {
    const updates = nameSchedules(phase.updates).flatMap((update): readonly DerivedUpdate[] => {
      const derived = diagnostics.attributing({ span: update.span, text: "in this statement" }, () =>
        deriveObjective(context, {
          value: update.value,
          over: update.over.length === 0 ? weights : movedBy(weights, update.over),
          by: update.by,
          span: update.span,
        }),
      );
      if (!derived) {
        failed = true;
        return [];
      }
      if (!derived.em) warnAway(context, phase, update, derived);
      else if (!emFits(context, phase, update, derived.em)) failed = true;
      const moved = checkMoves(context, update, derived);
      return [{ update, derived, moves: coveringPaths(weights, [...new Set([...moved, ...derived.helpers])]) }];
    });
    checkPlayers(context, { phase, updates });
    return { phase, updates };
  });
  const estimated = estimatedPartitions(context);
  const evaluations = model.evaluate.flatMap((evaluation): readonly DerivedEvaluation[] => {
    const derived = diagnostics.attributing({ span: evaluation.span, text: "in this line" }, () =>
      deriveEvaluation(context, evaluation, estimated),
    );
    if (!derived) failed = true;
    return derived ? [derived] : [];
  });
  const starts = deriveStarts(context);
  if (!starts) failed = true;
  const phases = failed ? [] : derivedPhases.map((p) => ({ ...p, goal: stoppingGoal(context, p.phase, evaluations) }));
  if (failed || !starts || diagnostics.hasErrors) return undefined;
  if (phases.length > 0) {
    warnUntrained(context, entries, phases);
    warnUnmoved(context, model);
  }
  const densities = new Map(model.densities.map((d) => [d.name, deriveDensity(context, d.name)]));
  return { context, model, densities, phases, evaluations, starts, ...roles(context, densities, phases) };
}

/** A statement by expectation maximisation has no use for a direction but up, nor for settings of an optimiser: its own, or its phase's if it stands alone. */
function emFits(context: DeriveContext, phase: ModelIr["train"][number], update: Update, { online }: Maximisation): boolean {
  if (update.direction === "minimize") {
    report(context.diagnostics, "GM3855", update.span, { direction: "minimize" }, { help: ["`maximize log p(x) by em`"] });
    return false;
  }
  const idle = ["optimizer", "lr", "clipNorm", "clipValue", "weightDecay", ...(online ? [] : ["batch"])];
  const settings = phase.updates.length === 1 ? [...update.settings, ...phase.settings] : update.settings;
  const found = settings.find((s) => idle.includes(s.name));
  if (!found) return true;
  const why =
    found.name === "batch"
      ? "each step takes all training rows, unless it averages over batches, `em(decay = 0.99)`"
      : "its estimates are exact, so there is no rate";
  report(context.diagnostics, "GM3854", found.span, { setting: found.name }, { help: [`leave it out: ${why}`] });
  return false;
}

/** With the proofs of variables that are drawn entry after entry; undefined after an error in one. */
function withOrders(context: DeriveContext): DeriveContext | undefined {
  const proven = proveOrders(context);
  return proven && { ...context, ...proven };
}

/** The analyses of all energies; undefined after an error in one. */
function withEnergies(context: DeriveContext): DeriveContext | undefined {
  const energies = new Map<string, EnergyAnalysis>();
  let ok = true;
  for (const { density, energy } of context.densities.values()) {
    if (!energy) continue;
    const analysis = analyseEnergy(context, density.name);
    if (analysis) energies.set(density.name, analysis);
    else ok = false;
  }
  return ok ? { ...context, energies } : undefined;
}

/** Domains that are declared and checked, and that no rule honours: to compile them would be to ignore them. */
function refuseDomains(context: DeriveContext): void {
  for (const variable of context.model.variables.values()) {
    const byEnergy = [...context.densities.values()].find((d) => d.energy?.variables.includes(variable.name));
    if (variable.domain.optional && byEnergy) refuseMissing(context, variable, byEnergy.density);
    else if (variable.domain.atMostOne && !byEnergy)
      report(context.diagnostics, "GM3509", variable.span, { construct: "`at_most_one` outside of an energy" });
  }
}

/** In rows without it, log p would be of the other variables alone: another sum, and another partition function of what is given. */
function refuseMissing(context: DeriveContext, { name, span }: Variable, density: Density): void {
  const rest = density.head.filter((v) => v !== name && context.model.variables.get(v)?.role === "data");
  report(
    context.diagnostics,
    "GM3857",
    span,
    { variable: name, density: density.name },
    {
      labels: [{ span: density.span, text: `\`${name}\` is a variable of this energy` }],
      help: [
        `drop the \`?\`: every row of the data must then have \`${name}\``,
        rest.length > 0
          ? `or leave \`${name}\` out of the energy and draw it given the rest, \`density r(${name} | ${rest.join(", ")})\``
          : `or draw \`${name}\` by a distribution, \`${name} ~ Bernoulli(logits = …)\`: what is drawn may be missing`,
      ],
    },
  );
}

/** GM3533: who minimises a lower bound learns nothing of the likelihood, which stays above it; who minimises the likelihood unlearns the data. */
function warnAway(context: DeriveContext, phase: Phase, update: Update, { quantity }: DerivedObjective): void {
  const bound = boundOf(context, withoutNumbers(quantity), 1);
  const side = update.direction === "minimize" ? "lower bound" : "upper bound";
  // in a game of two who move it both ways, one of them has to
  const isGame = phase.updates.some((u) => u.text === update.text && u.direction !== update.direction);
  const away = bound?.startsWith(side) === true ? side : lowersLikelihood(context, update) ? "likelihood" : undefined;
  if (isGame || away === undefined) return;
  const other = update.direction === "minimize" ? "maximize" : "minimize";
  report(
    context.diagnostics,
    "GM3533",
    update.span,
    { direction: update.direction, objective: update.text, bound: away },
    { help: [`write \`${other} ${update.text}\`, or turn its sign`] },
  );
}

/** Do all log-densities of data that a statement holds go down with it? */
function lowersLikelihood({ model }: DeriveContext, { value, direction }: Update): boolean {
  const isData = ({ variable, value: at }: Slot): boolean =>
    model.variables.get(variable)?.role === "data" && at.kind === "variable" && at.variable === variable;
  const likelihoods = linearParts(value).filter(({ expr }) => expr.kind === "logDensity" && expr.head.every(isData));
  return likelihoods.length > 0 && likelihoods.every(({ sign }) => (sign === 1) === (direction === "minimize"));
}

/** Without the numbers that are added to it, which move nothing. */
function withoutNumbers(quantity: Quantity): Quantity {
  if (quantity.kind !== "sum") return quantity;
  const terms = quantity.terms.filter((t) => t.quantity.kind !== "value" || constantOf(t.quantity.expr) === undefined);
  return terms.length === 0 ? quantity : { ...quantity, terms };
}

function checkMoves(context: DeriveContext, update: Update, derived: DerivedObjective): readonly string[] {
  const moves = movedBy(derived.weights, update.over);
  if (derived.weights.length === 0) report(context.diagnostics, "GM3513", update.span, { objective: update.text });
  else if (moves.length === 0)
    report(
      context.diagnostics,
      "GM3511",
      update.span,
      { name: update.over.join(", "), objective: update.text },
      { help: [`it depends on ${derived.weights.map((w) => `\`${w}\``).join(", ")}`] },
    );
  return moves;
}

/** One warning for each net or parameter that no statement moves, not one for each of its layers. */
function warnUntrained(context: DeriveContext, entries: readonly WeightEntry[], phases: readonly DerivedPhase[]): void {
  const moved = phases.flatMap((p) => p.updates.flatMap((u) => u.moves));
  const still = entries.filter((e) => !underPaths(e.path, moved)).map((e) => e.path);
  for (const path of coveringPaths(
    entries.map((e) => e.path),
    still,
  )) {
    const net = context.model.nets.find((n) => n.path === path);
    const entry = entries.find((e) => underPaths(e.path, [path]));
    const density = context.densities.get(path.split(".")[0] ?? path)?.density;
    // a layer may stand in a template of another file: what calls it is what is not trained
    const layer = entry?.span.file === context.model.span.file ? entry.span : undefined;
    const whole = density?.name === path ? density.span : undefined;
    report(context.diagnostics, "GM3510", net?.use ?? net?.span ?? whole ?? layer ?? density?.span ?? context.model.span, { path });
  }
}

/** Lines `logZ = ais(p, chains = …)`, by density: other lines of the block read the log Z that they estimate. */
function estimatedPartitions(context: DeriveContext): EstimatedPartitions {
  const found = new Map<string, EstimatedPartition[]>();
  for (const { name, value, span } of context.model.evaluate) {
    if (value.kind !== "evaluator" || value.evaluator !== "ais") continue;
    const density = energyDensity(context, value.densities[0]);
    if (density === undefined) continue;
    const { options: defaults } = estimators.get("ais") ?? { options: [] };
    const options = { ...Object.fromEntries(defaults.map((o) => [o.name, o.value])), ...value.options, ...value.choices };
    found.set(density, [...(found.get(density) ?? []), { name, options, span }]);
  }
  return found;
}

/** The density that an evaluator of energies is about: the one named, or the only one with an energy. */
function energyDensity(context: DeriveContext, named: string | undefined): string | undefined {
  const found = [...context.densities.values()].filter((d) => d.energy && (named === undefined || d.density.name === named));
  return found.length === 1 ? found[0]?.density.name : undefined;
}

/** `perplexity(p)`: from log p(x) of the data that it measures. */
function deriveLikelihood(context: DeriveContext, evaluation: Evaluation, estimated: EstimatedPartitions): DerivedEvaluation | undefined {
  const { value, span } = evaluation;
  if (value.kind !== "evaluator") return undefined;
  const { density } = densityOf(context, value.densities[0] ?? "");
  const slot = (name: string): Slot => {
    const { domain } = context.model.variables.get(name) ?? { domain: undefined };
    if (!domain) throw new InternalError(`no variable ${name}`);
    return { variable: name, value: { kind: "variable", variable: name, sample: undefined, type: typeOfDomain(domain), span } };
  };
  const measures = evaluators.get(value.evaluator)?.measures;
  const measured = density.head.filter((name) => {
    const variable = context.model.variables.get(name);
    return variable !== undefined && measures?.(variable, undefined);
  });
  const expr: Expr = {
    kind: "logDensity",
    density: density.name,
    head: measured.map(slot),
    given: density.given.map(slot),
    type: scalarType,
    span,
  };
  const [counts = "x"] = measured;
  const instead = `measure a bound in nats a word, with a density q that draws what is hidden: \`-ELBO(${density.name}, q) / sum(${counts})\`; exp of its mean bounds the ${value.evaluator} from above`;
  const derived = deriveObjective(context, { value: expr, over: undefined, by: evaluation.by, estimated, instead, span });
  if (!derived) return undefined;
  const bound = boundOf(context, derived.quantity, 1);
  return {
    evaluation,
    energy: undefined,
    objective: {
      derived,
      value: expr,
      sign: 1,
      combine: undefined,
      combineScale: 1,
      bound,
      // what is reported is made of minus the log-probability
      impossible: impossibleSign(context, derived.quantity, expr, -1),
      unit: bound === undefined ? "" : unitOf(derived.quantity, eventOf(context, [])),
      densities: new Map(),
      preparation: new Map(),
    },
  };
}

function deriveEvaluator(context: DeriveContext, evaluation: Evaluation): DerivedEvaluation | undefined {
  const { value } = evaluation;
  const choices = chosen(context, evaluation.by);
  const idle = choices && firstChoice(choices);
  if (idle)
    report(
      context.diagnostics,
      "GM3526",
      idle.span,
      { estimator: idle.entry.name, why: "a named evaluator says itself how it measures" },
      { help: ["leave it out, or give the evaluator options: `ais(chains = 100)`"] },
    );
  if (!choices || idle) return undefined;
  const entry = value.kind === "evaluator" ? evaluators.get(value.evaluator) : undefined;
  if (value.kind === "evaluator" && value.codes) {
    const codes = deriveObjective(context, { value: value.codes.expr, over: undefined, by: [], span: evaluation.span });
    return codes && { evaluation, objective: undefined, energy: undefined, codes };
  }
  if (value.kind === "evaluator" && (entry?.ofSamples || entry?.codes) && !isDrawnByRows(context, evaluation, value.densities[0]))
    return undefined;
  if (value.kind !== "evaluator" || !evaluators.get(value.evaluator)?.ofEnergy)
    return drawsInOrder(context, evaluation) ? undefined : { evaluation, objective: undefined, energy: undefined };
  const [named] = value.densities;
  const energy = energyDensity(context, named);
  if (energy !== undefined && value.evaluator === "ais") {
    const analysis = energyOf(context, energy);
    checkSites(context, analysis, analysis.variables, value.choices["sampler"], evaluation.span);
  }
  if (energy !== undefined)
    return requireDataReads(context, energy, evaluation.span) &&
      requireMonitor(context, energyOf(context, energy), value.evaluator, evaluation.span)
      ? { evaluation, objective: undefined, energy }
      : undefined;
  const some = [...context.densities.values()].filter((d) => d.energy).map((d) => d.density.name);
  report(
    context.diagnostics,
    "GM3528",
    evaluation.span,
    { evaluator: value.evaluator, found: named === undefined ? `${some.length} densities have one` : `\`${named}\` has none` },
    {
      help: [
        some.length > 0 ? `name one: \`${value.evaluator}(${some[0]})\`` : "an energy is a statement of a density: `energy -(v @ W @ h)`",
      ],
    },
  );
  return undefined;
}

/** Reports an evaluator that draws from a density whose variable is drawn entry after entry. */
function drawsInOrder(context: DeriveContext, { value, span }: Evaluation): boolean {
  if (value.kind !== "evaluator") return false;
  const [found] = value.densities.flatMap((density) => [...(context.sequential.get(density) ?? [])]);
  if (!found) return false;
  const { density, variable } = found;
  report(
    context.diagnostics,
    "GM3727",
    span,
    { evaluator: value.evaluator, density, variable },
    {
      labels: [{ span: found.span, text: `the parameters of an entry of \`${variable}\` read those before it` }],
      help: [`measure what is evaluated, not drawn: \`-log ${density}(…)\`, \`ELBO(p, q)\`, \`Distortion(p, q)\``],
    },
  );
  return true;
}

/** Is a density drawn forwards from what the data hold? Reports where it is not. */
function isDrawnByRows(context: DeriveContext, evaluation: Evaluation, name = ""): boolean {
  const { density, energy } = densityOf(context, name);
  const hidden = density.given.find((v) => context.model.variables.get(v)?.role !== "data");
  if (!energy && hidden === undefined) return true;
  report(
    context.diagnostics,
    "GM3750",
    evaluation.span,
    {
      density: name,
      why: energy ? "its energy is drawn by a Markov chain" : `it is given \`${hidden}\`, of which the data hold no values`,
    },
    { labels: [{ span: density.span, text: "declared here" }] },
  );
  return false;
}

function deriveEvaluation(context: DeriveContext, evaluation: Evaluation, estimated: EstimatedPartitions): DerivedEvaluation | undefined {
  if (evaluation.value.kind === "evaluator")
    return evaluators.get(evaluation.value.evaluator)?.ofLikelihood
      ? deriveLikelihood(context, evaluation, estimated)
      : deriveEvaluator(context, evaluation);
  let value = evaluation.value.expr;
  let sign: 1 | -1 = 1;
  while (value.kind === "builtin" && value.fn === "neg" && value.args[0]) {
    value = value.args[0];
    sign = sign === 1 ? -1 : 1;
  }
  const derived = deriveObjective(context, { value, over: undefined, by: evaluation.by, estimated, span: evaluation.span });
  if (!derived) return undefined;
  checkApart(context, evaluation.value.expr);
  const coupled = couplesRows(context, derived.quantity);
  if (coupled !== undefined) {
    report(
      context.diagnostics,
      "GM3742",
      evaluation.span,
      { what: coupled },
      { help: ["`train` takes its gradient from batches; measure the model by a quantity that is a mean over rows"] },
    );
    return undefined;
  }
  const whole = withoutScale(derived.quantity);
  const combine = combineOf(whole.quantity, whole.scale < 0 ? (sign === 1 ? -1 : 1) : sign);
  const combineScale = combine === undefined || combine === "mean" ? 1 : Math.abs(whole.scale);
  const bound = boundOf(context, derived.quantity, sign);
  const impossible = impossibleSign(context, derived.quantity, value, sign);
  const measured = measuredDensities(derived.quantity, sign, derived.data);
  // what is no measure of a log-density has no unit
  const unit = bound === undefined ? "" : unitOf(derived.quantity, eventOf(context, measured.keys()));
  const densities = unit === "" ? new Map<string, number>() : measured;
  const preparation = preparations(context, derived.quantity, densities.keys());
  return {
    evaluation,
    energy: undefined,
    objective: { derived, value, sign, combine, combineScale, bound, impossible, unit, densities, preparation },
  };
}

/** How many entries variables have, and whether they have a density, which no code is as long as. */
function eventOf(context: DeriveContext, variables: Iterable<string>): MeasuredEvent {
  const domains = [...variables].flatMap((v) => context.model.variables.get(v)?.domain ?? []);
  return {
    entries: domains.reduce((sum, { shape }) => sum + shape.reduce((n, d) => n * d.size, 1), 0),
    differential: domains.some(({ name }) => name === "real" || name === "positive" || name === "unit" || name === "simplex"),
  };
}
