/**
 * What an energy model is: units, how each unit's conditional is read off the energy, and the energy as a staged function.
 * p(units | conditions) = base measure * exp(-E) / Z. The compiler proves which law holds; the functions of this folder compute by it.
 *
 * Values have shape [...lead, ...event]; leads broadcast. Outside of `energy` a value is what its domain says (a category is its index, i32);
 * the energy sees categories one-hot.
 */
import type { Shape, Tensor, TensorLike } from "../graph/index.js";

/**
 * How the conditional of a variable given all others is read off the energy E. The last three have none in closed form: their units interact, or E
 * bends in them. Binary and category units are then drawn one after another, real ones moved by their gradient (langevin, hmc).
 */
export type Units =
  /** E affine in each unit, no two units coupled: logits = -dE/dx. */
  | { readonly kind: "bernoulli"; readonly shape: Shape }
  /** Binary, at most one unit of a block on: a softmax over the block's units and "none", whose logit is 0. `block` cuts the leading axes of the shape. */
  | { readonly kind: "oneOfBlock"; readonly shape: Shape; readonly block: readonly number[] }
  /** One-hot [..., ...shape, classes] to the energy: logits = -dE/d(one-hot). */
  | { readonly kind: "categorical"; readonly shape: Shape; readonly classes: number }
  /** Gradient affine, Hessian diagonal, both given the rest: precision = the Hessian's diagonal, loc = -dE/dx(0) / precision. */
  | { readonly kind: "normal"; readonly shape: Shape }
  /** Gradient affine, Hessian dense and positive definite. */
  | { readonly kind: "jointNormal"; readonly shape: Shape }
  /** Counts given their sum N, E affine, base measure N! / prod x!: Multinomial(N, logits = -dE/dx). */
  | { readonly kind: "multinomial"; readonly shape: Shape }
  /**
   * `quadratic`: E is a polynomial of degree two at most in them given the rest; a scan then costs one matrix product. `block`: at most one unit of
   * a block on, as of `oneOfBlock`; the blocks are then visited.
   */
  | { readonly kind: "binary"; readonly shape: Shape; readonly quadratic?: boolean; readonly block?: readonly number[] }
  | { readonly kind: "category"; readonly shape: Shape; readonly classes: number }
  | { readonly kind: "real"; readonly shape: Shape };

export type Values = Readonly<Record<string, Tensor>>;

/** `never` stands for weights of any type. */
export interface EnergyModel<W = never> {
  /** The density's name. */
  readonly name: string;
  /** `rbm.gm:9` */
  readonly place: string;
  /** The variables that the energy defines, in the order of the header. */
  readonly units: Readonly<Record<string, Units>>;
  /** Event shapes of the conditions and earlier variables that the energy reads. */
  readonly reads?: Readonly<Record<string, Shape>>;
  /** Blocks of variables that are independent given the rest; a Gibbs sweep draws them in this order. Real variables without a law are in none. */
  readonly sweep: readonly (readonly string[])[];
  /**
   * Real variables in which the energy is quadratic, the others held, and whose joint curvature no structure proves positive definite: a run looks
   * at it (see `watchCurvature`).
   */
  readonly watch?: readonly string[];
  /** [...lead] of units (categories one-hot) and of what it reads, each [...lead, ...event]. */
  readonly energy: (w: W, x: Values) => Tensor;
  /**
   * Set where the energy is a weighted sum of others' (see `annealed`): what is linear in the energy is then taken of each part and summed, so
   * that energies at two temperatures share their products.
   */
  readonly parts?: readonly EnergyPart<W>[];
}

export interface EnergyPart<W = never> {
  readonly model: EnergyModel<W>;
  /** Broadcasts against the energy. */
  readonly weight: TensorLike;
}

/** Types the definition by its weights and the names of what the energy reads. A generated file has one for each density that has an energy. */
export function energyModel<W, N extends string = string>(
  definition: Omit<EnergyModel<W>, "energy"> & { readonly energy: (w: W, x: Readonly<Record<N, Tensor>>) => Tensor },
): EnergyModel<W> {
  return definition as EnergyModel<W>;
}
