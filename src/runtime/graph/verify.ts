/**
 * Checks that a graph is one: ids in SSA order, shapes and dtypes as the rules give them, names that refer to something, one node a name.
 * A graph that fails is a bug of whoever built it: InternalError, with the node and what ran before.
 */
import { InternalError } from "./errors.js";
import { siteCounter } from "./random.js";
import { inferType, type ValueType } from "./shape-rules.js";
import { sameShape, showShape } from "./shape.js";
import type { Graph, NodeOf, Prim } from "./types.js";

export function verify(graph: Graph, after = "staging"): void {
  const fail = (message: string): never => {
    throw new InternalError(`after ${after}: ${message}`);
  };
  const states = new Map<string, ValueType>();
  const sites = new Map<number, string>();
  graph.nodes.forEach((node, id) => {
    const what = `node ${id} (${node.prim})`;
    if (node.id !== id) fail(`${what} has id ${node.id}`);
    for (const input of node.inputs)
      if (!Number.isInteger(input) || input < 0 || input >= id) fail(`${what} reads ${input}, which is not before it`);
    checkType(graph, node, (message) => fail(`${what}: ${message}`));
    if (node.prim === "input" || node.prim === "state") {
      const key = `${node.prim}:${node.params.name}`;
      if (states.has(key)) fail(`${what}: ${key} is read by two nodes`);
      states.set(key, node);
    }
    if (node.prim === "random" || node.prim === "randomCounts") {
      const counter = siteCounter(node.params.site, node.params.stage);
      const site = `${node.params.site}#${node.params.stage}`;
      if ((sites.get(counter) ?? site) !== site) fail(`the random sites ${sites.get(counter)} and ${site} share one hash`);
      sites.set(counter, site);
    }
  });
  for (const [name, id] of Object.entries(graph.outputs))
    if (graph.nodes[id] === undefined) fail(`output ${name} is node ${id}, which does not exist`);
  for (const [name, id] of Object.entries(graph.writes)) {
    const value = graph.nodes[id];
    if (value === undefined) return fail(`the write of ${name} is node ${id}, which does not exist`);
    const before = states.get(`state:${name}`);
    if (before !== undefined && (before.dtype !== value.dtype || !sameShape(before.shape, value.shape))) {
      fail(`state ${name} is ${before.dtype} ${showShape(before.shape)} and is written as ${value.dtype} ${showShape(value.shape)}`);
    }
  }
}

function checkType(graph: Graph, node: NodeOf<Prim>, fail: (message: string) => void): void {
  let type: ValueType;
  try {
    type = inferType(
      node.prim,
      node.params,
      node.inputs.map((id) => graph.nodes[id]!),
      node,
    );
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
  if (type.dtype !== node.dtype || !sameShape(type.shape, node.shape)) {
    fail(`says ${node.dtype} ${showShape(node.shape)}, the rule gives ${type.dtype} ${showShape(type.shape)}`);
  }
}
