/** log Z as computations by iteration (see `PartitionMetric`): annealed importance sampling, its reverse run, and exact sums. */
import { add, broadcastTo, cast, constant, div, expandDims, reshape, take, type DrawShape, type Key, type Tensor } from "../graph/index.js";
import { aisStart, aisStep, type AisOptions } from "./ais.js";
import { baseRates, type BaseStatistics } from "./annealed.js";
import type { Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { logPartition, partitionChunk } from "./free-energy.js";
import { countStates } from "./states.js";

/** What a program is given while it is staged; as `PartitionContext` of a model. */
export interface PartitionInputs<W> {
  readonly w: W;
  readonly key: Key;
  /** How many conditions are measured side by side; 1 unless told. */
  readonly conditions?: number;
  /** Their values, [conditions, ...event]. */
  readonly given: Values;
  readonly statistics: Readonly<Record<string, BaseStatistics>>;
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
}

/** No variable of a model can be called so. */
const WEIGHT = "ais:logWeight";

/** The base model is fitted to the statistics given; see `aisStep`. */
export function aisProgram<W>(model: EnergyModel<W>, options: AisProgramOptions<W>): PartitionSteps<W> {
  const { chains, temperatures: betas, sum, sweeps, sampler } = options;
  const iterations = typeof betas === "number" ? betas : betas.length - 1;
  /** A chain is a row of its own, so that its draws do not depend on which conditions are beside it. */
  const lead = ({ conditions = 1 }: PartitionInputs<W>): DrawShape => [{ kind: "rows", size: conditions * chains }];
  const given = (inputs: PartitionInputs<W>): Values =>
    Object.fromEntries(Object.entries(inputs.given).map(([name, value]) => [name, forEach(value, chains)]));
  const totals = (inputs: PartitionInputs<W>): { readonly totals?: Totals } =>
    options.totals === undefined ? {} : { totals: options.totals(given(inputs)) };
  const beta = (i: Tensor): Tensor => (typeof betas === "number" ? div(cast(i, "f32"), betas) : take(constant([...betas]), i, 0));
  const base = ({ statistics }: PartitionInputs<W>): EnergyModel<W> => baseRates(model, statistics);
  return {
    iterations,
    start: (inputs) => {
      const { values, logWeight } = aisStart(base(inputs), inputs.w, inputs.key, lead(inputs), { ...(sum && { sum }), ...totals(inputs) });
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
      return add(carried[WEIGHT]!, logPartition(base(inputs), inputs.w, {}, { sum: all, ...totals(inputs) }));
    },
  };
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
