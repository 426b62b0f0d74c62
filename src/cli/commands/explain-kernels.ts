/**
 * `gmc explain --kernels`: what the webgpu engine makes of the training programs. Compiled for limits that are told, not for the device that is
 * here, so that the text is the same on every machine but for the line that names that device; where tuning is asked for, for the device that is
 * here, with what was found on it.
 */
import { lineStarts, type SourceFile } from "../../base/source.js";
import { mayHaveCard } from "../../runtime/engines/webgpu/card.js";
import { writtenOut } from "../../runtime/engines/cut.js";
import { compileProgram } from "../../runtime/engines/webgpu/compile.js";
import {
  describeProgram,
  scaled,
  shortName,
  sumOf,
  usualBuffers,
  usualLimits,
  type BufferUse,
  type DispatchDescription,
  type PartDescription,
  type ProgramDescription,
  type StageDescription,
  type Totals,
} from "../../runtime/engines/webgpu/describe.js";
import { findAdapter, limitsOf } from "../../runtime/engines/webgpu/device.js";
import type { DeviceLimits } from "../../runtime/engines/webgpu/assemble.js";
import { wantsHalf } from "../../runtime/engines/webgpu/half.js";
import { Choices } from "../../runtime/engines/webgpu/tuning-file.js";
import { Tuning, wantsTuning } from "../../runtime/engines/webgpu/tuning.js";
import type { StateSpec } from "../../runtime/engines/engine.js";
import { memoryNeed, summaryOf, type MemorySummary } from "../../runtime/engines/webgpu/need.js";
import { showShape } from "../../runtime/graph/shape.js";
import type { Origin } from "../../runtime/graph/types.js";
import type { ModelDefinition } from "../../runtime/model.js";
import { leavesOf } from "../../runtime/nn/spec.js";
import { planPhase } from "../../runtime/train/plan.js";
import { bytes, grouped, json, stdout, table } from "../output.js";

export interface KernelOptions {
  readonly batch?: number;
  readonly buffers?: number;
}

export interface KernelReport {
  readonly model: string;
  readonly buffers: number;
  readonly phases: readonly PhaseKernels[];
}

export interface PhaseKernels {
  readonly phase: string;
  readonly batch: number;
  readonly updates: readonly UpdateKernels[];
  /** Every update as often as a step runs it. */
  readonly step: Totals;
  /** Of all its programs, in bytes. */
  readonly memory: MemorySummary;
}

export interface UpdateKernels {
  readonly update: string;
  readonly place: string;
  /** Runs of the program in a step. */
  readonly steps: number;
  readonly program: ProgramDescription;
}

/** What is here for the report's reader to compare with; never what it is compiled for. */
export interface PresentDevice {
  readonly name: string;
  readonly software: boolean;
  readonly buffers: number;
}

export async function explainKernels(
  model: ModelDefinition,
  file: SourceFile,
  flags: KernelOptions & { readonly json?: boolean },
): Promise<void> {
  const tuned = wantsTuning({}) ? await tunedKernels() : undefined;
  const report = kernelReport(model, flags, tuned);
  const device = await presentDevice(tuned !== undefined);
  if (flags.json) json({ ...report, device: device ?? null });
  else stdout(printKernels(report, file, device).trimEnd());
}

/** A device for which kernels are compiled, and what tuning found on it. */
export interface TargetDevice {
  readonly limits: DeviceLimits;
  readonly tuning?: Tuning;
}

/** Asked for with GMC_GPU_TUNE: what a run here takes. Nothing without a device, for which nothing can have been tuned. */
async function tunedKernels(): Promise<TargetDevice | undefined> {
  const found = await findAdapter().catch(() => undefined);
  if (found === undefined) return undefined;
  return { limits: limitsOf(found, found.adapter.limits), tuning: new Tuning(found.name, await Choices.open()) };
}

/** The training programs of a model, compiled for the least that WebGPU grants, or for what `target` grants. */
export function kernelReport(model: ModelDefinition, { batch, buffers: asked }: KernelOptions, target?: TargetDevice): KernelReport {
  const buffers = asked ?? target?.limits.maxBuffers ?? usualBuffers;
  const half = wantsHalf({});
  const limits = target === undefined ? usualLimits(buffers, half) : { ...target.limits, maxBuffers: buffers, half };
  const weights = leavesOf(model.weights).map(({ path, spec }) => [path, { dtype: "f32", shape: spec.shape }] as const);
  const phases = model.train.map((phase, i): PhaseKernels => {
    const plan = planPhase(model, i, { dynamic: new Set(), batch });
    const written = plan.updates.map(({ program }) => writtenOut(program));
    const between = written.flatMap((of) => [...of.states]);
    const states = new Map<string, StateSpec>([...weights, ...plan.states.map((state) => [state.name, state] as const), ...between]);
    const programs = written.map(({ program }) => {
      const compiled = compileProgram(program, limits, (name) => states.get(name)?.shape);
      return target?.tuning?.known(compiled) ?? compiled;
    });
    const updates = plan.updates.map(({ direction, label, place, steps }, at): UpdateKernels => {
      const update = `${direction} ${label}`;
      return { update, place, steps, program: describeProgram(programs[at]!, { label: update, place }) };
    });
    const step = sumOf(updates.map((update) => scaled(update.program.run, update.steps)));
    return { phase: phase.name, batch: plan.batch, updates, step, memory: summaryOf(memoryNeed(programs, states)) };
  });
  return { model: model.name, buffers, phases };
}

/** `asked`: even one that computes on the processor. Nothing where there is none, or the package is missing: the report needs none, and `gmc doctor` says why. */
async function presentDevice(asked: boolean): Promise<PresentDevice | undefined> {
  if (!asked && !(await mayHaveCard())) return undefined;
  try {
    const { name, software, adapter } = await findAdapter();
    return { name, software, buffers: adapter.limits.maxStorageBuffersPerShaderStage };
  } catch {
    return undefined;
  }
}

/** `file` is the model's own, of which lines are quoted. */
export function printKernels(report: KernelReport, file: SourceFile, device: PresentDevice | undefined): string {
  const here =
    device === undefined
      ? "no graphics device here"
      : `${device.name}${device.software ? ", a software adapter," : ""} is here and lets a kernel bind ${device.buffers}`;
  const lines = [`kernels of ${report.model} on the webgpu engine, where a kernel may bind ${report.buffers} storage buffers (${here})`];
  for (const phase of report.phases) {
    for (const update of phase.updates) lines.push("", ...updateLines(phase, update, file));
    lines.push(
      "",
      `a step of ${phase.phase} at batch ${phase.batch}: ${totals(phase.step)}`,
      ...openStages(phase),
      `  ${memoryLine(phase.memory)}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function totals({ dispatches, host, bytes: moved, flops }: Totals): string {
  const noun = dispatches === 1 ? "dispatch" : "dispatches";
  const beside = host === 0 ? "" : ` and ${grouped(host)} on the host`;
  return `${grouped(dispatches)} ${noun}${beside}, ${bytes(moved)} moved, ${grouped(flops)} floating-point operations`;
}

function memoryLine({ held, passing, largest, ...of }: MemorySummary): string {
  const parts = [
    `states ${bytes(of.states)}`,
    `their next values ${bytes(of.nextValues)}`,
    `gradients ${bytes(of.gradients)}`,
    `results ${bytes(of.results)}`,
    `inputs ${bytes(of.inputs)}`,
  ];
  return `memory: ${bytes(held)} (${parts.join(", ")}) and ${bytes(passing)} in passing; the largest buffer is ${bytes(largest)}`;
}

/** Stages whose number of runs only the run knows. */
function openStages({ updates }: PhaseKernels): string[] {
  return updates.flatMap(({ update, program }) =>
    program.stages.flatMap(({ name, times, dispatches }) =>
      typeof times === "string" && dispatches.length > 0
        ? [`  not counted: ${name} of ${update}, ${dispatches.length} dispatches each time, as often as ${times} says`]
        : [],
    ),
  );
}

function updateLines(phase: PhaseKernels, { update, place, steps, program }: UpdateKernels, file: SourceFile): string[] {
  const numbered = numbers(program.stages);
  const rows = numbered.map(({ number, stage, dispatch }) => [
    `${number}`,
    stage.name,
    dispatch.where === "host" ? "host" : groups(dispatch),
    `${dispatch.parts.length}`,
    bytes(dispatch.bytes),
    grouped(dispatch.flops),
    // one line a dispatch: of many parts the first are named
    summary(dispatch.parts),
  ]);
  const schedule = table([["", "stage", "workgroups", "parts", "bytes", "FLOPs", "computes"], ...rows], [0, 2, 3, 4, 5]);
  const repeats = program.stages.filter(({ times }) => times !== 1).map(({ name, times }) => `  ${name} runs ${runs(times)}`);
  return [
    `${phase.phase}: ${update} (${place}), at batch ${phase.batch}${steps === 1 ? "" : `, ${steps} times a step`}`,
    "",
    ...schedule.split("\n").map((line) => `  ${line}`),
    ...repeats,
    ...program.stages.flatMap(optimiserLine),
    ...numbered.flatMap(({ number, stage, dispatch }) => ["", ...dispatchLines(number, stage, dispatch, file)]),
  ];
}

/** `update: 28.0 bytes a parameter, 1.17 times the 24 of weights, slots and averages` */
function optimiserLine({ name, optimiser }: StageDescription): string[] {
  if (optimiser === undefined) return [];
  const { moved, least } = optimiser;
  const needed = `${+least.toFixed(1)} that its weights, slots and averages take, each read and written once`;
  return [`  ${name} moves ${moved.toFixed(1)} bytes a parameter: ${(moved / least).toFixed(2)} of the ${needed}`];
}

const runs = (times: number | string): string => (typeof times === "number" ? `${times} times` : `as often as ${times} says`);

const groups = ({ workgroups: [across, down] }: DispatchDescription): string => (down === 1 ? `${across}` : `${across} x ${down}`);

const SUMMED = 3;

function summary(parts: readonly PartDescription[]): string {
  const named = parts.slice(0, SUMMED).map((part) => (part.core === undefined ? "entries" : coreText(part.core)));
  return [...named, ...(parts.length > SUMMED ? [`${parts.length - SUMMED} more`] : [])].join("; ");
}

function numbers(
  stages: readonly StageDescription[],
): readonly { readonly number: number; readonly stage: StageDescription; readonly dispatch: DispatchDescription }[] {
  return stages
    .flatMap((stage) => stage.dispatches.map((dispatch) => ({ stage, dispatch })))
    .map((each, i) => ({ number: i + 1, ...each }));
}

function dispatchLines(number: number, stage: StageDescription, dispatch: DispatchDescription, file: SourceFile): string[] {
  const where = dispatch.where === "host" ? "on the host" : `${groups(dispatch)} workgroups`;
  const lines = [
    `dispatch ${number}, ${stage.name}: ${where}, ${bytes(dispatch.bytes)} moved, ${grouped(dispatch.flops)} floating-point operations`,
  ];
  dispatch.parts.forEach((part, i) => {
    const share = dispatch.parts.length === 1 ? "" : `part ${i}, ${part.workgroups} workgroups: `;
    lines.push(
      `  ${share}${computes(part)}`,
      ...part.origins.map((origin) => `    ${originText(origin, file)}`),
      `    reads ${list(part.reads)}`,
      `    writes ${list(part.writes)}`,
    );
  });
  if (dispatch.tuned !== undefined) {
    const { device, choice, time, usual } = dispatch.tuned;
    lines.push(`  tuned on ${device}: ${choice}; ${time.toPrecision(3)} ms, where the cost model's choice takes ${usual.toPrecision(3)}`);
  }
  if (dispatch.wgsl !== undefined) lines.push("", dispatch.wgsl.trimEnd());
  return lines;
}

const coreText = ({ prim, operands, shape }: NonNullable<PartDescription["core"]>): string =>
  `${prim} ${operands.map(showShape).join(" ")} -> ${showShape(shape)}`;

function computes({ core, fused, writes }: PartDescription): string {
  const others = Object.entries(fused).map(([prim, times]) => (times === 1 ? prim : `${times} ${prim}`));
  if (core === undefined) return `entries of ${showShape(writes[0]!.shape)}: ${others.length === 0 ? "a copy" : others.join(", ")}`;
  return others.length === 0 ? coreText(core) : `${coreText(core)}, with ${others.join(", ")}`;
}

const list = (uses: readonly BufferUse[]): string =>
  uses.length === 0 ? "nothing" : uses.map(({ buffer, dtype, shape }) => `${shortName(buffer)} ${dtype} ${showShape(shape)}`).join(", ");

/** `vae.gm:16  log p(x | z)    x ~ Bernoulli(logits = decoder(z))`, the line where it is of this file. */
function originText({ label, place }: Origin, file: SourceFile): string {
  const colon = place.lastIndexOf(":");
  const own = place.slice(0, colon) === file.path.split("/").at(-1);
  const quoted = own ? textOfLine(file, Number(place.slice(colon + 1))).trim() : "";
  return `${place}  ${label}${quoted === "" ? "" : `    | ${quoted}`}`;
}

function textOfLine(file: SourceFile, line: number): string {
  const starts = lineStarts(file);
  return file.text.slice(starts[line - 1], starts[line]);
}
