/** Pictures of a run. */
import type { TrainedSession } from "../../runtime/eval/session.js";
import type { MetricRow } from "../../runtime/node/metrics.js";
import type { RunFolder } from "../../runtime/node/run-folder.js";

export async function drawClosingPictures(
  _trained: TrainedSession,
  _folder: RunFolder,
  _rows: readonly MetricRow[],
  _log: (text: string) => void,
): Promise<void> {
  await Promise.resolve();
}
