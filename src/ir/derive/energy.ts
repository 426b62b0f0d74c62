/**
 * What an objective asks of an energy: its hidden variables given the others (the data phase), log Z or its gradient (the model phase),
 * and draws from its conditionals. Says what is exact, what `by` asked for, and reports what is left without either.
 */
import { InternalError } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import {
  boundChoices,
  conditionedChoices,
  isExact,
  checkSites,
  type EnergyAnalysis,
  layeredChoices,
  movedByGradient,
  requireBlocks,
  requireExact,
  requireMultiAffine,
  sampledChoice,
  summable,
  type Summed,
} from "../energy/index.js";
import { listed } from "../energy/listed.js";
import { estimators, numberOption, type Options } from "../estimators.js";
import type { EstimatorNote, ExactSum, HiddenMethod, PartitionMethod, Quantity } from "../quantity.js";
import { walkQuantity } from "../quantity-walk.js";
import type { Expr } from "../types.js";
import type { DrawnTogether } from "./flow-change.js";
import type { Choices, Chosen } from "./choices.js";
import { type DeriveContext, densityOf, type EnergyBlock } from "./context.js";

/** A line of `evaluate` that estimates log Z. */
export interface EstimatedPartition {
  readonly name: string;
  /** Every option of the estimator with its value, and what else the line asks for. */
  readonly options: Options;
  readonly span: Span;
}

/** By density. */
export type EstimatedPartitions = ReadonlyMap<string, readonly EstimatedPartition[]>;

export interface EnergyRequest {
  readonly choices: Choices;
  /** A gradient is taken. */
  readonly training: boolean;
  /** Densities whose log Z another line of the block estimates, and how. */
  readonly estimated: EstimatedPartitions;
  /** Whether a variable of a density stands for the data of the batch themselves. */
  readonly isFreeData: (variable: string, value: Expr | undefined) => boolean;
  /** A data variable of the row, where what is asked for reads it. */
  readonly ofRow?: (variable: string) => Expr | undefined;
  readonly span: Span;
  readonly notes: EstimatorNote[];
  /** What the `E`s around have drawn from densities, the innermost last. */
  readonly drawn?: readonly DrawnTogether[];
  /** Ids of the names that gradients around are taken in: what reads none of them counts for nothing. */
  readonly under?: ReadonlySet<string>;
  /** What takes the place of a log-density that has no exact form, as help says it. */
  readonly instead?: string;
}

/** The analysis of a density's energy, which `derive` has made before anything asks for it. */
export function energyOf(context: DeriveContext, density: string): EnergyAnalysis {
  const found = context.energies.get(density);
  if (!found) throw new InternalError(`no analysis of the energy of ${density}`);
  return found;
}

export function blockOf(context: DeriveContext, density: string): EnergyBlock {
  const { energy } = densityOf(context, density);
  if (!energy) throw new InternalError(`${density} has no energy`);
  return energy;
}

/** GM3627: counts without a total are summed over. */
export function reportNoTotal(
  context: DeriveContext,
  request: EnergyRequest,
  density: string,
  hidden: readonly string[],
  counts: readonly string[],
  quantity: string,
): void {
  const { variables, reads, variable } = energyOf(context, density);
  const rest = hidden.filter((v) => !counts.includes(v) && variable.get(v)?.role !== "data");
  const head = variables.filter((v) => !rest.includes(v)).join(", ");
  const others = variables.filter((v) => !hidden.includes(v)).join(", ");
  const under = reads.length === 0 ? "" : ` | ${reads.join(", ")}`;
  const is = counts.length === 1 ? "is" : "are";
  report(
    context.diagnostics,
    "GM3627",
    request.span,
    { quantity, counts: listed(counts), density },
    {
      labels: counts.flatMap((v) => {
        const span = variable.get(v)?.span;
        return span ? [{ span, text: "counts, given the total of the row" }] : [];
      }),
      notes: [`nothing here reads ${listed(counts)}, whose total the sum would be over`],
      help: [
        `where the row has ${listed(counts)}, say so: \`log ${density}(${head}${under})\``,
        ...(under === "" ? [`or \`log ${density}(${others} | ${counts.join(", ")})\`, where ${listed(counts)} ${is} given`] : []),
      ],
    },
  );
}

/** log Σ exp(-E) over `hidden`; undefined after an error has been reported. `behind`: what the quantity is conditioned on. */
export function hiddenMethod(
  context: DeriveContext,
  request: EnergyRequest,
  density: string,
  hidden: readonly string[],
  quantity: string,
  behind: readonly string[] = [],
): HiddenMethod | undefined {
  if (hidden.length === 0) return { kind: "exact", sum: [], enumerate: [] };
  const analysis = energyOf(context, density);
  const asked = request.choices.data;
  const choices = analysis.variables.some((v) => behind.includes(v))
    ? conditionedChoices(analysis, behind)
    : request.training
      ? layeredChoices(analysis, hidden)
      : boundChoices(analysis, hidden);
  // at a sample of the hidden units stands the mean of -E, which lacks the entropy of their posterior: its gradient alone is that of the sum
  if (asked?.entry.hidden === "gibbs" && !request.training) {
    const exact = isExact(analysis, hidden);
    report(
      context.diagnostics,
      "GM3526",
      asked.span,
      {
        estimator: asked.entry.name,
        why: `its samples give the gradient of the sum over ${listed(hidden)}, not its value, and an evaluation takes no gradient`,
      },
      { help: exact ? [`leave it out: ${listed(hidden)} ${hidden.length === 1 ? "sums" : "sum"} out exactly`] : choices },
    );
    return undefined;
  }
  if (asked) {
    const reason = `asked for: ${asked.entry.doc}`;
    for (const variable of hidden) request.notes.push({ variable, density, estimator: asked.text, reason });
    const steps = numberOption(asked.options, "steps");
    const meanField = asked.entry.hidden === "meanField";
    const fits = meanField
      ? requireMultiAffine(context, analysis, hidden, asked.span)
      : requireBlocks(context, analysis, drawnAtOnce(analysis, hidden, asked), asked.span);
    if (!fits) return undefined;
    checkSites(context, analysis, hidden, asked.options["sampler"], asked.span);
    return meanField
      ? { kind: "meanField", hidden, steps, damping: numberOption(asked.options, "damping") }
      : { kind: "gibbs", hidden, steps };
  }
  const way = requireExact(context, analysis, {
    quantity,
    span: request.span,
    hidden,
    choices,
  });
  if (!way || !requireBlocks(context, analysis, closedIn(way), request.span)) return undefined;
  for (const variable of way.joint ?? []) request.notes.push({ variable, density, estimator: "exact", reason: JOINTLY });
  for (const variable of way.sum) {
    const counts = analysis.laws.get(variable)?.kind === "multinomial";
    const reason = counts
      ? "all counts of the row's total are summed over in closed form"
      : "its units are independent given the rest: summed out in closed form";
    request.notes.push({ variable, density, estimator: "exact", reason });
  }
  for (const [variable, slabs] of Object.entries(way.paired ?? {})) {
    const reason = `each of its units meets units of its own of ${listed(slabs)} alone: summed out unit by unit`;
    request.notes.push({ variable, density, estimator: "exact", reason });
  }
  for (const variable of way.enumerate) {
    const reason = `summed over its ${Math.round(2 ** way.log2States)} states`;
    request.notes.push({ variable, density, estimator: "enumerate", reason });
  }
  return exactSum(way);
}

/**
 * A sum in the denominator of a conditional, bounded from below, bounds the conditional from above: with one in the numerator it is no bound at all, and
 * what is made greatest may rise where log p falls. False after an error has been reported.
 */
export function requireNoBoundBelow(
  context: DeriveContext,
  request: EnergyRequest,
  density: string,
  denominator: Quantity,
  quantity: string,
  behind: readonly string[],
): boolean {
  const asked = request.choices.data;
  let bounded = false;
  walkQuantity(denominator, (q) => {
    bounded ||= q.kind === "unnormalised" && q.method.kind === "meanField";
  });
  if (!bounded || !asked) return true;
  reportDifference(context, asked, request.training, density, quantity, behind);
  return false;
}

/** GM3534: `behind` has values in the sum that is taken off (`byRow`: in some rows), the energy's other variables are summed over. */
export function reportDifference(
  context: DeriveContext,
  asked: Chosen,
  training: boolean,
  density: string,
  quantity: string,
  behind: readonly string[],
  byRow = false,
): void {
  const analysis = energyOf(context, density);
  const summed = analysis.variables.filter((v) => !behind.includes(v));
  const sampled = training ? sampledChoice(analysis) : undefined;
  report(
    context.diagnostics,
    "GM3534",
    asked.span,
    { estimator: asked.entry.name, quantity, summed: listed(summed) },
    {
      help: isExact(analysis, summed)
        ? [`leave \`${asked.entry.name}\` out: ${listed(summed)} ${summed.length === 1 ? "sums" : "sum"} out exactly`]
        : [
            ...(sampled === undefined
              ? []
              : [`samples have the gradient of both sums, with a bias that falls with the steps: \`${sampled}\` in its place`]),
            ...(byRow
              ? ["or let the sum have one sign in all rows: a factor that is declared `positive`, or `relu(…)`, is never negative"]
              : conditionedChoices(analysis, behind)),
          ],
    },
  );
}

const JOINTLY = "real variables that meet have a joint Normal: integrated in closed form, one after the other";

const closedIn = ({ sum, joint = [] }: Summed): readonly string[] => [...sum, ...joint];

export function exactSum({ sum, joint, paired, enumerate }: Summed): ExactSum {
  return { kind: "exact", sum, enumerate, ...(joint && joint.length > 0 && { joint }), ...(paired && { paired }) };
}

/** log Z of a density, or its gradient. `given`: the energy's variables that have values in the objective. */
export function partitionMethod(
  context: DeriveContext,
  request: EnergyRequest,
  density: string,
  given: readonly string[],
  at: ReadonlyMap<string, Expr>,
  quantity: string,
): PartitionMethod | undefined {
  const analysis = energyOf(context, density);
  const { variables } = analysis;
  const note = (estimator: string, reason: string): void => void request.notes.push({ variable: "log Z", density, estimator, reason });
  const { model, partition } = request.choices;
  if (request.training && model) return chainMethod(context, request, analysis, given, at, note);
  const lines = request.estimated.get(density) ?? [];
  const estimated = partition?.options ?? lines[0]?.options;
  if (!request.training && estimated) {
    if (!partition && lines.length > 1) {
      reportAmbiguous(context, request.span, density, lines);
      return undefined;
    }
    if (!requireDataReads(context, density, request.span)) return undefined;
    if (partition) checkSites(context, analysis, variables, partition.options["sampler"], partition.span);
    const moved = movedByGradient(analysis);
    const moves =
      moved.length === 0
        ? ""
        : `; ${listed(moved)} moved by Hamiltonian trajectories of ${estimated["leapfrog"]} tuned steps, accepted or refused`;
    note("ais", `annealed importance sampling, ${estimated["chains"]} chains, ${estimated["temperatures"]} temperatures${moves}`);
    return { kind: "estimated", options: estimated };
  }
  const exact = requireExact(context, analysis, {
    quantity,
    span: request.span,
    hidden: variables,
    ...(request.training
      ? {}
      : {
          choices: [
            "estimate log Z: `by ais(chains = 100, temperatures = 1000)`, or a line `logZ = ais(chains = 100, temperatures = 1000)`",
          ],
        }),
  });
  if (!exact || !requireBlocks(context, analysis, closedIn(exact), request.span)) return undefined;
  note("exact", exact.enumerate.length > 0 ? `summed over ${Math.round(2 ** exact.log2States)} states` : "summed in closed form");
  return exactSum(exact);
}

/** Estimates of log Z may be good and bad; which one a line reads is not for gmc to say. */
function reportAmbiguous(context: DeriveContext, at: Span, density: string, lines: readonly EstimatedPartition[]): void {
  const last = lines.at(-1);
  const known = estimators.get("ais")?.options ?? [];
  const options = known.flatMap((o) => (last?.options[o.name] === o.value ? [] : [`${o.name} = ${last?.options[o.name]}`])).join(", ");
  const read = lines.find((l) => known.every((o) => l.options[o.name] === last?.options[o.name]));
  report(
    context.diagnostics,
    "GM3619",
    at,
    { density, lines: listed(lines.map((l) => l.name)) },
    {
      label: "reads log Z",
      labels: lines.map((l) => ({ span: l.span, text: "estimates it" })),
      help: [`say which: \`by ais${options === "" ? "" : `(${options})`}\` reads \`${read?.name}\``, "or leave one line"],
    },
  );
}

/** What is measured at the data: latents that are drawn before the energy have no values there. A finding where there are some. */
export function requireDataReads(context: DeriveContext, density: string, at: Span): boolean {
  const index = densityOf(context, density);
  const latent = energyOf(context, density).reads.filter((v) => context.model.variables.get(v)?.role !== "data");
  if (latent.length === 0) return true;
  report(
    context.diagnostics,
    "GM3532",
    at,
    { density, reads: listed(latent) },
    {
      labels: latent.flatMap((v) => {
        const drawn = index.definitions.get(v);
        return drawn ? [{ span: drawn.span, text: `\`${v}\` is drawn here, before the energy` }] : [];
      }),
      help: [
        `exact forms need no estimate: leave out \`ais\`, where the variables of the energy sum out`,
        `or leave out what draws ${listed(latent)}: the energy defines ${latent.length === 1 ? "it" : "them"} too`,
      ],
    },
  );
  return false;
}

/** log Z for each state of `read`, which is drawn before the energy and summed out: exact, since an estimate of each would not be that of the sum. */
export function partitionInSum(
  context: DeriveContext,
  request: EnergyRequest,
  density: string,
  read: string,
  quantity: string,
): PartitionMethod | undefined {
  const analysis = energyOf(context, density);
  const exact = requireExact(context, analysis, {
    quantity,
    span: request.span,
    hidden: analysis.variables,
    choices: [
      `the energy is normalised for each \`${read}\`, which is summed here: leave out the \`~\` of \`${read}\`, and the energy defines it too`,
      `or draw \`${read}\` from a density of its own: \`E[${read} ~ q(${read} | …)](log ${density}(…, ${read}) - log q(${read} | …))\``,
    ],
  });
  if (!exact || !requireBlocks(context, analysis, closedIn(exact), request.span)) return undefined;
  const reason = exact.enumerate.length > 0 ? `summed over ${Math.round(2 ** exact.log2States)} states` : "summed in closed form";
  request.notes.push({ variable: "log Z", density, estimator: "exact", reason: `for each \`${read}\` ${reason}` });
  return exactSum(exact);
}

/** Whether real variables are moved along the gradient. */
function movesReal({ entry }: Chosen): boolean {
  return entry.moves !== undefined;
}

/** Of the variables, those that the sampler must be able to draw at once: with `single_site`, units of discrete ones come one after another. */
function drawnAtOnce(analysis: EnergyAnalysis, names: readonly string[], asked: Chosen): readonly string[] {
  if (movesReal(asked)) return [];
  const isReal = (v: string): boolean => analysis.variable.get(v)?.domain.name === "real";
  return asked.options["sampler"] === "single_site" ? names.filter(isReal) : names;
}

/** What else there is for an energy under conditions: discrete ones may be variables of the energy, and no chains are needed where rows are ranked. */
function conditionChoices(context: DeriveContext, { density, variables, reads }: EnergyAnalysis): readonly string[] {
  const discrete = reads.every((v) => {
    const { name } = context.model.variables.get(v)?.domain ?? {};
    return name === "binary" || name === "category";
  });
  const hidden = (v: string): boolean => context.model.variables.get(v)?.role !== "data";
  const ranked = variables.filter((v) => !hidden(v)).join(", ");
  return [
    ...(discrete
      ? [
          `make ${listed(reads)} part of the energy, \`density ${density}(${[...variables, ...reads].join(", ")})\`, and train \`log ${density}(${ranked}, ${reads.join(", ")})\`: its chains keep ${reads.length === 1 ? "a value" : "values"} of ${reads.length === 1 ? "it" : "them"}`,
        ]
      : []),
    "`by nce` needs no chains: each row is ranked among noise under its own conditions",
  ];
}

function chainMethod(
  context: DeriveContext,
  request: EnergyRequest,
  analysis: EnergyAnalysis,
  given: readonly string[],
  at: ReadonlyMap<string, Expr>,
  note: (estimator: string, reason: string) => void,
): PartitionMethod | undefined {
  const { model } = request.choices;
  if (!model) throw new InternalError("no chain was asked for");
  const { density, variables } = analysis;
  // What the objective has no values of is drawn first, and stands for its conditional mean in the estimate.
  const rest = summable(
    analysis,
    variables.filter((v) => !given.includes(v)),
  );
  const independent = rest.sum.length > 0 && rest.enumerate.length === 0;
  const isReal = (v: string): boolean => analysis.variable.get(v)?.domain.name === "real";
  // Chains that follow the gradient hold all real variables, Normal ones too.
  const first = (independent ? rest.sum : (analysis.sweep[0] ?? [])).filter((v) => !movesReal(model) || !isReal(v));
  const { sum } = summable(analysis, first);
  const start = variables.filter((v) => !sum.includes(v));
  const persistent = model.entry.persistent === true && model.options["start"] !== "data";
  if (!requireBlocks(context, analysis, drawnAtOnce(analysis, variables, model), model.span)) return undefined;
  checkSites(context, analysis, variables, model.options["sampler"], model.span);
  if (movesReal(model) && !start.some(isReal)) {
    report(
      context.diagnostics,
      "GM3529",
      model.span,
      { estimator: model.entry.name, density },
      { help: ["Gibbs sweeps draw all of them: `by pcd(k = 1, chains = 100)`, or `by cd(k = 1)`"] },
    );
    return undefined;
  }
  const place = persistent
    ? "persistent"
    : [...start, ...analysis.reads].every((v) => request.isFreeData(v, at.get(v)))
      ? "rows"
      : "inline";
  const missing = start.filter((v) => !given.includes(v));
  if (!persistent && missing.length > 0) {
    report(
      context.diagnostics,
      "GM3523",
      model.span,
      { estimator: model.entry.name, density, missing: missing.map((v) => `\`${v}\``).join(", ") },
      { notes: ["persistent chains keep values of their own"], help: layeredChoices(analysis, missing) },
    );
    return undefined;
  }
  if (persistent && analysis.reads.length > 0) {
    const reads = analysis.reads.map((v) => `\`${v}\``).join(", ");
    report(
      context.diagnostics,
      "GM3524",
      model.span,
      { density, reads },
      {
        notes: ["chains are kept from step to step, and the rows that they would have to be conditioned on are others in each"],
        help: [
          movesReal(model)
            ? `\`by ${model.entry.name}(start = data, …)\` starts from each row, under its own conditions`
            : "`by cd(k = …)` starts from each row, under its own conditions: its bias falls with k",
          ...conditionChoices(context, analysis),
        ],
      },
    );
    return undefined;
  }
  note(model.text, `its gradient from samples of the model: ${model.entry.doc}`);
  return { kind: "chain", method: model.entry.name, options: model.options, place, sum, start };
}
