/**
 * What to say when a value was not finite: which term of the objective it was, and where it stands in the `.gm` file.
 * The masked updates left the weights as they were before the failing step, so the step can be looked at again with the same batch and the same draws.
 */
import type { EngineSession, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { Origin } from "../graph/types.js";
import { defined } from "./context.js";
import { CARRIED_FAULT, type PhasePlan, type PlannedUpdate } from "./plan.js";

export interface FaultSite {
  readonly plan: PhasePlan;
  readonly update: PlannedUpdate;
  readonly feeds: HostTensors;
  /** The metrics of the failing run. */
  readonly values: ArrayLike<number>;
  /** What the state `train:fault` holds. */
  readonly fault: number;
  /** Number of the step, from 1. */
  readonly step: number;
}

/** GM4003, naming the first term that is not finite, else the first whose gradient is not, else the objective. */
export async function nonFinite(session: EngineSession, site: FaultSite): Promise<GmcError> {
  const { update, values } = site;
  const whole = origin(site, defined(update.metrics[0], "metric"));
  if (site.fault === CARRIED_FAULT) return describe(site, whole, "what it carries to the next step (its chains) is not finite");
  const at = update.metrics.findIndex((_, i) => i > 0 && !Number.isFinite(values[i]));
  if (at > 0) return describe(site, origin(site, defined(update.metrics[at], "metric")), `is ${show(values[at])}`);
  if (!Number.isFinite(values[0])) return describe(site, whole, `is ${show(values[0])}`);
  const spoiled = await spoiledGradients(session, site);
  const first = update.metrics.slice(1).find((label) => spoiled.has(label));
  return describe(site, origin(site, first ?? defined(update.metrics[0], "metric")), "has a gradient that is not finite");
}

function origin(site: FaultSite, metric: string): Origin {
  return site.update.origins[metric] ?? { label: site.update.label, place: site.update.place };
}

function describe(site: FaultSite, origin: Origin, what: string): GmcError {
  return new GmcError("GM4003", `${origin.label}, ${origin.place}: ${what} at step ${site.step} of ${site.plan.name}`, [
    "the last checkpoint holds finite weights",
    "a smaller learning rate (--lr), clip_norm in the optimizer, or a scale that is bounded away from 0 often help",
  ]);
}

function show(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "NaN" : value > 0 ? "infinite" : "minus infinity";
}

/** Terms whose gradient in the moved weights is not finite. */
async function spoiledGradients(session: EngineSession, site: FaultSite): Promise<ReadonlySet<string>> {
  const program = site.update.diagnose();
  const executable = await session.compile(program);
  try {
    const { lr: _lr, ...feeds } = site.feeds;
    const wanted = new Set(
      program.stages.flatMap((s) => (s.kind === "call" ? s.graph.nodes : [])).flatMap((n) => (n.prim === "input" ? [n.params.name] : [])),
    );
    const result = await executable.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => wanted.has(name))));
    return new Set(Object.entries(result).flatMap(([label, t]) => (t.data[0] === 0 ? [label] : [])));
  } finally {
    executable.dispose();
  }
}
