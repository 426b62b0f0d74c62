/**
 * Writes ONNX models. Takes a plain description of a model, gives the bytes of a `ModelProto`.
 *
 * ONNX is Protocol Buffers, of which a writer needs three wire types (varint, 32 bits, length-delimited) and about thirty field numbers;
 * a protobuf library would be a dependency many times the size of this file. Field numbers: onnx.proto3 of ONNX 1.16.
 */

/** TensorProto.DataType */
export const elementType = { f32: 1, u8: 2, i32: 6, i64: 7, bool: 9, f64: 11, u32: 12 } as const;
export type ElementType = keyof typeof elementType;

export interface OnnxTensor {
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Little-endian elements in C order. */
  readonly bytes: Uint8Array;
}

export type OnnxAttribute =
  | { readonly kind: "int"; readonly value: number }
  | { readonly kind: "float"; readonly value: number }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "ints"; readonly value: readonly number[] };

export interface OnnxNode {
  readonly op: string;
  /** "" is ONNX's own domain. */
  readonly domain: string;
  readonly name: string;
  /** "" leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

export interface OnnxValue {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
}

export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  readonly initializers: readonly (readonly [name: string, tensor: OnnxTensor])[];
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
}

/** Domain versions of the models we write: the newest that onnxruntime 1.20 and later all run. */
const irVersion = 10;
const opsets: readonly (readonly [domain: string, version: number])[] = [
  ["", 21],
  ["com.microsoft", 1],
];

export function encodeModel(model: OnnxModel): Uint8Array {
  return new Message()
    .int(1, irVersion)
    .text(2, "gmc")
    .message(7, encodeGraph(model))
    .all(8, opsets, ([domain, version]) => new Message().text(1, domain).int(2, version))
    .finish();
}

function encodeGraph(model: OnnxModel): Message {
  return new Message()
    .all(1, model.nodes, encodeNode)
    .text(2, model.name)
    .all(5, model.initializers, ([name, tensor]) => encodeTensor(name, tensor))
    .all(11, model.inputs, encodeValue)
    .all(12, model.outputs, encodeValue);
}

function encodeNode(node: OnnxNode): Message {
  const message = new Message();
  for (const input of node.inputs) message.text(1, input);
  for (const output of node.outputs) message.text(2, output);
  return message
    .text(3, node.name)
    .text(4, node.op)
    .all(5, Object.entries(node.attributes), ([name, attribute]) => encodeAttribute(name, attribute))
    .text(7, node.domain);
}

function encodeAttribute(name: string, attribute: OnnxAttribute): Message {
  const message = new Message().text(1, name);
  switch (attribute.kind) {
    case "float":
      return message.float(2, attribute.value).int(20, 1);
    case "int":
      return message.int(3, attribute.value).int(20, 2);
    case "string":
      return message.text(4, attribute.value).int(20, 3);
    case "ints":
      return message.ints(8, attribute.value).int(20, 7);
  }
}

function encodeTensor(name: string, tensor: OnnxTensor): Message {
  return new Message().ints(1, tensor.shape).int(2, elementType[tensor.type]).text(8, name).bytes(9, tensor.bytes);
}

function encodeValue(value: OnnxValue): Message {
  const shape = new Message().all(1, value.shape, (size) => new Message().int(1, size));
  const tensor = new Message().int(1, elementType[value.type]).message(2, shape);
  return new Message().text(1, value.name).message(2, new Message().message(1, tensor));
}

/** A protobuf message under construction: chunks, joined once at the end. */
class Message {
  private readonly chunks: Uint8Array[] = [];
  private length = 0;

  /** Integers are 64-bit varints; negative ones take two's complement in ten bytes. */
  int(field: number, value: number): this {
    return this.push(varint(field * 8)).push(varint(value));
  }

  ints(field: number, values: readonly number[]): this {
    for (const value of values) this.int(field, value);
    return this;
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.push(varint(field * 8 + 5)).push(bytes);
  }

  bytes(field: number, value: Uint8Array): this {
    return this.push(varint(field * 8 + 2))
      .push(varint(value.length))
      .push(value);
  }

  text(field: number, value: string): this {
    return this.bytes(field, utf8.encode(value));
  }

  message(field: number, value: Message): this {
    this.push(varint(field * 8 + 2)).push(varint(value.length));
    for (const chunk of value.chunks) this.push(chunk);
    return this;
  }

  all<T>(field: number, values: readonly T[], encode: (value: T) => Message): this {
    for (const value of values) this.message(field, encode(value));
    return this;
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const chunk of this.chunks) {
      out.set(chunk, at);
      at += chunk.length;
    }
    return out;
  }

  private push(chunk: Uint8Array): this {
    this.chunks.push(chunk);
    this.length += chunk.length;
    return this;
  }
}

const utf8 = new TextEncoder();

function varint(value: number): Uint8Array {
  if (value >= 0 && value < 128) return Uint8Array.of(value);
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest >= 128n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}
