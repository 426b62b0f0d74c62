/**
 * Parallel tempering (Swendsen & Wang 1986; of RBMs: Desjardins et al. 2010): replicas of the chains at inverse temperatures between an independent
 * base model and the model, each moved by Gibbs sampling at its own, neighbours exchanged by Metropolis.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  constant,
  less,
  log,
  mean,
  reshape,
  select,
  sliceAxis,
  squeeze,
  take,
  writeState,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { beforeEvent } from "../graph/last-axes.js";
import { openUniform } from "../prob/noise.js";
import { annealed, freeEnergyDrop } from "./annealed.js";
import type { Totals } from "./conditional.js";
import { logPartitionSurrogate } from "./contrastive.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { gibbs, sweepFrom } from "./gibbs.js";
import { held, leadOf, seenBy, without } from "./values.js";

export interface TemperOptions {
  /** Inverse temperatures of the replicas, rising, the last one 1. */
  readonly betas: readonly number[];
  /** Rounds of one sweep and the exchanges of even and of odd pairs; 1 by default. */
  readonly k?: number;
  /** Variables summed over where replicas are compared; the chains hold the others. */
  readonly sum?: readonly string[];
  /** Conditions, [chains, ...event]. */
  readonly given?: Values;
  readonly totals?: Totals;
}

/** Chains [replicas, chains, ...event] moved on by k rounds, without gradient. The last replica is the model's. */
export function temper<W>(model: EnergyModel<W>, base: EnergyModel<W>, w: W, key: Key, chains: Values, options: TemperOptions): Values {
  const { betas, k = 1, sum = [], given = {}, totals } = options;
  const replicas = betas.length;
  if (betas.some((b, i) => !(b >= 0) || (i > 0 && !(b > betas[i - 1]!))) || betas[replicas - 1] !== 1)
    throw new GmcError("GM4008", `inverse temperatures ${betas.join(", ")} do not rise to 1`);
  const lead = leadOf(model, seenBy(model, without({ ...given, ...chains }, sum)));
  const against = (values: readonly number[]): Tensor => reshape(constant(values, [replicas]), [replicas, ...lead.slice(1).map(() => 1)]);
  const own = against(betas);
  const names = Object.keys(chains).filter((name) => !sum.includes(name));
  let values: Values = chains;
  for (let i = 0; i < k; i++) {
    const at = key.fold(i);
    const swept = gibbs(
      annealed(model, base, own),
      w,
      at,
      { ...given, ...values },
      { sweep: sweepFrom(model, sum), ...(totals && { totals }) },
    );
    values = Object.fromEntries(names.map((name) => [name, swept[name]!]));
    for (const parity of [0, 1]) {
      const partner = betas.map((_, r) => {
        const other = r % 2 === parity ? r + 1 : r - 1;
        return other >= 0 && other < replicas ? other : r;
      });
      // What the pair's energies would lose by the exchange; both replicas of a pair read the same uniform.
      const seen = seenBy(model, { ...given, ...values });
      const gain = freeEnergyDrop(model, base, w, seen, own, against(partner.map((p) => betas[p]!)), { sum, lead, totals });
      const index = (list: readonly number[]): Tensor => constant(list, [replicas], "i32");
      const uniform = take(openUniform(at.at(`exchange${parity}`), lead), index(partner.map((p, r) => Math.min(p, r))), 0);
      const accept = less(log(uniform), add(gain, take(gain, index(partner), 0)));
      values = Object.fromEntries(
        names.map((name) => {
          const value = values[name]!;
          const rank = value.shape.length - lead.length;
          return [name, select(beforeEvent(accept, rank), take(value, index(partner), 0), value)];
        }),
      );
    }
  }
  return held(values);
}

/** Values of the model's own replica, the last, among tempered chains [replicas, ...]. */
export function modelReplica(chains: Values): Values {
  return Object.fromEntries(
    Object.entries(chains).map(([name, value]) => {
      const [replicas = 1] = value.shape;
      return [name, squeeze(sliceAxis(value, 0, replicas - 1, replicas), 0)];
    }),
  );
}

/** As `pcd`, with tempered chains [replicas, chains, ...event] of the state store; the estimate is taken at the last replica's. */
export function temperedPcd<W>(
  model: EnergyModel<W>,
  base: EnergyModel<W>,
  w: W,
  key: Key,
  chains: Values,
  options: TemperOptions,
): Tensor {
  const moved = temper(model, base, w, key, chains, options);
  for (const [name, chain] of Object.entries(chains)) writeState(chain, moved[name] ?? chain);
  const { sum, totals, given } = options;
  const own = { ...(sum && { sum }), ...(totals && { totals }), ...(given && { given }) };
  return mean(logPartitionSurrogate(model, w, modelReplica(moved), own));
}
