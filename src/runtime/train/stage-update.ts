/**
 * Staging of an update: forward, vjp, simplified. Where the objective, a gradient or what is carried on is not finite, the state `FAULT` says so, and
 * no write of the stage is done.
 */
import { auxiliaryLosses } from "../estimate/surrogate.js";
import {
  abs,
  add,
  and,
  constant,
  equal,
  mean,
  not,
  select,
  stack,
  stage,
  state,
  sub,
  type TermNames,
  terms,
  writeState,
  type Tensor,
} from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { currentTrace, withOrigin } from "../graph/trace.js";
import type { Graph, Origin } from "../graph/types.js";
import { grad } from "../graph/vjp.js";
import type { ModelDefinition, PhaseDefinition, StepContext, UpdateDefinition } from "../model.js";
import type { LeafAt } from "../nn/spec.js";
import { carriedBy, carriedName } from "./carried.js";
import { defined, isFinite, stepContext } from "./context.js";
import { brokenCheck, CARRIED_FAULT, FAULT, isCheap, type Checks } from "./fault-state.js";
import { stageWatched } from "./watched.js";

/** An update of a phase, and how it is staged. */
export interface UpdateSite {
  readonly model: ModelDefinition;
  readonly phase: PhaseDefinition;
  readonly update: UpdateDefinition;
  readonly batch: number;
  /** Variables whose batches hold probabilities that are drawn afresh each time. */
  readonly dynamic: ReadonlySet<string>;
  /** Weights that it moves. */
  readonly targets: readonly LeafAt[];
  /** Metrics that no update of the phase shows yet. */
  readonly watching?: Set<string>;
  /** Names of the terms of all updates of the phase. */
  readonly names: TermNames;
}

/** The context of the update's functions within the current trace. */
export function contextOf({ model, phase, update, batch, dynamic }: Omit<UpdateSite, "targets" | "watching" | "names">): StepContext {
  return stepContext({ model, batch, dynamic, schedules: Object.keys(phase.schedules ?? {}), carried: carriedBy(update, batch) });
}

/** Output of the gradient of a weight. */
export function gradientName(path: string): string {
  return `gradient:${path}`;
}

export interface StagedUpdate {
  readonly graph: Graph;
  readonly metrics: readonly string[];
  readonly origins: Readonly<Record<string, Origin>>;
  readonly lookEvery: number;
}

/** The forward and backward pass of an update: outputs `metrics` and the gradients by `gradientName`. `checks` are those of the stages before it. */
export function stageUpdate(site: UpdateSite, label: string, checks: Checks): StagedUpdate {
  const { update, targets } = site;
  const origins: Record<string, Origin> = {};
  const metrics = [label];
  let lookEvery = 1;
  const graph = stage(
    {},
    () => {
      const context = contextOf(site);
      const whole: Origin = { label: update.label, place: update.place };
      const value = mean(update.value(context));
      const named = new Map(terms(site.names));
      const trace = currentTrace();
      origins[label] = whole;
      for (const [term, t] of named) origins[term] = trace.nodes[t.id]?.origin ?? { label: term, place: update.place };
      const watched = stageWatched(
        site.model,
        context,
        targets.map((t) => t.path),
        site.watching ?? new Set(),
      );
      for (const name of Object.keys(watched)) origins[name] = { label: name, place: update.place };
      metrics.push(...named.keys(), ...Object.keys(watched));
      return withOrigin(whole, () => {
        const objective = update.surrogate ? mean(update.surrogate(context)) : value;
        const differentiated = withAuxiliary(objective, update.direction);
        const gradients = grad(
          differentiated,
          targets.map((t) => state(t.path, t.spec.shape)),
        );
        const fault = state(FAULT, [], "i32");
        const carried = new Set(Object.keys(update.carried ?? {}).map(carriedName));
        lookEvery = Math.max(1, ...trace.checks.map((c) => c.every));
        const broken = brokenCheck(checks, isCheap);
        const finite = and(isFinite(value), isFinite(differentiated));
        const sound = broken ? and(finite, equal(broken, 0)) : finite;
        const goesOn = [...trace.writes].reduce<Tensor>(
          (all, [name, t]) => (carried.has(name) && t.dtype === "f32" ? and(all, isFinite(mean(abs(t)))) : all),
          sound,
        );
        const write = and(goesOn, equal(fault, 0));
        for (const [name, t] of [...trace.writes]) {
          const old = state(name, t.shape, t.dtype);
          writeState(old, select(write, t, old));
        }
        const unsound = goesOn === sound ? 1 : select(sound, constant(CARRIED_FAULT, [], "i32"), 1);
        const found = broken ? select(equal(broken, 0), unsound, broken) : unsound;
        // what was wrong first is what is told
        writeState(fault, select(and(not(goesOn), equal(fault, 0)), found, fault));
        const outputs: Record<string, Tensor> = {
          metrics: stack([value, ...[...named.values()].map((t) => mean(t)), ...Object.values(watched)], 0),
        };
        targets.forEach((t, i) => (outputs[gradientName(t.path)] = defined(gradients[i], `gradient of ${t.path}`)));
        return outputs;
      });
    },
    { mode: "train" },
  );
  return { graph: optimize(graph), metrics, origins, lookEvery };
}

/** What baselines and control variates minimise goes against the objective's direction where that goes up. */
function withAuxiliary(objective: Tensor, direction: UpdateDefinition["direction"]): Tensor {
  return auxiliaryLosses().reduce((total, loss) => (direction === "maximize" ? sub(total, mean(loss)) : add(total, mean(loss))), objective);
}
