/** One sample of a family, or the family along the plate of another index. */
import { InternalError } from "../base/internal-error.js";
import type { LocalExpr, VariableExpr } from "../ir/types.js";
import { call, num, numbers } from "./js.js";
import type { Scope } from "./lower-expr.js";
import { memoKey, type TensorValue, tensorValue, type Value } from "./values.js";

/** The plate that an index runs over in place of the family's own. */
export interface SamplePlate {
  readonly of: string;
  readonly plate: string;
}

/**
 * `z[2]` is a slice of the samples. `z[j]` within a reduction over `z[i]` is all of them along a plate further out, [k, 1, B, …] beside [k, B, …]. Any other
 * `z[i]` is the family as it is.
 */
export function sampleOf(scope: Scope, { sample }: VariableExpr | LocalExpr, value: Value): Value {
  if (sample === undefined) return value;
  if (sample.kind === "at") return numbered(scope, tensorValue(value), sample.position);
  const other = scope.samplePlates?.get(sample.index);
  return other === undefined ? value : alongside(scope, tensorValue(value), other);
}

/** The last plate to come into scope: the one that a family's values have outermost. */
function outermost({ writer }: Scope, { lead }: TensorValue): string {
  const [top] = [...lead.plates].sort((a, b) => writer.plate(b).position - writer.plate(a).position);
  if (top === undefined) throw new InternalError("a sample of what is drawn once");
  return top;
}

function numbered(scope: Scope, value: TensorValue, position: number): Value {
  const { writer } = scope;
  const top = outermost(scope, value);
  return writer.remember(`sample ${position}|${top}|${memoKey(value)}`, () => {
    const plates = new Set([...value.lead.plates].filter((p) => p !== top));
    const { position: place } = writer.plate(top);
    const below = Math.max(0, ...[...plates].map((p) => writer.plate(p).position));
    // places between that the value lacks are axes of size 1, and go with the family's
    const axes = Array.from({ length: place - below }, (_, i) => i);
    const js = call("squeeze", call("sliceAxis", value.js, num(0), num(position - 1), num(position)), numbers(axes));
    return writer.bind(`${nameOf(value)}${position}`, { ...value, js, lead: { ...value.lead, plates } });
  });
}

function alongside(scope: Scope, value: TensorValue, { of, plate }: SamplePlate): Value {
  if (!value.lead.plates.has(of)) return value;
  const { writer } = scope;
  if (outermost(scope, value) !== of) throw new InternalError(`other plates stand around the family ${of}`);
  return writer.remember(`along ${plate}|${memoKey(value)}`, () => {
    const between = writer.plate(plate).position - writer.plate(of).position;
    let { js } = value;
    for (let i = 0; i < between; i++) js = call("expandDims", js, num(1));
    const plates = new Set([...value.lead.plates].map((p) => (p === of ? plate : p)));
    return writer.bind(`${nameOf(value)}Other`, { ...value, js, lead: { ...value.lead, plates } });
  });
}

const nameOf = ({ js }: TensorValue): string => (js.kind === "name" ? js.name : "sample");
