/**
 * Sound that is seen and heard: of each row its wave above its spectrogram, low frequencies at the bottom; and all rows as one wave file.
 */
import { fromMuLaw } from "../data/audio.js";
import { encodeWav } from "../data/wav.js";
import { grid, pairs, type Raster, type Rows } from "./raster.js";

/** Of a variable that holds sound: samples a second, and the levels of mu-law codes where it holds these. */
export interface SoundLook {
  readonly rate: number;
  readonly levels?: number;
}

/** Rows as samples. Codes that are no whole numbers (means) are taken as they are. */
export function samplesOf(rows: Rows, { levels }: SoundLook): readonly Float32Array[] {
  const count = rows.shape[0] ?? 0;
  const width = count === 0 ? 0 : rows.data.length / count;
  return Array.from({ length: count }, (_, row) =>
    Float32Array.from({ length: width }, (_v, i) => {
      const value = rows.data[row * width + i]!;
      return levels === undefined ? value : fromMuLaw(value, levels);
    }),
  );
}

/** All rows one after another, a fifth of a second of silence between. What is louder than a wave file can hold makes all softer. */
export function soundFile(rows: Rows, look: SoundLook): Uint8Array {
  const all = samplesOf(rows, look);
  const silence = Math.round(look.rate / 5);
  const samples = new Float32Array(all.reduce((sum, each) => sum + each.length + silence, 0));
  let at = 0;
  let peak = 1;
  for (const each of all) {
    samples.set(each, at);
    at += each.length + silence;
    for (const value of each) if (Math.abs(value) > peak) peak = Math.abs(value);
  }
  return encodeWav({ rate: look.rate, samples: samples.map((value) => value / peak) });
}

const WIDTH = 240;
const WAVE = 48;
/** Samples under a window of the spectrogram; half as many frequencies. */
const FRAME = 256;
/** Decibels below the loudest that are still seen. */
const RANGE = 70;

/** One tile a row, `columns` a line, of the first `most` rows. */
export function soundRaster(rows: Rows, look: SoundLook, columns: number, most: number): Raster {
  return grid(samplesOf(rows, look).slice(0, most).map(tile), columns);
}

/** Tiles of `data` above those of `shown`, of the first `most` rows. */
export function soundPairs(data: Rows, shown: Rows, look: SoundLook, columns: number, most: number): Raster {
  const [above, below] = [data, shown].map((rows) => samplesOf(rows, look).slice(0, most).map(tile));
  return pairs(above!, below!, columns);
}

function tile(samples: Float32Array): Raster {
  const height = WAVE + FRAME / 2;
  const data = new Uint8Array(height * WIDTH * 3).fill(255);
  const paint = (y: number, x: number, colour: readonly number[]): void => data.set(colour, (y * WIDTH + x) * 3);
  const peak = Math.max(1e-9, ...samples.map(Math.abs));
  for (let x = 0; x < WIDTH; x++) {
    const from = Math.floor((x * samples.length) / WIDTH);
    const piece = samples.subarray(from, Math.max(from + 1, Math.floor(((x + 1) * samples.length) / WIDTH)));
    // from where the column before ended, so that columns are joined
    const ends = [...piece, samples[Math.max(0, from - (x > 0 && from === Math.floor(((x - 1) * samples.length) / WIDTH) ? 0 : 1))]!];
    const line = (value: number): number => Math.round(((1 - value / peak) / 2) * (WAVE - 1));
    for (let y = line(Math.max(...ends)); y <= line(Math.min(...ends)); y++) paint(y, x, [0, 114, 178]);
  }
  const columns = Array.from({ length: WIDTH }, (_, x) => spectrum(samples, Math.round(((x + 0.5) * samples.length) / WIDTH)));
  const top = columns.reduce((a, column) => column.reduce((b, value) => Math.max(b, value), a), 1e-20);
  columns.forEach((column, x) => {
    column.forEach((power, band) => {
      const loudness = 1 + (10 * Math.log10(Math.max(power, 1e-30) / top)) / RANGE;
      paint(height - 1 - band, x, heat(Math.min(1, Math.max(0, loudness))));
    });
  });
  return { height, width: WIDTH, data };
}

/** Power at FRAME / 2 frequencies from 0 to half the rate, under a Hann window around a sample; silence beyond the ends. */
export function spectrum(samples: ArrayLike<number>, centre: number): Float64Array {
  const real = new Float64Array(FRAME);
  const imaginary = new Float64Array(FRAME);
  for (let i = 0; i < FRAME; i++) {
    const window = 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / FRAME);
    real[i] = window * (samples[centre - FRAME / 2 + i] ?? 0);
  }
  transform(real, imaginary);
  return Float64Array.from({ length: FRAME / 2 }, (_, k) => real[k]! ** 2 + imaginary[k]! ** 2);
}

/** The discrete Fourier transform in place, of a power of 2 numbers (Cooley & Tukey 1965). */
function transform(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j]!, real[i]!];
      [imaginary[i], imaginary[j]] = [imaginary[j]!, imaginary[i]!];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    for (let start = 0; start < n; start += size) {
      for (let k = 0; k < size / 2; k++) {
        const [cos, sin] = [Math.cos((2 * Math.PI * k) / size), -Math.sin((2 * Math.PI * k) / size)];
        const [a, b] = [start + k, start + k + size / 2];
        const [re, im] = [real[b]! * cos - imaginary[b]! * sin, real[b]! * sin + imaginary[b]! * cos];
        [real[b], imaginary[b]] = [real[a]! - re, imaginary[a]! - im];
        [real[a], imaginary[a]] = [real[a]! + re, imaginary[a]! + im];
      }
    }
  }
}

/** Black, blue, red, yellow, white. */
const stops = [[0, 0, 20], [40, 20, 110], [190, 40, 90], [250, 160, 40], [255, 255, 220]] as const; // prettier-ignore

function heat(value: number): readonly number[] {
  const at = Math.min(stops.length - 2, Math.floor(value * (stops.length - 1)));
  const share = value * (stops.length - 1) - at;
  return stops[at]!.map((low, c) => Math.round(low + share * (stops[at + 1]![c]! - low)));
}
