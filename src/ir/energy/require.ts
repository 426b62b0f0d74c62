/**
 * What an estimator, sampler or exact form asks of an energy, checked where it is asked for: each reports what stands in the way, points at the
 * term, and names what would work.
 */
import type { Label } from "../../base/diagnostic.js";
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import type { DeriveContext } from "../derive/context.js";
import { builtins } from "../builtins.js";
import { sameShape, shapeOf, showDomain } from "../shapes.js";
import type { Expr } from "../types.js";
import { freeVariables } from "../walk.js";
import { listed } from "./listed.js";
import { hasBlockLaw, samplersOf, summable, summableTogether, type Summed } from "./graph.js";
import type { Cause, Dependence, EnergyAnalysis, Sampler, UnitLaw } from "./types.js";

/** Sums over more than 2^20 states are not made. */
export const mostLog2States = 20;

/** Every variable named can be drawn at once given the rest. `at` is what asks for it. */
export function requireBlocks(context: DeriveContext, analysis: EnergyAnalysis, names: readonly string[], at?: Span): boolean {
  let ok = true;
  for (const name of names) {
    const law = analysis.laws.get(name);
    const variable = analysis.variable.get(name);
    if (!law || !variable || (law.kind !== "coupled" && law.kind !== "nonlinear")) continue;
    ok = false;
    const { cause, term } = law;
    const args = { variable: name, reason: cause.reason };
    const details = {
      label: law.kind === "coupled" ? `couples the units of \`${name}\`` : "here",
      labels: [
        ...(same(term.span, cause.expr.span) ? [] : [{ span: term.span, text: "in this term" }]),
        { span: variable.span, text: `\`${name}\` is ${showDomain(variable.domain)}` },
        ...(at ? [{ span: at, text: "asked for here" }] : []),
      ],
      help: [
        ...(variable.domain.name === "category" && law.kind === "nonlinear" ? appliedToTable(name, cause.expr, analysis) : []),
        ...samplerHelp(name, samplersOf(law, variable.domain)),
      ],
    };
    if (variable.domain.name === "real") report(context.diagnostics, "GM3613", cause.expr.span, args, details);
    else if (law.kind === "nonlinear" || higher(analysis, name)) report(context.diagnostics, "GM3602", cause.expr.span, args, details);
    else report(context.diagnostics, "GM3601", cause.expr.span, args, details);
  }
  return ok;
}

/** A function of a table's row, entry by entry, is a row of the function of the table, which is affine in the label. */
function appliedToTable(name: string, expr: Expr, { variables }: EnergyAnalysis): readonly string[] {
  if (expr.kind !== "builtin" || Object.keys(expr.options).length > 0) return [];
  const [row, ...others] = expr.args.filter((a) => a.kind !== "number");
  if (row?.kind !== "builtin" || row.fn !== "take" || others.length > 0 || !sameShape(shapeOf(row), shapeOf(expr))) return [];
  const [table, label] = row.args;
  if (!table || label?.kind !== "variable" || variables.some((v) => freeVariables(table).has(v))) return [];
  const [text, index] = [textOf(row.span), `[${name}]`];
  if (!text.endsWith(index)) return [];
  const { file, start, end } = expr.span;
  const applied = file.text.slice(start, row.span.start) + text.slice(0, -index.length) + file.text.slice(row.span.end, end);
  const whole = builtins.get(expr.fn)?.symbol === undefined ? applied : `(${applied})`;
  return [`apply it to the table: \`${whole}[${name}]\` in place of \`${textOf(expr.span)}\``];
}

/**
 * A warning where units are to be drawn one after another and none of a variable meet: the draws of a layer then do not read each other, and one
 * after another is all at once.
 */
export function checkSites(context: DeriveContext, analysis: EnergyAnalysis, names: readonly string[], sampler: unknown, at: Span): void {
  const discrete = names.filter((v) => analysis.variable.get(v)?.domain.name !== "real");
  const meet = discrete.some((v) => !hasBlockLaw(analysis.laws.get(v) ?? { kind: "bernoulli" }));
  if (sampler !== "single_site" || discrete.length === 0 || meet) return;
  report(
    context.diagnostics,
    "GM3624",
    at,
    { variables: listed(discrete) },
    {
      notes: ["the others held, they are independent: drawn one after another or all at once, their distribution is the same"],
      help: ["leave it out: the layers are drawn at once, and faster"],
    },
  );
}

/** Of a degree above 2: more than pairs of units meet. */
function higher(analysis: EnergyAnalysis, name: string): boolean {
  return analysis.dependence.get(name)?.degree === 3;
}

function same(a: Span, b: Span): boolean {
  return a.file === b.file && a.start === b.start && a.end === b.end;
}

function samplerHelp(name: string, samplers: readonly Sampler[]): readonly string[] {
  const help: Readonly<Record<Sampler, string | undefined>> = {
    gibbs: undefined,
    single_site: `draw the units of \`${name}\` one after another: \`by pcd(k = 1, chains = 100, sampler = single_site)\``,
    langevin: `draw \`${name}\` along the gradient of the energy: \`by langevin(k = 20, step = 0.01)\``,
    hmc: "in longer moves: `by hmc(k = 1, step = 0.1, leapfrog = 10)`",
  };
  return samplers.flatMap((s) => help[s] ?? []);
}

export interface Normaliser {
  /** `log p(v)`, as asked for. */
  readonly quantity: string;
  readonly span: Span;
  /** Variables to be summed out; for log Z all of them. */
  readonly hidden: readonly string[];
  /** Of the normaliser, an estimator takes the place; of hidden units it does not. */
  readonly choices?: readonly string[];
}

/** Whether the variables sum out exactly. */
export function isExact(analysis: EnergyAnalysis, names: readonly string[]): boolean {
  return summableTogether(analysis, names).log2States <= mostLog2States;
}

/** How the variables are summed out exactly; a finding and undefined where that takes more than 2^20 states. */
export function requireExact(context: DeriveContext, analysis: EnergyAnalysis, asked: Normaliser): Summed | undefined {
  const way = summableTogether(analysis, asked.hidden);
  if (way.log2States <= mostLog2States) return way;
  const gone = [...way.sum, ...(way.joint ?? []), ...Object.keys(way.paired ?? {})];
  report(
    context.diagnostics,
    "GM3612",
    asked.span,
    { quantity: asked.quantity, states: statesText(analysis, way) },
    {
      label: "asked for here",
      labels: inTheWay(analysis, way),
      notes: [
        gone.length > 0
          ? `${listed(gone)} ${gone.length === 1 ? "is" : "are"} summed out in closed form; what is left is too much`
          : "none of its variables sums out in closed form",
        `sums over at most 2^${mostLog2States} states are exact`,
      ],
      help: asked.choices ?? normaliserChoices(analysis),
    },
  );
  return undefined;
}

/** Terms that couple the units of what would have to be enumerated; where none does, the energy. */
function inTheWay(analysis: EnergyAnalysis, way: Summed): readonly Label[] {
  const coupled = way.enumerate.flatMap((name) => {
    const law = analysis.laws.get(name);
    return law?.kind === "coupled" ? [{ span: law.term.span, text: `couples the units of \`${name}\`` }] : [];
  });
  if (coupled.length > 0) return coupled;
  return analysis.terms.slice(0, 1).map((t) => ({ span: t.span, text: `the energy of \`${analysis.density}\`` }));
}

/** `2^500 states of h would have to be summed` */
export function statesText(analysis: EnergyAnalysis, way: Summed): string {
  if (way.log2States === Infinity) {
    const named = (...names: readonly string[]): readonly string[] =>
      way.enumerate.filter((v) => names.includes(analysis.variable.get(v)?.domain.name ?? ""));
    const [counts, finite] = [named("count"), named("binary", "category")];
    const reals = way.enumerate.filter((v) => !counts.includes(v) && !finite.includes(v));
    const parts = [
      ...(reals.length === 0 ? [] : [`${listed(reals)} would have to be integrated out`]),
      ...(counts.length === 0 ? [] : [`${listed(counts)} would have to be summed over all counts of each total`]),
    ];
    return `${parts.join(", and ")}${finite.length === 0 ? "" : `, for each state of ${listed(finite)}`}`;
  }
  const power = way.log2States;
  const count = Number.isInteger(power) ? `2^${power}` : `about 2^${power.toFixed(1)}`;
  return `${count} states of ${listed(way.enumerate)} would have to be summed`;
}

/** Whether mean field has a form for all of them. */
function isBounded(analysis: EnergyAnalysis, hidden: readonly string[]): boolean {
  return hidden.every((v) => hasMeanField(analysis, v, hidden));
}

/** Whether the mean of a variable, given those of the others of `names`, is where its conditional has its own. */
export function hasMeanField(analysis: EnergyAnalysis, name: string, names: readonly string[]): boolean {
  if (analysis.multiAffine.has(name) || analysis.laws.get(name)?.kind === "normal") return true;
  const beside = analysis.squared.get(name);
  return beside !== undefined && !names.some((other) => beside.has(other));
}

/** What takes the place of the value of hidden units that do not sum out. */
export function boundChoices(analysis: EnergyAnalysis, hidden: readonly string[]): readonly string[] {
  return isBounded(analysis, hidden)
    ? ["bound them: `by mean_field(steps = 30) and ais(chains = 100, temperatures = 1000)`"]
    : [
        `no bound is derived: mean field needs an energy that is affine in each unit, or of degree two in binary ones; fewer units of ${listed(hidden)} sum exactly`,
      ];
}

/** Samples of the hidden units by sweeps, `gibbs(steps = 10)`; undefined where a real variable has no conditional to draw from. */
export function sampledChoice(analysis: EnergyAnalysis): string | undefined {
  const lawless = [...analysis.laws].filter(([, law]) => !hasBlockLaw(law));
  if (lawless.some(([name]) => analysis.variable.get(name)?.domain.name === "real")) return undefined;
  return `gibbs(${["steps = 10", ...(lawless.length > 0 ? ["sampler = single_site"] : [])].join(", ")})`;
}

/** What takes the place of hidden units that do not sum out, with chains of the model's own: a bound where mean field has one, samples. */
export function layeredChoices(analysis: EnergyAnalysis, hidden: readonly string[]): readonly string[] {
  const sampled = sampledChoice(analysis);
  if (sampled === undefined) return boundedByDensity(analysis, hidden);
  const sites = [...analysis.laws.values()].every(hasBlockLaw) ? undefined : "sampler = single_site";
  const and = `and pcd(${["k = 5", "chains = 100", ...(sites ? [sites] : [])].join(", ")})`;
  const bounded = isBounded(analysis, hidden);
  return [
    ...(bounded ? [`mean field for the data phase, persistent chains for the model's: \`by mean_field(steps = 10) ${and}\``] : []),
    `${bounded ? "or samples" : "samples"} of the hidden units: \`by ${sampled} ${and}\``,
  ];
}

/**
 * What takes the place of a conditional of an energy over more variables than it asks for: there log Z cancels and leaves a difference of two
 * sums, which no estimator of log Z treats. A density under the same conditions has a log Z.
 */
export function conditionedChoices(analysis: EnergyAnalysis, behind: readonly string[]): readonly string[] {
  const head = analysis.variables.filter((v) => !behind.includes(v)).join(", ");
  const name = `${analysis.density}_given`;
  const latent = analysis.variables.filter((v) => !behind.includes(v) && analysis.variable.get(v)?.role !== "data");
  // chains from the data have no start where units do not sum out
  const ways = isExact(analysis, latent)
    ? "`by cd(k = 1)` or, to measure it, `by ais(chains = 100, temperatures = 1000)`"
    : "to measure it, `by mean_field(steps = 30) and ais(chains = 100, temperatures = 1000)`";
  return [
    `estimators are for log Z, which cancels here; under a condition in its header a density has one: \`density ${name}(${head} | ${[...behind, ...analysis.reads].join(", ")}) { energy … }\` with the same energy, and ${ways}`,
  ];
}

/** Where no sampler draws the hidden units given the data, a density of the model may. */
function boundedByDensity(analysis: EnergyAnalysis, hidden: readonly string[]): readonly string[] {
  const seen = analysis.variables.filter((v) => !hidden.includes(v)).join(", ");
  const all = analysis.variables.join(", ");
  const q = `q(${hidden.join(", ")} | ${seen})`;
  return [
    `hidden real units have a form where the energy is quadratic in them`,
    `or a density of your own for them gives a bound: \`maximize E[${hidden.join(", ")} ~ ${q}](log ${analysis.density}(${all}) - log ${q}) by langevin(k = 20, step = 0.01)\``,
  ];
}

/** Estimators of the gradient of a log-likelihood that this energy allows, the usual ones first. */
export function normaliserChoices(analysis: EnergyAnalysis): readonly string[] {
  const laws = [...analysis.laws];
  const real = laws.filter(([name]) => analysis.variable.get(name)?.domain.name === "real");
  const coupled = laws.filter(([, law]) => law.kind === "coupled" || law.kind === "nonlinear");
  const needsSites = coupled.some(([name]) => analysis.variable.get(name)?.domain.name !== "real");
  const needsGradients = coupled.some(([name]) => analysis.variable.get(name)?.domain.name === "real");
  const sampler = needsSites ? ", sampler = single_site" : "";
  const hidden = analysis.variables.filter((v) => analysis.variable.get(v)?.role !== "data");
  const layered = summable(analysis, hidden).enumerate.length > 0;
  const choices: string[] = [];
  if (needsGradients) {
    choices.push("sample by the energy's gradient: `by langevin(…)` or `by hmc(…)`");
  } else if (layered) {
    choices.push(...layeredChoices(analysis, hidden));
  } else {
    choices.push(
      `contrastive divergence, chains that start at the data: \`by cd(k = 1${sampler})\``,
      `persistent chains: \`by pcd(k = 1, chains = 100${sampler})\``,
    );
  }
  if (real.length === laws.length)
    choices.push("no normaliser at all: `by score_matching` or `by denoising_score_matching(sigma = 0.1)`", "against noise: `by nce`");
  return [...choices, "to measure it rather than to train: `evaluate { logZ = ais(chains = 100, temperatures = 10000) }`"];
}

/** Why the mean of a unit given the means of all others is not where its conditional has its own. */
function whyNoUpdate(
  d: Dependence,
  law: UnitLaw | undefined,
  beside: readonly string[],
): { readonly reason: string; readonly cause: Cause | undefined } {
  if (beside.length > 0)
    return {
      reason: `its squares stand in one term with ${listed(beside)}, which has means too: ${d.bends?.reason ?? ""}`,
      cause: d.bends,
    };
  if (law?.kind === "jointNormal")
    return { reason: "its units meet, and are updated where each has a Normal conditional of its own", cause: d.couples ?? d.bends };
  if (law?.kind === "nonlinear" && d.bends && d.unitDegree > 1)
    return { reason: `its units have no conditional mean in closed form: ${d.bends.reason}`, cause: d.bends };
  // affine in each is not enough of them
  if (d.unitDegree === 1 && law?.kind === "coupled")
    return { reason: `its units exclude each other within a block, and ${law.cause.reason}`, cause: law.cause };
  const cause = d.unitDegree === 1 ? undefined : d.bends;
  return {
    reason: `the energy is neither affine in each of its units nor of degree two in them: ${cause?.reason ?? "it is of a higher degree"}`,
    cause,
  };
}

/**
 * Every unit of the variables enters affinely, the others held: then the energy's mean under independent units is the energy at their means. Squares of
 * binary units are the units themselves; where the others' means do not meet them, that is told from the curvature.
 */
export function requireMultiAffine(context: DeriveContext, analysis: EnergyAnalysis, names: readonly string[], at: Span): boolean {
  let ok = true;
  for (const name of names) {
    const d = analysis.dependence.get(name);
    const law = analysis.laws.get(name);
    if (!d || hasMeanField(analysis, name, names)) continue;
    ok = false;
    const { reason, cause } = whyNoUpdate(
      d,
      law,
      names.filter((other) => analysis.squared.get(name)?.has(other)),
    );
    const variable = analysis.variable.get(name);
    const exact = isExact(analysis, names);
    report(
      context.diagnostics,
      "GM3615",
      at,
      { variable: name, reason },
      {
        labels: [
          ...(cause ? [{ span: cause.expr.span, text: "this term" }] : []),
          ...(variable?.domain.atMostOne ? [{ span: variable.span, text: `of a block of \`${name}\` at most one unit is on` }] : []),
        ],
        help: [
          ...(exact ? [`leave \`mean_field\` out: ${listed(names)} ${names.length === 1 ? "sums" : "sum"} out exactly`] : []),
          ...layeredChoices(analysis, names),
        ],
      },
    );
  }
  return ok;
}
