/**
 * Pictures of a run: samples, reconstructions, interpolations by variable, and the curve of its losses.
 */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { commonRows, evaluationSplit } from "../../runtime/data/dataset.js";
import { circledLatents } from "../../runtime/eval/circled.js";
import {
  canReconstruct,
  continuous,
  generativeOf,
  interpolatesNoise,
  invertsExactly,
  reconstructed,
  walkedLatents,
} from "../../runtime/eval/draw.js";
import { positionsOf } from "../../runtime/eval/sequential.js";
import { directionsOf } from "../../runtime/eval/translate.js";
import type { Reconstructions, RowsByName, SampleOptions, Samples, TrainedSession } from "../../runtime/eval/session.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { drawFilters, filterRows, topicRows } from "../../runtime/node/filters.js";
import type { MetricRow } from "../../runtime/node/metrics.js";
import { columnOf, drawLinked, drawReconstructions, drawRows, drawTurning, lookOf, type Drawing } from "../../runtime/node/pictures.js";
import { drawCurves, drawPlane, planeWindow, type Series } from "../../runtime/node/plots.js";
import { soundFile } from "../../runtime/node/sound-pictures.js";
import { dataVariables } from "../../runtime/train/context.js";
import { grouped } from "../output.js";
import { asSequences, withSequences } from "./sequences.js";
import { STRIP_COLUMNS, type StripRow } from "./strip.js";
import { filterStem, topicsText } from "./units.js";

/** A file to be: its stem, its ending and what it holds. */
export interface NamedDrawing {
  readonly stem: string;
  readonly extension: Drawing["extension"] | "txt" | "wav";
  readonly content: Drawing["content"];
}

export interface PlacedDrawing {
  readonly path: string;
  readonly drawing: NamedDrawing;
}

/**
 * Where drawings go. A file name with an ending takes that form of each drawing (of sound the picture or the wave file), one without all forms; of
 * several drawings each adds its stem. GM5311, before anything is written, where a drawing has no form of this ending.
 */
export function placed(drawings: readonly NamedDrawing[], folder: string, out: string | undefined): readonly PlacedDrawing[] {
  if (out === undefined || /[\\/]$/.test(out) || statSync(out, { throwIfNoEntry: false })?.isDirectory())
    return drawings.map((drawing) => ({ path: join(out ?? folder, `${drawing.stem}.${drawing.extension}`), drawing }));
  const match = /\.(\w+)$/.exec(out);
  const name = match === null ? out : out.slice(0, match.index);
  const stems = [...new Set(drawings.map(({ stem }) => stem))];
  return stems.flatMap((stem) => {
    const forms = drawings.filter((drawing) => drawing.stem === stem);
    const chosen = match === null ? forms : forms.filter(({ extension }) => extension === match[1]);
    if (chosen.length === 0) {
      const endings = forms.map(({ extension }) => `.${extension}`).join(" and ");
      const shared = forms.filter(({ extension }) =>
        stems.every((other) => drawings.some((each) => each.stem === other && each.extension === extension)),
      );
      throw new GmcError("GM5311", `${out}: ${stems.length === 1 ? "this" : stem} is drawn as ${endings}`, [
        shared.length === 0
          ? `--out ${name} writes each drawing under its own ending`
          : shared.map(({ extension }) => `--out ${name}.${extension}`).join(" or "),
      ]);
    }
    return chosen.map((drawing) => ({ path: `${stems.length > 1 ? `${name}-${stem}` : name}.${drawing.extension}`, drawing }));
  });
}

/**
 * The drawings with stems that are free in the run's folder, where they go unless told: `samples-2` where the run has its own `samples`. All of them
 * take one number. With --out the name is the user's, and stays.
 */
export function freeStems(drawings: readonly NamedDrawing[], folder: string, out: string | undefined): readonly NamedDrawing[] {
  if (out !== undefined) return drawings;
  for (let number = 1; ; number++) {
    const named = drawings.map((d) => (number === 1 ? d : { ...d, stem: `${d.stem}-${number}` }));
    if (named.every((d) => !existsSync(join(folder, `${d.stem}.${d.extension}`)))) return named;
  }
}

/** What there are pictures of: the data, or, of a model without data, what it draws. */
function shownVariables({ model }: TrainedSession): TrainedSession["model"]["latents"] {
  return withSequences(model.streams.length > 0 ? dataVariables(model) : model.latents);
}

/** Pictures are drawn of what has a picture: of categories those that are sound, an image or a sequence, no labels. */
function drawable(trained: TrainedSession, rows: RowsByName): readonly string[] {
  const variables = shownVariables(trained);
  return Object.keys(rows).filter((name) => {
    const spec = variables[name];
    if (spec === undefined || spec.domain !== "category") return spec !== undefined;
    const { kind } = lookFor(trained, name);
    return kind === "sound" || kind === "image" || kind === "lines";
  });
}

/** [height, width] of a variable that is drawn as images, whatever its shape in the model. */
export function imageSize(trained: TrainedSession, name: string): readonly [number, number] | undefined {
  const look = lookFor(trained, name);
  return look.kind === "image" ? [look.shape.height, look.shape.width] : undefined;
}

function lookFor(trained: TrainedSession, name: string): ReturnType<typeof lookOf> {
  const spec = shownVariables(trained)[name];
  if (spec === undefined) throw new Error(`no data variable ${name}`);
  return lookOf(spec, columnOf(trained.dataset, name) ?? columnOf(trained.dataset, `${name}[1]`));
}

/** The means where the density has them: pixel probabilities rather than coin flips; of points in the plane the draws themselves. */
function shownSamples(trained: TrainedSession, samples: { readonly values: RowsByName; readonly means: RowsByName }): RowsByName {
  const variables = shownVariables(trained);
  const [values, means] = [asSequences(samples.values, variables), asSequences(samples.means, variables)];
  const names = new Set([...Object.keys(values), ...Object.keys(means)]);
  return Object.fromEntries(
    [...names].flatMap((name) => {
      const spec = variables[name];
      // the mean of a category is a row of probabilities
      const image = spec !== undefined && spec.domain !== "category" && lookFor(trained, name).kind === "image";
      const rows = image ? (means[name] ?? values[name]) : (values[name] ?? means[name]);
      return rows === undefined ? [] : [[name, rows]];
    }),
  );
}

function stemOf(stem: string, name: string, names: readonly string[]): string {
  return names.length > 1 ? `${stem}-${name}` : stem;
}

export async function drawSamples(trained: TrainedSession, samples: Samples, count: number): Promise<readonly NamedDrawing[]> {
  const rows = shownSamples(trained, samples);
  const names = drawable(trained, rows);
  const given = new Set(generativeOf(trained.model).given);
  const drawn: NamedDrawing[] = [];
  for (const name of names) {
    const look = lookFor(trained, name);
    const own = rows[name];
    if (own === undefined) continue;
    // beside points and histograms, rows of the data
    const beside = look.kind === "plane" || look.kind === "scalar";
    // what is given are rows of the data as well, or a number that was asked for: nothing to compare
    if (beside && given.has(name)) continue;
    const data = beside ? (await firstData(trained, count))[name] : undefined;
    drawn.push({
      stem: stemOf("samples", name, names),
      ...(await drawRows(name, own, look, { columns: columnsFor(count), label: "samples", ...(data ? { data } : {}) })),
    });
    const turning = drawTurning(firstRows(own, TURNING), look);
    if (turning) drawn.push({ stem: stemOf("turning", name, names), ...turning });
    if (look.kind === "sound") drawn.push({ stem: stemOf("samples", name, names), extension: "wav", content: soundFile(own, look.sound) });
  }
  return drawn;
}

/** Clouds, at most, that turn side by side. */
const TURNING = 16;

function firstRows({ shape, data }: RowsByName[string], count: number): RowsByName[string] {
  const rows = Math.min(count, shape[0] ?? 0);
  return { shape: [rows, ...shape.slice(1)], data: data.subarray(0, (rows * data.length) / Math.max(1, shape[0] ?? 1)) };
}

/** Squares of a side of the heat map. */
const SHADES = 140;

/** Domains whose values fill the plane. */
const CONTINUOUS: ReadonlySet<string> = new Set(["real", "positive", "unit"]);

/** The density of a continuous variable in the plane as shades, rows of the data on it; nothing where the model has no exact one. */
export async function drawDensity(trained: TrainedSession): Promise<readonly NamedDrawing[]> {
  const variables = dataVariables(trained.model);
  const [name, ...others] = Object.keys(variables);
  if (name === undefined || others.length > 0 || lookFor(trained, name).kind !== "plane") return [];
  if (!CONTINUOUS.has(variables[name]?.domain ?? "")) return [];
  const data = (await firstData(trained, 500))[name];
  if (data === undefined) return [];
  const points = Array.from({ length: data.shape[0] ?? 0 }, (_, i) => [data.data[2 * i]!, data.data[2 * i + 1]!] as const);
  const set = { name: "data", points };
  const window = planeWindow([set]);
  const at = ([low, high]: readonly [number, number], i: number): number => low + ((high - low) * (i + 0.5)) / SHADES;
  const squares = Float32Array.from({ length: 2 * SHADES * SHADES }, (_, i) => {
    const square = i >> 1;
    // row by row from the top
    return i % 2 === 0 ? at(window.x, square % SHADES) : at(window.y, SHADES - 1 - Math.floor(square / SHADES));
  });
  const log = await trained.logDensity({ shape: [SHADES * SHADES, 2], data: squares });
  if (log === undefined) return [];
  const density = { rows: SHADES, columns: SHADES, values: log.map(Math.exp) };
  const { entries } = columnOf(trained.dataset, name) ?? {};
  return [
    {
      stem: "density",
      extension: "svg",
      content: await drawPlane([set], { title: `density of ${name}`, window, density, ...(entries === undefined ? {} : { entries }) }),
    },
  ];
}

/** Chains over time: one row of pictures a chain, one column a frame. Of other variables than images there is no such picture. */
export async function drawChains(trained: TrainedSession, frames: NonNullable<Samples["frames"]>): Promise<readonly NamedDrawing[]> {
  const shown = frames.map((frame) => shownSamples(trained, frame));
  const names = drawable(trained, shown[0] ?? {}).filter((name) => lookFor(trained, name).kind === "image");
  const drawn: NamedDrawing[] = [];
  for (const name of names) {
    const columns = shown.flatMap((frame) => frame[name] ?? []);
    const chains = columns[0]?.shape[0] ?? 0;
    const width = (columns[0]?.data.length ?? 0) / Math.max(1, chains);
    const data = new Float32Array(chains * columns.length * width);
    for (let chain = 0; chain < chains; chain++) {
      columns.forEach((column, i) =>
        data.set(column.data.subarray(chain * width, (chain + 1) * width), (chain * columns.length + i) * width),
      );
    }
    const rows = { shape: [chains * columns.length, ...(columns[0]?.shape.slice(1) ?? [])], data };
    drawn.push({
      stem: stemOf("chains", name, names),
      ...(await drawRows(name, rows, lookFor(trained, name), { columns: columns.length, label: "chains" })),
    });
  }
  return drawn;
}

async function firstData(trained: TrainedSession, count: number): Promise<RowsByName> {
  const rows = Math.min(count, commonRows(trained.dataset, "train"));
  return trained.data(rows, "train");
}

/** The grid nearest to a square. */
function columnsFor(count: number): number {
  return Math.ceil(Math.sqrt(count));
}

export async function drawReconstructed(
  trained: TrainedSession,
  shown: Reconstructions,
  { stem: base, label } = { stem: "reconstructions", label: "reconstructions" },
): Promise<readonly NamedDrawing[]> {
  const variables = shownVariables(trained);
  const [truth, made] = [asSequences(shown.data, variables), asSequences(shown.shown, variables)];
  const names = drawable(trained, made);
  const drawn: NamedDrawing[] = [];
  for (const name of names) {
    const [data, rows] = [truth[name], made[name]];
    if (data === undefined || rows === undefined) continue;
    const [stem, look] = [stemOf(base, name, names), lookFor(trained, name)];
    drawn.push({ stem, ...(await drawReconstructions(name, data, rows, look, { label })) });
    if (look.kind === "sound") drawn.push({ stem, extension: "wav", content: soundFile(inTurn(data, rows), look.sound) });
  }
  return drawn;
}

/** Samples over training: a row of pictures a look, the same noise in each column. Of one row, and of other variables than pictures, there is none. */
async function drawStrip(trained: TrainedSession, strip: readonly StripRow[]): Promise<readonly NamedDrawing[]> {
  if (strip.length < 2) return [];
  const shown = strip.map(({ samples }) => shownSamples(trained, samples));
  const conditions = new Set(generativeOf(trained.model).given);
  const names = drawable(trained, shown[0] ?? {}).filter((name) => SEEN.includes(lookFor(trained, name).kind) && !conditions.has(name));
  const drawn: NamedDrawing[] = [];
  for (const name of names) {
    const own = shown.flatMap((row) => row[name] ?? []);
    const rows = {
      shape: [own.length * STRIP_COLUMNS, ...(own[0]?.shape.slice(1) ?? [])],
      data: Float32Array.from(own.flatMap(({ data }) => Array.from(data))),
    };
    drawn.push({
      stem: stemOf("strip", name, names),
      ...(await drawRows(name, rows, lookFor(trained, name), { columns: STRIP_COLUMNS, label: "samples" })),
    });
  }
  return drawn;
}

/** Of a model that translates pictures: a row, its translation and, where there is a way back, its cycle, or, of pairs, the truth, side by side. */
export async function drawTranslations(trained: TrainedSession, rows: number): Promise<readonly NamedDrawing[]> {
  const isImage = (name: string): boolean => lookFor(trained, name).kind === "image";
  const ways = directionsOf(trained.model).filter(({ from, to }) => isImage(from) && isImage(to));
  const translations = ways.length === 0 ? [] : await trained.translate(rows, { ways });
  return translations.flatMap(({ from, to, data, there, back, truth }): NamedDrawing[] => {
    const columns = [
      { rows: data, look: lookFor(trained, from) },
      { rows: there, look: lookFor(trained, to) },
      ...(back === undefined ? [] : [{ rows: back, look: lookFor(trained, from) }]),
      ...(truth === undefined ? [] : [{ rows: truth, look: lookFor(trained, to) }]),
    ];
    const drawing = drawLinked(columns);
    return drawing === undefined ? [] : [{ stem: `translations-${from}-${to}`, ...drawing }];
  });
}

/** The first row of one, the first of the other, the second of one, … */
function inTurn(one: RowsByName[string], other: RowsByName[string]): RowsByName[string] {
  const count = one.shape[0] ?? 0;
  const width = one.data.length / Math.max(1, count);
  const data = Float32Array.from({ length: 2 * one.data.length }, (_, i) => {
    const row = Math.floor(i / width);
    return (row % 2 === 0 ? one : other).data[(row >> 1) * width + (i % width)] ?? 0;
  });
  return { shape: [2 * count, ...one.shape.slice(1)], data };
}

/** Of a model that infers no latents, between draws of its noise: along lines, and along great circles where the noise is Normal. */
async function drawNoisePaths(trained: TrainedSession): Promise<readonly NamedDrawing[]> {
  const points = 10;
  const drawn: NamedDrawing[] = [];
  const circled = circledLatents(trained.model);
  const paths = walkedLatents(trained.model).some((name) => circled.includes(name))
    ? (["linear", "spherical"] as const)
    : (["linear"] as const);
  for (const path of paths) {
    const { shown } = await trained.interpolate(5, points, { path });
    const names = drawable(trained, shown).filter((name) => SEEN.includes(lookFor(trained, name).kind));
    const rows = Object.fromEntries(names.flatMap((name) => (shown[name] === undefined ? [] : [[name, shown[name]]])));
    const pictures = await drawInterpolated(trained, rows, points);
    drawn.push(...pictures.map((d) => ({ ...d, stem: d.stem.replace("interpolations", `interpolations-${path}`) })));
  }
  return drawn;
}

/** Kinds of variables whose rows are looked at one by one. */
const SEEN: readonly string[] = ["image", "cloud"];

/** What the ends of a walk are, as plots and notes say it. */
export function walkEnds(model: TrainedSession["model"]): string {
  return interpolatesNoise(model) ? `between draws of ${walkedLatents(model).join(", ")}` : "between rows of the data";
}

/** One row of pictures a pair. */
export async function drawInterpolated(trained: TrainedSession, shown: RowsByName, points: number): Promise<readonly NamedDrawing[]> {
  const walked = asSequences(shown, shownVariables(trained));
  const names = drawable(trained, walked);
  const drawn: NamedDrawing[] = [];
  for (const name of names) {
    const rows = walked[name];
    if (rows !== undefined) {
      drawn.push({
        stem: stemOf("interpolations", name, names),
        ...(await drawRows(`${name}, ${walkEnds(trained.model)}`, rows, lookFor(trained, name), {
          columns: points,
          label: "interpolations",
        })),
      });
    }
  }
  return drawn;
}

/** The objective of each phase over steps, training and validation; undefined where nothing was recorded. */
async function drawLoss(model: TrainedSession["model"], rows: readonly MetricRow[]): Promise<NamedDrawing | undefined> {
  const labels = new Set(model.train.flatMap((phase) => phase.updates.map((u) => u.label)));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter(
    (name) => labels.has(name) || [...labels].some((label) => name.startsWith(`${label} over `)),
  );
  const series = columns.flatMap((name): Series[] =>
    ["train", "validation"].flatMap((split) => {
      const points = rows.flatMap((row) =>
        row["split"] === split && typeof row[name] === "number" ? [{ x: row.step, y: row[name] }] : [],
      );
      return points.length === 0 ? [] : [{ name: split === "train" ? name : `${name}, validation`, points, dots: split === "validation" }];
    }),
  );
  if (series.length === 0) return undefined;
  return {
    stem: "loss",
    extension: "svg",
    content: await drawCurves(series, { title: model.name, x: "step", y: columns.length === 1 ? (columns[0] ?? "") : "objective" }),
  };
}

/** A decoder alone (an autoencoder's p(x | z)) has nothing to draw its latents from. */
function canSample(model: TrainedSession["model"]): boolean {
  const density = model.generative === undefined ? undefined : model.densities[model.generative];
  return density !== undefined && density.given.every((name) => !Object.hasOwn(model.latents, name));
}

/** Rows of the closing samples: fewer where one is drawn in many steps. */
function samplesShown(model: TrainedSession["model"]): number {
  return positionsOf(generativeOf(model)) > MANY ? 8 : 64;
}

/** Steps of a sample beyond which fewer are drawn: more than the pixels of a small image. */
const MANY = 4096;

/** FLOPs of the chains of the closing samples, where no number of sweeps is asked for: some 20 seconds of two cores. */
const CLOSING_WORK = 4e11;

/** What a run ends with. A picture that cannot be drawn is a line of the log, not the end of the run. */
export async function closingPictures(
  trained: TrainedSession,
  { metrics: rows, strip }: { readonly metrics: readonly MetricRow[]; readonly strip: readonly StripRow[] },
  log: (text: string) => void,
  sampling: Pick<SampleOptions, "onProgress" | "signal" | "sweeps"> = {},
): Promise<readonly NamedDrawing[]> {
  const drawn: NamedDrawing[] = [];
  const attempt = async (what: string, draw: () => Promise<readonly NamedDrawing[]>): Promise<void> => {
    try {
      drawn.push(...(await draw()));
    } catch (error) {
      log(`no ${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  };
  const { model, dataset } = trained;
  await attempt("loss curve", async () => {
    const loss = await drawLoss(model, rows);
    return loss ? [loss] : [];
  });
  await attempt("density", () => drawDensity(trained));
  if (canSample(model)) {
    const count = samplesShown(model);
    await attempt("samples", async () => {
      const chain = generativeOf(model).chain;
      const { sweeps: asked, ...watch } = sampling;
      const limit = chain === undefined ? {} : asked === undefined ? { work: CLOSING_WORK } : { sweeps: asked };
      const samples = await trained.sample(count, { ...watch, ...limit });
      const taken = samples.sweeps;
      if (chain !== undefined && asked === undefined && taken !== undefined && taken < chain.sweeps)
        log(
          `samples: ${grouped(taken)} of ${grouped(chain.sweeps)} sweeps, which are dear here; \`gmc sample\` takes all of them, --sweeps as many as told`,
        );
      return drawSamples(trained, samples, count);
    });
  }
  if (interpolatesNoise(model) && Object.values(model.latents).some(continuous))
    await attempt("interpolations", () => drawNoisePaths(trained));
  await attempt("samples over training", () => drawStrip(trained, strip));
  const available = commonRows(dataset, evaluationSplit(dataset));
  // what an exact inverse gives back are the rows themselves
  if (canReconstruct(model) && reconstructed(model).length > 0) {
    await attempt("reconstructions", async () => {
      const { data, shown } = await trained.reconstruct(Math.min(32, available));
      const others = Object.fromEntries(Object.entries(shown).filter(([name]) => !invertsExactly(model, name)));
      return drawReconstructed(trained, { data, shown: others });
    });
  }
  if (directionsOf(model).length > 0) await attempt("translations", () => drawTranslations(trained, Math.min(16, available)));
  await attempt("filters", async () => {
    const filters = filterRows(model, dataset, await trained.weights());
    return Promise.all(filters.map(async (f): Promise<NamedDrawing> => ({ stem: filterStem(f), ...(await drawFilters(f)) })));
  });
  await attempt("topics", async () => {
    // the columns of a table have names too, and are no words
    const topics = topicRows(model, dataset, await trained.weights()).filter((t) => columnOf(dataset, t.variable)?.words);
    const text = topics.map((t) => `${topicsText(t, 10, topics.length > 1)}\n`).join("\n");
    return topics.length === 0 ? [] : [{ stem: "topics", extension: "txt", content: text }];
  });
  return drawn;
}
