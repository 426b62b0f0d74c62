/**
 * Gradient-based sampling of real variables under any differentiable energy. Steps are unrolled, without gradient; in a `repeat` stage take one step and
 * key.iterate(iteration). `sum` names variables that are summed out of the energy.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  cast,
  greaterEqual,
  less,
  log,
  min,
  mul,
  exp,
  randomNormal,
  select,
  square,
  stopGradient,
  sub,
  type DrawShape,
  type Key,
  type Tensor,
  type TensorLike,
} from "../graph/index.js";
import { beforeEvent } from "../graph/last-axes.js";
import { openUniform } from "../prob/noise.js";
import type { Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gradientOf } from "./fields.js";
import { freeEnergy, overEvent } from "./free-energy.js";
import { drawLead, isReal, plainShape, seenBy, unitsOf, without } from "./values.js";

export interface LangevinOptions {
  /** The variables moved; all others keep their values. All real ones of the model by default. */
  readonly names?: readonly string[];
  /** 1 by default. */
  readonly steps?: number;
  /** epsilon: the deviation of a step's noise; its drift is epsilon^2 / 2 times the gradient. */
  readonly stepSize: TensorLike;
  /** Variables summed out of the energy. */
  readonly sum?: readonly string[];
  /** Accept or refuse each step, so that the energy's own distribution is left invariant (MALA: Roberts & Tweedie 1996). */
  readonly metropolis?: boolean;
  /**
   * The noise's deviation as a multiple of that of Langevin dynamics, without `metropolis`: 1 by default. Below 1 the walk is that of a colder
   * energy, at 0 it descends (short runs of energy nets: Nijkamp et al. 2019; Du & Mordatch 2019).
   */
  readonly noise?: number;
  readonly lead?: DrawShape;
}

/** x <- x - (epsilon^2 / 2) dE/dx + epsilon noise (Parisi 1981; Grenander & Miller 1994). */
export function langevin<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: LangevinOptions): Values {
  const { steps = 1, stepSize, noise: share = 1 } = options;
  if (options.metropolis === true && share !== 1)
    throw new GmcError("GM4008", `noise of ${share} times the dynamics' own: a step that is accepted or refused has its own noise, 1`);
  if (options.metropolis === true) return hmc(model, w, key, x, { ...options, leapfrog: 1 }).values;
  const walk = prepare(model, w, x, options);
  let values = walk.start;
  for (let i = 0; i < steps; i++) {
    const { gradients } = walk.at(values);
    values = Object.fromEntries(
      walk.names.map((name) => {
        const drift = mul(mul(0.5, square(stepSize)), gradients[name]!);
        const noise = share === 0 ? 0 : mul(mul(share, stepSize), randomNormal(key.at(name).fold(i), walk.draw(name)));
        return [name, stopGradient(add(sub(values[name]!, drift), noise))];
      }),
    );
  }
  return { ...x, ...values };
}

export interface HmcOptions extends Omit<LangevinOptions, "metropolis" | "noise" | "stepSize"> {
  /** One for all, or of each variable, against its values [...lead, ...event]: with steps in proportion to its entries' deviations all are as mobile. */
  readonly stepSize: TensorLike | ((name: string) => TensorLike);
  /** N of counts that are summed out. */
  readonly totals?: Totals;
  /** Leapfrog steps of each proposal. */
  readonly leapfrog: number;
}

/** Hamiltonian Monte Carlo (Duane et al. 1987; Neal 2011) with unit mass. `acceptance` [...lead] is the mean probability of acceptance over the steps. */
export function hmc<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  options: HmcOptions,
): { readonly values: Values; readonly acceptance: Tensor } {
  const { steps = 1, leapfrog } = options;
  const size = typeof options.stepSize === "function" ? options.stepSize : () => options.stepSize as TensorLike;
  if (!Number.isInteger(leapfrog) || leapfrog < 1) throw new GmcError("GM4008", `${leapfrog} leapfrog steps: at least 1`);
  const walk = prepare(model, w, x, options);
  const { names, lead } = walk;
  const each = (fn: (name: string) => Tensor): Values => Object.fromEntries(names.map((name) => [name, fn(name)]));
  const kinetic = (p: Values): Tensor =>
    names.map((name) => mul(0.5, overEvent(square(p[name]!), lead))).reduce((total, t) => add(total, t));
  let values = walk.start;
  let acceptance: Tensor | undefined;
  for (let i = 0; i < steps; i++) {
    const before = walk.at(values);
    const momentum = each((name) => randomNormal(key.at(name).fold(i), walk.draw(name)));
    let [position, p, gradients] = [values, momentum, before.gradients];
    for (let l = 0; l < leapfrog; l++) {
      const half = each((name) => sub(p[name]!, mul(mul(0.5, size(name)), gradients[name]!)));
      const moved = each((name) => stopGradient(add(position[name]!, mul(size(name), half[name]!))));
      gradients = walk.at(moved).gradients;
      p = each((name) => sub(half[name]!, mul(mul(0.5, size(name)), gradients[name]!)));
      position = moved;
    }
    const gain = sub(add(before.energy, kinetic(momentum)), add(walk.at(position).energy, kinetic(p)));
    // A proposal whose energy is not a number compares as false: refused.
    const accept = less(log(openUniform(key.at("accept").fold(i), walk.draw())), gain);
    values = each((name) => {
      const rank = values[name]!.shape.length - lead.length;
      return stopGradient(select(beforeEvent(accept, rank), position[name]!, values[name]!));
    });
    const probability = select(less(gain, 0), exp(min(gain, 0)), cast(greaterEqual(gain, 0), "f32"));
    acceptance = acceptance === undefined ? probability : add(acceptance, probability);
  }
  return { values: { ...x, ...values }, acceptance: stopGradient(mul(acceptance!, 1 / steps)) };
}

interface Walk {
  readonly names: readonly string[];
  /** Leading axes of everything, in plain numbers. */
  readonly lead: number[];
  readonly start: Values;
  /** The shape of a draw for a variable, or of one number a chain. */
  readonly draw: (name?: string) => DrawShape;
  /** The energy [...lead] and its gradient in each variable. */
  readonly at: (values: Values) => { readonly energy: Tensor; readonly gradients: Values };
}

function prepare<W>(model: EnergyModel<W>, w: W, x: Values, options: Pick<HmcOptions, "names" | "sum" | "lead" | "totals">): Walk {
  const { sum: summed = [], totals } = options;
  const real = (name: string): boolean => isReal(unitsOf(model, name));
  const names = options.names ?? Object.keys(model.units).filter((name) => real(name) && !summed.includes(name));
  for (const name of names) {
    if (!real(name))
      throw new GmcError("GM4009", `\`${name}\` (${model.place}) is discrete: no gradient moves it`, ["single_site moves it"]);
    if (x[name] === undefined) throw new GmcError("GM4002", `the chain of \`${name}\` (${model.place}) has no value to start from`);
  }
  const seen = without(seenBy(model, x), summed);
  const drawn = drawLead(model, seen, options.lead);
  const lead = plainShape(drawn);
  const event = (name: string): readonly number[] => unitsOf(model, name).shape;
  const rest = without(x, names);
  return {
    names,
    lead,
    // nodes of their own: the gradient is in them, not in what they came from
    start: Object.fromEntries(names.map((name) => [name, stopGradient(broadcastTo(x[name]!, [...lead, ...event(name)]))])),
    draw: (name) => (name === undefined ? drawn : [...drawn, ...event(name)]),
    at: (values) => {
      const energy = broadcastTo(freeEnergy(model, w, { ...rest, ...values }, { sum: summed, ...(totals && { totals }) }), lead);
      const gradients = gradientOf(
        energy,
        names.map((name) => values[name]!),
      );
      return { energy, gradients: Object.fromEntries(names.map((name, i) => [name, gradients[i]!])) };
    },
  };
}
