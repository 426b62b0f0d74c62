/**
 * The curvature of a quadratic energy in its real variables, as a run goes: where no structure proves it positive, a step, a sample or a log Z that
 * depends on it stops once it is not. Gibbs sampling itself would not notice: it sees each variable given the others, and both conditionals of
 * v^2 / 2 + h^2 / 2 - c v h are fine for every c.
 */
import {
  cholesky,
  concat,
  div,
  expandDims,
  eye,
  less,
  matmul,
  mul,
  reduceMin,
  select,
  sizeOf,
  square,
  sub,
  sum,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { demand } from "../graph/checks.js";
import { GmcError } from "../graph/errors.js";

import type { EnergyModel, Values } from "./energy-model.js";
import { crossCurvature, leanCurvature } from "./fields.js";
import { dependsOn, flat, leadOf, seenBy, unitsOf, without } from "./values.js";

/** Asks that the joint curvature of the variables to be watched be positive definite at `x`, as far as `x` says what it is. */
export function watchCurvature<W>(model: EnergyModel<W>, w: W, x: Values): void {
  const names = model.watch ?? [];
  if (names.length === 0) return;
  const rest = without(seenBy(model, x), names);
  const value = lowest(model, w, rest, names, leadOf(model, rest));
  if (value) demand(value, (lowestValue, when) => refused(model, names, lowestValue, when), lookEvery(model, names));
}

/** Units whose Cholesky factor costs no more than a step does. */
const mostEachStep = 32;

/** A factor of n units takes n^3 operations, a step n^2 for each row: looked at in one of so many steps, it costs a few hundredths of them. */
function lookEvery(model: EnergyModel, names: readonly string[]): number {
  const units = factored(model, names).others.reduce((total, name) => total + sizeOf(unitsOf(model, name).shape), 0);
  return units <= mostEachStep ? 1 : Math.ceil(units / 2);
}

/** Of variables that may meet, the largest whose own units are apart is integrated out; the others need a factor. */
function factored(
  model: EnergyModel,
  names: readonly string[],
): { readonly apart: string | undefined; readonly others: readonly string[] } {
  const size = (name: string): number => sizeOf(unitsOf(model, name).shape);
  const apart = names
    .filter((name) => unitsOf(model, name).kind === "normal")
    .reduce<string | undefined>((best, name) => (best === undefined || size(name) > size(best) ? name : best), undefined);
  return { apart, others: names.filter((name) => name !== apart) };
}

/** As `watchCurvature`, where the values of `x` have a say in the curvature: what weights alone decide need not be looked at again. */
export function watchMoving<W>(model: EnergyModel<W>, w: W, x: Values): void {
  const names = model.watch ?? [];
  if (names.length === 0) return;
  const rest = without(seenBy(model, x), names);
  const value = lowest(model, w, rest, names, leadOf(model, rest));
  if (value && dependsOn([value], Object.values(rest))) demand(value, (lowestValue, when) => refused(model, names, lowestValue, when));
}

/** Asks that precisions, the diagonal of a conditional of `name`, be positive. */
export function watchPrecision(model: EnergyModel, name: string, precision: Tensor): void {
  if (model.watch?.includes(name)) demand(least(precision), (value, when) => refused(model, [name], ownValue(model, value), when));
}

/** Of a mean of energies it is no number of the reader's. It is below 0 only where that of a part is. */
function ownValue(model: EnergyModel, value: number | undefined): number | undefined {
  return model.parts === undefined ? value : undefined;
}

/** Asks that a Cholesky factor exist. */
export function watchFactor(model: EnergyModel, name: string, factor: Tensor): void {
  if (model.watch?.includes(name)) demand(pivot(factor), (value, when) => refused(model, [name], value, when));
}

/**
 * The least of: the curvature of the variables whose units are apart (their Hessian is diagonal), and the square of the least pivot of what is left
 * of the others' when those are integrated out, the Schur complement. Both are positive where the whole is positive definite, and only there.
 * Undefined where it depends on values that `x` lacks.
 */
function lowest<W>(model: EnergyModel<W>, w: W, x: Values, names: readonly string[], lead: Shape): Tensor | undefined {
  const { apart, others } = factored(model, names);
  const each = apart === undefined ? undefined : leanCurvature(model, w, x, apart, lead);
  if (apart !== undefined && each === undefined) return undefined;
  if (others.length === 0) return each && least(each);
  const { blocks, missing } = crossCurvature(model, w, x, others, names, lead);
  if (missing.length > 0 && dependsOn(Object.values(blocks), missing)) return undefined;
  const own = others.map((name) => blocks[name]!);
  const hessian = own.length === 1 ? own[0]! : concat(own, -1);
  if (apart === undefined || each === undefined) return pivot(cholesky(hessian));
  const cross = blocks[apart]!;
  const precision = expandDims(flat(each, unitsOf(model, apart).shape), -2);
  const first = least(each);
  return select(less(0, first), pivot(cholesky(sub(hessian, matmul(div(cross, precision), cross, { transposeB: true })))), first);
}

const least = (t: Tensor): Tensor => reduceMin(t);

/** The square of the least pivot of Cholesky factors [..., n, n]; -Infinity where there is no factor. */
function pivot(factor: Tensor): Tensor {
  const diagonal = sum(mul(factor, eye(factor.shape.at(-1) ?? 1)), -1);
  return select(less(0, sum(diagonal)), square(reduceMin(diagonal)), -Infinity);
}

function refused(model: EnergyModel, names: readonly string[], value: number | undefined, when: string): GmcError {
  const all = names.map((name) => `\`${name}\``);
  const listed = all.length < 2 ? all.join() : `${all.slice(0, -1).join(", ")} and ${all.at(-1)}`;
  const known = value === undefined || !Number.isFinite(value) ? undefined : Number(value.toPrecision(3));
  const what = known === undefined ? "is not positive in every direction" : `is ${known}`;
  const [first = "x", second] = names;
  const help = [
    ...(second === undefined
      ? [
          `a curvature that cannot cross 0: weigh squares by a \`positive\` parameter or by \`exp(…)\`, or write them as \`sum((${first} @ A)^2)\``,
        ]
      : [`write the coupling as a square, \`sum((${first} - W @ ${second})^2)\`, which cannot fall`]),
    `hold it by a larger quadratic term, \`energy sum(${first}^2)\`, or the weights by \`constrain … in [-c, c]\`; a smaller learning rate keeps them closer to where they start`,
    ...(second === undefined && known !== undefined
      ? []
      : ["score matching and denoising score matching draw no chains: they can train what starts without a normaliser"]),
  ];
  const code = second === undefined ? "GM4024" : "GM4025";
  const joint = second === undefined ? "curvature" : "joint curvature";
  return new GmcError(
    code,
    `the ${joint} of the energy of \`${model.name}\` (${model.place}) in ${listed} ${what}${when}: exp(-energy) has no integral`,
    help,
  );
}
