/** Names for parts of an objective: where a node comes from, and which parts are metrics of their own. */
import { broadcastTo, div, mul, sum } from "./ops.js";
import { TermNames } from "./term-names.js";
import { currentTrace, scalar, type Tensor, type TensorLike, withOrigin } from "./trace.js";
import type { Origin } from "./types.js";

/**
 * Names a term of an objective: `x`, and every node staged since the last call that has no origin yet, come from `label` at `place`.
 * Also registers `x` as a metric under `label` (see `terms`). Gives `x` back, a number as a constant.
 *
 * Where x stands at every state of a latent that is summed over, `weights` are the states' probabilities; both are [..., B] and broadcast, the states
 * among the leading axes. The metric is then the mean under them, [B].
 */
export function term(label: string, place: string, x: TensorLike, weights?: Tensor): Tensor {
  const t = typeof x === "number" ? scalar(x) : x;
  const named = origin(label, place, t);
  const trace = currentTrace();
  const value = weights === undefined ? t : withOrigin({ label, place }, () => meanUnder(t, weights));
  trace.terms.push({ label, value });
  trace.marker = trace.nodes.length;
  return named;
}

/** As `term`, for a part that is no quantity of its own (a log-density at every state, within the log of a sum): no metric. */
export function origin(label: string, place: string, x: TensorLike): Tensor {
  const t = typeof x === "number" ? scalar(x) : x;
  const trace = currentTrace();
  const from: Origin = { label, place };
  for (let i = trace.marker; i < trace.nodes.length; i++) {
    const node = trace.nodes[i]!;
    node.origin ??= from;
  }
  const node = trace.nodes[t.id];
  if (node !== undefined) node.origin ??= from;
  trace.marker = trace.nodes.length;
  trace.marks.push({ ...from, value: t });
  return t;
}

/** The terms named so far in this stage, by name: their label, with a number where `names` knows another quantity under it. */
export function terms(names: TermNames = new TermNames()): ReadonlyMap<string, Tensor> {
  const trace = currentTrace();
  return new Map(trace.terms.map(({ label, value }) => [names.nameOf(label, value, trace), value]));
}

/** The mean over all leading axes, [B]. Samples of a family beside the states count alike. */
function meanUnder(t: Tensor, weights: Tensor): Tensor {
  const weighed = mul(t, weights);
  const leading = Array.from({ length: weighed.shape.length - 1 }, (_, i) => i);
  return div(sum(weighed, leading), sum(broadcastTo(weights, weighed.shape), leading));
}
