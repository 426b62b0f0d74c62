/** All values of a finite variable, for exact sums over latents. */
import { GmcError } from "../graph/errors.js";
import { broadcastTo, cast, constant, iota, oneHot, reshape } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import type { VariableSpec } from "../model.js";
import { sizeOf } from "../graph/shape.js";

/**
 * Every state of `spec` along a new first axis: [S, 1 × lead, ...event]. `lead` counts the leading axes that the states must broadcast
 * against: 1 (the batch), more inside other sums. Entries vary in C order, the last entry fastest.
 */
export function allStates(spec: VariableSpec, lead = 1): Tensor {
  const entries = sizeOf(spec.shape);
  const base = spec.domain === "binary" ? 2 : spec.domain === "category" ? spec.classes : undefined;
  if (base === undefined) throw new GmcError("GM4003", `a \`${spec.domain}\` variable has no finite list of states`);
  const states = base ** entries;
  const shape = [states, ...Array.from({ length: lead }, () => 1), ...spec.shape];
  if (entries === 1) {
    const all = reshape(iota(states), shape);
    return spec.domain === "binary" ? cast(all, "f32") : all;
  }
  const values = Array.from(
    { length: states * entries },
    (_, i) => Math.floor(Math.floor(i / entries) / base ** (entries - 1 - (i % entries))) % base,
  );
  return constant(values, shape, spec.domain === "binary" ? "f32" : "i32");
}

/**
 * Every state of one entry of `spec`, along a new first axis: [S, 1 × lead, ...event], all entries in the same state. For sums over entries that do not
 * meet, each by itself.
 */
export function entryStates(spec: VariableSpec, lead = 1): Tensor {
  const states = allStates({ ...spec, shape: [] }, lead + spec.shape.length);
  return broadcastTo(states, [...states.shape.slice(0, 1 + lead), ...spec.shape]);
}

/**
 * Every value of `spec` that `oneHotCategorical` draws, along a new first axis: [S, 1 × lead, ...event] with a single 1 along the last axis,
 * S = K^(entries of the other axes). In the order of the category, as `allStates` has it.
 */
export function allOneHot(spec: VariableSpec, lead = 1): Tensor {
  const classes = spec.shape.at(-1);
  if (classes === undefined) throw new GmcError("GM4003", "a scalar is no vector of zeros and one 1");
  return oneHot(allStates({ domain: "category", classes, shape: spec.shape.slice(0, -1), optional: false }, lead), classes);
}
