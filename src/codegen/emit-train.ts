/** The phases of training in the definition: updates, optimisers, and what is carried from step to step. */
import type { DerivedModel, DerivedPhase, DerivedUpdate } from "../ir/derived-model.js";
import { hasGradientOnly } from "../ir/derive/energy-use.js";
import { couplesRows, leastRows } from "../ir/derive/players/rows.js";
import type { MaximisationAverage } from "../ir/maximisation.js";
import { array, bool, call, optionalNumber, type Js, type JsField, num, numbers, object, str } from "./js.js";
import { beforeStages, carriedChains } from "./emit-energy.js";
import { optimumFields } from "./emit-optimum.js";
import { place } from "./place.js";
import { type LoweredObjective } from "./lower-objective.js";
import { findSetting, numberSetting, settingJs } from "./settings.js";
import { callFunction, callObjective, objectiveDoc, type Objectives } from "./emit-objectives.js";

/** Rows a step where the model does not say. */
const BATCH = 100;

export function emitPhase(derived: DerivedModel, phase: DerivedPhase, objectives: Objectives): Js {
  const { settings } = phase.phase;
  const schedules = new Map<string, Js>();
  for (const u of phase.updates) for (const s of u.derived.schedules) schedules.set(s.name, settingJs(s.schedule));
  const stopping = findSetting(settings, "earlyStopping");
  return object({
    name: str(phase.phase.name),
    batch: num(numberSetting(settings, "batch") ?? BATCH),
    epochs: optionalNumber(numberSetting(settings, "epochs") ?? (numberSetting(settings, "steps") === undefined ? 10 : undefined)),
    steps: optionalNumber(numberSetting(settings, "steps")),
    updates: array(phase.updates.map((u) => emitUpdate(derived, u, phase, objectives))),
    constraints:
      phase.phase.constraints.length === 0
        ? undefined
        : array(
            phase.phase.constraints.map((c) =>
              object({
                over: str(c.over),
                bound:
                  c.bound.kind === "in"
                    ? object({ kind: str("in"), low: num(c.bound.low), high: num(c.bound.high) })
                    : object({ kind: str("maxNorm"), axis: num(c.bound.axis), limit: num(c.bound.limit) }),
              }),
            ),
          ),
    schedules: schedules.size === 0 ? undefined : object([...schedules].map(([key, value]): JsField => ({ name: key, value }))),
    ema: optionalNumber(numberSetting(settings, "ema")),
    earlyStopping:
      stopping?.kind === "call"
        ? object({
            metric: settingJs(stopping.args["metric"] ?? { kind: "text", value: "" }),
            patience: settingJs(stopping.args["patience"] ?? { kind: "static", value: 10 }),
            minDelta: settingJs(stopping.args["minDelta"] ?? { kind: "static", value: 0 }),
            goal: phase.goal === undefined ? undefined : str(phase.goal),
          })
        : undefined,
  });
}

/** Persistent chains, what estimators remember from step to step, and the averages of M-steps. */
function carriedStates(
  derived: DerivedModel,
  o: LoweredObjective,
  batch: number,
  averages: readonly MaximisationAverage[] = [],
): Js | undefined {
  const chains = o.chains.flatMap(({ use }) => carriedChains(derived, batch, use));
  const memories = [...o.memories.map((m) => ({ name: m.name, shape: [m.size] })), ...averages].map((m): JsField => ({
    name: m.name,
    value: object({ shape: numbers(m.shape), dtype: str("f32"), start: object({ kind: str("zeros") }) }),
  }));
  return chains.length + memories.length === 0 ? undefined : object([...chains, ...memories]);
}

function emitUpdate(derived: DerivedModel, u: DerivedUpdate, phase: DerivedPhase, objectives: Objectives): Js {
  const o = objectives.get(u.derived, u.update.value, u.update.name, objectiveDoc(u));
  const optimizer = findSetting(u.update.settings, "optimizer") ?? findSetting(phase.phase.settings, "optimizer");
  const steps = numberSetting(u.update.settings, "steps");
  const batch = numberSetting(phase.phase.settings, "batch") ?? BATCH;
  const found = objectives.optimumOf(o, u.derived);
  const em = u.derived.em && objectives.emOf(o, u.derived);
  const online = u.derived.em?.online;
  const least = leastRows(derived.context, u.derived.quantity);
  const { ensemble } = u.derived;
  const measured =
    ensemble && objectives.get(ensemble, u.update.value, u.update.name, objectiveDoc({ update: u.update, derived: ensemble }));
  const latents = found && optimumFields(found.lowered, found.optimum, batch);
  return object({
    direction: str(u.update.direction),
    label: str(u.update.text),
    place: str(place(u.update.span)),
    value: callObjective(derived, o, undefined, 1, undefined, found, true),
    measured: measured && callObjective(derived, measured, undefined, 1, undefined, found, true),
    surrogate: em && callFunction(em, [...(online ? ["carried"] : []), ...(online && online.restart > 0 ? ["key"] : [])]),
    assigns: em && str(online ? "batch" : "all rows"),
    gradientOnly: hasGradientOnly(u.derived.quantity) ? bool(true) : undefined,
    ofWholeBatch: couplesRows(derived.context, u.derived.quantity) ? bool(true) : undefined,
    leastRows: least && object({ fn: str(least.fn), rows: num(least.rows) }),
    over: array(u.moves.map(str)),
    optimizer: em
      ? call("sgd", object({ lr: num(1) }))
      : emitOptimizer(optimizer, [...phase.phase.settings, ...u.update.settings], findSetting(u.update.settings, "ema")),
    steps: steps === undefined || steps === 1 ? undefined : num(steps),
    carried: latents?.carried ?? carriedStates(derived, o, batch, online?.averages),
    before: o.chains.length === 0 ? latents?.before : array(o.chains.flatMap(({ use, begin }) => beforeStages(derived, use, begin))),
  });
}

/**
 * The learning rate, clipping and weight decay may stand beside the optimiser in the train block; the average that a statement keeps of what it moves is
 * its optimiser's, that of a phase holds for all of them.
 */
function emitOptimizer(
  optimizer: ReturnType<typeof findSetting>,
  settings: Parameters<typeof findSetting>[0],
  ema: ReturnType<typeof findSetting>,
): Js {
  const base = optimizer?.kind === "call" ? optimizer : ({ kind: "call", name: "adam", args: {} } as const);
  const args = { ...base.args };
  for (const key of ["lr", "clipNorm", "clipValue", "weightDecay"]) {
    const value = findSetting(settings, key);
    if (value) args[key] = value;
  }
  if (ema) args["ema"] = ema;
  return settingJs({ ...base, args });
}
