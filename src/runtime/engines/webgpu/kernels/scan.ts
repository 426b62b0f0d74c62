/** Running sums along an axis: one thread a line. */
import { sizeOf } from "../../../graph/shape.js";
import type { NodeOf } from "../../../graph/types.js";
import { Emitter } from "../emitter.js";
import { flatAt } from "../text.js";
import { fresh, storeAll, when, type Body, type KernelContext } from "./body.js";

export function scanKernel(context: KernelContext): Body {
  const { graph, part, bindings, threads } = context;
  const { params, inputs, shape, dtype } = graph.nodes[part.core!]! as NodeOf<"cumsum">;
  const n = shape[params.axis]!;
  const post = sizeOf(shape.slice(params.axis + 1));
  const lines = sizeOf(shape) / n;
  const block = fresh();
  block.add(`let line = group * ${threads}u + thread;`);
  when(block, `line < ${lines}u`, (outer) => {
    outer.add(`var sum = ${dtype}(0);`);
    const first = outer.let(`line / ${post}u * ${n * post}u + line % ${post}u`, "i");
    const loop = outer.child();
    loop.add(`let at = ${first} + ${params.reverse ? `(${n - 1}u - j)` : "j"} * ${post}u;`);
    const value = new Emitter({ graph, bindings, core: undefined }).value(loop, inputs[0]!, flatAt(shape, "at"));
    loop.add(`sum += ${value};`);
    storeAll(context, loop, flatAt(shape, "at"), "sum");
    outer.nest(`for (var j = 0u; j < ${n}u; j++)`, loop);
  });
  return { lines: block.lines, groups: Math.ceil(lines / threads), storage: 0 };
}
