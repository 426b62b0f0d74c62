/**
 * A model with weights in an open session: evaluate, sample, reconstruct, interpolate. What training gives back, and what a checkpoint opens as.
 */
import { commonRows, evaluationSplit, splitNames, type Dataset, type SplitName } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { verified } from "../graph/checks.js";
import { GmcError } from "../graph/errors.js";
import { sizeOf } from "../graph/shape.js";
import type { DensityDefinition, ModelDefinition } from "../model.js";
import { leavesOf } from "../nn/spec.js";
import type { ArrayInput } from "../train/arrays.js";
import { dataFeeds, dataName, dataVariables, defined, emaName } from "../train/context.js";
import { checkOptions } from "../train/options.js";
import { allRows, drawnBatches, rngOf } from "./batches.js";
import { circledLatents } from "./circled.js";
import { runChain, type ChainStart } from "./chain.js";
import { untilClosed } from "./closed.js";
import { exactDensity, logDensities } from "./density.js";
import {
  generativeOf,
  inferenceOf,
  interpolatesNoise,
  movesAlong,
  latentName,
  readByInference,
  stageDecode,
  stageDraw,
  stageInfer,
  stageReconstruct,
  stageSample,
  walkedLatents,
  type DrawProgram,
} from "./draw.js";
import { conditionalOf, heldIn, refuseContradictions, unfollowed } from "./follow.js";
import { knownIn, knownRows, partlyKnown } from "./known.js";
import { runSequential, type SequentialOptions } from "./sequential.js";
import { directionsOf, stageTranslation, type Direction } from "./translate.js";
import { evaluate, type EvaluateOptions } from "./evaluate.js";
import { givenValues } from "./given.js";
import { interpolateRows, type Path } from "./interpolate.js";
import type { Evaluation, Result } from "./protocol.js";
import { judgeRows } from "./samples.js";
import {
  checkCounts,
  evaluateOptions,
  interpolateOptions,
  reconstructOptions,
  sampleOptions,
  translateOptions,
} from "./session-options.js";

/** Rows of a variable: [rows, ...event]. */
export interface Rows {
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint32Array | Uint8Array;
}

export type RowsByName = Readonly<Record<string, Rows>>;

export type SessionEvaluateOptions = Partial<Omit<EvaluateOptions, "session" | "model" | "dataset" | "averaged">>;

export interface TrainedSession {
  readonly model: ModelDefinition;
  readonly session: EngineSession;
  readonly dataset: Dataset;
  /** Weights that have a moving average, which evaluation and samples use. */
  readonly averaged: ReadonlySet<string>;
  /**
   * State name -> value of every weight as it is stored, unconstrained: a `positive` parameter is softplus of its values, a `unit` one their sigmoid, a
   * `simplex` one their softmax along the last axis. The averages where there are some.
   */
  weights(): Promise<Readonly<Record<string, HostTensor>>>;
  evaluate(options?: SessionEvaluateOptions): Promise<Evaluation>;
  /** Draws `rows` rows; conditions (`y`) by name, else cycled through the classes or taken from the data. */
  sample(rows: number, options?: SampleOptions): Promise<Samples>;
  /** The first `rows` rows of a split, unless told of the one that an evaluation measures, and their reconstructions. GM4004 where it has fewer. */
  reconstruct(rows: number, options?: ReconstructOptions): Promise<Reconstructions>;
  /** The first `rows` rows of a split, unless told of the one that an evaluation measures, as the model sees them. GM4004 where it has fewer. */
  data(rows: number, split?: SplitName): RowsByName;
  /**
   * `steps` pictures from one row of the data to another, for each pair; where nothing infers latents, from one draw of them to another. Latents that
   * are not continuous keep the values of the nearer end. GM5426 where none is continuous.
   */
  interpolate(pairs: number, steps: number, options?: InterpolateOptions): Promise<Reconstructions>;
  /** The first `rows` rows of what the model translates, what becomes of them, and of that on the way back; `ways`: all unless told. */
  translate(rows: number, options?: TranslateOptions): Promise<readonly Translation[]>;
  /**
   * log p in nats of rows of the one data variable, [n, ...event] in the model's units; undefined where no line of `evaluate { … }` is exactly
   * that.
   */
  logDensity(rows: ArrayInput): Promise<Float64Array | undefined>;
  /**
   * A line of `evaluate { … }` that judges samples, of rows that come from elsewhere in place of draws: the same protocol for a program that knows
   * nothing of this model. GM4005 where the line is none, GM4040 where the rows do not fit.
   */
  judge(metric: string, rows: { readonly shape: readonly number[]; readonly data: ArrayLike<number> }, seed?: number): Promise<Result>;
  close(): void;
}

/** How drawing that takes many steps is followed and stopped. */
export interface Watch {
  /** Sweeps, positions, or passes of a flow that is sequential in this direction, done, of all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export interface SampleOptions extends Watch {
  readonly seed?: number;
  /** Conditions, and other variables of the density that are held at these values: rows as of `data`, or a number for all entries of all rows. */
  readonly given?: Readonly<Record<string, ArrayInput | number>>;
  /**
   * Below 1 draws are less varied, above more; 1 unless told. Of a flow it scales the noise of its base, of a density that is drawn entry by entry
   * the scales of each entry's distribution, and divides its logits.
   */
  readonly temperature?: number;
  /** Of a density with a chain: sweeps, in place of its own number. */
  readonly sweeps?: number;
  /** Of a density with a chain: no more sweeps than so many FLOPs do, one at least. */
  readonly work?: number;
  /** What the chains begin with: at random unless told, rows of the data, or the persistent chains of the training. */
  readonly start?: ChainStart;
  /** Also what the chains are at the start and after every so many sweeps: `frames`. */
  readonly every?: number;
  /**
   * Of a density that is drawn entry by entry: entries that are held, at `values` where `mask` is 1; where it is 0, `values` may be anything. Rows
   * of the variable each, as of `data`. Of the last variable that is drawn so unless another is named.
   */
  readonly known?: { readonly variable?: string; readonly values: ArrayInput; readonly mask: ArrayInput };
  /** What is computed in full at each position, where it could not be kept, and entries that do not follow known ones. */
  readonly onNote?: (note: string) => void;
}

export interface Samples {
  readonly values: RowsByName;
  /** E[variable | its parents], where the density has one; of a variable in a chain E[variable | all others]. What pictures show. */
  readonly means: RowsByName;
  /** Of a density with a chain: how many were taken. */
  readonly sweeps?: number;
  /** Of chains followed over time. */
  readonly frames?: readonly Pick<Samples, "values" | "means">[];
}

export interface Reconstructions {
  /** The rows of the data; none of an interpolation between draws. */
  readonly data: RowsByName;
  /** What the model makes of them; of an interpolation pairs * steps rows. */
  readonly shown: RowsByName;
}

export interface Translation {
  /** Data variables. */
  readonly from: string;
  readonly to: string;
  /** Rows of `from`. */
  readonly data: Rows;
  /** Rows of `to` that the model makes of them. */
  readonly there: Rows;
  /** Rows of `from` again, where a density leads back. */
  readonly back?: Rows;
  /** Of pairs: the rows of `to` that belong to those of `from`. */
  readonly truth?: Rows;
}

export interface ReconstructOptions extends Watch {
  readonly split?: SplitName;
  readonly seed?: number;
}

export interface TranslateOptions {
  readonly split?: SplitName;
  readonly seed?: number;
  readonly ways?: readonly Direction[];
}

export interface InterpolateOptions extends Watch {
  readonly split?: SplitName;
  readonly seed?: number;
  /** "linear" unless told. Latents that no density draws from a Normal around 0 go along the line whatever is told. */
  readonly path?: Path;
}

export interface SessionOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  readonly seed: number;
  readonly averaged: ReadonlySet<string>;
  readonly step: number;
}

export function openSession(options: SessionOptions): TrainedSession {
  const { session, model, dataset, averaged } = options;
  const run = async (staged: DrawProgram, feeds: HostTensors, seed: number, watch: Watch = {}): Promise<HostTensors> => {
    const executable = await session.compile(staged.program);
    try {
      const all: HostTensors = { ...feeds, rng: rngOf(seed, "draw", 0, 0) };
      const fed = Object.fromEntries(staged.inputs.map((name) => [name, defined(all[name], `value of ${name}`)]));
      const { onProgress, signal } = watch;
      return verified(await executable.run(fed, { onProgress, signal }), staged.checks);
    } finally {
      executable.dispose();
    }
  };
  const firstRows = (split: SplitName | undefined, rows: number, seed: number, paired = false): HostTensors => {
    const use = split ?? evaluationSplit(dataset);
    for (const batch of drawnBatches(dataset, use, { batch: rows, seed, rows: allRows(rows) })) {
      if (batch.rows < rows) break;
      return Object.fromEntries(Object.entries(batch.tensors).map(([name, t]) => [name, { ...t, data: t.data.slice() }]));
    }
    const there = commonRows(dataset, use);
    const others = splitNames.some((name) => name !== use && dataset.streams.every(({ splits }) => splits[name] !== undefined));
    throw new GmcError("GM4004", `${dataset.name} has ${there} ${use} rows, and ${rows} are asked for`, [
      [...(there === 0 ? [] : ["ask for fewer"]), ...(others ? ["name another split"] : [])].join(", or ") +
        (paired ? "; an interpolation takes two rows a pair" : ""),
    ]);
  };
  /** Rows of the split that draws read beside what they draw, such as conditions: over and over where it has fewer. */
  const rowsInTurn = (split: SplitName | undefined, rows: number, seed: number): HostTensors => {
    const there = Math.max(1, Math.min(rows, commonRows(dataset, split ?? evaluationSplit(dataset))));
    return Object.fromEntries(Object.entries(firstRows(split, there, seed)).map(([name, t]) => [name, repeatedTo(t, rows)]));
  };
  const drawSequential = (
    density: DensityDefinition,
    rows: number,
    seed: number,
    given: HostTensors,
    more: Partial<SequentialOptions> = {},
  ): Promise<HostTensors> => runSequential(density, { session, model, averaged, rows, seed, given, ...more });
  /** Of a density in closed form: a draw of its head. */
  const latentsBy = async (density: DensityDefinition, rows: number, seed: number, given: HostTensors): Promise<HostTensors> => {
    const held = density.head.filter((name) => given[name] !== undefined);
    const staged = stageDraw({ model, rows, averaged }, density, held);
    return tensorsOf(await run(staged, fedBy(given), seed), "value:");
  };
  /** Feeds of variables by their names. */
  const fedBy = (given: HostTensors): HostTensors => {
    const data = dataVariables(model);
    return Object.fromEntries(Object.entries(given).map(([name, t]) => [Object.hasOwn(data, name) ? dataName(name) : latentName(name), t]));
  };
  /** Latents given the data, by their names: the mean of each where it has one. */
  const infer = async (rows: number, seed: number, data: HostTensors, watch: Watch = {}): Promise<HostTensors> => {
    const density = inferenceOf(model);
    if (density.sequential === undefined)
      return tensorsOf(await run(stageInfer({ model, rows, averaged }), dataFeeds(data), seed, watch), latentName(""));
    const given = Object.fromEntries(density.given.map((name) => [name, defined(data[name], name)]));
    // a draw as a whole: means of entries, each given those drawn before it, are no value of the variable
    return tensorsOf(await drawSequential(density, rows, seed, given, watch), "value:");
  };
  /** Data given latents and conditions, by the names of the variables: what pictures show. */
  const decode = async (rows: number, seed: number, given: HostTensors, watch: Watch = {}): Promise<RowsByName> => {
    const density = generativeOf(model);
    const data = dataVariables(model);
    if (density.sequential === undefined) {
      const held = Object.keys(given).filter((name) => density.head.includes(name) && Object.hasOwn(data, name));
      return withPrefix(await run(stageDecode({ model, rows, averaged }, held), fedBy(given), seed, watch), "mean:");
    }
    const drawn = await drawSequential(density, rows, seed, given, watch);
    const outputs = { ...withPrefix(drawn, "value:"), ...withPrefix(drawn, "mean:") };
    return Object.fromEntries(Object.entries(outputs).filter(([name]) => Object.hasOwn(data, name) && given[name] === undefined));
  };
  /** As `decode`, each data variable given the others that latents were inferred from. */
  const decodeBeside = async (
    rows: number,
    seed: number,
    given: HostTensors,
    beside: HostTensors,
    watch: Watch = {},
  ): Promise<RowsByName> => {
    const data = dataVariables(model);
    const others = generativeOf(model).head.some((name) => Object.hasOwn(data, name) && beside[name] === undefined);
    let shown: RowsByName = others ? await decode(rows, seed, { ...given, ...beside }, watch) : {};
    for (const name of Object.keys(beside)) {
      const { [name]: _, ...rest } = beside;
      const { [name]: made } = await decode(rows, seed, { ...given, ...rest }, watch);
      if (made !== undefined) shown = { ...shown, [name]: made };
    }
    return shown;
  };
  const besideOf = (data: HostTensors): HostTensors =>
    model.inference === undefined ? {} : Object.fromEntries(readByInference(model).map((name) => [name, defined(data[name], name)]));
  /** Latents of draws, given the conditions of rows of the data, by their names. */
  const drawNoise = async (rows: number, seed: number, data: HostTensors): Promise<HostTensors> => {
    const outputs = await run(stageSample({ model, rows, averaged }), dataFeeds(conditionsOf(data)), seed);
    return Object.fromEntries(Object.entries(tensorsOf(outputs, "value:")).filter(([name]) => Object.hasOwn(model.latents, name)));
  };
  const conditionsOf = (data: HostTensors): HostTensors =>
    Object.fromEntries(generativeOf(model).given.map((name) => [name, defined(data[name], name)]));
  const seedOf = (given: { readonly seed?: number } | undefined): number => given?.seed ?? options.seed;
  return untilClosed({
    model,
    session,
    dataset,
    averaged,
    weights: async () => {
      const entries = leavesOf(model.weights).map(
        async ({ path }) => [path, await session.read(averaged.has(path) ? emaName(path) : path)] as const,
      );
      return Object.fromEntries(await Promise.all(entries));
    },
    evaluate: async (more = {}) => {
      checkOptions("evaluate", more, evaluateOptions);
      return evaluate({ session, model, dataset, averaged, step: options.step, ...more, seed: more.seed ?? options.seed });
    },
    sample: async (rows, more = {}) => {
      const density = generativeOf(model);
      checkOptions("sample", more, sampleOptions);
      checkCounts({ rows });
      const seed = seedOf(more);
      const data = (): HostTensors => rowsInTurn(undefined, rows, seed);
      const asked = givenValues(model, rows, more.given, data);
      checkUsed(density, more);
      refuseContradictions(model, density, new Set(Object.keys(asked)));
      const exactly = (held: HostTensors): DensityDefinition | undefined =>
        more.known === undefined ? conditionalOf(model, density, new Set(Object.keys(held))) : undefined;
      let given: HostTensors = asked;
      // what an inverse gives may be what a posterior is given
      for (let exact = exactly(given); exact !== undefined; exact = exactly(given))
        given = { ...given, ...(await latentsBy(exact, rows, seed, given)) };
      const known = more.known === undefined ? undefined : knownRows(model, density, more.known);
      const heldPart = known === undefined ? undefined : knownIn(density, known.variable)?.variable;
      for (const note of unfollowed(model, density, heldIn(density, Object.keys(given)), heldPart)) more.onNote?.(note);
      const shown = (outputs: HostTensors): Pick<Samples, "values" | "means"> => ({
        values: { ...given, ...withPrefix(outputs, "value:") },
        means: withPrefix(outputs, "mean:"),
      });
      if (density.chain === undefined) {
        if (density.sequential !== undefined) {
          const { temperature, onNote, onProgress, signal } = more;
          return shown(await drawSequential(density, rows, seed, given, { temperature, known, onNote, onProgress, signal }));
        }
        return shown(await run(stageSample({ model, rows, averaged }, Object.keys(given), more.temperature), fedBy(given), seed, more));
      }
      if (more.temperature !== undefined) throw new GmcError("GM4009", `${density.label} is drawn by a chain: it takes no \`temperature\``);
      const { sweeps, work, start, every, onProgress, signal } = more;
      const all = { session, model, dataset, averaged, rows, seed, given, known, data, sweeps, work, start, every, onProgress, signal };
      const { last, frames, sweeps: taken } = await runChain(density, density.chain, all);
      return { ...shown(last), sweeps: taken, ...(every === undefined ? {} : { frames: frames.map(shown) }) };
    },
    reconstruct: async (rows, more) => {
      checkCounts({ rows });
      if (more !== undefined) checkOptions("reconstruct", more, reconstructOptions);
      const data = firstRows(more?.split, rows, seedOf(more));
      const inferred = model.inference === undefined ? undefined : model.densities[model.inference];
      if (generativeOf(model).sequential !== undefined || inferred?.sequential !== undefined) {
        const latents = await infer(rows, seedOf(more), data, more);
        return { data, shown: await decodeBeside(rows, seedOf(more), { ...conditionsOf(data), ...latents }, besideOf(data), more) };
      }
      const shown = await run(stageReconstruct({ model, rows, averaged }), dataFeeds(data), seedOf(more), more);
      return { data, shown: withPrefix(shown, "mean:") };
    },
    data: (rows, split) => {
      checkCounts({ rows });
      checkOptions("data", { split }, { split: reconstructOptions.split });
      return firstRows(split, rows, options.seed);
    },
    interpolate: async (pairs, steps, more) => {
      checkCounts({ pairs, steps });
      if (more !== undefined) checkOptions("interpolate", more, interpolateOptions);
      if (steps < 2) throw new GmcError("GM4008", `an interpolation has at least 2 steps, found ${steps}`);
      const walked = walkedLatents(model);
      const circled = more?.path === "spherical" ? circledLatents(model) : [];
      const data = interpolatesNoise(model)
        ? rowsInTurn(more?.split, 2 * pairs, seedOf(more))
        : firstRows(more?.split, 2 * pairs, seedOf(more), true);
      const inferred = interpolatesNoise(model)
        ? await drawNoise(2 * pairs, seedOf(more), data)
        : await infer(2 * pairs, seedOf(more), data, more);
      const between = Object.fromEntries(
        Object.entries(inferred).map(([name, t]) => {
          const path = walked.includes(name) ? (circled.includes(name) ? "spherical" : "linear") : "nearest";
          return [name, interpolateRows(t, pairs, steps, path)];
        }),
      );
      // what latents are inferred under goes along, so that both ends are their rows
      const along = (all: HostTensors): HostTensors =>
        Object.fromEntries(
          Object.entries(all).map(([name, t]) => [name, interpolateRows(t, pairs, steps, movesAlong(model, name) ? "linear" : "nearest")]),
        );
      const given = { ...along(conditionsOf(data)), ...between };
      if (interpolatesNoise(model)) return { data: {}, shown: await decode(pairs * steps, seedOf(more), given, more) };
      return { data, shown: await decodeBeside(pairs * steps, seedOf(more), given, along(besideOf(data)), more) };
    },
    translate: async (rows, more) => {
      checkCounts({ rows });
      if (more !== undefined) checkOptions("translate", more, translateOptions);
      const data = firstRows(more?.split, rows, seedOf(more));
      const out: Translation[] = [];
      for (const way of more?.ways ?? directionsOf(model)) {
        const shown = await run(stageTranslation({ model, rows, averaged }, way), dataFeeds(data), seedOf(more));
        const { there, back } = shown as { readonly there: HostTensor; readonly back?: HostTensor };
        const { from, to } = way;
        const truth = way.paired ? { truth: defined(data[to], to) } : {};
        out.push({ from, to, data: defined(data[from], from), there, ...(back === undefined ? {} : { back }), ...truth });
      }
      return out;
    },
    logDensity: async (rows) => {
      const density = exactDensity(model);
      return density && logDensities({ session, model, averaged }, density, rows);
    },
    judge: async (name, rows, seed = options.seed) => {
      const metric = model.evaluate[name];
      if (metric?.kind !== "samples") {
        const some = Object.entries(model.evaluate).flatMap(([other, { kind }]) => (kind === "samples" ? [other] : []));
        throw new GmcError("GM4005", `\`${name}\` is no measure of samples`, [`the model evaluates: ${some.join(", ") || "none"}`]);
      }
      return judgeRows({ session, model, dataset, split: evaluationSplit(dataset), seed }, metric, rows);
    },
    close: () => session.dispose(),
  });
}

/** So many rows: those there are, over and over. */
function repeatedTo({ dtype, shape: [there = 0, ...event], data }: HostTensor, rows: number): HostTensor {
  if (there === rows) return { dtype, shape: [rows, ...event], data };
  const out = new (data.constructor as new (length: number) => typeof data)(rows * sizeOf(event));
  for (let i = 0; i < out.length; i++) out[i] = data[i % data.length] ?? 0;
  return { dtype, shape: [rows, ...event], data: out };
}

/** GM4009 for an option that the density has no use for. */
function checkUsed(density: DensityDefinition, options: SampleOptions): void {
  if (density.chain === undefined) {
    for (const name of ["sweeps", "work", "start", "every"] as const)
      if (options[name] !== undefined) throw new GmcError("GM4009", `${density.label} is not drawn by a chain: it takes no \`${name}\``);
  }
  if (partlyKnown(density).length === 0 && options.known !== undefined)
    throw new GmcError("GM4009", `${density.label} is not drawn entry by entry, nor by a chain: it takes no \`known\``, [
      "an autoregressive density is, such as one of a masked net, and one with an energy, but for counts",
    ]);
}

/** Those outputs whose names begin so, by the rest of their names. */
function tensorsOf(outputs: HostTensors, prefix: string): HostTensors {
  return withPrefix(outputs, prefix) as HostTensors;
}

function withPrefix(outputs: HostTensors, prefix: string): RowsByName {
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([name, t]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), t]] : [])),
  );
}
