/**
 * From a program to what a device runs: for each stage its dispatches as WGSL with the buffers that they bind, and what lies in which buffer. Pure; a session makes
 * buffers and pipelines of it, `gmc explain --kernels` prints it.
 *
 * Buffers by name: `scalars` (small feeds, one upload a run), `constants`, `feed:x`, `state:w` (as it is before the stage), `write:w` (as it is after it), `slot:3`
 * (a result within a stage, see memory.ts), `out:2:17` (what stage 2 gives: its node 17; `out:2:17:1` again, for another weight of which it is the gradient).
 */
import { readAfter } from "../shared.js";
import { optimize } from "../../graph/passes/index.js";
import { sizeOf } from "../../graph/shape.js";
import type { DType, Graph, Node, NodeOf, Origin, Shape } from "../../graph/types.js";
import type { Program, Stage } from "../engine.js";
import { assemble, type Assembled, type DeviceLimits } from "./assemble.js";
import type { BindingSources, Memory } from "./bindings.js";
import { halfBytes, halves } from "./half.js";
import { joinProducts } from "./join-products.js";
import { indexedAxes, type IndexedAxis } from "./indices.js";
import { planMemory } from "./memory.js";
import { schedule, type Part, type Schedule } from "./schedule.js";
import { bytesOf } from "./store.js";
import { reuseReductions } from "../../graph/passes/reuse-reductions.js";
import { splitSums } from "./split.js";
import { planUpdate, type PackSpec } from "./updates.js";

/** A feed that lies among the scalars, at a word. */
export interface ScalarFeed {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly offset: number;
}

export interface Value {
  readonly ref: string;
  readonly dtype: DType;
  readonly shape: Shape;
}

/** What lies in a buffer, for those who are told what takes the memory. */
export interface Content {
  readonly dtype: DType;
  readonly shape: Shape;
  /** What it is computed for: a line of the model, else a stage of a program. */
  readonly origin: Origin;
}

export type Step =
  | { readonly kind: "dispatch"; readonly dispatch: Assembled }
  /** Computed by the reference kernels: operands are read back, the result is written. */
  | {
      readonly kind: "host";
      readonly node: Node;
      readonly inputs: readonly Value[];
      readonly constants: readonly NodeOf<"constant">[];
      readonly outputs: readonly string[];
    };

export interface CompiledStage {
  readonly name: string;
  readonly graph: Graph;
  readonly steps: readonly Step[];
  readonly repeat: { readonly count: number | string; readonly first: number | string } | undefined;
  /** state name -> what it becomes */
  readonly writes: Readonly<Record<string, { readonly dtype: DType; readonly shape: Shape; readonly inPlace: boolean }>>;
  /** feeds too large for the scalars */
  readonly feeds: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  readonly states: ReadonlyMap<string, { readonly dtype: DType; readonly shape: Shape }>;
  /** Axes along which feeds are indices. */
  readonly indexed: readonly IndexedAxis[];
  /** Of an update stage. */
  readonly optimiser?: OptimiserNeed;
}

/** What no update can do without: each weight, slot and average read once and written once. */
export interface OptimiserNeed {
  readonly parameters: number;
  readonly bytes: number;
}

export interface CompiledProgram {
  readonly name: string;
  readonly stages: readonly CompiledStage[];
  readonly scalars: ReadonlyMap<string, ScalarFeed>;
  readonly scalarWords: number;
  readonly constants: Uint32Array;
  /** `slot:i`: its bytes, and the largest of the results that take turns in it */
  readonly slots: readonly Slot[];
  /** `out:…` by its name, and the names under which values are asked for */
  readonly outs: ReadonlyMap<string, Content>;
  readonly values: ReadonlyMap<string, Value>;
  /** States that lie next to each other: `state:pack:…`. */
  readonly statePacks: readonly PackSpec[];
  /** Gradients that do: `gradients:…`; their members are `out:…`. */
  readonly gradientPacks: readonly PackSpec[];
  /** What a run reads back. */
  readonly fetch: readonly string[];
}

interface Slot extends Content {
  readonly bytes: number;
}

/** Feeds of up to so many words are sent together. */
const SMALL = 64;

export function compileProgram(program: Program, limits: DeviceLimits, stateShape: (name: string) => Shape | undefined): CompiledProgram {
  return new Compiler(program, limits, stateShape).compile();
}

class Compiler {
  private readonly scalars = new Map<string, ScalarFeed>();
  private scalarWords = 0;
  private readonly constants: number[] = [];
  private readonly slots: Slot[] = [];
  private readonly outs = new Map<string, Content>();
  /** outputs of the stages so far, by name */
  private readonly values = new Map<string, Value>();
  private readonly statePacks = new Map<string, PackSpec>();
  private readonly gradientPacks: PackSpec[] = [];
  /** What a stage gives that cannot be put next to others. */
  private readonly apart = new Set<string>();

  constructor(
    private readonly program: Program,
    private readonly limits: DeviceLimits,
    private readonly stateShape: (name: string) => Shape | undefined,
  ) {}

  compile(): CompiledProgram {
    const stages = this.program.stages.map((stage, i) => this.stage(stage, i));
    return {
      name: this.program.name,
      stages,
      scalars: this.scalars,
      scalarWords: this.scalarWords,
      constants: Uint32Array.from(this.constants),
      slots: this.slots,
      outs: this.outs,
      values: this.values,
      statePacks: [...this.statePacks.values()],
      gradientPacks: this.gradientPacks,
      fetch: this.program.fetch,
    };
  }

  private stage(stage: Stage, index: number): CompiledStage {
    switch (stage.kind) {
      case "call":
        return this.graph(stage.name, stage.graph, index, undefined);
      case "repeat":
        return this.graph(stage.name, stage.graph, index, { count: stage.count, first: stage.first ?? 0 });
      case "update": {
        const plan = planUpdate(stage.update, index, {
          shapeOf: (target) => this.values.get(target.gradient)?.shape ?? this.stateShape(target.weight),
          gradient: (name) => this.placeOfGradient(name),
          free: (members) => this.areFree(members),
          unsound: `unsound:${index}`,
        });
        for (const pack of plan.states) this.statePacks.set(pack.name, pack);
        for (const pack of plan.gradients) {
          const members = pack.members.map((name) => this.values.get(name)!.ref);
          this.gradientPacks.push({ ...pack, members });
          this.values.set(pack.name, { ref: pack.name, dtype: "f32", shape: [pack.bytes / 4] });
        }
        const sizes = stage.update.targets.map((target) =>
          sizeOf(this.stateShape(target.weight) ?? this.values.get(target.gradient)?.shape ?? []),
        );
        const optimiser: OptimiserNeed = {
          parameters: sizes.reduce((sum, size) => sum + size, 0),
          bytes: stage.update.targets.reduce(
            (sum, { slots, ema }, i) => sum + 8 * sizes[i]! * (1 + slots.length + (ema === null ? 0 : 1)),
            0,
          ),
        };
        return { ...this.graph(stage.name, plan.graph, index, undefined), optimiser };
      }
    }
  }

  /** Where a gradient lies that may be moved into a pack. */
  private placeOfGradient(name: string): string | undefined {
    const value = this.values.get(name);
    if (value === undefined || value.dtype !== "f32" || this.apart.has(value.ref)) return undefined;
    return this.gradientPacks.some((pack) => pack.members.includes(value.ref)) ? undefined : value.ref;
  }

  private areFree(members: readonly string[]): boolean {
    const name = `pack:${members.join()}`;
    return [...this.statePacks.values()].every((pack) => pack.name === name || !pack.members.some((member) => members.includes(member)));
  }

  /** The update stages whose gradients stage `index` gives, by output. */
  private updatesOf(index: number): Map<string, number[]> {
    const found = new Map<string, number[]>();
    const { stages } = this.program;
    const gives = (stage: Stage, name: string): boolean => stage.kind !== "update" && Object.hasOwn(stage.graph.outputs, name);
    stages.forEach((stage, i) => {
      if (stage.kind !== "update" || i <= index) return;
      for (const { gradient } of stage.update.targets) {
        const last = stages.slice(0, i).findLastIndex((other) => gives(other, gradient));
        if (last === index) found.set(gradient, [...(found.get(gradient) ?? []), i]);
      }
    });
    return found;
  }

  private graph(name: string, staged: Graph, index: number, repeat: CompiledStage["repeat"]): CompiledStage {
    const wanted = Object.entries(staged.outputs).filter(([output]) => readAfter(this.program, output, index));
    const graph = splitSums.run(joinProducts(reuseReductions(optimize({ ...staged, outputs: Object.fromEntries(wanted) }))));
    const { nodes } = graph;
    const own: Origin = { label: name, place: this.program.name };
    const contentOf = ({ dtype, shape, origin = own }: Node): Content => ({ dtype, shape, origin });
    const before = new Map(this.values);
    const feeds = new Map<string, { dtype: DType; shape: Shape }>();
    const states = new Map<string, { dtype: DType; shape: Shape }>();
    const places = new Map<number, Memory>();
    for (const node of nodes) {
      const place = this.sourceOf(node, before, repeat !== undefined, feeds, states);
      if (place !== undefined) places.set(node.id, place);
    }
    const writesOf = new Map<number, string[]>();
    for (const [state, id] of Object.entries(graph.writes)) writesOf.set(id, [...(writesOf.get(id) ?? []), state]);
    const gradients = repeat === undefined ? this.updatesOf(index) : new Map<string, number[]>();
    const given = placesOfOutputs(graph, index, gradients);
    const outputsOf = new Map<number, Set<string>>();
    for (const [output, id] of Object.entries(graph.outputs)) outputsOf.set(id, (outputsOf.get(id) ?? new Set()).add(given.get(output)!));
    const fixed = (id: number): string[] => [...(outputsOf.get(id) ?? []), ...(writesOf.get(id) ?? []).map((state) => `write:${state}`)];
    const flags = new Map<number, number[]>();
    for (const [output, updates] of gradients) {
      const id = graph.outputs[output]!;
      if (nodes[id]!.dtype === "f32") flags.set(id, [...new Set([...(flags.get(id) ?? []), ...updates])]);
    }
    // Packs are written where they are read; where the schedule does not allow that, it is made again with a buffer more for each.
    const packs = Object.entries(graph.writes).filter(([state]) => state.startsWith("pack:"));
    let inPlace = new Set(packs.map(([state]) => state));
    const scheduled = (): Schedule["dispatches"] =>
      schedule(graph, {
        maxBuffers: this.limits.maxBuffers - (flags.size > 0 ? 1 : 0),
        shared: (id) => (flags.has(id) ? "gradients" : undefined),
        targets: (id) => Math.max(1, fixed(id).length) - (writesOf.get(id) ?? []).filter((state) => inPlace.has(state)).length,
        source: (node) => {
          const ref = places.get(node.id)?.ref;
          return ref === "iteration" ? undefined : ref;
        },
      }).dispatches;
    let dispatches = scheduled();
    for (;;) {
      const held = new Set(
        packs.flatMap(([state, id]) => (inPlace.has(state) && writtenInPlace(graph, dispatches, state, id) ? [state] : [])),
      );
      if (held.size === inPlace.size) break;
      inPlace = held;
      dispatches = scheduled();
    }
    const temporary = (id: number): boolean => fixed(id).length === 0;
    const half = this.limits.half ? halves(graph, dispatches, temporary) : new Set<number>();
    const bytesHere = (id: number): number => (half.has(id) ? halfBytes : bytesOf)(nodes[id]!.shape);
    const slots = planMemory(dispatches, bytesHere, temporary);
    for (const [id, slot] of slots) {
      const bytes = bytesHere(id);
      if (bytes > (this.slots[slot]?.bytes ?? 0)) this.slots[slot] = { bytes, ...contentOf(nodes[id]!) };
    }
    for (const { loads, stores } of dispatches.flat()) {
      if (stores.some((id) => flags.has(id))) for (const id of loads) if (flags.has(id)) this.apart.add(`out:${index}:${id}`);
    }
    if (repeat !== undefined) for (const ref of given.values()) this.apart.add(ref);
    const memoryOf = (id: number, ref: string): Memory => ({ ref, offset: 0, dtype: nodes[id]!.dtype, packed: false, half: half.has(id) });
    const targets = new Map<number, readonly Memory[]>();
    for (const part of dispatches.flat()) {
      for (const id of part.stores) {
        const refs = fixed(id);
        const written = refs.length === 0 ? [`slot:${slots.get(id)!}`] : refs;
        // `write:s` becomes `state:s` where the old value is not needed any more
        targets.set(
          id,
          written.map((ref) => memoryOf(id, inPlace.has(ref.replace(/^write:/u, "")) ? ref.replace(/^write:/u, "state:") : ref)),
        );
      }
    }
    const sources: BindingSources = {
      memory: (id) => places.get(id) ?? (this.isSource(nodes[id]!) ? undefined : targets.get(id)?.[0]),
      targets: (id) => targets.get(id)!,
      constant: (id) => places.get(id)!,
      flags: (id) => flags.get(id) ?? [],
    };
    const steps = dispatches.map((parts): Step => this.step(graph, parts, sources));
    for (const [output, id] of Object.entries(graph.outputs)) {
      const { dtype, shape } = nodes[id]!;
      const ref = given.get(output)!;
      this.outs.set(ref, contentOf(nodes[id]!));
      this.values.set(output, { ref, dtype, shape });
    }
    const writes = Object.fromEntries(
      Object.entries(graph.writes).map(([state, id]) => [
        state,
        { dtype: nodes[id]!.dtype, shape: nodes[id]!.shape, inPlace: inPlace.has(state) },
      ]),
    );
    // the number of an iteration, and what an earlier stage gives, are no feeds
    const fed = new Set(
      nodes.flatMap((node) =>
        node.prim === "input" && /^(?:scalars|feed:.*)$/u.test(places.get(node.id)?.ref ?? "") ? [node.params.name] : [],
      ),
    );
    const indexed = indexedAxes(graph).filter(({ input }) => fed.has(input));
    return { name, graph, steps, repeat, writes, feeds, states, indexed };
  }

  private step(graph: Graph, parts: readonly Part[], sources: BindingSources): Step {
    const [first] = parts;
    if (!first!.host) return { kind: "dispatch", dispatch: assemble(graph, parts, sources, this.limits) };
    const node = graph.nodes[first!.core!]!;
    const operands = node.inputs.map((id) => memoryBehind(graph, id));
    return {
      kind: "host",
      node,
      inputs: operands.map((operand, i) => {
        const { dtype, shape } = graph.nodes[node.inputs[i]!]!;
        const memory = sources.memory(operand);
        return { ref: memory === undefined ? "" : `${memory.ref}+${memory.offset}`, dtype, shape };
      }),
      constants: operands
        .map((id) => graph.nodes[id]!)
        .filter((n) => n.prim === "constant" && sources.memory(n.id) === undefined) as NodeOf<"constant">[],
      outputs: sources.targets(node.id).map(({ ref }) => ref),
    };
  }

  private isSource(node: Node): boolean {
    return node.prim === "input" || node.prim === "state" || node.prim === "constant" || node.prim === "iota";
  }

  private sourceOf(
    node: Node,
    before: ReadonlyMap<string, Value>,
    repeated: boolean,
    feeds: Map<string, { dtype: DType; shape: Shape }>,
    states: Map<string, { dtype: DType; shape: Shape }>,
  ): Memory | undefined {
    const { dtype, shape } = node;
    const plain = (ref: string): Memory => ({ ref, offset: 0, dtype, packed: false });
    switch (node.prim) {
      case "constant": {
        const { values } = node.params;
        if (values.length === 1) return undefined;
        const offset = this.constants.length;
        this.constants.push(...wordsOf(values, dtype));
        return { ref: "constants", offset, dtype, packed: true };
      }
      case "state":
        states.set(node.params.name, { dtype, shape });
        return plain(`state:${node.params.name}`);
      case "input": {
        const { name } = node.params;
        if (name.startsWith("unsound:")) return { ref: "flags", offset: Number(name.slice(8)), dtype, packed: true };
        if (repeated && name === "iteration") return plain("iteration");
        const given = before.get(name);
        if (given !== undefined) return plain(given.ref);
        if (sizeOf(shape) > SMALL) {
          feeds.set(name, { dtype, shape });
          return plain(`feed:${name}`);
        }
        let scalar = this.scalars.get(name);
        if (scalar === undefined) {
          scalar = { dtype, shape, offset: this.scalarWords };
          this.scalarWords += sizeOf(shape);
          this.scalars.set(name, scalar);
        }
        return { ref: "scalars", offset: scalar.offset, dtype, packed: true };
      }
      default:
        return undefined;
    }
  }
}

/**
 * Where each output lies. Those that are one node lie in one place, but for gradients: a pack has each weight's own, so that a node which is the
 * gradient of several (of two biases that are added) is written to a place for each.
 */
function placesOfOutputs(graph: Graph, index: number, gradients: ReadonlyMap<string, unknown>): ReadonlyMap<string, string> {
  const found = new Map<number, number>();
  return new Map(
    Object.entries(graph.outputs).map(([output, id]) => {
      const copy = gradients.has(output) ? (found.get(id) ?? 0) : 0;
      if (gradients.has(output)) found.set(id, copy + 1);
      return [output, `out:${index}:${id}${copy === 0 ? "" : `:${copy}`}`];
    }),
  );
}

/**
 * Whether a state can be written where it lies: one part writes it, and only that part reads it, each thread the entry that it then writes. What an
 * update reads of a pack, it reads entry by entry.
 */
function writtenInPlace(graph: Graph, dispatches: readonly (readonly Part[])[], state: string, id: number): boolean {
  const readers = dispatches.flat().filter((part) =>
    part.loads.some((load) => {
      const node = graph.nodes[load]!;
      return node.prim === "state" && node.params.name === state;
    }),
  );
  return readers.every((part) => part.core === undefined && part.stores.includes(id) && part.size === sizeOf(graph.nodes[id]!.shape));
}

/** What is in memory behind views that keep the order. */
function memoryBehind(graph: Graph, id: number): number {
  const node = graph.nodes[id]!;
  return node.prim === "reshape" ? memoryBehind(graph, node.inputs[0]!) : id;
}

const floats = new Float32Array(1);
const words = new Uint32Array(floats.buffer);

/** The bits of numbers of a dtype. */
function wordsOf(values: readonly number[], dtype: DType): number[] {
  return values.map((value) => {
    if (dtype !== "f32") return value >>> 0;
    floats[0] = value;
    return words[0]!;
  });
}
