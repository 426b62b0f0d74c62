/** Chains that an update carries: how they begin afresh, and one sweep of them, as the body of a `repeat` stage. */
import { mul, sum as sumOf, type Key, type Tensor } from "../graph/index.js";
import { temperatures } from "./ais.js";
import { baseRates } from "./annealed.js";
import { drawUnits } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { hmc, langevin } from "./langevin.js";
import { temper } from "./temper.js";
import { drawLead, isReal, seenBy, unitsOf } from "./values.js";

/** What moves real variables along the gradient of the energy. */
export type GradientMoves = (
  | {
      readonly kind: "langevin";
      readonly step: number;
      /** False: steps are not accepted or refused (short runs of energy nets). */
      readonly metropolis?: false;
      /** See `LangevinOptions`. */
      readonly noise?: number;
    }
  | { readonly kind: "hmc"; readonly step: number; readonly leapfrog: number }
) & {
  /** The variables that are moved so; those without a conditional in closed form where absent. */
  readonly names?: readonly string[];
};

export interface MoveOptions {
  /** Variables that the estimate sums out: drawn first, since the chains hold no value of theirs. */
  readonly sum?: readonly string[];
  /** Conditions that the energy reads, with leading axes as the chains'. */
  readonly given?: Values;
  readonly moves?: GradientMoves;
  /**
   * The chains are replicas [replicas, chains, ...event] at inverse temperatures 0, 1 / (replicas - 1), …, 1, between independent units (discrete
   * ones uniform, real ones standard Normal) and the model: a sweep ends with exchanges (see `temper`).
   */
  readonly replicas?: number;
}

/**
 * One sweep of the chains of `model` among what an update carries, which are called `<density>.<variable>`: their new values, under the same
 * names. Variables with a conditional are drawn by Gibbs; real ones without are moved along the gradient.
 */
export function moveChains<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  carried: Readonly<Record<string, Tensor>>,
  options: MoveOptions = {},
): Readonly<Record<string, Tensor>> {
  const { sum, given, replicas } = options;
  const chains = chainsOf(carried, model.name);
  const moved =
    replicas === undefined
      ? sweepOnce(model, w, key, { ...given, ...chains }, options)
      : temper(model, baseRates(model), w, key, chains, {
          betas: temperatures(replicas - 1),
          ...(sum && { sum }),
          ...(given && { given }),
        });
  return named(model, chains, moved);
}

/**
 * Chains that begin afresh: discrete variables uniform, counts as many as the chain holds, spread evenly, real ones Normal(0, scale).
 * Under the names of what the update carries.
 */
export function freshChains(
  model: EnergyModel,
  key: Key,
  carried: Readonly<Record<string, Tensor>>,
  { scale = 1 }: { readonly scale?: number } = {},
): Readonly<Record<string, Tensor>> {
  const chains = chainsOf(carried, model.name);
  const base: EnergyModel<unknown> = baseRates(model);
  const start = Object.entries(chains).map(([name, old]): readonly [string, Tensor] => {
    const units = unitsOf(model, name);
    const totals = units.kind === "multinomial" ? { totals: { [name]: sumOf(old, -1) } } : {};
    const drawn = drawUnits(base, undefined, key.at(name), {}, name, {
      lead: drawLead(model, seenBy(model, { [name]: old }), undefined),
      ...totals,
    });
    return [name, isReal(units) && scale !== 1 ? mul(scale, drawn) : drawn];
  });
  return named(model, chains, Object.fromEntries(start));
}

const named = (model: EnergyModel, chains: Values, values: Values): Readonly<Record<string, Tensor>> =>
  Object.fromEntries(Object.keys(chains).map((name) => [`${model.name}.${name}`, values[name]!]));

/** The chains of a density among what an update carries, by variable. */
export function chainsOf(carried: Readonly<Record<string, Tensor>>, density: string): Values {
  const prefix = `${density}.`;
  return Object.fromEntries(
    Object.entries(carried).flatMap(([name, value]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [])),
  );
}

/** One sweep; `clamp` names variables that stay. */
export function sweepOnce<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  x: Values,
  { sum = [], moves, clamp = [] }: Pick<MoveOptions, "sum" | "moves"> & { readonly clamp?: readonly string[] },
): Values {
  const lawless = Object.keys(model.units).filter((name) => model.units[name]?.kind === "real");
  const names = moves === undefined ? [] : (moves.names ?? lawless).filter((name) => !clamp.includes(name));
  const drawn = gibbs(model, w, key, x, { sweep: sweepFrom(model, sum), clamp: [...clamp, ...names] });
  if (moves === undefined || names.length === 0) return drawn;
  const at = key.at("gradient");
  if (moves.kind === "hmc") return hmc(model, w, at, drawn, { names, stepSize: moves.step, leapfrog: moves.leapfrog }).values;
  const { step, metropolis = true, noise } = moves;
  return langevin(model, w, at, drawn, { names, stepSize: step, metropolis, ...(noise !== undefined && { noise }) });
}
