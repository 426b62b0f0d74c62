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
  transpose,
  vjp,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { constantValue } from "../graph/look.js";
import { atZero } from "./at-zero.js";
import type { EnergyModel, Values } from "./energy-model.js";
import { beforeEvent, dependsOn, eventOf, probe, unitsOf } from "./values.js";

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
  const at = probe([...lead, ...event]);
  const { x: all, missing } = completed(model, { ...x, [name]: at }, lead);
  const [gradient] = gradientOf(model.energy(w, all), [at]);
  const [curvature] = atZero(vjp([gradient!], [ones(at.shape)], [at]), [at]);
  refuseMissing(model, [curvature!], missing);
  return curvature!;
}

/**
 * The Hessian in `name`, [D, D] over the flat event where it depends on weights alone, else [...lead, D, D]. The rows of the identity are
 * the cotangents of D copies of the variable: one pass over the gradient, whatever D.
 */
export function curvature<W>(model: EnergyModel<W>, w: W, x: Values, name: string, lead: Shape): Tensor {
  const event = unitsOf(model, name).shape;
  if (model.parts !== undefined) return weighted(model, (part) => curvature(part, w, x, name, lead), 2);
  const size = sizeOf(event);
  const hessian = (rest: Values, around: Shape): { readonly rows: Tensor; readonly missing: readonly Tensor[] } => {
    const at = probe([size, ...around, ...event]);
    const { x: all, missing } = completed(model, { ...rest, [name]: at }, around);
    const [gradient] = gradientOf(model.energy(w, all), [at]);
    const unit = reshape(eye(size), [size, ...around.map(() => 1), ...event]);
    const [rows] = atZero(vjp([gradient!], [broadcastTo(unit, at.shape)], [at]), [at]);
    const flat = reshape(rows!, [size, ...around, size]);
    const axes = [...flat.shape.keys()];
    return { rows: transpose(flat, [...axes.slice(1, -1), 0, axes.length - 1]), missing };
  };
  const standIns = lonely(model, x, name);
  if (standIns !== undefined) {
    const { rows } = hessian(standIns, []);
    if (!dependsOn([rows], Object.values(standIns))) return rows;
  }
  const { rows, missing } = hessian(x, lead);
  refuseMissing(model, [rows], missing);
  return rows;
}

/** Zeros without leading axes in the place of every other variable; undefined where a shape is not known. */
function lonely(model: EnergyModel, x: Values, name: string): Values | undefined {
  const events: Record<string, Shape> = { ...model.reads };
  for (const [other, units] of Object.entries(model.units)) events[other] = eventOf(units);
  const others = [...new Set([...Object.keys(x), ...Object.keys(events)])].filter((other) => other !== name);
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
    .map(({ weight, value }) => mul(beforeEvent(weight, rank), value))
    .reduce((total, t) => add(total, t));
}
