/**
 * What programs take on a device, told before any of it is allocated: pure, from compiled programs and the states of a session. A session allocates a
 * program's buffers from the same list (`programBuffers`), so the sum is what is taken. Dawn and the driver take more for themselves, which nobody
 * tells: pipelines, staging of uploads, the rounding of small buffers.
 */
import { InternalError } from "../../graph/errors.js";
import { showShape } from "../../graph/shape.js";
import type { StateSpec } from "../engine.js";
import { showBytes, type MemoryShortage } from "../shortage.js";
import type { Origin } from "../../graph/types.js";
import type { CompiledProgram, CompiledStage, Content } from "./compile.js";
import { shortName } from "./describe.js";
import { uniformStride } from "./device.js";
import { bytesOf, type Memory } from "./store.js";
import type { PackSpec } from "./updates.js";

/** Iterations of one submission. */
export const ITERATIONS = 512;

/** The name of the uniform that numbers them. */
export const NUMBERS = "iterations";

export interface PlannedBuffer extends StateSpec {
  /** see compile.ts */
  readonly name: string;
  readonly bytes: number;
  /** Of results. */
  readonly origin: Origin | undefined;
}

export interface MemoryNeed {
  /** All that is held while a step runs: states and their second places, and what each program has for itself. */
  readonly buffers: readonly PlannedBuffer[];
  /** Their sum. */
  readonly held: number;
  /** What is taken beside it for a moment, at most: while values are read back, or states brought next to each other. */
  readonly passing: number;
}

const buffer = (name: string, bytes: number, content?: StateSpec & Partial<Content>): PlannedBuffer => ({
  name,
  bytes,
  dtype: content?.dtype ?? "f32",
  shape: content?.shape ?? [bytes / 4],
  origin: content?.origin,
});

/** Buffers that a program has for itself, whatever else is compiled. */
export function programBuffers(program: CompiledProgram): readonly PlannedBuffer[] {
  const { stages, gradientPacks, statePacks, outs } = program;
  const inPacks = new Set(gradientPacks.flatMap((pack) => pack.members));
  const packs = new Map(statePacks.map((pack) => [pack.name, pack]));
  const feeds = new Map(stages.flatMap((stage) => [...stage.feeds]));
  const apart = new Map(
    stages.flatMap(({ writes }) =>
      Object.entries(writes).flatMap(([name, { inPlace }]) => (packs.has(name) && !inPlace ? [[name, packs.get(name)!.bytes]] : [])),
    ),
  );
  return [
    buffer("scalars", Math.max(4, 4 * program.scalarWords)),
    buffer("constants", Math.max(4, program.constants.byteLength)),
    buffer("flags", 4 * Math.max(1, stages.length)),
    ...(stages.some(isNumbered) ? [buffer(NUMBERS, ITERATIONS * uniformStride)] : []),
    ...program.slots.map((slot, i) => buffer(`slot:${i}`, slot.bytes, slot)),
    ...gradientPacks.map((pack) => buffer(pack.name, pack.bytes)),
    ...[...outs].filter(([ref]) => !inPacks.has(ref)).map(([ref, content]) => buffer(ref, bytesOf(content.shape), content)),
    ...[...feeds].map(([name, content]) => buffer(`feed:${name}`, bytesOf(content.shape), content)),
    ...[...apart].map(([name, bytes]) => buffer(`write:${name}`, bytes)),
  ];
}

/** Bytes of what a kernel of `stage` binds by this name, states and their next values among them. */
export function sizeOfBuffer(program: CompiledProgram, stage: CompiledStage, ref: string): number {
  const own = programBuffers(program).find(({ name }) => name === ref);
  if (own !== undefined) return own.bytes;
  const name = ref.slice(ref.indexOf(":") + 1);
  const pack = program.statePacks.find((each) => each.name === name);
  if (pack !== undefined) return pack.bytes;
  const content = program.outs.get(ref) ?? (ref.startsWith("write:") ? stage.writes[name] : stage.states.get(name)) ?? stage.writes[name];
  if (content === undefined) throw new InternalError(`there is no buffer ${ref}`);
  return bytesOf(content.shape);
}

/** Whether kernels of a repeat read the number of the iteration. */
const isNumbered = ({ repeat, steps }: CompiledStage): boolean =>
  repeat !== undefined && steps.some((step) => step.kind === "dispatch" && step.dispatch.iteration);

/** `states`: all that the session holds, by name; those that a program only writes come to them. */
export function memoryNeed(programs: readonly CompiledProgram[], states: ReadonlyMap<string, StateSpec>): MemoryNeed {
  const packs = new Map<string, PackSpec>(programs.flatMap((program) => program.statePacks.map((pack) => [pack.name, pack] as const)));
  const inPacks = new Set([...packs.values()].flatMap((pack) => pack.members));
  const written = new Map(
    programs.flatMap(({ stages }) => stages.flatMap(({ writes }) => Object.entries(writes))).filter(([name]) => !packs.has(name)),
  );
  const state = (prefix: string, [name, { dtype, shape }]: readonly [string, StateSpec]): PlannedBuffer =>
    buffer(`${prefix}:${name}`, bytesOf(shape), { dtype, shape });
  const buffers = [
    ...programs.flatMap(programBuffers),
    ...[...packs.values()].map((pack) => buffer(`state:${pack.name}`, pack.bytes)),
    ...[...new Map<string, StateSpec>([...written, ...states])]
      .filter(([name]) => !inPacks.has(name))
      .map((entry) => state("state", entry)),
    ...[...written].map((entry) => state("write", entry)),
  ];
  const passing = [...programs.map((program) => readBack(program, states)), ...[...packs.values()].map((pack) => pack.bytes)];
  return { buffers, held: buffers.reduce((sum, { bytes }) => sum + bytes, 0), passing: Math.max(0, ...passing) };
}

/** Bytes of the most that a run reads back at once. */
function readBack(program: CompiledProgram, states: ReadonlyMap<string, StateSpec>): number {
  const fetched = program.fetch.reduce((sum, name) => {
    const shape = (program.values.get(name) ?? states.get(name))?.shape;
    return shape === undefined ? sum : sum + bytesOf(shape);
  }, 0);
  const operands = program.stages.flatMap(({ steps }) =>
    steps.map((step) =>
      step.kind === "host" ? step.inputs.filter(({ ref }) => ref !== "").reduce((sum, { shape }) => sum + bytesOf(shape), 0) : 0,
    ),
  );
  return Math.max(fetched, ...operands);
}

/** What the buffers of a need hold, in bytes. */
export interface MemorySummary {
  readonly held: number;
  readonly passing: number;
  readonly states: number;
  /** Second places of states that cannot be written where they are read. */
  readonly nextValues: number;
  readonly gradients: number;
  /** Of kernels, that others read or the run gives. */
  readonly results: number;
  readonly inputs: number;
  readonly largest: number;
}

export function summaryOf({ buffers, held, passing }: MemoryNeed): MemorySummary {
  const sum = (...kinds: readonly string[]): number =>
    buffers.reduce((total, { name, bytes }) => (kinds.includes(name.split(":")[0]!) ? total + bytes : total), 0);
  return {
    held,
    passing,
    states: sum("state"),
    nextValues: sum("write"),
    gradients: sum("gradients"),
    results: sum("slot", "out", "flags"),
    inputs: sum("feed", "scalars", "constants", NUMBERS),
    largest: Math.max(...buffers.map(({ bytes }) => bytes)),
  };
}

/** Kinds of buffers that an error names. */
const TOLD = 3;

/** What keeps the buffers of `need` from being made: the states of the memory's own session are among them. */
export function shortageOf({ buffers, held, passing }: MemoryNeed, memory: Memory): MemoryShortage | undefined {
  const { device, budget } = memory;
  const sorted = [...buffers].sort((a, b) => b.bytes - a.bytes);
  const alike = new Map<string, number>();
  for (const text of sorted.map(showBuffer)) alike.set(text, (alike.get(text) ?? 0) + 1);
  const largest = [...alike].slice(0, TOLD).map(([text, times]) => (times === 1 ? text : `${times} times ${text}`));
  const piece = sorted[0]?.bytes ?? 0;
  if (piece > device.maxBytes) return { ...memory.limits("GM5423"), needed: piece, largest };
  // other sessions of the device hold the rest
  const needed = held + passing + device.held - memory.held;
  return budget !== undefined && needed > budget.bytes ? { ...memory.limits("GM5427"), needed, largest } : undefined;
}

/** `64 MB f32 [512, 50, 784] for log p(x | z) (iwae.gm:16)` */
function showBuffer({ name, bytes, dtype, shape, origin }: PlannedBuffer): string {
  const whose = origin === undefined ? inWords(name) : `for ${origin.label} (${origin.place})`;
  return `${showBytes(bytes)} ${dtype} ${showShape(shape)} ${whose}`;
}

const words: Readonly<Record<string, string>> = { state: "state", write: "next value of", feed: "input" };

function inWords(name: string): string {
  if (name.startsWith("gradients:")) return "gradients side by side";
  const [, kind = "", rest = name] = /^(\w+):(.*)$/u.exec(shortName(name)) ?? [];
  return `${words[kind] ?? ""} ${rest}`.trim();
}
