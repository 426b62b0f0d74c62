/**
 * Reverse-mode differentiation within a trace: takes tensors of the current stage and stages their gradients there. Differentiating a
 * gradient again is the same operation. A tensor on which nothing depends gets zeros, made only at the end; no zero is propagated.
 * Nodes of a gradient carry the origin of the node they belong to.
 */
import { GmcError } from "./errors.js";
import { add, constant, zeros } from "./ops/elementwise.js";
import { sameShape, showShape, sizeOf } from "./shape.js";
import { inline, stage } from "./stage.js";
import { currentTrace, producer, tensorOf, withOrigin, type Tensor } from "./trace.js";
import type { Graph, NodeOf, Prim } from "./types.js";
import { cotangentsOf } from "./vjp-rules.js";

/** Gradients of a scalar `f` in each of `wrt`, of their shapes. */
export function grad(f: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (sizeOf(f.shape) !== 1 || f.dtype !== "f32") {
    throw new GmcError("GM4909", `grad takes a scalar, not ${f.dtype} ${showShape(f.shape)}`, ["Reduce it first, with sum(…) or mean(…)."]);
  }
  return vjp([f], [constant(1, f.shape)], wrt);
}

/** Σ over `outputs` of cotangent^T Jacobian, in each of `wrt`. */
export function vjp(outputs: readonly Tensor[], cotangents: readonly Tensor[], wrt: readonly Tensor[]): Tensor[] {
  for (const t of wrt) {
    if (t.dtype !== "f32") throw new GmcError("GM4909", `there is no gradient in a tensor of dtype ${t.dtype}`);
  }
  const depends = dependents(
    wrt.map((t) => t.id),
    Math.max(-1, ...outputs.map((t) => t.id)),
  );
  const sums = new Map<number, Tensor>();
  const accumulate = (id: number, ct: Tensor): void => {
    const before = sums.get(id);
    sums.set(id, before === undefined ? ct : add(before, ct));
  };
  outputs.forEach((t, i) => {
    const ct = cotangents[i]!;
    if (!sameShape(ct.shape, t.shape))
      throw new GmcError("GM4909", `a cotangent is ${showShape(ct.shape)}, its output ${showShape(t.shape)}`);
    if (depends[t.id]) accumulate(t.id, ct);
  });
  for (let id = depends.length - 1; id >= 0; id--) {
    const ct = sums.get(id);
    if (ct === undefined || !depends[id]) continue;
    const out = tensorOf(id);
    const node = producer(out) as NodeOf<Prim>;
    if (!node.inputs.some((input) => depends[input])) continue;
    withOrigin(node.origin ?? currentTrace().origin, () => {
      const makers = cotangentsOf(node, node.inputs.map(tensorOf), out, ct, vjp);
      makers.forEach((make, i) => {
        const input = node.inputs[i]!;
        if (make !== null && depends[input]) accumulate(input, make());
      });
    });
  }
  return wrt.map((t) => sums.get(t.id) ?? zeros(t.shape));
}

/** For each node up to `last`: whether a gradient can flow through it to one of `targets`. */
function dependents(targets: readonly number[], last: number): boolean[] {
  const { nodes } = currentTrace();
  const depends = new Array<boolean>(last + 1).fill(false);
  for (const id of targets) if (id <= last) depends[id] = true;
  for (let id = Math.min(last + 1, ...targets) + 1; id <= last; id++) {
    const node = nodes[id]!;
    depends[id] ||= node.dtype === "f32" && node.prim !== "stopGradient" && node.inputs.some((input) => depends[input]);
  }
  return depends;
}

/**
 * `graph` with the gradients of its scalar output `of` in the named state entries and inputs, as further outputs `grad:<name>`.
 */
export function gradGraph(graph: Graph, of: string, wrt: readonly string[]): Graph {
  return stage({}, () => {
    const outputs = inline(graph);
    const { sources } = currentTrace();
    const f = outputs[of];
    if (f === undefined) throw new GmcError("GM4909", `the graph has no output ${of}`);
    const targets = wrt.map((name) => {
      const t = sources.get(`state:${name}`) ?? sources.get(`input:${name}`);
      if (t === undefined) throw new GmcError("GM4909", `the graph has no state entry or input ${name}`);
      return t;
    });
    const gradients = grad(f, targets);
    return { ...outputs, ...Object.fromEntries(wrt.map((name, i) => [`grad:${name}`, gradients[i]!])) };
  });
}
