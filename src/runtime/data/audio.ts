/**
 * Sound as rows: recordings are cut into windows of so many samples, side by side, and what does not fill a window at the end is left out.
 * A variable takes them as samples, or companded by mu-law as codes (`category[256][T]`).
 */
import { GmcError } from "../graph/errors.js";
import { checkedCount, type DataArray } from "./array.js";
import type { Dataset } from "./dataset.js";
import { resample, type Wave } from "./wav.js";

export interface Recording {
  readonly path: string;
  readonly wave: Wave;
}

export interface AudioOptions {
  /** Samples of a row. */
  readonly width?: number;
  /** Entries of a row of the variable, which are the samples where `width` is not told. */
  readonly rowLength?: number;
  /** Samples a second that all recordings are brought to. */
  readonly rate?: number;
}

export interface AudioRows {
  /** [rows, width], f32. */
  readonly array: DataArray;
  /** Of each row the recording that it is of. */
  readonly recordings: Int32Array;
  /** For the protocol. */
  readonly note: string;
}

/** GM5213 for recordings of several rates, GM5214 where none fills a window, GM5013 where a window has no length. `path` is what they come from. */
export function audioRows(path: string, given: readonly Recording[], options: AudioOptions): AudioRows {
  const width = options.width ?? options.rowLength;
  if (width === undefined)
    throw new GmcError("GM5013", `${path}: sound is cut into windows, and their length is not told`, [
      "add :width=N, the number of samples of a row, or name the variable that the sound is for: `x=…`",
    ]);
  const rates = new Map(given.map(({ path: file, wave }) => [wave.rate, file]));
  const [first, other] = [...rates];
  if (first !== undefined && other !== undefined && options.rate === undefined) {
    throw new GmcError(
      "GM5213",
      `${path}: recordings of one data set have one sampling rate: ${first[1]} has ${first[0]} samples a second, ${other[1]} has ${other[0]}`,
      [`bring them to one rate: add :rate=${Math.min(...rates.keys())}`],
    );
  }
  const rate = options.rate ?? first?.[0] ?? 1;
  const brought = given.map(({ wave }) => resample(wave, rate));
  const waves = brought.map(({ samples }) => samples);
  const scales = [...new Set(given.map(({ wave }) => wave.over))];
  const over = scales.length === 1 ? scales[0] : undefined;
  const counts = waves.map((samples) => Math.floor(samples.length / width));
  const rows = counts.reduce((a, b) => a + b, 0);
  if (rows === 0) {
    const longest = Math.max(0, ...waves.map((samples) => samples.length));
    throw new GmcError(
      "GM5214",
      `${path}: no recording fills a window of ${width} samples: the longest of ${waves.length} has ${longest}`,
      [`take shorter windows: width=${Math.max(1, longest)}`],
    );
  }
  const data = new Float32Array(checkedCount(path, [rows, width]));
  const recordings = new Int32Array(rows);
  let row = 0;
  waves.forEach((samples, i) => {
    for (let start = 0; start + width <= samples.length; start += width, row++) {
      data.set(samples.subarray(start, start + width), row * width);
      recordings[row] = i;
    }
  });
  const total = waves.reduce((sum, samples) => sum + samples.length, 0);
  const resampled = given.filter(({ wave }) => wave.rate !== rate);
  const from = [...new Set(resampled.map(({ wave }) => wave.rate))].sort((a, b) => a - b);
  const which = resampled.length === given.length ? "" : `${resampled.length} of them `;
  const channels = [...new Set(given.map(({ wave }) => wave.channels ?? 1))].filter((n) => n > 1).sort((a, b) => a - b);
  const note = [
    `${rows} windows of ${width} samples of ${waves.length} ${waves.length === 1 ? "recording" : "recordings"} at ${rate} Hz`,
    ...(from.length > 0 ? [`${which}resampled from ${from.join(", ")} Hz`] : []),
    ...(channels.length > 0 ? [`the mean of their ${channels.join(" or ")} channels`] : []),
    ...(over === undefined ? [] : [`whole numbers v of ${Math.log2(over) + 1} bits as v/${over}`]),
    `${((100 * (total - rows * width)) / total).toFixed(0)} in 100 samples left out at the ends`,
  ].join(", ");
  const whole = over !== undefined && brought.every((wave) => wave.whole === true);
  const audio = { rate, ...(over === undefined ? {} : { over, whole }) };
  return { array: { shape: [rows, width], dtype: "f32", data, audio }, recordings, note };
}

/** Of data with sound: samples a second by variable, the same in all splits. */
export function soundRates({ streams }: Dataset): Readonly<Record<string, number>> {
  return Object.fromEntries(
    streams.flatMap(({ splits }) =>
      Object.entries(splits.train.columns).flatMap(([name, { audio }]) => (audio === undefined ? [] : [[name, audio.rate]])),
    ),
  );
}

/**
 * Code 0 .. levels - 1 of a sample in [-1, 1]: ITU-T G.711's companding curve, sign(x) ln(1 + mu |x|) / ln(1 + mu) with mu = levels - 1, in
 * equal steps (van den Oord et al. 2016, "WaveNet", section 2.2).
 */
export function muLaw(sample: number, levels = 256): number {
  const companded = (Math.sign(sample) * Math.log1p((levels - 1) * Math.abs(sample))) / Math.log(levels);
  return Math.min(levels - 1, Math.max(0, Math.floor(((companded + 1) / 2) * levels)));
}

/** The sample in the middle of a code's step: `muLaw` of it is the code. */
export function fromMuLaw(code: number, levels = 256): number {
  const companded = (2 * (code + 0.5)) / levels - 1;
  return (Math.sign(companded) * (levels ** Math.abs(companded) - 1)) / (levels - 1);
}
