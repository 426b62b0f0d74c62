/**
 * Metrics of `evaluate { … }` that training shows of each batch: how many codes are in use. They are staged beside the first update of a phase that moves
 * what the codes depend on, and change nothing of it.
 */
import {
  add,
  cast,
  div,
  exp,
  greater,
  greaterEqual,
  log,
  max,
  mul,
  neg,
  reshape,
  scatterAdd,
  select,
  sum,
  type Tensor,
} from "../graph/index.js";
import { sizeOf } from "../graph/shape.js";
import { currentTrace } from "../graph/trace.js";
import type { PrimParams } from "../graph/types.js";
import type { ModelDefinition, StepContext } from "../model.js";

/** Names of the metrics that a phase is to show, for `stageWatched`, which takes out what an update shows. */
export function watchedMetrics(model: ModelDefinition): Set<string> {
  return new Set(Object.keys(model.evaluate).filter((name) => model.evaluate[name]?.kind === "codeUse"));
}

/** Numbers of the batch by the names of their metrics, as far as they depend on weights among `moved`. Within the trace of an update. */
export function stageWatched(
  model: ModelDefinition,
  context: StepContext,
  moved: readonly string[],
  watching: Set<string>,
): Readonly<Record<string, Tensor>> {
  const found: Record<string, Tensor> = {};
  for (const name of [...watching]) {
    const metric = model.evaluate[name];
    if (metric?.kind !== "codeUse") continue;
    const { writes } = currentTrace();
    const before = [...writes];
    const codes = Object.entries(metric.codes(context));
    // a second pass through a net must not move its running statistics again
    writes.clear();
    for (const [state, value] of before) writes.set(state, value);
    const states = statesBehind(codes.map(([, t]) => t));
    if (!moved.some((path) => states.has(path))) continue;
    const entropies = codes.map(([of, t]) => entropy(t, metric.classes[of] ?? 1));
    found[name] = exp(
      div(
        entropies.reduce((total, t) => add(total, t)),
        entropies.length,
      ),
    );
    watching.delete(name);
  }
  return found;
}

/** Names of the states that values are computed from. */
function statesBehind(values: readonly Tensor[]): ReadonlySet<string> {
  const { nodes } = currentTrace();
  const names = new Set<string>();
  const seen = new Set<number>();
  const open = values.map((t) => t.id);
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (seen.has(id)) continue;
    seen.add(id);
    const node = nodes[id];
    if (!node) continue;
    if (node.prim === "state") names.add((node.params as PrimParams["state"]).name);
    open.push(...node.inputs);
  }
  return names;
}

/** Entropy, in nats, of the frequencies of `codes`, i32 of any shape and below `classes`; those below 0 are missing. -> [] */
function entropy(codes: Tensor, classes: number): Tensor {
  const flat = reshape(codes, [sizeOf(codes.shape)]);
  const counts = scatterAdd(cast(greaterEqual(flat, 0), "f32"), max(flat, 0), 0, classes);
  const shares = div(counts, max(sum(counts), 1));
  return neg(sum(mul(shares, log(select(greater(shares, 0), shares, 1)))));
}
