/**
 * Paths of energies from an independent base model to the model, E_beta = (1 - beta) E_base + beta E: the geometric path of annealed
 * importance sampling and of tempering. Base models are fitted to means of data.
 */
import { assertNever } from "../graph/errors.js";
import {
  add,
  div,
  log,
  mean,
  mul,
  neg,
  square,
  sqrt,
  sub,
  sum,
  variance,
  expandDims,
  zeros,
  type Shape,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { sumLast } from "../graph/last-axes.js";
import { blockSize, fromBlocks, toBlocks, unitAxis } from "./blocks.js";
import { conditionals, logNormaliser, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { energyAt, fieldsAt } from "./fields.js";
import { overEvent } from "./free-energy.js";
import { eventOf, independent, type IndependentUnits, seenBy } from "./values.js";
import { sizeOf } from "../graph/shape.js";

/** The model at inverse temperature `beta` (broadcasts against the energy): the base at 0, the model at 1. */
export function annealed<W>(model: EnergyModel<W>, base: EnergyModel<W>, beta: TensorLike): EnergyModel<W> {
  const rest = sub(1, beta);
  return {
    ...model,
    energy: (w, x) => add(mul(rest, base.energy(w, x)), mul(beta, model.energy(w, x))),
    parts: [
      { model: base, weight: rest },
      { model, weight: beta },
    ],
  };
}

/**
 * F at `from` less F at `to`, [...lead], of values `x` (seen) without what is summed over. The closed forms are subtracted unit by unit, so that
 * neighbouring temperatures lose no digits to each other's size; both read the same products.
 */
export function freeEnergyDrop<W>(
  model: EnergyModel<W>,
  base: EnergyModel<W>,
  w: W,
  x: Values,
  from: TensorLike,
  to: TensorLike,
  options: { readonly sum: readonly string[]; readonly lead: Shape; readonly totals?: Totals | undefined },
): Tensor {
  const { sum: names, lead, totals } = options;
  const at = (part: EnergyModel<W>): Tensor => (names.length === 0 ? energyAt(part, w, x) : fieldsAt(part, w, x, names, lead).energy());
  const offset = mul(sub(from, to), sub(at(model), at(base)));
  if (names.length === 0) return offset;
  const [hot, cold] = [from, to].map((beta) => conditionals(annealed(model, base, beta), w, x, names, lead, totals));
  return names.reduce((total, name) => {
    const drop = sub(logNormaliser(cold![name]!), logNormaliser(hot![name]!));
    return add(total, overEvent(drop, lead));
  }, offset);
}

/** Means and variances of a variable as the energy sees it, [...event]. */
export interface BaseStatistics {
  readonly mean: Tensor;
  /** Of real variables; 1 where absent. */
  readonly variance?: Tensor;
}

/** The statistics of rows [B, ...event] of some variables. */
export function baseStatistics(model: EnergyModel, rows: Values): Readonly<Record<string, BaseStatistics>> {
  return Object.fromEntries(
    Object.entries(seenBy(model, rows)).map(([name, value]) => [name, { mean: mean(value, 0), variance: variance(value, 0) }]),
  );
}

/** Share of the uniform distribution in a base model of discrete units, so that no state is out of its reach. */
const SMOOTHING = 0.01;

/**
 * An independent model of the same variables, with the given means (Salakhutdinov & Murray 2008: the base-rate model) and, for real ones,
 * variances; uniform and standard Normal where none are given. Its log Z is `logPartition(base, …, { sum: all variables })`.
 */
export function baseRates(
  model: EnergyModel,
  statistics: Readonly<Record<string, BaseStatistics | undefined>> = {},
  smoothing = SMOOTHING,
): EnergyModel<unknown> {
  const fields = Object.entries(model.units).map(
    ([name, units]) => [name, units, fieldOf(independent(units), statistics[name], smoothing)] as const,
  );
  const names = Object.keys(model.units);
  return {
    name: `${model.name} (base rates)`,
    place: model.place,
    units: Object.fromEntries(fields.map(([name, units]) => [name, independent(units)])),
    sweep: [names],
    energy: (_, x) => {
      const terms = fields.flatMap(([name, units, field]) => {
        if (field === undefined) return [];
        return [sumLast(field(x[name]!), eventOf(units).length)];
      });
      return terms.length === 0 ? zeros([]) : terms.reduce((total, t) => add(total, t));
    },
  };
}

/** Of a real variable under the base model: 1, or [...event]. */
export function baseDeviation(given: BaseStatistics | undefined, smoothing = SMOOTHING): TensorLike {
  return given?.variance === undefined ? 1 : sqrt(add(given.variance, smoothing));
}

/** The entries of the energy of one variable; undefined of a uniform one, whose energy is 0. */
function fieldOf(units: IndependentUnits, given: BaseStatistics | undefined, smoothing: number): ((x: Tensor) => Tensor) | undefined {
  const event = eventOf(units);
  const smooth = (p: Tensor, states: number): Tensor => add(mul(p, 1 - smoothing), smoothing / states);
  const linear =
    (logits: Tensor) =>
    (x: Tensor): Tensor =>
      neg(mul(x, logits));
  switch (units.kind) {
    case "bernoulli": {
      if (given === undefined) return undefined;
      const p = smooth(given.mean, 2);
      return linear(log(div(p, sub(1, p))));
    }
    case "categorical":
      return given === undefined ? undefined : linear(log(smooth(given.mean, units.classes)));
    case "oneOfBlock": {
      if (given === undefined) return undefined;
      const p = smooth(toBlocks(given.mean, units), blockSize(units) + 1);
      const axis = unitAxis(units);
      const none = sub(1, expandDims(sum(p, axis), axis));
      return linear(fromBlocks(log(div(p, none)), units));
    }
    case "multinomial": {
      if (given === undefined) return undefined;
      const share = div(given.mean, sum(given.mean));
      return linear(log(smooth(share, sizeOf(event))));
    }
    case "normal": {
      const [loc, scale] = [given?.mean ?? 0, baseDeviation(given, smoothing)];
      return (x) => mul(0.5, square(div(sub(x, loc), scale)));
    }
    default:
      return assertNever(units);
  }
}
