/**
 * What the numbers of an evaluation say of each other: none at all, a probability above 1, an upper bound below a lower one, a log Z that one chain decides.
 * Pure: results in, sentences out, each with what to do.
 */
import { FEW, type PartitionProtocol, type Result } from "./protocol.js";

/** Standard errors that two numbers may be apart by chance. */
const CHANCE = 4;

export function warningsOf(metrics: Readonly<Record<string, Result>>): readonly string[] {
  return Object.entries(metrics).flatMap(([name, result]) => [
    ...noNumber(name, result),
    ...impossibleRows(name, result),
    ...(result.partitions ?? []).filter((p) => p.name === name).flatMap((p) => [...contradiction(p), ...openGap(p), ...oneChain(p)]),
  ]);
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
