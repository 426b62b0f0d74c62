/**
 * Conditions on values that a stage needs to mean anything: that a matrix is positive definite, say. Whoever stages a function decides what a
 * condition that does not hold stops: a training step, an evaluation, a sample. Until then it costs nothing: what reads no check computes none.
 */
import type { GmcError } from "./errors.js";
import { less, select } from "./ops.js";
import { stage, state, writeState, type StageOptions } from "./stage.js";
import { currentTrace, type Check, type Tensor } from "./trace.js";
import type { Graph } from "./types.js";

export type { Check } from "./trace.js";

/** The next greater value is far from any number that means something, and NaN is not below it. */
const HOLDS_FROM = 1e-30;

interface Found {
  readonly data: ArrayLike<number>;
}

/** Asks of the current stage that `value`, a scalar, is above 0. NaN says that something else has gone wrong before. See `Check.every`. */
export function demand(value: Tensor, failed: Check["failed"], every = 1): void {
  currentTrace().checks.push({ value, failed, every });
}

const outputName = (i: number): string => `check:${i}`;

/** Whether an output of a graph of `stageChecked` is a condition's. No variable of a model can be called so. */
export function isCheck(output: string): boolean {
  return output.startsWith("check:");
}

/** Whether a condition of this value does not hold. */
export function isBroken(value: Tensor): Tensor {
  return less(value, HOLDS_FROM);
}

/** As `stage`, with an output more for each condition; see `verified`. */
export function stageChecked(
  fn: () => Readonly<Record<string, Tensor>>,
  options: StageOptions = {},
): { readonly graph: Graph; readonly checks: readonly Check["failed"][] } {
  const checks: Check["failed"][] = [];
  const graph = stage(
    {},
    () => {
      const outputs = fn();
      const demanded = currentTrace().checks;
      checks.push(...demanded.map((c) => c.failed));
      return { ...outputs, ...Object.fromEntries(demanded.map((c, i) => [outputName(i), c.value])) };
    },
    options,
  );
  return { graph, checks };
}

/** A condition of a stage that is repeated: the least value that it had so far is kept in a state. */
export interface KeptCheck {
  readonly state: string;
  readonly failed: Check["failed"];
}

/** Before the first iteration. */
export const UNCHECKED = Infinity;

/** As `stage`, for the body of a `repeat` stage. States of conditions are named after `prefix`; each begins at `UNCHECKED`. */
export function stageKept(
  prefix: string,
  fn: () => Readonly<Record<string, Tensor>>,
  options: StageOptions = {},
): { readonly graph: Graph; readonly kept: readonly KeptCheck[] } {
  const kept: KeptCheck[] = [];
  const graph = stage(
    {},
    () => {
      const outputs = fn();
      for (const [i, { value, failed }] of currentTrace().checks.entries()) {
        const name = prefix + outputName(i);
        const least = state(name, []);
        // NaN says that something else has gone wrong before
        writeState(least, select(less(value, least), value, least));
        kept.push({ state: name, failed });
      }
      return outputs;
    },
    options,
  );
  return { graph, kept };
}

/** What a graph of `stageChecked` gave, without what it says of conditions; throws the error of the first that does not hold. */
export function verified<T extends Found>(
  outputs: Readonly<Record<string, T>>,
  checks: readonly Check["failed"][],
): Readonly<Record<string, T>> {
  const broken = firstBroken(outputs, checks);
  if (broken) throw broken;
  return Object.fromEntries(Object.entries(outputs).filter(([name]) => !isCheck(name)));
}

/** The first condition that does not hold, as what to say of it. */
function firstBroken(outputs: Readonly<Record<string, Found>>, checks: readonly Check["failed"][], when = ""): GmcError | undefined {
  for (const [i, failed] of checks.entries()) {
    const value = outputs[outputName(i)]?.data[0] ?? NaN;
    if (isBelow(value)) return failed(value, when);
  }
  return undefined;
}

/** Whether a condition that had this value does not hold, as `isBroken`. */
export function isBelow(value: number): boolean {
  return value < HOLDS_FROM;
}
