/** How an energy model is drawn from: block Gibbs sweeps, or a sampler that moves what those do not, as the chain of a density. */
import { assertNever } from "../graph/errors.js";
import type { Key, Rows, Tensor } from "../graph/index.js";
import { gibbs, meanUnits, type EnergyModel, type Units } from "../energy/index.js";
import { partlyHeld, partlyHeldable, partOf } from "../energy/partly-held.js";
import { independent, unitsOf } from "../energy/values.js";
import { watchCurvature } from "../energy/watch.js";
import type { ChainDefinition, ChainVariable, Draw } from "../model.js";

type Values = Readonly<Record<string, Tensor>>;

export interface GibbsChainOptions<W> {
  /** Of a sample, unless told; 1,000 by default. */
  readonly sweeps?: number;
  /** In place of a block Gibbs sweep: a transition that leaves the model invariant and keeps the variables of `clamp` (single_site, langevin, hmc). `model` is to be moved: where a part of a variable is held, the one that holds it. */
  readonly sampler?: (w: W, key: Key, x: Values, clamp: readonly string[], model: EnergyModel<W>) => Values;
  /** Draws what the density gives the energy: variables of the head that come before it. */
  readonly before?: (w: W, key: Key, rows: Rows, given: Values) => Draw;
  /** Deviation at which real variables start; 1 by default. */
  readonly scale?: number;
  /** See `ChainDefinition`. */
  readonly unadjusted?: number;
}

/** Its variables start as `chainStart` says. */
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
  readonly watch?: (w: W, values: Values) => void;
  readonly unadjusted?: number;
  readonly partly: readonly string[];
} {
  const order = [...new Set([...model.sweep.flat(), ...Object.keys(model.units)])];
  const variables = order.flatMap((name): (readonly [string, ChainVariable])[] => {
    const units = model.units[name];
    if (units === undefined) return [];
    return [[name, { shape: units.shape, dtype: "classes" in units ? "i32" : "f32", start: chainStart(model, name, options.scale) }]];
  });
  return {
    variables: Object.fromEntries(variables),
    sweeps: options.sweeps ?? 1000,
    reads: Object.keys(model.reads ?? {}),
    ...(options.before && { before: options.before }),
    ...(options.unadjusted !== undefined && { unadjusted: options.unadjusted }),
    ...(model.watch && { watch: (w: W, values: Values) => watchCurvature(model, w, values) }),
    sweep: (w, key, values, given) => {
      const clamp = Object.keys(given).filter((name) => model.units[name] !== undefined);
      const { model: moved, x } = underPart(model, { ...values, ...given });
      return options.sampler?.(w, key, x, clamp, moved) ?? gibbs(moved, w, key, x, { clamp });
    },
    means: Object.fromEntries(
      order
        .filter((name) => model.units[name] !== undefined && hasLaw(model.units[name]))
        .map((name) => [
          name,
          (w: W, values: Values) => {
            const { model: moved, x } = underPart(model, values);
            return meanUnits(moved, w, x, name);
          },
        ]),
    ),
    partly: partlyHeldable(model),
  };
}

/** The model, or the one that holds the part of a variable that the values tell of. */
function underPart<W>(model: EnergyModel<W>, values: Values): { readonly model: EnergyModel<W>; readonly x: Values } {
  const { part, rest } = partOf(values);
  if (part === undefined) return { model, x: values };
  const held = partlyHeld(model, part);
  return { model: held.model, x: { ...rest, ...held.x } };
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

/**
 * How the chains of a variable start: fair coins, a class drawn evenly, Normal of deviation `scale`; one-of-a-block units all off, the one state that every
 * block allows; counts as many as a row of the training data of the same name holds.
 */
export function chainStart<W>(model: EnergyModel<W>, name: string, scale = 1): ChainVariable["start"] {
  const lone = independent(unitsOf(model, name));
  switch (lone.kind) {
    case "bernoulli":
      return { kind: "bernoulli" };
    case "oneOfBlock":
      return { kind: "zeros" };
    case "categorical":
      return { kind: "categorical", classes: lone.classes };
    case "normal":
      return { kind: "normal", ...(scale !== 1 && { scale }) };
    case "multinomial":
      return { kind: "counts", variable: name };
    default:
      return assertNever(lone);
  }
}
