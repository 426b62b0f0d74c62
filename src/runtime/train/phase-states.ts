/** What the store holds beside the weights when a phase begins: slots of optimisers, averages, what updates carry. */
import type { EngineSession, HostTensor } from "../engines/engine.js";
import { assertNever } from "../graph/errors.js";
import { hostZeros } from "../graph/host.js";
import { sameShape } from "../graph/shape.js";
import type { CarriedSpec } from "../model.js";
import { emaName } from "./context.js";
import type { PhasePlan } from "./plan.js";

/** An average lasts as long as phases keep it: what an earlier one averaged and this one does not is, from here on, the weight itself. */
export function dropAverages(session: EngineSession, weights: readonly string[], plan: PhasePlan): void {
  const kept = new Set(plan.averaged);
  for (const path of weights) if (!kept.has(path)) session.drop(emaName(path));
}

/** `later`: what an earlier phase left goes on (averages, and chains of the same shape); a first phase begins anew in any store. */
export async function createStates(
  session: EngineSession,
  plan: PhasePlan,
  later: boolean,
  startValue: (name: string, spec: CarriedSpec) => HostTensor,
): Promise<void> {
  for (const added of plan.states) {
    const { name, start, shape, dtype } = added;
    const before = later && session.has(name) ? await session.read(name) : undefined;
    switch (start.kind) {
      case "copy":
        if (before === undefined) await session.write(name, await session.read(start.of));
        break;
      case "carried":
        if (before?.dtype !== dtype || !sameShape(before.shape, shape)) await session.write(name, startValue(start.name, start.spec));
        break;
      case "zeros":
        await session.write(name, hostZeros(dtype, shape));
        break;
      default:
        return assertNever(start);
    }
  }
}
