/** log Z as computations by iteration (see `PartitionMetric`): annealed importance sampling, its reverse run, and exact sums. */
import {
  add,
  broadcastTo,
  cast,
  constant,
  div,
  equal,
  expandDims,
  greaterEqual,
  maximum,
  minimum,
  mul,
  reshape,
  select,
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
import { logPartition, marginal, partitionChunk } from "./free-energy.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { visit } from "./single-site.js";
import { sitesOf } from "./sites.js";
import { countStates } from "./states.js";
import { adapted, firstSteps, trajectories, tuningSteps } from "./tuned-moves.js";
import { plainShape, seenBy, unitsOf, without } from "./values.js";
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
  /** The inverse temperatures of each condition, [conditions, steps + 1], in place of those of the program. */
  readonly betas?: Tensor;
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
  /** Real variables without a conditional take a Hamiltonian trajectory of so many steps at each temperature; 5 by default. */
  readonly leapfrog?: number;
}

/** Units that a step visits one by one, where counts are summed out. */
const VISITS = 5;

/** Sweeps over what has no rows, before the others move. */
const SETTLING = 10;

/** No variable of a model can be called so. */
const WEIGHT = "ais:logWeight";

const STEPS = "ais:steps";

/** Where the run that counts begins, carried while another tunes the moves. */
const BEGIN = "ais:begin:";

const begun = (values: Values): Values => Object.fromEntries(Object.entries(values).map(([name, value]) => [BEGIN + name, value]));

/** The base model is fitted to the statistics given; see `aisStep`, and `trajectories` for what has no conditional. */
export function aisProgram<W>(model: EnergyModel<W>, options: AisProgramOptions<W>): PartitionSteps<W> {
  const { chains, temperatures: betas, sum, sweeps, sampler, reverse, leapfrog = 5 } = options;
  const steps = typeof betas === "number" ? betas : betas.length - 1;
  /** A chain is a row of its own, so that its draws do not depend on which conditions are beside it. */
  const lead = ({ conditions = 1 }: PartitionInputs<W>): DrawShape => [{ kind: "rows", size: conditions * chains }];
  const given = (inputs: PartitionInputs<W>): Values =>
    Object.fromEntries(Object.entries(inputs.given).map(([name, value]) => [name, forEach(value, chains)]));
  const totals = (inputs: PartitionInputs<W>): { readonly totals?: Totals } =>
    options.totals === undefined ? {} : { totals: options.totals(given(inputs)) };
  const bent = sampler ? [] : Object.keys(model.units).filter((name) => model.units[name]?.kind === "real");
  const tuning = bent.length === 0 ? 0 : tuningSteps(steps);
  /** [], or [conditions] where each has its own. */
  const rising = ({ betas: own }: PartitionInputs<W>, i: Tensor): Tensor => {
    if (own !== undefined) return own.shape[0] === 1 ? reshape(take(own, i, 1), []) : take(own, i, 1);
    return typeof betas === "number" ? div(cast(i, "f32"), betas) : take(constant([...betas]), i, 0);
  };
  /** Backwards: at the model for the sweeps before, where weights do not change, then down to the base. */
  const counting = (inputs: PartitionInputs<W>, i: Tensor): Tensor =>
    rising(inputs, reverse === undefined ? i : minimum(sub(reverse + steps, i), steps));
  const beta = (inputs: PartitionInputs<W>, i: Tensor, tuned: Tensor | undefined): Tensor =>
    tuned === undefined
      ? counting(inputs, i)
      : select(tuned, counting(inputs, maximum(sub(i, tuning), 0)), minimum(div(cast(i, "f32"), tuning), 1));
  const forChains = (value: Tensor): Tensor => (value.shape.length === 0 ? value : forEach(value, chains));
  const base = ({ statistics }: PartitionInputs<W>): EnergyModel<W> => baseRates(model, statistics);
  const counted = (sum ?? []).some((name) => unitsOf(model, name).kind === "multinomial");
  /**
   * A sweep, then visits to units of what is kept, in turn, with the counts summed out. N words that were drawn given a unit hold it in its state
   * against a barrier that grows with N; with the words summed out it is free to change (the collapsed Gibbs sampler: Liu 1994).
   */
  const collapsedMoves =
    (inputs: PartitionInputs<W>, iteration: Tensor): NonNullable<AisOptions<W>["sampler"]> =>
    (cooler, key, x) => {
      const settings = { sum: sum ?? [], ...totals(inputs) };
      let values = without(
        gibbs(cooler, inputs.w, key, x, { ...(sweeps && { sweeps }), sweep: sweepFrom(model, settings.sum), ...totals(inputs) }),
        settings.sum,
      );
      const alone = marginal(cooler, settings, { sweep: [] });
      for (const name of Object.keys(alone.units).filter((n) => sitesOf(unitsOf(alone, n)) !== undefined)) {
        for (let i = 0; i < VISITS; i++) {
          const at = add(mul(iteration, VISITS), i);
          const moved = visit(alone, inputs.w, key.at("visit").at(name).fold(i), seenBy(alone, values), name, at, lead(inputs));
          values = { ...values, [name]: moved };
        }
      }
      return values;
    };
  const atBase = (inputs: PartitionInputs<W>, site?: string): Values => {
    const key = site === undefined ? inputs.key : inputs.key.at(site);
    const { values, logWeight } = aisStart(base(inputs), inputs.w, key, lead(inputs), { ...(sum && { sum }), ...totals(inputs) });
    watchCurvature(model, inputs.w, { ...given(inputs), ...values });
    return { ...values, [WEIGHT]: logWeight };
  };
  const begin = (inputs: PartitionInputs<W>): Values =>
    reverse === undefined ? atBase(inputs) : reverseStart(model, inputs, lead(inputs), { summed: sum ?? [], ...totals(inputs) });
  /** What has conditionals, and discrete units without; none where all of that is summed out of the trajectories. */
  const sweepOthers = (cooler: EnergyModel<W>, inputs: PartitionInputs<W>, key: Key, x: Values): Values => {
    const gone = sum ?? [];
    if (Object.keys(model.units).every((name) => gone.includes(name) || bent.includes(name))) return x;
    return gibbs(cooler, inputs.w, key, x, { ...(sweeps && { sweeps }), sweep: sweepFrom(model, gone), ...totals(inputs) });
  };
  return {
    iterations: tuning + steps + (reverse ?? 0),
    start: (inputs) =>
      tuning === 0 ? begin(inputs) : { ...atBase(inputs, "tuning"), ...begun(begin(inputs)), [STEPS]: firstSteps(inputs.conditions ?? 1) },
    step: (inputs, { [WEIGHT]: logWeight, [STEPS]: lengths, ...carried }, iteration) => {
      const kept = Object.fromEntries(Object.entries(carried).filter(([name]) => name.startsWith(BEGIN)));
      const values = without(carried, Object.keys(kept));
      const tuned = lengths && greaterEqual(iteration, tuning);
      const [from, to] = [beta(inputs, iteration, tuned), beta(inputs, add(iteration, 1), tuned)];
      let accepted: Tensor | undefined;
      const others = counted ? collapsedMoves(inputs, iteration) : undefined;
      const withTrajectories: NonNullable<AisOptions<W>["sampler"]> = (cooler, key, x) => {
        const drawn = others?.(cooler, key, x) ?? sweepOthers(cooler, inputs, key, x);
        const moved = trajectories(cooler, inputs.w, key.at("gradient"), drawn, {
          names: bent,
          leapfrog,
          sum: sum ?? [],
          statistics: inputs.statistics,
          steps: lengths!,
          beta: to,
          lead: lead(inputs),
          ...totals(inputs),
        });
        accepted = moved.accepted;
        return moved.values;
      };
      const moves = sampler ?? (lengths ? withTrajectories : others);
      const moved = aisStep(
        model,
        base(inputs),
        inputs.w,
        inputs.key.iterate(iteration),
        { values, logWeight: logWeight! },
        { from: forChains(from), to: forChains(to) },
        { given: given(inputs), ...(sum && { sum }), ...(sweeps && { sweeps }), ...(moves && { sampler: moves }), ...totals(inputs) },
      );
      const after = { ...moved.values, [WEIGHT]: moved.logWeight };
      if (lengths === undefined || tuned === undefined || accepted === undefined) return after;
      // the run that tunes is over: the one that counts begins where it would without it
      const over = equal(iteration, tuning - 1);
      return {
        ...kept,
        ...Object.fromEntries(Object.entries(after).map(([name, value]) => [name, select(over, kept[BEGIN + name]!, value)])),
        [STEPS]: select(tuned, lengths, adapted(lengths, to, accepted)),
      };
    },
    result: (inputs, carried) => {
      const all = Object.keys(model.units);
      watchCurvature(model, inputs.w, {
        ...given(inputs),
        ...Object.fromEntries(Object.entries(carried).filter(([name]) => all.includes(name))),
      });
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
