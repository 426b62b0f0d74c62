/**
 * Emits the part of a planned graph at the current unit, in the current trace. What earlier units left is in the state store: the values of a node
 * that are read at several offsets in a ring of as many entries, running sums in full. What does not depend on the variable is computed once, by
 * a graph of its own, and read from the store as well.
 */
import { InternalError } from "../errors.js";
import * as g from "../ops.js";
import { elementwise } from "../passes/elementwise-prims.js";
import { sizeOf } from "../shape.js";
import { input, replay, stage, state, writeState } from "../stage.js";
import { emit, withOrigin, type Tensor } from "../trace.js";
import type { DType, Graph, Node, NodeOf, Prim, Shape } from "../types.js";
import type { UnitPlan } from "./plan.js";
import { innerAxis, ruleOf } from "./rules.js";
import type { Operand, Parts, Units } from "./unit.js";

/** An entry of the store that starts at zero. */
export interface Kept {
  readonly shape: Shape;
  readonly dtype: DType;
}

export interface Place {
  /** The variable so far, in full. */
  readonly x: Tensor;
  /** The current unit, i32 []; and the one drawn before it, which is any where `started` is false. */
  readonly unit: Tensor;
  readonly previous: Tensor;
  /** bool []: some unit was drawn before. */
  readonly started: Tensor;
  /** How many units there are. */
  readonly units: number;
}

export interface EmitOptions {
  /** Of the names in the store. */
  readonly prefix: string;
  readonly place: Place;
  /** Whether what is kept is written. */
  readonly keep: boolean;
}

const isSource = (node: Node): boolean =>
  node.prim === "input" || node.prim === "state" || node.prim === "iota" || (node.prim === "constant" && node.params.values.length === 1);

export class UnitEmitter {
  /** What is kept from unit to unit. */
  readonly kept = new Map<string, Kept>();
  /** What the graph of fixed values has to give: by the name in the store, how it follows from a node. */
  readonly fixed = new Map<string, { readonly id: number; readonly fn: (value: Tensor) => Tensor }>();
  private readonly parts = new Map<string, Tensor>();
  private readonly values = new Map<number, Tensor>();
  private readonly ahead = new Map<number, Tensor>();

  constructor(
    private readonly plan: UnitPlan,
    private readonly options: EmitOptions,
  ) {}

  /** The part of an output at the current unit: its entries along axis 1. A value of rank 0 or without that axis is given as it is. */
  output(name: string): Tensor {
    const id = this.plan.graph.outputs[name];
    if (id === undefined) throw new InternalError(`no output ${name}`);
    const { shape } = this.node(id);
    if (shape.length < 2) return this.whole(id);
    return this.part(id, 0, { kind: "units", axis: 1, block: 1 });
  }

  /** Writes what later units read; all of it is computed, also what no output of this unit needs. */
  keepAll(): void {
    for (const [id, offsets] of this.plan.offsets) {
      const { prim } = this.node(id);
      if (this.rings(id)) this.store(id, Math.max(...offsets));
      else if (prim === "cumsum") this.at(id, Math.max(...offsets));
    }
    this.plan.kinds.forEach((kind, id) => {
      if (kind.kind === "sum" && this.sumIsRead(id)) this.whole(id);
    });
  }

  private sumIsRead(id: number): boolean {
    return this.node(id).inputs.some((operand) => this.plan.kinds[operand]!.kind === "units" && this.plan.offsets.has(operand));
  }

  private node(id: number): Node {
    return this.plan.graph.nodes[id]!;
  }

  private operands(node: Node): Operand[] {
    return node.inputs.map((id) => ({ shape: this.node(id).shape, kind: this.plan.kinds[id]! }));
  }

  private units(id: number): Units | undefined {
    const kind = this.plan.kinds[id]!;
    return kind.kind === "units" ? kind : undefined;
  }

  /** Number of the unit at an offset: the current one, or the one drawn before it, and in the natural order any. */
  private index(offset: number): Tensor {
    const { unit, previous } = this.options.place;
    return offset === 0 ? unit : offset === -1 ? previous : g.add(unit, g.lift(offset, "i32"));
  }

  private remember<K>(memo: Map<K, Tensor>, key: K, id: number, make: () => Tensor): Tensor {
    const before = memo.get(key);
    if (before !== undefined) return before;
    const made = withOrigin(this.node(id).origin, make);
    memo.set(key, made);
    return made;
  }

  // ---- parts ------------------------------------------------------------------------------------

  /** A node's part at an offset, along its own units, else along those asked for. */
  private part(id: number, offset: number, along: Units): Tensor {
    return this.units(id) === undefined ? this.cut(id, offset, along) : this.at(id, offset);
  }

  /** A node of units at an offset: computed at the newest, else kept. */
  private at(id: number, offset: number): Tensor {
    return this.remember(this.parts, `${id}@${offset}`, id, () => {
      const node = this.node(id);
      const own = this.units(id)!;
      if (node.inputs.length === 0) return g.dynamicSlice(this.options.place.x, this.index(offset), own.axis, own.block);
      const newest = Math.max(...(this.plan.offsets.get(id) ?? [offset]));
      if (this.rings(id) && offset < newest) return this.recall(id, offset);
      const operands = this.operands(node);
      const made = ruleOf(node)!.emit(node as NodeOf<Prim>, this.partsOf(node), operands, own, offset);
      return node.prim === "cumsum" && node.params.axis === own.axis ? this.carried(id, made) : made;
    });
  }

  private partsOf(node: Node): Parts {
    const operand = (i: number): number => node.inputs[i]!;
    return {
      part: (i, offset, along) => this.part(operand(i), offset, along),
      padded: (i, offset) => this.padded(operand(i), offset),
      whole: (i) => this.whole(operand(i)),
      once: (i, name, fn) => this.stored(operand(i), name, fn),
      before: (offset, stop) => g.less(this.index(offset), g.lift(stop, "i32")),
    };
  }

  private padded(id: number, offset: number): Tensor {
    const own = this.units(id)!;
    const value = this.at(id, offset);
    const count = this.node(id).shape[own.axis]! / own.block;
    // rings hold zeros there
    if (this.rings(id) && offset < Math.max(...this.plan.offsets.get(id)!)) return value;
    return this.zeroOutside(value, offset, count);
  }

  private zeroOutside(value: Tensor, offset: number, count: number): Tensor {
    const { units, started } = this.options.place;
    // the unit before may be any, where they are drawn in another order than they lie in
    const last = offset === -1 ? units - 1 : units - 1 + offset;
    const conditions = [
      ...(offset === -1 ? [started] : offset < 0 ? [g.lessEqual(g.lift(0, "i32"), this.index(offset))] : []),
      ...(last >= count ? [g.less(this.index(offset), g.lift(count, "i32"))] : []),
    ];
    return conditions.reduce((inside, condition) => g.select(condition, inside, g.lift(0, value.dtype)), value);
  }

  /** Entries of a value without units along an axis; cut before what stretches and computes it, where that is less work. */
  private cut(id: number, offset: number, along: Units): Tensor {
    const node = this.node(id);
    const { axis, block } = along;
    if (node.shape.length === 0) return this.whole(id);
    const extent = replaced(node.shape, axis, block);
    if (node.prim === "constant" && node.params.values.length === 1)
      return emit("constant", [], node.params, { shape: extent, dtype: node.dtype });
    return this.remember(this.parts, `${id}@${offset}:${axis}:${block}`, id, () => {
      const varies = this.plan.kinds[id]!.kind === "varying";
      if (node.prim === "broadcast") {
        const [operand] = node.inputs as [number];
        if (this.units(operand) !== undefined) return this.cutOf(id, offset, along);
        const { shape } = this.node(operand);
        const moved = axis - (node.shape.length - shape.length);
        const stretched = moved < 0 || shape[moved] !== node.shape[axis];
        return g.broadcastTo(stretched ? this.whole(operand) : this.part(operand, offset, { ...along, axis: moved }), extent);
      }
      if (varies && elementwise.has(node.prim) && node.inputs.every((i) => this.units(i) === undefined))
        return emit(
          node.prim as Prim,
          node.inputs.map((i) => this.cut(i, offset, along)),
          node.params,
        );
      if (varies && node.prim === "matmul") {
        const columns = this.cutColumns(node as NodeOf<"matmul">, offset, along);
        if (columns !== undefined) return columns;
      }
      if (varies && node.prim === "reshape") {
        const [operand] = node.inputs as [number];
        const from = this.beforeReshape(node, this.node(operand).shape, along);
        if (from !== undefined && this.units(operand) === undefined) return g.reshape(this.cut(operand, offset, from), extent);
      }
      return this.cutOf(id, offset, along);
    });
  }

  private cutOf(id: number, offset: number, { axis, block }: Units): Tensor {
    const start = block === 1 ? this.index(offset) : g.mul(this.index(offset), g.lift(block, "i32"));
    return g.dynamicSlice(this.whole(id), start, axis, block);
  }

  /** Columns of a product come of columns of its second factor. */
  private cutColumns(node: NodeOf<"matmul">, offset: number, along: Units): Tensor | undefined {
    const [a, b] = node.inputs as [number, number];
    const rank = node.shape.length;
    if (along.axis !== rank - 1 || this.units(a) !== undefined || this.units(b) !== undefined) return undefined;
    const rankB = this.node(b).shape.length;
    const axis = node.params.transposeB ? rankB - 2 : rankB - 1;
    return emit("matmul", [this.whole(a), this.cut(b, offset, { ...along, axis })], node.params);
  }

  /** The entries of a reshaped value's operand that an axis of the result is. */
  private beforeReshape(node: Node, from: Shape, { axis, block }: Units): Units | undefined {
    const count = node.shape[axis]! / block;
    const before = sizeOf(node.shape.slice(0, axis));
    const own = from.findIndex((extent, i) => sizeOf(from.slice(0, i)) === before && extent % count === 0 && extent > 1);
    return own < 0 ? undefined : { kind: "units", axis: own, block: from[own]! / count };
  }

  // ---- values in full ---------------------------------------------------------------------------

  private whole(id: number): Tensor {
    const { kind } = this.plan.kinds[id]!;
    if (kind === "fixed") return this.stored(id, "", (value) => value);
    if (kind === "units") return this.anew(id);
    return this.remember(this.values, id, id, () => (kind === "sum" ? this.sum(id) : this.computed(id)));
  }

  private computed(id: number): Tensor {
    const node = this.node(id);
    if (node.inputs.length === 0) return this.options.place.x;
    return emit(
      node.prim as Prim,
      node.inputs.map((operand) => this.whole(operand)),
      node.params,
      node,
    );
  }

  /** A node of units from the variable as it is. */
  private anew(id: number): Tensor {
    return this.remember(this.ahead, id, id, () => this.computed(id));
  }

  /** A value that does not depend on the variable: a source itself, else from the store. */
  private stored(id: number, name: string, fn: (value: Tensor) => Tensor): Tensor {
    const node = this.node(id);
    if (isSource(node) && name === "") return this.source(node);
    const key = `${this.options.prefix}fixed:${id}${name === "" ? "" : `:${name}`}`;
    if (!this.fixed.has(key)) this.fixed.set(key, { id, fn });
    const { shape, dtype } = typeOf(this.plan.graph, id, fn);
    return state(key, shape, dtype);
  }

  private source(node: Node): Tensor {
    if (node.prim === "input") return input(node.params.name, node.shape, node.dtype);
    if (node.prim === "state") return state(node.params.name, node.shape, node.dtype);
    return emit(node.prim as Prim, [], node.params as never, node);
  }

  // ---- what is kept -----------------------------------------------------------------------------

  /** A node whose values are read at several offsets and cost something. */
  private rings(id: number): boolean {
    const offsets = this.plan.offsets.get(id);
    return offsets !== undefined && offsets.size > 1 && this.node(id).inputs.length > 0 && ruleOf(this.node(id))?.moves === undefined;
  }

  private ring(id: number): { readonly entry: Tensor; readonly slots: number; readonly own: Units } {
    const offsets = [...this.plan.offsets.get(id)!];
    const own = this.units(id)!;
    const slots = Math.max(...offsets) - Math.min(...offsets) + 1;
    const { shape, dtype } = this.node(id);
    return { entry: this.entry(`ring:${id}`, replaced(shape, own.axis, slots * own.block), dtype), slots, own };
  }

  private entry(name: string, shape: Shape, dtype: DType): Tensor {
    const full = `${this.options.prefix}${name}`;
    this.kept.set(full, { shape, dtype });
    return state(full, shape, dtype);
  }

  /** First entry of the slot of the unit at an offset: its number modulo the slots. */
  private slot(offset: number, slots: number, block: number): Tensor {
    const lift = Math.ceil(Math.max(0, -offset) / slots) * slots;
    const number = g.add(this.options.place.unit, g.lift(offset + lift, "i32"));
    const slot = g.sub(number, g.mul(g.div(number, g.lift(slots, "i32")), g.lift(slots, "i32")));
    return block === 1 ? slot : g.mul(slot, g.lift(block, "i32"));
  }

  private recall(id: number, offset: number): Tensor {
    const { entry, slots, own } = this.ring(id);
    return g.dynamicSlice(entry, this.slot(offset, slots, own.block), own.axis, own.block);
  }

  private store(id: number, offset: number): void {
    const { entry, slots, own } = this.ring(id);
    const value = this.zeroOutside(this.at(id, offset), offset, this.node(id).shape[own.axis]! / own.block);
    writeState(entry, g.dynamicUpdateSlice(entry, value, this.slot(offset, slots, own.block), own.axis));
  }

  /** The sum up to a unit from that up to the one before. */
  private carried(id: number, added: Tensor): Tensor {
    const entry = this.entry(`sum:${id}`, added.shape, added.dtype);
    const total = g.add(entry, added);
    if (this.options.keep) writeState(entry, total);
    return total;
  }

  private sum(id: number): Tensor {
    const node = this.node(id);
    const at = this.plan.sums.get(id)!;
    if (node.prim === "reduceSum") return this.carried(id, emit("reduceSum", [this.padded(node.inputs[0]!, at)], node.params));
    const product = node as NodeOf<"matmul">;
    const i = this.units(node.inputs[0]!) === undefined ? 1 : 0;
    const own = this.units(node.inputs[i]!)!;
    const other = node.inputs[1 - i]!;
    const axis = innerAxis(product, 1 - i, this.node(other).shape.length);
    const factors = [this.padded(node.inputs[i]!, at), this.cut(other, at, { ...own, axis })];
    return this.carried(id, emit("matmul", i === 0 ? factors : factors.reverse(), node.params as never));
  }
}

const replaced = (shape: Shape, axis: number, extent: number): number[] => shape.map((n, i) => (i === axis ? extent : n));

/** Type of a function of a node's value. */
function typeOf(graph: Graph, id: number, fn: (value: Tensor) => Tensor): { readonly shape: Shape; readonly dtype: DType } {
  const { shape, dtype } = graph.nodes[id]!;
  const probe = stage({ value: { shape, dtype } }, ({ value }) => ({ out: fn(value) }));
  return probe.nodes[probe.outputs["out"]!]!;
}

/** The graph that computes, once, what the emitters asked for: it writes into the store. */
export function fixedGraph(graph: Graph, emitters: readonly UnitEmitter[]): Graph {
  return stage(
    {},
    () => {
      const made = replay(graph);
      for (const { fixed } of emitters) {
        for (const [name, { id, fn }] of fixed) {
          const value = fn(made[id]!);
          const entry = state(name, value.shape, value.dtype);
          writeState(entry, value);
        }
      }
      return {};
    },
    { mode: "eval" },
  );
}
