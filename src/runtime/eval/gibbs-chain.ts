/** How an energy model is drawn from: block Gibbs sweeps, or a sampler that moves what those do not, as the chain of a density. */
import { assertNever } from "../graph/errors.js";
import type { Key, Rows, Tensor } from "../graph/index.js";
import { gibbs, meanUnits, type EnergyModel, type Units } from "../energy/index.js";
import { independent } from "../energy/values.js";
import type { ChainDefinition, ChainVariable, Draw } from "../model.js";

type Values = Readonly<Record<string, Tensor>>;

export interface GibbsChainOptions<W> {
  /** Of a sample, unless told; 1,000 by default. */
  readonly sweeps?: number;
  /** In place of a block Gibbs sweep: a transition that leaves the model invariant and keeps the variables of `clamp` (single_site, langevin, hmc). */
  readonly sampler?: (w: W, key: Key, x: Values, clamp: readonly string[]) => Values;
  /** Draws what the density gives the energy: variables of the head that come before it. */
  readonly before?: (w: W, key: Key, rows: Rows, given: Values) => Draw;
  /** How variables start where not as follows from their units. */
  readonly starts?: Readonly<Record<string, ChainVariable["start"]>>;
}

/**
 * Units start as fair coins, at a class or at a standard Normal; one-of-a-block units all off; counts as many as a row of the training data of the
 * same name holds.
 */
export function gibbsChain<W>(
  model: EnergyModel<W>,
  options: GibbsChainOptions<W> = {},
): {
  readonly variables: ChainDefinition["variables"];
  readonly sweeps: number;
  readonly reads: readonly string[];
  readonly before?: (w: W, key: Key, rows: Rows, given: Values) => Draw;
  readonly sweep: (w: W, key: Key, values: Values, given: Values) => Values;
  readonly means: Readonly<Record<string, (w: W, values: Values) => Tensor>>;
} {
  const order = [...new Set([...model.sweep.flat(), ...Object.keys(model.units)])];
  const variables = order.flatMap((name): (readonly [string, ChainVariable])[] => {
    const units = model.units[name];
    if (units === undefined) return [];
    const start = options.starts?.[name] ?? startOf(name, units);
    return [[name, { shape: units.shape, dtype: "classes" in units ? "i32" : "f32", start }]];
  });
  return {
    variables: Object.fromEntries(variables),
    sweeps: options.sweeps ?? 1000,
    reads: Object.keys(model.reads ?? {}),
    ...(options.before && { before: options.before }),
    sweep: (w, key, values, given) => {
      const clamp = Object.keys(given).filter((name) => model.units[name] !== undefined);
      const x = { ...values, ...given };
      return options.sampler?.(w, key, x, clamp) ?? gibbs(model, w, key, x, { clamp });
    },
    means: Object.fromEntries(
      order
        .filter((name) => model.units[name] !== undefined && hasLaw(model.units[name]))
        .map((name) => [name, (w: W, values: Values) => meanUnits(model, w, values, name)]),
    ),
  };
}

function hasLaw(units: Units): boolean {
  switch (units.kind) {
    case "bernoulli":
    case "oneOfBlock":
    case "categorical":
    case "normal":
    case "jointNormal":
    case "multinomial":
      return true;
    case "binary":
    case "category":
    case "real":
      return false;
    default:
      return assertNever(units);
  }
}

function startOf(name: string, units: Units): ChainVariable["start"] {
  const lone = independent(units);
  switch (lone.kind) {
    case "bernoulli":
      return { kind: "bernoulli" };
    case "oneOfBlock":
      return { kind: "zeros" };
    case "categorical":
      return { kind: "categorical", classes: lone.classes };
    case "normal":
      return { kind: "normal" };
    case "multinomial":
      return { kind: "counts", variable: name };
    default:
      return assertNever(lone);
  }
}
