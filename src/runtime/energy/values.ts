/** Values of an energy model's variables: what the energy sees of them, their leading axes, and where a tensor comes from. */
import { GmcError } from "../graph/errors.js";
import {
  constant,
  oneHot,
  reshape,
  resolveShape,
  sizeOf,
  stopGradient,
  zeros,
  type DrawShape,
  type Shape,
  type Tensor,
} from "../graph/index.js";
import { broadcastShapes } from "../graph/shape.js";
import { producer, tensorOf } from "../graph/trace.js";
import type { EnergyModel, Units, Values } from "./energy-model.js";

/** The units of a variable. GM4906 where the model has none of that name. */
export function unitsOf(model: EnergyModel, name: string): Units {
  const units = Object.hasOwn(model.units, name) ? model.units[name] : undefined;
  if (units !== undefined) return units;
  throw new GmcError("GM4906", `the energy of \`${model.name}\` (${model.place}) defines no variable \`${name}\``, [
    `it defines ${Object.keys(model.units).join(", ")}`,
  ]);
}

/** Seen one-hot by the energy. */
export function isCategory(units: Units): units is Extract<Units, { readonly classes: number }> {
  return units.kind === "categorical" || units.kind === "category";
}

/** Moved by a gradient. */
export function isReal(units: Units): boolean {
  return units.kind === "normal" || units.kind === "jointNormal" || units.kind === "real";
}

/** Without a conditional in closed form. */
export function isLawless(units: Units): boolean {
  return units.kind === "binary" || units.kind === "category" || units.kind === "real";
}

export type IndependentUnits = Exclude<Units, { readonly kind: "binary" | "category" | "real" | "jointNormal" }>;

/** Units of the same domain, and of the same states, that do not interact. */
export function independent(units: Units): IndependentUnits {
  switch (units.kind) {
    case "binary":
      return units.block ? { kind: "oneOfBlock", shape: units.shape, block: units.block } : { kind: "bernoulli", shape: units.shape };
    case "category":
      return { kind: "categorical", shape: units.shape, classes: units.classes };
    case "real":
    case "jointNormal":
      return { kind: "normal", shape: units.shape };
    default:
      return units;
  }
}

/** A value's event as the energy sees it. */
export function eventOf(units: Units): Shape {
  return isCategory(units) ? [...units.shape, units.classes] : units.shape;
}

/** A category's index as a one-hot vector; what is one-hot already, or a mean of such, stays. */
function seenOf(units: Units, value: Tensor): Tensor {
  return isCategory(units) && value.dtype !== "f32" ? oneHot(value, units.classes) : value;
}

/** The event as one axis. */
export function flat(x: Tensor, event: Shape): Tensor {
  return reshape(x, [...x.shape.slice(0, x.shape.length - event.length), sizeOf(event)]);
}

/** Values as the energy sees them. */
export function seenBy(model: EnergyModel, x: Values): Values {
  return Object.fromEntries(
    Object.entries(x).map(([name, value]) => [name, Object.hasOwn(model.units, name) ? seenOf(model.units[name]!, value) : value]),
  );
}

/** Without gradient; whole numbers have none anyway. */
export function held(x: Values): Values {
  return Object.fromEntries(Object.entries(x).map(([name, value]) => [name, value.dtype === "f32" ? stopGradient(value) : value]));
}

export function without(x: Values, names: readonly string[]): Values {
  return Object.fromEntries(Object.entries(x).filter(([name]) => !names.includes(name)));
}

/** The common leading axes of seen values. */
export function leadOf(model: EnergyModel, x: Values): number[] {
  const leads = Object.entries(x).flatMap(([name, value]) => {
    const event = Object.hasOwn(model.units, name) ? eventOf(model.units[name]!) : model.reads?.[name];
    return event === undefined ? [] : [value.shape.slice(0, value.shape.length - event.length)];
  });
  return broadcastShapes(`leading axes of the values of ${model.name}`, leads);
}

/** The leading axes of a draw: as given, or those of the values, the last of them the rows. */
export function drawLead(model: EnergyModel, x: Values, lead: DrawShape | undefined): DrawShape {
  if (lead !== undefined) return lead;
  const plain = leadOf(model, x);
  return plain.map((size, i) => (i === plain.length - 1 ? { kind: "rows", size } : size));
}

export const plainShape = (shape: DrawShape): number[] => resolveShape(shape).shape;

/** Zeros that are a node of their own, so that a gradient in them is a gradient in this variable alone. */
export function probe(shape: Shape): Tensor {
  return shape.length === 0 ? reshape(constant(0, [1]), []) : zeros(shape);
}

/** Whether any of `from` is computed from one of `targets`. */
export function dependsOn(from: readonly Tensor[], targets: readonly Tensor[]): boolean {
  const wanted = new Set(targets.map((t) => t.id));
  const first = Math.min(...wanted);
  const seen = new Set<number>();
  const stack = from.map((t) => t.id);
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (wanted.has(id)) return true;
    if (id < first || seen.has(id)) continue;
    seen.add(id);
    stack.push(...producer(tensorOf(id)).inputs);
  }
  return false;
}
