/** What the options of a trained model take. */
import { splitNames } from "../data/dataset.js";
import {
  abortSignal,
  anything,
  byName,
  callback,
  checkOptions,
  flag,
  nested,
  numberFromZero,
  oneOf,
  text,
  texts,
  wholeFrom,
  type OptionTable,
} from "../train/options.js";
import type { EvaluateOptions } from "./evaluate.js";
import type { Path } from "./interpolate.js";
import type { InterpolateOptions, ReconstructOptions, SampleOptions, SessionEvaluateOptions, TranslateOptions, Watch } from "./session.js";

const split = oneOf(...splitNames);
const seed = wholeFrom(0);
const watch: OptionTable<Watch> = { onProgress: callback, signal: abortSignal };
const paths: Readonly<Record<Path, true>> = { linear: true, spherical: true };

export const sampleOptions: OptionTable<SampleOptions> = {
  ...watch,
  seed,
  given: byName,
  temperature: numberFromZero,
  sweeps: wholeFrom(1),
  work: numberFromZero,
  start: oneOf("random", "data", "chains"),
  every: wholeFrom(1),
  known: nested<NonNullable<SampleOptions["known"]>>({ variable: text, values: anything, mask: anything }),
  onNote: callback,
};

export const evaluateOptions: OptionTable<SessionEvaluateOptions> = {
  ...watch,
  split,
  seed,
  step: wholeFrom(0),
  k: wholeFrom(1),
  chains: wholeFrom(1),
  temperatures: wholeFrom(1),
  rows: wholeFrom(1),
  metrics: texts,
  terms: flag,
  phase: wholeFrom(0),
  reconstruction: flag,
  gradients: { ...wholeFrom(2), expected: "a whole number of draws from 2 on" },
  batch: wholeFrom(1),
};

/** With what a session adds by itself. */
export const fullEvaluateOptions: OptionTable<EvaluateOptions> = {
  ...evaluateOptions,
  session: anything,
  model: anything,
  dataset: anything,
  averaged: anything,
};

export const reconstructOptions: OptionTable<ReconstructOptions> = { ...watch, split, seed };

export const interpolateOptions: OptionTable<InterpolateOptions> = { ...watch, split, seed, path: oneOf(...Object.keys(paths)) };

export const translateOptions: OptionTable<TranslateOptions> = { split, seed, ways: anything };

/** GM4008 for a number of rows, pairs or steps that is none. */
export function checkCounts(counts: Readonly<Record<string, number>>): void {
  checkOptions("counts", counts, Object.fromEntries(Object.keys(counts).map((name) => [name, wholeFrom(1)])));
}
