/** All values of a finite variable, for exact sums over latents. */
import { GmcError } from "../graph/errors.js";
import { broadcastTo, cast, constant, div, expandDims, iota, lift, mul, oneHot, reshape, sub, transpose } from "../graph/index.js";
import type { Key, Tensor } from "../graph/index.js";
import type { VariableSpec } from "../model.js";
import { sizeOf } from "../graph/shape.js";
import { categorical } from "./categorical.js";

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

/**
 * Draws scalar variables of few states from their posterior, by the log-density of each joint state: p(states | given) is that, normalised. `given` are rows
 * [B, ...event]; `logDensity` [S * B] is of all states of all rows at once, with the variables [S * B] beside what is given. -> [B] each.
 * Those of the variables that `held` has, rows [B], keep its values, and the others are drawn given these as well.
 */
export function drawStates(
  key: Key,
  specs: Readonly<Record<string, VariableSpec>>,
  given: Readonly<Record<string, Tensor>>,
  logDensity: (at: Readonly<Record<string, Tensor>>) => Tensor,
  held: Readonly<Record<string, Tensor>> = {},
): Readonly<Record<string, Tensor>> {
  const known = Object.fromEntries(Object.entries(held).filter(([name]) => Object.hasOwn(specs, name)));
  const names = Object.keys(specs).filter((name) => !Object.hasOwn(known, name));
  if (names.length === 0) return known;
  const counts = names.map((name) => allStates(specs[name]!).shape[0]!);
  const total = counts.reduce((product, n) => product * n, 1);
  const rows = Object.values(given)[0]?.shape[0] ?? 1;
  // a joint state counts those of its variables, the last one fastest
  const valuesOf = (joint: Tensor): Record<string, Tensor> => {
    let rest = joint;
    const digits = new Map<string, Tensor>();
    for (let i = names.length - 1; i >= 0; i--) {
      const n = lift(counts[i]!, "i32");
      const above = div(rest, n);
      digits.set(names[i]!, sub(rest, mul(above, n)));
      rest = above;
    }
    return Object.fromEntries(
      names.map((name) => [name, specs[name]!.domain === "binary" ? cast(digits.get(name)!, "f32") : digits.get(name)!]),
    );
  };
  const repeated = (t: Tensor): Tensor => {
    const event = t.shape.slice(1);
    return reshape(broadcastTo(expandDims(t, 0), [total, rows, ...event]), [total * rows, ...event]);
  };
  const states = reshape(broadcastTo(expandDims(iota(total), 1), [total, rows]), [total * rows]);
  const fixed = Object.entries({ ...given, ...known }).map(([name, t]) => [name, repeated(t)] as const);
  const at = { ...Object.fromEntries(fixed), ...valuesOf(states) };
  const weights = reshape(broadcastTo(logDensity(at), [total * rows]), [total, rows]);
  const logits = transpose(weights, [1, 0]);
  return { ...known, ...valuesOf(categorical.sample(key, { logits }, [{ kind: "rows", size: rows }])) };
}
