/**
 * Gibbs sampling of one unit after another, by differences of the energy: for discrete units that interact within their variable, and for
 * energies that are not affine in them. Of "at most one of a block" the block is the unit.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  argMax,
  broadcastTo,
  cast,
  concat,
  div,
  expandDims,
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
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { diagonal, vectorMatrix } from "../prob/linear.js";
import { standardGumbel } from "../prob/noise.js";

import type { EnergyModel, Values } from "./energy-model.js";
import { curvature, energyAt, fieldsAt } from "./fields.js";
import { sitesOf, stateAt, type Sites } from "./sites.js";
import { drawLead, eventOf, flat, held, isCategory, plainShape, seenBy, unitsOf, without } from "./values.js";

export interface SingleSiteOptions {
  /** Variables whose units are visited; all others keep their values. All binary and category ones by default. */
  readonly names?: readonly string[];
  /** How often each unit is visited; 1 by default. */
  readonly scans?: number;
  readonly lead?: DrawShape;
}

/** Values after so many scans from `x`, in the order of the units, unrolled, without gradient. Gibbs sweeps do this to units that interact; here it is done to all. */
export function singleSite<W>(model: EnergyModel<W>, w: W, key: Key, x: Values, options: SingleSiteOptions = {}): Values {
  const discrete = Object.keys(model.units).filter((name) => sitesOf(unitsOf(model, name)) !== undefined);
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
  const sites = sitesOf(units);
  if (sites === undefined)
    throw new GmcError("GM4009", `single-site sampling of \`${name}\` (${model.place}): its units are ${units.kind}`, [
      "it visits binary and category units; langevin and hmc move real ones",
    ]);
  if (seen[name] === undefined)
    throw new GmcError("GM4002", `single-site sampling of \`${name}\` (${model.place}) starts from its value, which is missing`);
  const drawn =
    units.kind === "binary" && units.quadratic === true && units.block === undefined
      ? scanQuadratic(model, w, key, seen, name, lead)
      : scanDifferences(model, w, key, seen, name, sites, lead);
  return isCategory(units) ? argMax(drawn, -1) : stopGradient(drawn);
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

/** One unit of `name` drawn given all others: unit number `index` (i32 []) modulo their count. `seen` as the energy sees it. */
export function visit<W>(model: EnergyModel<W>, w: W, key: Key, seen: Values, name: string, index: Tensor, lead: DrawShape): Tensor {
  const units = unitsOf(model, name);
  const sites = sitesOf(units);
  if (sites === undefined)
    throw new GmcError("GM4009", `a visit to one unit of \`${name}\` (${model.place}): its units are ${units.kind}`, [
      "binary and category units are visited; langevin and hmc move real ones",
    ]);
  const site = oneHot(sub(index, mul(div(index, sites.count), sites.count)), sites.count);
  const chance = coinDecides(sites) ? randomUniform(key, lead) : standardGumbel(key, [...lead, statesOf(sites)]);
  const x = broadcastTo(seen[name]!, [...plainShape(lead), ...eventOf(units)]);
  const drawn = drawSite(model, w, { ...seen, [name]: x }, name, sites, site, chance, plainShape(lead));
  return isCategory(units) ? argMax(drawn, -1) : stopGradient(drawn);
}

const statesOf = ({ states, none }: Sites): number => states + (none ? 1 : 0);

/** Of two states, one uniform decides. */
const coinDecides = ({ states, none }: Sites): boolean => none && states === 1;

/** Each unit from the energies of all its states, the other units as they are. */
function scanDifferences<W>(model: EnergyModel<W>, w: W, key: Key, seen: Values, name: string, sites: Sites, lead: DrawShape): Tensor {
  const shape = plainShape(lead);
  const { count } = sites;
  const noise = coinDecides(sites) ? randomUniform(key, [...lead, count]) : standardGumbel(key, [...lead, count, statesOf(sites)]);
  let x = broadcastTo(seen[name]!, [...shape, ...eventOf(unitsOf(model, name))]);
  for (let i = 0; i < count; i++) {
    const chance = squeeze(sliceAxis(noise, shape.length, i, i + 1), shape.length);
    x = drawSite(model, w, { ...seen, [name]: x }, name, sites, stateAt(count, i), chance, shape);
  }
  return x;
}

/** `seen[name]` with the chosen unit (`site`, one-hot) drawn from the energies of its states; `chance` is a uniform [...lead] or Gumbels [...lead, states]. */
function drawSite<W>(
  model: EnergyModel<W>,
  w: W,
  seen: Values,
  name: string,
  sites: Sites,
  site: Tensor,
  chance: Tensor,
  shape: Shape,
): Tensor {
  const { states, none } = sites;
  const [all, coin] = [statesOf(sites), coinDecides(sites)];
  const cleared = mul(seen[name]!, sub(1, sites.cover(site)));
  const on = Array.from({ length: states }, (_, k) => add(cleared, sites.put(site, stateAt(states, k))));
  const alternatives = stack(none ? [cleared, ...on] : on, 0);
  const energies = broadcastTo(energyAt(model, w, { ...seen, [name]: alternatives }), [all, ...shape]);
  const each = split(energies, all, 0).map((t) => squeeze(t, 0));
  const drawn = coin
    ? expandDims(cast(less(chance, sigmoid(sub(each[0]!, each[1]!))), "f32"), -1)
    : oneHot(argMax(sub(chance, stack(each, shape.length)), -1), all);
  return add(cleared, sites.put(site, none && !coin ? sliceAxis(drawn, -1, 1, all) : drawn));
}
