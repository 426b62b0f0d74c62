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
    if (fn === "sum") return { ...value, js: call("mul", value.js, scope.writer.plate(plate).size) };
    return value;
  }
  const axis = scope.writer.plateAxis(value.lead, plate);
  const plates = new Set([...value.lead.plates].filter((p) => p !== plate));
  const reduced = bound ? bound(value, axis) : call(fn, value.js, numbers([axis]));
  // An outer plate stays above the one that goes: its place becomes an axis of size 1.
  const outer = [...plates].some((p) => scope.writer.plate(p).position > scope.writer.plate(plate).position);
  return {
    ...value,
    js: outer ? call("expandDims", reduced, num(axis)) : reduced,
    lead: { batch: value.lead.batch || bound !== undefined, plates },
  };
}
