/**
 * From a node and a place to the WGSL that computes its entry there. Views are index maps, draws are computed where they are read, and what
 * lies in memory is loaded; everything between is written out, once for each place.
 */
import { InternalError } from "../../graph/errors.js";
import { siteCounter } from "../../graph/random.js";
import { sizeOf } from "../../graph/shape.js";
import type { DType, Graph, Node, NodeOf } from "../../graph/types.js";
import type { Bindings } from "./bindings.js";
import { expressions, isElementwise, literal, type Elementwise, type Operand } from "./expressions.js";
import { axesAt, axesOf, Block, flatAt, flatOf, keyOf, plus, times, type At } from "./text.js";

export interface EmitterContext {
  readonly graph: Graph;
  readonly bindings: Bindings;
  /** What the kernel computes itself and names: the result of a product or a sum, at a flat index. */
  readonly core: { readonly id: number; readonly text: string; readonly at: string } | undefined;
}

export class Emitter {
  constructor(private readonly context: EmitterContext) {}

  /** The name or literal of a node's entry. */
  value(block: Block, id: number, at: At): string {
    const node = this.context.graph.nodes[id]!;
    const key = `${id}@${keyOf(at)}`;
    const known = block.find(key);
    if (known !== undefined) return known;
    const { core } = this.context;
    if (core?.id === id) {
      if (sizeOf(node.shape) !== 1 && flatOf(block, at) !== core.at)
        throw new InternalError(`${node.prim} ${id} is read at a place of its own`);
      return core.text;
    }
    return block.know(key, block.let(this.text(block, node, at)));
  }

  private text(block: Block, node: Node, at: At): string {
    const { bindings } = this.context;
    if (bindings.inMemory(node.id)) return bindings.load(node.id, flatOf(block, at));
    switch (node.prim) {
      case "constant":
        return node.params.values.length === 1
          ? this.literal(node.params.values[0]!, node.dtype)
          : bindings.constant(node, flatOf(block, at));
      case "iota":
        return node.dtype === "u32" ? axesOf(block, at)[node.params.axis]! : `${node.dtype}(${axesOf(block, at)[node.params.axis]!})`;
      case "random":
        return this.random(block, node, at);
      case "reshape":
        return this.value(block, node.inputs[0]!, this.moved(node.inputs[0]!, flatOf(block, at)));
      case "transpose": {
        const axes = axesOf(block, at);
        const from = new Array<string>(axes.length);
        node.params.perm.forEach((axis, i) => (from[axis] = axes[i]!));
        return this.at(block, node.inputs[0]!, from);
      }
      case "broadcast": {
        const shape = this.node(node.inputs[0]!).shape;
        const skip = node.shape.length - shape.length;
        const axes = shape.length === 0 ? [] : axesOf(block, at);
        return this.at(block, node.inputs[0]!, shape.map((extent, i) => (extent === 1 ? "0u" : axes[skip + i]!))); // prettier-ignore
      }
      case "slice": {
        const { start, stride } = node.params;
        const axes = axesOf(block, at).map((axis, i) => block.let(plus(times(axis, stride[i]!), `${start[i]!}u`), "i"));
        return this.at(block, node.inputs[0]!, axes);
      }
      case "reverse": {
        const axes = axesOf(block, at).map((axis, i) =>
          node.params.axes.includes(i) ? block.let(`${node.shape[i]! - 1}u - ${axis}`, "i") : axis,
        );
        return this.at(block, node.inputs[0]!, axes);
      }
      case "pad":
        return this.pad(block, node, at);
      case "concat":
        return this.concat(block, node, at);
      case "gather": {
        const [x, indices] = node.inputs.map((id) => this.node(id));
        const { axis } = node.params;
        const axes = axesOf(block, at);
        const rank = indices!.shape.length;
        const index = this.value(block, indices!.id, axesAt(indices!.shape, axes.slice(axis, axis + rank)));
        const place = block.let(`u32(clamp(${index}, 0i, ${x!.shape[axis]! - 1}i))`, "i");
        return this.at(block, x!.id, [...axes.slice(0, axis), place, ...axes.slice(axis + rank)]);
      }
      case "dynamicSlice": {
        const x = this.node(node.inputs[0]!);
        const { axis, size } = node.params;
        const start = this.start(block, node.inputs[1]!, x.shape[axis]!, size);
        const axes = axesOf(block, at).map((a, i) => (i === axis ? block.let(plus(a, start), "i") : a));
        return this.at(block, x.id, axes);
      }
      case "dynamicUpdateSlice": {
        const [x, update] = node.inputs.map((id) => this.node(id));
        const { axis } = node.params;
        const start = this.start(block, node.inputs[2]!, x!.shape[axis]!, update!.shape[axis]!);
        const axes = axesOf(block, at);
        const within = block.let(`${axes[axis]!} - ${start}`, "i");
        return this.branches(block, node.dtype, [
          { when: `${within} < ${update!.shape[axis]!}u`, give: (inner) => this.at(inner, update!.id, axes.map((a, i) => (i === axis ? within : a))) },
          { when: undefined, give: (inner) => this.value(inner, x!.id, at) },
        ]); // prettier-ignore
      }
      default:
        if (isElementwise(node.prim)) return this.elementwise(block, node as NodeOf<Elementwise>, at);
        throw new InternalError(`${node.prim} ${node.id} is neither in memory nor an expression`);
    }
  }

  private elementwise(block: Block, node: NodeOf<Elementwise>, at: At): string {
    const operands = node.inputs.map((id): Operand => {
      const operand = this.node(id);
      const place = operand.shape.length === 0 ? flatAt([], "0u") : at;
      const number = operand.prim === "constant" && operand.params.values.length === 1 ? operand.params.values[0] : undefined;
      return { text: this.value(block, id, place), dtype: operand.dtype, literal: number };
    });
    const { write } = expressions[node.prim] as { write: (c: Bindings, o: readonly Operand[], p: unknown) => string };
    return write(this.context.bindings, operands, node.params);
  }

  private random(block: Block, { params, inputs, shape }: NodeOf<"random">, at: At): string {
    const { bindings } = this.context;
    const key = this.key(block, inputs, params.site, params.stage);
    const [row, e] = this.rowOf(block, at, params.rowAxis, inputs[0]!, shape.length);
    const word = `${bindings.use("draw")}(${key}, ${row}, ${e})`;
    if (params.kind === "bits") return word;
    return `${bindings.use(params.kind === "uniform" ? "uniform_of" : "normal_of")}(${word})`;
  }

  /** The key of a draw, see graph/random.ts. */
  private key(block: Block, [rng, iteration]: readonly number[], site: string, stage: number): string {
    const word = (i: number): string => this.value(block, rng!, axesAt([4], [`${i}u`]));
    const counter = `${siteCounter(site, stage)}u`;
    const threefry = this.context.bindings.use("threefry");
    const key = block.let(`${threefry}(vec2u(${word(0)}, ${word(1)}), vec2u(${counter}, ${word(2)}))`, "key");
    if (iteration === undefined) return key;
    const i = this.value(block, iteration, flatAt([], "0u"));
    return block.let(`${threefry}(${key}, vec2u(bitcast<u32>(${i}), 0xffffffffu))`, "key");
  }

  /** Row and number within the row of an element of a draw. */
  private rowOf(block: Block, at: At, rowAxis: number | null, rng: number, rank: number): [string, string] {
    if (rowAxis === null || rank === 0) return ["0u", flatOf(block, at)];
    const axes = axesOf(block, at);
    const shape = at.shape.filter((_, i) => i !== rowAxis);
    const e = flatOf(block, axesAt(shape, axes.filter((_, i) => i !== rowAxis))); // prettier-ignore
    const offset = this.value(block, rng, axesAt([4], ["3u"]));
    return [block.let(`${axes[rowAxis]!} + ${offset}`, "i"), e];
  }

  private pad(block: Block, node: NodeOf<"pad">, at: At): string {
    const x = this.node(node.inputs[0]!);
    const { low, inside } = node.params;
    const tests: string[] = [];
    const axes = axesOf(block, at).map((axis, i) => {
      const step = inside[i]! + 1;
      const [extent, covered] = [x.shape[i]!, (x.shape[i]! - 1) * step + 1];
      if (covered === node.shape[i] && step === 1) return axis;
      // below the first one it wraps to a large number
      const t = low[i] === 0 ? axis : block.let(`${axis} - ${low[i]}u`, "i");
      tests.push(`${t} < ${Math.max(covered, 0)}u`);
      if (step === 1) return t;
      tests.push(`${t} % ${step}u == 0u`);
      return extent === 1 ? "0u" : block.let(`${t} / ${step}u`, "i");
    });
    if (tests.length === 0) return this.at(block, x.id, axes);
    return this.branches(block, node.dtype, [{ when: tests.join(" && "), give: (inner) => this.at(inner, x.id, axes) }]);
  }

  private concat(block: Block, node: NodeOf<"concat">, at: At): string {
    const { axis } = node.params;
    const axes = axesOf(block, at);
    let start = 0;
    return this.branches(
      block,
      node.dtype,
      node.inputs.map((id, j) => {
        const first = start;
        start += this.node(id).shape[axis]!;
        return {
          when: j === node.inputs.length - 1 ? undefined : `${axes[axis]!} < ${start}u`,
          give: (inner: Block) =>
            this.at(inner, id, axes.map((a, i) => (i === axis && first > 0 ? inner.let(`${a} - ${first}u`, "i") : a))), // prettier-ignore
        };
      }),
    );
  }

  /** The first branch whose condition holds; 0 where none does. */
  private branches(
    block: Block,
    dtype: DType,
    cases: readonly { readonly when: string | undefined; readonly give: (inner: Block) => string }[],
  ): string {
    const name = block.name("r");
    block.add(`var ${name} = ${dtype}(0);`);
    cases.forEach(({ when, give }, i) => {
      const inner = block.child();
      inner.add(`${name} = ${give(inner)};`);
      block.nest(i === 0 ? `if (${when ?? "true"})` : when === undefined ? "else" : `else if (${when})`, inner);
    });
    return name;
  }

  /** A runtime index, brought to where `size` entries fit. */
  private start(block: Block, index: number, extent: number, size: number): string {
    return block.let(`u32(clamp(${this.value(block, index, flatAt([], "0u"))}, 0i, ${extent - size}i))`, "i");
  }

  private at(block: Block, id: number, axes: readonly string[]): string {
    return this.value(block, id, axesAt(this.node(id).shape, axes));
  }

  private moved(id: number, flat: string): At {
    return flatAt(this.node(id).shape, flat);
  }

  private literal(value: number, dtype: DType): string {
    return literal(this.context.bindings, value, dtype);
  }

  private node(id: number): Node {
    return this.context.graph.nodes[id]!;
  }
}
