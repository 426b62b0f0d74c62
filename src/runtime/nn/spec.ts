/**
 * Weights trees: which weights a model has, where they start, and how staged code gets them.
 *
 * A tree is plain data: `{ decoder: { dense1: dense.spec(50, 200) }, mu: param([10, 2]) }`. Its leaves are `LeafSpec`s; a leaf's
 * state name is its path, `decoder.dense1.kernel`. `materialize` turns a tree into tensors of the same form (`WeightsOf`), applying
 * constraints: the state holds an unconstrained value, the model sees the constrained one.
 */
import { sigmoid, sizeOf, softmax, softplus, state } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";
import { GmcError, InternalError, assertNever } from "../graph/errors.js";
import type { Shape } from "../graph/types.js";
import { evaluateInit, init as initialisers } from "./init.js";
import type { Init, InitContext } from "./init.js";

/**
 * The set a weight lives in, and how its state u maps to it:
 * `positive` softplus(u); `unit` sigmoid(u); `simplex` softmax(u) along the last axis.
 */
export type LeafConstraint = "none" | "positive" | "unit" | "simplex";

/** One array of the state store. */
export interface LeafSpec {
  readonly kind: "leaf";
  readonly shape: Shape;
  readonly init: Init;
  /** False for state that no optimiser moves: running statistics. */
  readonly trained: boolean;
  readonly constraint: LeafConstraint;
  /** Fan in and fan out where they cannot be read off the shape (grouped and transposed convolutions). */
  readonly fans?: readonly [number, number];
  /** It starts from what reaches its layer in the first batch, see start.ts; `init` holds until then. */
  readonly startsFromInput?: true;
}

declare const weightsType: unique symbol;

/** A layer's leaves by name; `W` is the record of tensors that the layer's function takes. */
export interface LayerSpec<W> {
  readonly kind: "layer";
  /** `dense` */
  readonly layer: string;
  readonly leaves: Readonly<Record<string, LeafSpec>>;
  readonly [weightsType]?: W;
}

export type SpecNode = LeafSpec | LayerSpec<unknown> | WeightSpecs | readonly SpecNode[];

/** A group of weights: nets, layers, parameters by name. */
export interface WeightSpecs {
  readonly [name: string]: SpecNode;
}

/** The tensors that staged code sees in place of a tree of specs. */
export type WeightsOf<T> = T extends LeafSpec ? Tensor : T extends LayerSpec<infer W> ? W : { readonly [K in keyof T]: WeightsOf<T[K]> };

export interface ParamOptions {
  readonly init?: Init;
  readonly constraint?: LeafConstraint;
  readonly trained?: boolean;
}

/** A free parameter of the model: one leaf. Starts from Normal(0, 0.01) unless told otherwise (from its centre where constrained). */
export function param(shape: Shape, options: ParamOptions = {}): LeafSpec {
  const constraint = options.constraint ?? "none";
  return { kind: "leaf", shape, init: options.init ?? defaultInit(constraint, shape), trained: options.trained ?? true, constraint };
}

function defaultInit(constraint: LeafConstraint, shape: Shape): Init {
  switch (constraint) {
    case "none":
      return initialisers.normal(0, 0.01);
    case "positive":
      return initialisers.ones;
    case "unit":
      return initialisers.constant(0.5);
    case "simplex":
      return initialisers.constant(1 / (shape.at(-1) ?? 1));
    default:
      return assertNever(constraint);
  }
}

/** For the layers of this folder: a trained leaf. */
export function leaf(shape: Shape, init: Init, fans?: readonly [number, number]): LeafSpec {
  return { kind: "leaf", shape, init, trained: true, constraint: "none", ...(fans ? { fans } : {}) };
}

/** For the layers of this folder: a leaf that no optimiser moves. */
export function untrained(shape: Shape, init: Init): LeafSpec {
  return { kind: "leaf", shape, init, trained: false, constraint: "none" };
}

/** For the layers of this folder. */
export function layerSpec<W>(layer: string, leaves: Readonly<Record<string, LeafSpec>>): LayerSpec<W> {
  return { kind: "layer", layer, leaves };
}

export interface LeafAt {
  readonly path: string;
  readonly spec: LeafSpec;
}

function isLeaf(node: SpecNode): node is LeafSpec {
  return (node as { kind?: unknown }).kind === "leaf";
}
function isLayer(node: SpecNode): node is LayerSpec<unknown> {
  return (node as { kind?: unknown }).kind === "layer";
}

/** Elements of a list are counted from 1, as in a `.gm` file: `block.1.dense1.kernel`. */
function childrenOf(node: Exclude<SpecNode, LeafSpec>): readonly (readonly [name: string, child: SpecNode])[] {
  if (isLayer(node)) return Object.entries(node.leaves);
  if (Array.isArray(node)) return (node as readonly SpecNode[]).map((child, i) => [String(i + 1), child] as const);
  return Object.entries(node as WeightSpecs);
}

/** All leaves of a tree with their paths, in the order they are written. */
export function leavesOf(specs: SpecNode, path = ""): readonly LeafAt[] {
  if (isLeaf(specs)) return [{ path, spec: specs }];
  return childrenOf(specs).flatMap(([name, child]) => leavesOf(child, path === "" ? name : `${path}.${name}`));
}

/** The leaves at or below a path: `decoder`, `decoder.dense1`, `mu`. Empty where there is no such path. */
export function leavesUnder(specs: SpecNode, path: string): readonly LeafAt[] {
  return leavesOf(specs).filter((at) => path === "" || at.path === path || at.path.startsWith(`${path}.`));
}

/** Number of trained scalars. */
export function countParameters(specs: SpecNode): number {
  return leavesOf(specs).reduce((total, { spec }) => total + (spec.trained ? sizeOf(spec.shape) : 0), 0);
}

/**
 * The tensors of a tree within the current trace. `read` gives the state of a leaf (its unconstrained value); by default the trace's
 * `state` node under the leaf's path. Pass another to differentiate in copies, or to read a moving average.
 */
export function materialize<T extends SpecNode>(specs: T, read: (at: LeafAt) => Tensor = readState, path = ""): WeightsOf<T> {
  const build = (node: SpecNode, at: string): unknown => {
    if (isLeaf(node)) return constrained(node.constraint, read({ path: at, spec: node }));
    const children = childrenOf(node).map(([name, child]) => [name, build(child, at === "" ? name : `${at}.${name}`)] as const);
    return Array.isArray(node) ? children.map(([, value]) => value) : Object.fromEntries(children);
  };
  return build(specs, path) as WeightsOf<T>;
}

/** The state node of a leaf: its unconstrained value, what gradients are taken in and optimisers move. */
export function readState(at: LeafAt): Tensor {
  return state(at.path, at.spec.shape);
}

/** State -> value. */
export function constrained(constraint: LeafConstraint, stored: Tensor): Tensor {
  switch (constraint) {
    case "none":
      return stored;
    case "positive":
      return softplus(stored);
    case "unit":
      return sigmoid(stored);
    case "simplex":
      return softmax(stored, -1);
    default:
      return assertNever(constraint);
  }
}

/** The state of a leaf before the first step: its initialiser's values, mapped into the unconstrained space. Throws GM4503 where they lie outside. */
export function initialState(spec: LeafSpec, context: InitContext): Float64Array {
  return unconstrained(spec, evaluateInit(spec.init, spec.shape, { fans: spec.fans, ...context }), context.path);
}

/** State -> value on the host. */
export function constrainedValues(spec: Pick<LeafSpec, "constraint" | "shape">, stored: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(stored);
  switch (spec.constraint) {
    case "none":
      return values;
    case "positive":
      return values.map((u) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u))));
    case "unit":
      return values.map((u) => 1 / (1 + Math.exp(-u)));
    case "simplex": {
      const width = spec.shape.at(-1) ?? 1;
      for (let start = 0; start < values.length; start += width) {
        const row = values.subarray(start, start + width);
        const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
        const total = row.reduce((sum, u) => sum + Math.exp(u - top), 0);
        row.forEach((u, i) => (row[i] = Math.exp(u - top) / total));
      }
      return values;
    }
    default:
      return assertNever(spec.constraint);
  }
}

/** Value -> state, the inverse of `constrained`, on the host. */
export function unconstrained(spec: LeafSpec, values: Float64Array, path: string): Float64Array {
  const refuse = (value: number, expected: string): never => {
    throw new GmcError("GM4503", `\`${path}\` is ${spec.constraint} and cannot start at ${value}: ${expected}`);
  };
  switch (spec.constraint) {
    case "none":
      return values;
    case "positive":
      // softplus^-1(v) = log(exp(v) - 1) = v + log(1 - exp(-v))
      return values.map((v) => (v > 0 && v < Infinity ? v + Math.log(-Math.expm1(-v)) : refuse(v, "start above 0")));
    case "unit":
      return values.map((v) => (v > 0 && v < 1 ? Math.log(v) - Math.log1p(-v) : refuse(v, "start strictly between 0 and 1")));
    case "simplex": {
      const width = spec.shape.at(-1);
      if (width === undefined) throw new InternalError(`simplex leaf ${path} without an axis`);
      const out = values.map((v) => (v > 0 && v < Infinity ? Math.log(v) : refuse(v, "every entry starts above 0")));
      for (let start = 0; start < out.length; start += width) {
        const row = out.subarray(start, start + width);
        const centre = row.reduce((a, b) => a + b, 0) / width;
        row.forEach((v, i) => (row[i] = v - centre));
      }
      return out;
    }
    default:
      return assertNever(spec.constraint);
  }
}
