/** `gmc sample`, `gmc reconstruct`, `gmc interpolate`: pictures from a trained model. With --json the numbers themselves on stdout. */
import { dirname } from "node:path";
import { commonRows, evaluationSplit, type SplitName } from "../../runtime/data/dataset.js";
import { familiesOf } from "../../runtime/data/families.js";
import { parseNpy } from "../../runtime/data/npy.js";
import { suggestion } from "../../runtime/data/suggest.js";
import type { ChainStart } from "../../runtime/eval/chain.js";
import { circledLatents } from "../../runtime/eval/circled.js";
import {
  conditionsOfWalk,
  drawingSteps,
  generativeOf,
  interpolatesNoise,
  invertsExactly,
  reconstructed,
  walkedLatents,
} from "../../runtime/eval/draw.js";
import { partlyKnown, regionMask, regions } from "../../runtime/eval/known.js";
import type { Rows, RowsByName, TrainedSession } from "../../runtime/eval/session.js";
import { makeFolder, readBytes, writeFileAtomic } from "../../runtime/node/files.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { dataVariables } from "../../runtime/train/context.js";
import { UsageError } from "../errors.js";
import { FINE } from "../exit.js";
import type { RunFlags } from "../options.js";
import { grouped, json, stderr, stdout } from "../output.js";
import { openWorkProgress } from "../run/evaluating.js";
import {
  drawChains,
  drawInterpolated,
  drawReconstructed,
  drawSamples,
  freeStems,
  imageSize,
  placed,
  walkEnds,
  type NamedDrawing,
} from "../run/pictures.js";
import { defined } from "../run/settings.js";
import { openTrained } from "../run/trained.js";
import { sizeOf } from "../../runtime/graph/shape.js";

export interface PictureFlags extends RunFlags {
  readonly count?: number;
  readonly split?: SplitName;
}

export interface SampleFlags extends RunFlags {
  readonly count?: number;
  readonly given?: Readonly<Record<string, number | "data">>;
  readonly temperature?: number;
  readonly sweeps?: number;
  readonly start?: ChainStart;
  readonly every?: number;
  readonly known?: string;
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
  readonly notes?: readonly string[];
}

export function sampleCommand(named: string | undefined, flags: SampleFlags): Promise<number> {
  const readsData = flags.known !== undefined || Object.values(flags.given ?? {}).includes("data");
  if (flags.split !== undefined && !readsData) {
    throw new UsageError("GM5302", "--split chooses rows of the data, and these samples read none", [
      "hold a variable at rows of the data with --given NAME=data, or a part of it with --known",
    ]);
  }
  return show(named, flags, async (trained): Promise<Shown> => {
    const { sweeps, start, every, temperature } = flags;
    const usual = every === undefined && flags.known === undefined ? 64 : 10;
    const count = flags.count ?? (readsData ? Math.min(usual, rowsOf(trained, flags.split)) : usual);
    checkCount(trained, count);
    const known = flags.known === undefined ? undefined : knownEntries(trained, count, flags.known, flags.split);
    const notes: string[] = [];
    const samples = await watched(trained, flags, (onProgress) =>
      trained.sample(count, {
        ...defined({ sweeps, start, every, temperature, known: known?.entries }),
        given: { ...known?.conditions, ...heldValues(trained, count, flags.given ?? {}, flags.split) },
        onProgress,
        onNote: (text) => {
          if (flags.json) notes.push(text);
          else stderr(`note: ${text}`);
        },
      }),
    );
    if (flags.json) {
      const { values, means, frames } = samples;
      const steps = (frames ?? []).map((f, i) => [`values at ${i * (every ?? 0)}`, f.values] as const);
      return { drawings: [], rows: { values, means, ...Object.fromEntries(steps) }, notes };
    }
    if (known !== undefined) {
      return {
        drawings: await drawReconstructed(
          trained,
          { data: known.data, shown: samples.values },
          { stem: "completed", label: "completions" },
        ),
        rows: {},
      };
    }
    return {
      drawings: every === undefined ? await drawSamples(trained, samples, count) : await drawChains(trained, samples.frames ?? []),
      rows: {},
    };
  });
}

/** Draws with a line of progress on stderr, where it takes many steps. */
async function watched<T>(
  { model }: TrainedSession,
  { json: quiet }: RunFlags,
  draw: (onProgress: (done: number, total: number) => void) => Promise<T>,
): Promise<T> {
  const progress = openWorkProgress(process.stderr, quiet);
  try {
    return await draw((done, total) => progress.report({ what: drawingSteps(model), done, total }));
  } finally {
    progress.done();
  }
}

/** Rows that are drawn at once, and the numbers that they may hold: a few GB with what a graph holds between. */
const MOST_ROWS = 1_000_000;
const MOST_NUMBERS = 2 ** 26;

/** GM4008 for more rows than are drawn at once. */
function checkCount({ model }: TrainedSession, count: number): void {
  const variables = Object.values({ ...dataVariables(model), ...model.latents });
  const width = variables.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const most = Math.min(MOST_ROWS, Math.floor(MOST_NUMBERS / Math.max(1, width)));
  if (count > most)
    throw new GmcError("GM4008", `--count is at most ${grouped(most)} here, found ${grouped(count)}: all rows are drawn at once`, [
      "draw fewer, several times over, each time with another --seed",
    ]);
}

interface KnownEntries {
  /** The rows of the data. */
  readonly data: RowsByName;
  readonly entries: { readonly variable: string; readonly values: Rows; readonly mask: Rows };
  /** What the density is conditioned on, of the same rows. */
  readonly conditions: RowsByName;
}

/** Entries of the first rows of a split, as a region or a file of a mask says. GM4009 where no data are drawn entry by entry or by a chain, GM4030 for a mask of another size. */
function knownEntries(trained: TrainedSession, rows: number, region: string, split: SplitName | undefined): KnownEntries {
  const density = generativeOf(trained.model);
  const data = trained.data(rows, split);
  const variable = partlyKnown(density).findLast((s) => data[s.variable] !== undefined)?.variable;
  const values = variable === undefined ? undefined : data[variable];
  if (variable === undefined || values === undefined)
    throw new GmcError("GM4009", `${density.label} draws no data entry by entry, nor by a chain: it takes no \`known\``, [
      "an autoregressive density does, such as one of a masked net, and one with an energy, but for counts",
    ]);
  const event = values.shape.slice(1);
  const size = sizeOf(event);
  const named = regions.find((name) => name === region);
  if (named === undefined && !/[./\\]/.test(region))
    throw new GmcError("GM4030", `--known takes ${regions.join(", ")}, or an .npy file, found ${region}`, suggestion(region, regions));
  const mask =
    named === undefined
      ? parseNpy({ path: region, bytes: readBytes(region) }).data
      : regionMask(event, named, imageSize(trained, variable));
  if (mask.length !== size && mask.length !== size * rows)
    throw new GmcError("GM4030", `the mask ${region} holds ${mask.length} numbers, and a row of \`${variable}\` has ${size}`, [
      `a mask is of one row, or of all ${rows} rows`,
    ]);
  const full = Float32Array.from({ length: size * rows }, (_, i) => mask[i % mask.length] ?? 0);
  const conditions = Object.fromEntries(density.given.flatMap((name) => (data[name] === undefined ? [] : [[name, data[name]]])));
  return { data, entries: { variable, values, mask: { shape: values.shape, data: full } }, conditions };
}

/**
 * `y=3` for all rows, `x=data` for the first rows of the data, of a family for each of its variables. Beside rows of the data the density's conditions
 * are those of the same rows where nothing else is told: latents of a row are those under its own label. GM4009 for a name that the model does not have.
 */
function heldValues(
  trained: TrainedSession,
  rows: number,
  given: Readonly<Record<string, number | "data">>,
  split: SplitName | undefined,
): RowsByName {
  const variables = { ...trained.model.latents, ...dataVariables(trained.model) };
  const families = familiesOf(variables);
  const membersOf = (name: string): readonly string[] | undefined =>
    Object.hasOwn(variables, name) ? undefined : families.find((family) => family.name === name)?.members;
  // a member that is named goes before its family, whichever stands first
  const [whole, single] = [true, false].map((ofFamily) =>
    Object.entries(given).filter(([name]) => (membersOf(name) !== undefined) === ofFamily),
  );
  const held = [...(whole ?? []), ...(single ?? [])].flatMap(([name, value]) =>
    (membersOf(name) ?? [name]).map((member) => [member, value] as const),
  );
  const ofRows = Object.values(given).includes("data") ? generativeOf(trained.model).given : [];
  const conditions = ofRows.filter((name) => Object.hasOwn(dataVariables(trained.model), name)).map((name) => [name, "data"] as const);
  return Object.fromEntries(
    Object.entries(Object.fromEntries([...conditions, ...held])).map(([name, value]) => {
      const spec = variables[name];
      if (spec === undefined)
        throw new GmcError("GM4009", `${trained.model.name} has no variable \`${name}\``, [`it has: ${Object.keys(variables).join(", ")}`]);
      if (value !== "data") {
        const shape = [rows, ...spec.shape];
        return [name, { shape, data: new Float32Array(sizeOf(shape)).fill(value) }];
      }
      const found = trained.data(rows, split)[name];
      if (found === undefined) throw new GmcError("GM4009", `\`${name}\` is no data variable of ${trained.model.name}`);
      return [name, found];
    }),
  );
}

/** Rows of a split, at least one: of a split that is not there the session says so. */
function rowsOf({ dataset }: TrainedSession, split = evaluationSplit(dataset)): number {
  return Math.max(1, commonRows(dataset, split));
}

export function reconstructCommand(named: string | undefined, flags: PictureFlags): Promise<number> {
  return show(named, flags, async (trained) => {
    const { model } = trained;
    const [others, exact] = [reconstructed(model), generativeOf(model).head.filter((name) => invertsExactly(model, name))];
    if (!flags.json && exact.length > 0)
      stderr(
        `note: ${model.name} has the exact inverse of its flow: what it makes of ${others.length === 0 ? "rows" : exact.map((name) => `\`${name}\``).join(", ")} are the rows, but for rounding`,
      );
    const count = flags.count ?? Math.min(32, rowsOf(trained, flags.split));
    const shown = await watched(trained, flags, (onProgress) =>
      trained.reconstruct(count, { split: flags.split ?? evaluationSplit(trained.dataset), onProgress }),
    );
    return { drawings: flags.json ? [] : await drawReconstructed(trained, shown), rows: { data: shown.data, shown: shown.shown } };
  });
}

export function interpolateCommand(named: string | undefined, flags: InterpolateFlags): Promise<number> {
  return show(named, flags, async (trained) => {
    const pairs = flags.count ?? Math.max(1, Math.min(8, Math.floor(rowsOf(trained, flags.split) / 2)));
    const shown = await watched(trained, flags, (onProgress) =>
      trained.interpolate(pairs, flags.points, { path: flags.path, split: flags.split ?? evaluationSplit(trained.dataset), onProgress }),
    );
    if (!flags.json && interpolatesNoise(trained.model))
      stderr(`note: ${walkEnds(trained.model)}: no density of ${trained.model.name} infers latents from data`);
    const conditions = conditionsOfWalk(trained.model);
    if (!flags.json && conditions !== undefined) stderr(`note: from one row to the other, ${conditions}`);
    const along = flags.path === "linear" ? [] : alongLines(trained.model);
    if (!flags.json && along.length > 0)
      stderr(
        `note: ${along.map((name) => `\`${name}\``).join(", ")} along the line: not drawn from a Normal around 0, the draws lie about no sphere`,
      );
    return {
      drawings: flags.json ? [] : await drawInterpolated(trained, shown.shown, flags.points),
      rows: { data: shown.data, shown: shown.shown },
    };
  });
}

/** Latents of a walk that have no great circle. */
function alongLines(model: TrainedSession["model"]): readonly string[] {
  const circled = circledLatents(model);
  return walkedLatents(model).filter((name) => !circled.includes(name));
}

async function show(named: string | undefined, flags: RunFlags, make: (trained: TrainedSession) => Promise<Shown>): Promise<number> {
  const { trained, restored } = await openTrained(named, flags);
  try {
    const { drawings, rows, notes = [] } = await make(trained);
    if (flags.json) {
      const plain = (byName: RowsByName): object =>
        Object.fromEntries(Object.entries(byName).map(([name, r]) => [name, { shape: r.shape, data: Array.from(r.data) }]));
      json({
        run: restored.run.path,
        step: restored.checkpoint.manifest.step,
        ...Object.fromEntries(Object.entries(rows).map(([key, value]) => [key, plain(value)])),
        ...(notes.length === 0 ? {} : { notes }),
      });
      return FINE;
    }
    if (drawings.length === 0)
      throw new GmcError("GM5311", `no variable of ${trained.model.name} makes a picture of this kind`, ["--json prints the numbers"]);
    for (const { path, drawing } of placed(freeStems(drawings, restored.run.path, flags.out), restored.run.path, flags.out)) {
      makeFolder(dirname(path));
      writeFileAtomic(path, drawing.content);
      stdout(path);
    }
    return FINE;
  } finally {
    trained.close();
  }
}
