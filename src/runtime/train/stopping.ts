/**
 * Early stopping (Prechelt 1998): training of a phase ends once its validation metric has not improved by `minDelta` for `patience` epochs,
 * and the weights of the best epoch come back. They are kept in the store as `best:<weight>`, so that a checkpoint holds them too.
 */
import type { EngineSession } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { PhaseDefinition } from "../model.js";
import { emaName } from "./context.js";
import type { PhasePlan } from "./plan.js";

/** JSON. */
export interface StoppingState {
  readonly best: number | null;
  /** Step of the best epoch. */
  readonly bestStep: number;
  /** Epochs since. */
  readonly bad: number;
}

/** How a phase that was watched ended. Steps are counted from the start of the run, epochs in the phase. */
export interface StoppingReport {
  readonly phase: string;
  readonly metric: string;
  /** Epochs without an improvement that end it. */
  readonly patience: number;
  /** It ended before its length was through. */
  readonly early: boolean;
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  /** What came back: weights of this step, at the end of this epoch. Equal to the last where that was the best. */
  readonly bestStep: number;
  readonly bestEpoch: number;
}

type Settings = NonNullable<PhaseDefinition["earlyStopping"]>;

export class EarlyStopping {
  private current: StoppingState;
  private readonly sign: 1 | -1;

  constructor(
    private readonly settings: Settings,
    phase: Pick<PhaseDefinition, "updates">,
    state: StoppingState | null,
  ) {
    this.current = state ?? { best: null, bestStep: 0, bad: 0 };
    const maximized = phase.updates.some((u) => u.label === settings.metric && u.direction === "maximize");
    this.sign = (settings.goal ?? (maximized ? "rise" : "fall")) === "rise" ? -1 : 1;
  }

  get state(): StoppingState {
    return this.current;
  }

  /** Names of the states that hold the best weights, once there are some. */
  stateNames(plan: PhasePlan): readonly string[] {
    return this.current.best === null ? [] : kept(plan).map((name) => `best:${name}`);
  }

  /** Takes the values of an epoch; true where training should end. A value that is not finite is no improvement. Throws GM4005 where the metric is not among them. */
  async seen(values: Readonly<Record<string, number>>, session: EngineSession, plan: PhasePlan, step: number): Promise<boolean> {
    const value = values[this.settings.metric];
    if (value === undefined) {
      throw new GmcError("GM4005", `early stopping watches \`${this.settings.metric}\`, which is not measured`, [
        `measured on the validation split: ${Object.keys(values).join(", ") || "nothing"}`,
      ]);
    }
    const { best } = this.current;
    // no later value is better than one that is not a number
    if (Number.isFinite(value) && (best === null || this.sign * value < this.sign * best - this.settings.minDelta)) {
      this.current = { best: value, bestStep: step, bad: 0 };
      for (const name of kept(plan)) await session.write(`best:${name}`, await session.read(name));
      return false;
    }
    this.current = { ...this.current, bad: this.current.bad + 1 };
    return this.current.bad >= this.settings.patience;
  }

  /** The step whose weights came back; undefined where no epoch was measured. */
  async restoreBest(session: EngineSession, plan: PhasePlan): Promise<number | undefined> {
    if (this.current.best === null) return undefined;
    for (const name of kept(plan)) await session.write(name, await session.read(`best:${name}`));
    return this.current.bestStep;
  }
}

/** What an update of the phase moves, and the averages. */
function kept(plan: PhasePlan): readonly string[] {
  return [
    ...new Set([...plan.updates.flatMap((u) => u.weights), ...plan.updates.flatMap((u) => u.untrained), ...plan.averaged.map(emaName)]),
  ];
}
