/** `gmc sample`, `gmc reconstruct`, `gmc interpolate`: pictures from a trained model. With --json the numbers themselves on stdout. */
import { dirname } from "node:path";
import type { SplitName } from "../../runtime/data/dataset.js";
import type { ChainStart } from "../../runtime/eval/chain.js";
import type { RowsByName, TrainedSession } from "../../runtime/eval/session.js";
import { makeFolder, writeFileAtomic } from "../../runtime/node/files.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { dataVariables } from "../../runtime/train/context.js";
import { FINE } from "../exit.js";
import type { RunFlags } from "../options.js";
import { json, stdout } from "../output.js";
import { openWorkProgress } from "../run/evaluating.js";
import { drawChains, drawInterpolated, drawReconstructed, drawSamples, pathFor, type NamedDrawing } from "../run/pictures.js";
import { defined } from "../run/settings.js";
import { openTrained } from "../run/trained.js";

export interface PictureFlags extends RunFlags {
  readonly count: number;
  readonly split?: SplitName;
}

export interface SampleFlags extends RunFlags {
  readonly count?: number;
  readonly given?: Readonly<Record<string, number | "data">>;
  readonly temperature?: number;
  readonly sweeps?: number;
  readonly start?: ChainStart;
  readonly every?: number;
}

export interface InterpolateFlags extends PictureFlags {
  readonly points: number;
  readonly path: "linear" | "spherical";
}

interface Shown {
  readonly drawings: readonly NamedDrawing[];
  /** For --json. */
  readonly rows: Readonly<Record<string, RowsByName>>;
}

export function sampleCommand(named: string | undefined, flags: SampleFlags): Promise<number> {
  return show(named, flags, async (trained): Promise<Shown> => {
    const { temperature, sweeps, start, every } = flags;
    const count = flags.count ?? (every === undefined ? 64 : 10);
    const progress = openWorkProgress(process.stderr, flags.json);
    const samples = await trained.sample(count, {
      ...defined({ temperature, sweeps, start, every }),
      given: heldValues(trained, count, flags.given ?? {}),
      onProgress: (done, total) => progress.report({ what: "sweeps", done, total }),
    });
    progress.done();
    if (flags.json) {
      const { values, means, frames } = samples;
      const steps = (frames ?? []).flatMap((f, i) => [[`values at ${i * (every ?? 0)}`, f.values] as const]);
      return { drawings: [], rows: { values, means, ...Object.fromEntries(steps) } };
    }
    return {
      drawings: every === undefined ? await drawSamples(trained, samples, count) : await drawChains(trained, samples.frames ?? []),
      rows: {},
    };
  });
}

/** `y=3` for all rows, `x=data` for the first rows of the data. GM4009 for a name that the model does not have. */
function heldValues(trained: TrainedSession, rows: number, given: Readonly<Record<string, number | "data">>): RowsByName {
  const variables = { ...trained.model.latents, ...dataVariables(trained.model) };
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      const spec = variables[name];
      if (spec === undefined)
        throw new GmcError("GM4009", `${trained.model.name} has no variable \`${name}\``, [`it has: ${Object.keys(variables).join(", ")}`]);
      if (value !== "data") {
        const shape = [rows, ...spec.shape];
        return [name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value) }];
      }
      const found = trained.data(rows)[name];
      if (found === undefined) throw new GmcError("GM4009", `\`${name}\` is no data variable of ${trained.model.name}`);
      return [name, found];
    }),
  );
}

export function reconstructCommand(named: string | undefined, flags: PictureFlags): Promise<number> {
  return show(named, flags, async (trained) => {
    const shown = await trained.reconstruct(flags.count, flags.split === undefined ? {} : { split: flags.split });
    return { drawings: flags.json ? [] : await drawReconstructed(trained, shown), rows: { data: shown.data, shown: shown.shown } };
  });
}

export function interpolateCommand(named: string | undefined, flags: InterpolateFlags): Promise<number> {
  return show(named, flags, async (trained) => {
    const shown = await trained.interpolate(flags.count, flags.points, {
      path: flags.path,
      ...(flags.split === undefined ? {} : { split: flags.split }),
    });
    return {
      drawings: flags.json ? [] : await drawInterpolated(trained, shown.shown, flags.points),
      rows: { data: shown.data, shown: shown.shown },
    };
  });
}

async function show(named: string | undefined, flags: RunFlags, make: (trained: TrainedSession) => Promise<Shown>): Promise<number> {
  const { trained, restored } = await openTrained(named, flags);
  try {
    const { drawings, rows } = await make(trained);
    if (flags.json) {
      const plain = (byName: RowsByName): object =>
        Object.fromEntries(Object.entries(byName).map(([name, r]) => [name, { shape: r.shape, data: Array.from(r.data) }]));
      json({
        run: restored.run.path,
        step: restored.checkpoint.manifest.step,
        ...Object.fromEntries(Object.entries(rows).map(([key, value]) => [key, plain(value)])),
      });
      return FINE;
    }
    if (drawings.length === 0)
      throw new GmcError("GM5311", `${trained.model.name} has no variable that can be drawn`, ["--json prints the numbers"]);
    for (const drawing of drawings) {
      const path = pathFor(drawing, drawings.length, restored.run.path, flags.out);
      makeFolder(dirname(path));
      writeFileAtomic(path, drawing.content);
      stdout(path);
    }
    return FINE;
  } finally {
    trained.close();
  }
}
