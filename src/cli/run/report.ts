/** Results as a person reads them: each number with its standard error and what it is, then the protocol. */
import picocolors from "picocolors";
import type { GradientSpread, GradientVariance } from "../../runtime/eval/gradient-variance.js";
import { noiseText } from "../../runtime/eval/density-units.js";
import { type DensityVariable, FEW, type Evaluation, type Result, type ReverseProtocol } from "../../runtime/eval/protocol.js";
import { duration, grouped, table } from "../output.js";
import { number } from "../progress.js";

export function printEvaluation(evaluation: Evaluation, color: boolean): string {
  const c = picocolors.createColors(color);
  const { protocol } = evaluation;
  const row = (name: string, r: Result): readonly string[] => [
    name,
    Number.isInteger(r.value) && r.unit !== "" && r.standardError === null && r.detail ? String(r.value) : number(r.value),
    r.standardError === null ? "" : `± ${number(r.standardError)}`,
    r.unit,
    [
      r.label === name ? "" : r.label,
      r.bound ?? "",
      ordersDetail(r),
      r.classifier ? "" : detailOf(r),
      rowsDetail(r),
      ...densityDetail(r),
      ...partitionDetail(name, r),
    ]
      .filter((part) => part !== "")
      .join(", "),
  ];
  const metrics = Object.entries(evaluation.metrics).flatMap(([name, r]) => [
    row(name, r),
    ...judgeLines(r).map((text) => ["", "", "", "", text]),
  ]);
  const terms = Object.entries(evaluation.terms).map(([name, r]) => row(name, r));
  const reconstruction = Object.values(evaluation.reconstruction).map((r) => row(r.label, r));
  const none = metrics.length > 0 ? [] : [`  no metric: ${protocol.model} has no \`evaluate\` block`];
  const all = table([...metrics, ...terms, ...reconstruction], [1]).split("\n");
  const head = `${c.bold(protocol.model)} on ${protocol.dataset}, ${protocol.split}, ${grouped(protocol.rows)} rows`;
  const lines = all.filter((line) => line !== "").map((line, i) => `  ${i < metrics.length ? c.bold(line) : line}`);
  const facts = `seed ${protocol.seed}, engine ${protocol.engine}${protocol.ema ? ", averaged weights" : ""}, step ${grouped(protocol.step)}, ${duration(evaluation.seconds)}`;
  const warnings = evaluation.warnings.map((text) => `  ${c.yellow("warning")}: ${text}`);
  const gradients = (evaluation.gradients ?? []).flatMap(gradientLines);
  return [
    head,
    ...none,
    ...lines,
    ...gradients,
    ...warnings,
    ...protocol.data.map((line) => c.dim(`  data: ${line}`)),
    ...protocol.densities.map((line) => c.dim(`  density: ${line}`)),
    c.dim(`  ${facts}`),
  ].join("\n");
}

/** `gradient of ELBO(p, q): variance 3.2 ± 0.1, squared mean 0.8; 100 draws, batch of 100` and a line for each part. */
function gradientLines({ label, all, of, draws, batch }: GradientVariance): readonly string[] {
  const spread = ({ variance, standardError, squaredMean }: GradientSpread): string =>
    `variance ${number(variance)}${standardError === null ? "" : ` ± ${number(standardError)}`}, squared mean ${number(squaredMean)}`;
  if (draws === 1) return [`  gradient of ${label}: draws no noise`];
  const parts = Object.entries(of);
  return [
    `  gradient of ${label}: ${spread(all)}; ${grouped(draws)} draws, a batch of ${grouped(batch)} training rows`,
    ...(parts.length > 1 ? parts.map(([path, part]) => `    ${path}: ${spread(part)}`) : []),
  ];
}

/** `z 12 of 50`, `p 0.31` */
function detailOf(r: Result): string {
  if (!r.detail) return "";
  const { detail } = r;
  const names = Object.keys(detail).filter((name) => !(name.endsWith(" of") && Object.hasOwn(detail, name.slice(0, -3))));
  return names
    .map((name) => {
      const whole = detail[`${name} of`];
      const value = detail[name] ?? NaN;
      return whole === undefined
        ? `${name} ${Number.isInteger(value) && value > 1 ? grouped(value) : number(value)}`
        : `${name} ${detail[name]} of ${whole}`;
    })
    .join(", ");
}

function ordersDetail(r: Result): string {
  return r.orders === undefined ? "" : `p the mean over ${r.orders} orders`;
}

/** Of samples judged by a classifier: what else it found, the classes, and how far to trust it, a line each. */
function judgeLines(r: Result): readonly string[] {
  if (!r.classifier) return [];
  const { net, steps, batch, seed, accuracy, split, rows } = r.classifier;
  const nearest = r.neighbours === undefined ? "" : `; precision and recall by the nearest ${r.neighbours}`;
  const all = Object.entries(r.detail ?? {});
  const part = (classes: boolean): string =>
    detailOf({ ...r, detail: Object.fromEntries(all.filter(([name]) => /^class \d/.test(name) === classes)) });
  return [
    `${part(false)}${nearest}`,
    `classes: ${part(true).replaceAll("class ", "")}`,
    `by a classifier (${net}; ${grouped(steps)} steps of ${batch} rows, seed ${seed}) that is right on ${(100 * accuracy).toFixed(1)} % of ${grouped(rows)} ${split} rows`,
  ];
}

function rowsDetail(r: Result): string {
  const given = r.conditions;
  if (given !== undefined)
    return `${grouped(r.rows ?? given.rows)} rows by chance, samples given ${given.variables.join(" and ")} of ${grouped(given.rows)} others`;
  if (r.rows === undefined) return "";
  const have = r.have === undefined ? "" : ` that ${r.have.rows === 1 ? "has" : "have"} ${r.have.variables.join(" and ")}`;
  const { wordless } = r;
  const words = wordless && ` with words (${grouped(wordless.rows)} without ${wordless.rows === 1 ? "is" : "are"} left out)`;
  const all = wordless ? wordless.of - wordless.rows : r.have?.rows;
  return `${grouped(r.rows)} ${r.rows === 1 ? "row" : "rows"}${words ?? ""}${have}${all === r.rows ? "" : ", evenly spaced"}`;
}

/** Whether a log-density is one of the values in the file, and what scaling does to it. */
function densityDetail(r: Result): readonly string[] {
  if (r.density === undefined) return [];
  const { of, scaling, variables } = r.density;
  const noises = Object.values(variables).flatMap(({ dequantisation, through = [] }) => [
    ...(dequantisation === undefined ? [] : [noiseDetail(dequantisation)]),
    ...(through.length === 0 ? [] : [`through ${through.join(" and ")}`]),
  ]);
  const change = `${scaling < 0 ? "-" : "+"} ${number(Math.abs(scaling))}`;
  return [
    ...(scaling === 0
      ? []
      : [of === "file" ? `of the values in the file, ${change} for scaling` : `of scaled values; of those in the file ${change}`]),
    ...new Set(noises),
  ];
}

function noiseDetail(noise: NonNullable<DensityVariable["dequantisation"]>): string {
  return noise === "none" ? "whole numbers as points of a density, without dequantisation" : noiseText(noise);
}

/** Of an estimated log Z how far its chains may be trusted; of what rests on one, how much of the error is its own. */
function partitionDetail(name: string, r: Result): readonly string[] {
  return (r.partitions ?? []).map((p) => {
    if (p.effectiveSampleSize === null) return p.name === name ? "" : `with ${p.name} exact`;
    if (p.name !== name) return p.standardError === null ? "" : `± ${number(p.standardError)} of it from ${p.name}`;
    const above = p.reverse ? `, ${reverseDetail(p.reverse, p.chains)}` : "";
    const spaced = p.pilot === undefined ? "" : `temperatures spaced by a pilot run of ${grouped(p.pilot)}, `;
    const { median, few } = p.sampleSizes ?? { median: 0, few: 0 };
    const each = p.sampleSizes
      ? `, at the median ${median.toFixed(1)}, below ${FEW} at ${grouped(few)} of ${grouped(p.conditions)} values of it`
      : "";
    const worst = p.sampleSizes ? " at the worst" : "";
    const visits = p.sampler === "single_site" ? ", units that meet drawn one after another" : "";
    const moved = p.moves ? `, ${p.moves.variables.join(", ")} moved by Hamiltonian trajectories` : "";
    return `${spaced}effective sample size ${p.effectiveSampleSize.toFixed(1)} of ${p.chains ?? 0} chains${worst}${each}${visits}${moved}${above}`;
  });
}

/** The run from the model to the base: the bound above, and what the two leave open. */
function reverseDetail(r: ReverseProtocol, chains: number | null): string {
  const error = r.standardError === null ? "" : ` ± ${number(r.standardError)}`;
  return `upper bound ${number(r.value)}${error} from chains ${grouped(r.sweeps)} sweeps from the data (effective sample size ${r.effectiveSampleSize.toFixed(1)} of ${chains ?? 0}), gap ${number(r.gap)}`;
}
