/**
 * Cuts a program at the values that are found entry after entry (`fixedPoint`, see graph/fixed-point.ts), so that an engine sees stages that it knows:
 * what is needed before, a body that is repeated, what follows. Takes a program, gives parts that are run in order, and the states by which values
 * go from one to another. Pure; fixed-points.ts runs the parts.
 *
 * A node has a level: how many fixed points it stands after, each after the one before. Each level is a graph. What one at a later level reads is
 * kept in a state, but for literals and views, which are written out again.
 */
import { iterationInput, optimize, stage, state, writeState, zeros, type Tensor } from "../graph/index.js";
import { emit, source } from "../graph/trace.js";
import type { StateSpec } from "../graph/program.js";
import type { Graph, Node, NodeOf, Prim } from "../graph/types.js";
import type { Program, Stage } from "./engine.js";
import { passAtAll, passStates } from "./fixed-point-pass.js";

export type Part =
  | { readonly kind: "stages"; readonly stages: readonly Stage[] }
  /** A graph that is repeated; until its state `changed` is 0 at the latest after `count` times. */
  | { readonly kind: "passes"; readonly name: string; readonly graph: Graph; readonly count: number; readonly changed: string }
  /** Parts that are repeated, as stages are. */
  | {
      readonly kind: "times";
      readonly parts: readonly Part[];
      readonly count: number | string;
      readonly first: number | string;
      readonly changed?: string;
    };

export interface Cut {
  readonly parts: readonly Part[];
  /** Entries of the store that go from part to part. */
  readonly states: ReadonlyMap<string, StateSpec>;
}

type FixedPoint = NodeOf<"fixedPoint">;

const isFixedPoint = (node: Node): node is FixedPoint & Node => node.prim === "fixedPoint";
const hasFixedPoint = (graph: Graph): boolean => graph.nodes.some(isFixedPoint);

export function hasFixedPoints(program: Program): boolean {
  return program.stages.some((s) => s.kind !== "update" && hasFixedPoint(s.graph));
}

/** The parts of a program that has fixed points, undefined for any other. `prefix` begins the names of the states. */
export function cutProgram(program: Program, prefix: string): Cut | undefined {
  if (!hasFixedPoints(program)) return undefined;
  const states = new Map<string, StateSpec>();
  const parts = program.stages.flatMap((s, i): Part[] => {
    if (s.kind === "update" || !hasFixedPoint(s.graph)) return [{ kind: "stages", stages: [s] }];
    const own = new GraphCutter(s.name, s.graph, `${prefix}${i}.`, states).parts();
    return s.kind === "call" ? [...own] : [{ kind: "times", parts: joined(own), count: s.count, first: s.first ?? 0 }];
  });
  return { parts: joined(parts), states };
}

/** The program in one piece, with as many passes as it takes at most and its states: for reports, of which no value is asked. */
export function writtenOut(program: Program): { readonly program: Program; readonly states: ReadonlyMap<string, StateSpec> } {
  const cut = cutProgram(program, "fixed:");
  return cut === undefined
    ? { program, states: new Map() }
    : { program: { ...program, stages: cut.parts.flatMap(stagesOf) }, states: cut.states };
}

/** Of parts that are repeated, one round. */
export function stagesOf(part: Part): readonly Stage[] {
  switch (part.kind) {
    case "stages":
      return part.stages;
    case "passes":
      return [{ kind: "repeat", name: part.name, graph: part.graph, count: part.count }];
    case "times":
      return part.parts.flatMap(stagesOf);
  }
}

/** Stages that follow one another as one part. */
function joined(parts: readonly Part[]): readonly Part[] {
  const out: Part[] = [];
  for (const part of parts) {
    const last = out.at(-1);
    if (part.kind === "stages" && last?.kind === "stages") out[out.length - 1] = { ...part, stages: [...last.stages, ...part.stages] };
    else out.push(part);
  }
  return out;
}

const SOURCES: ReadonlySet<Prim> = new Set<Prim>(["input", "state", "constant", "iota"]);
const VIEWS: ReadonlySet<Prim> = new Set<Prim>(["broadcast", "reshape"]);

class GraphCutter {
  private readonly graph: Graph;
  /** By node; of a fixed point the level at which it is there. */
  private readonly levels: readonly number[];
  /** Nodes that are read at a later level. */
  private readonly kept = new Set<number>();

  constructor(
    private readonly name: string,
    graph: Graph,
    private readonly prefix: string,
    private readonly states: Map<string, StateSpec>,
  ) {
    this.graph = optimize(graph);
    const levels: number[] = [];
    for (const node of this.graph.nodes) levels.push(Math.max(0, ...node.inputs.map((id) => levels[id]!)) + (isFixedPoint(node) ? 1 : 0));
    this.levels = levels;
  }

  /** From the last level to the first: what a later one reads is known when an earlier one is made. */
  parts(): readonly Part[] {
    const { graph, levels } = this;
    const last = Math.max(...levels);
    const outputs = Object.entries(graph.outputs);
    let parts: readonly Part[] = [
      this.call(last, (at) => {
        for (const [name, id] of Object.entries(graph.writes)) writeNamed(name, at(id));
        return Object.fromEntries(outputs.map(([name, id]) => [name, at(id)]));
      }),
    ];
    for (let level = last; level > 0; level--) {
      const solved = graph.nodes.filter(isFixedPoint).filter((node) => levels[node.id] === level);
      const solving = solved.flatMap((node) => this.solve(node));
      const before = this.call(level - 1, (at) => {
        for (const id of this.kept) if (levels[id] === level - 1) writeNamed(this.stateOf(graph.nodes[id]!), at(id));
        for (const node of solved)
          for (const [name, spec] of passStates(this.stateOf(node), node.shape)) writeNamed(name, zeros(spec.shape, spec.dtype));
        return {};
      });
      parts = [before, ...solving, ...parts];
    }
    return parts;
  }

  private call(level: number, fn: (at: (id: number) => Tensor) => Record<string, Tensor>): Part {
    const staged = stage({}, () => fn(this.emitter((id) => this.levels[id]! >= level)));
    return { kind: "stages", stages: [{ kind: "call", name: `${this.name}.${level}`, graph: optimize(staged) }] };
  }

  /** The passes of one fixed point, which leave it in the state of its name. */
  private solve(node: FixedPoint): readonly Part[] {
    const { body, places } = node.params;
    const name = this.stateOf(node);
    for (const [entry, spec] of passStates(name, node.shape)) this.states.set(entry, spec);
    const staged = stage({}, () => {
      const at = this.emitter(() => false);
      passAtAll(name, body, places, node.inputs.map(at), iterationInput());
      return {};
    });
    const graph = optimize(staged);
    const [, , changed] = [...passStates(name, node.shape).keys()];
    // one pass more than entries, see fixed-point-pass.ts
    const count = places.length + 1;
    if (!hasFixedPoint(graph)) return [{ kind: "passes", name: `${this.name}.${node.id}`, graph, count, changed: changed! }];
    const inner = new GraphCutter(this.name, graph, `${name}.`, this.states).parts();
    return [{ kind: "times", parts: joined(inner), count, first: 0, changed: changed! }];
  }

  /** Gives values of nodes in the current stage: those that are `own` computed, others from states. */
  private emitter(own: (id: number) => boolean): (id: number) => Tensor {
    const made = new Map<number, Tensor>();
    const emitOne = (id: number, operands: (id: number) => Tensor): Tensor => {
      const node = this.graph.nodes[id]!;
      if (node.prim === "input" || node.prim === "state") return source(node.prim, node.params.name, node);
      const { prim, params }: NodeOf<Prim> = node;
      return emit(prim, node.inputs.map(operands), params, node);
    };
    const fromState = (node: Node): Tensor => {
      if (!isFixedPoint(node)) {
        this.kept.add(node.id);
        this.states.set(this.stateOf(node), { dtype: node.dtype, shape: node.shape });
      }
      return state(this.stateOf(node), node.shape, node.dtype);
    };
    const direct = (node: Node): boolean => !isFixedPoint(node) && (SOURCES.has(node.prim) || VIEWS.has(node.prim) || own(node.id));
    return (root) => {
      // operands before what reads them, without recursion: graphs may be deep
      const needed = new Set([root]);
      const reads: number[] = [];
      for (let id = root; id >= 0; id--) {
        if (!needed.has(id) || made.has(id)) continue;
        reads.push(id);
        const node = this.graph.nodes[id]!;
        if (direct(node)) for (const input of node.inputs) needed.add(input);
      }
      for (const id of reads.reverse()) {
        const node = this.graph.nodes[id]!;
        made.set(id, direct(node) ? emitOne(id, (input) => made.get(input)!) : fromState(node));
      }
      return made.get(root)!;
    };
  }

  private stateOf(node: Node): string {
    return `${this.prefix}${node.id}`;
  }
}

function writeNamed(name: string, value: Tensor): void {
  writeState(state(name, value.shape, value.dtype), value);
}
