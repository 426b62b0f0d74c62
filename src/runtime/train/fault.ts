/**
 * What to say when a value was not finite: which term of the objective it was, and where it stands in the `.gm` file.
 * The masked updates left the weights as they were before the failing step, so the step can be looked at again with the same batch and the same draws.
 */
import type { EngineSession, HostTensors, Program } from "../engines/engine.js";
import { isBelow } from "../graph/checks.js";
import { GmcError } from "../graph/errors.js";
import { feedsOf } from "../graph/host.js";
import type { Origin } from "../graph/types.js";
import { defined } from "./context.js";
import { CARRIED_FAULT, CHECK_FAULT } from "./fault-state.js";
import type { PhasePlan, PlannedUpdate } from "./plan.js";

export interface FaultSite {
  readonly plan: PhasePlan;
  readonly update: PlannedUpdate;
  /** Whether the weights were as they start: no update was done before. */
  readonly first: boolean;
  readonly feeds: HostTensors;
  /** The metrics of the failing run. */
  readonly values: ArrayLike<number>;
  /** What the state `train:fault` holds. */
  readonly fault: number;
  /** Number of the step, from 1. */
  readonly step: number;
  /** Step of the last checkpoint; undefined where there is none. */
  readonly saved: number | undefined;
}

/** The error of a condition that does not hold, where it is one; else GM4003, naming the first part of the objective that is not a number, else the first that is infinite, else the first whose gradient is not finite. */
export async function nonFinite(session: EngineSession, site: FaultSite): Promise<GmcError> {
  const { update, values } = site;
  const whole: Origin = { label: update.label, place: update.place };
  if (site.fault >= CHECK_FAULT) return broken(session, site, site.fault - CHECK_FAULT);
  // a condition that is not looked at in every step may be behind it
  if (site.update.lookEvery > 1) {
    const values = await run(session, site, site.update.diagnose().checks);
    const found = site.update.checks.findIndex((_, i) => isBelow(values[String(i)]?.data[0] ?? NaN));
    if (found >= 0) return broken(session, site, found);
  }
  if (site.fault === CARRIED_FAULT) {
    const what = "what it carries to the next step (its chains) is not finite";
    return describe(site, whole, what, update.unadjusted === undefined ? undefined : divergedHelp(update.unadjusted));
  }
  const { values: again, origins, gradients, takesRoot } = update.diagnose();
  if (update.metrics.some((_, i) => !Number.isFinite(values[i]))) {
    const outputs = await run(session, site, again);
    const found = origins.map((origin, i) => ({ origin, value: worst(outputs[String(i)]?.data ?? []) }));
    const first = found.find(({ value }) => Number.isNaN(value)) ?? found.find(({ value }) => !Number.isFinite(value));
    if (first !== undefined) return describe(site, first.origin, `is ${show(first.value)}`);
    const at = update.metrics.findIndex((_, i) => i > 0 && !Number.isFinite(values[i]));
    return describe(site, at > 0 ? originOf(update, at) : whole, `is ${show(values[Math.max(0, at)])}`);
  }
  const sound = await run(session, site, gradients);
  const spoiled = update.metrics.findIndex((label, i) => i > 0 && sound[label]?.data[0] === 0);
  return describe(
    site,
    spoiled > 0 ? originOf(update, spoiled) : whole,
    "has a gradient that is not finite",
    takesRoot ? [ROOT, ...usual(site)] : usual(site),
  );
}

/** Where the value is finite and its gradient is not: a length that may be 0, such as the slope of a critic that is still flat. */
const ROOT = "a root has no finite slope at 0: `norm(x)` in place of `sqrt(sum(x^2))` has one there, `sqrt(x + 1e-12)` elsewhere";

/** What the condition that did not hold has to say. Its value is known where it did not hold at the start of the step already. */
async function broken(session: EngineSession, site: FaultSite, number: number): Promise<GmcError> {
  const outputs = await run(session, site, site.update.diagnose().checks);
  const value = outputs[String(number)]?.data[0];
  const known = value !== undefined && isBelow(value) ? value : undefined;
  const { lookEvery } = site.update;
  const period = lookEvery > 1 ? ` (looked at every ${lookEvery} steps)` : "";
  const error = defined(site.update.checks[number], `condition ${number}`)(known, ` at step ${site.step} of ${site.plan.name}${period}`);
  return new GmcError(error.code, error.message, [keptOf(site), ...error.help]);
}

function originOf(update: PlannedUpdate, metric: number): Origin {
  return update.origins[defined(update.metrics[metric], "metric")] ?? { label: update.label, place: update.place };
}

/** What keptOf says of the start is all there is to look at before a weight has moved: no rate of learning led there. */
function usual({ first }: FaultSite): readonly string[] {
  return first ? [] : ["a smaller learning rate (--lr), clip_norm in the optimizer, or a scale that is bounded away from 0 often help"];
}

/** Of a log-determinant. */
const SINGULAR =
  "the Jacobian of a flow is singular, its determinant 0, at these weights or these values: start the weights where it is not, as chance does, `init Normal(0, 1)`";

function describe(site: FaultSite, origin: Origin, what: string, help: readonly string[] = usualOf(site, origin)): GmcError {
  const { step, plan } = site;
  return new GmcError("GM4003", `${origin.label}, ${origin.place}: ${what} at step ${step} of ${plan.name}`, [keptOf(site), ...help]);
}

function usualOf(site: FaultSite, { label }: Origin): readonly string[] {
  return label.startsWith("log |det") ? [SINGULAR, ...usual(site)] : usual(site);
}

/** Ways out for chains whose moves are neither accepted nor refused: where the energy is steep, a step that is too long overshoots further each time. */
export function divergedHelp(step: number): readonly string[] {
  return [
    `steps of ${step} that are not accepted or refused overshoot where the energy is steep: a smaller \`step\`, or leave out \`metropolis = false\``,
  ];
}

function keptOf({ saved, first, fault, update }: FaultSite): string {
  if (saved !== undefined) return `the checkpoint of step ${saved} holds finite weights`;
  if (!first) return "no checkpoint was written before this step";
  return fault === CARRIED_FAULT && update.unadjusted !== undefined
    ? "no step was done before"
    : "no step was done before: look at how the weights start, at the scale of the data, and at what may be divided by 0 or be the log of 0";
}

/** NaN where there is one, else an infinity, else a finite number. */
function worst(data: ArrayLike<number>): number {
  let found = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i] ?? 0;
    if (Number.isNaN(value)) return value;
    if (!Number.isFinite(value)) found = value;
  }
  return found;
}

function show(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "NaN" : value > 0 ? "infinite" : "minus infinity";
}

/** The outputs of a program at the feeds of the failing run. */
async function run(session: EngineSession, site: FaultSite, program: Program): Promise<HostTensors> {
  if (program.fetch.length === 0) return {};
  const executable = await session.compile(program);
  try {
    const graphs = program.stages.flatMap((s) => (s.kind === "call" ? [s.graph] : []));
    return await executable.run(feedsOf(graphs, site.feeds));
  } finally {
    executable.dispose();
  }
}
