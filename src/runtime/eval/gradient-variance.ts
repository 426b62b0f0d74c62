/**
 * How much the gradient of a statement varies with its noise: several draws at the weights as they are, on one batch of the training rows, by the program
 * that training runs. What the program writes (chains, baselines, running statistics) is put back after each draw, so all draws are of one state.
 */
import { splitRows, type Dataset } from "../data/dataset.js";
import type { EngineSession, Executable, HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { ModelDefinition } from "../model.js";
import { leavesUnder } from "../nn/spec.js";
import { carriedOf, carriedName, startValue } from "../train/carried.js";
import { dataFeeds, dataName, defined, scheduleName } from "../train/context.js";
import { FAULT } from "../train/fault-state.js";
import { phaseLength } from "../train/length.js";
import { LOOK, planPhase, type PlannedUpdate } from "../train/plan.js";
import { valueAt } from "../optim/schedules.js";
import { gradientName } from "../train/stage-update.js";
import { Moments } from "./accumulate.js";
import { allRows, drawnBatches, rngOf, spreadRows } from "./batches.js";

/** Of the weights under one path, summed over their entries. */
export interface GradientSpread {
  /** Unbiased. */
  readonly variance: number;
  /** Of `variance`, from the differences of neighbouring draws: errs on the large side. null of a single pair, and where nothing is drawn. */
  readonly standardError: number | null;
  /** Of the mean gradient, without what the noise adds to it; 0 where that is more than there is. */
  readonly squaredMean: number;
}

/** One statement of a phase. */
export interface GradientVariance {
  /** As written: `ELBO(p, q)`. */
  readonly label: string;
  readonly place: string;
  readonly phase: string;
  /** Of all weights that it moves. */
  readonly all: GradientSpread;
  /** By what it moves: `p`, `encoder`. */
  readonly of: Readonly<Record<string, GradientSpread>>;
  readonly draws: number;
  /** Rows of the batch, evenly spaced over the training rows. */
  readonly batch: number;
}

export interface GradientVarianceOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  /** At least 2. */
  readonly draws: number;
  readonly seed: number;
  /** The last unless told. */
  readonly phase?: number | undefined;
  /** Rows of the batch; the phase's unless told. Chains that each have a row of the batch take the phase's. */
  readonly batch?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Statements that set weights to estimates have no gradient and are left out. GM4003 where a draw is not finite. */
export async function gradientVariance(options: GradientVarianceOptions): Promise<readonly GradientVariance[]> {
  const { session, model, dataset, draws, seed } = options;
  const index = options.phase ?? model.train.length - 1;
  const phase = defined(model.train[index], `phase ${index}`);
  const trained = splitRows(dataset, "train");
  const perRow = Object.values(carriedOf(phase)).some((c) => c.perRow === true);
  const batch = Math.min(trained, perRow ? phase.batch : (options.batch ?? phase.batch));
  const [drawn] = drawnBatches(dataset, "train", { batch, seed, rows: spreadRows(allRows(trained), batch) });
  const { steps, stepsPerEpoch } = phaseLength(phase, Math.max(1, Math.floor(trained / phase.batch)));
  const at = { step: steps - 1, stepsPerEpoch };
  const feeds: HostTensors = {
    ...dataFeeds(defined(drawn, "batch").tensors),
    ...Object.fromEntries(
      Object.entries(phase.schedules ?? {}).map(([name, schedule]) => [scheduleName(name), scalar("f32", valueAt(schedule, at))]),
    ),
  };
  const plan = planPhase(model, index, { dynamic: new Set(), batch, id: "spread" });
  const added: string[] = [];
  const begin = async (name: string, value: HostTensor): Promise<void> => {
    if (session.has(name)) return;
    await session.write(name, value);
    added.push(name);
  };
  await begin(FAULT, scalar("i32", 0));
  for (const [name, spec] of Object.entries(carriedOf(phase, batch))) await begin(carriedName(name), startValue(name, spec, seed, dataset));
  const found: GradientVariance[] = [];
  try {
    for (const [i, update] of plan.updates.entries()) {
      const definition = defined(phase.updates[i], "update");
      if (definition.assigns) continue;
      const groups = new Map(
        definition.over.map((path) => [
          path,
          leavesUnder(model.weights, path).flatMap((l) => (update.weights.includes(l.path) ? [l.path] : [])),
        ]),
      );
      const count = update.inputs.rng ? draws : 1;
      const spreads = new Map([...groups].map(([path, leaves]) => [path, leaves.map(() => new Spread())]));
      await eachDraw(options, update, feeds, count, (gradients) => {
        for (const [path, leaves] of groups)
          leaves.forEach((leaf, j) => defined(spreads.get(path)?.[j], path).add(defined(gradients[gradientName(leaf)], leaf).data));
      });
      found.push({
        label: update.label,
        place: update.place,
        phase: phase.name,
        all: together([...spreads.values()].flat()),
        of: Object.fromEntries([...spreads].map(([path, all]) => [path, together(all)])),
        draws: count,
        batch,
      });
    }
  } finally {
    for (const name of added) session.drop(name);
  }
  return found;
}

const scalar = (dtype: "f32" | "i32", value: number): HostTensor => ({
  dtype,
  shape: [],
  data: dtype === "f32" ? Float32Array.of(value) : Int32Array.of(value),
});

/** Runs an update up to its gradients, once for each draw, from the same state of the session. */
async function eachDraw(
  { session, seed, signal, onProgress }: GradientVarianceOptions,
  update: PlannedUpdate,
  feeds: HostTensors,
  count: number,
  take: (gradients: HostTensors) => void,
): Promise<void> {
  const stages = update.program.stages.filter((s) => s.kind !== "update");
  const written = [...new Set(stages.flatMap((s) => Object.keys(s.graph.writes)))];
  const kept = await Promise.all(written.map(async (name) => [name, await session.read(name)] as const));
  const fetch = [FAULT, ...update.weights.map(gradientName)];
  const inputs = [...update.inputs.data.map(dataName), ...update.inputs.schedules.map(scheduleName)];
  const fed = Object.fromEntries(inputs.map((name) => [name, defined(feeds[name], `value of ${name}`)]));
  const look: HostTensors = update.lookEvery > 1 ? { [LOOK]: scalar("i32", 0) } : {};
  let executable: Executable | undefined;
  try {
    executable = await session.compile({ name: `spread of ${update.label}`, stages, fetch });
    for (let draw = 0; draw < count; draw++) {
      signal?.throwIfAborted();
      const rng: HostTensors = update.inputs.rng ? { rng: rngOf(seed, "evaluate", draw, 0) } : {};
      const { [FAULT]: fault, ...gradients } = await executable.run({ ...fed, ...look, ...rng });
      if (fault?.data[0] !== 0)
        throw new GmcError("GM4003", `${update.label}, ${update.place}: is not finite at draw ${draw + 1} of its gradient`);
      take(gradients);
      for (const [name, value] of kept) await session.write(name, value);
      onProgress?.(draw + 1, count);
    }
  } finally {
    executable?.dispose();
  }
}

/** Mean and variance of vectors, entry by entry; half the squared distance of each pair of neighbours is one estimate of the summed variance. */
class Spread {
  count = 0;
  readonly pairs: number[] = [];
  private mean = new Float64Array(0);
  private squares = new Float64Array(0);
  private last = new Float64Array(0);

  add(values: ArrayLike<number>): void {
    if (this.count === 0) {
      this.mean = new Float64Array(values.length);
      this.squares = new Float64Array(values.length);
      this.last = new Float64Array(values.length);
    }
    this.count++;
    let distance = 0;
    for (let i = 0; i < values.length; i++) {
      const v = values[i] ?? NaN;
      const off = v - this.mean[i]!;
      this.mean[i]! += off / this.count;
      this.squares[i]! += off * (v - this.mean[i]!);
      distance += (v - this.last[i]!) ** 2;
      this.last[i] = v;
    }
    if (this.count % 2 === 0) this.pairs.push(distance / 2);
  }

  variance(): number {
    return this.count < 2 ? 0 : this.squares.reduce((s, v) => s + v, 0) / (this.count - 1);
  }

  squaredMean(): number {
    return this.mean.reduce((s, v) => s + v * v, 0);
  }
}

/** The entries of all of them as one vector. */
function together(all: readonly Spread[]): GradientSpread {
  const [first] = all;
  const count = first?.count ?? 0;
  const sum = (of: (s: Spread) => number): number => all.reduce((total, s) => total + of(s), 0);
  const variance = sum((s) => s.variance());
  const pairs = new Moments();
  for (let i = 0; i < (first?.pairs.length ?? 0); i++) pairs.add(sum((s) => s.pairs[i] ?? NaN));
  return {
    variance,
    standardError: pairs.count > 1 ? pairs.standardError : null,
    squaredMean: Math.max(0, sum((s) => s.squaredMean()) - variance / Math.max(1, count)),
  };
}
