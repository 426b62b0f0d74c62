/** What reduces a family of samples, states or orders along its plate. */
import { call, type Js, num, numbers } from "./js.js";
import { type QuantityScope } from "./quantity-scope.js";
import { type TensorValue } from "./values.js";

/** Reduces one plate; inner plates keep their places. */
export function reducePlate(
  scope: QuantityScope,
  value: TensorValue,
  plate: string,
  fn: string,
  bound?: (logW: TensorValue, axis: number) => Js,
): TensorValue {
  if (!value.lead.plates.has(plate)) {
    const { size } = scope.writer.plate(plate);
    if (fn === "sum") return { ...value, js: call("mul", value.js, size) };
    return value;
  }
  const axis = scope.writer.plateAxis(value.lead, plate);
  const plates = new Set([...value.lead.plates].filter((p) => p !== plate));
  const { position } = scope.writer.plate(plate);
  const rest = [...plates].map((p) => scope.writer.plate(p).position);
  // An outer plate stays above the one that goes: its place becomes an axis of size 1.
  const outer = rest.some((p) => p > position);
  // The outermost one takes the places below it along that the value has no plate at: their axes, of size 1, would stand for plates that are left.
  const idle = outer ? [] : Array.from({ length: position - 1 - Math.max(0, ...rest) }, (_, i) => axis + i);
  const along = bound ? bound(value, axis) : call(fn, value.js, numbers([axis, ...idle.map((i) => i + 1)]));
  const reduced = bound && idle.length > 0 ? call("sum", along, numbers(idle)) : along;
  return {
    ...value,
    js: outer ? call("expandDims", reduced, num(axis)) : reduced,
    lead: { batch: value.lead.batch || bound !== undefined, plates },
  };
}
