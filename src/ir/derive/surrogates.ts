/**
 * Draws with their estimators -> nested expectations, each with at most one surrogate. What does not read a draw stands outside of its surrogate: it would
 * only add to the variance.
 */
import { report } from "../../base/report.js";
import { type Span, textOf } from "../../base/source.js";
import { numberOption, type Options } from "../estimators.js";
import { latentEntries, type LatentEntry } from "../latent-estimators.js";
import type { DrawStep, EstimatorNote, Factor, Plate, Quantity, SurrogateUse, Term } from "../quantity.js";
import { namesBoundBy, termsOf, walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, variablesIn } from "./context.js";
import { closeKl } from "./kl.js";
import { isProbabilistic } from "./contents.js";
import { misplacedDensity, readsName } from "./score-placement.js";

type FactorStep = Extract<DrawStep, { kind: "factor" }>;

export interface Surroundings {
  readonly context: DeriveContext;
  /** The family of samples that the draws are of. */
  readonly plate: Plate | undefined;
  readonly notes: EstimatorNote[];
  /** Of the `E`. */
  readonly span: Span;
  /** Of the statement. */
  readonly statement: Span;
  readonly fresh: () => string;
  /** Names that a step binds, and those that the `E` draws after it. */
  readonly boundFrom: (step: DrawStep) => ReadonlySet<string>;
}

/** Draws in a row as nested expectations; undefined after an error has been reported. */
export function averaged(around: Surroundings, steps: readonly DrawStep[], body: Quantity): Quantity | undefined {
  let result: Quantity | undefined = body;
  for (const group of grouped(around, steps)?.reverse() ?? []) {
    if (!result || !seesNoSample(around, group.steps)) return undefined;
    result = average(around, group, result);
  }
  return result;
}

interface Group {
  readonly steps: readonly DrawStep[];
  /** The step that says what the surrogate is. */
  readonly by: FactorStep | undefined;
}

/** Steps that share a surrogate: draws of one score function, or all of a family; each draw of related samples stands alone. */
function grouped(around: Surroundings, steps: readonly DrawStep[]): Group[] | undefined {
  const groups: { steps: DrawStep[]; by: FactorStep | undefined }[] = [];
  for (const step of steps) {
    const wants = step.kind === "factor" && needsSurrogate(entryOf(step)) ? step : undefined;
    const last = groups.at(-1);
    const joins = last && (!wants || !last.by || sameUse(last.by, wants)) && (!wants || entryOf(wants)?.rule.surrogate.kind !== "related");
    const alone = last?.by && entryOf(last.by)?.rule.surrogate.kind === "related" && around.plate === undefined;
    if (last && joins && !(alone && wants)) {
      last.steps.push(step);
      last.by ??= wants;
    } else groups.push({ steps: [step], by: wants });
  }
  const [first, other] = groups.flatMap((g) => (g.by ? [g.by] : []));
  const second = other ?? drawnThrough(first, steps);
  if (around.plate === undefined || !second || !first) return groups;
  report(
    around.context.diagnostics,
    "GM3804",
    around.statement,
    { a: first.estimator, b: second.estimator },
    {
      labels: [first, second].map((s) => ({ span: s.factor.span, text: `\`${s.factor.variable}\` by \`${s.estimator}\`` })),
      help: ["give all draws of the family one estimator", "or draw one sample, `ELBO(p, q)`: its latents may differ"],
    },
  );
  return undefined;
}

/**
 * A reparameterised draw after doubly reparameterised ones: what passes through it to these would be weighed once, not twice (Tucker et al. 2019, eq. 8,
 * whose derivative in a sample is the whole one).
 */
function drawnThrough(by: FactorStep | undefined, steps: readonly DrawStep[]): FactorStep | undefined {
  const surrogate = by && entryOf(by)?.rule.surrogate;
  if (!by || surrogate?.kind !== "bound" || surrogate.of !== "samples") return undefined;
  return steps
    .slice(steps.indexOf(by))
    .find((s): s is FactorStep => s.kind === "factor" && s.estimator !== by.estimator && entryOf(s)?.rule.surrogate.kind === "sample");
}

const entryOf = (step: FactorStep): LatentEntry | undefined => latentEntries.get(step.estimator);

function needsSurrogate(entry: LatentEntry | undefined): boolean {
  return entry !== undefined && ["score", "bound", "related", "fixedDensity"].includes(entry.rule.surrogate.kind);
}

function sameUse(a: FactorStep, b: FactorStep): boolean {
  if (a.estimator !== b.estimator) return false;
  const { options: x = {}, exprs: e = {} } = a.asked ?? {};
  const { options: y = {}, exprs: f = {} } = b.asked ?? {};
  return JSON.stringify(x) === JSON.stringify(y) && Object.keys(e).every((k) => e[k] === f[k]);
}

function average(around: Surroundings, { steps, by }: Group, body: Quantity): Quantity | undefined {
  const { context, span, notes } = around;
  const node = { kind: "expect" as const, plate: around.plate, steps, body, span };
  const surrogate = by && useOf(around, by, steps);
  const own = by && surrogate && ownPlate(around, by, surrogate.options);
  // a KL in closed form has no score to leave out
  const closed = by && entryOf(by)?.rule.surrogate.kind === "fixedDensity" ? node : closeKl(context, node, notes);
  // what no longer reads the draws is its own average
  if (closed.kind === "expect" && closed !== node && !quantityReads(context, closed.body, namesBoundBy(steps))) return closed.body;
  if (!surrogate || closed.kind !== "expect") return closed;
  const misplaced = misplacedDensity(context, by, steps, closed.body);
  if (misplaced !== undefined) return reportPlace(around, by, misplaced);
  const later = by && drawnAfter(around, by, closed.body);
  if (later) return reportDrawnAfter(around, by, later);
  const plate = around.plate ?? own;
  const { inside, outside } = parted(context, closed.body, namesBoundBy(steps));
  // without a term inside there is nothing to estimate
  if (around.plate !== undefined || outside.length === 0 || inside.length === 0) return { ...closed, plate, surrogate };
  const sum = (terms: readonly Term[]): Quantity => ({ kind: "sum", terms, span });
  return sum([{ scale: 1, factors: [], quantity: { ...closed, plate, surrogate, body: sum(inside) } }, ...outside]);
}

/**
 * What is drawn after a family of doubly reparameterised samples and has several values for each: the slope through a sample would be the sum over these,
 * and no longer the slope of one bound. Undefined where nothing is, or where another estimator treats the family.
 */
function drawnAfter(
  { plate }: Surroundings,
  by: FactorStep,
  body: Quantity,
): { readonly variable: string; readonly span: Span } | undefined {
  const surrogate = entryOf(by)?.rule.surrogate;
  if (plate === undefined || surrogate?.kind !== "bound" || surrogate.of !== "samples") return undefined;
  let found: { readonly variable: string; readonly span: Span } | undefined;
  walkQuantity(body, (q) => {
    if (found || !reduces(q, plate)) return;
    if (q.kind === "enumerate") found = { variable: q.variable, span: q.weight && q.weight.kind === "factor" ? q.weight.span : q.span };
    const [step] = q.kind === "expect" && q.plate ? q.steps : [];
    if (step?.kind === "factor") found = { variable: step.factor.variable, span: step.factor.span };
  });
  return found;
}

/** Whether a quantity holds the reduction over a family. */
function reduces(quantity: Quantity, plate: Plate): boolean {
  let found = false;
  walkQuantity(quantity, (q) => {
    found ||= q !== quantity && q.kind === "reduce" && q.plate === plate.id;
  });
  return found;
}

function reportDrawnAfter(
  { context, statement }: Surroundings,
  by: FactorStep,
  { variable, span }: { readonly variable: string; readonly span: Span },
): undefined {
  const family = by.factor.variable;
  report(
    context.diagnostics,
    "GM3806",
    statement,
    { estimator: by.estimator, family, variable },
    {
      labels: [
        { span: by.factor.span, text: `the samples of \`${family}\`` },
        ...(span.start === by.factor.span.start ? [] : [{ span, text: `\`${variable}\` takes several values for each` }]),
      ],
      help: [`draw \`${variable}\` before \`${family}\` in the \`E\``, `or take \`${family}: reparam\`, which is right in either order`],
    },
  );
  return undefined;
}

function reportPlace({ context, statement }: Surroundings, by: FactorStep, variable: string): undefined {
  const { density } = by.factor;
  const weighed = entryOf(by)?.rule.surrogate.kind === "bound";
  report(
    context.diagnostics,
    "GM3805",
    statement,
    { estimator: by.estimator, density, variable },
    {
      labels: [{ span: by.factor.span, text: `\`${variable}\` is drawn here` }],
      help: [
        weighed
          ? `it takes the log of a mean of \`log p(…) - log ${density}(…)\`, as in \`IWAE(p, q, k = 5)\``
          : `it takes \`log ${density}(…)\` as a plain term, as in \`ELBO(p, q)\``,
        "`by reparam` is right wherever it stands",
      ],
    },
  );
  return undefined;
}

function useOf(around: Surroundings, by: FactorStep, steps: readonly DrawStep[]): SurrogateUse {
  const draws = steps.flatMap((s) => (s.kind === "factor" && s.estimator === by.estimator ? [s.local?.name ?? s.factor.variable] : []));
  const line = lineOf(around.statement);
  return {
    estimator: by.estimator,
    options: by.asked?.options ?? {},
    exprs: by.asked?.exprs ?? {},
    draws,
    memory: `${by.estimator}:${line}:${draws.join(",")}`,
  };
}

function lineOf({ file, start }: Span): number {
  let line = 1;
  for (let i = file.text.indexOf("\n"); i >= 0 && i < start; i = file.text.indexOf("\n", i + 1)) line++;
  return line;
}

/** The samples that an estimator draws for itself. */
function ownPlate(around: Surroundings, by: FactorStep, options: Options): Plate | undefined {
  const entry = entryOf(by);
  const surrogate = entry?.rule.surrogate;
  const size = surrogate?.kind === "score" ? (options["k"] === undefined ? 1 : numberOption(options, "k")) : countOf(around, by);
  return size === undefined || size === 1 ? undefined : { id: around.fresh(), count: { size, text: String(size) }, own: true };
}

function countOf({ context }: Surroundings, { estimator, factor }: FactorStep): number | undefined {
  const surrogate = latentEntries.get(estimator)?.rule.surrogate;
  const entries = context.model.variables.get(factor.variable)?.domain.shape.reduce((n, d) => n * d.size, 1) ?? 1;
  return surrogate?.kind === "related" ? surrogate.count(entries) : undefined;
}

function parted(context: DeriveContext, body: Quantity, names: ReadonlySet<string>): { readonly inside: Term[]; readonly outside: Term[] } {
  const terms = termsOf(body);
  const inside: Term[] = [];
  const outside: Term[] = [];
  for (const t of terms) (reads(context, t, names) ? inside : outside).push(t);
  return { inside, outside };
}

function reads(context: DeriveContext, { factors, quantity }: Term, names: ReadonlySet<string>): boolean {
  return factors.some((f) => readsName(context, f, names)) || quantityReads(context, quantity, names);
}

/** Taken for true where it is not known. */
function quantityReads(context: DeriveContext, q: Quantity, names: ReadonlySet<string>): boolean {
  const ofFactor = (f: Factor, itself: boolean): boolean => {
    if (f.through) return true;
    const read = [...variablesIn(context, distExprs(f.dist)), ...(itself ? [f.variable] : [])];
    return read.some((v) => {
      const at = f.at.get(v);
      return at ? readsName(context, at, names) : names.has(v);
    });
  };
  switch (q.kind) {
    case "value":
      return readsName(context, q.expr, names);
    case "factor":
      return ofFactor(q, true);
    case "kl":
      return ofFactor(q.q, false) || ofFactor(q.p, false);
    case "sum":
      return q.terms.some((t) => reads(context, t, names));
    case "apply":
      return q.args.some((a) => quantityReads(context, a, names));
    case "enumerate": {
      const weighs =
        q.weight?.kind === "factor" ? ofFactor(q.weight, false) : q.weight !== undefined && quantityReads(context, q.weight, names);
      return weighs || quantityReads(context, q.body, names);
    }
    default:
      return true;
  }
}

/**
 * A baseline is no function of what it is a baseline for: with the sample in it, its own mean is left in the gradient. A control variate is one of the
 * sample, and of what is drawn before it.
 */
function seesNoSample({ context, boundFrom }: Surroundings, group: readonly DrawStep[]): boolean {
  const own = namesBoundBy(group);
  const [first] = group;
  for (const step of group) {
    if (step.kind !== "factor") continue;
    for (const [option, { sees, what, help }] of Object.entries({
      baseline: {
        sees: false,
        what: "a baseline",
        help: [
          "let it read the data, and what is drawn before the latent: `score(baseline = c(x))`",
          "a function of the sample is a control variate: `relax(control = r(z))` takes its mean away again",
        ],
      },
      control: {
        sees: true,
        what: "a control variate",
        help: ["let it read the sample, the data, and what is drawn before the latent", "`rebar` needs no function of its own"],
      },
    })) {
      const read = step.asked?.exprs[option];
      if (!read || !first) continue;
      if (isProbabilistic(read) || (sees && !readsDraw(context, read, step, group))) {
        reportOption(context, read, step, option, isProbabilistic(read));
        return false;
      }
      const from = boundFrom(first);
      const seen = [...variablesIn(context, [read])].find((v) => from.has(v) && !(sees && own.has(v)));
      if (seen === undefined) continue;
      const why = own.has(seen) ? `which it is ${what} for` : `which is drawn after \`${step.factor.variable}\``;
      report(
        context.diagnostics,
        "GM3802",
        read.span,
        { what, variable: seen, why },
        {
          label: `reads \`${seen}\``,
          labels: [{ span: step.factor.span, text: `\`${step.factor.variable}\` is drawn here` }],
          help,
        },
      );
      return false;
    }
  }
  return true;
}

/** Whether an expression reads what a step draws, or what follows from it by definition. */
function readsDraw(context: DeriveContext, expr: Expr, step: FactorStep, group: readonly DrawStep[]): boolean {
  const moving = new Set(namesBoundBy([step]));
  for (const later of group.slice(group.indexOf(step) + 1))
    if (later.kind === "bind" && [...variablesIn(context, [later.value])].some((v) => moving.has(v)))
      for (const bound of namesBoundBy([later])) moving.add(bound);
  return [...variablesIn(context, [expr])].some((v) => moving.has(v));
}

/** A control variate that is none: without its sample it is the same at all related samples, and takes no variance away. */
function reportOption(context: DeriveContext, expr: Expr, step: FactorStep, option: string, probabilistic: boolean): void {
  const variable = step.local?.name ?? step.factor.variable;
  const written = textOf(expr.span);
  const problem = probabilistic
    ? `\`${option} = ${written}\` holds a log-density or an average, and it is a number of the values and weights alone`
    : `\`${option} = ${written}\` does not read \`${variable}\`, the sample that it is a control variate for`;
  const help =
    option === "control"
      ? [`let it be a function of \`${variable}\`, as a net gives it: \`control = r(${variable})\``, "or use `rebar`, which takes none"]
      : ["let it be a function of the data, as a net gives it: `baseline = c(x)`"];
  report(
    context.diagnostics,
    "GM3521",
    expr.span,
    { problem },
    { labels: [{ span: step.factor.span, text: `\`${variable}\` is drawn here` }], help },
  );
}

/** What the estimators of a quantity carry, and the expressions that they alone read. */
export function memoriesOf(quantity: Quantity): readonly { readonly name: string; readonly size: number }[] {
  const found = new Map<string, number>();
  for (const { memory, size } of usesIn(quantity)) if (size > 0) found.set(memory, size);
  return [...found].map(([name, size]) => ({ name, size }));
}

export function helpersOf(quantity: Quantity): readonly Expr[] {
  return usesIn(quantity).flatMap((u) => Object.values(u.exprs));
}

function usesIn(quantity: Quantity): readonly (SurrogateUse & { readonly size: number })[] {
  const found: (SurrogateUse & { readonly size: number })[] = [];
  walkQuantity(quantity, (q) => {
    if (q.kind === "expect" && q.surrogate) found.push({ ...q.surrogate, size: memorySize(q.surrogate) });
  });
  return found;
}

/** Numbers that an estimator carries. */
function memorySize({ estimator, options }: SurrogateUse): number {
  const surrogate = latentEntries.get(estimator)?.rule.surrogate;
  if (surrogate?.kind === "related") return options["learned"] === false ? 0 : (surrogate.carries ?? 0);
  if (surrogate?.kind !== "score") return 0;
  return options["baseline"] === "none" || options["baseline"] === "leave_one_out" ? 0 : 3;
}
