/** Common subexpressions: equal primitives over equal operands become one node. Draws merge only where site, stage and iteration agree. */
import { emit, type Peephole, type Tensor } from "../trace.js";
import type { Graph, Prim, PrimParams } from "../types.js";
import { rewritePass, type Pass } from "./pass.js";

export const cse: Pass = rewritePass("cse", merging);

/** Named, so one node each already. */
const SOURCES: ReadonlySet<Prim> = new Set<Prim>(["input", "state"]);
const COMMUTATIVE: ReadonlySet<Prim> = new Set<Prim>(["add", "mul", "eq", "and", "or"]);

function merging(): Peephole {
  const seen = new Map<string, Tensor>();
  // Staged below, a node comes through here a second time: let it pass.
  let passing = false;
  return (prim: Prim, inputs, params, declared) => {
    if (passing || SOURCES.has(prim)) return undefined;
    const ids = inputs.map((t) => t.id);
    if (COMMUTATIVE.has(prim)) ids.sort((a, b) => a - b);
    // Of a node with operands these decide the type, but for a draw's shape.
    const type = declared === undefined || (ids.length > 0 && prim !== "random") ? "" : `${declared.dtype}[${declared.shape.join()}]`;
    const key = `${prim} ${ids.join()} ${showParams(params)}${type}`;
    const before = seen.get(key);
    if (before !== undefined) return before;
    passing = true;
    const made = emit(prim, inputs, params, declared);
    passing = false;
    seen.set(key, made);
    return made;
  };
}

/** Long literals are compared by identity: two of them are hardly ever equal, and writing them out takes long. */
const LONG = 256;
const literals = new WeakMap<readonly number[], number>();
let literalCount = 0;

function showParams(params: PrimParams[Prim]): string {
  if ("values" in params && params.values.length > LONG) {
    const number = literals.get(params.values) ?? ++literalCount;
    literals.set(params.values, number);
    return `literal ${number}`;
  }
  let text = "";
  for (const key in params) text += `${key}=${show((params as Readonly<Record<string, unknown>>)[key])};`;
  return text;
}

/** Unlike JSON, tells NaN, the infinities and -0 apart; and takes a tenth of the time. */
function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (isBody(value)) return showBody(value);
  if (!Array.isArray(value)) return Object.is(value, -0) ? "-0" : String(value);
  let text = "[";
  for (const item of value) text += `${show(item)},`;
  return text;
}

const isBody = (value: unknown): value is Graph => typeof value === "object" && value !== null && "nodes" in value;
const bodies = new WeakMap<Graph, string>();

/** The graph of a fixed point by what it computes: a flow that is inverted twice at one value is inverted once. */
function showBody(body: Graph): string {
  const before = bodies.get(body);
  if (before !== undefined) return before;
  const lines = body.nodes.map((n) => `${n.prim} ${n.inputs.join()} ${showParams(n.params)}${n.dtype}[${n.shape.join()}]`);
  const text = `{${lines.join("|")} ${JSON.stringify(body.outputs)}}`;
  bodies.set(body, text);
  return text;
}
