/**
 * Free energies and partition functions: -log of the sum or integral of exp(-E), in closed form by the law of the units where variables are
 * independent given the rest, by enumeration where they are finite and few.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  less,
  lift,
  logSumExp,
  mul,
  neg,
  ones,
  select,
  sizeOf,
  softplus,
  stack,
  sub,
  sum,
  zeros,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { sumLast } from "../graph/last-axes.js";
import { broadcastShapes } from "../graph/shape.js";
import { logOrders } from "../prob/multinomial.js";
import { conditionals, logNormaliser, type Totals } from "./conditional.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";
import { energyAt, fieldsAt } from "./fields.js";
import { countStates, numbers, statePieces, statesAt } from "./states.js";
import { eventOf, flat, isReal, leadOf, seenBy, unitsOf, without } from "./values.js";
import { watchCurvature } from "./watch.js";

export interface Summation {
  /** Variables summed or integrated in closed form: independent of each other given the rest. */
  readonly sum?: readonly string[];
  /** Real variables that meet each other or real ones of `sum`, the energy quadratic in all of these together: integrated one after the other. */
  readonly joint?: readonly string[];
  /**
   * Binary variables, each with the real ones of `sum` that meet it: every unit meets the units in its own place alone, and is summed out with them
   * (spikes and their slabs: Courville, Bergstra & Bengio 2011).
   */
  readonly paired?: Readonly<Record<string, readonly string[]>>;
  /** Finite variables whose states are all visited. */
  readonly enumerate?: readonly string[];
  /** N of counts that are summed over. */
  readonly totals?: Totals;
  /** Leading axes of the result; by default those of the values. */
  readonly lead?: Shape;
}

/**
 * -log p(x) - log Z, [...lead]: what is summed over is gone, and counts in `x` bring their base measure log N! - Σ log x!. Differentiable to any
 * order, in weights and values; the gradient costs the products that one written by hand does. Smolensky 1986; Freund & Haussler 1992 for the binary case.
 */
export function freeEnergy<W>(model: EnergyModel<W>, w: W, x: Values, options: Summation = {}): Tensor {
  return measured(model, x, summedBy(options), collapsed(model, w, x, options));
}

/** log Z of the conditions in `x`, [...lead]: all variables are in `sum` or `enumerate`. Counts need their totals; Z is then that of this N. */
export function logPartition<W>(model: EnergyModel<W>, w: W, x: Values, options: Summation): Tensor {
  const left = Object.keys(model.units).filter((name) => !summedBy(options).includes(name));
  if (left.length > 0)
    throw new GmcError("GM4009", `log Z of \`${model.name}\` (${model.place}) leaves \`${left.join("`, `")}\` unsummed`, [
      "name every variable in `sum` or `enumerate`",
    ]);
  return neg(collapsed(model, w, without(x, Object.keys(model.units)), options));
}

/** The energy without what is summed over, of the variables that are left: its units' laws are for the caller to know. */
export function marginal<W>(
  model: EnergyModel<W>,
  options: Summation,
  changed: Pick<EnergyModel<W>, "sweep"> & { readonly units?: Readonly<Record<string, Units>> },
): EnergyModel<W> {
  const gone = summedBy(options);
  const units = Object.fromEntries(Object.entries({ ...model.units, ...changed.units }).filter(([name]) => !gone.includes(name)));
  return {
    name: model.name,
    place: model.place,
    units,
    ...(model.reads && { reads: model.reads }),
    sweep: changed.sweep,
    energy: (w, x) => collapsed(model, w, without(x, gone), options),
  };
}

/** Numbers that a sum over states holds of each value at a time, as long as that takes no more than so many pieces. */
const HELD = 2 ** 19;
const MOST_PIECES = 32;

/**
 * -log Σ exp(-E) without base measures. `x` as it comes. Many states are summed in pieces, one after another: what an engine holds at a time is
 * then that of a piece, and of all states no more than their energies.
 */
function collapsed<W>(model: EnergyModel<W>, w: W, x: Values, options: Summation): Tensor {
  const { sum: names = [], paired = {}, joint: [next, ...joint] = [], enumerate = [] } = options;
  if (next !== undefined) return afterReals(model, w, x, options, next, joint);
  const seen = seenBy(model, x);
  // The values of counts stay for their totals; all others of what is summed would only add leading axes.
  const rest = without(seen, [...names, ...Object.keys(paired), ...enumerate]);
  const totals = { ...totalsOf(model, seen, names), ...options.totals };
  watchCurvature(model, w, rest);
  const own = options.lead ?? leadOf(model, rest);
  const lead = broadcastShapes(`totals of ${model.name}`, [own, ...Object.values(totals).map((t) => lift(t).shape)]);
  if (enumerate.length === 0) return inClosedForm(model, w, rest, { names, paired }, widened(own, lead), totals);
  const count = countStates(model, enumerate);
  // the values of one state, which a piece holds for each of its states
  const width = sizeOf(own) * enumerate.reduce((most, name) => Math.max(most, sizeOf(eventOf(unitsOf(model, name)))), 1);
  const sums = statePieces(model, enumerate, Math.min(MOST_PIECES, Math.ceil((count * width) / HELD)), lead.length).map(
    ({ states, size }) => {
      const energies = inClosedForm(model, w, { ...rest, ...states }, { names, paired }, [size, ...widened(own, lead)], totals);
      return logSumExp(neg(broadcastTo(energies, [size, ...lead])), 0);
    },
  );
  return neg(sums.length === 1 ? sums[0]! : logSumExp(stack(sums), 0));
}

/** The real variables of `sum` integrated, the energy that is left is quadratic in `next` too. */
function afterReals<W>(model: EnergyModel<W>, w: W, x: Values, options: Summation, next: string, joint: readonly string[]): Tensor {
  const names = options.sum ?? [];
  const real = names.filter((name) => isReal(unitsOf(model, name)));
  const { shape } = unitsOf(model, next);
  const left = marginal(model, { sum: real }, { sweep: [], units: { [next]: { kind: "jointNormal", shape } } });
  const rest = without(x, [...real, next]);
  watchCurvature(model, w, without(seenBy(model, rest), summedBy(options)));
  return collapsed(left, w, rest, {
    ...options,
    lead: options.lead ?? leadOf(model, seenBy(model, without(rest, summedBy(options)))),
    sum: [...names.filter((name) => !real.includes(name)), next],
    joint,
  });
}

/** `own` with the rank of `lead`: the energy does not see totals, so its fields are read once for all of them. */
function widened(own: Shape, lead: Shape): Shape {
  return [...new Array<number>(lead.length - own.length).fill(1), ...own];
}

function totalsOf(model: EnergyModel, seen: Values, names: readonly string[]): Totals {
  return Object.fromEntries(
    names.flatMap((name) => {
      const units = unitsOf(model, name);
      return units.kind === "multinomial" && seen[name] !== undefined ? [[name, sum(flat(seen[name], units.shape), -1)]] : [];
    }),
  );
}

/** E(0) - Σ log normalisers; of units that are `paired` with others, the sum over both of their states. */
function inClosedForm<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  { names, paired }: { readonly names: readonly string[]; readonly paired: Readonly<Record<string, readonly string[]>> },
  lead: Shape,
  totals: Totals | undefined,
): Tensor {
  if (names.length === 0) return energyAt(model, w, x);
  const spikes = Object.keys(paired);
  const slabs = Object.values(paired).flat();
  /** Of the names, with all units of the spikes at `value`. */
  const normalisersAt = (value: 0 | 1, of: readonly string[]): Values => {
    const at = spikes.map((name) => [name, filledLike(eventOf(unitsOf(model, name)), lead, value)] as const);
    const given = conditionals(model, w, { ...x, ...Object.fromEntries(at) }, of, lead, totals);
    return Object.fromEntries(of.map((name) => [name, logNormaliser(given[name]!)]));
  };
  const off = normalisersAt(0, names);
  const { energy, fields } = fieldsAt(model, w, x, [...names, ...spikes], lead);
  const apart = names.filter((name) => !slabs.includes(name)).map((name) => off[name]!);
  const on = spikes.length === 0 ? {} : normalisersAt(1, slabs);
  const units = spikes.map((name) => {
    const own = paired[name]!;
    const zero = own.map((slab) => off[slab]!).reduce((total, t) => add(total, t));
    const one = own.reduce((total, slab) => add(total, on[slab]!), fields[name]!);
    return add(zero, softplus(sub(one, zero)));
  });
  return [...apart, ...units].reduce((total, t) => sub(total, overEvent(t, lead)), energy());
}

/** `value` everywhere, [1, …, ...event] of the rank of values with these leading axes. */
function filledLike(event: Shape, lead: Shape, value: 0 | 1): Tensor {
  const shape = [...lead.map(() => 1), ...event];
  return value === 0 ? zeros(shape) : ones(shape);
}

/** The sum over what is right of the leading axes. */
export function overEvent(t: Tensor, lead: Shape): Tensor {
  return sumLast(t, t.shape.length - lead.length);
}

/** All that is gone after the sum. */
export const summedBy = ({ sum: names = [], paired = {}, joint = [], enumerate = [] }: Summation): readonly string[] => [
  ...names,
  ...Object.keys(paired),
  ...joint,
  ...enumerate,
];

/** Less the log base measure of counts in `x`, log N! - Σ log x!, but of those in `summed`. */
export function measured(model: EnergyModel, x: Values, summed: readonly string[], energy: Tensor): Tensor {
  return Object.entries(model.units).reduce((total, [name, units]) => {
    const value = x[name];
    return units.kind !== "multinomial" || value === undefined || summed.includes(name)
      ? total
      : sub(total, logOrders(flat(value, units.shape)));
  }, energy);
}

/**
 * One chunk of an exact log Z too large for one graph, for a `repeat` stage: log of (exp(acc) + the sum over states number
 * iteration * chunk, …). Start from -Infinity; `ceil(countStates / chunk)` iterations give log Z.
 */
export function partitionChunk<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  acc: Tensor,
  iteration: Tensor,
  options: Summation & { readonly chunk: number },
): Tensor {
  const { chunk, enumerate = [], paired = {}, sum: names = [] } = options;
  const count = countStates(model, enumerate);
  const seen = without(seenBy(model, x), Object.keys(model.units));
  const lead = options.lead ?? leadOf(model, seen);
  const index = add(numbers(chunk, lead.length), mul(iteration, chunk));
  const inside = less(index, count);
  const states = statesAt(model, enumerate, index);
  const own = widened(leadOf(model, seen), lead);
  const value = neg(inClosedForm(model, w, { ...seen, ...states }, { names, paired }, [chunk, ...own], options.totals));
  const each = broadcastTo(select(inside, value, -Infinity), [chunk, ...lead]);
  return logSumExp(stack([acc, logSumExp(each, 0)]), 0);
}
