/** `gmc explain`: what was derived, and what a step costs. */
import { explain, printExplanation } from "../../codegen/explain.js";
import { graphCost } from "../../runtime/graph/cost.js";
import { planPhase } from "../../runtime/train/plan.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics } from "../errors.js";
import { FINE } from "../exit.js";
import { importModel } from "../load-model.js";
import type { Settings } from "../options.js";
import { bytes, grouped, json, stdout } from "../output.js";
import { compileOrFail } from "../sources.js";

interface ExplainFlags {
  readonly set?: Settings;
  readonly model?: string;
  readonly batch?: number;
  readonly json?: boolean;
}

interface StepCost {
  readonly phase: string;
  readonly update: string;
  readonly batch: number;
  readonly flops: number;
  readonly bytes: number;
}

export async function explainCommand(file: string, flags: ExplainFlags): Promise<number> {
  expectBriefRun();
  const compiled = compileOrFail(file, { set: flags.set ?? {}, ...(flags.model === undefined ? {} : { model: flags.model }) });
  if (compiled.derived === undefined) return FINE;
  if (!flags.json) printDiagnostics(compiled.diagnostics, false);
  const model = await importModel(compiled.print("js"));
  // grey data are drawn in the step; what that costs does not show
  const costs: StepCost[] = model.train.flatMap((phase, i) => {
    const plan = planPhase(model, i, { dynamic: new Set(), batch: flags.batch });
    return plan.updates.map((update) => {
      const total = { flops: 0, bytes: 0 };
      for (const stage of update.program.stages) {
        if (stage.kind !== "call") continue;
        const each = graphCost(stage.graph);
        total.flops += each.flops * update.steps;
        total.bytes += each.bytes * update.steps;
      }
      return { phase: phase.name, update: `${update.direction} ${update.label}`, batch: plan.batch, ...total };
    });
  });
  const explanation = explain(compiled.derived);
  if (flags.json) json({ ...explanation, steps: costs });
  else {
    const lines = costs.map(
      (c) => `${c.update}: ${grouped(c.flops)} floating-point operations and ${bytes(c.bytes)} moved, at batch ${c.batch}`,
    );
    stdout(
      printExplanation(explanation, ["a step (forward and gradient; the optimiser not counted)", ...lines.map((l) => `  ${l}`)]).trimEnd(),
    );
  }
  return FINE;
}
