/** `gmc train`: compile, train, evaluate, draw; everything of a run in one folder. */
import { checkTraining, checkTrains } from "../../runtime/training.js";
import { carriedByModel } from "../../runtime/train/carried.js";
import { createRun } from "../../runtime/node/run-folder.js";
import { printDiagnostics } from "../errors.js";
import { importModel } from "../load-model.js";
import { modelOptions } from "../model-options.js";
import type { MeasureFlags, RunFlags } from "../options.js";
import { stderr } from "../output.js";
import { unmeasured } from "../run/measurable.js";
import { openRun, versions } from "../run/open.js";
import { resolveSettings } from "../run/settings.js";
import { runTraining } from "../run/training.js";
import { unusedMeasures, unusedSweeps } from "../run/unused.js";
import { compileOrFail, type Loaded } from "../sources.js";

interface TrainFlags extends RunFlags, MeasureFlags {
  /** Of a file with several. */
  readonly model?: string;
  readonly eval?: boolean;
  readonly sweeps?: number;
}

export async function trainCommand(file: string, flags: TrainFlags): Promise<number> {
  const options = await modelOptions(file, flags);
  const compiled = compileOrFail(file, options);
  if (!flags.json) printDiagnostics(compiled.diagnostics, false);
  const js = compiled.print("js");
  const definition = await importModel(js);
  checkTrains(definition);
  const { settings, runs } = await resolveSettings(file, flags, compiled.derived?.model.streams.length === 0);
  const opened = await openRun(definition, settings, {
    json: flags.json,
    resizeHelp: (variable, shape) => otherSizes(compiled, variable, shape),
  });
  const { model, dataset, picked } = opened;
  if (!flags.json) [...unusedMeasures(model, flags), ...unusedSweeps(model, flags.sweeps)].forEach(stderr);
  if (!flags.json && flags.eval !== false) unmeasured(compiled, model, options).forEach(stderr);
  try {
    checkTraining(model, dataset, settings);
  } catch (error) {
    opened.session.dispose();
    throw error;
  }
  const carried = carriedByModel(model);
  const folder = createRun(
    { name: file.split(/[\\/]/).at(-1)?.replace(/\.gm$/, "") ?? model.name, out: flags.out, root: runs },
    {
      model: {
        name: model.name,
        sha256: model.source.sha256,
        hyperparameters: model.hyperparameters,
        ...(Object.keys(carried).length === 0 ? {} : { carried }),
      },
      settings,
      data: dataset.provenance,
      engine: { name: picked.engine.name, detail: picked.info.detail, why: picked.why },
      versions: versions(),
    },
    { "model.gm": compiled.file.text, "model.gm.js": js },
  );
  return runTraining({ opened, settings, folder, evaluate: flags.eval !== false, json: flags.json === true, sweeps: flags.sweeps });
}

/** `--set D=4`, where a hyperparameter alone is the size; else how the size is written. */
function otherSizes({ derived }: Loaded, variable: string, shape: readonly number[]): readonly string[] {
  const model = derived?.model;
  const found = (model?.variables.get(variable)?.domain.shape ?? []).flatMap(({ size, text }, i) =>
    shape[i] === undefined || shape[i] === size ? [] : [{ text, found: shape[i] }],
  );
  // a side of a square stands twice
  const sizes = found.filter((s, i) => found.findIndex((o) => o.text === s.text && o.found === s.found) === i);
  const alone = (text: string): boolean => model?.hyper.some((h) => h.name === text) ?? false;
  if (sizes.every(({ text }) => alone(text)))
    return [`${sizes.map(({ text, found }) => `--set ${text}=${found}`).join(" ")} makes the model take rows of that shape`];
  return [
    `in the model ${sizes.map(({ text, found }) => `${/^\d+$/.test(text) ? `the size ${text}` : `\`${text}\``} would have to be ${found}`).join(", ")}`,
  ];
}
