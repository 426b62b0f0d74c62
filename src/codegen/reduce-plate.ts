/** What reduces a family of samples, states or orders along its plate. */
import { call, type Js, num, numbers } from "./js.js";
import { type QuantityScope } from "./quantity-scope.js";
import type { FunctionWriter, Lead, TensorValue } from "./values.js";

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
    if (fn === "logSumExp") return { ...value, js: call("add", value.js, call("log", size)) };
    return value;
  }
  const axis = scope.writer.plateAxis(value.lead, plate);
  const plates = new Set([...value.lead.plates].filter((p) => p !== plate));
  // An outer plate stays above the one that goes: its place becomes an axis of size 1.
  const outer = [...plates].some((p) => scope.writer.plate(p).position > scope.writer.plate(plate).position);
  const idle = idleAxes(scope.writer, value.lead, plate);
  const reduced = bound ? withoutIdle(bound(value, axis), idle) : call(fn, value.js, numbers([axis, ...idle.map((i) => i + 1)]));
  return {
    ...value,
    js: outer ? call("expandDims", reduced, num(axis)) : reduced,
    lead: { batch: value.lead.batch || bound !== undefined, plates },
  };
}

/**
 * What the axes in front of a value are, from 0 on, once its outermost plate is gone, that belong to places below at which it has no plate. They have size 1,
 * and would stand for plates that are left. None below an outer plate, which keeps its place.
 */
export function idleAxes(writer: FunctionWriter, lead: Lead, plate: string): readonly number[] {
  const rest = [...lead.plates].flatMap((p) => (p === plate ? [] : [writer.plate(p).position]));
  return Array.from({ length: Math.max(0, writer.plate(plate).position - 1 - Math.max(0, ...rest)) }, (_, i) => i);
}

export const withoutIdle = (js: Js, idle: readonly number[]): Js => (idle.length > 0 ? call("sum", js, numbers(idle)) : js);
