/**
 * Reading an energy: its value where some variables are zero, its gradient there and its second derivative. All three are linear in
 * the energy, so of a weighted sum of energies they are the weighted sums of the parts'.
 */
import { GmcError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  constant,
  eye,
  mul,
  neg,
  ones,
  reshape,
  sizeOf,
  sliceAxis,
  transpose,
  vjp,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { beforeEvent } from "../graph/last-axes.js";
import { constantValue } from "../graph/look.js";
import { atZero } from "./at-zero.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { dependsOn, eventOf, probe, unitsOf } from "./values.js";

export interface Fields {
  /** E with the named variables zero. Throws where a variable is missing that it needs. */
  readonly energy: () => Tensor;
  /** -dE/dx there, [...lead, ...event]. */
  readonly fields: Values;
}

/** E at x. */
export function energyAt<W>(model: EnergyModel<W>, w: W, x: Values): Tensor {
  if (model.parts !== undefined) return weighted(model, (part) => energyAt(part, w, x), 0);
  const { x: all, missing } = completed(model, x, []);
  const energy = model.energy(w, all);
  refuseMissing(model, [energy], missing);
  return energy;
}

/** The energy around zero in `names`, at the seen values `x` of the rest. The names must not interact, where E is to be their sum. */
export function fieldsAt<W>(model: EnergyModel<W>, w: W, x: Values, names: readonly string[], lead: Shape): Fields {
  if (model.parts !== undefined) {
    const parts = model.parts.map((part) => fieldsAt(part.model, w, x, names, lead));
    return {
      energy: () => weighted(model, (_, i) => parts[i]!.energy(), 0),
      fields: Object.fromEntries(
        names.map((name) => [name, weighted(model, (_, i) => parts[i]!.fields[name]!, eventOf(unitsOf(model, name)).length)]),
      ),
    };
  }
  const probes = Object.fromEntries(names.map((name) => [name, probe([...lead, ...eventOf(unitsOf(model, name))])]));
  const wrt = Object.values(probes);
  const { x: all, missing } = completed(model, { ...x, ...probes }, lead);
  const energy = model.energy(w, all);
  const fields = atZero(vjp([energy], [neg(ones(energy.shape))], wrt), wrt);
  refuseMissing(model, fields, missing);
  return {
    energy: () => {
      const [left] = atZero([energy], wrt);
      refuseMissing(model, [left!], missing);
      return left!;
    },
    fields: Object.fromEntries(names.map((name, i) => [name, fields[i]!])),
  };
}

/** The Hessian's diagonal in `name`, [...lead, ...event], where it is diagonal. */
export function diagonalCurvature<W>(model: EnergyModel<W>, w: W, x: Values, name: string, lead: Shape): Tensor {
  const event = unitsOf(model, name).shape;
  if (model.parts !== undefined) return weighted(model, (part) => diagonalCurvature(part, w, x, name, lead), event.length);
  const { value, missing } = diagonalAt(model, w, x, name, event, lead);
  refuseMissing(model, [value], missing);
  return value;
}

interface Found {
  readonly value: Tensor;
  /** Stand-ins of values that were lacking: a result that depends on them is none. */
  readonly missing: readonly Tensor[];
}

function diagonalAt<W>(model: EnergyModel<W>, w: W, x: Values, name: string, event: Shape, lead: Shape): Found {
  const at = probe([...lead, ...event]);
  const { x: all, missing } = completed(model, { ...x, [name]: at }, lead);
  const [gradient] = gradientOf(model.energy(w, all), [at]);
  const [value] = atZero(vjp([gradient!], [ones(at.shape)], [at]), [at]);
  return { value: value!, missing };
}

/** As `diagonalCurvature`, [...event] where it depends on weights alone; undefined where it depends on values that `x` lacks. */
export function leanCurvature<W>(model: EnergyModel<W>, w: W, x: Values, name: string, lead: Shape): Tensor | undefined {
  const { shape } = unitsOf(model, name);
  const standIns = lonely(model, x, [name]);
  if (standIns !== undefined) {
    const { value } = diagonalAt(model, w, standIns, name, shape, []);
    if (!dependsOn([value], Object.values(standIns))) return value;
  }
  const { value, missing } = diagonalAt(model, w, x, name, shape, lead);
  return missing.length > 0 && dependsOn([value], missing) ? undefined : value;
}

/**
 * The Hessian in `name`, [D, D] over the flat event where it depends on weights alone, else [...lead, D, D]. The rows of the identity are
 * the cotangents of D copies of the variable: one pass over the gradient, whatever D.
 */
export function curvature<W>(model: EnergyModel<W>, w: W, x: Values, name: string, lead: Shape): Tensor {
  if (model.parts !== undefined) return weighted(model, (part) => curvature(part, w, x, name, lead), 2);
  const found = crossCurvature(model, w, x, [name], [name], lead);
  refuseMissing(model, [found.blocks[name]!], found.missing);
  return found.blocks[name]!;
}

/**
 * Second derivatives of an energy that is quadratic in `columns` together, one in a variable of `rows` and one in each of `columns` (which hold the
 * rows'): [n, size] each, n over all of the rows' units; [...lead, n, size] where it depends on other values. `missing` are stand-ins of values that
 * `x` lacks: a result that depends on them is none.
 */
export function crossCurvature<W>(
  model: EnergyModel<W>,
  w: W,
  x: Values,
  rows: readonly string[],
  columns: readonly string[],
  lead: Shape,
): { readonly blocks: Values; readonly missing: readonly Tensor[] } {
  const eventAt = (name: string): Shape => unitsOf(model, name).shape;
  const sizes = rows.map((name) => sizeOf(eventAt(name)));
  const size = sizes.reduce((a, b) => a + b, 0);
  const identity = eye(size);
  const hessian = (rest: Values, around: Shape): { readonly blocks: Values; readonly missing: readonly Tensor[] } => {
    const probes = Object.fromEntries(columns.map((name) => [name, probe([size, ...around, ...eventAt(name)])]));
    const { x: all, missing } = completed(model, { ...rest, ...probes }, around);
    const at = columns.map((name) => probes[name]!);
    const gradients = gradientOf(
      model.energy(w, all),
      rows.map((name) => probes[name]!),
    );
    let start = 0;
    const units = rows.map((name, i) => {
      const own = rows.length === 1 ? identity : sliceAxis(identity, 1, start, start + sizes[i]!);
      start += sizes[i]!;
      return broadcastTo(reshape(own, [size, ...around.map(() => 1), ...eventAt(name)]), probes[name]!.shape);
    });
    const found = atZero(vjp(gradients, units, at), at);
    const blocks = columns.map((name, i) => {
      const flat = reshape(found[i]!, [size, ...around, sizeOf(eventAt(name))]);
      const axes = [...flat.shape.keys()];
      return [name, transpose(flat, [...axes.slice(1, -1), 0, axes.length - 1])] as const;
    });
    return { blocks: Object.fromEntries(blocks), missing };
  };
  const standIns = lonely(model, x, columns);
  if (standIns !== undefined) {
    const found = hessian(standIns, []);
    if (!dependsOn(Object.values(found.blocks), Object.values(standIns))) return found;
  }
  return hessian(x, lead);
}

/** Zeros without leading axes in the place of every other variable; undefined where a shape is not known. */
function lonely(model: EnergyModel, x: Values, names: readonly string[]): Values | undefined {
  const events: Record<string, Shape> = { ...model.reads };
  for (const [other, units] of Object.entries(model.units)) events[other] = eventOf(units);
  const others = [...new Set([...Object.keys(x), ...Object.keys(events)])].filter((other) => !names.includes(other));
  if (others.some((other) => events[other] === undefined)) return undefined;
  return Object.fromEntries(
    others.map((other) => {
      const dtype = x[other]?.dtype ?? "f32";
      return [other, dtype === "f32" ? probe(events[other]!) : reshape(constant(0, [1, ...events[other]!], dtype), events[other]!)];
    }),
  );
}

/** dE/dx, the sum over all leading axes differentiated: of independent rows each row's own. */
export function gradientOf(energy: Tensor, wrt: readonly Tensor[]): Tensor[] {
  return vjp([energy], [ones(energy.shape)], wrt);
}

/** `x` with zeros for variables that it lacks: a conditional need not know what it does not depend on. */
function completed(model: EnergyModel, x: Values, lead: Shape): { readonly x: Values; readonly missing: readonly Tensor[] } {
  for (const name of Object.keys(model.reads ?? {})) if (x[name] === undefined) throw lacking(model, name);
  const added = Object.entries(model.units)
    .filter(([name]) => x[name] === undefined)
    .map(([name, units]) => [name, probe([...lead, ...eventOf(units)])] as const);
  return { x: { ...x, ...Object.fromEntries(added) }, missing: added.map(([, t]) => t) };
}

function refuseMissing(model: EnergyModel, results: readonly Tensor[], missing: readonly Tensor[]): void {
  if (missing.length > 0 && dependsOn(results, missing)) throw lacking(model, undefined);
}

function lacking(model: EnergyModel, name: string | undefined): GmcError {
  const what = name === undefined ? "a variable that it depends on" : `\`${name}\``;
  return new GmcError("GM4002", `the energy of \`${model.name}\` (${model.place}) was read without a value of ${what}`, [
    "pass a value of every variable that interacts with the one asked for, and of every condition",
  ]);
}

/** Σ weight * part, `rank` the axes of the parts' event. Parts that are zero are left out. */
function weighted<W>(model: EnergyModel<W>, of: (part: EnergyModel<W>, i: number) => Tensor, rank: number): Tensor {
  const all = (model.parts ?? []).map(({ model: part, weight }, i) => ({ weight, value: of(part, i) }));
  const some = all.filter(({ value }) => constantValue(value) !== 0);
  return (some.length === 0 ? all : some)
    .map(({ weight, value }) => mul(typeof weight === "number" ? weight : beforeEvent(weight, rank), value))
    .reduce((total, t) => add(total, t));
}
