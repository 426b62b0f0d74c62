/** What went wrong in a step, as one number in the store, and the conditions that it counts. */
import { isBroken, type Check } from "../graph/checks.js";
import { constant, select, type Tensor } from "../graph/index.js";
import { currentTrace } from "../graph/trace.js";

/**
 * State, i32: 0 while all was finite; 1 once an objective or a gradient was not, 2 once what an update carries was not; from 3 on the number of a
 * condition that did not hold (see graph/checks.ts).
 */
export const FAULT = "train:fault";
export const CARRIED_FAULT = 2;
export const CHECK_FAULT = 3;

/** Conditions of an update, in the order of their numbers: what to say of each. */
export type Checks = Check["failed"][];

/**
 * The number of the first condition of the current stage that does not hold, or 0; undefined where there are none. Adds them to `checks`.
 * `taken` says which are looked at; all have a number.
 */
export function brokenCheck(checks: Checks, taken: (check: Check) => boolean = () => true): Tensor | undefined {
  const numbered = currentTrace().checks.flatMap((check) => {
    checks.push(check.failed);
    return taken(check) ? [{ value: check.value, number: CHECK_FAULT + checks.length - 1 }] : [];
  });
  return numbered.reduceRight<Tensor | undefined>(
    (later, { value, number }) => select(isBroken(value), constant(number, [], "i32"), later ?? constant(0, [], "i32")),
    undefined,
  );
}

/** Whether a condition is looked at in every step. */
export function isCheap(check: Check): boolean {
  return check.every <= 1;
}
