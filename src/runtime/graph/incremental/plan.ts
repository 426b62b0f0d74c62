/**
 * Which nodes of a graph can be computed unit by unit, and at which offsets from the current unit each is read. Takes a graph whose outputs are read
 * at the current unit along axis 1; gives what the emitter needs. Two walks: forwards for kinds, backwards for offsets; once more where what is kept of
 * a node would not be right, with that node computed in full.
 */
import type { Graph, Node, NodeOf, Prim } from "../types.js";
import { isSettled, mayMask, ownReach, reachOf, sumOffset, type Order, type Reach, type ReachOperand } from "./reach.js";
import { ruleOf } from "./rules.js";
import type { Kind, Operand, Units } from "./unit.js";

export interface UnitPlan {
  readonly graph: Graph;
  readonly kinds: readonly Kind[];
  /** By node of units: the offsets at which it is read. */
  readonly offsets: ReadonlyMap<number, ReadonlySet<number>>;
  /** By running sum: the offset of the part that it takes at a unit (see reach.ts). */
  readonly sums: ReadonlyMap<number, number>;
  /**
   * All that is kept from unit to unit follows from earlier units alone, and is kept once for each. Where not, a unit is computed once more after it is
   * drawn, and kept then.
   */
  readonly strict: boolean;
  /** What is computed in full for each position, and why. */
  readonly notes: readonly string[];
}

export interface PlanOptions {
  /** Name of the input that is drawn. */
  readonly variable: string;
  /** A unit holds more than one position. */
  readonly several: boolean;
  /** Units are drawn as they lie. */
  readonly natural: boolean;
  /** Computes all anew at each position. */
  readonly full?: boolean | undefined;
}

export function planUnits(graph: Graph, options: PlanOptions): UnitPlan {
  if (options.full === true) return inFull(graph, options.variable, []);
  if (options.several && !options.natural)
    return inFull(graph, options.variable, ["positions are drawn in another order than they lie in"]);
  const x = graph.nodes.findIndex((node) => node.prim === "input" && node.params.name === options.variable);
  const order: Order = { ...options, units: graph.nodes[x]?.shape[1] ?? 0 };
  const full = new Set<number>();
  for (;;) {
    const kinds = kindsOf(graph, order, options.variable, full);
    const read = offsetsOf(graph, kinds);
    const wrong = keptWrong(graph, kinds, read.offsets, order);
    if (wrong.length > 0) {
      for (const id of wrong) full.add(id);
      continue;
    }
    const { offsets, notes } = read;
    const newest = Math.max(-1, ...(offsets.get(x) ?? []));
    // what is kept of units starts at the first one
    const ahead = [...offsets].some(([id, at]) => id !== x && Math.max(...at) > 0 && isKept(graph.nodes[id]!, at));
    if (newest > 0 || ahead) return inFull(graph, options.variable, ["a part reads entries that come after the position"]);
    const adds = [...kinds.sums.keys(), ...[...offsets.keys()].filter((id) => graph.nodes[id]!.prim === "cumsum")].length > 0;
    const strict = newest < 0 && !(options.several && adds);
    return { graph, kinds: kinds.kinds, offsets, sums: kinds.sums, strict, notes };
  }
}

interface Kinds {
  readonly kinds: readonly Kind[];
  /** Of nodes of units. */
  readonly reaches: ReadonlyMap<number, Reach>;
  readonly sums: ReadonlyMap<number, number>;
}

/** `full`: nodes that are computed in full though they have a rule. */
function kindsOf(graph: Graph, order: Order, variable: string, full: ReadonlySet<number>): Kinds {
  const kinds: Kind[] = [];
  const reaches = new Map<number, Reach>();
  const masks: boolean[] = [];
  const sums = new Map<number, number>();
  graph.nodes.forEach((node, id) => {
    const operands = node.inputs.map((i): ReachOperand => ({
      shape: graph.nodes[i]!.shape,
      kind: kinds[i]!,
      reach: reaches.get(i),
      masks: masks[i]!,
    }));
    let kind = full.has(id) ? VARYING : kindOf(node, operands, order, variable);
    if (kind.kind === "units") {
      const reach = node.inputs.length === 0 ? ownReach(order.units) : reachOf(node, kind, operands);
      const runs = node.prim === "cumsum" && node.params.axis === kind.axis;
      if (runs && !isSettled(reach)) kind = VARYING;
      else reaches.set(id, reach);
    } else if (kind.kind === "sum") {
      const summed = operands.find((operand) => operand.reach !== undefined)!.reach!;
      const offset = sumOffset(summed, order);
      if (offset === undefined) kind = VARYING;
      else sums.set(id, offset);
    }
    masks.push(
      kind.kind === "fixed" &&
        mayMask(
          node,
          operands.map((operand) => operand.masks),
        ),
    );
    kinds.push(kind);
  });
  return { kinds, reaches, sums };
}

/** At which offsets nodes of units are read, and what is computed in full though it reads some. */
function offsetsOf(
  graph: Graph,
  { kinds, sums }: Kinds,
): { readonly offsets: Map<number, Set<number>>; readonly notes: readonly string[] } {
  const notes: string[] = [];
  const offsets = new Map<number, Set<number>>();
  // computed in full: `now` from running sums where there are some, `anew` from the variable itself
  const now = new Set<number>();
  const anew = new Set<number>();
  const read = (id: number, at: Iterable<number>): void => {
    const kind = kinds[id]!.kind;
    if (kind === "sum" || kind === "varying") now.add(id);
    if (kind !== "units") return;
    const known = offsets.get(id) ?? new Set<number>();
    for (const offset of at) known.add(offset);
    offsets.set(id, known);
  };
  for (const id of Object.values(graph.outputs)) read(id, [0]);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id]!;
    const kind = kinds[id]!.kind;
    const rule = ruleOf(node);
    const own = offsets.get(id);
    if (kind === "units" && own !== undefined && rule !== null && node.inputs.length > 0) {
      const computed = rule.moves ? [...own] : [Math.max(...own)];
      const operands = node.inputs.map((input): Operand => ({ shape: graph.nodes[input]!.shape, kind: kinds[input]! }));
      node.inputs.forEach((input, i) => {
        const at = rule.reads?.(node as NodeOf<Prim>, i, operands) ?? [0];
        read(input, new Set(computed.flatMap((offset) => at.map((a) => offset + a))));
      });
    }
    if (kind === "sum" && now.has(id)) for (const input of node.inputs) read(input, [sums.get(id)!]);
    if ((kind === "varying" && now.has(id)) || anew.has(id)) {
      for (const input of node.inputs) {
        if (kinds[input]!.kind === "units") anew.add(input);
        else read(input, [0]);
      }
    }
    if (kind === "varying" && now.has(id) && node.inputs.some((input) => kinds[input]!.kind === "units")) notes.push(noteOf(node));
  }
  return { offsets, notes: [...new Set(notes.reverse())] };
}

/** Values read at several offsets that cost something: those at older ones are kept. Sums along the units are kept as well. */
function isKept(node: Node, at: ReadonlySet<number>): boolean {
  if (node.inputs.length === 0) return false;
  return node.prim === "cumsum" || (at.size > 1 && ruleOf(node)?.moves === undefined);
}

/**
 * Nodes of which another part is read than that of the current unit, or whose kept parts later ones would not find as they are then: where a part
 * follows from a value that is computed in full, of which no bound is known, and where units come in another order than they are numbered in.
 */
function keptWrong(
  graph: Graph,
  { kinds, reaches }: Kinds,
  offsets: ReadonlyMap<number, ReadonlySet<number>>,
  { natural }: Order,
): number[] {
  const outputs = Object.values(graph.outputs).filter((id) => {
    const kind = kinds[id]!;
    return kind.kind === "units" && (kind.axis !== 1 || kind.block !== 1);
  });
  const kept = [...offsets].filter(([id, at]) => isKept(graph.nodes[id]!, at) && at.size > 1 && !(natural && isSettled(reaches.get(id)!)));
  return [...outputs, ...kept.map(([id]) => id)];
}

const VARYING: Kind = { kind: "varying" };

/** Everything that depends on the variable varies. */
function inFull(graph: Graph, variable: string, notes: readonly string[]): UnitPlan {
  const kinds: Kind[] = [];
  for (const node of graph.nodes) {
    const own = node.prim === "input" && node.params.name === variable;
    const fixed = !own && node.inputs.every((id) => kinds[id]!.kind === "fixed");
    kinds.push(fixed ? { kind: "fixed" } : { kind: "varying" });
  }
  return { graph, kinds, offsets: new Map(), sums: new Map(), strict: true, notes };
}

function kindOf(node: Node, operands: readonly Operand[], { natural }: Order, variable: string): Kind {
  if (node.prim === "input" && node.params.name === variable) return { kind: "units", axis: 1, block: 1 };
  if (operands.every(({ kind }) => kind.kind === "fixed")) return { kind: "fixed" };
  const rule = ruleOf(node);
  if (rule === null || operands.every(({ kind }) => kind.kind !== "units")) return { kind: "varying" };
  const followed = rule.follow(node as NodeOf<Prim>, operands);
  if (followed === undefined) return { kind: "varying" };
  if (followed === "sum") return { kind: "sum" };
  return natural || staysAtUnit(node, operands, followed) ? followed : { kind: "varying" };
}

/** Whether the part at a unit reads operands at that unit only, so that the order of units is of no account. */
function staysAtUnit(node: Node, operands: readonly Operand[], own: Units): boolean {
  if (node.prim === "cumsum" && node.params.axis === own.axis) return false;
  const rule = ruleOf(node)!;
  return node.inputs.every((_, i) => (rule.reads?.(node as NodeOf<Prim>, i, operands) ?? [0]).every((offset) => offset === 0));
}

function noteOf(node: Node): string {
  const where = node.origin === undefined ? "" : ` of ${node.origin.label} (${node.origin.place})`;
  return `${node.prim}${where} does not follow position by position`;
}
