/**
 * Which estimator each draw of an `E` gets: the one that `by` asks for, where it fits, else the first that fits in the order of language.md: the exact sum
 * over its states, reparameterisation, VIMCO inside the log of a mean, the score function with a running mean. Nothing that is biased, no DReG and no STL
 * unasked.
 */
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import { builtins } from "../builtins.js";
import { distributionOf } from "../distributions.js";
import { type DrawFacts, type GradientPath, isUnbiased, latentEntries, type LatentEntry, relaxesIndex } from "../latent-estimators.js";
import type { AskedUse } from "../quantity.js";
import { finiteStates, MAX_STATES, stateCount } from "../states.js";
import type { DistCall, Expr, ObjectiveDraw } from "../types.js";
import { childrenOf, walkExpr } from "../walk.js";
import type { Chosen, Choices } from "./choices.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { readsItself } from "./own-reads.js";
import type { Taken } from "./data-draws.js";
import { printExpr } from "../print.js";
import { type Meaning, stepOf, type Steps, stopOf } from "./steps.js";
import { gradientParts, hasNoGradient, stopsGradient } from "./gradient-parts.js";
import { walk } from "./walk-bindings.js";
import { weightsIn, weightsWithGradient } from "./weights.js";

export interface DrawRequest {
  /** Weight paths that the statement moves; undefined for an evaluation, where no gradient is taken. */
  readonly over: readonly string[] | undefined;
  readonly choices: Choices;
  /** Rows of the streams that draws around it have taken. */
  readonly taken: Taken;
  /** Whether what may be missing is drawn only in the rows that miss it. */
  readonly fills: boolean;
  /** What the `E` averages. */
  readonly body: Expr;
  readonly span: Span;
}

/** A draw that wants an estimator. */
export interface Drawn {
  readonly draw: ObjectiveDraw;
  readonly variable: string;
  readonly dist: DistCall;
  /** A trained weight acts through its parameters. */
  readonly moved: boolean;
  /** Its parameters read what the same draw gives before it. */
  readonly follows: boolean;
}

export interface Choice {
  /** Of the table, or "none". */
  readonly estimator: string;
  /** As written: `score(baseline = none)`. */
  readonly text: string;
  readonly reason: string;
  readonly path: GradientPath;
  readonly unbiased: boolean;
  /** It is, if this holds: "`f(z)` does not jump". */
  readonly unsure?: string;
  readonly asked?: AskedUse;
}

/** In the order in which they are tried where `by` says nothing. */
const UNASKED = ["reparam", "vimco", "score"] as const;

/** Undefined after an error has been reported. */
export function chooseEstimator(context: DeriveContext, drawn: Drawn, request: DrawRequest): Choice | undefined {
  const { draw, variable } = drawn;
  const steps = request.over === undefined ? undefined : stepOf(context, draw, variable, request.body);
  const facts = factsOf(context, drawn, request, steps);
  if (!facts) return undefined;
  const choice = chosenBy(context, drawn, request, facts, steps);
  const unsure = choice && steps && unsureOf(steps, choice.path);
  return choice && unsure !== undefined ? { ...choice, unsure } : choice;
}

/** On what it depends whether an estimator is without bias. */
function unsureOf({ unsure, pole, endless }: Steps, path: GradientPath): string | undefined {
  if (path === "none") return undefined;
  if (endless) return `\`${written(endless)}\` has a mean`;
  if (path !== "reparameterised") return undefined;
  if (unsure) return `\`${written(unsure)}\` does not jump`;
  return pole && `\`${written(pole)}\` does not jump and its slope has a mean`;
}

/** As the model says it; what a template of the library says, as it is there. */
const written = (e: Expr): string => (e.span.file.path.startsWith("std/") ? printExpr(e) : textOf(e.span).replace(/\s+/gu, " "));

function chosenBy(
  context: DeriveContext,
  drawn: Drawn,
  request: DrawRequest,
  facts: DrawFacts,
  steps: Steps | undefined,
): Choice | undefined {
  const { draw, variable, dist, moved } = drawn;
  if (steps?.step) warnOfWeighedStep(context, drawn, request, steps.step, steps.meant);
  const exact = latentEntries.get("enumerate");
  const enumerable = exact?.rule.misfit(facts, {}) === undefined;
  if (facts.sequential && !enumerable) {
    reportSequential(context, variable, dist, draw, request);
    return undefined;
  }
  const asked = request.choices.latents.get(variable) ?? request.choices.latents.get(undefined);
  if (asked) {
    const entry = latentEntries.get(asked.entry.name);
    const why = entry
      ? (entry.rule.misfit(facts, asked.options) ?? coupling(entry, request.body) ?? controlMisfit(context, drawn, request, asked, entry))
      : "it is none for a draw";
    if (entry && why === undefined)
      return moved || entry.rule.surrogate.kind === "states" ? askedFor(entry, asked, facts) : unmoved(request);
    reportMisfit(context, drawn, facts, asked, why ?? "", request.body);
    return undefined;
  }
  warnOfOwnWeights(context, drawn, request);
  if (enumerable && exact && facts.states) return chosenFor(exact, `exact: its ${facts.states.size} states are summed`);
  if (!moved) return unmoved(request);
  for (const name of UNASKED) {
    const entry = latentEntries.get(name);
    const options = defaultsOf(entry);
    if (entry && entry.rule.misfit(facts, options) === undefined && coupling(entry, request.body) === undefined)
      return { ...chosenFor(entry, REASONS[name](facts)), asked: { options, exprs: {} } };
  }
  const score = latentEntries.get("score");
  const why = score?.rule.misfit(facts, defaultsOf(score)) ?? COUPLED;
  reportNoGradient(context, request, variable, dist, `: ${why}`, [
    `train by wake-sleep: \`maximize E[…](log p(…)) over p\` and \`maximize E[… ~ p(…)](log q(…)) over q\` need no gradient through \`${variable}\``,
    `or draw \`${variable}\` from a reparameterised distribution such as Normal or Logistic`,
    ...legalHelp(facts, drawn, request.body),
  ]);
  return undefined;
}

/** Why a function of the sample that is averaged beside the value, a control variate, does not fit: steps and `stop` in it count as in the value. */
function controlMisfit(
  context: DeriveContext,
  drawn: Drawn,
  request: DrawRequest,
  { exprs, options }: Chosen,
  { rule, options: known }: LatentEntry,
): string | undefined {
  if (request.over === undefined) return undefined;
  for (const { name, kind } of known) {
    const control = kind === "expression" ? exprs[name] : undefined;
    if (!control) continue;
    const facts = factsOf(context, drawn, { ...request, body: control }, stepOf(context, drawn.draw, drawn.variable, control));
    const why = facts && rule.misfit(facts, options);
    if (why !== undefined) return why;
  }
  return undefined;
}

/** What a step is of: behind comparisons, signs and conditions, which have no gradient themselves. */
function steppedIn(expr: Expr, meant: Meaning): readonly Expr[] {
  const e = meant(expr);
  if (e.kind !== "builtin" || stopsGradient(e)) return [e];
  const [condition] = e.args;
  if (e.fn === "where" && condition) return steppedIn(condition, meant);
  return hasNoGradient(e) ? e.args.flatMap((a) => steppedIn(a, meant)) : [e];
}

/** Weights that have a gradient in what a step is of, through the arguments of the nets around it too. */
function weightsAtStep(context: DeriveContext, step: Expr, meant: Meaning): readonly string[] {
  const parts = new Set(steppedIn(step, meant));
  const seen = new Set<string>();
  // the set grows as it is walked
  for (const part of parts) walk(context, part, (e) => e.kind === "local" && parts.add(meant(e)), seen, gradientParts(context));
  return weightsWithGradient(context, [...parts]);
}

/**
 * `E[z ~ q(z | x)](where(z > c, 2, 0))` changes smoothly with c, by the density of z at c, and no derivative of a sample or a score tells of it: c would be moved
 * by what else reads it alone.
 */
function warnOfWeighedStep(
  context: DeriveContext,
  { variable, dist }: Drawn,
  { over, span }: DrawRequest,
  step: Expr,
  meant: Meaning,
): void {
  if (distributionOf(dist)?.discrete) return;
  const weight = weightsAtStep(context, step, meant).find((w) => over?.some((o) => w === o || w.startsWith(`${o}.`)));
  if (weight === undefined) return;
  report(
    context.diagnostics,
    "GM3808",
    span,
    { weight, step: written(step), variable },
    {
      labels: [{ span: step.span, text: `steps where \`${variable}\` crosses what \`${weight}\` says` }],
      help: [
        `a slope in place of the step has a gradient: \`sigmoid((${variable} - c) / t)\` with a small t`,
        `or \`stop(…)\` around the weights in it says that they do not learn here`,
      ],
    },
  );
}

/**
 * `E[z[1..k] ~ q(z | x)](sum[i in 1..k](stop(w[i]) * log q(z[i] | x)))` teaches q what its own samples are worth. With the draws moved as well, the gradient has
 * another part, which reweighted wake-sleep leaves out (Bornschein & Bengio 2015, eq. 10): a warning where `by` does not say what is meant.
 */
function warnOfOwnWeights(context: DeriveContext, { draw, variable, dist, moved }: Drawn, { body, span }: DrawRequest): void {
  const density = draw.source.kind === "density" ? draw.source.density : undefined;
  if (!moved || density === undefined) return;
  const names = namesOf(draw);
  const isOwn = (e: Expr): boolean => (e.kind === "logDensity" && e.density === density) || childrenOf(e).some(isOwn);
  let found = false;
  walkExpr(body, (e) => {
    if (e.kind !== "builtin" || e.fn !== "mul") return;
    const weighs = (weight: Expr | undefined): boolean => weight?.kind === "builtin" && weight.fn === "stop" && reads(weight, names);
    const [a, b] = e.args;
    found ||= a !== undefined && b !== undefined && ((weighs(a) && isOwn(b)) || (weighs(b) && isOwn(a)));
  });
  if (!found) return;
  report(
    context.diagnostics,
    "GM3807",
    span,
    { density, variable },
    {
      label: "moves what its samples are drawn from",
      labels: [{ span: dist.span, text: `\`${variable}\` is drawn here` }],
      help: [
        "`by fixed` at the end of the statement takes the samples as given, as reweighted wake-sleep does",
        `an estimator that is named says that the other gradient is meant: \`by ${distributionOf(dist)?.reparameterised === true ? "reparam" : "score"}\``,
      ],
    },
  );
}

const namesOf = (draw: ObjectiveDraw): ReadonlySet<string> =>
  new Set(draw.names.map((n) => (n.kind === "variable" ? n.variable : n.local.id)));

/**
 * As the weights of a mixture move, its samples cross from one component to the next, and the gradient of a sample lies all in what is between them: where
 * they are apart no sample falls there in practice, and the mean of the others is another.
 */
const SHARES =
  "of the mixture's weights only samples between its components tell, and where these lie apart there are none: `by score` sees them";

const REASONS: Readonly<Record<(typeof UNASKED)[number], (facts: DrawFacts) => string>> = {
  reparam: ({ dist, movingShares }) =>
    `a sample of ${dist.name} is a differentiable function of its parameters${movingShares ? `; ${SHARES}` : ""}`,
  vimco: (facts) => `${whyNoPath(facts)}; each of the ${facts.samples} samples is compared with the others`,
  score: (facts) => {
    const { states, dist, samples } = facts;
    const sums = dist.reparameterised ? "" : `, and ${whyNoSum(states?.size, samples)}`;
    return `${whyNoPath(facts)}${sums}: the score function, less the mean of earlier steps`;
  },
};

function whyNoPath({ dist, step, steep }: DrawFacts): string {
  if (!dist.reparameterised) return `${dist.name} is not reparameterised`;
  if (steep !== undefined && step === undefined) return `the slope of \`${steep}\` has no mean`;
  if (step !== undefined) return `what is averaged steps at \`${step}\``;
  return "";
}

function whyNoSum(states: number | undefined, samples: number | undefined): string {
  if (states === undefined) return "its values cannot be listed";
  if (states > MAX_STATES) return `${stateCount(states)} states are too many to sum`;
  return samples === undefined ? "its states are not summed here" : "a family of samples is drawn";
}

function defaultsOf(entry: LatentEntry | undefined): AskedUse["options"] {
  return Object.fromEntries((entry?.options ?? []).map((o) => [o.name, o.value]));
}

function chosenFor(entry: LatentEntry, reason: string, options: AskedUse["options"] = {}): Choice {
  return { estimator: entry.name, text: entry.name, reason, path: entry.rule.path, unbiased: isUnbiased(entry, options) };
}

function askedFor(entry: LatentEntry, asked: Chosen, { states, movingShares }: DrawFacts): Choice {
  const isSum = entry.rule.surrogate.kind === "states" && states;
  const isPath = entry.rule.path === "reparameterised" && movingShares;
  const reason = isSum ? `asked for: its ${states.size} states are summed` : isPath ? `asked for; ${SHARES}` : "asked for";
  return { ...chosenFor(entry, reason, asked.options), text: asked.text, asked: { options: asked.options, exprs: asked.exprs } };
}

function unmoved({ over }: DrawRequest): Choice {
  const reason = over === undefined ? "an evaluation takes no gradient" : "no trained weight acts through it";
  return { estimator: "none", text: "none", reason, path: "none", unbiased: true };
}

function factsOf(
  context: DeriveContext,
  { draw, variable, dist, moved, follows }: Drawn,
  { body, over }: DrawRequest,
  steps: Steps | undefined,
): DrawFacts | undefined {
  const info = distributionOf(dist);
  if (!info) return undefined;
  const domain = context.model.variables.get(variable)?.domain;
  const names = namesOf(draw);
  const stop = over !== undefined && moved && info.values !== undefined ? stopOf(context, draw, variable, body) : undefined;
  return {
    variable,
    dist: info,
    domain,
    states: domain && finiteStates(domain, dist.dist),
    entries: domain?.shape.reduce((n, d) => n * d.size, 1) ?? 1,
    samples: draw.samples?.size,
    bound: draw.samples !== undefined && isBound(body, names),
    follows,
    sequential: readsItself(context, { variable, dist }),
    step: steps?.step && moved && (info.reparameterised || info.values !== undefined) ? written(steps.step) : undefined,
    steep: steps?.steep && moved && info.reparameterised ? written(steps.steep) : undefined,
    stop: stop && written(stop),
    movingShares: moved && info.reparameterised && hasMovingShares(context, dist),
    movingEdges: (moved || follows) && hasMovingEdges(context, dist, follows),
  };
}

/** Do the weights of a continuous mixture read what is trained, or latents? */
function hasMovingShares(context: DeriveContext, { params }: DistCall): boolean {
  const shares = [params["logits"], params["probs"]].flatMap((e) => e ?? []);
  const isData = (v: string): boolean => context.model.variables.get(v)?.role === "data";
  return shares.some((e) => weightsIn(context, [e]).size > 0 || ![...variablesIn(context, [e])].every(isData));
}

/** Do the bounds of a distribution, or of what a mixture mixes, read weights, or draws that may move? */
function hasMovingEdges(context: DeriveContext, dist: DistCall, follows: boolean): boolean {
  const edges = (distributionOf(dist)?.edges ?? []).flatMap((name) => dist.params[name] ?? []);
  const isFixed = (e: Expr): boolean => e.kind === "number" || (!follows && weightsIn(context, [e]).size === 0);
  return !edges.every(isFixed) || (dist.of !== undefined && hasMovingEdges(context, dist.of, follows));
}

/** Whether drawn names stand only inside logmeanexp, each sample in its own weight, and this in plain terms. */
function isBound(expr: Expr, names: ReadonlySet<string>): boolean {
  if (!reads(expr, names)) return true;
  if (expr.kind === "reduce") return expr.op === "logmeanexp" && readsOwnSample(expr.body, names, expr.index);
  if (expr.kind === "expectation") return isBound(expr.body, names);
  if (expr.kind !== "builtin") return false;
  const inner = expr.args.filter((a) => reads(a, names));
  switch (expr.fn) {
    case "neg":
    case "add":
    case "sub":
      return inner.every((a) => isBound(a, names));
    case "mul":
    case "div":
      return (
        inner.length === 1 &&
        inner[0] === expr.args[expr.fn === "div" ? 0 : expr.args.indexOf(inner[0] as Expr)] &&
        isBound(inner[0] as Expr, names)
      );
    default:
      return false;
  }
}

/** Whether each drawn name stands for the sample that `index` counts: what a weight reads of the others, none of the estimators sees. */
function readsOwnSample(expr: Expr, names: ReadonlySet<string>, index: string): boolean {
  if (expr.kind === "variable" || expr.kind === "local")
    return !reads(expr, names) || (expr.sample?.kind === "index" && expr.sample.index === index);
  return childrenOf(expr).every((e) => readsOwnSample(e, names, index));
}

function reads(expr: Expr, names: ReadonlySet<string>): boolean {
  if (expr.kind === "variable") return names.has(expr.variable);
  if (expr.kind === "local") return names.has(expr.local.id);
  return childrenOf(expr).some((e) => reads(e, names));
}

const COUPLED = "the value is one of the whole batch, and no row has its own";

/** Why an estimator that weighs the value of each row cannot: there is one for the whole batch. */
function coupling({ rule }: LatentEntry, body: Expr): string | undefined {
  const weighs = rule.path === "score function" || rule.surrogate.kind === "related";
  return weighs && ofWholeBatch(body) ? COUPLED : undefined;
}

/** Whether the value has the form that an estimator takes: samples under a function of the whole batch, log q(z | x) where its score may be left out. */
function isPlaced({ rule: { surrogate } }: LatentEntry, draw: ObjectiveDraw, body: Expr): boolean {
  if (surrogate.kind === "states") return !ofWholeBatch(body);
  const density = draw.source.kind === "density" ? draw.source.density : undefined;
  const holds = (e: Expr): boolean => (e.kind === "logDensity" && e.density === density) || childrenOf(e).some(holds);
  const names = namesOf(draw);
  if (surrogate.kind === "fixedDensity") return isTermOf(body, holds, names, () => true);
  if (surrogate.kind !== "bound" || surrogate.of !== "samples") return true;
  const weighed = (e: Expr): boolean =>
    e.kind === "reduce" && e.op === "logmeanexp"
      ? holds(e.body) && isTermOf(e.body, holds, names, (sign) => sign === -1)
      : childrenOf(e).every(weighed);
  return weighed(body);
}

/** Whether what `holds` log-densities does so in plain terms, of a sign that `fits`; undefined as the sign of a multiple, which reads none of `names`. */
function isTermOf(
  expr: Expr,
  holds: (e: Expr) => boolean,
  names: ReadonlySet<string>,
  fits: (sign: number | undefined) => boolean,
  sign: number | undefined = 1,
): boolean {
  const inner = (e: Expr, by: number | undefined = sign): boolean => isTermOf(e, holds, names, fits, by);
  if (!holds(expr)) return true;
  if (expr.kind === "logDensity") return fits(sign);
  if (expr.kind === "expectation" || (expr.kind === "reduce" && (expr.op === "sum" || expr.op === "mean"))) return inner(expr.body);
  if (expr.kind !== "builtin") return false;
  const [first, second] = expr.args;
  const opposite = sign === undefined ? undefined : -sign;
  switch (expr.fn) {
    case "add":
      return expr.args.every((e) => inner(e));
    case "sub":
      return first !== undefined && second !== undefined && inner(first) && inner(second, opposite);
    case "neg":
      return first !== undefined && inner(first, opposite);
    case "mul":
      return expr.args.filter(holds).length === 1 && expr.args.every((e) => (holds(e) ? inner(e, undefined) : !reads(e, names)));
    case "div":
      return first !== undefined && second !== undefined && !holds(second) && !reads(second, names) && inner(first, undefined);
    default:
      return false;
  }
}

function ofWholeBatch(body: Expr): boolean {
  let found = false;
  walkExpr(body, (e) => {
    found ||= e.kind === "builtin" && builtins.get(e.fn)?.wholeBatch === true;
  });
  return found;
}

const WITHOUT_BY = "; without `by` gmc chooses one and `gmc explain` says which";

/** The estimators that would be legal at a draw: those without bias, then the others. Some are refused only where the value is derived. */
function legalHelp(facts: DrawFacts, { draw }: Drawn, body: Expr): readonly string[] {
  const legal = [...latentEntries.values()].filter(
    (e) => e.rule.path !== "none" && !e.rule.misfit(facts, defaultsOf(e)) && !coupling(e, body) && isPlaced(e, draw, body),
  );
  const unasked = ["enumerate", ...UNASKED].some((name) => legal.some((e) => e.name === name));
  const named = (unbiased: boolean): string =>
    legal
      .filter((e) => e.rule.unbiased === unbiased)
      .map((e) => `\`${e.name}\``)
      .join(", ");
  if (legal.length === 0) return ["no estimator fits this latent here"];
  const lists = [named(true), ...(named(false) === "" ? [] : [`with a bias ${named(false)}`])].filter((l) => l !== "");
  return [`legal here: ${lists.join("; ")}${unasked ? WITHOUT_BY : ""}`];
}

function reportMisfit(context: DeriveContext, drawn: Drawn, facts: DrawFacts, asked: Chosen, why: string, body: Expr): void {
  const { variable, dist } = drawn;
  const estimator = asked.entry.name;
  const legal = legalHelp(facts, drawn, body);
  if (relaxesIndex(facts) && latentEntries.get(estimator)?.rule.surrogate.kind === "replaced") {
    const classes = facts.domain?.classes?.text ?? "K";
    report(
      context.diagnostics,
      "GM3803",
      asked.span,
      { variable, estimator },
      {
        label: "asked for here",
        labels: [{ span: dist.span, text: `\`${variable}\` is one of ${classes} classes: a whole number` }],
        help: [
          `make it a vector with one 1: \`latent ${variable} : binary[${classes}]\`, drawn from \`OneHotCategorical\`; \`${variable} @ W\` takes the place of \`W[${variable}]\``,
          ...legal,
        ],
      },
    );
    return;
  }
  // where another setting of it fits, it is the setting that does not
  const entry = latentEntries.get(estimator);
  const isSetting = entry !== undefined && entry.rule.misfit(facts, defaultsOf(entry)) === undefined && !coupling(entry, body);
  const data = { estimator: isSetting ? asked.text : estimator, variable, dist: dist.dist };
  report(context.diagnostics, "GM3504", asked.span, data, {
    label: "asked for here",
    labels: [{ span: dist.span, text: why }],
    help: legal,
  });
}

/** A draw that takes one pass for each entry, in an objective that is one graph. */
function reportSequential(context: DeriveContext, variable: string, dist: DistCall, draw: ObjectiveDraw, request: DrawRequest): void {
  const density = draw.source.kind === "density" ? draw.source.density : "";
  const role = context.model.variables.get(variable)?.role;
  report(
    context.diagnostics,
    "GM3725",
    request.span,
    { variable, density },
    {
      label: "asks for its samples",
      labels: [{ span: dist.span, text: `the parameters of an entry of \`${variable}\` read those before it` }],
      help: [
        role === "data"
          ? `evaluate it instead: \`log ${density}(${variable})\` takes one pass for all entries; \`gmc sample\` draws it`
          : `draw \`${variable}\` from a density whose parameters do not read it; a prior \`p(${variable})\` may be autoregressive, since an objective only evaluates it`,
        `or make it finite: up to ${MAX_STATES} states are summed exactly`,
      ],
    },
  );
}

export function reportNoGradient(
  context: DeriveContext,
  request: DrawRequest,
  variable: string,
  dist: DistCall,
  why: string,
  help: readonly string[],
): void {
  report(
    context.diagnostics,
    "GM3503",
    request.span,
    { variable, dist: dist.dist, states: why },
    { label: "asks for a gradient through it", labels: [{ span: dist.span, text: "not reparameterised" }], help },
  );
}
