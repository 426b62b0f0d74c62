/**
 * The stages of an update before its gradients: each moves what the update carries (a sweep of persistent chains), as a `repeat` stage of the
 * program, so that many sweeps cost no larger graph. Masked as every write is: nothing moves once a value was not finite.
 */
import type { Stage } from "../engines/engine.js";
import { abs, and, constant, equal, iterationInput, mean, select, stage, state, writeState, type Tensor } from "../graph/index.js";
import { InternalError } from "../graph/errors.js";
import { optimize } from "../graph/passes/index.js";
import { under } from "../graph/look.js";
import type { StepContext, UpdateDefinition } from "../model.js";
import { carriedName } from "./carried.js";
import { isFinite } from "./context.js";

export interface FaultState {
  readonly name: string;
  /** What it becomes where a carried value is not finite. */
  readonly code: number;
}

/** 0 and 1 made of a condition: never anything else, whatever the weights are. */
function isTruth(t: Tensor): boolean {
  return under(t, "cast")?.dtype === "bool";
}

/** One stage for each of the update's `before`. `context` makes the context of the trace it is called in. */
export function stageBefore(update: UpdateDefinition, fault: FaultState, context: () => StepContext): readonly Stage[] {
  return (update.before ?? []).map((step): Stage => {
    const graph = stage(
      {},
      () => {
        const given = context();
        const moved = step.run(step.times > 1 ? { ...given, key: given.key.iterate(iterationInput()) } : given);
        const flag = state(fault.name, [], "i32");
        const sound = Object.values(moved).reduce<Tensor | undefined>((all, t) => {
          if (t.dtype !== "f32" || isTruth(t)) return all;
          const finite = isFinite(mean(abs(t)));
          return all ? and(all, finite) : finite;
        }, undefined);
        const unharmed = equal(flag, 0);
        const write = sound ? and(unharmed, sound) : unharmed;
        for (const [name, value] of Object.entries(moved)) {
          const old = given.carried[name];
          if (!old) throw new InternalError(`${update.label} moves \`${name}\`, which it does not carry`);
          const at = state(carriedName(name), old.shape, old.dtype);
          writeState(at, select(write, value, at));
        }
        if (sound) writeState(flag, select(sound, flag, select(unharmed, constant(fault.code, [], "i32"), flag)));
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
