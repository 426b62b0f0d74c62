/** Whether a measured log-density is one of the values in the file, and what is between. */
import type { Dataset } from "../data/dataset.js";
import type { RowMetric } from "../model.js";
import type { DensityUnits } from "./protocol.js";

/** undefined where densities are those of the file as they are, and no whole numbers among them. */
export function densityUnits(metric: RowMetric, dataset: Dataset): DensityUnits | undefined {
  let scaling = 0;
  let whole = false;
  for (const [variable, times] of Object.entries(metric.logDensityOf ?? {})) {
    const column = dataset.streams.map((s) => s.splits.train.columns[variable]).find((each) => each !== undefined);
    scaling += times * (column?.logJacobian ?? 0);
    whole ||= column?.wholeNumbers === true;
  }
  if (scaling === 0 && !whole) return undefined;
  return { of: metric.unit.startsWith("bits") ? "file" : "model", scaling, ...(whole ? { dequantisation: "none" } : {}) };
}
