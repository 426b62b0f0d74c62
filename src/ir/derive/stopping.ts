/**
 * Early stopping watches a line of `evaluate`. Whether that number should rise or fall is said by the statement, by what the line measures, or
 * by an update of the same quantity; where none says it, GM3049: a guess would keep the weights of the worst epoch.
 */
import { report } from "../../base/report.js";
import type { DerivedEvaluation, Goal } from "../derived-model.js";
import type { Quantity } from "../quantity.js";
import { quantityChildren } from "../quantity-walk.js";
import { evaluators } from "../settings-table.js";
import type { Phase } from "../types.js";
import type { DeriveContext } from "./context.js";
import { constantOf } from "./units.js";

/** Undefined where the phase does not stop early, or after GM3049. */
export function stoppingGoal(context: DeriveContext, phase: Phase, evaluations: readonly DerivedEvaluation[]): Goal | undefined {
  const setting = phase.settings.find((s) => s.name === "earlyStopping");
  if (setting?.value.kind !== "call") return undefined;
  const { metric, goal } = setting.value.args;
  if (goal?.kind === "text") return goal.value === "rise" ? "rise" : "fall";
  const watched = evaluations.find((e) => metric?.kind === "text" && e.evaluation.name === metric.value);
  if (!watched) return undefined;
  const found = goalOf(context, watched);
  if (found === undefined)
    report(
      context.diagnostics,
      "GM3049",
      setting.span,
      { metric: watched.evaluation.name },
      {
        labels: [{ span: watched.evaluation.span, text: "measured here" }],
        help: ['say it: `early_stopping(metric = …, goal = "rise")` or `goal = "fall"`'],
      },
    );
  return found;
}

function goalOf({ model }: DeriveContext, { evaluation, objective }: DerivedEvaluation): Goal | undefined {
  if (evaluation.value.kind === "evaluator") return evaluators.get(evaluation.value.evaluator)?.goal;
  if (!objective) return undefined;
  if (objective.bound?.startsWith("lower")) return "rise";
  if (objective.bound?.startsWith("upper")) return "fall";
  const bare = (text: string): string => text.replace(/^-\s*/u, "");
  const same = model.train.flatMap((p) => p.updates).find((u) => bare(u.text) === bare(evaluation.text));
  if (same) return (same.direction === "maximize") === (same.text.startsWith("-") === evaluation.text.startsWith("-")) ? "rise" : "fall";
  const signs = new Set<number>();
  collectSigns(objective.derived.quantity, objective.sign, signs);
  const [sign] = signs;
  return signs.size !== 1 || !sign ? undefined : sign > 0 ? "rise" : "fall";
}

/** Signs with which log-densities stand in a quantity, a divergence as their opposite; 0 where that is not clear. */
function collectSigns(q: Quantity, sign: number, into: Set<number>): void {
  switch (q.kind) {
    case "value":
      return;
    case "factor":
    case "gaussianMarginal":
    case "unnormalised":
      into.add(sign);
      return;
    case "kl":
    case "logPartition":
      into.add(-sign);
      return;
    case "matching":
    case "grad":
    case "apply":
      into.add(0);
      return;
    case "sum":
      for (const t of q.terms) {
        const scale = t.factors.reduce((s, f) => s * (constantOf(f) ?? 0), t.scale);
        collectSigns(t.quantity, sign * Math.sign(scale), into);
      }
      return;
    case "byRow":
      for (const each of [q.there, q.missing]) if (each) collectSigns(each, sign, into);
      return;
    case "eliminate":
      for (const part of q.op === "expect" ? q.steps.flatMap((s) => (s.values ?? []).map((t) => t.quantity)) : quantityChildren(q))
        collectSigns(part, sign, into);
      return;
    case "enumerate":
    case "expect":
    case "reduce":
    case "optimum":
      collectSigns(q.body, sign, into);
  }
}
