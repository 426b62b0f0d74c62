/** log Z as computations by iteration (see `PartitionMetric`): annealed importance sampling, its reverse run, and exact sums. */
import {
  add,
  broadcastTo,
  cast,
  constant,
  div,
  expandDims,
  minimum,
  reshape,
  sub,
  take,
  zeros,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { aisStart, aisStep, type AisOptions } from "./ais.js";
import { baseRates, type BaseStatistics } from "./annealed.js";
import type { Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { logPartition, partitionChunk } from "./free-energy.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { countStates } from "./states.js";
import { plainShape, without } from "./values.js";
import { watchCurvature } from "./watch.js";

/** What a program is given while it is staged; as `PartitionContext` of a model. */
export interface PartitionInputs<W> {
  readonly w: W;
  readonly key: Key;
  /** How many conditions are measured side by side; 1 unless told. */
  readonly conditions?: number;
  /** Their values, [conditions, ...event]. */
  readonly given: Values;
  readonly statistics: Readonly<Record<string, BaseStatistics>>;
  /** Of a reverse run: where its chains start, [conditions * chains, ...event]; what has no rows starts at draws given those that have. */
  readonly rows?: Values;
}

/** As `PartitionProgram` of a model. */
export interface PartitionSteps<W> {
  readonly iterations: number;
  readonly start: (inputs: PartitionInputs<W>) => Values;
  readonly step: (inputs: PartitionInputs<W>, carried: Values, iteration: Tensor) => Values;
  /** Log weights [conditions * n]: log Z of a condition is the log of the mean of the exponentials of its n. */
  readonly result: (inputs: PartitionInputs<W>, carried: Values) => Tensor;
}

export interface AisProgramOptions<W> extends Pick<AisOptions<W>, "sum" | "sweeps" | "sampler"> {
  readonly chains: number;
  /** Steps from the base to the model: as many equal ones, or the inverse temperatures themselves, rising from 0 to 1. */
  readonly temperatures: number | readonly number[];
  /** N of counts, of the conditions given. */
  readonly totals?: (given: Values) => Totals;
  /**
   * Run backwards, from chains that have taken so many sweeps of the model to the base; the logs are then of 1 / Z. Were the chains samples of the
   * model, the mean of exp(log) would be 1 / Z, and the estimate of log Z err on the high side (Grosse, Ghahramani & Adams 2015).
   */
  readonly reverse?: number;
}

/** Sweeps over what has no rows, before the others move. */
const SETTLING = 10;

/** No variable of a model can be called so. */
const WEIGHT = "ais:logWeight";

/** The base model is fitted to the statistics given; see `aisStep`. */
export function aisProgram<W>(model: EnergyModel<W>, options: AisProgramOptions<W>): PartitionSteps<W> {
  const { chains, temperatures: betas, sum, sweeps, sampler, reverse } = options;
  const steps = typeof betas === "number" ? betas : betas.length - 1;
  /** A chain is a row of its own, so that its draws do not depend on which conditions are beside it. */
  const lead = ({ conditions = 1 }: PartitionInputs<W>): DrawShape => [{ kind: "rows", size: conditions * chains }];
  const given = (inputs: PartitionInputs<W>): Values =>
    Object.fromEntries(Object.entries(inputs.given).map(([name, value]) => [name, forEach(value, chains)]));
  const totals = (inputs: PartitionInputs<W>): { readonly totals?: Totals } =>
    options.totals === undefined ? {} : { totals: options.totals(given(inputs)) };
  const rising = (i: Tensor): Tensor => (typeof betas === "number" ? div(cast(i, "f32"), betas) : take(constant([...betas]), i, 0));
  /** Backwards: at the model for the sweeps before, where weights do not change, then down to the base. */
  const beta = (i: Tensor): Tensor => (reverse === undefined ? rising(i) : rising(minimum(sub(reverse + steps, i), steps)));
  const base = ({ statistics }: PartitionInputs<W>): EnergyModel<W> => baseRates(model, statistics);
  return {
    iterations: steps + (reverse ?? 0),
    start: (inputs) => {
      if (reverse !== undefined) return reverseStart(model, inputs, lead(inputs), { summed: sum ?? [], ...totals(inputs) });
      const { values, logWeight } = aisStart(base(inputs), inputs.w, inputs.key, lead(inputs), { ...(sum && { sum }), ...totals(inputs) });
      watchCurvature(model, inputs.w, { ...given(inputs), ...values });
      return { ...values, [WEIGHT]: logWeight };
    },
    step: (inputs, { [WEIGHT]: logWeight, ...values }, iteration) => {
      const moved = aisStep(
        model,
        base(inputs),
        inputs.w,
        inputs.key.iterate(iteration),
        { values, logWeight: logWeight! },
        { from: beta(iteration), to: beta(add(iteration, 1)) },
        { given: given(inputs), ...(sum && { sum }), ...(sweeps && { sweeps }), ...(sampler && { sampler }), ...totals(inputs) },
      );
      return { ...moved.values, [WEIGHT]: moved.logWeight };
    },
    result: (inputs, carried) => {
      const all = Object.keys(model.units);
      watchCurvature(model, inputs.w, { ...given(inputs), ...without(carried, [WEIGHT]) });
      const ofBase = logPartition(base(inputs), inputs.w, {}, { sum: all, ...totals(inputs) });
      return reverse === undefined ? add(carried[WEIGHT]!, ofBase) : sub(carried[WEIGHT]!, ofBase);
    },
  };
}

/** Rows where there are some; the other variables that are not summed over drawn given them, or among each other where there are none. */
function reverseStart<W>(
  model: EnergyModel<W>,
  inputs: PartitionInputs<W>,
  lead: DrawShape,
  { summed, totals }: { readonly summed: readonly string[]; readonly totals?: Totals },
): Values {
  const { rows = {}, w, key } = inputs;
  const kept = Object.keys(model.units).filter((name) => !summed.includes(name));
  const fresh = kept.filter((name) => rows[name] === undefined);
  const weight = { [WEIGHT]: zeros(plainShape(lead)) };
  if (fresh.length === 0) return { ...Object.fromEntries(kept.map((name) => [name, rows[name]!])), ...weight };
  const [conditions = 1] = [inputs.conditions];
  const chains = (plainShape(lead)[0] ?? 1) / conditions;
  const given = Object.fromEntries(Object.entries(inputs.given).map(([name, value]) => [name, forEach(value, chains)]));
  const settled = gibbs(
    model,
    w,
    key.at("settle"),
    { ...given, ...rows },
    { sweeps: SETTLING, clamp: Object.keys(rows), fresh, sweep: sweepFrom(model, summed), lead, ...(totals && { totals }) },
  );
  return { ...Object.fromEntries(kept.map((name) => [name, settled[name]!])), ...weight };
}

/** [conditions, ...event] -> [conditions * chains, ...event], each row `chains` times. */
function forEach(value: Tensor, chains: number): Tensor {
  const [conditions = 1, ...event] = value.shape;
  return reshape(broadcastTo(expandDims(value, 1), [conditions, chains, ...event]), [conditions * chains, ...event]);
}

export interface ExactProgramOptions {
  readonly sum?: readonly string[];
  readonly enumerate: readonly string[];
  readonly totals?: (given: Values) => Totals;
  /** States of one iteration; 1,024 by default. */
  readonly chunk?: number;
}

/** The sum over all states, in chunks; what is in `sum` in closed form. */
export function exactProgram<W>(model: EnergyModel<W>, options: ExactProgramOptions): PartitionSteps<W> {
  const count = countStates(model, options.enumerate);
  const chunk = Math.min(count, options.chunk ?? 1024);
  const { sum, enumerate } = options;
  return {
    iterations: Math.ceil(count / chunk),
    start: ({ conditions = 1 }) => ({ total: broadcastTo(-Infinity, [conditions]) }),
    step: ({ w, given }, { total }, iteration) => {
      const totals = options.totals?.(given);
      const settings = { enumerate, chunk, lead: total!.shape, ...(sum && { sum }), ...(totals && { totals }) };
      return { total: partitionChunk(model, w, given, total!, iteration, settings) };
    },
    result: (_, { total }) => total!,
  };
}
