/**
 * A classifier of the data, trained on its training rows and labels, that judges samples: no weights are downloaded, so its features are those of this
 * data, and its accuracy on rows that it has not seen says what its word is worth. Seeded, and a function of data, seed and steps alone.
 */
import type { Column, Dataset, SplitName } from "../data/dataset.js";
import { evaluationSplit } from "../data/dataset.js";
import { openTrainStream } from "../data/streams.js";
import type { EngineSession, HostTensor } from "../engines/engine.js";
import { constant, div, relu, sub, type Tensor } from "../graph/index.js";
import { permutation } from "../graph/random.js";
import type { ModelDefinition, VariableSpec } from "../model.js";
import { dense, type Dense } from "../nn/dense.js";
import { type Conv, conv2d } from "../nn/conv.js";
import { reshapeEvent } from "../nn/events.js";
import { leavesOf, type WeightSpecs } from "../nn/spec.js";
import { categorical } from "../prob/categorical.js";
import { dataName, dataVariables, defined } from "../train/context.js";
import { runLoop } from "../train/loop.js";
import { adam } from "../optim/optimizers.js";
import { planPhase } from "../train/plan.js";
import { startValue } from "../train/carried.js";
import { initialWeights, writeAll } from "../train/weights.js";
import { drawnBatches, spreadRows, allRows, stochasticVariables } from "./batches.js";
import { open } from "./measurements.js";
import { stageOutputs } from "./metrics.js";
import type { Points } from "./points.js";
import type { ClassifierProtocol } from "./protocol.js";
import { sizeOf } from "../graph/shape.js";

export interface ClassifierOptions {
  readonly session: EngineSession;
  readonly dataset: Dataset;
  readonly model: ModelDefinition;
  readonly seed: number;
  /** What is judged, and the category that each row of it has beside it. */
  readonly variable: string;
  readonly labels: string;
  /** Training steps, of `BATCH` rows. */
  readonly steps: number;
  readonly signal?: AbortSignal | undefined;
}

export interface Judged {
  /** What the layer before the last gives, [rows, features]. */
  readonly features: Points;
  /** The likeliest class of each row. */
  readonly classes: Int32Array;
}

export interface Classifier {
  readonly protocol: ClassifierProtocol;
  readonly classCount: number;
  judge(values: ArrayLike<number>, rows: number): Promise<Judged>;
  dispose(): void;
}

const BATCH = 100;
/** Rows judged at once. */
const CHUNK = 200;
const FEATURES = 64;
/** Rows, at most, that its accuracy is measured on. */
const TESTED = 10_000;
/** Tree of its weights and prefix of its states; a colon keeps it apart from the names of a model. */
const NAME = "eval:classifier";

/** Trains one on the open session, whose other states stay as they are. */
export async function trainClassifier(options: ClassifierOptions): Promise<Classifier> {
  const { session, seed, variable, labels } = options;
  const spec = defined(dataVariables(options.model)[variable], variable);
  const classCount = defined(dataVariables(options.model)[labels]?.classes, `classes of ${labels}`);
  const dataset = labelled(options.dataset, variable, labels);
  const column = dataset.streams[0]?.splits.train.columns[variable];
  const net = classifierNet(spec, column, classCount, (channels) => scaleOf(dataset, { variable, labels, seed, channels }));
  const model: ModelDefinition = {
    name: NAME,
    source: options.model.source,
    hyperparameters: {},
    streams: [{ [variable]: spec, [labels]: defined(dataVariables(options.model)[labels], labels) }],
    latents: {},
    weights: net.weights,
    densities: {},
    train: [
      {
        name: NAME,
        batch: Math.min(BATCH, dataset.streams[0]?.splits.train.rows ?? BATCH),
        steps: options.steps,
        updates: [
          {
            direction: "maximize",
            label: "log p(class | row)",
            place: NAME,
            value: ({ w, data }) =>
              categorical.logProb(defined(data[labels], labels), { logits: net.run(w, defined(data[variable], variable)).logits }),
            over: [NAME],
            optimizer: adam({ lr: 1e-3 }),
          },
        ],
      },
    ],
    evaluate: {},
  };
  const start = initialWeights(model, seed);
  await writeAll(session, start);
  const dynamic = stochasticVariables(dataset);
  await runLoop({
    session,
    phases: model.train,
    weights: leavesOf(model.weights).map((leaf) => leaf.path),
    plan: (phase, started, batch) => planPhase(model, phase, { dynamic, started, batch, id: NAME }),
    stream: (batch) => openTrainStream(dataset, { batch, seed }),
    startValue: (name, carried) => startValue(name, carried, seed, dataset),
    seed,
    signal: options.signal,
  });
  options.signal?.throwIfAborted();
  const opened = await open(
    session,
    stageOutputs(NAME, { model, batch: CHUNK, averaged: new Set() }, ({ w, data }) =>
      net.run(w as never, defined(data[variable], variable)),
    ),
  );
  const judge = async (values: ArrayLike<number>, rows: number): Promise<Judged> => {
    const width = sizeOf(spec.shape);
    const features = new Float32Array(rows * FEATURES);
    const classes = new Int32Array(rows);
    for (let first = 0; first < rows; first += CHUNK) {
      options.signal?.throwIfAborted();
      const count = Math.min(CHUNK, rows - first);
      const data = new Float32Array(CHUNK * width);
      for (let i = 0; i < count * width; i++) data[i] = values[first * width + i] ?? NaN;
      const fed: HostTensor = { dtype: "f32", shape: [CHUNK, ...spec.shape], data };
      const out = await opened.executable.run({ [dataName(variable)]: fed });
      features.set(defined(out["features"], "features").data.subarray(0, count * FEATURES), first * FEATURES);
      const { data: logits } = defined(out["logits"], "logits");
      for (let i = 0; i < count; i++) {
        let best = 0;
        for (let c = 1; c < classCount; c++) if (logits[i * classCount + c]! > logits[i * classCount + best]!) best = c;
        classes[first + i] = best;
      }
    }
    return { features: { width: FEATURES, data: features }, classes };
  };
  const tested = evaluationSplit(dataset);
  const { values, classes, rows } = rowsOf(dataset, tested, { variable, labels, seed, count: TESTED });
  const found = await judge(values, rows);
  const right = found.classes.reduce((n, c, i) => n + (c === classes[i] ? 1 : 0), 0);
  return {
    protocol: {
      net: net.description,
      features: FEATURES,
      steps: options.steps,
      batch: model.train[0]?.batch ?? BATCH,
      seed,
      accuracy: right / rows,
      split: tested,
      rows,
    },
    classCount,
    judge,
    dispose: () => opened.executable.dispose(),
  };
}

/** Rows of a split, evenly spaced unless by chance: values one after another, and their classes. */
export function rowsOf(
  dataset: Dataset,
  split: SplitName,
  options: {
    readonly variable: string;
    readonly labels: string;
    readonly seed: number;
    readonly count: number;
    readonly byChance?: boolean;
  },
): { readonly values: Float32Array; readonly classes: Int32Array; readonly rows: number } {
  const own = labelled(dataset, options.variable, options.labels);
  const all = own.streams[0]?.splits[split]?.rows ?? 0;
  const taken =
    options.byChance === true
      ? permutation(all, options.seed, "classifier.rows").slice(0, options.count).sort()
      : spreadRows(allRows(all), options.count);
  const parts: number[] = [];
  const classes = new Int32Array(taken.length);
  for (const batch of drawnBatches(own, split, {
    batch: Math.min(CHUNK, Math.max(1, taken.length)),
    seed: options.seed,
    rows: [...taken],
  })) {
    const x = defined(batch.tensors[options.variable], options.variable);
    const width = x.data.length / batch.size;
    for (let i = 0; i < batch.rows * width; i++) parts.push(x.data[i] ?? NaN);
    const y = defined(batch.tensors[options.labels], options.labels);
    for (let i = 0; i < batch.rows; i++) classes[batch.offset + i] = y.data[i] ?? -1;
  }
  return { values: Float32Array.from(parts), classes, rows: taken.length };
}

/** Of a data set the two variables alone, which are of one stream. */
function labelled(dataset: Dataset, variable: string, labels: string): Dataset {
  const stream = defined(
    dataset.streams.find((s) => Object.hasOwn(s.spec, variable) && Object.hasOwn(s.spec, labels)),
    `stream of ${variable} and ${labels}`,
  );
  const pick = <T>(all: Readonly<Record<string, T>>): Readonly<Record<string, T>> => ({
    [variable]: defined(all[variable], variable),
    [labels]: defined(all[labels], labels),
  });
  const splits = Object.fromEntries(
    Object.entries(stream.splits).map(([name, split]) => [name, { rows: split.rows, columns: pick(split.columns) }]),
  ) as typeof stream.splits;
  return { ...dataset, streams: [{ spec: pick(stream.spec), splits }] };
}

interface Net {
  readonly weights: WeightSpecs;
  readonly description: string;
  run(w: unknown, x: Tensor): { readonly features: Tensor; readonly logits: Tensor };
}

/** What standardises the entries of a row, or the channels of its pixels. */
interface Scale {
  readonly mean: readonly number[];
  readonly scale: readonly number[];
}

/** Rows, at most, that entries are standardised by. */
const SCALED = 10_000;

/**
 * Mean and deviation over training rows of each entry, or of each of `channels` over all pixels: the units of the data, and where their 0 is, are
 * nothing to judge by, and a net of raw years or pascals learns no class.
 */
function scaleOf(
  dataset: Dataset,
  options: { readonly variable: string; readonly labels: string; readonly seed: number; readonly channels: number | undefined },
): Scale {
  const { values, rows } = rowsOf(dataset, "train", { ...options, count: SCALED });
  const width = options.channels ?? values.length / Math.max(1, rows);
  const count = new Float64Array(width);
  const [mean, squares, far] = [new Float64Array(width), new Float64Array(width), new Float64Array(width)];
  values.forEach((v, i) => {
    if (!Number.isFinite(v)) return;
    const k = i % width;
    const apart = v - mean[k]!;
    count[k]! += 1;
    mean[k]! += apart / count[k]!;
    squares[k]! += apart * (v - mean[k]!);
  });
  values.forEach((v, i) => {
    if (Number.isFinite(v)) far[i % width] = Math.max(far[i % width]!, Math.abs(v - mean[i % width]!));
  });
  return {
    mean: [...mean],
    scale: [...far.keys()].map((k) => {
      // an entry that is nearly always the same, as a pixel at the edge, would be large wherever it is not
      const deviation = Math.max(Math.sqrt(squares[k]! / Math.max(1, count[k]!)), far[k]! / 10);
      // of a constant only rounding is left
      return deviation > 1e-7 * Math.abs(mean[k]!) ? deviation : 1;
    }),
  };
}

/** Two strided convolutions of images, of 8 x 8 pixels on, and a dense layer of features; of all else two dense layers. Entries are standardised. */
function classifierNet(
  spec: VariableSpec,
  column: Column | undefined,
  classes: number,
  scaleBy: (channels: number | undefined) => Scale,
): Net {
  const size = sizeOf(spec.shape);
  const standardised = (x: Tensor, { mean, scale }: Scale): Tensor =>
    div(sub(x, constant(mean, [mean.length])), constant(scale, [scale.length]));
  const event = spec.shape.length >= 2 ? spec.shape : (column?.picture ?? spec.shape);
  const [height = 1, width = 1, channels = 1] = event;
  if (event.length >= 2 && event.length <= 3 && height >= 8 && width >= 8 && height * width * channels === size) {
    const rows = Math.ceil(Math.ceil(height / 2) / 2);
    const columns = Math.ceil(Math.ceil(width / 2) / 2);
    const flat = rows * columns * 32;
    const scale = scaleBy(channels);
    return {
      description: `convolutions of 16 and 32 channels, 5 x 5, stride 2, and ${FEATURES} features, of standardised channels`,
      weights: {
        [NAME]: {
          conv1: conv2d.spec(channels, 16, 5),
          conv2: conv2d.spec(16, 32, 5),
          dense1: dense.spec(flat, FEATURES),
          dense2: dense.spec(FEATURES, classes),
        },
      },
      run: (all, x) => {
        const w = (all as Readonly<Record<string, { conv1: Conv; conv2: Conv; dense1: Dense; dense2: Dense }>>)[NAME]!;
        const image = standardised(reshapeEvent(x, spec.shape.length, [height, width, channels]), scale);
        const h = relu(conv2d(w.conv2, relu(conv2d(w.conv1, image, { stride: 2 })), { stride: 2 }));
        const features = relu(dense(w.dense1, reshapeEvent(h, 3, [flat])));
        return { features, logits: dense(w.dense2, features) };
      },
    };
  }
  const scale = scaleBy(undefined);
  return {
    description: `dense layers of 128 units and ${FEATURES} features, of standardised entries`,
    weights: { [NAME]: { dense1: dense.spec(size, 128), dense2: dense.spec(128, FEATURES), dense3: dense.spec(FEATURES, classes) } },
    run: (all, x) => {
      const w = (all as Readonly<Record<string, { dense1: Dense; dense2: Dense; dense3: Dense }>>)[NAME]!;
      const features = relu(dense(w.dense2, relu(dense(w.dense1, standardised(reshapeEvent(x, spec.shape.length, [size]), scale)))));
      return { features, logits: dense(w.dense3, features) };
    },
  };
}
