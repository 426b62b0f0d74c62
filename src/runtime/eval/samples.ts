/**
 * Samples of a density against the rows of a split: what an implicit density, which has no likelihood, can be judged by. As many are drawn as there are
 * rows to compare them with, given the conditions of other rows; all of both are held on the host, so the number of rows is limited.
 */
import { commonRows, evaluationSplit, streamsOf, type Dataset, type SplitName } from "../data/dataset.js";
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

/** Data variables that it reads. */
export function variablesOf({ variable, given = [], method }: SamplesMetric): readonly string[] {
  return [variable, ...given, ...(method.kind === "classifier" ? [method.labels] : [])];
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
  // `all` may be no more than what was asked for, and the split hold others
  requireSeveral(metric, compared.length, commonRows(options.dataset, options.split ?? evaluationSplit(options.dataset)));
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
  given: SamplesOptions & { readonly split: SplitName },
  metric: SamplesMetric,
  drawn: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
): Promise<Result> {
  const options = { ...given, dataset: streamsOf(given.dataset, variablesOf(metric)) };
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
  const set: SampleSet = { rows, event: real.event, data: Array.from(drawn.data) };
  return judge(options, metric, real, set, { rows: { real: taken, asked: taken }, all: all.length });
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
}

/** The label of the classifier where the density is conditioned on it. */
function askedLabel({ method, given = [] }: SamplesMetric): string | undefined {
  return method.kind === "classifier" && given.includes(method.labels) ? method.labels : undefined;
}

interface SampleSet {
  rows: number;
  /** Shape of a row. */
  event: readonly number[];
  readonly data: number[];
  /** Classes that drawn rows were asked to be of; none where nothing was asked. */
  readonly wanted?: readonly number[];
}

type Judgement = Pick<Result, "value" | "unit" | "detail" | "classifier" | "neighbours">;

/** By the method of the metric; of so many rows of `all`. */
async function judge(
  options: SamplesOptions,
  metric: SamplesMetric,
  real: SampleSet,
  drawn: SampleSet,
  { rows: { real: taken, asked }, all }: { readonly rows: SampleRows; readonly all: number },
): Promise<Result> {
  const judged = await judgement(options, metric, real, drawn);
  return {
    label: labelWith(metric.label, { k: judged.neighbours ?? null }),
    standardError: null,
    k: null,
    bound: null,
    ...judged,
    ...(taken.length === all ? {} : { rows: taken.length }),
    ...(taken === asked ? {} : { conditions: { variables: metric.given ?? [], rows: asked.length } }),
  };
}

async function judgement(options: SamplesOptions, metric: SamplesMetric, realSet: SampleSet, drawnSet: SampleSet): Promise<Judgement> {
  const width = realSet.data.length / Math.max(1, realSet.rows);
  const [real, drawn] = [
    { width, data: realSet.data },
    { width, data: drawnSet.data },
  ];
  const { method } = metric;
  const lost = { "samples that are not finite": rowsLost(drawn), "rows that are not finite": rowsLost(real) };
  // of no number all comparisons are false: such a sample would lie within any ball, and beside nothing. In no mode it is anyway
  if (method.kind !== "modes" && Object.values(lost).some((n) => n > 0)) {
    return { value: NaN, unit: "", detail: Object.fromEntries(Object.entries(lost).filter(([, n]) => n > 0)) };
  }
  switch (method.kind) {
    case "mmd": {
      const test = mmdTest(real, drawn, method.permutations, hostStream(options.seed, "mmd.permutations"));
      return { value: test.value, unit: "squared MMD", detail: { p: test.p, bandwidth: test.bandwidth } };
    }
    case "modes": {
      const found = countModes(drawn, method.centres, method.scale);
      return { value: found.covered, unit: `of ${method.centres.length} modes`, detail: { "within three scales": found.quality } };
    }
    case "clouds": {
      const dimension = realSet.event.at(-1) ?? 1;
      const between = async (): Promise<void> => {
        await pause();
        options.signal?.throwIfAborted();
      };
      const { accuracy, coverage, matching } = await cloudTest(real, drawn, { dimension, distance: method.distance, pause: between });
      return {
        value: accuracy,
        unit: "nearest-neighbour accuracy",
        detail: { coverage, "minimum matching distance": matching, "points a cloud": width / dimension },
      };
    }
    case "classifier":
      return judgeByClassifier(options, metric, method, realSet, drawnSet);
    default:
      return assertNever(method);
  }
}

/** Rows with an entry that is not finite. */
function rowsLost({ width, data }: Points): number {
  const lost = new Set<number>();
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) lost.add(Math.floor(i / width));
  return lost.size;
}

/**
 * Frechet distance of features first; beside it that of as many training rows, what a perfect generator would come to: not where they are the rows
 * that are measured, whose distance to themselves is 0, nor where there are not as many.
 */
async function judgeByClassifier(
  options: SamplesOptions,
  metric: SamplesMetric,
  method: Extract<SamplesMetric["method"], { readonly kind: "classifier" }>,
  real: SampleSet,
  drawn: SampleSet,
): Promise<Judgement> {
  const { variable } = metric;
  const { labels, steps, k } = method;
  const classifier = await trainClassifier({ ...options, variable, labels, steps });
  try {
    const [a, b] = [await classifier.judge(real.data, real.rows), await classifier.judge(drawn.data, drawn.rows)];
    const { dataset, split = evaluationSplit(dataset) } = options;
    const byChance = metric.given !== undefined;
    const training = rowsOf(dataset, "train", { variable, labels, seed: options.seed, count: drawn.rows, byChance });
    // the distance falls with the number of rows: of fewer it is no floor
    const known = split === "train" || training.rows < drawn.rows ? undefined : await classifier.judge(training.values, training.rows);
    const [gaussian, shares] = [gaussianOf(a.features), classShares(a.classes, classifier.classCount)];
    const { precision, recall, k: neighbours } = precisionRecall(a.features, b.features, k);
    const found = classShares(b.classes, classifier.classCount);
    const { wanted = [] } = drawn;
    const asAsked = wanted.reduce((n, c, i) => n + (c === b.classes[i] ? 1 : 0), 0);
    return {
      value: frechetDistance(gaussian, gaussianOf(b.features)),
      unit: "squared Frechet distance of features",
      detail: {
        ...(known === undefined ? {} : { "training rows": frechetDistance(gaussian, gaussianOf(known.features)) }),
        precision,
        recall,
        ...(wanted.length === 0 ? {} : { "classified as asked": asAsked / wanted.length }),
        "classes apart": shares.reduce((s, p, c) => s + Math.abs(p - (found[c] ?? 0)), 0) / 2,
        ...Object.fromEntries([...found].map((p, c) => [`class ${c}`, p])),
      },
      neighbours,
      classifier: classifier.protocol,
    };
  } finally {
    classifier.dispose();
  }
}

function classShares(classes: Int32Array, count: number): Float64Array {
  const shares = new Float64Array(count);
  for (const c of classes) shares[c]! += 1 / classes.length;
  return shares;
}
