/**
 * Steps on their way to an engine. A step is begun: its rates, draws and batch are handed over; later it is settled: its metrics are there, in the order in
 * which steps began. An engine that runs a program at once has one step on its way, one that takes several together has two groups of them.
 *
 * What a step computes depends on its number and the stream alone, so how many are on their way changes no bit of it.
 */
import type { TrainStream } from "../data/streams.js";
import type { EngineSession, Executable, HostTensor, HostTensors, TableRows } from "../engines/engine.js";
import { InternalError } from "../graph/errors.js";
import { seedWords } from "../graph/random.js";
import { dataName, defined, scheduleName } from "./context.js";
import { FAULT } from "./fault-state.js";
import { Feeder, type Fed } from "./feeder.js";
import { Pace } from "./pace.js";
import { LOOK, type PhasePlan, type PlannedUpdate } from "./plan.js";
import { valueAt, type Progress, type Schedule } from "../optim/schedules.js";
import { LEARNING_RATE } from "./update-spec.js";

export interface Compiled {
  readonly update: PlannedUpdate;
  readonly executable: Executable;
  /** All but the data. */
  readonly feeds: Record<string, HostTensor>;
  readonly rate: Float32Array;
  readonly look: Int32Array;
  readonly scalars: readonly { readonly schedule: Schedule; readonly data: Float32Array }[];
  /** Where this update's metrics begin among those of the phase. */
  readonly offset: number;
}

/** A run of an update that was begun. */
export interface Run {
  readonly update: PlannedUpdate;
  /** Whether no update of the whole run was begun before it: the weights are as they start. */
  readonly first: boolean;
  readonly offset: number;
  /** As they were; the loop writes the next ones over its own. */
  readonly scalars: HostTensors;
  readonly fed: Fed;
  readonly names: readonly string[];
  readonly results: Promise<HostTensors>;
}

interface Step {
  readonly runs: readonly Run[];
  /** Runs of updates that were begun by its end. */
  readonly draws: number;
  sent: boolean;
}

export interface LaneOptions {
  readonly seed: number;
  readonly draws: number;
  /** Steps of the phase. */
  readonly total: number;
  readonly stepsPerEpoch: number;
}

export class Lane {
  private readonly steps: Step[] = [];
  private readonly pace: Pace;
  private readonly feeder: Feeder;
  private readonly starts: boolean;
  private readonly rng = new Uint32Array(4);
  private draws: number;

  constructor(
    private readonly session: EngineSession,
    plan: PhasePlan,
    source: TrainStream,
    private readonly compiled: readonly Compiled[],
    private readonly options: LaneOptions,
  ) {
    this.starts = compiled.every(({ executable }) => executable.start !== undefined);
    this.pace = new Pace(this.starts);
    this.feeder = new Feeder(session, source, [...new Set(plan.updates.flatMap(({ inputs }) => inputs.data))], this.starts);
    [this.rng[0], this.rng[1]] = seedWords(options.seed) as [number, number];
    this.draws = options.draws;
    const rng: HostTensor = { dtype: "u32", shape: [4], data: this.rng };
    for (const { update, feeds } of compiled) if (update.inputs.rng) feeds["rng"] = rng;
  }

  /** Steps that were begun and not settled. */
  get waiting(): number {
    return this.steps.length;
  }

  get hasRoom(): boolean {
    return this.waiting < this.pace.window;
  }

  took(seconds: number): void {
    this.pace.took(seconds);
  }

  /** Step number `step` of the phase. */
  async begin(step: number): Promise<void> {
    const { stepsPerEpoch, total } = this.options;
    const progress: Progress = { step, stepsPerEpoch };
    const runs: Run[] = [];
    let fed: Fed | undefined;
    for (const c of this.compiled) {
      c.rate[0] = typeof c.update.lr === "number" ? c.update.lr : valueAt(c.update.lr, progress);
      c.look[0] = step % c.update.lookEvery === 0 || step === total - 1 ? 1 : 0;
      for (const s of c.scalars) s.data[0] = valueAt(s.schedule, progress);
      for (let repeat = 0; repeat < c.update.steps; repeat++) {
        if (fed === undefined || repeat > 0) fed = this.feeder.next();
        const first = this.draws === 0;
        this.rng[2] = this.draws++;
        runs.push(await this.run(c, fed, first));
      }
    }
    this.steps.push({ runs, draws: this.draws, sent: false });
    if (this.pace.begun()) this.send();
  }

  private async run({ update, executable, feeds, offset }: Compiled, fed: Fed, first: boolean): Promise<Run> {
    const names = update.inputs.data.map(dataName);
    const scalars = Object.fromEntries(Object.entries(feeds).map(([name, value]) => [name, { ...value, data: value.data.slice() }]));
    const given = { ...feeds, ...picked(fed.values, names) };
    const { results } =
      this.starts && executable.start !== undefined
        ? await executable.start(given, picked<TableRows>(fed.rows, names))
        : { results: Promise.resolve(await executable.run(given)) };
    return { update, first, offset, scalars, fed, names, results };
  }

  /**
   * Waits for the step that began first. Its metrics go into `current`; where it was not sound, throws what `failed` makes of the run. What was begun after
   * it has then changed nothing, as no update does once the fault is set.
   */
  async settle(
    current: Float64Array,
    failed: (run: Run, values: ArrayLike<number>, fault: number) => Promise<Error>,
  ): Promise<{ readonly draws: number }> {
    const step = this.steps.shift();
    if (step === undefined) throw new InternalError("no step was begun");
    if (!step.sent) this.send();
    for (const run of step.runs) {
      const { metrics, [FAULT]: fault } = await run.results;
      const values = defined(metrics, "metrics").data;
      for (let i = 0; i < run.update.metrics.length; i++) current[run.offset + i] = values[i] ?? NaN;
      const code = defined(fault, FAULT).data[0] ?? 0;
      if (code === 0) continue;
      this.send();
      throw await failed(run, values, code);
    }
    return step;
  }

  private send(): void {
    this.session.flush?.();
    for (const step of this.steps) step.sent = true;
  }

  /** What a run that was not sound was fed with. */
  feedsAgain({ scalars, fed, names }: Run): HostTensors {
    return { ...scalars, ...picked(this.starts ? this.feeder.again(fed) : fed.values, names) };
  }
}

function picked<T>(all: Readonly<Record<string, T>>, names: readonly string[]): Record<string, T> {
  return Object.fromEntries(names.flatMap((name) => (all[name] === undefined ? [] : [[name, all[name]] as const])));
}

/** Adds to `compiled` as they come: what is there is to be disposed of, whatever else fails. */
export async function compileUpdates(session: EngineSession, plan: PhasePlan, compiled: Compiled[]): Promise<void> {
  let offset = 0;
  for (const update of plan.updates) {
    const rate = new Float32Array(1);
    const scalars = update.inputs.schedules.map((name) => ({
      name: scheduleName(name),
      schedule: defined(plan.schedules[name], `schedule ${name}`),
      data: new Float32Array(1),
    }));
    const feeds: Record<string, HostTensor> = { [LEARNING_RATE]: { dtype: "f32", shape: [], data: rate } };
    const look = new Int32Array(1);
    if (update.lookEvery > 1) feeds[LOOK] = { dtype: "i32", shape: [], data: look };
    for (const s of scalars) feeds[s.name] = { dtype: "f32", shape: [], data: s.data };
    compiled.push({ update, executable: await session.compile(update.program), feeds, rate, look, scalars, offset });
    offset += update.metrics.length;
  }
}
