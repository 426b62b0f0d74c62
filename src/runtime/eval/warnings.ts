/**
 * What the numbers of an evaluation say of each other: none at all, a probability above 1, an upper bound below a lower one, a log Z that one chain decides.
 * Pure: results in, sentences out, each with what to do.
 */
import type { ModelDefinition } from "../model.js";
import { FEW, type PartitionProtocol, type Result } from "./protocol.js";

/** Standard errors that two numbers may be apart by chance. */
const CHANCE = 4;

/** `parts`: terms of what is trained and errors of reconstructions, which are shown beside the metrics. */
export function warningsOf(
  metrics: Readonly<Record<string, Result>>,
  parts: readonly Readonly<Record<string, Result>>[] = [],
): readonly string[] {
  const told = Object.entries(metrics).flatMap(([name, result]) => [
    ...noNumber(name, result),
    ...impossibleRows(name, result),
    ...(result.partitions ?? []).filter((p) => p.name === name).flatMap((p) => [...contradiction(p), ...openGap(p), ...oneChain(p)]),
  ]);
  const lost = parts.flatMap((part) => Object.entries(part).flatMap(([name, { value }]) => (Number.isNaN(value) ? [name] : [])));
  if (lost.length === 0) return told;
  const only = lost.length === 1 ? "is" : "are";
  return [
    ...told,
    `${[...new Set(lost)].join(", ")} ${only} no number, because ${lost.length === 1 ? "that" : "those"} of some row ${only} none: look for weights that are not finite, a scale of 0, a logarithm of 0 or less, and a flow whose Jacobian has the determinant 0`,
  ];
}

/** What infers latents with weights that nothing trains says nothing of the model. */
export function untrainedInference({ densities, untrained, inference }: ModelDefinition): readonly string[] {
  const label = untrained === undefined ? undefined : densities[untrained]?.label;
  if (label === undefined) return [];
  const shown =
    inference === untrained
      ? "reconstructions, their errors and what is interpolated go through it nevertheless"
      : "reconstructions and what is interpolated take the exact posterior of the latents in its place, and measures that draw from it say nothing";
  return [`no statement trains ${label}, whose weights are those that it began with: ${shown}`];
}

function noNumber(name: string, { value, unmeasured }: Result): readonly string[] {
  if (!Number.isNaN(value)) return [];
  const which = unmeasured
    ? `${unmeasured.rows} of ${unmeasured.of} rows ${unmeasured.rows === 1 ? "is" : "are"} none, the first of them row ${unmeasured.first}`
    : "some row is none";
  return [`${name} is no number, because that of ${which}: look for rows that it does not measure, and for weights that are not finite`];
}

function impossibleRows(name: string, { impossible, unit, partitions = [], standardError }: Result): readonly string[] {
  if (!impossible) return [];
  const { rows, of, most } = impossible;
  const error = Math.hypot(...partitions.map((p) => p.standardError ?? 0));
  const chance = unit === "nats" ? CHANCE * error : CHANCE * (standardError ?? 0);
  if (most <= chance) return [];
  const read = partitions.map((p) => p.name).join(", ");
  const short = unit === "nats" ? ` by ${most.toFixed(1)} nats or more` : "";
  return [
    `${name} is impossible: ${percent(rows / of)} of the rows have a probability above 1, so ${read} is too low${short}. ` +
      `Annealed chains missed a part of the model. ${remedy(partitions)}; until then take no likelihood from it`,
  ];
}

function remedy(partitions: readonly PartitionProtocol[]): string {
  const asked = partitions.some((p) => p.reverse);
  return `More --temperatures and --chains may find it${asked ? "" : ", and `reverse = 1000` in `ais(…)` shows how much is open"}`;
}

function contradiction(p: PartitionProtocol): readonly string[] {
  if (!p.reverse) return [];
  const error = Math.hypot(p.standardError ?? 0, p.reverse.standardError ?? 0);
  if (p.reverse.gap >= -CHANCE * error) return [];
  return [
    `${p.name}: the upper bound lies ${(-p.reverse.gap).toFixed(1)} nats below the lower one, which cannot be: after ${p.reverse.sweeps} sweeps the chains ` +
      "of the reverse run are not yet samples of the model. More sweeps, `reverse = …`, bring them closer",
  ];
}

function openGap(p: PartitionProtocol): readonly string[] {
  if (!p.reverse) return [];
  const error = Math.hypot(p.standardError ?? 0, p.reverse.standardError ?? 0);
  if (p.reverse.gap <= Math.max(1, CHANCE * error)) return [];
  return [
    `${p.name} is not known better than to ${p.reverse.gap.toFixed(1)} nats, the gap between its bounds, whatever its standard error says: ` +
      "more --temperatures and --chains close it",
  ];
}

function oneChain(p: PartitionProtocol): readonly string[] {
  if (p.effectiveSampleSize === null || p.chains === null || p.chains < 10 || p.effectiveSampleSize >= FEW) return [];
  const where = p.sampleSizes ? ` at the worst, and less than ${FEW} at ${p.sampleSizes.few} of its ${p.conditions} values` : "";
  return [
    `${p.name}: of ${p.chains} chains the weights are worth ${p.effectiveSampleSize.toFixed(1)}${where}, so that one decides the number and ` +
      `its standard error means little: more --temperatures${p.pilot === undefined ? ", or `pilot = 200` in `ais(…)` to space them" : ""}`,
  ];
}

function percent(share: number): string {
  return share >= 0.1 ? `${Math.round(100 * share)} %` : `${(100 * share).toPrecision(2)} %`;
}
