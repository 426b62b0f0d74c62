/** Parts without a core: one thread an entry. */
import { flatAt } from "../text.js";
import { fresh, storeAll, when, type Body, type KernelContext } from "./body.js";

export function pointKernel(context: KernelContext): Body {
  const { part, threads, graph } = context;
  const block = fresh();
  block.add(`let at = group * ${threads}u + thread;`);
  when(block, `at < ${part.size}u`, (inner) => storeAll(context, inner, flatAt(graph.nodes[part.stores[0]!]!.shape, "at")));
  return { lines: block.lines, groups: Math.ceil(part.size / threads), storage: 0 };
}
