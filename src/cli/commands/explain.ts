/** `gmc explain`: what was derived, and what a step costs; with --kernels, what the webgpu engine runs. */
import { dirname } from "node:path";
import { interactionSvg } from "../../codegen/energy-picture.js";
import { explain, printExplanation } from "../../codegen/explain.js";
import type { DerivedModel } from "../../ir/derived-model.js";
import { GmcError } from "../../runtime/graph/errors.js";
import { graphCost } from "../../runtime/graph/cost.js";
import { makeFolder, writeFileAtomic } from "../../runtime/node/files.js";
import { planPhase } from "../../runtime/train/plan.js";
import { expectBriefRun } from "../brief.js";
import { printDiagnostics } from "../errors.js";
import { FINE } from "../exit.js";
import { importModel } from "../load-model.js";
import { modelOptions } from "../model-options.js";
import type { Settings } from "../options.js";
import { bytes, grouped, json, stdout } from "../output.js";
import { placed } from "../run/pictures.js";
import { compileOrFail } from "../sources.js";

interface ExplainFlags {
  readonly set?: Settings;
  readonly model?: string;
  readonly batch?: number;
  readonly svg?: string;
  readonly kernels?: boolean;
  readonly buffers?: number;
  readonly measure?: boolean;
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
  const compiled = compileOrFail(file, await modelOptions(file, flags));
  if (compiled.derived === undefined) return FINE;
  if (!flags.json) printDiagnostics(compiled.diagnostics, false);
  const model = await importModel(compiled.print("js"));
  if (flags.kernels) {
    await (await import("./explain-kernels.js")).explainKernels(model, compiled.file, flags);
    return FINE;
  }
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
  const pictures = flags.svg === undefined ? [] : drawInteractions(compiled.derived, flags.svg);
  if (flags.json) json({ ...explanation, steps: costs, ...(flags.svg === undefined ? {} : { pictures }) });
  else {
    const lines = costs.map(
      (c) => `${c.update}: ${grouped(c.flops)} floating-point operations and ${bytes(c.bytes)} moved, at batch ${c.batch}`,
    );
    stdout(
      printExplanation(explanation, ["a step (forward and gradient; the optimiser not counted)", ...lines.map((l) => `  ${l}`)]).trimEnd(),
    );
    for (const { path } of pictures) stdout(path);
  }
  return FINE;
}

/** A picture for each energy. GM5311 where the model has none, or the file's ending is another. */
function drawInteractions({ context, model }: DerivedModel, out: string): readonly { readonly density: string; readonly path: string }[] {
  const energies = [...context.energies.values()];
  if (energies.length === 0) {
    throw new GmcError("GM5311", `${model.name} has no energy, so no interactions between variables to draw`, [
      "an energy stands in a density: `density p(v, h) { energy … }`",
    ]);
  }
  const drawings = energies.map((analysis) => ({
    stem: `interactions-${analysis.density}`,
    extension: "svg" as const,
    content: interactionSvg(context, analysis),
  }));
  return placed(drawings, ".", out).map(({ path, drawing }, i) => {
    makeFolder(dirname(path));
    writeFileAtomic(path, drawing.content);
    return { density: energies[i]!.density, path };
  });
}
