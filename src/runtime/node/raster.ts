/** Pixels: grids of pictures, pairs of pictures, clouds of points; encoded as PNG. */
import { PNG } from "pngjs";
import { plainBytes } from "./files.js";

/** Values of rows: [rows, ...event], C order. */
export interface Rows {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

export interface PictureShape {
  readonly height: number;
  readonly width: number;
  readonly channels: 1 | 3;
}

export interface Raster {
  readonly height: number;
  readonly width: number;
  /** [height, width, 3], 0..255. */
  readonly data: Uint8Array;
}

/** The gap around pictures, light enough to set off black ones and dark enough to set off white ones. */
const paper = 200;
const gap = 2;

/** One tile per row. Values at or past the ends of `range` are black and white; a value that is not finite is red. */
export function tiles(rows: Rows, shape: PictureShape, range: readonly [number, number]): readonly Raster[] {
  const { height, width, channels } = shape;
  const size = height * width * channels;
  const [low, high] = range;
  const factor = 255 / (high - low);
  return Array.from({ length: rows.shape[0] ?? 0 }, (_, row) => {
    const data = new Uint8Array(height * width * 3);
    for (let pixel = 0; pixel < height * width; pixel++) {
      for (let c = 0; c < 3; c++) {
        const value = rows.data[row * size + pixel * channels + (channels === 3 ? c : 0)]!;
        data[pixel * 3 + c] = Number.isFinite(value) ? Math.min(255, Math.max(0, Math.round((value - low) * factor))) : c === 0 ? 255 : 0;
      }
    }
    return { height, width, data };
  });
}

/**
 * Point clouds [rows, points, 2 or 3], y up, seen from above the front left corner; `reach` is the coordinate at a tile's edge. Clouds in space are
 * turned about the vertical by `turn` radians before.
 */
export function cloudTiles(rows: Rows, reach: number, options: { readonly size?: number; readonly turn?: number } = {}): readonly Raster[] {
  const { size = 96, turn = 0 } = options;
  const [count = 0, points = 0, axes = 3] = rows.shape;
  const [sin, cos] = [Math.sin(Math.PI / 6 + turn), Math.cos(Math.PI / 6 + turn)];
  const [tiltSin, tiltCos] = [Math.sin(Math.PI / 6), Math.cos(Math.PI / 6)];
  return Array.from({ length: count }, (_, row) => {
    const data = new Uint8Array(size * size * 3).fill(255);
    for (let point = 0; point < points; point++) {
      const from = (row * points + point) * axes;
      const [px, py, pz] = [rows.data[from]!, rows.data[from + 1]!, axes === 3 ? rows.data[from + 2]! : 0];
      const right = axes === 3 ? cos * px + sin * pz : px;
      const depth = axes === 3 ? cos * pz - sin * px : 0;
      const up = axes === 3 ? tiltCos * py - tiltSin * depth : py;
      const column = Math.floor(((right / reach + 1) / 2) * size);
      const line = Math.floor(((1 - up / reach) / 2) * size);
      if (!(column >= 0 && column < size && line >= 0 && line < size)) continue;
      // What is nearer is darker.
      const shade = Math.round(110 - 90 * Math.min(1, Math.max(-1, depth / reach)));
      // two pixels by two: one alone is hardly seen
      for (const [y, x] of [
        [line, column],
        [line, column + 1],
        [line + 1, column],
        [line + 1, column + 1],
      ] as const) {
        if (y >= size || x >= size) continue;
        const at = (y * size + x) * 3;
        data.fill(Math.min(shade, data[at]!), at, at + 3);
      }
    }
    return { height: size, width: size, data };
  });
}

/** Tiles row by row, `columns` a row. */
export function grid(all: readonly Raster[], columns = Math.ceil(Math.sqrt(all.length))): Raster {
  const first = all[0] ?? { height: 1, width: 1, data: Uint8Array.of(paper, paper, paper) };
  const across = Math.max(1, Math.min(columns, all.length));
  const lines = Math.max(1, Math.ceil(all.length / across));
  const out = blank(lines * (first.height + gap) + gap, across * (first.width + gap) + gap);
  all.forEach((tile, i) => paste(out, tile, gap + Math.floor(i / across) * (tile.height + gap), gap + (i % across) * (tile.width + gap)));
  return out;
}

/** Each original above its counterpart, `columns` pairs a row, pairs set apart. */
export function pairs(above: readonly Raster[], below: readonly Raster[], columns = 10): Raster {
  const first = above[0] ?? { height: 1, width: 1, data: Uint8Array.of(paper, paper, paper) };
  const across = Math.max(1, Math.min(columns, above.length));
  const lines = Math.max(1, Math.ceil(above.length / across));
  const block = 2 * first.height + gap;
  const out = blank(lines * (block + 3 * gap) - gap, across * (first.width + gap) + gap);
  above.forEach((tile, i) => {
    const y = gap + Math.floor(i / across) * (block + 3 * gap);
    const x = gap + (i % across) * (tile.width + gap);
    paste(out, tile, y, x);
    const other = below[i];
    if (other !== undefined) paste(out, other, y + tile.height + gap, x);
  });
  return out;
}

/** Each pixel as a square of `factor` pixels. */
export function enlarge(raster: Raster, factor: number): Raster {
  if (factor <= 1) return raster;
  const [height, width] = [raster.height * factor, raster.width * factor];
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (Math.floor(y / factor) * raster.width + Math.floor(x / factor)) * 3;
      const to = (y * width + x) * 3;
      data[to] = raster.data[from]!;
      data[to + 1] = raster.data[from + 1]!;
      data[to + 2] = raster.data[from + 2]!;
    }
  }
  return { height, width, data };
}

/** PNG, grey where all pixels are. */
export function encodePng(raster: Raster): Uint8Array {
  const { height, width, data } = raster;
  const png = new PNG({ height, width });
  let grey = true;
  for (let pixel = 0; pixel < height * width; pixel++) {
    const [r, g, b] = [data[3 * pixel]!, data[3 * pixel + 1]!, data[3 * pixel + 2]!];
    if (r !== g || g !== b) grey = false;
    png.data[4 * pixel] = r;
    png.data[4 * pixel + 1] = g;
    png.data[4 * pixel + 2] = b;
    png.data[4 * pixel + 3] = 255;
  }
  return plainBytes(PNG.sync.write(png, { colorType: grey ? 0 : 2 }));
}

function blank(height: number, width: number): Raster {
  return { height, width, data: new Uint8Array(height * width * 3).fill(paper) };
}

function paste(into: Raster, tile: Raster, top: number, left: number): void {
  for (let y = 0; y < tile.height; y++)
    into.data.set(tile.data.subarray(y * tile.width * 3, (y + 1) * tile.width * 3), ((top + y) * into.width + left) * 3);
}
