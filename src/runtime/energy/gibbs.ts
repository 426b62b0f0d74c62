/** Block Gibbs sampling: every block drawn from its conditional given the newest values of the rest. */
import { type DrawShape, type Key } from "../graph/index.js";
import { baseRates } from "./annealed.js";
import { conditionals, drawFrom, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { scan } from "./single-site.js";
import { drawLead, held, isLawless, plainShape, seenBy, unitsOf } from "./values.js";

export interface GibbsOptions {
  /** 1 by default. */
  readonly sweeps?: number;
  /** Variables held at their values in `x`. */
  readonly clamp?: readonly string[];
  /** Variables that `x` has no values of: they begin at draws of independent units, discrete ones uniform, real ones standard Normal. */
  readonly fresh?: readonly string[];
  /** Blocks in the order of a sweep; the model's by default. */
  readonly sweep?: EnergyModel["sweep"];
  /** Leading axes of the draws; by default those of the values, the last one the rows. */
  readonly lead?: DrawShape;
  readonly totals?: Totals;
}

/**
 * Values after `sweeps` sweeps from `x`, unrolled, without gradient; what is clamped and the conditions stay as they are. Of a variable that is drawn
 * before anything depends on it no value is needed; `fresh` makes values of others up. Units that interact within their variable are drawn one after
 * another (see `singleSite`). In a `repeat` stage call it with `key.iterate(iteration)` and one sweep.
 */
export function gibbs<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: GibbsOptions = {}): Values {
  const lead = drawLead(model, seenBy(model, x), options.lead);
  const blocks = (options.sweep ?? model.sweep).map((block) => block.filter((name) => !options.clamp?.includes(name)));
  const fresh = options.fresh?.length ? conditionals(baseRates(model), undefined, {}, options.fresh, plainShape(lead), options.totals) : {};
  const begun = Object.entries(fresh).map(([name, law]) => [name, drawFrom(key.at("start").at(name), law, lead)]);
  let values: Values = { ...held(x), ...Object.fromEntries(begun) };
  for (let i = 0; i < (options.sweeps ?? 1); i++) {
    for (const block of blocks) {
      const lawful = block.filter((name) => !isLawless(unitsOf(model, name)));
      if (lawful.length > 0) {
        const given = conditionals(model, w, seenBy(model, values), lawful, plainShape(lead), options.totals);
        values = { ...values, ...Object.fromEntries(lawful.map((name) => [name, drawFrom(key.at(name).fold(i), given[name]!, lead)])) };
      }
      for (const name of block) {
        if (!lawful.includes(name)) values = { ...values, [name]: scan(model, w, key.at(name).fold(i), seenBy(model, values), name, lead) };
      }
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
