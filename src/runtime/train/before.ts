/**
 * The stages of an update before its gradients: each moves what the update carries (a sweep of persistent chains), as a `repeat` stage of the
 * program, so that many sweeps cost no larger graph. Masked as every write is: nothing moves once a value was not finite.
 */
import type { Stage } from "../engines/engine.js";
import { abs, and, constant, equal, iterationInput, mean, select, stage, state, writeState, type Tensor } from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { isBroken, type Check } from "../graph/checks.js";
import { currentTrace } from "../graph/trace.js";
import { optimize } from "../graph/passes/index.js";
import { under } from "../graph/look.js";
import type { StepContext, UpdateDefinition } from "../model.js";
import { carriedName } from "./carried.js";
import { isFinite } from "./context.js";

export interface Faults {
  /** Of the state. */
  readonly name: string;
  /** What it becomes where a carried value is not finite. */
  readonly carried: number;
  /** What it becomes where the first condition of all does not hold; of the next it is the next number. */
  readonly firstCheck: number;
  /** Conditions so far. */
  readonly checks: Check["failed"][];
}

/**
 * The number of the first condition of the current stage that does not hold, or 0; undefined where there are none. Adds them to those of `faults`.
 * `taken` says which are looked at; all have a number.
 */
export function brokenCheck(faults: Faults, taken: (check: Check) => boolean = () => true): Tensor | undefined {
  const numbered = currentTrace().checks.flatMap((check) => {
    faults.checks.push(check.failed);
    return taken(check) ? [{ value: check.value, number: faults.firstCheck + faults.checks.length - 1 }] : [];
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

/**
 * The conditions of an update's objective that cost more than a step, as a stage that runs as often as the feed `count` says. Their numbers are those
 * that `brokenCheck` gives them in the stage of the gradients, which `faults` has not seen yet.
 */
export function stageLook(
  update: UpdateDefinition,
  faults: Faults,
  context: () => StepContext,
  count: string,
): Extract<Stage, { kind: "repeat" }> {
  const graph = stage(
    {},
    () => {
      const given = context();
      update.value(given);
      update.surrogate?.(given);
      currentTrace().writes.clear();
      const broken = brokenCheck(faults, (check) => !isCheap(check));
      const flag = state(faults.name, [], "i32");
      if (broken) writeState(flag, select(equal(flag, 0), broken, flag));
      return {};
    },
    { mode: "train" },
  );
  return { kind: "repeat", name: "conditions", graph: optimize(graph), count };
}

/** 0 and 1 made of a condition: never anything else, whatever the weights are. */
function isTruth(t: Tensor): boolean {
  return under(t, "cast")?.dtype === "bool";
}

/** One stage for each of the update's `before`. `context` makes the context of the trace it is called in. */
export function stageBefore(update: UpdateDefinition, faults: Faults, context: () => StepContext): readonly Stage[] {
  return (update.before ?? []).map((step): Stage => {
    const graph = stage(
      {},
      () => {
        const given = context();
        const moved = step.run(step.times > 1 ? { ...given, key: given.key.iterate(iterationInput()) } : given);
        const flag = state(faults.name, [], "i32");
        const broken = brokenCheck(faults);
        const finite = Object.values(moved).reduce<Tensor | undefined>((all, t) => {
          if (t.dtype !== "f32" || isTruth(t)) return all;
          const each = isFinite(mean(abs(t)));
          return all ? and(all, each) : each;
        }, undefined);
        const holds = broken && equal(broken, 0);
        const sound = holds && finite ? and(holds, finite) : (holds ?? finite);
        const unharmed = equal(flag, 0);
        const write = sound ? and(unharmed, sound) : unharmed;
        for (const [name, value] of Object.entries(moved)) {
          const old = given.carried[name];
          if (!old) throw new InternalError(`${update.label} moves \`${name}\`, which it does not carry`);
          const at = state(carriedName(name), old.shape, old.dtype);
          writeState(at, select(write, value, at));
        }
        const carried = constant(faults.carried, [], "i32");
        const found = broken ? select(equal(broken, 0), carried, broken) : carried;
        if (sound) writeState(flag, select(sound, flag, select(unharmed, found, flag)));
        return {};
      },
      { mode: "train" },
    );
    const name = step.name;
    return step.times > 1
      ? { kind: "repeat", name, graph: optimize(graph), count: step.times }
      : { kind: "call", name, graph: optimize(graph) };
  });
}
