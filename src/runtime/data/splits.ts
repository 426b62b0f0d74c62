/**
 * Cutting training rows into train, validation and test. All fields of a data set are cut alike, so aligned fields stay aligned.
 */
import { GmcError } from "../graph/errors.js";
import { sliceRows, takeRows, type DataArray } from "./array.js";
import type { Field, RawData, SplitName } from "./dataset.js";
import { permutation } from "../graph/random.js";

export interface SplitOptions {
  /** Rows (1 and more) or a share (below 1) of the training rows. */
  readonly validation?: number;
  readonly test?: number;
  /** "tail" takes the last rows as they lie in the file, "random" picks them by `splitSeed`. */
  readonly split?: "tail" | "random";
  /** Apart from the run's seed, so that runs with other seeds share their test rows. */
  readonly splitSeed?: number;
  /** Only so many training rows, from the first on; for a quick look. */
  readonly limit?: number;
}

/** The data with the rows cut; its notes say how. GM5024 where rows are too few, GM5013 where a split exists already. */
export function applySplits(raw: RawData, options: SplitOptions): RawData {
  const notes = [...raw.notes];
  const how = options.split ?? "random";
  for (const name of ["validation", "test"] as const) {
    if ((options[name] ?? 0) > 0 && Object.values(raw.fields).some((field) => field.splits[name] !== undefined)) {
      throw new GmcError("GM5013", `${raw.name} has ${name} rows of its own, so ${name}=${options[name]} has nothing to cut`, [
        `leave ${name}=${options[name]} out`,
      ]);
    }
  }
  const wanted = (["test", "validation"] as const).filter((name) => (options[name] ?? 0) > 0);
  if (wanted.length > 0) {
    const seed = options.splitSeed ?? 0;
    notes.push(
      `${wanted.map((name) => `${name} = ${options[name]! < 1 ? `${100 * options[name]!}%` : options[name]} of the training rows`).join(", ")}, ${
        how === "random" ? `picked at random, split seed ${seed}` : "the last in file order"
      }`,
    );
  }
  if (options.limit !== undefined) notes.push(`only the first ${options.limit} training rows`);
  const fields: [string, Field][] = Object.entries(raw.fields).map(([name, field]) => [name, cutField(raw.name, field, how, options)]);
  return { ...raw, fields: Object.fromEntries(fields), notes };
}

function cutField(set: string, field: Field, how: "tail" | "random", options: SplitOptions): Field {
  let train = field.splits.train;
  if (train === undefined) return field;
  const splits: Partial<Record<SplitName, DataArray>> = { ...field.splits };
  const total = train.shape[0]!;
  const sizes = { test: size(options.test, total), validation: size(options.validation, total) };
  const cut = sizes.test + sizes.validation;
  if (cut >= total && cut > 0) {
    throw new GmcError("GM5024", `${set}: ${cut} rows for validation and test leave none of ${field.path}'s ${total} for training`, [
      "ask for fewer rows, or a share such as test=0.1",
    ]);
  }
  if (cut > 0 && how === "random") {
    // Those kept for training stay in file order.
    const order = permutation(total, options.splitSeed ?? 0, "data.split");
    const rows = train;
    const pick = (from: number, to: number): DataArray => takeRows(rows, order.slice(from, to).sort());
    if (sizes.test > 0) splits.test = pick(0, sizes.test);
    if (sizes.validation > 0) splits.validation = pick(sizes.test, cut);
    train = pick(cut, total);
  } else if (cut > 0) {
    if (sizes.test > 0) splits.test = sliceRows(train, total - sizes.test, total);
    if (sizes.validation > 0) splits.validation = sliceRows(train, total - cut, total - sizes.test);
    train = sliceRows(train, 0, total - cut);
  }
  if (options.limit !== undefined) train = sliceRows(train, 0, Math.min(options.limit, train.shape[0]!));
  return { ...field, splits: { ...splits, train } };
}

function size(asked: number | undefined, total: number): number {
  if (asked === undefined || asked === 0) return 0;
  return asked < 1 ? Math.max(1, Math.round(asked * total)) : asked;
}
