/**
 * The stages of an update before its gradients: each moves what the update carries (a sweep of persistent chains), as a `repeat` stage of the
 * program, so that many sweeps cost no larger graph. Masked as every write is: nothing moves once a value was not finite.
 */
import type { Stage } from "../engines/engine.js";
import { abs, and, constant, equal, iterationInput, mean, select, stage, state, writeState, type Tensor } from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { currentTrace } from "../graph/trace.js";
import { optimize } from "../graph/passes/index.js";
import { under } from "../graph/look.js";
import type { StepContext, UpdateDefinition } from "../model.js";
import { carriedName } from "./carried.js";
import { isFinite } from "./context.js";
import { brokenCheck, CARRIED_FAULT, FAULT, isCheap, type Checks } from "./fault-state.js";

/**
 * The conditions of an update's objective that cost more than a step, as a stage that runs as often as the feed `count` says. Their numbers are those
 * that `brokenCheck` gives them in the stage of the gradients, of which `checks` has none yet.
 */
export function stageLook(
  update: UpdateDefinition,
  checks: Checks,
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
      const broken = brokenCheck(checks, (check) => !isCheap(check));
      const flag = state(FAULT, [], "i32");
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
export function stageBefore(update: UpdateDefinition, checks: Checks, context: () => StepContext): readonly Stage[] {
  return (update.before ?? []).map((step): Stage => {
    const graph = stage(
      {},
      () => {
        const given = context();
        const moved = step.run(step.times > 1 ? { ...given, key: given.key.iterate(iterationInput()) } : given);
        const flag = state(FAULT, [], "i32");
        const broken = brokenCheck(checks);
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
        const carried = constant(CARRIED_FAULT, [], "i32");
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
