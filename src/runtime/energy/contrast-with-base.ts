/** Noise-contrastive estimation against independent units with the means, and the variances, of the batch. */
import { add, neg, stopGradient, sum, type Key, type Tensor } from "../graph/index.js";
import { baseRates, baseStatistics } from "./annealed.js";
import { drawUnits, type Totals } from "./conditional.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { freeEnergy, logPartition, type Summation } from "./free-energy.js";
import { noiseContrastive } from "./noise-contrastive.js";
import { flat, held, isReal, leadOf, seenBy, unitsOf } from "./values.js";

export interface ContrastOptions extends Pick<Summation, "sum" | "joint" | "paired" | "enumerate"> {
  /** The variables that noise takes the place of. */
  readonly names: readonly string[];
  /** Noise samples for each row of data; 1 by default. */
  readonly ratio?: number;
  /** See `noiseContrastive`; "fitted" by default. */
  readonly logZ?: "fitted" | "ranked";
}

/** What the variance of a real unit is raised by, so that one that never changes has noise too. */
const LEAST_VARIANCE = 1e-6;

/**
 * Gutmann & Hyvarinen 2010, eq. 8: log-odds of data against noise, [B], to be maximised. The noise is Normal, Bernoulli, categorical, one of a block,
 * or, of counts, multinomial with the row's own total. An energy needs no constant of its own, and one that it has is left where it is.
 */
export function contrastWithBase<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: ContrastOptions): Tensor {
  const { names, ratio = 1, logZ = "fitted", ...summation } = options;
  const data = held(Object.fromEntries(names.map((name) => [name, x[name]!])));
  const [rows = 1] = leadOf(model, seenBy(model, data));
  const parts = names.map((name) => {
    const units = unitsOf(model, name);
    const only = { [name]: data[name]! };
    const base = baseRates({ ...model, units: { [name]: units } }, baseStatistics(model, only), ...(isReal(units) ? [LEAST_VARIANCE] : []));
    const totals: Totals = units.kind === "multinomial" ? { [name]: sum(flat(data[name]!, units.shape), -1) } : {};
    const noise = drawUnits(base, undefined, key.at(name), {}, name, { lead: [ratio, { kind: "rows", size: rows }], totals });
    const log = (value: Tensor): Tensor =>
      neg(add(freeEnergy(base, undefined, { [name]: value }), logPartition(base, undefined, {}, { sum: [name], totals })));
    return { name, noise, logNoise: { data: log(data[name]!), noise: log(noise) } };
  });
  const total = (of: "data" | "noise"): Tensor => stopGradient(parts.map((p) => p.logNoise[of]).reduce((a, b) => add(a, b)));
  return noiseContrastive(model, w, x, {
    noise: Object.fromEntries(parts.map((p) => [p.name, p.noise])),
    logNoise: { data: total("data"), noise: total("noise") },
    logZ,
    ...summation,
  });
}
