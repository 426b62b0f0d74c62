/**
 * The trace: the one place where a graph under construction lives. `emit` appends a node after the shape rule has passed on it.
 * One trace is current at a time (staging is synchronous); a Tensor belongs to the trace that made it.
 */
import { GmcError, InternalError } from "./errors.js";
import { siteCounter } from "./random.js";
import { inferType, type ValueType } from "./shape-rules.js";
import { sameShape, showShape } from "./shape.js";
import type { DType, Graph, Node, NodeOf, Origin, Prim, PrimParams, Shape } from "./types.js";

/** A symbolic value of the current trace. */
export interface Tensor {
  readonly shape: Shape;
  readonly dtype: DType;
  /** index of its node */
  readonly id: number;
  /** number of the trace it belongs to */
  readonly trace: number;
}

/** A number stands for a constant of rank 0 in the other operand's dtype. */
export type TensorLike = Tensor | number;

/** Layers such as dropout and batch norm behave differently in training. */
export type Mode = "train" | "eval";

/** May replace a primitive that is about to be emitted by an equal value; undefined leaves it. */
export type Peephole = (
  prim: Prim,
  inputs: readonly Tensor[],
  params: PrimParams[Prim],
  declared: ValueType | undefined,
) => Tensor | undefined;

type Draft = { -readonly [K in keyof NodeOf<Prim>]: NodeOf<Prim>[K] };

/** A part of an objective, where it stands, and its value. */
export interface Mark extends Origin {
  readonly value: Tensor;
}

/** What must be above 0 for the stage to mean anything, see checks.ts. */
export interface Check {
  /** f32, of rank 0. */
  readonly value: Tensor;
  /** Of how many steps of a training one looks at it: 1, or more where it costs more than a step. */
  readonly every: number;
  /** What to say where it is not; -Infinity where it is no number that one could name. `when` follows the sentence: " at step 3 of train". */
  readonly failed: (value: number | undefined, when: string) => GmcError;
}

export interface Trace {
  readonly number: number;
  readonly mode: Mode;
  readonly nodes: Draft[];
  readonly writes: Map<string, Tensor>;
  /** parts of the objective that are metrics, in order */
  readonly terms: { readonly label: string; readonly value: Tensor }[];
  /** what an update minimises beside its objective */
  readonly auxiliary: Tensor[];
  /** every value that was given an origin, in order */
  readonly marks: Mark[];
  readonly checks: Check[];
  /** sources by name, so that a name is one node */
  readonly sources: Map<string, Tensor>;
  /** constants of rank 0 by dtype and value */
  readonly scalars: Map<string, Tensor>;
  /** counter word -> site of the draws so far */
  readonly sites: Map<number, string>;
  readonly peephole: Peephole | undefined;
  /** state entries that this stage starts from what reaches their layers (see nn/start.ts) */
  readonly starts: ReadonlySet<string> | undefined;
  /** given to nodes as they are emitted */
  origin: Origin | undefined;
  /** nodes before it have been offered an origin by `term` */
  marker: number;
}

let current: Trace | undefined;
let traces = 0;

export function currentTrace(): Trace {
  if (current === undefined) {
    throw new GmcError("GM4903", "a tensor operation was called outside staging", ["Call it inside the function given to stage(…)."]);
  }
  return current;
}

/** Runs `fn` with a fresh current trace and gives both back. */
export function withTrace<T>(
  options: { readonly mode?: Mode; readonly peephole?: Peephole; readonly starts?: ReadonlySet<string> | undefined },
  fn: (trace: Trace) => T,
): { trace: Trace; result: T } {
  const outer = current;
  const trace: Trace = {
    number: ++traces,
    mode: options.mode ?? "train",
    nodes: [],
    writes: new Map(),
    terms: [],
    auxiliary: [],
    marks: [],
    checks: [],
    sources: new Map(),
    scalars: new Map(),
    sites: new Map(),
    peephole: options.peephole,
    starts: options.starts,
    origin: undefined,
    marker: 0,
  };
  current = trace;
  try {
    return { trace, result: fn(trace) };
  } finally {
    current = outer;
  }
}

/** Runs `fn` with `origin` given to what it emits. */
export function withOrigin<T>(origin: Origin | undefined, fn: () => T): T {
  const trace = currentTrace();
  const outer = trace.origin;
  trace.origin = origin;
  try {
    return fn();
  } finally {
    trace.origin = outer;
  }
}

/** Appends a node (or takes what the trace's peephole puts in its place). Sources give their own type as `declared`. */
export function emit<P extends Prim>(prim: P, inputs: readonly Tensor[], params: PrimParams[P], declared?: ValueType): Tensor {
  const trace = currentTrace();
  for (const input of inputs) {
    if (input.trace !== trace.number) {
      throw new GmcError("GM4903", `${prim} was given a tensor of another stage`, [
        "Pass it in as an input of the stage, or keep it as state.",
      ]);
    }
  }
  const type = inferType(prim, params, inputs, declared);
  const replaced = trace.peephole?.(prim, inputs, params, declared);
  if (replaced !== undefined) {
    if (replaced.dtype !== type.dtype || !sameShape(replaced.shape, type.shape)) {
      throw new InternalError(
        `a rewrite of ${prim} changed ${type.dtype} ${showShape(type.shape)} to ${replaced.dtype} ${showShape(replaced.shape)}`,
      );
    }
    return replaced;
  }
  if (prim === "random" || prim === "randomCounts") checkSite(trace, params as PrimParams["randomCounts"]);
  const id = trace.nodes.length;
  trace.nodes.push({ id, prim, inputs: inputs.map((t) => t.id), params, shape: type.shape, dtype: type.dtype, origin: trace.origin });
  return { id, trace: trace.number, shape: type.shape, dtype: type.dtype };
}

/** Two sites that hash to one counter word would draw the same numbers unnoticed. */
function checkSite(trace: Trace, params: PrimParams["randomCounts"]): void {
  const counter = siteCounter(params.site, params.stage);
  const site = `${params.site}#${params.stage}`;
  const before = trace.sites.get(counter);
  if (before !== undefined && before !== site) throw new InternalError(`the random sites ${before} and ${site} share one hash; rename one`);
  trace.sites.set(counter, site);
}

/** The node that made `t`. */
export function producer(t: Tensor): Node {
  const node = currentTrace().nodes[t.id];
  if (node === undefined) throw new InternalError(`tensor ${t.id} has no node`);
  return node as Node;
}

/** The Tensor of a node of the current trace. */
export function tensorOf(id: number): Tensor {
  const trace = currentTrace();
  const node = trace.nodes[id];
  if (node === undefined) throw new InternalError(`no node ${id}`);
  return { id, trace: trace.number, shape: node.shape, dtype: node.dtype };
}

/** A source by name: the same node each time. */
export function source(prim: "input" | "state", name: string, type: ValueType): Tensor {
  const trace = currentTrace();
  const key = `${prim}:${name}`;
  const before = trace.sources.get(key);
  if (before === undefined) {
    const made = emit(prim, [], { name }, { shape: [...type.shape], dtype: type.dtype });
    trace.sources.set(key, made);
    return made;
  }
  if (before.dtype !== type.dtype || !sameShape(before.shape, type.shape)) {
    throw new GmcError(
      "GM4901",
      `${prim} ${name} is used as ${before.dtype} ${showShape(before.shape)} and as ${type.dtype} ${showShape(type.shape)}`,
    );
  }
  return before;
}

/** A constant of rank 0. */
export function scalar(value: number, dtype: DType = "f32"): Tensor {
  const trace = currentTrace();
  const key = `${dtype}:${Object.is(value, -0) ? "-0" : value}`;
  const before = trace.scalars.get(key);
  if (before !== undefined) return before;
  const made = emit("constant", [], { values: [value] }, { shape: [], dtype });
  trace.scalars.set(key, made);
  return made;
}

/** The finished graph. */
export function finish(trace: Trace, outputs: Readonly<Record<string, Tensor>>): Graph {
  const id = (name: string, tensor: Tensor): number => {
    if (tensor.trace !== trace.number) throw new GmcError("GM4903", `output ${name} belongs to another stage`);
    return tensor.id;
  };
  const ids = (entries: Iterable<readonly [string, Tensor]>): Record<string, number> =>
    Object.fromEntries([...entries].map(([name, t]) => [name, id(name, t)]));
  return { nodes: trace.nodes as unknown as readonly Node[], outputs: ids(Object.entries(outputs)), writes: ids(trace.writes) };
}
