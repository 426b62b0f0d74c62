/** What a kernel is: given a part and how many threads a workgroup has, the WGSL of a function's body, and how many workgroups it takes. */
import { sizeOf } from "../../../graph/shape.js";
import type { Graph } from "../../../graph/types.js";
import type { Bindings } from "../bindings.js";
import { Emitter } from "../emitter.js";
import type { Part } from "../schedule.js";
import { Block, bothAt, flatAt, flatOf, type At } from "../text.js";

export interface Body {
  /** WGSL in terms of `group: u32`, the workgroup's number within the part, and `thread: u32`. */
  readonly lines: readonly string[];
  readonly groups: number;
  /** Declarations at module scope. */
  readonly module?: string;
  /** Bytes of workgroup memory. */
  readonly storage: number;
  /** It is told which subgroup it is in, and which lane of it: `subgroup`, `lane`. */
  readonly subgroups?: boolean;
}

export interface KernelContext {
  readonly graph: Graph;
  readonly part: Part;
  readonly bindings: Bindings;
  /** Threads of a workgroup; a power of two. */
  readonly threads: number;
  /** A name at module scope that no other part uses. */
  readonly unique: (name: string) => string;
  /** `array<f32, threads>` of workgroup memory that parts share. */
  readonly scratch: () => string;
}

export const fresh = (): Block => new Block({ next: 0 });

/** Writes all that a part stores at one place, given what its core gave there: after all of it is read, as a state may be written where it lies. */
export function storeAll({ graph, part, bindings }: KernelContext, block: Block, at: At, core?: string): void {
  const flat = flatOf(block, at);
  const emitter = new Emitter({
    graph,
    bindings,
    core:
      part.core === undefined || core === undefined ? undefined : { id: part.core, text: core, at: sizeOf(at.shape) === 1 ? "0u" : flat },
  });
  const same = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((n, i) => n === b[i]);
  const values = part.stores.map((id) => {
    const { shape } = graph.nodes[id]!;
    const place = same(shape, at.shape) && at.axes !== undefined ? bothAt(shape, flat, at.axes) : flatAt(shape, flat);
    return { id, place, value: emitter.value(block, id, place) };
  });
  for (const { id, place, value } of values) for (const line of bindings.store(id, place.flat!, value)) block.add(line);
}

/** `if (condition) { … }` around what `fill` writes. */
export function when(block: Block, condition: string, fill: (inner: Block) => void): void {
  const inner = block.child();
  fill(inner);
  block.nest(`if (${condition})`, inner);
}
