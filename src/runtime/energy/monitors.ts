/** Cheap measures of how training goes: pseudo-likelihood and reconstruction error. Neither knows the partition function. */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  eye,
  floor,
  logSumExp,
  min,
  mul,
  neg,
  oneHot,
  ones,
  randomUniform,
  reshape,
  sizeOf,
  sliceAxis,
  square,
  stack,
  sub,
  sum,
  type Key,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { blockSize, fromBlocks, gridOf } from "./blocks.js";
import { flat, meanUnits, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy } from "./free-energy.js";
import { gibbs } from "./gibbs.js";
import { drawLead, eventOf, held, plainShape, seenBy, unitsOf, without } from "./values.js";

/** Up to this many units all are visited, unless told otherwise. */
const EXACT_UNITS = 64;

export interface PseudoLikelihoodOptions {
  readonly sum?: readonly string[];
  /** All units, or one drawn for each row and taken for all; all up to 64 by default. */
  readonly units?: "all" | "one";
}

/**
 * Σ_i log p(x_i | the other units of `name`, what else is in `x`), [...lead] (Besag 1975), what is in `sum` summed out. Of many units one a row is
 * taken, times their number: right in the mean. A "unit" of which at most one of a block is on is the block.
 */
export function pseudoLogLikelihood<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  name: string,
  options: PseudoLikelihoodOptions = {},
): Tensor {
  const sites = sitesOf(model, name);
  const { sum: summed = [] } = options;
  const seen = held(without(seenBy(model, x), summed));
  const lead = drawLead(model, seen, undefined);
  const shape = plainShape(lead);
  const all = (options.units ?? (sites.count <= EXACT_UNITS ? "all" : "one")) === "all";
  const chosen = all
    ? reshape(eye(sites.count), [sites.count, ...shape.map(() => 1), sites.count])
    : oneHot(min(floor(mul(randomUniform(key.at(name), lead), sites.count)), sites.count - 1), sites.count);
  const value = broadcastTo(seen[name]!, [...(all ? [sites.count] : []), ...shape, ...sites.event]);
  const cleared = mul(value, sub(1, sites.cover(chosen)));
  const parts = sites.states(chosen);
  const alternatives = [...(sites.none ? [cleared] : []), ...parts.map((part) => add(cleared, part))];
  const logits = neg(freeEnergy(model, w, { ...seen, [name]: stack(alternatives, 0) }, { sum: summed }));
  const scores = broadcastTo(logits, [alternatives.length, ...value.shape.slice(0, value.shape.length - sites.event.length)]);
  // 1 for the alternative that the row holds, 0 for the others
  const on = parts.map((part) => sum(flat(mul(value, part), sites.event), -1));
  const present = stack(
    [
      ...(sites.none
        ? [
            sub(
              1,
              on.reduce((total, t) => add(total, t)),
            ),
          ]
        : []),
      ...on,
    ],
    0,
  );
  const logs = sub(sum(mul(present, scores), 0), logSumExp(scores, 0));
  return all ? sum(logs, 0) : mul(logs, sites.count);
}

/** The units of a variable one by one. `chosen` [..., count] is one-hot over them; results are [..., ...event]. */
interface Sites {
  readonly count: number;
  readonly event: Shape;
  /** Whether all entries 0 is a state. */
  readonly none: boolean;
  /** The entries of the chosen unit. */
  readonly cover: (chosen: Tensor) => Tensor;
  /** What each other state of it adds to zeros. */
  readonly states: (chosen: Tensor) => Tensor[];
}

function sitesOf(model: EnergyModel, name: string): Sites {
  const units = unitsOf(model, name);
  const event = eventOf(units);
  const shaped = (chosen: Tensor, shape: Shape): Tensor => reshape(chosen, [...chosen.shape.slice(0, -1), ...shape]);
  const hot = (n: number, k: number): Tensor => reshape(sliceAxis(eye(n), 0, k, k + 1), [n]);
  switch (units.kind) {
    case "bernoulli":
    case "binary": {
      const cover = (chosen: Tensor): Tensor => shaped(chosen, units.shape);
      return { count: sizeOf(units.shape), event, none: true, cover, states: (chosen) => [cover(chosen)] };
    }
    case "categorical":
    case "category": {
      const { classes } = units;
      const cover = (chosen: Tensor): Tensor => shaped(chosen, [...units.shape, 1]);
      const states = (chosen: Tensor): Tensor[] => Array.from({ length: classes }, (_, k) => mul(cover(chosen), hot(classes, k)));
      return { count: sizeOf(units.shape), event, none: false, cover, states };
    }
    case "oneOfBlock": {
      const [size, grid] = [blockSize(units), gridOf(units)];
      const within = (chosen: Tensor, unit: Tensor): Tensor =>
        fromBlocks(mul(shaped(chosen, [1, ...grid]), reshape(unit, [size, ...grid.map(() => 1)])), units);
      const states = (chosen: Tensor): Tensor[] => Array.from({ length: size }, (_, k) => within(chosen, hot(size, k)));
      return { count: sizeOf(grid), event, none: true, cover: (chosen) => within(chosen, ones([size])), states };
    }
    default:
      throw new GmcError("GM4009", `the pseudo-likelihood of \`${name}\` (${model.place}): its units are ${units.kind}`, [
        "it is that of binary and category units",
      ]);
  }
}

export interface ReconstructionOptions {
  readonly totals?: Totals;
  /** Blocks in the order of the sweep that draws the other variables; the model's by default. */
  readonly sweep?: EnergyModel["sweep"];
}

/**
 * Σ (x - E[x | h])^2 over the entries of `name` (categories one-hot), [...lead], the other variables h drawn by one Gibbs sweep given x. Falls while CD
 * learns, but does not measure likelihood.
 */
export function reconstructionError<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  name: string,
  { totals, sweep }: ReconstructionOptions = {},
): Tensor {
  const options = totals === undefined ? {} : { totals };
  const values = gibbs(model, w, key, x, { clamp: [name], ...(sweep && { sweep }), ...options });
  const miss = sub(seenBy(model, x)[name]!, meanUnits(model, w, values, name, options));
  return sum(flat(square(miss), eventOf(unitsOf(model, name))), -1);
}
