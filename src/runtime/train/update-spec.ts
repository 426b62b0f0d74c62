/** The optimiser step of an update, as engines take it: its rule, slots, averages, and the constraints of each weight. */
import type { UpdateSpec, UpdateTarget } from "../engines/engine.js";
import { assertNever, GmcError } from "../graph/errors.js";
import { slotNames } from "../graph/updates.js";
import type { Constraint, PhaseDefinition, UpdateDefinition } from "../model.js";
import { unconstrained, type LeafAt } from "../nn/spec.js";
import { emaName } from "./context.js";
import { FAULT } from "./fault-state.js";
import type { OptimizerSpec } from "../optim/optimizers.js";
import { gradientName } from "./stage-update.js";

/** Feed of the learning rate. A colon keeps it apart from the names of a model. */
export const LEARNING_RATE = "run:lr";

/** `id` tells the states of its optimiser from those of others. GM4011 where a constraint does not fit its weight. */
export function updateSpec(
  phase: PhaseDefinition,
  update: Pick<UpdateDefinition, "direction">,
  optimizer: OptimizerSpec,
  id: string,
  targets: readonly LeafAt[],
): UpdateSpec {
  return {
    rule: optimizer.rule,
    constants: optimizer.constants,
    learningRate: LEARNING_RATE,
    counter: `optimizer:${id}:count`,
    sign: update.direction === "minimize" ? 1 : -1,
    targets: targets.map((leaf): UpdateTarget => {
      const constraints = constraintsOf(phase, leaf);
      return {
        weight: leaf.path,
        gradient: gradientName(leaf.path),
        slots: slotNames(optimizer.rule, optimizer.constants).map((slot) => `optimizer:${id}:${leaf.path}:${slot}`),
        ema: optimizer.ema === null ? null : emaName(leaf.path),
        clip: clipOf(phase, leaf),
        maxNorm: constraints.reduce<UpdateTarget["maxNorm"]>((norm, c) => maxNormOf(c, leaf) ?? norm, null),
      };
    }),
    clipNorm: optimizer.clipNorm,
    clipValue: optimizer.clipValue,
    weightDecay: optimizer.weightDecay,
    ema: optimizer.ema,
    fault: FAULT,
  };
}

const constraintsOf = (phase: PhaseDefinition, leaf: LeafAt): readonly Constraint[] =>
  (phase.constraints ?? []).filter((c) => leaf.path === c.over || leaf.path.startsWith(`${c.over}.`));

/** The bounds that a phase keeps a weight in, in the space in which it is stored. GM4011 where they do not fit it. */
export function clipOf(phase: PhaseDefinition, leaf: LeafAt): readonly [number, number] | null {
  return constraintsOf(phase, leaf).reduce<readonly [number, number] | null>((clip, c) => boundsOf(c, leaf) ?? clip, null);
}

function boundsOf(constraint: Constraint, leaf: LeafAt): readonly [number, number] | null {
  const { bound } = constraint;
  if (bound.kind !== "in") return null;
  switch (leaf.spec.constraint) {
    case "none":
      return [bound.low, bound.high];
    case "positive":
    case "unit": {
      const top = leaf.spec.constraint === "unit" ? 1 : Infinity;
      const inverse = (v: number): number => unconstrained({ ...leaf.spec, shape: [] }, Float64Array.of(v), leaf.path)[0] ?? NaN;
      return [bound.low <= 0 ? -Infinity : inverse(bound.low), bound.high >= top ? Infinity : inverse(bound.high)];
    }
    case "simplex":
      throw new GmcError("GM4011", `\`${leaf.path}\` lies on a simplex and cannot be constrained further`);
    default:
      return assertNever(leaf.spec.constraint);
  }
}

function maxNormOf(constraint: Constraint, leaf: LeafAt): UpdateTarget["maxNorm"] {
  const { bound } = constraint;
  if (bound.kind !== "maxNorm") return null;
  if (leaf.spec.constraint !== "none") {
    throw new GmcError("GM4011", `\`${leaf.path}\` is ${leaf.spec.constraint}: the norm of what is stored is not the norm of its value`);
  }
  const axis = bound.axis < 0 ? bound.axis + leaf.spec.shape.length : bound.axis;
  // a constraint on a whole net speaks of its matrices; its biases have no such axis
  if (axis >= leaf.spec.shape.length || leaf.spec.shape.length < 2) return null;
  return { axis, limit: bound.limit };
}
