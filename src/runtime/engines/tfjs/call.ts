/**
 * Runs one graph, primitive by primitive, in the order of its nodes. A value is let go after the last node that reads it, so what a run holds at its end
 * is what it gives and what it writes. Takes a graph and the outputs wanted from it; nodes that nothing needs are left out.
 */
import { InternalError } from "../../graph/errors.js";
import { sameShape } from "../../graph/shape.js";
import type { Graph, Node, Prim, Shape } from "../../graph/types.js";
import type { TypedArray } from "../engine.js";
import { arrayOf, Cell } from "./cell.js";
import type { Device } from "./device.js";
import { stretchedOnHost, type Host } from "./host.js";
import { placed, type Where } from "./lower.js";
import type { Rule } from "./lowering.js";

/** The value of an `input` or `state` node; it stays the giver's. */
export type Lookup = (node: Node) => Cell;

/** Cells that are the taker's to release. */
export interface CallResult {
  readonly outputs: ReadonlyMap<string, Cell>;
  readonly writes: ReadonlyMap<string, Cell>;
}

export interface Call {
  run(lookup: Lookup): CallResult;
  dispose(): void;
}

/** Gives a cell that is the taker's to release. */
type Compute = (operands: readonly Cell[], lookup: Lookup) => Cell;

interface Step {
  readonly node: Node;
  readonly compute: Compute;
  /** read here for the last time */
  readonly done: readonly number[];
}

export function compileCall(device: Device, host: Host, graph: Graph, wanted: readonly string[]): Call {
  const compiler = new CallCompiler(device, host, graph);
  const steps = compiler.steps([...wanted.map((name) => graph.outputs[name]!), ...Object.values(graph.writes)]);
  const written = Object.keys(graph.writes);
  return {
    run(lookup) {
      const values = new Map<number, Cell>();
      const taken = (names: readonly string[], ids: Readonly<Record<string, number>>): Map<string, Cell> =>
        new Map(names.map((name) => [name, whole(device, values.get(ids[name]!)!, graph.nodes[ids[name]!]!.shape)]));
      try {
        for (const { node, compute, done } of steps) {
          values.set(
            node.id,
            compute(
              node.inputs.map((id) => values.get(id)!),
              lookup,
            ),
          );
          for (const id of done) {
            values.get(id)!.release();
            values.delete(id);
          }
        }
        return { outputs: taken(wanted, graph.outputs), writes: taken(written, graph.writes) };
      } finally {
        for (const cell of values.values()) cell.release();
      }
    },
    dispose: () => compiler.dispose(),
  };
}

class CallCompiler {
  private readonly constants: Cell[] = [];
  /** whether the value of a node is on the host, as far as is known before it runs */
  private readonly atHome = new Map<number, boolean>();

  constructor(
    private readonly device: Device,
    private readonly host: Host,
    private readonly graph: Graph,
  ) {}

  steps(roots: readonly number[]): Step[] {
    const { nodes } = this.graph;
    const live = new Set(roots);
    for (let id = nodes.length - 1; id >= 0; id--) if (live.has(id)) for (const input of nodes[id]!.inputs) live.add(input);
    const last = new Map<number, number>();
    for (const id of live) for (const input of nodes[id]!.inputs) last.set(input, Math.max(id, last.get(input) ?? 0));
    for (const root of roots) last.delete(root);
    const done = new Map<number, number[]>();
    for (const [id, reader] of last) done.set(reader, [...(done.get(reader) ?? []), id]);
    return nodes.flatMap((node) => (live.has(node.id) ? [{ node, compute: this.compute(node), done: done.get(node.id) ?? [] }] : []));
  }

  dispose(): void {
    for (const cell of this.constants.splice(0)) cell.release();
  }

  private compute(node: Node): Compute {
    const where = placed(this.device, this.graph.nodes, node, (id) => this.atHome.get(id)!);
    this.atHome.set(node.id, this.isHome(node, where));
    switch (where.on) {
      case "source":
        return this.source(node);
      case "renaming":
        return this.renaming(node);
      case "host":
        return this.onHost(node);
      case "device":
        return this.onDevice(node, where.rule);
    }
  }

  private isHome(node: Node, { on }: Where): boolean {
    switch (on) {
      case "source":
        return node.prim !== "state" ? node.prim !== "input" || node.shape.length === 0 || isInteger(node) : isInteger(node);
      case "renaming":
        return this.atHome.get(node.inputs[0]!)!;
      case "host":
        return true;
      case "device":
        return false;
    }
  }

  private source(node: Node): Compute {
    switch (node.prim) {
      case "input":
      case "state":
        return (_operands, lookup) => lookup(node).retain();
      case "constant": {
        const { values } = node.params;
        return this.constant(node, values.length === 1 ? [] : node.shape, values);
      }
      case "iota": {
        const { axis } = node.params;
        const extent = node.shape[axis]!;
        // the other axes are only stretched
        return this.constant(node, [extent, ...node.shape.slice(axis + 1).map(() => 1)], [...new Array(extent).keys()]);
      }
      default:
        throw new InternalError(`${node.prim} is no source`);
    }
  }

  /** Uploaded once, where it is uploaded at all. */
  private constant({ dtype }: Node, shape: Shape, values: readonly number[]): Compute {
    const cell = Cell.ofHost(this.device, dtype, shape, arrayOf(dtype, values));
    this.constants.push(cell);
    return () => cell.retain();
  }

  private renaming(node: Node): Compute {
    if (node.prim !== "reshape") return ([x]) => x!.retain();
    const before = this.graph.nodes[node.inputs[0]!]!.shape;
    return ([x]) => {
      // one number stays one, whatever the shape
      if (x!.shape.length === 0) return x!.retain();
      const full = whole(this.device, x!, before);
      const renamed = full.reshaped(node.shape);
      full.release();
      return renamed;
    };
  }

  private onHost(node: Node): Compute {
    const { device } = this;
    const kernel = this.host.kernel(node);
    const shapes = node.inputs.map((id) => this.graph.nodes[id]!.shape);
    return (operands) => {
      const given = operands.map((cell, i) => ({ dtype: cell.dtype, shape: shapes[i]!, numbers: () => numbersOf(cell, shapes[i]!) }));
      return Cell.ofHost(device, node.dtype, node.shape, kernel(given));
    };
  }

  private onDevice(node: Node, rule: Rule<Prim>): Compute {
    const { device } = this;
    const shapes = node.inputs.map((id) => this.graph.nodes[id]!.shape);
    return (operands) => {
      const given = operands.map((cell, i) => (rule.stretches ? cell.retain() : whole(device, cell, shapes[i]!)));
      try {
        const tensor = device.tf.tidy(() => rule.lower(device, node as never, given));
        return Cell.ofTensor(device, node.dtype, tensor);
      } finally {
        for (const cell of given) cell.release();
      }
    };
  }
}

const isInteger = ({ dtype }: Node): boolean => dtype === "i32" || dtype === "u32";

/** The value under the full shape of its node; the taker's to release. */
function whole(device: Device, cell: Cell, shape: Shape): Cell {
  if (sameShape(cell.shape, shape)) return cell.retain();
  if (cell.dtype !== "f32") return Cell.ofHost(device, cell.dtype, shape, numbersOf(cell, shape));
  return Cell.ofTensor(
    device,
    cell.dtype,
    device.tf.tidy(() => device.stretched(cell.tensor(), shape)),
  );
}

function numbersOf(cell: Cell, shape: Shape): TypedArray {
  if (sameShape(cell.shape, shape)) return cell.numbers();
  return stretchedOnHost({ dtype: cell.dtype, shape: cell.shape, numbers: () => cell.numbers() }, shape);
}
