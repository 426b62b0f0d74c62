/**
 * Staging: runs a function once with symbolic tensors and gives the graph it built.
 * Inputs and state are concrete in shape; another batch size is staged again.
 */
import { GmcError } from "./errors.js";
import { stabilise } from "./passes/stability-rules.js";
import { sameShape, showShape } from "./shape.js";
import {
  currentTrace,
  emit,
  finish,
  producer,
  source,
  withOrigin,
  withTrace,
  type Mode,
  type Peephole,
  type Tensor,
  type Trace,
} from "./trace.js";
import type { DType, Graph, NodeOf, Prim, Shape } from "./types.js";

export interface InputSpec {
  readonly shape: Shape;
  /** f32 by default */
  readonly dtype?: DType;
}

export type InputSpecs = Readonly<Record<string, InputSpec>>;

export interface StageOptions {
  /** "train" by default */
  readonly mode?: Mode;
  /** State entries that start in this stage, see nn/start.ts. */
  readonly starts?: ReadonlySet<string>;
}

/** Stages `fn` over named inputs; what it returns are the graph's outputs, what it wrote with `writeState` its writes. */
export function stage<S extends InputSpecs>(
  inputs: S,
  fn: (inputs: { readonly [K in keyof S]: Tensor }) => Readonly<Record<string, Tensor>>,
  options: StageOptions = {},
): Graph {
  const { trace, result } = withTrace({ mode: options.mode ?? "train", peephole: stabilise, starts: options.starts }, () => {
    const tensors = Object.fromEntries(Object.entries(inputs).map(([name, spec]) => [name, input(name, spec.shape, spec.dtype)]));
    return fn(tensors as { readonly [K in keyof S]: Tensor });
  });
  return finish(trace, result);
}

/** An external value by name; asked for again, the same tensor. */
export function input(name: string, shape: Shape, dtype: DType = "f32"): Tensor {
  return source("input", name, { shape, dtype });
}

/** A named entry of the state store: its value before this call. */
export function state(name: string, shape: Shape, dtype: DType = "f32"): Tensor {
  return source("state", name, { shape, dtype });
}

/** The iteration of a `repeat` stage: i32 scalar 0, 1, … */
export function iterationInput(): Tensor {
  return input("iteration", [], "i32");
}

/** Sets what the state entry `to` holds after this call. A later write of the same entry replaces an earlier one. */
export function writeState(to: Tensor, value: Tensor): void {
  const node = producer(to);
  if (node.prim !== "state") throw new GmcError("GM4905", "writeState takes a tensor that came from the state store");
  if (to.dtype !== value.dtype || !sameShape(to.shape, value.shape)) {
    throw new GmcError(
      "GM4905",
      `state ${node.params.name} is ${to.dtype} ${showShape(to.shape)} and cannot take ${value.dtype} ${showShape(value.shape)}`,
    );
  }
  currentTrace().writes.set(node.params.name, value);
}

/** Whether the current stage is for training. */
export function currentMode(): Mode {
  return currentTrace().mode;
}

/** Replays `graph` in the current trace: `feeds` stand for its inputs (others stay inputs). Gives its outputs; its writes become this trace's. */
export function inline(graph: Graph, feeds: Readonly<Record<string, Tensor>> = {}): Record<string, Tensor> {
  const made = replay(graph, feeds);
  for (const [name, id] of Object.entries(graph.writes)) currentTrace().writes.set(name, made[id]!);
  return Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, made[id]!]));
}

/** Emits every node of `graph` in the current trace; gives the tensor of each. */
export function replay(graph: Graph, feeds: Readonly<Record<string, Tensor>> = {}): Tensor[] {
  const made: Tensor[] = [];
  for (const node of graph.nodes) {
    made.push(
      withOrigin(node.origin, () => {
        if (node.prim === "input" && Object.hasOwn(feeds, node.params.name)) return feeds[node.params.name]!;
        if (node.prim === "input" || node.prim === "state") return source(node.prim, node.params.name, node);
        return emitLike(
          node as NodeOf<Prim>,
          node.inputs.map((id) => made[id]!),
        );
      }),
    );
  }
  return made;
}

function emitLike(node: NodeOf<Prim>, inputs: readonly Tensor[]): Tensor {
  return emit(node.prim, inputs, node.params, node);
}

/** `graph` built again under `peephole`, which may put an equal value in the place of any node. Nothing is dropped. */
export function rebuild(graph: Graph, peephole: Peephole | undefined): Graph {
  const run = (trace: Trace): Record<string, Tensor> => {
    const made = replay(graph);
    for (const [name, id] of Object.entries(graph.writes)) trace.writes.set(name, made[id]!);
    return Object.fromEntries(Object.entries(graph.outputs).map(([name, id]) => [name, made[id]!]));
  };
  const { trace, result } = withTrace(peephole === undefined ? {} : { peephole }, run);
  return finish(trace, result);
}
