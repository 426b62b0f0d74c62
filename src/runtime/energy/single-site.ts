/**
 * Gibbs sampling of one unit after another, by differences of the energy: for discrete units that interact within their variable, and for
 * energies that are not affine in them.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  argMax,
  broadcastTo,
  cast,
  concat,
  eye,
  less,
  mul,
  oneHot,
  randomUniform,
  reshape,
  sigmoid,
  sizeOf,
  sliceAxis,
  split,
  squeeze,
  stack,
  stopGradient,
  sub,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { diagonal, vectorMatrix } from "../prob/linear.js";
import { standardGumbel } from "../prob/noise.js";
import { flat } from "./conditional.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";
import { curvature, energyAt, fieldsAt } from "./fields.js";
import { drawLead, eventOf, held, isCategory, plainShape, seenBy, unitsOf, without } from "./values.js";

export interface SingleSiteOptions {
  /** Variables whose units are visited; all others keep their values. All binary and category ones by default. */
  readonly names?: readonly string[];
  /** How often each unit is visited; 1 by default. */
  readonly scans?: number;
  readonly lead?: DrawShape;
}

/** Values after so many scans from `x`, in the order of the units, unrolled, without gradient. Gibbs sweeps do this to units that interact; here it is done to all. */
export function singleSite<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: SingleSiteOptions = {}): Values {
  const discrete = Object.keys(model.units).filter((name) => statesOf(unitsOf(model, name)) !== undefined);
  const { names = discrete, scans = 1 } = options;
  const lead = drawLead(model, seenBy(model, x), options.lead);
  let values = held(x);
  for (let i = 0; i < scans; i++) {
    for (const name of names) values = { ...values, [name]: scan(model, w, key.at(name).fold(i), seenBy(model, values), name, lead) };
  }
  return values;
}

/** One scan over the units of `name`; `seen` as the energy sees it. */
export function scan<W>(model: EnergyModel<W>, w: W, key: Key, seen: Values, name: string, lead: DrawShape): Tensor {
  const units = unitsOf(model, name);
  const states = statesOf(units);
  if (states === undefined)
    throw new GmcError("GM4009", `single-site sampling of \`${name}\` (${model.place}): its units are ${units.kind}`, [
      "it visits binary and category units; langevin and hmc move real ones",
    ]);
  if (seen[name] === undefined)
    throw new GmcError("GM4002", `single-site sampling of \`${name}\` (${model.place}) starts from its value, which is missing`);
  const drawn =
    units.kind === "binary" && units.quadratic === true
      ? scanQuadratic(model, w, key, seen, name, lead)
      : scanDifferences(model, w, key, seen, name, states, lead);
  return isCategory(units) ? argMax(drawn, -1) : stopGradient(drawn);
}

/** How many values a unit has; undefined where they are not visited one by one. */
function statesOf(units: Units): number | undefined {
  if (isCategory(units)) return units.classes;
  return units.kind === "bernoulli" || units.kind === "binary" ? 2 : undefined;
}

/** x_i = 1 with logit f_i - Σ_j H_ij x_j - H_ii / 2, the sum over j other than i; the sums are corrected as units change. */
function scanQuadratic<W>(model: EnergyModel<W>, w: W, key: Key, seen: Values, name: string, lead: DrawShape): Tensor {
  const units = unitsOf(model, name);
  const shape = plainShape(lead);
  const size = sizeOf(units.shape);
  const rest = without(seen, [name]);
  const hessian = curvature(model, w, rest, name, shape);
  const coupling = mul(hessian, sub(1, eye(size)));
  const { fields } = fieldsAt(model, w, rest, [name], shape);
  const own = sub(flat(fields[name]!, units.shape), mul(0.5, diagonal(hessian)));
  const x = broadcastTo(flat(seen[name]!, units.shape), [...shape, size]);
  const uniform = randomUniform(key, [...lead, size]);
  let field = sub(own, vectorMatrix(x, coupling));
  const drawn: Tensor[] = [];
  for (let i = 0; i < size; i++) {
    const column = (t: Tensor): Tensor => sliceAxis(t, -1, i, i + 1);
    const fresh = cast(less(column(uniform), sigmoid(column(field))), "f32");
    drawn.push(fresh);
    if (i + 1 === size) break;
    const row = sliceAxis(coupling, -2, i, i + 1);
    const influence = hessian.shape.length === 2 ? reshape(row, [size]) : reshape(row, [...row.shape.slice(0, -2), size]);
    field = sub(field, mul(sub(fresh, column(x)), influence));
  }
  return reshape(concat(drawn, -1), [...shape, ...units.shape]);
}

/** Each unit from the energies of all its values, the other units as they are. */
function scanDifferences<W>(model: EnergyModel<W>, w: W, key: Key, seen: Values, name: string, states: number, lead: DrawShape): Tensor {
  const units = unitsOf(model, name);
  const category = isCategory(units);
  const shape = plainShape(lead);
  const size = sizeOf(units.shape);
  const entries = category ? [states] : [];
  const noise = category ? standardGumbel(key, [...lead, size, states]) : randomUniform(key, [...lead, size]);
  const wide = (t: Tensor, extra: readonly number[]): Tensor => reshape(t, [...shape, ...units.shape.map(() => 1), ...extra]);
  let x = broadcastTo(seen[name]!, [...shape, ...eventOf(units)]);
  for (let i = 0; i < size; i++) {
    const site = reshape(sliceAxis(eye(size), 0, i, i + 1), [...units.shape, ...entries.map(() => 1)]);
    const cleared = mul(x, sub(1, site));
    const hot = (k: number): Tensor => reshape(sliceAxis(eye(states), 0, k, k + 1), [states]);
    const alternatives = Array.from({ length: states }, (_, k) => add(cleared, mul(site, category ? hot(k) : k)));
    const all = broadcastTo(energyAt(model, w, { ...seen, [name]: stack(alternatives, 0) }), [states, ...shape]);
    const energies = split(all, states, 0).map((t) => squeeze(t, 0));
    const chance = reshape(sliceAxis(noise, shape.length, i, i + 1), [...shape, ...entries]);
    const drawn = category
      ? oneHot(argMax(sub(chance, stack(energies, shape.length)), -1), states)
      : cast(less(chance, sigmoid(sub(energies[0]!, energies[1]!))), "f32");
    x = add(cleared, mul(site, wide(drawn, entries)));
  }
  return x;
}
