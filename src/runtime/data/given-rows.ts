/** Rows that a script hands over beside its data, in the model's units: what the variable's domain forbids is refused as in a data set. */
import type { HostTensor } from "../graph/program.js";
import { sizeOf } from "../graph/shape.js";
import type { VariableSpec } from "../model.js";
import type { DataArray } from "./array.js";
import type { ColumnContext, ValueStatistics } from "./column-context.js";
import { makeColumn } from "./domains.js";

/** Of values that stand for themselves: nothing is scaled, and binary ones are 0 and 1. */
const asTheyAre: ValueStatistics = { low: 0, high: 1, integers: true, grey: false, moments: undefined, whitening: undefined };

/**
 * [rows, ...event]; -1 or NaN is missing, where the variable may be. GM5022, GM5032 for values outside the domain. Where a row is `partial`, NaN is an
 * entry that has no value yet.
 */
export function givenRows(name: string, spec: VariableSpec, array: DataArray, partial = false): HostTensor {
  const context: ColumnContext = {
    name,
    spec: partial ? { ...spec, optional: true } : spec,
    width: sizeOf(spec.shape),
    path: "the rows given",
    options: { scale: "none" },
    statistics: asTheyAre,
    labels: undefined,
  };
  const { source, dtype } = makeColumn(context, array, asTheyAre);
  const { shape } = array;
  return dtype === "i32" ? { dtype, shape, data: Int32Array.from(source) } : { dtype, shape, data: Float32Array.from(source) };
}
