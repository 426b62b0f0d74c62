/**
 * A derived model -> the generated file: weights, one function per net, density and objective, and the definition that the runtime runs.
 * Deterministic: the order is that of the `.gm` file.
 */
import { InternalError } from "../base/internal-error.js";
import { textOf } from "../base/source.js";
import type { DerivedEvaluation, DerivedModel, DerivedPhase, DerivedStart, DerivedUpdate } from "../ir/derived-model.js";
import { densityOf, type DeriveContext } from "../ir/derive/context.js";
import { givenTheirSum } from "../ir/derive/own-reads.js";
import { weightEntries } from "../ir/derive/weights.js";
import { hasGradientOnly } from "../ir/derive/energy-use.js";
import { PATHWISE } from "../ir/derive/plan-draw.js";
import { leavesOutEnds, levelsOf, type Preparation } from "../ir/derive/preparation.js";
import { couplesRows, leastRows } from "../ir/derive/players/rows.js";
import { fingerprint } from "../ir/derive/kl.js";
import { optimaIn } from "../ir/derive/optimum.js";
import { type DerivedObjective, estimatedPaths, type MaximisationAverage, type Optimum } from "../ir/quantity.js";
import { drawsUnitVectors, openEnds } from "../ir/support.js";
import { evaluators } from "../ir/settings-table.js";
import type { Density, Expr } from "../ir/types.js";
import { array, arrow, bool, call, type Js, type JsDeclaration, type JsField, member, name, num, numbers, object, str } from "./js.js";
import { beforeStages, emitChain, carriedChains, emitEnergyEvaluator, impliedPartitions, partitionMetricName } from "./emit-energy.js";
import { latentsJs, latentsParts, type LoweredOptimum, lowerOptimum, optimumFields } from "./emit-optimum.js";
import { lowerEnergy } from "./lower-energy.js";
import { emitSequential, lowerSequentials } from "./lower-sequential.js";
import {
  headerText,
  type Inverse,
  lowerBeforeEnergy,
  lowerExactPosterior,
  lowerInverse,
  lowerLogDensity,
  lowerNet,
  lowerSampler,
} from "./lower-density.js";
import { place } from "./place.js";
import { emitCodeUse } from "./emit-code-use.js";
import { lowerEm } from "./emit-em.js";
import { type Called, functionName, lowerObjective, type LoweredObjective } from "./lower-objective.js";
import { flowFunction, netFunction } from "./lower-expr.js";
import { lowerFlow } from "./lower-flow.js";
import { roundTrips } from "./round-trips.js";
import { capital } from "./names.js";
import { CONTEXT, topLevelNames } from "./reserved.js";
import { sharedNet } from "./shared-nets.js";
import { findSetting, numberSetting, settingJs } from "./settings.js";
import { specOf, variableSpec } from "./specs.js";
import { identifier, Names } from "./values.js";

export interface EmittedModel {
  readonly weights: Js;
  /** Nets, densities, energies and objectives, in the order in which they are read. */
  readonly declarations: readonly JsDeclaration[];
  readonly definition: Js;
  /** Names of the data variables and schedules, for the type of the definition. */
  readonly data: readonly string[];
  readonly schedules: readonly string[];
}

/** Rows a step where the model does not say. */
const BATCH = 100;

export interface SourceInfo {
  readonly file: string;
  readonly sha256: string;
  readonly compiler: string;
}

export function emitModel(derived: DerivedModel, source: SourceInfo): EmittedModel {
  const { context, model } = derived;
  const own = [...model.nets.map((n) => netFunction(context, n)), ...model.flows.map((f) => flowFunction(context, f))];
  const names = new Names([...topLevelNames(context.model), ...own]);
  const nets = model.nets.filter((net) => sharedNet(context, net) === net).map((net) => lowerNet(context, net, names));
  const flows = model.flows.map((flow) => lowerFlow(context, flow, names));
  const densities = model.densities.flatMap((density) => {
    const energy = lowerEnergy(context, density, names);
    const stands = derived.densities.get(density.name);
    const logDensity = stands && lowerLogDensity(context, density, stands, names);
    const before = lowerBeforeEnergy(context, density, names);
    const sampler = lowerSampler(context, density, names);
    const { posterior } = derived;
    const inverse =
      stands && derived.inverse === density.name
        ? lowerInverse(context, density, stands, names)
        : posterior?.density === density.name
          ? lowerExactPosterior(context, posterior, names)
          : undefined;
    const sequentials = lowerSequentials(context, density, names);
    return [
      {
        density,
        energy,
        declarations: [
          ...(energy ? [energy.fn, energy.model] : []),
          ...(logDensity ? [logDensity] : []),
          ...sequentials.flatMap((s) => (s.before ? [s.params, s.before] : [s.params])),
          ...(before ? [before] : []),
          ...(sampler ? [sampler] : []),
          ...(inverse ? [inverse.fn] : []),
        ],
        inverse,
        before,
        sampler,
        sequentials,
      },
    ];
  });
  const objectives = new Objectives(context, names);
  const train = array(derived.phases.map((phase) => emitPhase(derived, phase, objectives)));
  const evaluate = object([
    ...impliedPartitions(derived),
    ...derived.evaluations.map((e): JsField => ({ name: e.evaluation.name, value: emitMetric(derived, e, objectives) })),
  ]);
  const inferenceName = derived.inference ?? densities.find((d) => d.inverse)?.inverse?.fn.name;
  const definition = object({
    name: str(model.name),
    source: object({ file: str(source.file), sha256: str(source.sha256), compiler: str(source.compiler) }),
    hyperparameters: object(
      model.hyper.map((h): JsField => ({
        name: h.name,
        value: typeof h.value === "number" ? num(h.value) : typeof h.value === "boolean" ? bool(h.value) : numbers(h.value),
      })),
    ),
    streams: array(model.streams.map((s) => object(s.map((v): JsField => ({ name: v, value: spec(context, v) }))))),
    latents: object(
      [...model.variables.values()]
        .filter((v) => v.role === "latent")
        .map((v): JsField => ({ name: v.name, value: variableSpec(v.domain) })),
    ),
    weights: name("weights"),
    densities: object(
      densities.flatMap(({ density, energy, before, sampler, sequentials, inverse }): JsField[] => [
        {
          name: density.name,
          value: object({
            head: array(density.head.map(str)),
            given: array([...density.given, ...givenTheirSum(context, densityOf(context, density.name))].map(str)),
            label: str(headerText(density)),
            place: str(place(density.span)),
            sample: sampler && name(sampler.name),
            chain: energy && emitChain(derived, density.name, before?.name),
            sequential: sequentials.length === 0 ? undefined : array(sequentials.map((s) => emitSequential(context, s))),
          }),
        },
        ...(inverse ? [{ name: inverse.fn.name, value: inverseDefinition(density, inverse, derived.inverse === density.name) }] : []),
      ]),
    ),
    generative: derived.generative === undefined ? undefined : str(derived.generative),
    inference: inferenceName === undefined ? undefined : str(inferenceName),
    train,
    evaluate,
    starts: derived.starts.length === 0 ? undefined : array(derived.starts.map((s) => emitStart(derived, s, objectives))),
    roundTrips: roundTrips(context, model),
  });
  const schedules = [...new Set([...derived.phases.flatMap((p) => p.updates.flatMap((u) => u.derived.schedules.map((s) => s.name)))])];
  return {
    weights: emitWeights(context),
    declarations: [...nets, ...flows, ...densities.flatMap((d) => d.declarations), ...objectives.functions],
    definition,
    data: [...model.variables.values()].filter((v) => v.role === "data").map((v) => v.name),
    schedules,
  };
}

/** `{ of: "codebook", values: ({ w, data }) => startOfCodebook(w, data.x) }` */
function emitStart(derived: DerivedModel, { start, derived: values }: DerivedStart, objectives: Objectives): Js {
  const doc = [`What \`${start.param.name}\` starts from: ${start.text}  ${place(start.span)}`];
  const lowered = objectives.get(values, start.value, `startOf${capital(start.param.path)}`, doc);
  return object({
    of: str(start.param.path),
    place: str(place(start.span)),
    values: callObjective(derived, lowered, undefined, 1, undefined),
  });
}

/** What infers latents, in the form of a density; `exact`: by an inverse, which gives back the row. */
function inverseDefinition(density: Density, { fn, head, given, label }: Inverse, exact: boolean): Js {
  return object({
    head: array(head.map(str)),
    given: array(given.map(str)),
    label: str(label),
    place: str(place(density.span)),
    exact: exact ? bool(true) : undefined,
    sample: name(fn.name),
  });
}

function spec(context: DeriveContext, variable: string): Js {
  const { model } = context;
  const found = model.variables.get(variable);
  if (!found) return object({});
  if (found.role === "data" && drawsUnitVectors(model, variable)) return call("unitVector", variableSpec(found.domain));
  const blocks = found.role === "data" ? found.domain.atMostOne : undefined;
  if (blocks) return call("atMostOne", variableSpec(found.domain), numbers(blocks));
  const levels = levelsOf(context, variable);
  if (levels !== undefined) return call("quantized", variableSpec(found.domain), num(levels));
  const ends = openEnds(model, variable) ?? (found.role === "data" && leavesOutEnds(context, variable) ? "both" : undefined);
  return ends ? call("interior", variableSpec(found.domain), ...(ends === "both" ? [] : [str(ends)])) : variableSpec(found.domain);
}

/** Ways that are one function: a draw is the same whether a gradient is taken or not, and momentum is the loop's. */
const SAME_FUNCTION: Readonly<Record<string, string>> = { sampled: "reparam", fista: "ista" };

/** Functions of objectives; two statements of the same quantity (a bound trained with k = 5, evaluated with k = 200) share one. */
class Objectives {
  private readonly known = new Map<string, LoweredObjective>();
  /** Of those that maximise over continuous latents. */
  private readonly optima = new Map<LoweredObjective, LoweredOptimum>();
  /** Of those that expectation maximisation raises. */
  private readonly maximisations = new Map<string, Called>();
  readonly functions: JsDeclaration[] = [];

  constructor(
    private readonly context: DeriveContext,
    /** Names of the file's functions, which locals must not hide. */
    private readonly names: Names,
  ) {}

  get(derived: DerivedObjective, value: Expr, stated: string | undefined, doc: readonly string[]): LoweredObjective {
    const estimators = derived.notes
      .filter((n) => n.estimator !== PATHWISE)
      .map((n) => `${n.variable}:${SAME_FUNCTION[n.estimator] ?? n.estimator}`)
      .join();
    const key = `${fingerprint(withoutCounts(value))}|${derived.orders > 1 || derived.chains.length + derived.partitions.length > 0 ? derived.training : ""}|${estimators}|${derived.schedules.map((s) => s.name).join()}`;
    const found = this.known.get(key);
    if (found) return this.withEm(found, derived, value);
    const [optimum] = optimaIn(derived.quantity);
    // a maximum's function is what is maximised, at latents that it is given
    const wanted = identifier(functionName(stated, value.kind === "optimum" && optimum ? value.body : value));
    const fnName = this.names.fresh(CONTEXT.has(wanted) ? `${wanted}Value` : wanted);
    const at = optimum ? { ...derived, data: [...derived.data, ...optimum.variables] } : derived;
    const lowered = lowerObjective(this.context, fnName, at, doc, this.names);
    const inner = lowerOptimum(this.context, derived, fnName, this.names);
    if (inner) {
      this.optima.set(lowered, inner);
      this.functions.push(...inner.functions, inner.problem);
    }
    this.known.set(key, lowered);
    this.functions.push(...lowered.chains.flatMap(({ begin }) => (begin ? [begin.fn] : [])), lowered.fn);
    return this.withEm(lowered, derived, value);
  }

  /** With the function of its M-steps, where the statement asks for them. */
  private withEm(lowered: LoweredObjective, derived: DerivedObjective, value: Expr): LoweredObjective {
    const key = maximisationKey(lowered, derived);
    const em = this.maximisations.has(key) ? undefined : lowerEm(this.context, derived, lowered.fn.name, place(value.span), this.names);
    if (em) {
      this.maximisations.set(key, em);
      this.functions.push(em.fn);
    }
    return lowered;
  }

  /** What the M-steps of an objective climb. */
  emOf(lowered: LoweredObjective, derived: DerivedObjective): Called | undefined {
    return this.maximisations.get(maximisationKey(lowered, derived));
  }

  /** What finds the latents of an objective, and how this statement asks for it. */
  optimumOf(lowered: LoweredObjective, derived: DerivedObjective): Found | undefined {
    const inner = this.optima.get(lowered);
    const [optimum] = optimaIn(derived.quantity);
    return inner && optimum && { lowered: inner, optimum };
  }
}

/** M-steps differ by what they estimate and how they average, where the likelihood is one function. */
function maximisationKey(lowered: LoweredObjective, { em }: DerivedObjective): string {
  return JSON.stringify([lowered.fn.name, em?.online, em && estimatedPaths(em)]);
}

/** Sample counts become the parameter k, so they do not tell functions apart. */
function withoutCounts(expr: Expr): Expr {
  return JSON.parse(
    JSON.stringify(expr, (key, value: unknown) =>
      (key === "samples" || key === "count") && value !== null && typeof value === "object" ? "k" : key === "span" ? undefined : value,
    ),
  ) as Expr;
}

interface Found {
  readonly lowered: LoweredOptimum;
  readonly optimum: Optimum;
}

/**
 * `({ w, data, key }, k) => elbo(w, data.x, key, k)`; `training`: latents of a maximum are those that the update carries; `partitions`: the
 * statement's own, for lines that estimate log Z each in its way share one function.
 */
function callObjective(
  derived: DerivedModel,
  o: LoweredObjective,
  samples: Js | undefined,
  sign: 1 | -1,
  extraParam: string | undefined,
  found?: Found,
  training = false,
  partitions = o.partitions,
): Js {
  const ofData = o.data.filter((v) => !found?.lowered.variables.includes(v));
  const args: Js[] = [
    name("w"),
    ...ofData.map((v): Js => ({ kind: "member", target: name("data"), name: v })),
    ...(found ? latentsJs(found.lowered, found.optimum, training) : []),
  ];
  if (o.rows) args.push(name("rows"));
  for (const s of o.schedules) args.push({ kind: "member", target: name("schedule"), name: s });
  for (const { use } of o.chains) args.push(call("chainsOf", name("carried"), str(use.density)));
  for (const p of partitions) args.push(call("required", name("partition"), str(partitionMetricName(derived, p))));
  if (o.memories.length > 0) args.push(name("carried"));
  if (o.random) args.push(name("key"));
  if (o.samples) args.push(samples ?? num(o.samples.size));
  const parts = new Set([
    "w",
    ...(ofData.length > 0 ? ["data"] : []),
    ...(o.rows ? ["rows"] : []),
    ...(o.schedules.length > 0 ? ["schedule"] : []),
    ...(o.chains.length + o.memories.length > 0 ? ["carried"] : []),
    ...(o.partitions.length > 0 ? ["partition"] : []),
    ...(o.random ? ["key"] : []),
    ...(found ? latentsParts(found.lowered, training) : []),
  ]);
  const value = call(o.fn.name, ...args);
  return arrow(
    `({ ${[...parts].join(", ")} }${extraParam === undefined ? "" : `, ${extraParam}`})`,
    sign === -1 ? call("neg", value) : value,
  );
}

function emitPhase(derived: DerivedModel, phase: DerivedPhase, objectives: Objectives): Js {
  const { settings } = phase.phase;
  const schedules = new Map<string, Js>();
  for (const u of phase.updates) for (const s of u.derived.schedules) schedules.set(s.name, settingJs(s.schedule));
  const stopping = findSetting(settings, "earlyStopping");
  return object({
    name: str(phase.phase.name),
    batch: num(numberSetting(settings, "batch") ?? BATCH),
    epochs: optionalNumber(numberSetting(settings, "epochs") ?? (numberSetting(settings, "steps") === undefined ? 10 : undefined)),
    steps: optionalNumber(numberSetting(settings, "steps")),
    updates: array(phase.updates.map((u) => emitUpdate(derived, u, phase, objectives))),
    constraints:
      phase.phase.constraints.length === 0
        ? undefined
        : array(
            phase.phase.constraints.map((c) =>
              object({
                over: str(c.over),
                bound:
                  c.bound.kind === "in"
                    ? object({ kind: str("in"), low: num(c.bound.low), high: num(c.bound.high) })
                    : object({ kind: str("maxNorm"), axis: num(c.bound.axis), limit: num(c.bound.limit) }),
              }),
            ),
          ),
    schedules: schedules.size === 0 ? undefined : object([...schedules].map(([key, value]): JsField => ({ name: key, value }))),
    ema: optionalNumber(numberSetting(settings, "ema")),
    earlyStopping:
      stopping?.kind === "call"
        ? object({
            metric: settingJs(stopping.args["metric"] ?? { kind: "text", value: "" }),
            patience: settingJs(stopping.args["patience"] ?? { kind: "static", value: 10 }),
            minDelta: settingJs(stopping.args["minDelta"] ?? { kind: "static", value: 0 }),
            goal: phase.goal === undefined ? undefined : str(phase.goal),
          })
        : undefined,
  });
}

const optionalNumber = (value: number | undefined): Js | undefined => (value === undefined ? undefined : num(value));

/** Persistent chains, what estimators remember from step to step, and the averages of M-steps. */
function carriedStates(
  derived: DerivedModel,
  o: LoweredObjective,
  batch: number,
  averages: readonly MaximisationAverage[] = [],
): Js | undefined {
  const chains = o.chains.flatMap(({ use }) => carriedChains(derived, batch, use));
  const memories = [...o.memories.map((m) => ({ name: m.name, shape: [m.size] })), ...averages].map((m): JsField => ({
    name: m.name,
    value: object({ shape: numbers(m.shape), dtype: str("f32"), start: object({ kind: str("zeros") }) }),
  }));
  return chains.length + memories.length === 0 ? undefined : object([...chains, ...memories]);
}

function emitUpdate(derived: DerivedModel, u: DerivedUpdate, phase: DerivedPhase, objectives: Objectives): Js {
  const o = objectives.get(u.derived, u.update.value, u.update.name, objectiveDoc(u));
  const optimizer = findSetting(u.update.settings, "optimizer") ?? findSetting(phase.phase.settings, "optimizer");
  const steps = numberSetting(u.update.settings, "steps");
  const batch = numberSetting(phase.phase.settings, "batch") ?? BATCH;
  const found = objectives.optimumOf(o, u.derived);
  const em = u.derived.em && objectives.emOf(o, u.derived);
  const online = u.derived.em?.online;
  const least = leastRows(derived.context, u.derived.quantity);
  const latents = found && optimumFields(found.lowered, found.optimum, batch);
  return object({
    direction: str(u.update.direction),
    label: str(u.update.text),
    place: str(place(u.update.span)),
    value: callObjective(derived, o, undefined, 1, undefined, found, true),
    surrogate: em && callFunction(em, online ? ["carried"] : []),
    assigns: em && str(online ? "batch" : "all rows"),
    gradientOnly: hasGradientOnly(u.derived.quantity) ? bool(true) : undefined,
    ofWholeBatch: couplesRows(derived.context, u.derived.quantity) ? bool(true) : undefined,
    leastRows: least && object({ fn: str(least.fn), rows: num(least.rows) }),
    over: array(u.moves.map(str)),
    optimizer: em
      ? call("sgd", object({ lr: num(1) }))
      : emitOptimizer(optimizer, [...phase.phase.settings, ...u.update.settings], findSetting(u.update.settings, "ema")),
    steps: steps === undefined || steps === 1 ? undefined : num(steps),
    carried: latents?.carried ?? carriedStates(derived, o, batch, online?.averages),
    before: o.chains.length === 0 ? latents?.before : array(o.chains.flatMap(({ use, begin }) => beforeStages(derived, use, begin))),
  });
}

/** `({ w, data }) => emLogPX(w, data.x)`; `more` of the context are handed over last. */
function callFunction({ fn, data, schedules }: Called, more: readonly string[]): Js {
  const parts = ["w", ...(data.length > 0 ? ["data"] : []), ...(schedules.length > 0 ? ["schedule"] : []), ...more];
  const args = [...data.map((v) => member(name("data"), v)), ...schedules.map((s) => member(name("schedule"), s)), ...more.map(name)];
  return arrow(`({ ${parts.join(", ")} })`, call(fn.name, name("w"), ...args));
}

/**
 * The learning rate, clipping and weight decay may stand beside the optimiser in the train block; the average that a statement keeps of what it moves is
 * its optimiser's, that of a phase holds for all of them.
 */
function emitOptimizer(
  optimizer: ReturnType<typeof findSetting>,
  settings: Parameters<typeof findSetting>[0],
  ema: ReturnType<typeof findSetting>,
): Js {
  const base = optimizer?.kind === "call" ? optimizer : ({ kind: "call", name: "adam", args: {} } as const);
  const args = { ...base.args };
  for (const key of ["lr", "clipNorm", "clipValue", "weightDecay"]) {
    const value = findSetting(settings, key);
    if (value) args[key] = value;
  }
  if (ema) args["ema"] = ema;
  return settingJs({ ...base, args });
}

/** The doc comment of an objective's function: what it is, how each latent is treated, where it comes from. */
function objectiveDoc(u: {
  readonly update: { readonly text: string; readonly doc: string | undefined; readonly span: DerivedUpdate["update"]["span"] };
  readonly derived: DerivedObjective;
}): readonly string[] {
  return [
    `${u.update.text} per example  ${place(u.update.span)}`,
    ...u.derived.notes.map((n) => `${n.variable}: ${n.estimator} (${n.reason})`),
    ...(u.update.doc === undefined ? [] : u.update.doc.split("\n")),
  ];
}

function emitMetric(derived: DerivedModel, e: DerivedEvaluation, objectives: Objectives): Js {
  const { evaluation } = e;
  const base = { label: str(evaluation.text), place: str(place(evaluation.span)) };
  if (e.objective) {
    const { derived: quantity, value, sign, combine, combineScale, bound, impossible, unit, densities, preparation } = e.objective;
    const stated = evaluation.value.kind === "objective" ? evaluation.value.objective : undefined;
    const doc = evaluation.value.kind === "objective" ? evaluation.value.doc : undefined;
    const o = objectives.get(quantity, value, stated, [
      `${evaluation.text.replace(/^-\s*/u, "")} per example  ${place(evaluation.span)}`,
      ...(doc === undefined ? [] : doc.split("\n")),
    ]);
    const own = evaluation.value.kind === "evaluator" ? evaluation.value : undefined;
    const { partitions } = quantity;
    const optimum = objectives.optimumOf(o, quantity);
    const likelihood = callObjective(derived, o, name("k"), sign, o.samples ? "k" : undefined, optimum, false, partitions);
    return object({
      kind: str("rows"),
      ...base,
      unit: str(own ? "per ordered word" : unit),
      value: own ? perWord(likelihood, dataOf(derived, own.densities[0], own.evaluator)) : likelihood,
      transform: own ? str("exp") : undefined,
      rows: optionalNumber(own?.options["rows"]),
      complete:
        quantity.complete.length === 0
          ? undefined
          : array(quantity.complete.map((each) => (typeof each === "string" ? str(each) : array(each.map(str))))),
      samples: o.samples ? num(o.samples.size) : undefined,
      combine: combine === undefined || !o.samples ? undefined : str(combine),
      combineScale: combineScale === 1 || !o.samples ? undefined : num(combineScale),
      bound: bound === undefined ? undefined : str(bound),
      orders: optionalNumber(quantity.orders === 1 ? undefined : quantity.orders),
      logDensityOf: densities.size === 0 ? undefined : object(Object.fromEntries([...densities].map(([v, times]) => [v, num(times)]))),
      preparation: preparation.size === 0 ? undefined : object(Object.fromEntries([...preparation].map(([v, p]) => [v, preparationJs(p)]))),
      impossible: impossible === undefined ? undefined : str(impossible),
      partitions: partitions.length === 0 ? undefined : array(partitions.map((p) => str(partitionMetricName(derived, p)))),
    });
  }
  return emitEvaluator(derived, e, base, objectives);
}

/** `{ dequantisation: { noise: "uniform", levels: 256 }, through: ["logit"] }` */
function preparationJs({ dequantisation, through }: Preparation): Js {
  return object({
    dequantisation: dequantisation && object({ noise: str(dequantisation.noise), levels: num(dequantisation.levels) }),
    through: through.length === 0 ? undefined : array(through.map(str)),
  });
}

/** The log-probability of a document's counts, as minus that of one of its words in the order in which they stand. */
function perWord(likelihood: Js, [counts = ""]: readonly string[]): Js {
  if (likelihood.kind !== "arrow") throw new InternalError("a likelihood is an expression");
  const words: Js = { kind: "member", target: name("data"), name: counts };
  return { ...likelihood, body: call("minusLogWord", likelihood.body, words) };
}

/** `({ w, data }) => codes(w, data.x)` */
function callCodes(derived: DerivedModel, { evaluation }: DerivedEvaluation, codes: DerivedObjective, objectives: Objectives): Js {
  const given = evaluation.value.kind === "evaluator" ? evaluation.value.codes : undefined;
  if (!given) throw new InternalError("codes without an expression");
  const doc = [`${textOf(given.expr.span)}  ${place(given.expr.span)}`];
  return callObjective(derived, objectives.get(codes, given.expr, evaluation.name, doc), undefined, 1, undefined);
}

/** `active_units(q)`, `reconstruction(p, q)`. */
function emitEvaluator(derived: DerivedModel, e: DerivedEvaluation, base: Readonly<Record<string, Js>>, objectives: Objectives): Js {
  const value = e.evaluation.value;
  if (value.kind !== "evaluator") return object({});
  if (e.energy !== undefined) return emitEnergyEvaluator(derived, value.evaluator, e.energy, value.options, base);
  const [first, second] = value.densities;
  const sampler = (density: string | undefined): Js => name(`sample${capital(density ?? "q")}`);
  switch (value.evaluator) {
    case "mmd_test":
    case "ring_modes":
    case "grid_modes":
    case "cloud_test":
    case "classifier_test":
      return object({ kind: str("samples"), ...base, ...emitSamples(derived, value) });
    case "code_use":
      return object({
        kind: str("codeUse"),
        ...base,
        ...emitCodeUse(derived, value, e.codes && callCodes(derived, e, e.codes, objectives)),
      });
    case "active_units":
      return object({
        kind: str("activeUnits"),
        ...base,
        threshold: num(value.options["threshold"] ?? 0.01),
        mean: posteriorMeans(derived, first ?? "q"),
      });
    default: {
      const sums = first === undefined ? [] : givenTheirSum(derived.context, densityOf(derived.context, first));
      const names = [dataOf(derived, first), ...(sums.length > 0 ? [sums] : [])].map((list) => array(list.map(str)));
      return object({
        kind: str("rows"),
        ...base,
        unit: str("squared error"),
        value: arrow("(context)", call("rowReconstructionError", name("context"), sampler(first), sampler(second), ...names)),
      });
    }
  }
}

type Evaluator = Extract<DerivedEvaluation["evaluation"]["value"], { readonly kind: "evaluator" }>;

/** `mmd_test(p)`, `ring_modes(p)`: a sample for each row, given the row's conditions and nothing else of it. */
function emitSamples(
  derived: DerivedModel,
  { evaluator, densities, options, variables, choices }: Evaluator,
): Readonly<Record<string, Js>> {
  const [density] = densities;
  const { given } = densityOf(derived.context, density ?? "").density;
  const [variable = ""] = dataOf(derived, density, evaluator);
  const data = name("data");
  const conditions = object(Object.fromEntries(given.map((v) => [v, { kind: "member", target: data, name: v } as const])));
  const draw = call(`sample${capital(density ?? "")}`, name("w"), name("key"), name("rows"), conditions);
  const option = (key: string, fallback: number): Js => num(options[key] ?? fallback);
  const values: Js = { kind: "member", target: draw, name: "values" };
  const methods: Readonly<Record<string, { readonly rows: number; readonly method: () => Readonly<Record<string, Js>> }>> = {
    mmd_test: { rows: 500, method: () => ({ kind: str("mmd"), permutations: option("permutations", 200) }) },
    ring_modes: {
      rows: 2500,
      method: () => ({
        kind: str("modes"),
        centres: call("ringCentres", option("modes", 8), option("radius", 2 * Math.SQRT2)),
        scale: option("scale", 0.35),
      }),
    },
    grid_modes: {
      rows: 2500,
      method: () => ({
        kind: str("modes"),
        centres: call("gridCentres", option("side", 5), option("spacing", 2)),
        scale: option("scale", 0.05),
      }),
    },
    cloud_test: { rows: 100, method: () => ({ kind: str("clouds"), distance: str(choices["distance"] ?? "chamfer") }) },
    classifier_test: {
      rows: 2000,
      method: () => ({ kind: str("classifier"), labels: str(variables["y"] ?? ""), steps: option("steps", 1000), k: option("k", 3) }),
    },
  };
  const found = methods[evaluator];
  if (!found) throw new InternalError(`no method of ${evaluator}`);
  return {
    variable: str(variable),
    sample: arrow(`({ w, ${given.length > 0 ? "data, " : ""}key, rows })`, call("required", values, str(variable))),
    rows: option("rows", found.rows),
    method: object(found.method()),
  };
}

function dataOf(derived: DerivedModel, density: string | undefined, evaluator = "reconstruction"): readonly string[] {
  if (density === undefined) return [];
  const measured = evaluators.get(evaluator)?.measures;
  return densityOf(derived.context, density).density.head.filter((v) => {
    const variable = derived.model.variables.get(v);
    return variable !== undefined && measured?.(variable, undefined);
  });
}

/** Means of a density of latents given data. */
function posteriorMeans(derived: DerivedModel, density: string): Js {
  const { given } = densityOf(derived.context, density).density;
  const isData = given.every((v) => derived.model.variables.get(v)?.role === "data");
  const first = given[0];
  const rows = first === undefined ? name("rows") : call("rowsOf", { kind: "member", target: name("data"), name: first });
  const parts = ["w", ...(isData ? ["data"] : []), "key", ...(first === undefined ? ["rows"] : [])];
  return arrow(`({ ${parts.join(", ")} })`, {
    kind: "member",
    target: call(`sample${capital(density)}`, name("w"), name("key"), rows, name("data")),
    name: "means",
  });
}

/** The weights tree, in the order of the file. */
function emitWeights(context: DeriveContext): Js {
  interface Tree {
    readonly children: Map<string, Tree | Js>;
  }
  const root: Tree = { children: new Map() };
  for (const entry of weightEntries(context)) {
    const parts = entry.path.split(".");
    let at = root;
    for (const part of parts.slice(0, -1)) {
      const next = at.children.get(part);
      const made: Tree = next && "children" in next ? next : { children: new Map() };
      at.children.set(part, made);
      at = made;
    }
    at.children.set(parts.at(-1) ?? entry.path, specOf(context, entry.of));
  }
  const toJs = (tree: Tree): Js =>
    object([...tree.children].map(([key, value]): JsField => ({ name: key, value: "children" in value ? toJs(value) : value })));
  return toJs(root);
}
