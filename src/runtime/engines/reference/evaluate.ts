/**
 * Evaluates a graph, or a function over Tensors, in float64 on plain numbers: for tests, for constants, for looking at things.
 */
import { GmcError } from "../../graph/errors.js";
import { sizeOf } from "../../graph/shape.js";
import { stage, type StageOptions } from "../../graph/stage.js";
import type { Tensor } from "../../graph/trace.js";
import type { DType, Graph, Shape } from "../../graph/types.js";
import { interpret, type GraphResult } from "../../graph/semantics/interpret.js";
import { valueOf, type Value } from "../../graph/semantics/value.js";

/** A number, a list (one axis), or numbers with a shape. */
export type Feed = number | ArrayLike<number> | { readonly shape: Shape; readonly dtype?: DType; readonly data: ArrayLike<number> };
export type Feeds = Readonly<Record<string, Feed>>;

/** Outputs of `graph`. Feeds are inputs and state entries by name; their shape is that of the node, so a flat list will do. */
export function evaluate(graph: Graph, feeds: Feeds = {}): Record<string, Value> {
  return evaluateAll(graph, feeds).outputs;
}

/** Outputs and state writes. */
export function evaluateAll(graph: Graph, feeds: Feeds = {}): GraphResult {
  const sources = new Map<string, Value>();
  for (const node of graph.nodes) {
    if (node.prim !== "input" && node.prim !== "state") continue;
    const { name } = node.params;
    const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
    if (feed === undefined) throw new GmcError("GM4906", `the ${node.prim} ${name} has no value`);
    sources.set(`${node.prim}:${name}`, valueOf(node.shape, node.dtype, numbersOf(feed)));
  }
  return interpret(graph, (prim, name) => sources.get(`${prim}:${name}`));
}

/** Stages `fn` with tensors shaped as `feeds` (f32 unless said otherwise) and evaluates what it gives. */
export function compute(
  fn: (inputs: Record<string, Tensor>) => Tensor,
  feeds?: Feeds,
  options?: StageOptions & { readonly rng?: ArrayLike<number> },
): Value;
export function compute(
  fn: (inputs: Record<string, Tensor>) => Readonly<Record<string, Tensor>>,
  feeds?: Feeds,
  options?: StageOptions & { readonly rng?: ArrayLike<number> },
): Record<string, Value>;
export function compute(
  fn: (inputs: Record<string, Tensor>) => Tensor | Readonly<Record<string, Tensor>>,
  feeds: Feeds = {},
  options: StageOptions & { readonly rng?: ArrayLike<number> } = {},
): Value | Record<string, Value> {
  const specs = Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [name, { shape: shapeOf(feed), dtype: dtypeOf(feed) }]));
  let single = false;
  const graph = stage(
    specs,
    (inputs) => {
      const result = fn(inputs);
      single = isTensor(result);
      return isTensor(result) ? { result } : result;
    },
    options,
  );
  const outputs = evaluate(graph, { rng: options.rng ?? [0, 0, 0, 0], ...feeds });
  return single ? outputs["result"]! : outputs;
}

function isTensor(x: Tensor | Readonly<Record<string, Tensor>>): x is Tensor {
  return typeof x.trace === "number";
}

function numbersOf(feed: Feed): ArrayLike<number> {
  if (typeof feed === "number") return [feed];
  return "data" in feed ? feed.data : feed;
}

function shapeOf(feed: Feed): Shape {
  if (typeof feed === "number") return [];
  if (!("data" in feed)) return [feed.length];
  if (sizeOf(feed.shape) !== feed.data.length)
    throw new GmcError("GM4906", `${feed.data.length} numbers do not fill [${feed.shape.join(", ")}]`);
  return feed.shape;
}

function dtypeOf(feed: Feed): DType {
  return typeof feed === "object" && "data" in feed ? (feed.dtype ?? "f32") : "f32";
}
