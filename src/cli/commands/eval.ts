/** `gmc eval`: measures a trained model by its protocol, or with other numbers of draws, another split or number of rows. */
import type { SplitName } from "../../runtime/data/dataset.js";
import { FINE, INTERRUPTED } from "../exit.js";
import { onInterrupt } from "../interrupt.js";
import type { MeasureFlags, RunFlags } from "../options.js";
import { colors, json, stderr, stdout } from "../output.js";
import { openWorkProgress } from "../run/evaluating.js";
import { describeEngine, peakMemory } from "../run/open.js";
import { printEvaluation } from "../run/report.js";
import { defined, measureSettings } from "../run/settings.js";
import { openTrained } from "../run/trained.js";
import { unusedMeasures } from "../run/unused.js";

interface EvalFlags extends RunFlags, MeasureFlags {
  readonly split?: SplitName;
  readonly rows?: number;
  readonly metric?: readonly string[];
  readonly gradients?: number;
}

export async function evalCommand(named: string | undefined, flags: EvalFlags): Promise<number> {
  const { batch, ...others } = flags;
  const { trained, restored } = await openTrained(named, others);
  if (!flags.json)
    [`run ${restored.run.path}`, describeEngine(restored.opened.picked), ...unusedMeasures(trained.model, flags, flags.metric)].forEach(
      stderr,
    );
  const interrupt = onInterrupt("stopping");
  const progress = openWorkProgress(process.stderr, flags.json);
  try {
    const evaluation = await trained.evaluate({
      ...defined({
        ...measureSettings(flags, restored.settings),
        split: flags.split,
        rows: flags.rows,
        batch,
        // neither the terms of the objective nor reconstructions are among what was asked for
        ...(flags.metric === undefined ? {} : { metrics: flags.metric, terms: false, reconstruction: false }),
        gradients: flags.gradients,
      }),
      signal: interrupt.signal,
      onProgress: progress.report,
    });
    progress.done();
    if (flags.json) json({ run: restored.run.path, ...evaluation, peakMemoryBytes: peakMemory() });
    else stdout(printEvaluation(evaluation, colors(process.stdout)));
    return FINE;
  } catch (error) {
    progress.done();
    if (interrupt.ended(error)) return INTERRUPTED;
    throw error;
  } finally {
    interrupt.release();
    trained.close();
  }
}
