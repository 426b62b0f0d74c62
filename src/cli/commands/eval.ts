/** `gmc eval`: measures a trained model by its protocol, or with another k, split or number of rows. */
import type { SplitName } from "../../runtime/data/dataset.js";
import { FINE, INTERRUPTED } from "../exit.js";
import { onInterrupt } from "../interrupt.js";
import type { RunFlags } from "../options.js";
import { colors, json, stderr, stdout } from "../output.js";
import { describeEngine, peakMemory } from "../run/open.js";
import { printEvaluation } from "../run/report.js";
import { defined } from "../run/settings.js";
import { openTrained } from "../run/trained.js";

interface EvalFlags extends RunFlags {
  readonly k?: number;
  readonly split?: SplitName;
  readonly rows?: number;
  readonly metric?: readonly string[];
}

export async function evalCommand(named: string | undefined, flags: EvalFlags): Promise<number> {
  const { batch, ...others } = flags;
  const { trained, restored } = await openTrained(named, others);
  if (!flags.json) stderr(describeEngine(restored.opened.picked));
  const interrupt = onInterrupt("stopping");
  const live = process.stderr.isTTY === true && !flags.json;
  try {
    const began = performance.now();
    const evaluation = await trained.evaluate({
      ...defined({ k: flags.k ?? restored.settings.k, split: flags.split, rows: flags.rows, batch, metrics: flags.metric }),
      signal: interrupt.signal,
      onProgress: (done, rows) => {
        if (!live) return;
        const left = ((performance.now() - began) / 1000 / done) * (rows - done);
        process.stderr.write(`\r${done}/${rows} rows, ${left.toFixed(0)} s left   `);
      },
    });
    if (live) process.stderr.write("\r".padEnd(40) + "\r");
    if (flags.json) json({ run: restored.run.path, ...evaluation, peakMemoryBytes: peakMemory() });
    else stdout(printEvaluation(evaluation, colors(process.stdout)));
    return FINE;
  } catch (error) {
    if (interrupt.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    interrupt.release();
    trained.close();
  }
}
