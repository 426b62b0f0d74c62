/** Results as a person reads them: each number with its standard error and what it is, then the protocol. */
import picocolors from "picocolors";
import type { Evaluation, Result, ReverseProtocol } from "../../runtime/eval/protocol.js";
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
    [r.label === name ? "" : r.label, r.bound ?? "", detailOf(r), rowsDetail(r), ...densityDetail(r), ...partitionDetail(name, r)]
      .filter((part) => part !== "")
      .join(", "),
  ];
  const metrics = Object.entries(evaluation.metrics).map(([name, r]) => row(name, r));
  const terms = Object.entries(evaluation.terms).map(([name, r]) => row(name, r));
  const reconstruction = Object.values(evaluation.reconstruction).map((r) => row(r.label, r));
  const all = table([...metrics, ...terms, ...reconstruction], [1]).split("\n");
  const head = `${c.bold(protocol.model)} on ${protocol.dataset}, ${protocol.split}, ${grouped(protocol.rows)} rows`;
  const lines = all.map((line, i) => `  ${i < metrics.length ? c.bold(line) : line}`);
  const facts = `seed ${protocol.seed}, engine ${protocol.engine}${protocol.ema ? ", averaged weights" : ""}, step ${grouped(protocol.step)}, ${duration(evaluation.seconds)}`;
  const warnings = evaluation.warnings.map((text) => `  ${c.yellow("warning")}: ${text}`);
  return [head, ...lines, ...warnings, ...protocol.data.map((line) => c.dim(`  data: ${line}`)), c.dim(`  ${facts}`)].join("\n");
}

/** `z 12 of 50`, `p 0.31` */
function detailOf(r: Result): string {
  if (!r.detail) return "";
  const { detail } = r;
  const names = Object.keys(detail).filter((name) => !(name.endsWith(" of") && Object.hasOwn(detail, name.slice(0, -3))));
  return names
    .map((name) => {
      const whole = detail[`${name} of`];
      return whole === undefined ? `${name} ${number(detail[name] ?? NaN)}` : `${name} ${detail[name]} of ${whole}`;
    })
    .join(", ");
}

function rowsDetail(r: Result): string {
  return r.rows === undefined ? "" : `${grouped(r.rows)} rows, evenly spaced`;
}

/** Whether a log-density is one of the values in the file, and what scaling does to it. */
function densityDetail(r: Result): readonly string[] {
  if (r.density === undefined) return [];
  const { of, scaling, dequantisation } = r.density;
  const change = `${scaling < 0 ? "-" : "+"} ${number(Math.abs(scaling))}`;
  return [
    ...(scaling === 0
      ? []
      : [of === "file" ? `of the values in the file, ${change} for scaling` : `of scaled values; of those in the file ${change}`]),
    ...(dequantisation === undefined ? [] : ["whole numbers as points of a density, without dequantisation"]),
  ];
}

/** Of an estimated log Z how far its chains may be trusted; of what rests on one, how much of the error is its own. */
function partitionDetail(name: string, r: Result): readonly string[] {
  return (r.partitions ?? []).map((p) => {
    if (p.effectiveSampleSize === null) return p.name === name ? "" : `with ${p.name} exact`;
    if (p.name !== name) return p.standardError === null ? "" : `± ${number(p.standardError)} of it from ${p.name}`;
    const above = p.reverse ? `, ${reverseDetail(p.reverse, p.chains)}` : "";
    const each = p.conditions > 1 ? `, ${grouped(p.conditions)} values of it, the worst: ` : "";
    const visits = p.sampler === "single_site" ? ", units that meet drawn one after another" : "";
    return `${each}effective sample size ${p.effectiveSampleSize.toFixed(1)} of ${p.chains ?? 0} chains${visits}${above}`.replace(
      /^, /,
      "",
    );
  });
}

/** The run from the model to the base: the bound above, and what the two leave open. */
function reverseDetail(r: ReverseProtocol, chains: number | null): string {
  const error = r.standardError === null ? "" : ` ± ${number(r.standardError)}`;
  return `upper bound ${number(r.value)}${error} from chains ${grouped(r.sweeps)} sweeps from the data (effective sample size ${r.effectiveSampleSize.toFixed(1)} of ${chains ?? 0}), gap ${number(r.gap)}`;
}
