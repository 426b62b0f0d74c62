/** Draws of an energy's variables: each from its conditional where they do not meet, by Gibbs sweeps where `by` asks for them. */
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { summable } from "../energy/index.js";
import { numberOption } from "../estimators.js";
import type { DrawStep, EstimatorNote } from "../quantity.js";
import type { Expr, Local } from "../types.js";
import type { Choices } from "./choices.js";
import { type DeriveContext, variableName } from "./context.js";
import { blockOf, energyOf } from "./energy.js";

export interface EnergyDrawn {
  readonly variable: string;
  /** Set when it is bound under another name. */
  readonly local: Local | undefined;
  /** A weight that the statement moves acts through it. */
  readonly moved: boolean;
}

export function planEnergyDraw(
  context: DeriveContext,
  density: string,
  drawn: readonly EnergyDrawn[],
  given: readonly string[],
  at: ReadonlyMap<string, Expr>,
  request: { readonly choices: Choices; readonly span: Span },
  span: Span,
  notes: EstimatorNote[],
): DrawStep | undefined {
  const names = drawn.map((d) => d.variable);
  const energies = blockOf(context, density).energies.map((e) => ({ span: e.span, text: "the energy" }));
  const moved = drawn.find((d) => d.moved);
  if (moved) {
    report(
      context.diagnostics,
      "GM3503",
      request.span,
      { variable: moved.variable, dist: `the energy of ${density}`, states: ": it is a step of a Markov chain" },
      { label: "asks for a gradient through it", labels: energies, help: ["name after `over` what the statement moves"] },
    );
    return undefined;
  }
  const { sum, enumerate } = summable(energyOf(context, density), names);
  const exact = enumerate.length === 0 && sum.length === names.length;
  const asked = request.choices.data?.entry.hidden === "gibbs" ? request.choices.data : undefined;
  if (!exact && !asked) {
    report(
      context.diagnostics,
      "GM3525",
      request.span,
      { names: names.map(variableName).join(", "), density },
      { labels: energies, help: ["ask for a Markov chain: `by gibbs(steps = 100)`"] },
    );
    return undefined;
  }
  const sweeps = exact || !asked ? 0 : numberOption(asked.options, "steps");
  const reason = exact ? "from its conditional: its units are independent given the rest" : `after ${sweeps} Gibbs sweeps`;
  for (const { variable } of drawn) notes.push({ variable, density, estimator: exact ? "sampled" : "gibbs", reason });
  return {
    kind: "energy",
    density,
    variables: drawn.map(({ variable, local }) => ({ variable, local })),
    given: blockOf(context, density).variables.filter((v) => given.includes(v)),
    sweeps,
    at,
    reason,
    span,
  };
}

/** Counts that a step draws, on the way too: of the totals that the row has. */
export function countsDrawn(context: DeriveContext, { density, given }: Extract<DrawStep, { kind: "energy" }>): readonly string[] {
  return blockOf(context, density).variables.filter((v) => !given.includes(v) && context.model.variables.get(v)?.domain.name === "count");
}
