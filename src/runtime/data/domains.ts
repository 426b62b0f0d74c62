/**
 * How bytes become model values, by the variable's domain. Takes a variable and one split of its field; gives the column that batches are
 * gathered from. Values that the domain forbids are GM5022 with the variable, the file, the row and entry, what was expected and found.
 *
 * | domain   | grey values (u8)                                  | other numbers                              |
 * |----------|---------------------------------------------------|--------------------------------------------|
 * | binary   | probabilities v/255, drawn in each step by default | 0 and 1, or probabilities                 |
 * | unit     | v/255                                             | in [0, 1]                                  |
 * | real     | v/255                                             | themselves                                 |
 * | byte     | themselves                                        | integers 0..255                            |
 * | positive, count, simplex, category | themselves              | checked against the domain                 |
 */
import { assertNever, GmcError } from "../graph/errors.js";
import { hostStream } from "../graph/random.js";
import type { DataArray } from "./array.js";
import type { Column, ColumnDensity, FieldOptions } from "./dataset.js";

import { categoryCodes } from "./categories.js";
import { hasDensity, logJacobian, takesWholeNumbers } from "./jacobian.js";
import { isCount, noCount, sparseCounts } from "./sparse.js";
import { checkBlocks, checkSums, checkUnitVectors } from "./joint-checks.js";
import { forbidden, showVariable, type ColumnContext, type ValuePlace, type ValueStatistics } from "./column-context.js";
import { defaultRidge, whitened, whitening, type Whitening } from "./whiten.js";

/** What the training rows say about the values; every split is treated by it. */
export function describeValues(place: ValuePlace, array: DataArray, options: FieldOptions): ValueStatistics {
  const { low, high, integers } = array.data instanceof Uint8Array ? byteExtent(array.data) : extent(array.data);
  return {
    low,
    high,
    integers,
    ...(array.audio === undefined ? {} : { audio: array.audio }),
    grey: array.dtype === "u8" && high > 1,
    moments: options.scale === "standardize" ? moments(array, place.width) : undefined,
    whitening: options.scale === "whiten" ? whiteningOf(place, array, options) : undefined,
  };
}

/** GM5013 for values that are no real numbers, GM5024 where a covariance cannot be told from the rows, GM5022 for missing values. */
function whiteningOf(place: ValuePlace, array: DataArray, options: FieldOptions): Whitening {
  const { name, spec, width, path } = place;
  const variable = showVariable(name, spec);
  if (spec.domain !== "real" || spec.optional === true)
    throw new GmcError("GM5013", `scale=whiten mixes the entries of a row, which leaves real numbers, and ${variable} holds others`, [
      `declare ${showVariable(name, { ...spec, domain: "real", optional: false })}, or bring the values to the variable's domain with another scale`,
    ]);
  const rows = array.shape[0]!;
  if (rows <= width)
    throw new GmcError(
      "GM5024",
      `scale=whiten takes more rows than entries, and ${path} has ${rows} training rows of ${width} entries for ${variable}`,
      ["with so few rows, each entry for itself can be scaled: scale=standardize"],
    );
  const bad = array.data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) throw forbidden(place, bad, "a finite number", array.data[bad]!);
  return whitening(array.data, width, options.ridge ?? defaultRidge);
}

interface Extent {
  readonly low: number;
  readonly high: number;
  readonly integers: boolean;
}

function extent(data: DataArray["data"]): Extent {
  let low = Infinity;
  let high = -Infinity;
  let integers = true;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
    // what is missing is no value
    if (integers && !Number.isInteger(value) && !Number.isNaN(value)) integers = false;
  }
  return { low, high, integers };
}

/** Of the tens of millions of bytes of a set of pictures: which of the 256 values occur. */
export function byteExtent(data: Uint8Array): Extent {
  const seen = seenBytes(data);
  const low = seen.indexOf(1);
  return { low: low < 0 ? Infinity : low, high: seen.lastIndexOf(1), integers: true };
}

/** Looks no further once all values have occurred, which in pictures they soon have. */
function seenBytes(data: Uint8Array): Uint8Array {
  const seen = new Uint8Array(256);
  const block = 1 << 16;
  for (let start = 0; start < data.length; start += block) {
    const end = Math.min(data.length, start + block);
    for (let i = start; i < end; i++) seen[data[i]!] = 1;
    if (!seen.includes(0)) break;
  }
  return seen;
}

/** One split of a variable as a column. `statistics` are those of the training rows. */
export function makeColumn(context: ColumnContext, array: DataArray, statistics: ValueStatistics): Column {
  const { spec, options } = context;
  switch (spec.domain) {
    case "category":
      return { variable: spec, width: context.width, dtype: "i32", source: categoryCodes(context, array), scale: 1, stochastic: false };
    case "binary": {
      const column = binaryColumn(context, array, statistics);
      checkUnitVectors(context, column);
      checkBlocks(context, column);
      return column;
    }
    case "unit":
      return inside(
        context,
        checked(context, scaled(context, array, divisor(statistics, options)), (v) => v >= 0 && v <= 1, "a value in [0, 1]", [
          "integer grey values with another maximum: add :max=16",
          "bring each entry to [0, 1]: add :scale=minmax",
        ]),
      );
    case "real":
      return checked(context, scaled(context, array, divisor(statistics, options), statistics), () => true, "a finite number");
    case "positive":
      return checked(context, scaled(context, array, options.maximum ?? 1), (v) => v > 0, "a number above 0");
    case "count":
      if (array.sparse !== undefined) return sparseCounts(context, array);
      return counts(context, array);
    case "byte":
      return bytesOf(context, array);
    case "simplex": {
      const column = checked(context, scaled(context, array, 1), (v) => v >= 0, "a share from 0 on");
      checkSums(context, column);
      checkUnitVectors(context, column);
      return inside(context, column);
    }
    default:
      return assertNever(spec.domain);
  }
}

function bytesOf(context: ColumnContext, array: DataArray): Column {
  const { levels } = context.spec;
  const most = (levels ?? 256) - 1;
  const [why, help] =
    levels === undefined
      ? ["", []]
      : [`, since \`dequantize\` has ${levels} levels`, [`bytes of all values: \`dequantize\` has 256 levels unless told`]];
  const isLevel = (v: number): boolean => v >= 0 && v <= most && Number.isInteger(v);
  return checked(context, scaled(context, array, 1), isLevel, `a whole number in 0..${most}${why}`, help);
}

/** Looked at as they lie in the file: float32 rounds 16,777,217 to a number that it holds. */
function counts(context: ColumnContext, array: DataArray): Column {
  const { data } = array;
  const optional = context.spec.optional === true;
  if (!(data instanceof Uint8Array))
    for (let i = 0; i < data.length; i++)
      if (!isCount(data[i]!) && !(optional && Number.isNaN(data[i]!))) throw noCount(context, i, data[i]!);
  return scaled(context, array, 1);
}

/** Values of a domain whose ends the model's densities leave out. */
function inside(context: ColumnContext, column: Column): Column {
  const { open, domain } = context.spec;
  if (open === undefined) return column;
  const expected = open === "both" ? "a value above 0 and below 1" : domain === "simplex" ? "shares above 0" : "a value above 0";
  return checked(
    context,
    column,
    (v) => v > 0 && (open === "low" || v < 1),
    `${expected}, since what it is drawn from has no density at the end${open === "both" ? "s" : ""}`,
    domain === "simplex"
      ? [
          "add a small share to each before the rows are divided by their sums",
          "shares from counts: keep the counts, and draw them from `Multinomial`",
        ]
      : [
          "move the values inward before they are saved: (v * (n - 1) + 0.5) / n for n rows (Smithson & Verkuilen 2006)",
          "grey values: declare `byte` and draw from `DiscretizedLogistic`, or `binary` and draw from `Bernoulli`; a flow of `byte` ends in `sigmoid |> dequantize`",
        ],
  );
}

/** One line of the protocol: what happened to the values. */
export function describeColumn(context: ColumnContext, column: Column, statistics: ValueStatistics): string {
  const { name, spec, options } = context;
  const levels = column.audio?.levels;
  if (levels !== undefined) {
    const law = `mu = ${levels - 1}${levels === 256 ? ", as in G.711" : ""}`;
    return `${name}: samples as mu-law codes of ${levels} levels (${law}), whose probabilities are those of codes`;
  }
  const over = divisor(statistics, options);
  const shown = over === 1 ? "v" : `v/${over}`;
  if (spec.domain === "binary") {
    if (options.binarize === "threshold" && !isBinary(statistics))
      return `${name}: 1 where ${shown} > ${options.threshold ?? 0.5}, else 0 (threshold binarisation)`;
    if (options.binarize === "fixed" && !isBinary(statistics))
      return `${name}: Bernoulli(${shown}) drawn once, binarisation seed ${options.binarizeSeed ?? 0} (fixed binarisation)`;
    return column.stochastic
      ? `${name}: Bernoulli(${shown}) drawn afresh at each step, and once by the seed where it is measured (dynamic binarisation)`
      : `${name}: 0 and 1 as in the file`;
  }
  if (spec.domain === "real" && options.scale === "standardize")
    return `${name}: brought to mean 0 and variance 1, entry by entry, over the training rows`;
  if (options.scale === "whiten")
    return `${name}: whitened (ZCA) over the training rows, ridge ${options.ridge ?? defaultRidge} of the mean variance`;
  if ((spec.domain === "real" || spec.domain === "unit") && options.scale === "minmax")
    return `${name}: ${short(statistics.low)} .. ${short(statistics.high)}, the range of all entries of the training rows, brought to 0 .. 1`;
  return over !== 1 && divides(context)
    ? `${name}: ${shown}`
    : `${name}: ${column.audio === undefined ? "values as in the file" : "samples in [-1, 1]"}`;
}

const short = (value: number): string => String(Number(value.toPrecision(6)));

/** How densities of the values are to be read; undefined where they have probabilities, which do not depend on units. */
export function describeUnits(context: ColumnContext, column: Column, statistics: ValueStatistics): ColumnDensity | undefined {
  if (!hasDensity(context.spec.domain)) return undefined;
  return {
    preprocessing: describeColumn(context, column, statistics).slice(context.name.length + 2),
    logJacobian: logJacobian(context, statistics, divides(context) ? divisor(statistics, context.options) : 1),
    wholeNumbers: takesWholeNumbers(column, statistics),
  };
}

/** Whether what stands for 1 divides the values. */
function divides({ spec, options }: ColumnContext): boolean {
  return spec.domain === "unit" || spec.domain === "real" || (spec.domain === "positive" && options.maximum !== undefined);
}

function isBinary(statistics: ValueStatistics): boolean {
  return statistics.integers && statistics.low >= 0 && statistics.high <= 1;
}

/** What stands for 1. */
function divisor(statistics: ValueStatistics, options: FieldOptions): number {
  if (options.scale === "none") return 1;
  return options.maximum ?? (statistics.grey ? 255 : 1);
}

function binaryColumn(context: ColumnContext, array: DataArray, statistics: ValueStatistics): Column {
  const { spec, width, options } = context;
  if (isBinary(statistics)) {
    // Decided by the training rows; another split that holds more is an error.
    const column = checked(
      context,
      scaled(context, array, 1),
      (v) => v === 0 || v === 1,
      `0 or 1${context.split === undefined ? "" : ", as in the training rows"}`,
    );
    return { ...column, stochastic: false };
  }
  const over = divisor(statistics, options);
  const column = checked(
    context,
    scaled(context, array, over),
    (v) => v >= 0 && v <= 1,
    over === 1 ? "0, 1 or a probability between" : `a grey value in 0..${over}`,
    ["integer grey values with another maximum: add :max=16", "0 and 1 by comparison: add :scale=minmax:binarize=threshold"],
  );
  const binarize = options.binarize ?? "dynamic";
  if (binarize === "dynamic") return { ...column, stochastic: true };
  // a missing value stays what it is; bytes have none
  const { source, scale } = column;
  const holes = source instanceof Float32Array && source.some((v) => Number.isNaN(v));
  const bits = holes ? new Float32Array(source.length) : new Uint8Array(source.length);
  if (binarize === "threshold") {
    const threshold = (options.threshold ?? 0.5) / scale;
    for (let i = 0; i < bits.length; i++) {
      const value = source[i]!;
      bits[i] = value > threshold ? 1 : holes && Number.isNaN(value) ? NaN : 0;
    }
  } else {
    const random = hostStream(options.binarizeSeed ?? 0, `data.binarize.${context.split ?? ""}`);
    for (let i = 0; i < bits.length; i++) {
      // 0 and 1 need no draw; nine tenths of handwriting are such.
      const p = source[i]! * scale;
      bits[i] = p <= 0 ? 0 : p >= 1 ? 1 : holes && Number.isNaN(p) ? NaN : random.uniform() < p ? 1 : 0;
    }
  }
  return { variable: spec, width, dtype: "f32", source: bits, scale: 1, stochastic: false };
}

/** u8 stays u8, with a scale; all else becomes f32, with `over`, standardisation or the range applied. */
function scaled(context: ColumnContext, array: DataArray, over: number, statistics?: ValueStatistics): Column {
  const column = rescaled(context, array, over, statistics);
  const { source } = column;
  if (!(array.data instanceof Float64Array)) return column;
  const past = array.data.findIndex((v, i) => Math.abs(v) > FLOAT32_MOST && Number.isFinite(v) && !Number.isFinite(source[i]!));
  if (past < 0) return column;
  throw forbidden(context, past, `a number that float32 holds, up to ${FLOAT32_MOST.toPrecision(2)} in size`, array.data[past]!, [
    "bring the values to another unit before they are saved, or save their logarithms",
  ]);
}

const FLOAT32_MOST = 3.4028234663852886e38;

function rescaled(context: ColumnContext, array: DataArray, over: number, statistics?: ValueStatistics): Column {
  const { spec, width, options } = context;
  const base = { variable: spec, width, dtype: "f32" as const, stochastic: false };
  const affine = statistics ?? context.statistics;
  if (options.scale === "standardize" && spec.domain === "real" && affine.moments !== undefined) {
    const { mean, deviation } = affine.moments;
    const source = new Float32Array(array.data.length);
    for (let i = 0, j = 0; i < source.length; i++) {
      source[i] = (array.data[i]! - mean[j]!) / deviation[j]!;
      if (++j === width) j = 0;
    }
    return { ...base, source, scale: 1 };
  }
  if (affine.whitening !== undefined) return { ...base, source: whitened(array.data, affine.whitening), scale: 1 };
  if (options.scale === "minmax" && (spec.domain === "real" || spec.domain === "unit" || spec.domain === "binary")) {
    const span = affine.high > affine.low ? affine.high - affine.low : 1;
    // Rows of another split may lie outside the training range: a bounded domain holds them at its ends.
    const clamp = spec.domain !== "real";
    const source = new Float32Array(array.data.length);
    for (let i = 0; i < source.length; i++) {
      const unit = (array.data[i]! - affine.low) / span;
      source[i] = clamp ? Math.min(1, Math.max(0, unit)) : unit;
    }
    return { ...base, source, scale: 1 };
  }
  if (array.data instanceof Uint8Array) return { ...base, source: array.data, scale: 1 / over };
  const source = new Float32Array(array.data);
  if (over !== 1) for (let i = 0; i < source.length; i++) source[i] = array.data[i]! / over;
  return { ...base, source, scale: 1 };
}

function checked(
  context: ColumnContext,
  column: Column,
  legal: (value: number) => boolean,
  expected: string,
  help: readonly string[] = [],
): Column {
  const { source, scale } = column;
  if (source instanceof Uint8Array) {
    // 256 possible values: check those that occur.
    const seen = seenBytes(source);
    for (let value = 0; value < 256; value++) {
      if (seen[value] === 1 && !legal(value * scale)) throw forbidden(context, source.indexOf(value), expected, value, help);
    }
    return column;
  }
  const optional = column.variable.optional === true;
  for (let i = 0; i < source.length; i++) {
    const value = source[i]!;
    if (!Number.isFinite(value) ? !(optional && Number.isNaN(value)) : !legal(value)) throw forbidden(context, i, expected, value, help);
  }
  return column;
}

/** Of the observed values of each entry; what is missing, or no number at all, is left out here and refused or kept where it is read. */
function moments(array: DataArray, width: number): { mean: Float64Array; deviation: Float64Array } {
  const counts = new Float64Array(width);
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  const each = (add: (j: number, value: number) => void): void => {
    for (let i = 0, j = 0; i < array.data.length; i++) {
      if (Number.isFinite(array.data[i])) add(j, array.data[i]!);
      if (++j === width) j = 0;
    }
  };
  each((j) => counts[j]!++);
  each((j, value) => (mean[j]! += value / counts[j]!));
  each((j, value) => (deviation[j]! += (value - mean[j]!) ** 2 / counts[j]!));
  // An entry that never varies, or is never seen, stays at 0.
  for (let j = 0; j < width; j++) deviation[j] = Math.sqrt(deviation[j]!) || 1;
  return { mean, deviation };
}
