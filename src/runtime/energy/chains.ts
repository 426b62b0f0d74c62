/** Chains that an update carries: one sweep of them, as the body of a `repeat` stage. */
import type { Key, Tensor } from "../graph/index.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gibbs, sweepFrom } from "./gibbs.js";

export interface MoveOptions {
  /** Variables that the estimate sums out: drawn first, since the chains hold no value of theirs. */
  readonly sum?: readonly string[];
  /** Conditions that the energy reads, with leading axes as the chains'. */
  readonly given?: Values;
}

/**
 * One Gibbs sweep of the chains of `model` among what an update carries, which are called `<density>.<variable>`: their new values, under the
 * same names.
 */
export function moveChains<W>(
  model: EnergyModel<W>,
  w: W,
  key: Key,
  carried: Readonly<Record<string, Tensor>>,
  options: MoveOptions = {},
): Readonly<Record<string, Tensor>> {
  const prefix = `${model.name}.`;
  const names = Object.keys(carried)
    .filter((name) => name.startsWith(prefix))
    .map((name) => name.slice(prefix.length));
  const chains = Object.fromEntries(names.flatMap((name) => (carried[prefix + name] ? [[name, carried[prefix + name]!]] : [])));
  const sweep = sweepFrom(model, options.sum ?? []);
  const moved = gibbs(model, w, key, { ...options.given, ...chains }, { sweep });
  return Object.fromEntries(names.map((name) => [prefix + name, moved[name]!]));
}
