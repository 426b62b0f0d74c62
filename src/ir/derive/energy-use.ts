/** What a derived objective uses of energies: their expressions, chains, fed partition functions; and whether each choice of `by` was of use. */
import { report } from "../../base/report.js";
import { numberOption } from "../estimators.js";
import { type DerivedObjective, type Quantity, walkQuantity } from "../quantity.js";
import type { Expr } from "../types.js";
import type { Choices } from "./choices.js";
import type { DeriveContext } from "./context.js";
import { blockOf } from "./energy.js";

/** Energies behind a quantity: their weights are its weights. */
export function energiesIn(context: DeriveContext, quantity: Quantity): readonly Expr[] {
  const densities = new Set<string>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "unnormalised" || q.kind === "logPartition" || q.kind === "matching") densities.add(q.density);
    if (q.kind === "expect") for (const s of q.steps) if (s.kind === "energy") densities.add(s.density);
  });
  return [...densities].flatMap((d) => blockOf(context, d).energies.map((e) => e.value));
}

export function drawsSamples(q: Quantity): boolean {
  switch (q.kind) {
    case "expect":
    case "matching":
      return true;
    case "unnormalised":
      return q.method.kind === "gibbs";
    case "logPartition":
      return q.method.kind === "chain" && q.method.place === "inline";
    default:
      return false;
  }
}

export function chainsOf(quantity: Quantity): DerivedObjective["chains"] {
  const found = new Map<string, DerivedObjective["chains"][number]>();
  walkQuantity(quantity, (q) => {
    if (q.kind !== "logPartition" || q.method.kind !== "chain" || q.method.place === "inline") return;
    const { method, options, start, sum, place } = q.method;
    const count = place === "rows" ? undefined : numberOption(options, "chains");
    found.set(q.density, { density: q.density, method, options, count, start, sum });
  });
  return [...found.values()];
}

export function partitionsOf(quantity: Quantity): DerivedObjective["partitions"] {
  const found = new Map<string, DerivedObjective["partitions"][number]>();
  walkQuantity(quantity, (q) => {
    if (q.kind === "logPartition" && q.method.kind === "estimated") found.set(q.density, { density: q.density, options: q.method.options });
  });
  return [...found.values()];
}

/** A choice that treats nothing is a mistake: `by cd(k = 1)` of an objective without an energy. */
export function usesChoices(context: DeriveContext, choices: Choices, quantity: Quantity): boolean {
  let data = false;
  let model = false;
  walkQuantity(quantity, (q) => {
    data ||= q.kind === "unnormalised" && q.method.kind !== "exact";
    data ||= q.kind === "expect" && q.steps.some((s) => s.kind === "energy" && s.sweeps > 0);
    model ||= q.kind === "logPartition" && q.method.kind !== "exact";
  });
  const idle = [...(data ? [] : [choices.data]), ...(model ? [] : [choices.model, choices.partition])].find((c) => c !== undefined);
  if (idle)
    report(
      context.diagnostics,
      "GM3526",
      idle.span,
      { estimator: idle.entry.name },
      { help: ["leave it out, or name the density whose energy it is for"] },
    );
  return idle === undefined;
}
