/**
 * Samples of a density against the rows of a split: what an implicit density, which has no likelihood, can be judged by. As many are drawn as there are
 * rows to compare them with, given the conditions of other rows; all of both are held on the host, so the number of rows is limited.
 */
import { commonRows, evaluationSplit, type Dataset, type SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { assertNever, GmcError } from "../graph/errors.js";
import { hostStream, permutation } from "../graph/random.js";
import type { SamplesMetric } from "../model.js";
import { dataName, defined } from "../train/context.js";
import { pause } from "../engines/pause.js";
import { feedsFor, type MeasureOptions, type Measurement, type Opened } from "./measurements.js";
import { allRows, drawnBatches, spreadRows } from "./batches.js";
import { rowsOf, trainClassifier } from "./classifier.js";
import { cloudTest } from "./clouds.js";
import { frechetDistance, gaussianOf, precisionRecall } from "./frechet.js";
import { mmdTest } from "./mmd.js";
import { countModes } from "./modes.js";
import type { Points } from "./points.js";
import { labelWith, type Result } from "./protocol.js";

export interface SamplesOptions extends MeasureOptions {
  readonly session: EngineSession;
  readonly dataset: Dataset;
  /** Whose rows are measured; the held out ones unless told. */
  readonly split?: SplitName | undefined;
}

export interface SampleRows {
  /** Rows of the split that samples are compared with. */
  readonly real: readonly number[];
  /** Rows that samples have their conditions from, one each. */
  readonly asked: readonly number[];
}

/**
 * Of a density with conditions they are other rows, both chosen by chance. Drawn given the conditions of the very rows that they are compared with, samples
 * would be as many of each kind as those, nearer to them than any second sample of the data is: the permutations of a test and the distance of training
 * rows suppose two independent samples. Where modes are counted nothing is compared.
 */
export function sampleRows(metric: SamplesMetric, rows: readonly number[], seed: number): SampleRows {
  if ((metric.given ?? []).length === 0 || metric.method.kind === "modes") {
    const taken = spreadRows(rows, metric.rows);
    return { real: taken, asked: taken };
  }
  const count = Math.min(metric.rows, Math.floor(rows.length / 2));
  const order = permutation(rows.length, seed, "samples.rows");
  const part = (from: number): readonly number[] =>
    Array.from(order.subarray(from, from + count))
      .sort((a, b) => a - b)
      .map((at) => rows[at]!);
  return { real: part(0), asked: part(count) };
}

/** The rows in the order in which a measurement takes them, each once: those that are drawn for first. */
export function inOrder({ real, asked }: SampleRows): readonly number[] {
  return real === asked ? real : [...asked, ...real];
}

export function sampleMeasurement(
  options: SamplesOptions,
  name: string,
  metric: SamplesMetric,
  /** The program of the draws, the rows it takes, and of how many. */
  plan: { readonly opened: Opened; readonly rows: SampleRows; readonly all: number },
): Measurement {
  const { opened, rows: chosen, all } = plan;
  const { real: compared, asked } = chosen;
  requireSeveral(metric, compared.length, all);
  const firstReal = inOrder(chosen).length - compared.length;
  const real: SampleSet = { rows: 0, event: [], data: [] };
  const drawn: SampleSet = { rows: 0, event: [], data: [] };
  const labels = askedLabel(metric);
  const wanted: number[] = [];
  const take = (into: SampleSet, { shape, data }: HostTensor, from: number, to: number): void => {
    into.event = shape.slice(1);
    into.rows += to - from;
    const width = data.length / Math.max(1, shape[0] ?? 1);
    for (let i = from * width; i < to * width; i++) into.data.push(data[i] ?? NaN);
  };
  return {
    run: async (feeds: HostTensors, rows, offset) => {
      const toDraw = Math.min(rows, asked.length - offset);
      if (toDraw > 0) {
        const outputs = await opened.executable.run(feedsFor(options, opened, feeds, 0, offset));
        take(drawn, defined(outputs["samples"], "samples"), 0, toDraw);
        if (labels !== undefined) wanted.push(...defined(feeds[dataName(labels)], labels).data.subarray(0, toDraw));
      }
      const begin = Math.max(0, firstReal - offset);
      if (begin < rows) take(real, defined(feeds[dataName(metric.variable)], `data for ${metric.variable}`), begin, rows);
    },
    results: async () => {
      return { [name]: await judge(options, metric, real, { ...drawn, wanted }, { rows: chosen, all }) };
    },
    dispose: () => opened.executable.dispose(),
  };
}

/**
 * The same measure of rows that come from elsewhere, in the model's units, such as samples of another program: against the rows of the split that
 * the metric takes, by the classifier that it trains.
 */
export async function judgeRows(
  options: SamplesOptions & { readonly split: SplitName },
  metric: SamplesMetric,
  drawn: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): Promise<Result> {
  const { dataset, split, seed } = options;
  const all = allRows(commonRows(dataset, split));
  const chosen = sampleRows(metric, all, seed);
  const taken = chosen.real;
  requireSeveral(metric, Math.min(taken.length, drawn.shape[0] ?? 0), all.length);
  const real: SampleSet = { rows: 0, event: drawn.shape.slice(1), data: [] };
  for (const batch of drawnBatches(dataset, split, { batch: Math.min(200, taken.length), seed, rows: taken })) {
    const { data } = defined(batch.tensors[metric.variable], `data for ${metric.variable}`);
    const width = data.length / batch.size;
    real.rows += batch.rows;
    for (let i = 0; i < batch.rows * width; i++) real.data.push(data[i] ?? NaN);
  }
  const rows = drawn.shape[0] ?? 0;
  const width = real.data.length / Math.max(1, real.rows);
  if (drawn.data.length !== rows * width)
    throw new GmcError("GM4040", `${rows} rows of \`${metric.variable}\` are ${rows * width} numbers, and ${drawn.data.length} are given`);
  const given: SampleSet = { rows, event: real.event, data: Array.from(drawn.data) };
  return judge(options, metric, real, given, { rows: { real: taken, asked: taken }, all: all.length });
}

/** All but the counts of modes compare rows of one kind with one another. Throws GM4041 where there is one, or none, of a split of `all` rows. */
function requireSeveral({ label, place, method, given = [] }: SamplesMetric, rows: number, all: number): void {
  if (method.kind === "modes" || rows >= 2) return;
  const least = given.length === 0 ? 2 : 4;
  const others = given.length === 0 ? "" : `, beside as many others that samples have ${given.map((v) => `\`${v}\``).join(" and ")} from`;
  throw new GmcError("GM4041", `${label} (${place}) compares rows with one another, and takes ${rows} of the data${others}`, [
    all < least
      ? `measure at least ${least} rows, and the split holds ${all}: take one that holds more`
      : `measure at least ${least} rows: \`--rows ${Math.min(all, 1000)}\`, or a larger \`rows = …\``,
  ]);
