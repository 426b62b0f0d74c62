/** Options of measuring that change nothing of a model. */
import type { MetricDefinition, ModelDefinition } from "../../runtime/model.js";
import { drawingSteps } from "../../runtime/eval/draw.js";
import type { MeasureFlags } from "../options.js";

const users: Readonly<Record<keyof MeasureFlags, { readonly uses: (metric: MetricDefinition) => boolean; readonly none: string }>> = {
  k: { uses: (metric) => metric.kind === "rows" && metric.samples !== undefined, none: "takes a number of samples" },
  chains: { uses: isAnnealed, none: "runs annealed importance sampling" },
  temperatures: { uses: isAnnealed, none: "runs annealed importance sampling" },
};

function isAnnealed(metric: MetricDefinition): boolean {
  return metric.kind === "partition" && metric.method === "ais";
}

/** A line for each option that was given and that no measured line of `evaluate { … }` reads; `names` are those measured, all unless told. */
export function unusedMeasures(model: ModelDefinition, flags: MeasureFlags, names?: readonly string[]): readonly string[] {
  const named = (names ?? Object.keys(model.evaluate)).flatMap((name) => model.evaluate[name] ?? []);
  const read = named
    .flatMap((metric) => (metric.kind === "rows" ? (metric.partitions ?? []) : []))
    .flatMap((name) => model.evaluate[name] ?? []);
  const measured = [...named, ...read];
  return (Object.keys(users) as (keyof MeasureFlags)[]).flatMap((option) => {
    const { uses, none } = users[option];
    if (flags[option] === undefined || measured.some(uses)) return [];
    return [`note: --${option} ${flags[option]} changes nothing: no measured line of ${model.name} ${none}`];
  });
}

/** A line for sweeps of the closing samples, where no chain draws them. */
export function unusedSweeps(model: ModelDefinition, sweeps: number | undefined): readonly string[] {
  if (sweeps === undefined || (model.generative !== undefined && drawingSteps(model) === "sweeps")) return [];
  return [`note: --sweeps ${sweeps} changes nothing: no chain draws samples of ${model.name}`];
}
