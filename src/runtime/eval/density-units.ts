/** Whether a measured log-density is one of the values in the file, and what is between; the same in words. */
import { linesOfFamilies } from "../data/families.js";
import type { Dataset } from "../data/dataset.js";
import type { Dequantisation, RowMetric } from "../model.js";
import type { DensityUnits, DensityVariable, Result } from "./protocol.js";

/** undefined where the metric is of probabilities alone, without noise under them. */
export function densityUnits(metric: RowMetric, dataset: Dataset): DensityUnits | undefined {
  let scaling = 0;
  const variables: Record<string, DensityVariable> = {};
  for (const [variable, times] of Object.entries(metric.logDensityOf ?? {})) {
    const column = dataset.streams.map((s) => s.splits.train.columns[variable]).find((each) => each !== undefined);
    const { dequantisation, through } = metric.preparation?.[variable] ?? {};
    scaling += times * (column?.density?.logJacobian ?? 0);
    if (column?.density === undefined && dequantisation === undefined) continue;
    const noise = dequantisation ?? (column?.density?.wholeNumbers === true ? "none" : undefined);
    variables[variable] = {
      preprocessing: column?.density?.preprocessing ?? "values as in the file",
      logJacobian: column?.density?.logJacobian ?? 0,
      ...(noise === undefined ? {} : { dequantisation: noise }),
      ...(through === undefined ? {} : { through }),
    };
  }
  if (Object.keys(variables).length === 0) return undefined;
  return { of: metric.unit.includes("bits") ? "file" : "model", scaling, variables };
}

/** A line for each variable of each density, those that several metrics share once. */
export function densityLines(metrics: Readonly<Record<string, Result>>): readonly string[] {
  const lines = Object.values(metrics).flatMap(({ density }) =>
    Object.entries(density?.variables ?? {}).map(([name, variable]) => `${name}: ${variableText(variable)}`),
  );
  return linesOfFamilies([...new Set(lines)]);
}

/** `uniform dequantisation of 256 levels, to 0.05 + 0.9 (x + u) / 256` */
export function noiseText({ noise, levels, alpha = 0 }: Dequantisation): string {
  const room = alpha === 0 ? "" : `, to ${alpha} + ${Number((1 - 2 * alpha).toPrecision(12))} (x + u) / ${levels}`;
  return `${noise} dequantisation of ${levels} levels${room}`;
}

function variableText({ preprocessing, logJacobian, dequantisation, through = [] }: DensityVariable): string {
  const change = logJacobian === 0 ? "no change of density" : `log |dx/dv| = ${Number(logJacobian.toPrecision(7))} nats a row`;
  const noise =
    dequantisation === undefined
      ? []
      : dequantisation === "none"
        ? ["whole numbers as points of a density, without dequantisation"]
        : [noiseText(dequantisation)];
  const maps = through.length === 0 ? [] : [`then ${through.join(", then ")}`];
  const counted = noise.length + maps.length > 0 && dequantisation !== "none" ? ["their log-Jacobians are part of log p"] : [];
  return [`${preprocessing} (${change})`, ...noise, ...maps, ...counted].join("; ");
}
