/**
 * `gmc explain --kernels`: what the webgpu engine makes of the training programs. With a device here, compiled for it, beside what the device was
 * measured to reach and the time of each kernel; without one, or where nothing is to be measured, for limits that are told, so that the text is
 * the same on every machine. Where tuning is asked for, with what was found.
 */
import type { SourceFile } from "../../base/source.js";
import { writtenOut } from "../../runtime/engines/cut.js";
import { compileProgram, type CompiledProgram } from "../../runtime/engines/webgpu/compile.js";
import {
  describeProgram,
  scaled,
  sumOf,
  usualBuffers,
  usualLimits,
  type Measurements,
  type ProgramDescription,
  type Totals,
} from "../../runtime/engines/webgpu/describe.js";
import { mayHaveCard } from "../../runtime/engines/webgpu/card.js";
import { findAdapter, openDevice, type Device } from "../../runtime/engines/webgpu/device.js";
import type { DeviceLimits } from "../../runtime/engines/webgpu/assemble.js";
import { wantsHalf } from "../../runtime/engines/webgpu/half.js";
import { peaksOf } from "../../runtime/engines/webgpu/roofline.js";
import { timeProgram } from "../../runtime/engines/webgpu/stopwatch.js";
import { Choices, type Peaks } from "../../runtime/engines/webgpu/tuning-file.js";
import { Tuning, wantsTuning } from "../../runtime/engines/webgpu/tuning.js";
import type { StateSpec } from "../../runtime/engines/engine.js";
import { memoryNeed, summaryOf, type MemorySummary } from "../../runtime/engines/webgpu/need.js";
import { GmcError } from "../../runtime/graph/errors.js";
import type { ModelDefinition } from "../../runtime/model.js";
import { leavesOf } from "../../runtime/nn/spec.js";
import { planPhase } from "../../runtime/train/plan.js";
import { json, stdout } from "../output.js";
import { printKernels } from "./kernels-text.js";

export interface KernelOptions {
  readonly batch?: number;
  readonly buffers?: number;
  /** Whether a device is looked for, and measured on; unless told, a graphics card is. */
  readonly measure?: boolean;
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

/** The device that is here. */
export interface PresentDevice {
  readonly name: string;
  readonly software: boolean;
  readonly buffers: number;
  /** Measured on it. */
  readonly peaks?: Peaks;
  /** Whether kernels were timed on it. */
  readonly timed: boolean;
  /** What was not measured, and why. */
  readonly unmeasured?: string;
}

export async function explainKernels(
  model: ModelDefinition,
  file: SourceFile,
  flags: KernelOptions & { readonly json?: boolean },
): Promise<void> {
  const device = await askedDevice(flags.measure ?? (wantsTuning({}) || undefined));
  const measured = device === undefined ? undefined : await measuredReport(model, flags, device, await Choices.open());
  const report = measured?.report ?? kernelReport(model, flags);
  if (flags.json) json({ ...report, device: measured?.present ?? null });
  else stdout(printKernels(report, file, measured?.present).trimEnd());
}

/** The device that is here. One that computes on the processor only where it is asked for: its kernels take minutes to compile and to time. */
async function askedDevice(asked: boolean | undefined): Promise<Device | undefined> {
  if (asked === false || (asked === undefined && !(await mayHaveCard()))) return undefined;
  try {
    return asked !== true && (await findAdapter()).software ? undefined : await openDevice();
  } catch {
    // the package is missing, or a driver: the report needs neither, and `gmc doctor` says why
    return undefined;
  }
}

/** A device for which kernels are compiled, and what tuning found on it. */
export interface TargetDevice {
  readonly limits: DeviceLimits;
  readonly tuning?: Tuning | undefined;
}

/** With what is measured on a device: a roofline once and for all, kernels each time. */
export async function measuredReport(
  model: ModelDefinition,
  options: KernelOptions,
  device: Device,
  choices: Choices,
): Promise<{ readonly report: KernelReport; readonly present: PresentDevice }> {
  const { adapter, limits } = device;
  const tuning = wantsTuning({}) ? new Tuning(adapter.name, choices) : undefined;
  const phases = compiledPhases(model, options, { limits, tuning });
  const present = { name: adapter.name, software: adapter.software, buffers: limits.maxBuffers, timed: false };
  const asked = options.buffers ?? 0;
  if (asked > limits.maxBuffers) {
    const unmeasured = `no kernel was timed: the device lets one bind ${limits.maxBuffers} buffers, and ${asked} were asked for`;
    return { report: reportOf(model, asked, phases), present: { ...present, unmeasured } };
  }
  const times = new Map<CompiledProgram, NonNullable<Measurements["times"]>>();
  let peaks: Peaks | undefined;
  let unmeasured = device.timestamps ? undefined : "no kernel was timed: the device does not offer timestamp-query";
  try {
    peaks = await peaksOf(device, choices);
    for (const program of phases.flatMap(({ programs }) => programs)) {
      const taken = await timeProgram(device, program);
      if (taken !== undefined) times.set(program, taken);
    }
  } catch (error) {
    // a device without room for the buffers, or one that is lost: the rest of the report needs none
    if (!(error instanceof GmcError)) throw error;
    unmeasured = `${peaks === undefined ? "nothing was measured" : "not every kernel was timed"}: ${error.message}`;
  }
  const report = reportOf(model, options.buffers ?? limits.maxBuffers, phases, { peaks, times });
  return {
    report,
    present: { ...present, timed: times.size > 0, ...(peaks && { peaks }), ...(unmeasured === undefined ? {} : { unmeasured }) },
  };
}

/** The training programs of a model, compiled for the least that WebGPU grants, or for what `target` grants. Nothing is measured. */
export function kernelReport(model: ModelDefinition, options: KernelOptions, target?: TargetDevice): KernelReport {
  const buffers = options.buffers ?? target?.limits.maxBuffers ?? usualBuffers;
  return reportOf(model, buffers, compiledPhases(model, options, target));
}

interface CompiledPhase {
  readonly plan: ReturnType<typeof planPhase>;
  readonly name: string;
  readonly programs: readonly CompiledProgram[];
  readonly states: ReadonlyMap<string, StateSpec>;
}

function compiledPhases(model: ModelDefinition, { batch, buffers }: KernelOptions, target?: TargetDevice): readonly CompiledPhase[] {
  const half = wantsHalf({});
  const limits: DeviceLimits =
    target === undefined ? usualLimits(buffers, half) : { ...target.limits, maxBuffers: buffers ?? target.limits.maxBuffers, half };
  const weights = leavesOf(model.weights).map(({ path, spec }) => [path, { dtype: "f32", shape: spec.shape }] as const);
  return model.train.map(({ name }, i) => {
    const plan = planPhase(model, i, { dynamic: new Set(), batch });
    const written = plan.updates.map(({ program }) => writtenOut(program));
    const between = written.flatMap((of) => [...of.states]);
    const states = new Map<string, StateSpec>([...weights, ...plan.states.map((state) => [state.name, state] as const), ...between]);
    const programs = written.map(({ program }) => {
      const compiled = compileProgram(program, limits, (state) => states.get(state)?.shape);
      return target?.tuning?.known(compiled) ?? compiled;
    });
    return { plan, name, programs, states };
  });
}

interface ReportMeasurements extends Pick<Measurements, "peaks"> {
  readonly times?: ReadonlyMap<CompiledProgram, NonNullable<Measurements["times"]>>;
}

function reportOf(
  model: ModelDefinition,
  buffers: number,
  compiled: readonly CompiledPhase[],
  { peaks, times }: ReportMeasurements = {},
): KernelReport {
  const phases = compiled.map(({ plan, name, programs, states }): PhaseKernels => {
    const updates = plan.updates.map(({ direction, label, place, steps }, at): UpdateKernels => {
      const update = `${direction} ${label}`;
      const program = programs[at]!;
      return { update, place, steps, program: describeProgram(program, { label: update, place }, { peaks, times: times?.get(program) }) };
    });
    const step = sumOf(updates.map((update) => scaled(update.program.run, update.steps)));
    return { phase: name, batch: plan.batch, updates, step, memory: summaryOf(memoryNeed(programs, states)) };
  });
  return { model: model.name, buffers, phases };
}
