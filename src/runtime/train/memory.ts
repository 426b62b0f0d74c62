/** Before a phase takes memory: whether there is enough of it, and where there is not, the batch at which there would be. */
import type { EngineSession } from "../engines/engine.js";
import { shortageError, type MemoryShortage } from "../engines/shortage.js";
import type { PhasePlan } from "./plan.js";

/**
 * `planAt` plans the phase at another batch, or at its own where that is not free. Throws GM5423, GM5427. Engines that do not plan their memory
 * take every plan.
 */
export function requireMemory(session: EngineSession, plan: PhasePlan, planAt: (batch: number) => PhasePlan): void {
  const short = shortageOf(session, plan);
  if (short === undefined) return;
  throw shortageError(short, `a step of ${plan.name}`, { size: plan.batch, fits: largestBatch(session, plan.batch, planAt) });
}

/** All updates of a phase are compiled at once; its starts are over before. */
function shortageOf(session: EngineSession, { starts, updates, states }: PhasePlan): MemoryShortage | undefined {
  const added = new Map(states.map((state) => [state.name, state]));
  const together = [...starts.map((start) => [start.program]), updates.map((update) => update.program)];
  for (const programs of together) {
    const short = session.memoryShortage?.(programs, added);
    if (short !== undefined) return short;
  }
  return undefined;
}

/** Below `tooLarge`, by halves: the programs are planned anew for each, so the batch that is given fits, and the next one does not. */
function largestBatch(session: EngineSession, tooLarge: number, planAt: (batch: number) => PhasePlan): number | undefined {
  let [fits, fails] = [0, tooLarge];
  while (fails - fits > 1) {
    const batch = Math.floor((fits + fails) / 2);
    const plan = planAt(batch);
    if (plan.batch !== batch) return undefined;
    if (shortageOf(session, plan) === undefined) fits = batch;
    else fails = batch;
  }
  return fits;
}
