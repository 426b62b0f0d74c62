/** How long a phase is: steps of an epoch and in all, from what the model says and what the options put in its place. */
import type { PhaseDefinition } from "../model.js";

type Phase = Pick<PhaseDefinition, "epochs" | "steps"> & { readonly updates: readonly { readonly steps?: number }[] };

export interface LengthOptions {
  readonly epochs?: number | undefined;
  readonly steps?: number | undefined;
}

/** Batches that a step draws: updates share one, and each further turn of an update takes a fresh one. */
function batchesPerStep({ updates }: Phase): number {
  return 1 + updates.reduce((total, u) => total + (u.steps ?? 1) - 1, 0);
}

/** `batches`: those in which each row is seen once. */
export function phaseLength(
  phase: Phase,
  batches: number,
  options: LengthOptions = {},
): { readonly steps: number; readonly stepsPerEpoch: number } {
  const stepsPerEpoch = Math.max(1, Math.floor(batches / batchesPerStep(phase)));
  const of = (epochs: number): number => Math.ceil(epochs * stepsPerEpoch);
  const own = phase.steps ?? of(phase.epochs ?? 1);
  return { steps: options.steps ?? (options.epochs === undefined ? own : of(options.epochs)), stepsPerEpoch };
}
