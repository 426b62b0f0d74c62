/** What a definition says of energies: chains that updates carry and what moves them, partition functions, cheap monitors. */
import { InternalError } from "../base/internal-error.js";
import type { DerivedEvaluation, DerivedModel } from "../ir/derived-model.js";
import { energyOf } from "../ir/derive/energy.js";
import { type EnergyAnalysis, movedByGradient, pseudoLikelihoodOf, reconstructionOf, summable } from "../ir/energy/index.js";
import { estimators, type Options } from "../ir/estimators.js";
import type { ChainUse, DerivedObjective } from "../ir/quantity.js";
import { array, arrow, bool, call, type Js, type JsField, name, num, numbers, object, str } from "./js.js";
import { variableOf } from "./lower-dist.js";
import { totalOf } from "./lower-energy.js";
import { replicasOf } from "./lower-energy.js";
import { literal } from "./lower-expr.js";
import type { ChainStart } from "./lower-objective.js";
import { energyModelName } from "./names.js";
import { place } from "./place.js";

// ---- chains -----------------------------------------------------------------------------------------------

/** Chains: how many, of what, and where they start; with the conditions that the chains of rows keep. */
export function carriedChains(derived: DerivedModel, batch: number, chains: ChainUse): readonly JsField[] {
  const { density, count, start, options } = chains;
  const replicas = replicasOf(chains);
  const kept = chains.begin === undefined ? [] : energyOf(derived.context, density).reads;
  return [...start, ...kept].map((variable): JsField => {
    const { domain } = variableOf(derived.context, variable);
    return {
      name: `${density}.${variable}`,
      value: object({
        shape: numbers([...(replicas === undefined ? [] : [replicas]), count ?? batch, ...domain.shape.map((d) => d.size)]),
        dtype: str(domain.name === "category" ? "i32" : "f32"),
        perRow: count === undefined ? bool(true) : undefined,
        replicas: replicas === undefined ? undefined : num(replicas),
        start: count === undefined ? object({ kind: str("zeros") }) : chainStart(density, variable, options),
        of: count === undefined ? undefined : object({ density: str(density), variable: str(variable) }),
      }),
    };
  });
}

/** What moves the chains of an energy: from the data or from noise where they are not persistent, then the sweeps. */
export function beforeStages(derived: DerivedModel, chains: ChainUse, drawn: ChainStart | undefined): readonly Js[] {
  const { density, options, count, start, sum, method } = chains;
  const reads = energyOf(derived.context, density).reads;
  const data = (v: string): Js => ({ kind: "member", target: name("data"), name: v });
  const model = name(energyModelName(density));
  const begins = (run: Js): Js => object({ name: str("start"), times: num(1), run });
  const begin = drawn
    ? begins(callStart(drawn))
    : count === undefined
      ? begins(arrow("({ data })", object(start.map((v) => ({ name: `${density}.${v}`, value: data(v) })))))
      : options["start"] === "noise"
        ? begins(
            arrow("({ key, carried })", call("freshChains", model, call("key.at", str(density)), name("carried"), ...noiseScale(options))),
          )
        : undefined;
  const { k = 1 } = options;
  const replicas = replicasOf(chains);
  const given = reads.length === 0 || drawn ? undefined : object(reads.map((v) => ({ name: v, value: data(v) })));
  const settings = object({
    sum: sum.length === 0 ? undefined : array(sum.map(str)),
    given,
    moves: gradientMoves(derived, chains),
    replicas: replicas === undefined ? undefined : num(replicas),
  });
  const move = object({
    name: str(method),
    times: literal(k),
    run: arrow(
      `({ w, key, carried${given ? ", data" : ""} })`,
      call("moveChains", model, name("w"), call("key.at", str(density)), name("carried"), settings),
    ),
  });
  return begin ? [begin, move] : [move];
}

function callStart({ fn, data, rows, schedules, random }: ChainStart): Js {
  const parts = ["w", data.length > 0 && "data", rows && "rows", schedules.length > 0 && "schedule", random && "key"].filter(Boolean);
  const args: Js[] = [
    name("w"),
    ...data.map((v): Js => ({ kind: "member", target: name("data"), name: v })),
    ...(rows ? [name("rows")] : []),
    ...schedules.map((s): Js => ({ kind: "member", target: name("schedule"), name: s })),
    ...(random ? [name("key")] : []),
  ];
  return arrow(`({ ${parts.join(", ")} })`, call(fn.name, ...args));
}

function noiseScale(options: Options): readonly Js[] {
  const { scale = 1 } = options;
  return scale === 1 ? [] : [object({ scale: literal(scale) })];
}

/** How real variables are moved along the gradient, and which: all that the chains hold, by what the statement asks for. */
function gradientMoves(derived: DerivedModel, { density, method, options, sum }: ChainUse): Js | undefined {
  const kind = estimators.get(method)?.moves;
  if (kind === undefined) return undefined;
  const { laws, variable, variables } = energyOf(derived.context, density);
  const real = variables.filter((v) => variable.get(v)?.domain.name === "real" && !sum.includes(v));
  const names = real.every((v) => laws.get(v)?.kind === "nonlinear") ? undefined : array(real.map(str));
  const step = literal(options["step"] ?? 0);
  if (kind === "hmc") return object({ kind: str(kind), step, leapfrog: literal(options["leapfrog"] ?? 1), names });
  const { metropolis, noise = 1 } = options;
  return object({
    kind: str(kind),
    step,
    metropolis: metropolis === false ? bool(false) : undefined,
    noise: noise === 1 ? undefined : literal(noise),
    names,
  });
}

/** How a variable's chains start, by the rule of the runtime. */
function chainStart(density: string, variable: string, { scale = 1 }: Options): Js {
  return call("chainStart", name(energyModelName(density)), str(variable), ...(scale === 1 ? [] : [literal(scale)]));
}

/** Gibbs sweeps before a sample of an energy is shown. */
const SWEEPS = 1000;

/** How samples of a density's energy are drawn: as the statement that trains it moves its chains. `before` draws what the energy is given. */
export function emitChain(derived: DerivedModel, density: string, before: string | undefined): Js {
  const model = name(energyModelName(density));
  const analysis = energyOf(derived.context, density);
  const bent = analysis.variables.some(
    (v) => analysis.variable.get(v)?.domain.name === "real" && analysis.laws.get(v)?.kind === "nonlinear",
  );
  const used = derived.phases.flatMap((p) => p.updates.flatMap((u) => u.derived.chains)).find((c) => c.density === density);
  const asked = used && gradientMoves(derived, used);
  // a net that is trained by short runs from noise is drawn from by such runs
  const short = used?.options["start"] === "noise" ? used : undefined;
  const moves = asked ?? object({ kind: str("hmc"), step: num(0.1), leapfrog: num(10) });
  const sampler = arrow(
    "(w, key, x, clamp, model)",
    call(
      "sweepOnce",
      name("model"),
      name("w"),
      name("key"),
      name("x"),
      object([
        { name: "clamp", value: name("clamp") },
        { name: "moves", value: moves },
      ]),
    ),
  );
  return call(
    "gibbsChain",
    model,
    object({
      sweeps: short ? literal(short.options["k"] ?? 1) : num(SWEEPS),
      before: before === undefined ? undefined : name(before),
      sampler: bent || asked ? sampler : undefined,
      unadjusted: asked && used.options["metropolis"] === false ? literal(used.options["step"] ?? 0) : undefined,
      scale: short && (short.options["scale"] ?? 1) !== 1 ? literal(short.options["scale"] ?? 1) : undefined,
    }),
  );
}

// ---- log Z ------------------------------------------------------------------------------------------------

/** An estimate of a density's log Z that a line reads. */
type Estimate = DerivedObjective["partitions"][number];

/** The metric that makes an estimate: a line of the block that says the same, or one that is implied by another line's `by ais(…)`. */
export function partitionMetricName(derived: DerivedModel, estimate: Estimate): string {
  const line = derived.evaluations.find((e) => isPartition(e) && e.energy === estimate.density && isSame(optionsOf(e), estimate.options));
  if (line) return line.evaluation.name;
  const implied = impliedOf(derived);
  const before = implied.slice(
    0,
    implied.findIndex(({ density, options }) => density === estimate.density && isSame(options, estimate.options)),
  );
  const taken = new Set(derived.evaluations.map((e) => e.evaluation.name));
  for (const e of before) taken.add(partitionMetricName(derived, e));
  for (let i = 0; ; i++) {
    const candidate = i === 0 ? "logZ" : i === 1 ? `logZ_${estimate.density}` : `logZ_${estimate.density}${i}`;
    if (!taken.has(candidate)) return candidate;
  }
}

const isPartition = ({ evaluation: { value } }: DerivedEvaluation): boolean => value.kind === "evaluator" && value.evaluator === "ais";

const optionsOf = ({ evaluation: { value } }: DerivedEvaluation): Options => ({
  ...DEFAULTS,
  ...(value.kind === "evaluator" ? { ...value.options, ...value.choices } : {}),
});

const DEFAULTS: Options = Object.fromEntries((estimators.get("ais")?.options ?? []).map((o) => [o.name, o.value]));

/** How log Z is estimated, whatever else a line of its own asks for: rows, a second estimate from above. */
function isSame(a: Options, b: Options): boolean {
  return Object.keys(DEFAULTS).every((name) => a[name] === b[name]);
}

/** Estimates that lines read and that no line of the block makes, each once. */
function impliedOf(derived: DerivedModel): readonly Estimate[] {
  const found: Estimate[] = [];
  for (const estimate of derived.evaluations.flatMap((e) => e.objective?.derived.partitions ?? [])) {
    const is = (density: string | undefined, options: Options): boolean =>
      density === estimate.density && isSame(options, estimate.options);
    const stands = derived.evaluations.some((e) => isPartition(e) && is(e.energy, optionsOf(e)));
    if (!stands && !found.some((f) => is(f.density, f.options))) found.push(estimate);
  }
  return found;
}

/** Metrics for log Z that lines read and that no line of the block names. */
export function impliedPartitions(derived: DerivedModel): readonly JsField[] {
  return impliedOf(derived).map((estimate): JsField => {
    const metric = partitionMetricName(derived, estimate);
    const readers = derived.evaluations.filter((e) =>
      e.objective?.derived.partitions.some((p) => partitionMetricName(derived, p) === metric),
    );
    const rows = mostRows(readers);
    const settings = rows === undefined ? estimate.options : { ...estimate.options, rows };
    const at = readers[0]?.evaluation.span ?? derived.model.span;
    const base = { label: str(`ais(${estimate.density})`), place: str(place(at)) };
    return { name: metric, value: partitionMetric(derived, estimate.density, settings, base) };
  });
}

/** How many rows the lines take that read a log Z; undefined where one takes all. */
function mostRows(readers: readonly DerivedEvaluation[]): number | undefined {
  const rows = readers.map(({ evaluation: { value } }) =>
    value.kind === "evaluator" ? Number(value.options["rows"] ?? Infinity) : Infinity,
  );
  const most = Math.max(...rows);
  return Number.isFinite(most) ? most : undefined;
}

/**
 * What annealed chains do not carry: counts, whose N words would hold all else in its state, where they sum out of units that can be visited one by
 * one; otherwise what is hidden.
 */
function summedWhileAnnealing(analysis: EnergyAnalysis): readonly string[] {
  const domainOf = (v: string): string | undefined => analysis.variable.get(v)?.domain.name;
  const counts = analysis.variables.filter((v) => analysis.laws.get(v)?.kind === "multinomial");
  const rest = analysis.variables.filter((v) => !counts.includes(v));
  const visited = rest.every((v) => domainOf(v) === "binary" || domainOf(v) === "category");
  if (counts.length > 0 && visited && summable(analysis, counts).enumerate.length === 0) return counts;
  return summable(
    analysis,
    analysis.variables.filter((v) => analysis.variable.get(v)?.role !== "data"),
  ).sum;
}

function partitionMetric(derived: DerivedModel, density: string, options: Options, base: Readonly<Record<string, Js>>): Js {
  const { context } = derived;
  const analysis = energyOf(context, density);
  const sum = summedWhileAnnealing(analysis);
  const counts = analysis.variables.filter((v) => analysis.laws.get(v)?.kind === "multinomial");
  const perRow = [
    ...analysis.reads.map((v): JsField => ({ name: v, value: { kind: "member", target: name("data"), name: v } })),
    ...counts.map((v): JsField => ({ name: v, value: totalOf(context, v, { kind: "member", target: name("data"), name: v }) })),
  ];
  const totals = object(counts.map((v) => ({ name: v, value: call("required", name("given"), str(v)) })));
  const backwards = options["reverse"] !== undefined;
  const moved = movedByGradient(analysis);
  const { leapfrog } = options;
  const program = object([
    { name: "chains", value: name("chains") },
    { name: "temperatures", value: name("temperatures") },
    ...(backwards ? [{ name: "reverse", value: name("reverse") }] : []),
    ...(moved.length > 0 && leapfrog !== undefined && leapfrog !== DEFAULTS["leapfrog"]
      ? [{ name: "leapfrog", value: literal(leapfrog) }]
      : []),
    ...(sum.length === 0 ? [] : [{ name: "sum", value: array(sum.map(str)) }]),
    ...(counts.length === 0 ? [] : [{ name: "totals", value: arrow("(given)", totals) }]),
  ]);
  const model = name(energyModelName(density));
  const shown = analysis.variables.filter((v) => variableOf(context, v).role === "data");
  return object({
    kind: str("partition"),
    ...base,
    method: str("ais"),
    // as in training, the option says what is meant; what is done is what the units need
    sampler: analysis.variables.some((v) => isVisited(analysis, v)) ? str("single_site") : undefined,
    moves: moved.length === 0 ? undefined : object({ kind: str("hmc"), variables: array(moved.map(str)) }),
    chains: literal(options["chains"] ?? 100),
    temperatures: literal(options["temperatures"] ?? 1000),
    statistics: shown.length === 0 ? undefined : array(shown.map(str)),
    given: perRow.length === 0 ? undefined : arrow("({ data })", object(perRow)),
    rows: perRow.length === 0 || options["rows"] === undefined ? undefined : literal(options["rows"]),
    pilot: (options["pilot"] ?? 0) === 0 ? undefined : literal(options["pilot"]!),
    reverse: options["reverse"] === undefined ? undefined : literal(options["reverse"]),
    program: arrow(backwards ? "({ chains, temperatures, reverse })" : "({ chains, temperatures })", call("aisProgram", model, program)),
  });
}

/** Whether the units of a variable are drawn one after another. */
function isVisited({ laws, variable }: EnergyAnalysis, name: string): boolean {
  const kind = laws.get(name)?.kind;
  return (kind === "coupled" || kind === "nonlinear") && variable.get(name)?.domain.name !== "real";
}

// ---- named evaluators -----------------------------------------------------------------------------------

export function emitEnergyEvaluator(
  derived: DerivedModel,
  evaluator: string,
  density: string,
  options: Options,
  base: Readonly<Record<string, Js>>,
): Js {
  const { context } = derived;
  const analysis = energyOf(context, density);
  if (evaluator === "ais") {
    return partitionMetric(derived, density, { ...DEFAULTS, ...options }, base);
  }
  const shown = analysis.variables.filter((v) => variableOf(context, v).role === "data");
  const values = object([...shown, ...analysis.reads].map((v) => ({ name: v, value: { kind: "member", target: name("data"), name: v } })));
  const pseudo = evaluator === "pseudo_likelihood";
  const fn = pseudo ? "pseudoLogLikelihood" : "reconstructionError";
  return object({
    kind: str("rows"),
    ...base,
    unit: str(pseudo ? "nats" : "squared error"),
    value: arrow(
      "({ w, data, key })",
      call(
        fn,
        name(energyModelName(density)),
        name("w"),
        name("key"),
        values,
        ...(pseudo ? pseudoLikelihoodJs(analysis) : reconstructionJs(analysis)),
      ),
    ),
  });
}

function pseudoLikelihoodJs(analysis: EnergyAnalysis): readonly Js[] {
  const { names, sum, enumerate } = pseudoLikelihoodOf(analysis);
  const settings = object({
    sum: sum.length === 0 ? undefined : array(sum.map(str)),
    enumerate: enumerate.length === 0 ? undefined : array(enumerate.map(str)),
  });
  return [array(names.map(str)), ...(sum.length + enumerate.length === 0 ? [] : [settings])];
}

function reconstructionJs(analysis: EnergyAnalysis): readonly Js[] {
  const way = reconstructionOf(analysis);
  if (!way) throw new InternalError(`no reconstruction under the energy of ${analysis.density}`);
  const settings = object({ fresh: array(way.fresh.map(str)), sweeps: num(way.sweeps) });
  return [str(way.name), ...(way.fresh.length === 0 ? [] : [settings])];
}
