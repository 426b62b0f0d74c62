/**
 * Which nodes of a graph can be computed unit by unit, and at which offsets from the current unit each is read. Takes a graph whose outputs are read
 * at the current unit along axis 1; gives what the emitter needs. Two walks: forwards for kinds, backwards for offsets.
 */
import type { Graph, Node, NodeOf, Prim } from "../types.js";
import { ruleOf } from "./rules.js";
import type { Kind, Operand, Units } from "./unit.js";

export interface UnitPlan {
  readonly graph: Graph;
  readonly kinds: readonly Kind[];
  /** By node of units: the offsets at which it is read. */
  readonly offsets: ReadonlyMap<number, ReadonlySet<number>>;
  /** Sums take what the unit before adds; where a unit holds several positions, the current one's part too, as far as it is drawn. */
  readonly sumOffset: 0 | -1;
  /**
   * All that is kept from unit to unit follows from earlier units alone. Where not, a unit is computed once more after it is drawn, and kept then.
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
  const notes: string[] = [];
  const kinds: Kind[] = [];
  const operandsOf = (node: Node): Operand[] => node.inputs.map((id) => ({ shape: graph.nodes[id]!.shape, kind: kinds[id]! }));
  for (const node of graph.nodes) kinds.push(kindOf(node, operandsOf(node), options));

  const sumOffset = options.several ? 0 : -1;
  const offsets = new Map<number, Set<number>>();
  // computed in full: `now` from running sums where there are some, `anew` from the variable itself
  const now = new Set<number>();
  const read = (id: number, at: Iterable<number>): void => {
    const kind = kinds[id]!.kind;
    if (kind === "sum" || kind === "varying") now.add(id);
    if (kind !== "units") return;
    const known = offsets.get(id) ?? new Set<number>();
    for (const offset of at) known.add(offset);
    offsets.set(id, known);
  };
  const anew = new Set<number>();
  for (const id of Object.values(graph.outputs)) read(id, [0]);
  for (let id = graph.nodes.length - 1; id >= 0; id--) {
    const node = graph.nodes[id]!;
    const kind = kinds[id]!.kind;
    const rule = ruleOf(node);
    const own = offsets.get(id);
    if (kind === "units" && own !== undefined && rule !== null && node.inputs.length > 0) {
      const computed = rule.moves ? [...own] : [Math.max(...own)];
      const operands = operandsOf(node);
      node.inputs.forEach((input, i) => {
        const at = rule.reads?.(node as NodeOf<Prim>, i, operands) ?? [0];
        read(input, new Set(computed.flatMap((offset) => at.map((a) => offset + a))));
      });
    }
    if (kind === "sum" && now.has(id)) for (const input of node.inputs) read(input, [sumOffset]);
    if ((kind === "varying" && now.has(id)) || anew.has(id)) {
      for (const input of node.inputs) {
        if (kinds[input]!.kind === "units") anew.add(input);
        else read(input, [0]);
      }
    }
    if (kind === "varying" && now.has(id) && node.inputs.some((input) => kinds[input]!.kind === "units")) notes.push(noteOf(node));
  }

  const x = graph.nodes.findIndex((node) => node.prim === "input" && node.params.name === options.variable);
  const newest = Math.max(-1, ...(offsets.get(x) ?? []));
  const ahead = [...offsets].some(
    ([id, at]) => at.size > 1 && Math.max(...at) > 0 && ruleOf(graph.nodes[id]!)?.moves === undefined && id !== x,
  );
  if (newest > 0 || ahead) {
    return inFull(graph, options.variable, ["a part reads entries that come after the position"]);
  }
  return { graph, kinds, offsets, sumOffset, strict: newest < 0, notes: [...new Set(notes.reverse())] };
}

/** Everything that depends on the variable varies. */
function inFull(graph: Graph, variable: string, notes: readonly string[]): UnitPlan {
  const kinds: Kind[] = [];
  for (const node of graph.nodes) {
    const own = node.prim === "input" && node.params.name === variable;
    const fixed = !own && node.inputs.every((id) => kinds[id]!.kind === "fixed");
    kinds.push(fixed ? { kind: "fixed" } : { kind: "varying" });
  }
  return { graph, kinds, offsets: new Map(), sumOffset: -1, strict: true, notes };
}

function kindOf(node: Node, operands: readonly Operand[], { variable, natural }: PlanOptions): Kind {
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
  return `${node.prim}${where} has no rule for one position`;
}
