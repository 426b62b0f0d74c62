/**
 * What one dispatch binds: storage buffers by name, each read or written, helpers, constants. Kernels of its parts ask here for the text of a
 * load or a store; the text of the declarations comes out at the end.
 */
import type { DType, NodeOf } from "../../graph/types.js";
import type { ExpressionContext } from "./expressions.js";

export type Access = "read" | "read_write";

/** A buffer's place in the bind group: its position is the binding's number. */
export interface Slot {
  readonly ref: string;
  access: Access;
  readonly type: "f32" | "f16" | "i32" | "u32" | "atomic<u32>";
  readonly name: string;
}

/** Where the entries of a node lie. */
export interface Memory {
  readonly ref: string;
  /** index of the first entry */
  readonly offset: number;
  readonly dtype: DType;
  /** The buffer holds words, whatever they mean. */
  readonly packed: boolean;
  /** f32 that is kept as float16, see half.ts. */
  readonly half?: boolean;
}

export interface BindingSources {
  /** Of a source or of a node that some part stores; nothing where it is computed where it is read. */
  readonly memory: (id: number) => Memory | undefined;
  /** Everything that a stored node is written to. */
  readonly targets: (id: number) => readonly Memory[];
  /** The place of a constant with many values. */
  readonly constant: (id: number) => Memory;
  /** Words of the buffer `flags` that are set where an entry of a stored node is not finite. */
  readonly flags: (id: number) => readonly number[];
}

const wordType = ({ dtype, half }: Pick<Memory, "dtype" | "half">): Slot["type"] => (half ? "f16" : dtype === "bool" ? "u32" : dtype);

export class DispatchBindings {
  readonly slots: Slot[] = [];
  readonly helpers = new Set<string>();
  iteration = false;

  constructor(readonly sources: BindingSources) {}

  slot(ref: string, type: Slot["type"], access: Access): Slot {
    let slot = this.slots.find((s) => s.ref === ref);
    if (slot === undefined) {
      slot = { ref, access, type, name: `data${this.slots.length}` };
      this.slots.push(slot);
    } else if (access === "read_write") slot.access = access;
    return slot;
  }

  /** Before the body is known to need it: what is written comes first. */
  declarations(): string {
    const lines = this.slots.map(
      ({ access, type, name, ref }, i) => `@group(0) @binding(${i}) var<storage, ${access}> ${name}: array<${type}>; // ${ref}`,
    );
    if (this.iteration) lines.push("@group(1) @binding(0) var<uniform> iteration: vec4i;");
    return lines.join("\n");
  }
}

/** The view of one part: what it computes itself is not loaded. */
export class Bindings implements ExpressionContext {
  constructor(
    private readonly all: DispatchBindings,
    private readonly own: ReadonlySet<number>,
  ) {}

  use(helper: string): string {
    this.all.helpers.add(helper);
    return helper;
  }

  inMemory(id: number): boolean {
    return !this.own.has(id) && this.all.sources.memory(id) !== undefined;
  }

  load(id: number, flat: string): string {
    const memory = this.all.sources.memory(id)!;
    if (memory.ref === "iteration") {
      this.all.iteration = true;
      return "iteration.x";
    }
    return this.read(memory, flat);
  }

  constant(node: NodeOf<"constant">, flat: string): string {
    return this.read(this.all.sources.constant(node.id), flat);
  }

  /** It lies in memory as an array of its own type. */
  isArray(id: number): boolean {
    return this.inMemory(id) && !this.all.sources.memory(id)!.packed;
  }

  /** The name of the array and the index of the first entry, for kernels that load by themselves. */
  array(id: number): { readonly name: string; readonly offset: number; readonly half: boolean } {
    const memory = this.all.sources.memory(id)!;
    return { name: this.all.slot(memory.ref, wordType(memory), "read").name, offset: memory.offset, half: memory.half === true };
  }

  /** Lines that write a value to everything that a node is written to. */
  store(id: number, flat: string, value: string): string[] {
    const flags = this.all.sources.flags(id).map((word) => {
      const { name } = this.all.slot("flags", "atomic<u32>", "read_write");
      return `if (!${this.use("is_finite")}(${value})) { atomicStore(&${name}[${word}], 1u); }`;
    });
    const stores = this.all.sources.targets(id).map((memory) => {
      const slot = this.all.slot(memory.ref, wordType(memory), "read_write");
      const word = memory.dtype === "bool" ? `select(0u, 1u, ${value})` : memory.half ? `f16(${value})` : value;
      return `${slot.name}[${index(memory.offset, flat)}] = ${word};`;
    });
    return [...stores, ...flags];
  }

  private read(memory: Memory, flat: string): string {
    const type = memory.packed ? "u32" : wordType(memory);
    const word = `${this.all.slot(memory.ref, type, "read").name}[${index(memory.offset, flat)}]`;
    if (memory.dtype === "bool") return `(${word} != 0u)`;
    if (memory.half) return `f32(${word})`;
    return type === memory.dtype ? word : `bitcast<${memory.dtype}>(${word})`;
  }
}

const index = (offset: number, flat: string): string =>
  offset === 0 ? flat : /^\d+u$/u.test(flat) ? `${offset + Number(flat.slice(0, -1))}u` : `${flat} + ${offset}u`;
