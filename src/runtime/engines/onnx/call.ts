/**
 * Runs one graph: the steps of its plan one after the other, over regions that are there before the first run. Takes a graph and the outputs
 * wanted from it; what a name means to an `input` node (an earlier stage's output, or a feed of the run) is asked of the program.
 */
import type * as Ort from "onnxruntime-node";
import { InternalError } from "../../graph/errors.js";
import type { Graph, Node } from "../../graph/types.js";
import { guardWrites } from "./guards.js";
import { bernoulliKernel, hostKernel, type HostRun } from "./host.js";
import { partWrites, writePart } from "./in-place.js";
import { lowerModel, type LoweredModel, type ModelPort } from "./lower.js";
import type { Arena, Region } from "./memory.js";
import { createSession, failed, type OrtModule, type SessionOptions } from "./ort.js";
import { reuseReductions } from "../../graph/passes/reuse-reductions.js";
import { planGraph, type HostStep, type ModelStep, type Plan } from "./plan.js";
import { encodeModel } from "./proto.js";
import type { Store } from "./store.js";

/** Values of one run by the name of an `input` node. */
export interface Inputs {
  /** for onnxruntime: no copy */
  readonly tensor: (name: string, node: Node) => Ort.Tensor;
  /** for a kernel: in the arena */
  readonly region: (name: string, node: Node) => Region;
}

export interface Call {
  /** Regions of the outputs wanted, filled by each run. */
  readonly outputs: ReadonlyMap<string, Region>;
  run(inputs: Inputs): Promise<void>;
  dispose(): Promise<void>;
}

interface Surroundings {
  readonly ort: OrtModule;
  readonly arena: Arena;
  readonly store: Store;
  readonly session: SessionOptions;
}

export async function compileCall(name: string, staged: Graph, wanted: readonly string[], around: Surroundings): Promise<Call> {
  const { graph: whole, guards } = guardWrites(reuseReductions(staged));
  const { graph, parts } = partWrites(whole, [...wanted, ...Object.values(guards)], new Set(Object.keys(guards)));
  const plan = planGraph(graph, [...new Set([...wanted, ...Object.values(guards), ...parts.flatMap(({ part, index }) => [part, index])])]);
  const { arena, store } = around;
  const regions = allocate(graph, plan, arena);
  const owned = new Set(regions.values());
  const steps: ((inputs: Inputs) => void | Promise<void>)[] = [];
  const sessions: Ort.InferenceSession[] = [];
  for (const step of plan.steps) {
    if (step.kind === "model") {
      const { session, run } = await modelStep(name, graph, step, regions, around);
      sessions.push(session);
      steps.push(run);
    } else {
      steps.push(hostStep(graph, step, regions, arena, store));
    }
  }
  const writes = Object.keys(graph.writes).map((state) => {
    const guard = guards[state];
    return { state, guard: guard === undefined ? undefined : regions.get(graph.outputs[guard]!)! };
  });
  return {
    outputs: new Map(wanted.map((output) => [output, regions.get(graph.outputs[output]!)!])),
    async run(inputs) {
      for (const step of steps) {
        // host steps are synchronous: no turn of the event loop between them
        const pending = step(inputs);
        if (pending !== undefined) await pending;
      }
      for (const [state, id] of Object.entries(plan.copies)) {
        const { dtype, shape } = graph.nodes[id]!;
        store.spare(state, dtype, shape).data().set(regions.get(id)!.data());
      }
      for (const { state, axis, part, index } of parts) {
        writePart(store.current(state), regions.get(graph.outputs[part]!)!, regions.get(graph.outputs[index]!)!, axis);
      }
      for (const { state, guard } of writes) if (guard === undefined || guard.data()[0] === 1) store.swap(state);
    },
    async dispose() {
      for (const region of owned) region.free();
      for (const session of sessions) await session.release();
    },
  };
}

/** A region for every result that crosses from one step to another or to the outside, and for literals that a kernel reads. */
function allocate(graph: Graph, plan: Plan, arena: Arena): Map<number, Region> {
  const regions = new Map<number, Region>();
  const add = (id: number): void => {
    const { dtype, shape } = graph.nodes[id]!;
    if (!regions.has(id)) regions.set(id, arena.region(dtype, shape));
  };
  for (const step of plan.steps) {
    if (step.kind === "model") step.gives.forEach(add);
    else {
      add(step.id);
      for (const id of operandsOf(step)) {
        const node = graph.nodes[id]!;
        if (node.prim !== "constant" && node.prim !== "iota") continue;
        add(id);
        fillLiteral(node, regions.get(id)!);
      }
    }
  }
  return regions;
}

function fillLiteral(node: Node, region: Region): void {
  const data = region.data();
  if (node.prim === "constant") {
    if (node.params.values.length === 1) data.fill(node.params.values[0]!);
    else data.set(node.params.values);
  } else if (node.prim === "iota") {
    const post = node.shape.slice(node.params.axis + 1).reduce((size, extent) => size * extent, 1);
    for (let i = 0; i < data.length; i++) data[i] = Math.floor(i / post) % node.shape[node.params.axis]!;
  }
}

function operandsOf(step: HostStep): readonly number[] {
  return step.kind === "bernoulli" ? [...step.draw.inputs, step.p] : step.node.inputs;
}

function hostStep(
  graph: Graph,
  step: HostStep,
  regions: ReadonlyMap<number, Region>,
  arena: Arena,
  store: Store,
): (inputs: Inputs) => void {
  const kernel: HostRun = step.kind === "bernoulli" ? bernoulliKernel(arena, step.draw) : hostKernel(arena, step.node);
  const out = regions.get(step.id)!;
  const operands = operandsOf(step).map((id) => graph.nodes[id]!);
  const find = (node: Node, inputs: Inputs): Region => {
    if (node.prim === "input") return inputs.region(node.params.name, node);
    if (node.prim === "state") return store.checked(node.params.name, node.dtype, node.shape);
    const region = regions.get(node.id);
    if (region === undefined) throw new InternalError(`${node.prim} ${node.id} has no region`);
    return region;
  };
  return (inputs) =>
    kernel(
      operands.map((node) => find(node, inputs)),
      out,
    );
}

async function modelStep(
  name: string,
  graph: Graph,
  step: ModelStep,
  regions: ReadonlyMap<number, Region>,
  { ort, store, session: options }: Surroundings,
): Promise<{ session: Ort.InferenceSession; run: (inputs: Inputs) => Promise<void> }> {
  const lowered: LoweredModel = lowerModel(name, graph, step);
  const session = await createSession(ort, name, encodeModel(lowered.model), options);
  const sources = new Map<string, Node>();
  for (const node of graph.nodes) {
    if (node.prim === "input") sources.set(`feed:${node.params.name}`, node);
    if (node.prim === "state") sources.set(`state:${node.params.name}`, node);
  }
  const enters = (port: ModelPort, inputs: Inputs): Ort.Tensor => {
    switch (port.kind) {
      case "feed":
        return inputs.tensor(port.of, sources.get(port.name)!);
      case "state": {
        const node = sources.get(port.name)!;
        return store.checked(port.of, node.dtype, node.shape).tensor();
      }
      case "value":
        return regions.get(port.id)!.tensor();
      case "write":
        throw new InternalError("a write is no input");
    }
  };
  const leaves = (port: ModelPort): Ort.Tensor => {
    if (port.kind === "value") return regions.get(port.id)!.tensor();
    if (port.kind !== "write") throw new InternalError(`${port.kind} is no output`);
    const node = graph.nodes[graph.writes[port.of]!]!;
    return store.spare(port.of, node.dtype, node.shape).tensor();
  };
  const run = async (inputs: Inputs): Promise<void> => {
    // Making a region may grow the memory and void the tensors made before, so all regions come first.
    for (const port of lowered.outputs) leaves(port);
    const feeds: Record<string, Ort.Tensor> = {};
    for (const port of lowered.inputs) feeds[port.name] = enters(port, inputs);
    const fetches: Record<string, Ort.Tensor> = {};
    for (const port of lowered.outputs) fetches[port.name] = leaves(port);
    try {
      await session.run(feeds, fetches);
    } catch (error) {
      throw failed(name, error);
    }
  };
  return { session, run };
}
