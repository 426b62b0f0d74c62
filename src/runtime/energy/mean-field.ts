/**
 * Naive mean field (Peterson & Anderson 1987; Salakhutdinov & Hinton 2009 for Boltzmann machines): each variable's mean set to its conditional
 * mean given the means of the others, block by block. Right for energies that are multi-affine in the variables, units that interact included (normal
 * units: of constant precision), and for binary units of degree two with squares among them (`h @ J @ h`): x^2 = x makes these affine, which the
 * diagonal of the Hessian tells. That diagonal may depend on no other variable that gets means.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  constant,
  lift,
  mul,
  neg,
  sigmoid,
  softmax,
  ones,
  reshape,
  sizeOf,
  stopGradient,
  sub,
  type Shape,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import { diagonal } from "../prob/linear.js";
import { blockSize } from "./blocks.js";
import { conditionals, entropyOfMean, meanGap, meanOf, type Totals } from "./conditional.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";
import { curvature, energyAt, gradientOf } from "./fields.js";
import { measured, overEvent } from "./free-energy.js";
import { eventOf, independent, isCategory, isLawless, isReal, leadOf, seenBy, unitsOf, without } from "./values.js";

export interface MeanFieldOptions {
  /** Variables that get means; all others have values in `x`. */
  readonly names: readonly string[];
  readonly steps: number;
  /** Share of the old mean that is kept, in [0, 1); 0 by default. */
  readonly damping?: number;
  /** Means to begin with; uniform ones by default. */
  readonly start?: Values;
  readonly lead?: Shape;
  readonly totals?: Totals;
}

/** The means after so many steps, as the energy sees the variables, [...lead, ...event], without gradient. */
export function meanField<W>(model: EnergyModel<W>, w: W, x: Values, options: MeanFieldOptions): Values {
  const { names, steps, damping = 0, totals } = options;
  if (!(damping >= 0 && damping < 1))
    throw new GmcError("GM4009", `mean field of \`${model.name}\` (${model.place}): a damping of ${damping}`, [
      "it is the share of the old means that is kept: from 0 on, and below 1, where none would move",
    ]);
  const seen = seenBy(model, x);
  const shapes = [leadOf(model, { ...seen, ...options.start }), ...Object.values(totals ?? {}).map((t) => lift(t).shape)];
  const lead = options.lead ?? broadcastShapes(`totals of ${model.name}`, shapes);
  let means: Values = Object.fromEntries(
    names.map((name) => [name, options.start?.[name] ?? uniformMean(unitsOf(model, name), lead, totals?.[name])]),
  );
  const bends = Object.fromEntries(names.map((name) => [name, squareCurvature(model, w, { ...seen, ...means }, name, lead)]));
  const blocks = model.sweep.map((block) => block.filter((name) => names.includes(name))).filter((block) => block.length > 0);
  for (let i = 0; i < steps; i++) {
    for (const block of blocks) {
      const lawful = block.filter((name) => !isLawless(unitsOf(model, name)));
      const given = conditionals(model, w, { ...seen, ...means }, lawful, lead, totals);
      const moved = block.map((name) => {
        const fresh =
          given[name] === undefined ? interactingMean(model, w, { ...seen, ...means }, name, bends[name], lead) : meanOf(given[name]);
        return [name, damping === 0 ? fresh : add(mul(damping, means[name]!), mul(1 - damping, fresh))] as const;
      });
      means = { ...means, ...Object.fromEntries(moved) };
    }
  }
  return Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, stopGradient(mean)]));
}

/**
 * -E(x, means) + the entropy of the factors, [...lead]: with -log Z a lower bound of log p(x), of which the conditions of `x` are no part.
 * The means are held fixed; the gradient in the weights is that of -E.
 */
export function meanFieldBound<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  means: Values,
  options: { readonly lead?: Shape; readonly totals?: Totals } = {},
): Tensor {
  const seen = seenBy(model, x);
  const fixed = Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, stopGradient(mean)]));
  const all = { ...seen, ...fixed };
  const lead = options.lead ?? leadOf(model, all);
  const plain = measured(model, seen, Object.keys(means), energyAt(model, w, all));
  // the mean of x^2 is mu, not mu^2
  const energy = Object.entries(fixed).reduce((total, [name, mean]) => {
    const bend = squareCurvature(model, w, all, name, lead);
    return bend === undefined ? total : add(total, overEvent(mul(mul(0.5, bend), mul(mean, sub(1, mean))), lead));
  }, plain);
  const gaps = Object.entries(fixed).map(([name, mean]) => {
    const gap = entropyOfMean(unitsOf(model, name), mean) ?? meanGap(conditionals(model, w, all, [name], lead, options.totals)[name]!);
    return overEvent(gap, lead);
  });
  return sub(
    gaps.reduce((total, gap) => add(total, gap)),
    energy,
  );
}

/** d2E/dx_i2 of binary units that interact, [...lead, ...event] or [...event]; undefined of all others, which are affine. */
function squareCurvature<W>(model: EnergyModel<W>, w: W, x: Values, name: string, lead: Shape): Tensor | undefined {
  const units = unitsOf(model, name);
  if (units.kind !== "binary" || units.quadratic !== true || units.block !== undefined) return undefined;
  const found = diagonal(curvature(model, w, without(x, [name]), name, lead));
  return reshape(found, [...found.shape.slice(0, -1), ...units.shape]);
}

/** Of units that interact: E with a unit on less E with it off, the others at their means. All are set at once; damping keeps them from swinging. */
function interactingMean<W>(model: EnergyModel<W>, w: W, x: Values, name: string, bend: Tensor | undefined, lead: Shape): Tensor {
  const units = unitsOf(model, name);
  if (isReal(units))
    throw new GmcError("GM4009", `\`${name}\` of \`${model.name}\` (${model.place}) has no mean in closed form`, [
      "langevin and hmc move it",
    ]);
  if (units.kind === "binary" && units.block !== undefined)
    throw new GmcError(
      "GM4009",
      `mean field of \`${name}\` of \`${model.name}\` (${model.place}): its units interact under one of a block`,
      ["within a block the energy at their means is not the mean of the energy; single_site draws them"],
    );
  const at = stopGradient(broadcastTo(x[name]!, [...lead, ...eventOf(units)]));
  const [gradient] = gradientOf(energyAt(model, w, { ...x, [name]: at }), [at]);
  if (isCategory(units)) return softmax(neg(gradient!), -1);
  return sigmoid(neg(bend === undefined ? gradient! : add(gradient!, mul(bend, sub(0.5, at)))));
}

function uniformMean(units: Units, lead: Shape, total: Totals[string] | undefined): Tensor {
  const shape = [...lead, ...eventOf(units)];
  const lone = independent(units);
  switch (lone.kind) {
    case "bernoulli":
      return constant(0.5, shape);
    case "oneOfBlock":
      return constant(1 / (blockSize(lone) + 1), shape);
    case "categorical":
      return constant(1 / lone.classes, shape);
    case "multinomial":
      return mul(ones(shape), mul(overEntries(total ?? 1, lone.shape), 1 / sizeOf(lone.shape)));
    default:
      return constant(0, shape);
  }
}

/** A number of each row, [...lead], against values [...lead, ...event]. */
function overEntries(x: TensorLike, event: Shape): TensorLike {
  return typeof x === "number" ? x : reshape(x, [...x.shape, ...event.map(() => 1)]);
}
