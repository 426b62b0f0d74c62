/**
 * Fusion. Takes an optimised graph and what is wanted of it, gives dispatches: each a few parts that do not depend on one another, each part a
 * loop over one space of entries that stores one or several nodes. Plain data, no device.
 *
 * 1. Every primitive that needs a kernel (heavy.ts) opens a part; what follows it entry by entry joins the part, as long as all else that it
 *    reads is there before.
 * 2. Everything else is written out where it is read, as often as it is read. Where that would cost more than keeping it, it is kept: a
 *    part of its own, without a core.
 * 3. Of what a part computes, that is stored which others read and cannot cheaply compute again from what is stored.
 * 4. Parts that follow each other entry by entry become one (chains.ts); parts over equal spaces that read the same join; parts that do not
 *    depend on one another share a dispatch (dispatches.ts).
 */
import { sizeOf } from "../../graph/shape.js";
import type { Graph, Node } from "../../graph/types.js";
import { chained } from "./chains.js";
import { dispatchesOf } from "./dispatches.js";
import { expressions, isElementwise } from "./expressions.js";
import { heaviness, isHeavy, type HeavyPrim } from "./heavy.js";
import type { NodeOf } from "../../graph/types.js";

export interface Part {
  /** The node that needs a loop, computed but maybe not stored. */
  readonly core: number | undefined;
  /** Nodes kept, each of `size` entries; ascending. */
  readonly stores: readonly number[];
  readonly size: number;
  readonly level: number;
  readonly host: boolean;
  /** Nodes in memory that it reads: sources, and what other parts store. */
  readonly loads: readonly number[];
}

export interface Schedule {
  readonly graph: Graph;
  readonly dispatches: readonly (readonly Part[])[];
}

export interface ScheduleOptions {
  /** Storage buffers that one kernel may bind. */
  readonly maxBuffers: number;
  /** How many buffers a stored node is written to. */
  readonly targets: (id: number) => number;
  /** What is bound for a source: nodes that share a buffer give the same name; nothing where it is no buffer. */
  readonly source: (node: Node) => string | undefined;
  /** Buffers that a node's targets lie in, where they are not its own. */
  readonly shared?: (id: number) => string | undefined;
}

/** A dispatch more costs as much as so many instructions over all threads. */
const DISPATCH_COST = 5e6;
const LOAD_COST = 4;
/** More than this is kept in any case, so that kernels stay short. */
const MOST_COST = 1500;
const CHEAP = 4;

interface Cluster {
  readonly core: number;
  readonly members: Set<number>;
  readonly level: number;
  /** names of buffers read */
  readonly buffers: Set<string>;
}

export function schedule(graph: Graph, options: ScheduleOptions): Schedule {
  // what is written where it is read takes no buffer more
  if (graph.nodes.some(({ id }) => options.targets(id) === 0)) {
    const scheduler = new Scheduler(graph, options, new Set(), true);
    const planned = scheduler.run();
    if (planned.dispatches.flat().every((part) => scheduler.fits(part))) return planned;
  }
  // A part that would bind too much gives up the last of what it stores, which is then computed elsewhere.
  const alone = new Set<number>();
  for (;;) {
    const scheduler = new Scheduler(graph, options, alone, false);
    const planned = scheduler.run();
    const last = planned.dispatches.flat().flatMap((part) => scheduler.excess(part));
    if (last.length === 0) return planned;
    for (const id of last) alone.add(id);
  }
}

class Scheduler {
  private readonly consumers: number[][];
  private readonly roots: ReadonlySet<number>;
  private readonly cluster = new Map<number, Cluster>();
  private readonly clusters: Cluster[] = [];
  /** nodes without a cluster that are kept */
  private readonly kept = new Set<number>();
  private readonly cost: number[] = [];
  private readonly level: number[] = [];
  private readonly buffers: ReadonlySet<string>[] = [];
  constructor(
    private readonly graph: Graph,
    private readonly options: ScheduleOptions,
    /** Nodes that join no part. */
    private readonly alone: ReadonlySet<number>,
    /** No room is left for results. */
    private readonly generous: boolean,
  ) {
    this.consumers = graph.nodes.map(() => []);
    for (const node of graph.nodes) for (const id of new Set(node.inputs)) this.consumers[id]!.push(node.id);
    this.roots = new Set([...Object.values(graph.outputs), ...Object.values(graph.writes)]);
  }

  run(): Schedule {
    for (const node of this.graph.nodes) this.place(node);
    this.keepWhatIsReadOften();
    const stored = this.whatIsStored();
    const leveled = (parts: readonly Part[]): Part[] => this.leveled(parts, stored);
    const parts = chained(leveled(this.partsOf(stored)), {
      graph: this.graph,
      loadsOf: (stores) => this.loadsOf(stores, stored),
      isSource: (id) => this.isSource(this.node(id)),
      isRoot: (id) => this.roots.has(id),
      forget: (id) => stored.delete(id),
      fits: (part) => this.bound([part]) <= this.options.maxBuffers,
      leveled,
    });
    const dispatches = dispatchesOf(
      leveled(this.joined(parts, stored)),
      (id) => this.isSource(this.node(id)),
      (together) => {
        const { read, written, count } = this.names(together);
        return count <= this.options.maxBuffers && ![...read].some((name) => written.has(name));
      },
    );
    return { graph: this.graph, dispatches };
  }

  fits(part: Part): boolean {
    return part.host || this.bound([part]) <= this.options.maxBuffers;
  }

  /** What a part must give up, so that what it binds is granted. */
  excess(part: Part): readonly number[] {
    if (this.fits(part)) return [];
    const last = part.stores.filter((id) => id !== part.core && !this.alone.has(id)).at(-1);
    return last === undefined || part.core === undefined ? [] : [last];
  }

  private node(id: number): Node {
    return this.graph.nodes[id]!;
  }

  private size(id: number): number {
    return sizeOf(this.node(id).shape);
  }

  /** Buffers that an expression may read, so that what is left suffices for results. */
  private mostBuffers(id: number): number {
    if (this.generous) return this.options.maxBuffers;
    return Math.max(3, this.options.maxBuffers - Math.max(2, this.options.targets(id)));
  }

  private isSource(node: Node): boolean {
    return node.prim === "input" || node.prim === "state" || node.prim === "constant" || node.prim === "iota";
  }

  private isFree(id: number): boolean {
    return !this.cluster.has(id) && !this.isSource(this.node(id));
  }

  // -- 1. clusters, costs, buffers

  private place(node: Node): void {
    const { id } = node;
    if (this.isSource(node)) {
      const name = this.options.source(node);
      this.enter(id, name === undefined ? 1 : LOAD_COST, 0, name === undefined ? [] : [name]);
      return;
    }
    if (isHeavy(node.prim)) {
      const { memory, host } = heaviness[node.prim];
      if (memory) for (const operand of node.inputs) this.keepInMemory(operand);
      const buffers = this.fit(node.inputs, host ? Infinity : this.mostBuffers(id));
      const level = 1 + Math.max(0, ...node.inputs.map((x) => this.level[x]!));
      const cluster: Cluster = { core: id, members: new Set([id]), level, buffers };
      this.cluster.set(id, cluster);
      this.clusters.push(cluster);
      this.enter(id, LOAD_COST, level, [`node:${id}`]);
      return;
    }
    const home = this.homeOf(node);
    if (home !== undefined) {
      home.cluster.members.add(id);
      for (const name of home.buffers) home.cluster.buffers.add(name);
      this.cluster.set(id, home.cluster);
      this.enter(id, LOAD_COST, home.cluster.level, [`node:${id}`]);
      return;
    }
    const buffers = this.fit(node.inputs, this.mostBuffers(id));
    const own = isElementwise(node.prim) ? expressions[node.prim].cost : node.prim === "random" ? drawCost(node) : 2;
    const cost = own + node.inputs.reduce((sum, x) => sum + this.cost[x]!, 0);
    this.enter(id, cost, Math.max(0, ...node.inputs.map((x) => this.level[x]!)), buffers);
    if (cost > MOST_COST) this.keep(id);
  }

  private enter(id: number, cost: number, level: number, buffers: Iterable<string>): void {
    this.cost[id] = cost;
    this.level[id] = level;
    this.buffers[id] = new Set(buffers);
  }

  private keep(id: number): void {
    if (this.kept.has(id) || !this.isFree(id)) return;
    this.kept.add(id);
    this.enter(id, LOAD_COST, this.level[id]! + 1, [`node:${id}`]);
  }

  /** An operand that a kernel reads in no order. */
  private keepInMemory(id: number): void {
    const node = this.node(id);
    // the view of something in memory is read through its index map
    if (node.prim === "reshape") return this.keepInMemory(node.inputs[0]!);
    this.keep(id);
  }

  /** The buffers that the operands read, after some are kept where there are too many: numbers that all entries share before whole tensors. */
  private fit(operands: readonly number[], most: number): Set<string> {
    for (;;) {
      const all = new Set(operands.flatMap((x) => [...this.buffers[x]!]));
      if (all.size <= most) return all;
      const wide = operands
        .map((x) => this.behindBroadcast(x))
        .filter((x) => this.isFree(x) && !this.kept.has(x) && this.buffers[x]!.size > 1)
        .sort((a, b) => this.buffers[b]!.size - this.buffers[a]!.size);
      const kept = wide.find((x) => this.size(x) === 1) ?? wide[0];
      if (kept === undefined) return all;
      this.keep(kept);
      // views of it read it now
      for (let x of operands)
        for (; x !== kept && this.behindBroadcast(x) === kept; x = this.node(x).inputs[0]!) this.buffers[x] = this.buffers[kept]!;
    }
  }

  private behindBroadcast(id: number): number {
    const node = this.node(id);
    return node.prim === "broadcast" && this.isFree(id) && !this.kept.has(id) ? this.behindBroadcast(node.inputs[0]!) : id;
  }

  /** The part that a node can join: it follows one entry by entry, and all else is there before. */
  private homeOf(node: Node): { readonly cluster: Cluster; readonly buffers: ReadonlySet<string> } | undefined {
    if ((!isElementwise(node.prim) && node.prim !== "reshape") || this.alone.has(node.id)) return undefined;
    const size = sizeOf(node.shape);
    const near = node.inputs.filter((x) => this.cluster.has(x) && this.size(x) === size).map((x) => this.cluster.get(x)!);
    const home = near.sort((a, b) => b.level - a.level)[0];
    if (home === undefined || !heaviness[this.node(home.core).prim as HeavyPrim].epilogue) return undefined;
    const others = node.inputs.filter((x) => this.cluster.get(x) !== home);
    if (others.some((x) => this.level[x]! >= home.level)) return undefined;
    const buffers = new Set(others.flatMap((x) => [...this.buffers[x]!]));
    const stores = [...home.members].filter((m) => this.roots.has(m) || this.consumers[m]!.length > 1).length + 2;
    const all = new Set([...home.buffers, ...buffers]);
    return all.size + stores <= this.options.maxBuffers ? { cluster: home, buffers } : undefined;
  }

  // -- 2. what is kept

  /** From the last to the first: who evaluates a node, and how often. */
  private keepWhatIsReadOften(): void {
    const readers: Map<object, number>[] = this.graph.nodes.map(() => new Map());
    const note = (id: number, reader: object, times: number): void => {
      const known = readers[id]!.get(reader) ?? 0;
      if (times > known) readers[id]!.set(reader, times);
    };
    for (let id = this.graph.nodes.length - 1; id >= 0; id--) {
      const node = this.node(id);
      if (this.isSource(node)) {
        if (this.roots.has(id)) this.kept.add(id);
        continue;
      }
      const home = this.cluster.get(id);
      if (home === undefined) {
        if (this.roots.has(id)) this.keep(id);
        const evaluations = [...readers[id]!.values()].reduce((a, b) => a + b, 0);
        const size = this.size(id);
        // all threads compute the same of a scalar, and most of it while they wait for memory
        const inline = (evaluations * this.cost[id]!) / (size === 1 ? 64 : 1);
        const keeping = size * (this.cost[id]! + 3) + evaluations * LOAD_COST + DISPATCH_COST;
        if (!this.kept.has(id) && inline > keeping) this.keep(id);
      }
      node.inputs.forEach((x, i) => {
        if (home !== undefined && home.core === id) {
          const reads = heaviness[node.prim as HeavyPrim].reads(this.graph, node as NodeOf<HeavyPrim>, i);
          note(x, home, this.size(x) * reads);
        } else if (home !== undefined) note(x, home, this.size(id));
        else if (this.kept.has(id)) note(x, node, this.size(id));
        else for (const [reader, times] of readers[id]!) note(x, reader, times);
      });
    }
  }

  // -- 3. what is stored

  private whatIsStored(): Set<number> {
    const stored = new Set(this.kept);
    for (const node of this.graph.nodes) {
      const home = this.cluster.get(node.id);
      if (home === undefined) continue;
      const { id } = node;
      const read = this.roots.has(id) || this.consumers[id]!.some((c) => this.cluster.get(c) !== home);
      if (!read) continue;
      const again =
        !this.roots.has(id) &&
        isElementwise(node.prim) &&
        expressions[node.prim].cost <= CHEAP &&
        node.inputs.every((x) => stored.has(x) || this.isSource(this.node(x)));
      if (!again) stored.add(id);
    }
    return stored;
  }

  // -- parts

  private partsOf(stored: ReadonlySet<number>): Part[] {
    const parts: Part[] = [];
    for (const { core, members } of this.clusters) {
      const stores = [...members].filter((m) => stored.has(m)).sort((a, b) => a - b);
      const host = heaviness[this.node(core).prim as HeavyPrim].host;
      if (stores.length > 0) parts.push(this.part(core, stores, stored, host));
    }
    for (const id of this.kept) parts.push(this.part(undefined, [id], stored, false));
    return parts.sort((a, b) => a.stores[0]! - b.stores[0]!);
  }

  private part(core: number | undefined, stores: readonly number[], stored: ReadonlySet<number>, host: boolean): Part {
    return { core, stores, size: this.size(stores[0]!), level: 0, host, loads: this.loadsOf(stores, stored) };
  }

  /** What is read from memory when `stores` are computed. */
  private loadsOf(stores: readonly number[], stored: ReadonlySet<number>): number[] {
    const own = new Set(stores);
    const seen = new Set<number>();
    const loads = new Set<number>();
    const stack = [...stores];
    for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
      if (seen.has(id)) continue;
      seen.add(id);
      const node = this.node(id);
      if (this.isSource(node)) {
        if (this.options.source(node) !== undefined) loads.add(id);
      } else if (stored.has(id) && !own.has(id)) loads.add(id);
      else stack.push(...node.inputs);
    }
    return [...loads].sort((a, b) => a - b);
  }

  /** Each part one level after the last that it reads. */
  private leveled(parts: readonly Part[], stored: ReadonlySet<number>): Part[] {
    const home = new Map<number, Part>();
    for (const part of parts) for (const id of part.stores) home.set(id, part);
    const levels = new Map<Part, number>();
    const levelOf = (part: Part): number => {
      const known = levels.get(part);
      if (known !== undefined) return known;
      const before = part.loads.filter((id) => stored.has(id) && !this.isSource(this.node(id))).map((id) => home.get(id)!);
      const level = 1 + Math.max(0, ...before.map(levelOf));
      levels.set(part, level);
      return level;
    };
    return parts.map((part) => ({ ...part, level: levelOf(part) }));
  }

  // -- 4. joining

  private joined(parts: readonly Part[], stored: ReadonlySet<number>): Part[] {
    const done: Part[] = [];
    for (const part of parts) {
      const at = done.findIndex(
        (other) =>
          part.core === undefined &&
          other.core === undefined &&
          other.level === part.level &&
          other.size === part.size &&
          other.stores.length < 8 &&
          other.loads.some((id) => part.loads.includes(id) && this.size(id) > 1) &&
          this.bound([{ ...part, stores: [...other.stores, ...part.stores], loads: [...other.loads, ...part.loads] }]) <=
            this.options.maxBuffers,
      );
      if (at < 0) done.push(part);
      else {
        const other = done[at]!;
        const stores = [...other.stores, ...part.stores].sort((a, b) => a - b);
        done[at] = { ...other, stores, loads: this.loadsOf(stores, stored) };
      }
    }
    return done;
  }

  private names(parts: readonly Part[]): { readonly read: Set<string>; readonly written: Set<string>; readonly count: number } {
    const kept = (id: number): string => this.options.shared?.(id) ?? `node:${id}`;
    const source = (id: number): string | undefined => (this.isSource(this.node(id)) ? this.options.source(this.node(id)) : undefined);
    const read = new Set(parts.flatMap((part) => part.loads.map((id) => source(id) ?? kept(id))));
    const written = new Set(parts.flatMap((part) => part.stores.map(kept)));
    const targets = parts.reduce((sum, part) => sum + part.stores.reduce((n, id) => n + this.options.targets(id), 0), 0);
    return { read, written, count: read.size + targets };
  }

  private bound(parts: readonly Part[]): number {
    return this.names(parts).count;
  }
}

function drawCost(node: NodeOf<"random">): number {
  return node.params.kind === "normal" ? 90 : 60;
}
