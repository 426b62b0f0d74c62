/** Objectives that stand in for the likelihood of an energy: score matching, denoising score matching, noise-contrastive estimation. */
import { report } from "../../base/report.js";
import { kinkedTerm, mostLog2States, normaliserChoices, statesText, summable } from "../energy/index.js";
import type { Quantity } from "../quantity.js";
import type { LogDensityExpr } from "../types.js";
import type { Chosen } from "./choices.js";
import { type DeriveContext, densityOf } from "./context.js";
import { energyOf } from "./energy.js";
import { logDensityText } from "./marginal.js";

export function deriveMatching(context: DeriveContext, expr: LogDensityExpr, asked: Chosen): Quantity | undefined {
  const index = densityOf(context, expr.density);
  const [first, ...others] = expr.head.map((s) => s.variable);
  const refuse = (why: string, help: readonly string[] = []): undefined => {
    const quantity = logDensityText(expr);
    report(context.diagnostics, "GM3527", asked.span, { estimator: asked.entry.name, quantity, why }, { help });
    return undefined;
  };
  if (!index.energy) return refuse(`\`${expr.density}\` has no energy; its likelihood is there`);
  if (first === undefined || others.length > 0) return refuse("it matches one variable");
  const declared = context.model.variables.get(first);
  if (declared?.domain.name !== "real") return refuse(`\`${first}\` is not real`, normaliserChoices(energyOf(context, expr.density)));
  if (!index.energy.variables.includes(first)) return refuse(`\`${first}\` is drawn, not covered by the energy`);
  const hidden = index.energy.variables.filter((v) => v !== first && !expr.given.some((s) => s.variable === v));
  const { sum, enumerate, log2States } = summable(energyOf(context, expr.density), hidden);
  if (log2States > mostLog2States) return refuse(statesText({ sum, enumerate, log2States }));
  const kinked = asked.entry.ofCurvature && kinkedTerm(context, energyOf(context, expr.density), first, [...sum, ...enumerate]);
  if (kinked)
    report(
      context.diagnostics,
      "GM3620",
      kinked.span,
      { estimator: asked.entry.name, variable: first },
      {
        labels: [{ span: asked.span, text: "learns from second derivatives" }],
        help: [
          "what bends everywhere: `softplus` in place of `relu`, `sqrt(x^2 + 0.01)` in place of `abs(x)`",
          "or `by denoising_score_matching(sigma = 0.1)`, which takes first derivatives alone",
        ],
      },
    );
  return {
    kind: "matching",
    method: asked.entry.name,
    options: asked.options,
    density: expr.density,
    variable: first,
    sum,
    enumerate,
    at: new Map([...expr.head, ...expr.given].map((slot) => [slot.variable, slot.value])),
    span: expr.span,
  };
}
