/** scatterAdd: one thread a result, which adds what is meant for it, in the order of the indices: the same bits at every run. */
import { sizeOf } from "../../../graph/shape.js";
import type { NodeOf } from "../../../graph/types.js";
import { Emitter } from "../emitter.js";
import { axesAt, axesOf, bothAt, flatAt } from "../text.js";
import { fresh, storeAll, when, type Body, type KernelContext } from "./body.js";

export function scatterKernel(context: KernelContext): Body {
  const { graph, part, bindings, threads } = context;
  const { params, inputs, shape, dtype } = graph.nodes[part.core!]! as NodeOf<"scatterAdd">;
  const [updates, indices] = inputs.map((id) => graph.nodes[id]!);
  const size = sizeOf(shape);
  const block = fresh();
  block.add(`let at = group * ${threads}u + thread;`);
  when(block, `at < ${size}u`, (outer) => {
    const axes = axesOf(outer, flatAt(shape, "at"));
    outer.add(`var sum = ${dtype}(0);`);
    const loop = outer.child();
    const emitter = new Emitter({ graph, bindings, core: undefined });
    const place = axesOf(loop, flatAt(indices!.shape, "j"));
    const index = emitter.value(loop, indices!.id, flatAt(indices!.shape, "j"));
    when(loop, `u32(${index}) == ${axes[params.axis]!}`, (hit) => {
      const from = [...axes.slice(0, params.axis), ...place, ...axes.slice(params.axis + 1)];
      hit.add(`sum += ${emitter.value(hit, updates!.id, axesAt(updates!.shape, from))};`);
    });
    outer.nest(`for (var j = 0u; j < ${sizeOf(indices!.shape)}u; j++)`, loop);
    storeAll(context, outer, bothAt(shape, "at", axes), "sum");
  });
  return { lines: block.lines, groups: Math.ceil(size / threads), storage: 0 };
}
