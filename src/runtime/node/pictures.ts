/**
 * Pictures of a variable's rows, chosen by its shape: a grid of images as PNG, point clouds as PNG, waves and spectrograms of sound as PNG,
 * points in the plane, histograms and lines as SVG.
 */
import type { Column, Dataset } from "../data/dataset.js";
import type { VariableSpec } from "../model.js";
import { encodeAnimation } from "./apng.js";
import { drawHistogram, drawLines, drawPlane, type PointSet } from "./plots.js";
import { soundPairs, soundRaster, type SoundLook } from "./sound-pictures.js";
import { cloudTiles, encodePng, enlarge, grid, pairs, tiles, type PictureShape, type Raster, type Rows } from "./raster.js";
import { sizeOf } from "../graph/shape.js";

export interface Drawing {
  /** Ending of the file: "png" or "svg". */
  readonly extension: "png" | "svg";
  readonly content: Uint8Array | string;
}

/** How a variable is drawn; `lookOf` finds it. */
export type Look =
  | { readonly kind: "image"; readonly shape: PictureShape; readonly range: readonly [number, number] }
  | { readonly kind: "cloud"; readonly reach: number }
  | ({ readonly kind: "plane" } & Named)
  | { readonly kind: "sound"; readonly sound: SoundLook }
  | ({ readonly kind: "scalar" } & Named)
  | ({ readonly kind: "lines" } & Named);

interface Named {
  /** What the entries of a row are called. */
  readonly entries?: readonly string[];
}

/** The look of a data variable. The shape of the rows in the file decides before the declared one does (784 entries that were 28 x 28). */
export function lookOf(spec: VariableSpec, column?: Pick<Column, "picture" | "range" | "audio" | "entries">): Look {
  const range = column?.range ?? defaultRange(spec);
  const filed = column?.picture === undefined ? undefined : imageShape(column.picture);
  const declared = imageShape(spec.shape);
  const size = sizeOf(spec.shape);
  const [first = 1, last = 1] = [spec.shape[0], spec.shape.at(-1)];
  const named = column?.entries === undefined ? {} : { entries: column.entries };
  if (size === 1) return { kind: "scalar", ...named };
  if (column?.audio !== undefined) return { kind: "sound", sound: column.audio };
  if (spec.shape.length === 2 && (last === 2 || last === 3) && first >= 32)
    return { kind: "cloud", reach: Math.max(Math.abs(range[0]), Math.abs(range[1])) * 1.1 };
  if (declared !== undefined) return { kind: "image", shape: declared, range };
  if (filed !== undefined && filed.height * filed.width * filed.channels === size) return { kind: "image", shape: filed, range };
  if (size === 2) return { kind: "plane", ...named };
  const side = Math.round(Math.sqrt(size));
  const bounded = spec.domain === "binary" || spec.domain === "unit" || spec.domain === "byte";
  if (bounded && side * side === size && side >= 8) return { kind: "image", shape: { height: side, width: side, channels: 1 }, range };
  return { kind: "lines", ...named };
}

/** The column of a variable in a dataset: what `lookOf` takes. */
export function columnOf(dataset: Dataset, variable: string): Column | undefined {
  return dataset.streams.map((stream) => stream.splits.train.columns[variable]).find((column) => column !== undefined);
}

/** Rows as one picture: images in a grid of `columns`. `data` are rows of the data, shown beside points and histograms for comparison. */
export async function drawRows(
  name: string,
  rows: Rows,
  look: Look,
  options: { readonly columns?: number; readonly data?: Rows; readonly label?: string } = {},
): Promise<Drawing> {
  const label = options.label ?? "samples";
  switch (look.kind) {
    case "image":
      return png(grid(tiles(rows, look.shape, look.range), options.columns), look.shape.height);
    case "cloud":
      return png(grid(cloudTiles(rows, look.reach), options.columns), 96);
    case "sound":
      return { extension: "png", content: encodePng(soundRaster(rows, look.sound, 4, 16)) };
    case "plane": {
      const sets: PointSet[] = [
        ...(options.data === undefined ? [] : [{ name: "data", points: points(options.data) }]),
        { name: label, points: points(rows) },
      ];
      return { extension: "svg", content: await drawPlane(sets, { title: name, ...axesOf(look) }) };
    }
    case "scalar": {
      const sets = [
        ...(options.data === undefined ? [] : [{ name: "data", values: Array.from(options.data.data) }]),
        { name: label, values: Array.from(rows.data) },
      ];
      return { extension: "svg", content: await drawHistogram(sets, name, undefined, look.entries?.[0]) };
    }
    case "lines":
      return { extension: "svg", content: await drawLines(lines(rows), { title: name, what: label, ...axesOf(look) }) };
  }
}

/** Clouds in space that turn about the vertical once, a frame for each of so many steps; of other rows there is no such picture. */
export function drawTurning(
  rows: Rows,
  look: Look,
  options: { readonly columns?: number; readonly frames?: number } = {},
): Drawing | undefined {
  if (look.kind !== "cloud" || rows.shape.at(-1) !== 3) return undefined;
  const { columns, frames = 24 } = options;
  const turned = Array.from({ length: frames }, (_, i) =>
    grid(cloudTiles(rows, look.reach, { turn: (2 * Math.PI * i) / frames }), columns),
  );
  return { extension: "png", content: encodeAnimation(turned, 100) };
}

/** Originals above what the model makes of them; points and scalars as two sets, points and lines as pairs. */
export async function drawReconstructions(
  name: string,
  data: Rows,
  shown: Rows,
  look: Look,
  options: { readonly columns?: number; readonly label?: string } = {},
): Promise<Drawing> {
  const label = options.label ?? "reconstructions";
  switch (look.kind) {
    case "image":
      return png(pairs(tiles(data, look.shape, look.range), tiles(shown, look.shape, look.range), options.columns), look.shape.height);
    case "cloud":
      return png(pairs(cloudTiles(data, look.reach), cloudTiles(shown, look.reach), options.columns), 96);
    case "sound":
      return { extension: "png", content: encodePng(soundPairs(data, shown, look.sound, 4, 16)) };
    case "lines": {
      const made = { rows: lines(shown), what: label.replace(/s$/, "") };
      return {
        extension: "svg",
        content: await drawLines(lines(data), { title: name, what: `rows and their ${label}`, made, ...axesOf(look) }),
      };
    }
    case "plane": {
      const sets = [
        { name: "data", points: points(data) },
        { name: label, points: points(shown) },
      ];
      return { extension: "svg", content: await drawPlane(sets, { title: name, joined: true, ...axesOf(look) }) };
    }
    default:
      return drawRows(name, shown, look, { data, label });
  }
}

/** Rows of one variable, one a line, followed by what was made of it in other variables; images of one size all of them, else nothing is drawn. */
export function drawLinked(columns: readonly { readonly rows: Rows; readonly look: Look }[]): Drawing | undefined {
  const drawn = columns.map(({ rows, look }) => (look.kind === "image" ? tiles(rows, look.shape, look.range) : []));
  const [first] = columns;
  const [tile] = drawn[0] ?? [];
  const alike = drawn.every(
    (own) => own.length === drawn[0]?.length && own.every((t) => t.height === tile?.height && t.width === tile.width),
  );
  if (first?.look.kind !== "image" || !alike) return undefined;
  const count = drawn[0]?.length ?? 0;
  // two blocks of lines side by side
  const half = Math.ceil(count / 2);
  const order = Array.from({ length: count }, (_, i) => (i % 2 === 0 ? i / 2 : half + (i - 1) / 2));
  const all = order.flatMap((i) => drawn.flatMap((own) => own[i] ?? []));
  return png(grid(all, 2 * columns.length), first.look.shape.height);
}

/** What stands for a pixel that is not known. */
const unknown = [120, 150, 200] as const;

/**
 * Images, one a line: the original, what is known of it, and completions side by side. `known` holds 1 where a pixel is given, [rows, ...event];
 * `completions` are as many rows each. Of other looks than images the completions alone.
 */
export async function drawCompletions(
  name: string,
  original: Rows,
  known: Rows,
  completions: readonly Rows[],
  look: Look,
): Promise<Drawing> {
  if (look.kind !== "image") {
    const [first] = completions;
    return drawRows(name, first ?? original, look, { data: original, label: "completions" });
  }
  const { height, width, channels } = look.shape;
  const originals = tiles(original, look.shape, look.range);
  const masked = originals.map((tile, row): Raster => {
    const data = tile.data.slice();
    for (let pixel = 0; pixel < height * width; pixel++) {
      const at = (row * height * width + pixel) * channels;
      const missing = Array.from({ length: channels }, (_, c) => known.data[at + c]).some((v) => v === 0);
      if (missing) data.set(unknown, 3 * pixel);
    }
    return { height, width, data };
  });
  const completed = completions.map((rows) => tiles(rows, look.shape, look.range));
  const lines = originals.flatMap((tile, i) => [tile, masked[i]!, ...completed.map((own) => own[i]!)]);
  return png(grid(lines, 2 + completions.length), height);
}

function axesOf({ entries }: Named): Named {
  return entries === undefined ? {} : { entries };
}

/** [H, W], [H, W, 1] or [H, W, 3]. */
function imageShape(event: readonly number[]): PictureShape | undefined {
  const [height, width, channels = 1] = event;
  if (height === undefined || width === undefined || height < 2 || width < 2 || event.length > 3 || (channels !== 1 && channels !== 3))
    return undefined;
  return { height, width, channels };
}

function defaultRange(spec: VariableSpec): readonly [number, number] {
  switch (spec.domain) {
    case "byte":
      return [0, 255];
    case "category":
      return [0, Math.max(1, (spec.classes ?? 2) - 1)];
    case "real":
      return [-3, 3];
    default:
      return [0, 1];
  }
}

/** Small pictures are enlarged until a tile is about 56 pixels high. */
function png(raster: Raster, tileHeight: number): Drawing {
  return { extension: "png", content: encodePng(enlarge(raster, Math.min(8, Math.max(1, Math.round(56 / tileHeight))))) };
}

function points(rows: Rows): readonly (readonly [number, number])[] {
  return Array.from({ length: rows.shape[0] ?? 0 }, (_, i) => [rows.data[2 * i]!, rows.data[2 * i + 1]!] as const);
}

function lines(rows: Rows): readonly (readonly number[])[] {
  const count = rows.shape[0] ?? 0;
  const width = count === 0 ? 0 : rows.data.length / count;
  return Array.from({ length: count }, (_, i) => Array.from({ length: width }, (_, j) => rows.data[i * width + j]!));
}
