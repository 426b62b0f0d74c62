/** Block Gibbs sampling: every block drawn from its conditional given the newest values of the rest. */
import { GmcError } from "../graph/errors.js";
import { stopGradient, type DrawShape, type Key } from "../graph/index.js";
import { conditionals, drawFrom, seenOf, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { drawLead, plainShape, seenBy, unitsOf } from "./values.js";

export interface GibbsOptions {
  /** 1 by default. */
  readonly sweeps?: number;
  /** Variables held at their values in `x`. */
  readonly clamp?: readonly string[];
  /** Blocks in the order of a sweep; the model's by default. */
  readonly sweep?: EnergyModel["sweep"];
  /** Leading axes of the draws; by default those of the values, the last one the rows. */
  readonly lead?: DrawShape;
  readonly totals?: Totals;
}

/**
 * Values after `sweeps` sweeps from `x`, unrolled, without gradient; what is clamped and the conditions stay as they are. Of a variable that is drawn
 * before anything depends on it no value is needed. In a `repeat` stage call it with `key.iterate(iteration)` and one sweep.
 */
export function gibbs<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: GibbsOptions = {}): Values {
  const lead = drawLead(model, seenBy(model, x), options.lead);
  const blocks = (options.sweep ?? model.sweep).map((block) => block.filter((name) => !options.clamp?.includes(name)));
  let values: Values = Object.fromEntries(
    Object.entries(x).map(([name, value]) => [name, value.dtype === "f32" ? stopGradient(value) : value]),
  );
  let seen = seenBy(model, values);
  for (let i = 0; i < (options.sweeps ?? 1); i++) {
    for (const block of blocks) {
      if (block.length === 0) continue;
      const given = conditionals(model, w, seen, block, plainShape(lead), options.totals);
      const drawn = Object.fromEntries(block.map((name) => [name, drawFrom(key.at(name).fold(i), given[name]!, lead)]));
      values = { ...values, ...drawn };
      seen = { ...seen, ...Object.fromEntries(block.map((name) => [name, seenOf(unitsOf(model, name), drawn[name]!)])) };
    }
  }
  return values;
}

/** The model's sweep with the blocks of `first` before all others; a block that mixes both is cut in two. */
export function sweepFrom(model: EnergyModel, first: readonly string[]): EnergyModel["sweep"] {
  for (const name of first) unitsOf(model, name);
  const parts = (keep: (name: string) => boolean): string[][] => model.sweep.map((block) => block.filter(keep)).filter((b) => b.length > 0);
  return [...parts((name) => first.includes(name)), ...parts((name) => !first.includes(name))];
}

/** Throws where a variable of the model is in no block. */
export function checkSweep(model: EnergyModel): void {
  const drawn = model.sweep.flat();
  const missing = Object.keys(model.units).filter((name) => !drawn.includes(name));
  if (missing.length > 0)
    throw new GmcError("GM4009", `\`${model.name}\` (${model.place}): a Gibbs sweep draws no \`${missing.join("`, `")}\``, [
      "units of it interact: single_site, langevin or hmc move it",
    ]);
}
