/** Chains that an update carries: one sweep of them, as the body of a `repeat` stage. */
import type { Key, Tensor } from "../graph/index.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { hmc, langevin } from "./langevin.js";

/** What moves real variables that have no conditional in closed form. */
export type GradientMoves =
  { readonly kind: "langevin"; readonly step: number } | { readonly kind: "hmc"; readonly step: number; readonly leapfrog: number };

export interface MoveOptions {
  /** Variables that the estimate sums out: drawn first, since the chains hold no value of theirs. */
  readonly sum?: readonly string[];
  /** Conditions that the energy reads, with leading axes as the chains'. */
  readonly given?: Values;
  readonly moves?: GradientMoves;
}

/**
 * One sweep of the chains of `model` among what an update carries, which are called `<density>.<variable>`: their new values, under the same
 * names. Variables with a conditional are drawn by Gibbs; real ones without are moved along the gradient, with Metropolis' correction.
 */
export function moveChains<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  carried: Readonly<Record<string, Tensor>>,
  options: MoveOptions = {},
): Readonly<Record<string, Tensor>> {
  const chains = chainsOf(carried, model.name);
  const moved = sweepOnce(model, w, key, { ...options.given, ...chains }, options);
  return Object.fromEntries(Object.keys(chains).map((name) => [`${model.name}.${name}`, moved[name]!]));
}

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
  const drawn = gibbs(model, w, key, x, { sweep: sweepFrom(model, sum), clamp });
  if (moves === undefined) return drawn;
  const names = Object.keys(model.units).filter((name) => model.units[name]?.kind === "real" && !clamp.includes(name));
  if (names.length === 0) return drawn;
  const at = key.at("gradient");
  return moves.kind === "langevin"
    ? langevin(model, w, at, drawn, { names, stepSize: moves.step, metropolis: true })
    : hmc(model, w, at, drawn, { names, stepSize: moves.step, leapfrog: moves.leapfrog }).values;
}
