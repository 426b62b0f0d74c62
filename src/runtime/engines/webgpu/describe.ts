/**
 * What a compiled program does, as plain data for `gmc explain --kernels`: for each dispatch what its parts compute and where that stands in the
 * model, what it reads and writes, its bytes, its floating-point operations and its WGSL. Pure; no device is touched.
 *
 * Bytes are each tensor that a dispatch reads, whole and once, and each that it gives, once for each buffer that takes it. Caches do not show.
 * Operations are those of the nodes that a part evaluates, each once (cost.ts); a node that several parts write out counts in each. A kernel that
 * evaluates an operand again for each tile does more.
 *
 * With what a device reaches (roofline.ts) each dispatch tells what it takes at least there; with times (stopwatch.ts), what it took.
 */
import { nodeCost } from "../../graph/cost.js";
import { sizeOf } from "../../graph/shape.js";
import type { DType, Graph, Node, Origin, Prim, Shape } from "../../graph/types.js";
import type { Assembled, DeviceLimits, NodeBuffer } from "./assemble.js";
import type { CompiledProgram, CompiledStage, Step } from "./compile.js";
import { leastLimits } from "./gemm/types.js";
import { boundOf, type Bound } from "./roofline.js";
import type { Peaks } from "./tuning-file.js";

/** Storage buffers that one kernel may bind: what graphics cards grant. */
export const usualBuffers = 16;

/** Limits for compiling without a device. */
export function usualLimits(maxBuffers = usualBuffers, half = false): DeviceLimits {
  return { gemm: leastLimits, maxBuffers, simpleProducts: 0, half };
}

export interface BufferUse {
  /** The buffer's name, see compile.ts. */
  readonly buffer: string;
  readonly dtype: DType | "f16";
  readonly shape: Shape;
  readonly bytes: number;
}

export interface PartDescription {
  /** The primitive that needs a loop of its own, with the shapes of its operands; absent where the part only maps entries. */
  readonly core?: { readonly prim: Prim; readonly operands: readonly Shape[]; readonly shape: Shape };
  /** What else it evaluates, and how many of each. */
  readonly fused: Readonly<Record<string, number>>;
  /** Terms and lines of the model that its nodes come from; never empty. */
  readonly origins: readonly Origin[];
  readonly reads: readonly BufferUse[];
  readonly writes: readonly BufferUse[];
  readonly workgroups: number;
  readonly flops: number;
}

export interface DispatchDescription {
  /** On the host: operands are read back, the reference kernel computes, the result is uploaded. */
  readonly where: "device" | "host";
  readonly workgroups: readonly [number, number];
  /** They run side by side. */
  readonly parts: readonly PartDescription[];
  readonly read: number;
  readonly written: number;
  /** Both. */
  readonly bytes: number;
  readonly flops: number;
  /** Operations for a byte. */
  readonly intensity: number;
  /** Nothing on the host, and without a device. */
  readonly roofline?: Bound;
  /** Milliseconds that it took. */
  readonly ms?: number;
  /** Nothing on the host. */
  readonly wgsl: string | undefined;
  /** Kernels of its products that were measured on a device. */
  readonly tuned?: TunedKernels;
}

export interface TunedKernels {
  readonly device: string;
  readonly choice: string;
  /** Milliseconds, and those of what the cost model chose. */
  readonly time: number;
  readonly usual: number;
}

export interface StageDescription {
  readonly name: string;
  /** How often it runs in one run of the program: a number, or the name of the value that says it. */
  readonly times: number | string;
  readonly dispatches: readonly DispatchDescription[];
  /** Of an update stage: bytes a parameter. */
  readonly optimiser?: OptimiserTraffic;
}

export interface OptimiserTraffic {
  readonly parameters: number;
  /** What the stage moves. */
  readonly moved: number;
  /** What weights, slots and averages take that are read once and written once: 24 for Adam. */
  readonly least: number;
}

export interface Totals {
  readonly dispatches: number;
  /** Steps computed on the host, which are no dispatches. */
  readonly host: number;
  readonly read: number;
  readonly written: number;
  readonly bytes: number;
  readonly flops: number;
  /** Milliseconds of its dispatches by the roofline, and those that they took, where the device tells. */
  readonly roofline?: number;
  readonly ms?: number;
}

/** What a device was found to reach, and how long dispatches took on it. */
export interface Measurements {
  readonly peaks?: Peaks | undefined;
  readonly times?: ReadonlyMap<Assembled, number> | undefined;
}

export interface ProgramDescription {
  readonly name: string;
  readonly stages: readonly StageDescription[];
  /** Of one run, without the stages that run as often as a value says. */
  readonly run: Totals;
}

/** `owner`: where nodes come from that have no origin of their own, as those of an optimiser. */
export function describeProgram(program: CompiledProgram, owner: Origin, measured: Measurements = {}): ProgramDescription {
  const stages = program.stages.map((stage): StageDescription => {
    const dispatches = stage.steps.map((step) => describeStep(stage, step, owner, measured));
    return { name: stage.name, times: stage.repeat?.count ?? 1, dispatches, ...trafficOf(stage, dispatches) };
  });
  const run = sumOf(
    stages.flatMap(({ times, dispatches }) => (typeof times === "number" ? [scaled(sumOf(dispatches.map(totalsOf)), times)] : [])),
  );
  return { name: program.name, stages, run };
}

function trafficOf({ optimiser }: CompiledStage, dispatches: readonly DispatchDescription[]): Pick<StageDescription, "optimiser"> {
  if (optimiser === undefined || optimiser.parameters === 0) return {};
  const { parameters, bytes } = optimiser;
  return { optimiser: { parameters, moved: sumOf(dispatches.map(totalsOf)).bytes / parameters, least: bytes / parameters } };
}

export function sumOf(all: readonly Totals[]): Totals {
  const sum = (pick: (totals: Totals) => number): number => all.reduce((total, each) => total + pick(each), 0);
  const known = (name: "roofline" | "ms"): Partial<Totals> =>
    all.some((t) => t[name] !== undefined) ? { [name]: sum((t) => t[name] ?? 0) } : {};
  return {
    dispatches: sum((t) => t.dispatches),
    host: sum((t) => t.host),
    read: sum((t) => t.read),
    written: sum((t) => t.written),
    bytes: sum((t) => t.bytes),
    flops: sum((t) => t.flops),
    ...known("roofline"),
    ...known("ms"),
  };
}

export function scaled({ dispatches, host, read, written, bytes, flops, roofline, ms }: Totals, times: number): Totals {
  return {
    dispatches: dispatches * times,
    host: host * times,
    read: read * times,
    written: written * times,
    bytes: bytes * times,
    flops: flops * times,
    ...(roofline === undefined ? {} : { roofline: roofline * times }),
    ...(ms === undefined ? {} : { ms: ms * times }),
  };
}

/** Where all parts are empty, nothing is dispatched. */
function totalsOf({ where, workgroups, read, written, bytes, flops, roofline, ms }: DispatchDescription): Totals {
  return {
    dispatches: where === "device" && workgroups[0] > 0 ? 1 : 0,
    host: where === "host" ? 1 : 0,
    read,
    written,
    bytes,
    flops,
    ...(roofline && { roofline: roofline.ms }),
    ...(ms === undefined ? {} : { ms }),
  };
}

function describeStep(stage: CompiledStage, step: Step, owner: Origin, measured: Measurements): DispatchDescription {
  if (step.kind === "dispatch") return describeDispatch(stage.graph, step.dispatch, owner, measured);
  const { node } = step;
  const use = (ref: string, dtype: DType, shape: Shape): BufferUse => ({ buffer: ref, dtype, shape, bytes: bytesOf(shape) });
  const part: PartDescription = {
    core: coreOf(stage.graph, node),
    fused: {},
    origins: [node.origin ?? owner],
    // an operand without a buffer is a constant, which the host has
    reads: step.inputs.filter(({ ref }) => ref !== "").map(({ ref, dtype, shape }) => use(ref.replace(/\+0$/u, ""), dtype, shape)),
    writes: step.outputs.map((ref) => use(ref, node.dtype, node.shape)),
    workgroups: 0,
    flops: nodeCost(stage.graph, node).flops,
  };
  return {
    where: "host",
    workgroups: [0, 0],
    parts: [part],
    ...costOf(part.reads, part.writes, part.flops),
    wgsl: undefined,
  };
}

function describeDispatch(graph: Graph, dispatch: Assembled, owner: Origin, { peaks, times }: Measurements): DispatchDescription {
  const { parts, workgroups, wgsl, products } = dispatch;
  const use = ({ id, ref, half }: NodeBuffer): BufferUse => {
    const { dtype, shape } = graph.nodes[id]!;
    return { buffer: ref, dtype: half ? "f16" : dtype, shape, bytes: half ? 2 * sizeOf(shape) : bytesOf(shape) };
  };
  const described = parts.map(({ part, groups, reads, writes }): PartDescription => {
    const nodes = evaluated(graph, part.stores, new Set(part.loads));
    const fused: Record<string, number> = {};
    for (const { id, prim } of nodes) if (id !== part.core && !isName(prim)) fused[prim] = (fused[prim] ?? 0) + 1;
    return {
      ...(part.core === undefined ? {} : { core: coreOf(graph, graph.nodes[part.core]!) }),
      fused,
      origins: originsOf(nodes, owner),
      reads: reads.map(use),
      writes: writes.map(use),
      workgroups: groups,
      flops: nodes.reduce((sum, node) => sum + nodeCost(graph, node).flops, 0),
    };
  });
  // what several parts read is read once
  const read = new Map(parts.flatMap((part) => part.reads.map((buffer) => [buffer.id, use(buffer)] as const)));
  const cost = costOf(
    [...read.values()],
    described.flatMap((part) => part.writes),
    described.reduce((sum, part) => sum + part.flops, 0),
  );
  const tuned = products?.measured && { choice: products.choice, ...products.measured };
  const ms = times?.get(dispatch);
  return {
    where: "device",
    workgroups,
    parts: described,
    ...cost,
    ...(peaks && { roofline: boundOf(cost, peaks) }),
    ...(ms === undefined ? {} : { ms }),
    wgsl,
    ...(tuned && { tuned }),
  };
}

function costOf(
  reads: readonly BufferUse[],
  writes: readonly BufferUse[],
  flops: number,
): Pick<DispatchDescription, "read" | "written" | "bytes" | "flops" | "intensity"> {
  const [read, written] = [bytesIn(reads), bytesIn(writes)];
  const bytes = read + written;
  return { read, written, bytes, flops, intensity: bytes === 0 ? 0 : flops / bytes };
}

const bytesIn = (uses: readonly BufferUse[]): number => uses.reduce((sum, { bytes }) => sum + bytes, 0);

/** What is computed to store nodes from what is loaded, in the order of the graph. */
function evaluated(graph: Graph, stores: readonly number[], loads: ReadonlySet<number>): readonly Node[] {
  const seen = new Set<number>();
  const stack = [...stores];
  for (let id = stack.pop(); id !== undefined; id = stack.pop()) {
    if (seen.has(id) || loads.has(id)) continue;
    seen.add(id);
    stack.push(...graph.nodes[id]!.inputs);
  }
  return [...seen].sort((a, b) => a - b).map((id) => graph.nodes[id]!);
}

/** Those that compute nothing: values by name, and views that keep the order. */
const isName = (prim: Prim): boolean =>
  prim === "input" || prim === "state" || prim === "constant" || prim === "iota" || prim === "reshape" || prim === "stopGradient";

function coreOf(graph: Graph, node: Node): NonNullable<PartDescription["core"]> {
  return { prim: node.prim, operands: node.inputs.map((id) => graph.nodes[id]!.shape), shape: node.shape };
}

function originsOf(nodes: readonly Node[], owner: Origin): readonly Origin[] {
  const found = new Map<string, Origin>();
  for (const { origin } of nodes) if (origin !== undefined) found.set(`${origin.place} ${origin.label}`, origin);
  return found.size === 0 ? [owner] : [...found.values()];
}

/** A buffer's name with a pack, which is named by all its members, shortened. */
export const shortName = (buffer: string): string =>
  buffer.replace(/pack:(.*)$/u, (_all, members: string) => {
    const names = members.split(",");
    return names.length === 1 ? names[0]! : `pack of ${names.length} from ${names[0]!} on`;
  });

/** On a device a truth value takes a word too. */
const bytesOf = (shape: Shape): number => 4 * sizeOf(shape);
