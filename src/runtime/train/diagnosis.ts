/** Staging of what looks at a run again that was not finite: the parts of an objective, the gradients of its terms, its conditions. */
import type { Program } from "../engines/engine.js";
import { abs, add, constant, mean, select, stage, state, sum, terms, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { currentTrace } from "../graph/trace.js";
import type { Graph, Origin } from "../graph/types.js";
import { grad } from "../graph/vjp.js";
import { isFinite } from "./context.js";
import { contextOf, type UpdateSite } from "./stage-update.js";

/** All programs take the feeds of the update's run. */
export interface Diagnosis {
  /** The parts of the objective in order; output `i` is the value of `origins[i]`. */
  readonly values: Program;
  readonly origins: readonly Origin[];
  /** For each term an output by its label: 0 where the term's gradient in the moved weights is not finite. */
  readonly gradients: Program;
  /** Whether there is a square root, which has no finite slope at 0. */
  readonly takesRoot: boolean;
  /** Outputs by the number of a condition: its value, at what is carried when the step begins. */
  readonly checks: Program;
}

export function stageDiagnosis(site: UpdateSite): Diagnosis {
  const { update, targets } = site;
  const origins: Origin[] = [];
  const values = stage(
    {},
    () => {
      update.value(contextOf(site));
      const trace = currentTrace();
      trace.writes.clear();
      return Object.fromEntries(
        trace.marks.map(({ label, place, value }, i) => {
          origins.push({ label, place });
          return [String(i), value];
        }),
      );
    },
    { mode: "train" },
  );
  const gradients = stage(
    {},
    () => {
      const context = contextOf(site);
      update.value(context);
      const weights = targets.map((t) => state(t.path, t.spec.shape));
      const outputs: Record<string, Tensor> = {};
      for (const [label, t] of new Map(terms(site.names))) {
        const size = grad(mean(t), weights).reduce<Tensor | undefined>(
          (total, g) => (total ? add(total, sum(abs(g))) : sum(abs(g))),
          undefined,
        );
        if (size) outputs[label] = select(isFinite(size), constant(1), 0);
      }
      currentTrace().writes.clear();
      return outputs;
    },
    { mode: "train" },
  );
  const checks: Graph = stage(
    {},
    () => {
      const outputs: Record<string, Tensor> = {};
      const take = (): void => {
        for (const { value } of currentTrace().checks.splice(0)) outputs[String(Object.keys(outputs).length)] = value;
      };
      const context = contextOf(site);
      for (const step of update.before ?? []) {
        step.run(context);
        take();
      }
      update.value(context);
      update.surrogate?.(context);
      take();
      currentTrace().writes.clear();
      return outputs;
    },
    { mode: "train" },
  );
  const program = (graph: Graph): Program => ({
    name: `diagnosis of ${update.label}`,
    stages: [{ kind: "call", name: "diagnosis", graph: optimize(graph) }],
    fetch: Object.keys(graph.outputs),
  });
  const takesRoot = values.nodes.some(({ prim }) => prim === "sqrt");
  return { values: program(values), origins, gradients: program(gradients), checks: program(checks), takesRoot };
}
