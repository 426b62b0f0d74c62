/** `gmc sample`, `gmc reconstruct`, `gmc interpolate`: pictures from a trained model. With --json the numbers themselves on stdout. */
import { join } from "node:path";
import type { SplitName } from "../../runtime/data/dataset.js";
import type { RowsByName, TrainedSession } from "../../runtime/eval/session.js";
import { writeFileAtomic } from "../../runtime/node/files.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { FINE } from "../exit.js";
import type { RunFlags } from "../options.js";
import { json, stdout } from "../output.js";
import { drawInterpolated, drawReconstructed, drawSamples, type NamedDrawing } from "../run/pictures.js";
import { openTrained } from "../run/trained.js";

export interface PictureFlags extends RunFlags {
  readonly count: number;
  readonly split?: SplitName;
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

export function sampleCommand(named: string | undefined, flags: PictureFlags): Promise<number> {
  return show(named, flags, async (trained): Promise<Shown> => {
    if (flags.json) {
      const { values, means } = await trained.sample(flags.count);
      return { drawings: [], rows: { values, means } };
    }
    return { drawings: await drawSamples(trained, flags.count), rows: {} };
  });
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

async function show(named: string | undefined, flags: PictureFlags, make: (trained: TrainedSession) => Promise<Shown>): Promise<number> {
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
      writeFileAtomic(path, drawing.content);
      stdout(path);
    }
    return FINE;
  } finally {
    trained.close();
  }
}

/** GM5311 where --out asks for a kind of file that this is not. */
function pathFor(drawing: NamedDrawing, count: number, folder: string, out: string | undefined): string {
  if (out === undefined) return join(folder, `${drawing.stem}.${drawing.extension}`);
  const match = /\.(\w+)$/.exec(out);
  if (match !== null && match[1] !== drawing.extension) {
    throw new GmcError("GM5311", `${out}: this is drawn as .${drawing.extension}`, [
      `--out ${out.slice(0, match.index)}.${drawing.extension}`,
    ]);
  }
  const stem = match === null ? out : out.slice(0, match.index);
  return `${count > 1 ? `${stem}-${drawing.stem}` : stem}.${drawing.extension}`;
}
