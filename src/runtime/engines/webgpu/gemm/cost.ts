/**
 * What a kernel costs on a GPU, in microseconds, from shapes and a dozen numbers of the device: enough to rank candidates, so that the first is
 * good where nothing can be timed, and so that timing a few of them finds the best. Nothing here is measured: it is a model.
 *
 * A unit (a streaming multiprocessor) works on the workgroups that fall to it. Its time is the larger of two:
 *
 * - throughput: the most loaded of instruction issue, workgroup memory, and the path to the second-level cache, over all its workgroups;
 * - latency: workgroups that do not fit at once come in rounds, and a round lasts as long as one workgroup alone: each tile waits for its
 *   loads, for two barriers and for its own instructions (with two stages loads and instructions overlap).
 *
 * The lesser of two such times adds a tenth, since nothing overlaps perfectly; that also orders kernels that the greater one holds equal.
 * The whole product takes no less than its operands and result take from memory.
 *
 * What is known of it: on a GPU nothing yet, neither these numbers nor the ranks. On a software device of two cores (lavapipe, best of three,
 * other work running) the kernels that the model puts first are not silly, but not the fastest where they trade reuse for more workgroups,
 * which two cores do not need. Milliseconds there, model's first | 64 x 64 tiles of 8 x 8 a thread: 128 x 400 x 784 24 | 11; 400 x 784 x 128
 * with A transposed 12 | 13; 2048 x 64 x 64 4.4 | 2.8. (128 x 20 x 400: 1.4, and 1.0 in 32 x 32 tiles.) Ranks of a device are what tuning.ts is for.
 */
import { measuresOf } from "./kernel.js";
import { sideOf, type Side } from "./operands.js";
import type { DirectChoice, GemmChoice, GemmSpec, SkinnyChoice, TiledChoice } from "./types.js";

export interface GpuNumbers {
  /** Units that work side by side, and threads that advance in lockstep. */
  readonly units: number;
  readonly lanes: number;
  /** GHz */
  readonly clock: number;
  /** Instructions a cycle and unit, in groups of `lanes` threads. */
  readonly issue: number;
  /** Bytes a cycle and unit of workgroup memory, and from the second-level cache. */
  readonly shared: number;
  readonly cache: number;
  /** GB/s of memory */
  readonly memory: number;
  /** What a unit holds: threads, bytes of workgroup memory, registers, workgroups. */
  readonly threads: number;
  readonly storage: number;
  readonly registers: number;
  readonly groups: number;
  /** Cycles until a load arrives, until a barrier is passed, until workgroup memory answers. */
  readonly latency: number;
  readonly barrier: number;
  readonly sharedLatency: number;
}

/** A data-centre GPU of about 130 units, from published data sheets and microbenchmarks of its kind: estimates, not measurements. */
export const typicalGpu: GpuNumbers = {
  units: 132,
  lanes: 32,
  clock: 1.7,
  issue: 4,
  shared: 128,
  cache: 28,
  memory: 3000,
  threads: 2048,
  storage: 200 * 1024,
  registers: 65536,
  groups: 32,
  latency: 700,
  barrier: 30,
  sharedLatency: 30,
};

/** Estimated microseconds of the kernel, without the dispatch itself. */
export function estimate(spec: GemmSpec, choice: GemmChoice, gpu: GpuNumbers = typicalGpu): number {
  const { groups, threads, storage } = measuresOf(spec, choice);
  const work = workOf(spec, choice, threads, gpu);
  const mine = Math.ceil(groups / gpu.units);
  const fits = Math.max(
    1,
    Math.min(
      Math.floor(gpu.threads / threads),
      Math.floor(gpu.registers / (threads * work.registers)),
      storage === 0 ? gpu.groups : Math.floor(gpu.storage / storage),
      gpu.groups,
    ),
  );
  const warps = Math.ceil(threads / gpu.lanes);
  const throughput = mine * greatest((work.instructions * warps) / gpu.issue, work.shared / gpu.shared, work.bytes / gpu.cache);
  const cycles = greatest(throughput, Math.ceil(mine / fits) * work.alone);
  const bytes = 4 * spec.batch * (spec.m * spec.n + spec.k * (spec.m + spec.n));
  return Math.max(cycles / (gpu.clock * 1e3), bytes / (gpu.memory * 1e3));
}

/** The greatest, and a tenth of the others. */
function greatest(...times: readonly number[]): number {
  return 0.9 * Math.max(...times) + 0.1 * times.reduce((sum, time) => sum + time, 0);
}

/** What one workgroup does. */
interface Work {
  /** of each thread */
  readonly instructions: number;
  /** bytes of workgroup memory touched; bytes from and to the cache */
  readonly shared: number;
  readonly bytes: number;
  readonly registers: number;
  /** cycles where nothing else runs */
  readonly alone: number;
}

function workOf(spec: GemmSpec, choice: GemmChoice, threads: number, gpu: GpuNumbers): Work {
  switch (choice.form) {
    case "tiled":
      return tiledWork(spec, choice, threads, gpu);
    case "skinny":
      return skinnyWork(spec, choice, threads, gpu);
    case "direct":
      return directWork(spec, choice, gpu);
  }
}

/** Bytes of one element in memory. */
const sizeOf = (side: Side): number => (side.operand.element === "f16" ? 2 : 4);

/** Instructions around a load: index and bounds of a strided operand, or what the caller says of his function. */
const indexCost = (side: Side): number => (side.operand.kind === "strided" ? 3 : (side.operand.cost ?? 8));
const storeInstructions = (spec: GemmSpec): number => (spec.storeCost ?? 4) + 2;

/** A strided operand along neither of whose axes memory is contiguous fetches a whole sector for each element. */
function waste(side: Side): number {
  const { operand } = side;
  return operand.kind === "strided" && operand.colStride !== 1 && operand.rowStride !== 1 && side.outer * side.depth > 1 ? 8 : 1;
}

function tiledWork(spec: GemmSpec, choice: TiledChoice, threads: number, gpu: GpuNumbers): Work {
  const { tileM, tileN, tileK, threadM, threadN, splitK } = choice;
  const steps = Math.ceil(spec.k / tileK);
  const share = tileK / splitK;
  const sides = [
    { side: sideOf(spec, "a"), tile: tileM, extent: spec.m, width: choice.widthA },
    { side: sideOf(spec, "b"), tile: tileN, extent: spec.n, width: choice.widthB },
  ] as const;

  let [fetch, fetched, written, pieces] = [0, 0, 0, 0];
  for (const { side, tile, extent, width } of sides) {
    const elements = tile * tileK;
    const calls = elements / width;
    // four scalar loads in a run are as many instructions, and each touches four times the cache lines
    const loads = width === 4 && side.wide ? 1 : width;
    fetch += (calls * (loads + indexCost(side)) + elements / 4) / threads + 2;
    pieces += Math.ceil(elements / 4 / threads);
    const inside = Math.min(1, extent / (Math.ceil(extent / tile) * tile)) * Math.min(1, spec.k / (steps * tileK));
    fetched += elements * inside * sizeOf(side) * waste(side) * (width === 4 && !side.wide ? 1.5 : 1);
    written += elements * sizeOf(side);
  }

  // Distinct vec4 that a group of lanes reads at one depth; equal addresses are one read.
  const [teamX, teamY] = [tileN / threadN, tileM / threadM];
  const across = Math.min(gpu.lanes, teamX);
  const down = Math.min(teamY, gpu.lanes / across);
  const inLanes = gpu.lanes / (across * down);
  const row = (distinct: number): number => Math.ceil((distinct * inLanes * 16) / gpu.shared) * gpu.shared;
  const warps = Math.ceil(threads / gpu.lanes);
  const readAtDepth = warps * ((threadM / 4) * row(down) + (threadN / 4) * row(across));

  const product = share * (threadM * threadN + (threadM + threadN) / 4 + 2);
  const outputs = tileM * tileN;
  const perThread = outputs / threads;
  const sumTeams = splitK > 1 ? perThread * (splitK / 4 + 1) : 0;
  const finish = perThread * storeInstructions(spec) + sumTeams;
  const adjacent = splitK === 1 && sides[1].width === 4 && sides[1].side.along === "outer";
  const slow = Math.max(1, warps / gpu.issue);
  const compute = (product + fetch) * slow + (share * gpu.sharedLatency) / 4;
  const step = (choice.stages === 2 ? Math.max(gpu.latency, compute) : gpu.latency + compute) + 2 * gpu.barrier;
  return {
    instructions: steps * (product + fetch + 4) + finish + 20,
    shared: steps * (share * readAtDepth + written) + (splitK > 1 ? 8 * splitK * outputs : 0),
    bytes: steps * fetched + outputs * 4 * (adjacent ? 4 : 1),
    registers: threadM * threadN + threadM + threadN + 28 + (choice.stages === 2 ? 4 * pieces : 0),
    alone: steps * step + (choice.stages === 2 ? gpu.latency : 0) + finish * slow + (splitK > 1 ? 2 * gpu.barrier + splitK * 4 : 0) + 200,
  };
}

/** Loads that a compiler keeps in flight in a simple loop. */
const inFlight = 4;

function skinnyWork(spec: GemmSpec, choice: SkinnyChoice, threads: number, gpu: GpuNumbers): Work {
  const [a, b] = [sideOf(spec, "a"), sideOf(spec, "b")];
  const [short, long] = choice.short === "m" ? [a, b] : [b, a];
  const wide = long.along === "outer" ? choice.width : 1;
  const reads = Math.ceil(spec.k / (choice.splitK * (choice.width / wide)));
  const loads = choice.width === 4 && long.wide ? 1 : choice.width;
  const products = choice.width * short.outer;
  const packs = Math.ceil(short.outer / 4);
  const each = loads + indexCost(long) + products + (choice.width / wide) * packs + 2;
  const staged = ((1 + indexCost(short)) * short.outer * spec.k) / threads;
  const outputs = choice.places * wide * short.outer;
  const sums = choice.subgroup ? 6 * packs * wide : choice.splitK > 1 ? (Math.ceil(outputs / threads) * choice.splitK) / 2 : 0;
  const finish = sums + Math.ceil(outputs / threads) * storeInstructions(spec);
  const covered = choice.places * wide;
  const slow = Math.max(1, threads / gpu.lanes / gpu.issue);
  const chunks = Math.ceil(spec.k / 256);
  return {
    instructions: staged + reads * each + finish + 20,
    shared:
      threads *
      reads *
      (choice.width / wide) *
      packs *
      (short.outer === 1 ? 4 : short.outer === 2 ? 8 : 16) *
      (choice.lanes === "k" ? 1 : 1 / 8),
    bytes: (Math.min(covered, long.outer) * sizeOf(long) * waste(long) + short.outer * sizeOf(short) * waste(short)) * spec.k + outputs * 4,
    registers: products + 24,
    alone:
      chunks * (gpu.latency + 2 * gpu.barrier) +
      Math.ceil(reads / inFlight) * gpu.latency +
      (reads * each + staged + finish) * slow +
      (choice.splitK > 1 && !choice.subgroup ? gpu.barrier + choice.splitK * 8 : 0) +
      200,
  };
}

function directWork(spec: GemmSpec, choice: DirectChoice, gpu: GpuNumbers): Work {
  const [a, b] = [sideOf(spec, "a"), sideOf(spec, "b")];
  const each = 3 + indexCost(a) + indexCost(b) + 1;
  const slow = Math.max(1, choice.threads / gpu.lanes / gpu.issue);
  // Neighbouring threads share the row of A and take neighbouring columns of B; the first-level cache gives what comes twice.
  const rows = Math.max(1, choice.threads / spec.n);
  const spread = b.along === "depth" && spec.n > 1 ? 4 : 1;
  const touched = (rows * sizeOf(a) + Math.min(choice.threads, spec.n) * Math.max(1, rows / spec.m) * sizeOf(b) * spread) * spec.k;
  return {
    instructions: spec.k * each + storeInstructions(spec) + 20,
    shared: choice.threads * spec.k * 4 * (1 + spread),
    bytes: touched + choice.threads * 4,
    registers: 32,
    alone: Math.ceil(spec.k / inFlight) * gpu.latency + (spec.k * each + storeInstructions(spec)) * slow + 200,
  };
}
