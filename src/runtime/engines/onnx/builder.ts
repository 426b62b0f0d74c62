/**
 * An ONNX model under construction, and the values in it. Takes operators one by one, gives names; constants are shared.
 * A `Value` may be kept smaller than the graph's node it stands for: ONNX operators stretch their operands by numpy's rule, so what the graph
 * broadcasts is stretched only where an operator cannot (`full`).
 */
import { sameShape, sizeOf } from "../../graph/shape.js";
import type { DType, Shape } from "../../graph/types.js";
import { type ElementType, type OnnxAttribute, type OnnxModel, type OnnxNode, type OnnxTensor, type OnnxValue } from "./proto.js";

/** A tensor of the model. Its shape broadcasts to the shape of the node it stands for. */
export interface Value {
  readonly name: string;
  readonly shape: Shape;
  /** What a product that reads it still has to multiply by (see patterns.ts); 1 if left out. */
  readonly factor?: number;
  /** The same elements as a matrix, leading axes folded into rows, where a product made it so. */
  readonly folded?: string;
}

export const int = (value: number): OnnxAttribute => ({ kind: "int", value });
export const ints = (value: readonly number[]): OnnxAttribute => ({ kind: "ints", value });
export const float = (value: number): OnnxAttribute => ({ kind: "float", value });

export type Attributes = Readonly<Record<string, OnnxAttribute>>;

/** ONNX Runtime's own operators. */
export const contrib = "com.microsoft";

export class ModelBuilder {
  private readonly nodes: OnnxNode[] = [];
  private readonly initializers: (readonly [string, OnnxTensor])[] = [];
  private readonly inputs: OnnxValue[] = [];
  private readonly outputs: OnnxValue[] = [];
  /** constants and repeated operators by content */
  private readonly shared = new Map<string, string>();
  private count = 0;

  /** Given to the operators that follow, so that profiles and ORT's errors lead back to the node. */
  label = "";

  constructor(private readonly name: string) {}

  op(op: string, inputs: readonly string[], attributes: Attributes = {}, domain = ""): string {
    return this.ops(op, inputs, 1, attributes, domain)[0]!;
  }

  /** An operator with several results. */
  ops(op: string, inputs: readonly string[], results: number, attributes: Attributes = {}, domain = ""): readonly string[] {
    const outputs = Array.from({ length: results }, () => this.fresh());
    this.nodes.push({ op, domain, name: `${this.label}/${outputs[0]}`, inputs, outputs, attributes });
    return outputs;
  }

  /** As `op`, but the same operator on the same operands is one node. For small helpers; the graph itself comes without repetitions. */
  once(op: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.share(`${op}(${inputs.join(",")})${JSON.stringify(attributes)}`, () => this.op(op, inputs, attributes));
  }

  input(name: string, type: ElementType, shape: Shape): string {
    this.inputs.push({ name, type, shape });
    return name;
  }

  /** Gives a value to the outside under `name`. */
  output(name: string, type: ElementType, shape: Shape, value: string): void {
    this.nodes.push({ op: "Identity", domain: "", name, inputs: [value], outputs: [name], attributes: {} });
    this.outputs.push({ name, type, shape });
  }

  f32(values: readonly number[], shape: Shape = []): string {
    return this.constant("f32", shape, Float32Array.from(values));
  }

  f64(value: number): string {
    return this.constant("f64", [], Float64Array.of(value));
  }

  /** Shapes, axes and bounds are i64 vectors in ONNX. */
  i64(values: readonly number[], shape: Shape = [values.length]): string {
    return this.constant("i64", shape, BigInt64Array.from(values, BigInt));
  }

  /** Constants of the graph's own types. */
  literal(dtype: DType, values: readonly number[], shape: Shape): string {
    switch (dtype) {
      case "f32":
        return this.f32(values, shape);
      case "i32":
        return this.constant("i32", shape, Int32Array.from(values));
      case "u32":
        return this.constant("u32", shape, Uint32Array.from(values));
      case "bool":
        return this.constant(
          "bool",
          shape,
          Uint8Array.from(values, (value) => (value === 0 ? 0 : 1)),
        );
    }
  }

  finish(): OnnxModel {
    return {
      name: this.name,
      nodes: renameOutputs(this.read()),
      initializers: this.initializers,
      inputs: this.inputs,
      outputs: this.outputs,
    };
  }

  /** The nodes that lead to an output. */
  private read(): readonly OnnxNode[] {
    const wanted = new Set(this.outputs.map((output) => output.name));
    const nodes = [...this.nodes].reverse().filter((node) => {
      const used = node.outputs.some((output) => wanted.has(output));
      if (used) for (const input of node.inputs) wanted.add(input);
      return used;
    });
    return nodes.reverse();
  }

  private constant(
    type: ElementType,
    shape: Shape,
    data: Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array | BigInt64Array,
  ): string {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const add = (): string => {
      const name = this.fresh();
      this.initializers.push([name, { type, shape, bytes }]);
      return name;
    };
    return data.length <= 16 ? this.share(`${type}[${shape.join(",")}]${bytes.join(",")}`, add) : add();
  }

  private share(key: string, make: () => string): string {
    const before = this.shared.get(key);
    if (before !== undefined) return before;
    const name = make();
    this.shared.set(key, name);
    return name;
  }

  private fresh(): string {
    return `v${this.count++}`;
  }
}

/**
 * Outputs are written as an Identity of the value, which would copy it. Where the value is made by a node of ours and leaves under one name
 * only, the node gets that name itself.
 */
function renameOutputs(nodes: readonly OnnxNode[]): OnnxNode[] {
  const made = new Set(nodes.filter((node) => node.op !== "Identity").flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  const copies = new Set<OnnxNode>();
  for (const node of nodes) {
    const [from, to] = [node.inputs[0], node.outputs[0]];
    if (node.op !== "Identity" || from === undefined || to === undefined || !made.has(from) || renamed.has(from)) continue;
    renamed.set(from, to);
    copies.add(node);
  }
  const rename = (name: string): string => renamed.get(name) ?? name;
  return nodes
    .filter((node) => !copies.has(node))
    .map((node) => ({ ...node, inputs: node.inputs.map(rename), outputs: node.outputs.map(rename) }));
}

/** `value` under exactly `shape`, as an operand that is not stretched by its operator. */
export function full(b: ModelBuilder, value: Value, shape: Shape): string {
  if (sameShape(value.shape, shape)) return value.name;
  const wanted = b.i64(shape);
  return b.once(sizeOf(value.shape) === sizeOf(shape) ? "Reshape" : "Expand", [value.name, wanted]);
}

/** The extents of a value aligned at the right with a shape of `rank` axes. */
export function padded(shape: Shape, rank: number): Shape {
  return [...new Array<number>(rank - shape.length).fill(1), ...shape];
}
