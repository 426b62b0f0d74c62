/** One thread an element of C, no workgroup memory: tiny and batched tiny matrices, outer products. Each operand's element is read again for each use. */
import { readers, sideOf } from "./operands.js";
import { gridOf, over, within } from "./text.js";
import type { DirectChoice, GemmSpec } from "./types.js";

export const directGroups = (spec: GemmSpec, choice: DirectChoice): number => Math.ceil((spec.m * spec.n * spec.batch) / choice.threads);

/** The kernel's text after the caller's declarations. */
export function directBody(spec: GemmSpec, choice: DirectChoice, groupLimit: number): string {
  const groups = directGroups(spec, choice);
  const grid = gridOf(groups, groupLimit);
  const total = spec.m * spec.n * spec.batch;
  const group = grid[1] > 1 ? `(group.y * ${grid[0]}u + group.x)` : "group.x";
  const inside = { outer: false, depth: false };
  return `${readers(sideOf(spec, "a"), inside, [1])}
${readers(sideOf(spec, "b"), inside, [1])}

@compute @workgroup_size(${choice.threads})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let place = ${group} * ${choice.threads}u + thread;
  if (place >= ${total}u) { return; }
  let batch = ${over("place", spec.m * spec.n, spec.batch)};
  let row = ${spec.m === 1 ? "0u" : within(`(${over("place", spec.n, 2)})`, spec.m)};
  let column = ${within("place", spec.n)};
  var sum = 0.0;
  for (var depth = 0u; depth < ${spec.k}u; depth++) {
    sum = fma(mm_a(batch, row, depth), mm_b(batch, column, depth), sum);
  }
  ${spec.store}(batch, row, column, sum);
}`;
}
