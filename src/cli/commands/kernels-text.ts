/** The text of `gmc explain --kernels`: the schedule of each update as a table, each dispatch with its WGSL, what a step costs. */
import { lineStarts, type SourceFile } from "../../base/source.js";
import {
  shortName,
  type BufferUse,
  type DispatchDescription,
  type PartDescription,
  type StageDescription,
  type Totals,
} from "../../runtime/engines/webgpu/describe.js";
import type { MemorySummary } from "../../runtime/engines/webgpu/need.js";
import { ridgeOf } from "../../runtime/engines/webgpu/roofline.js";
import { showShape } from "../../runtime/graph/shape.js";
import type { Origin } from "../../runtime/graph/types.js";
import { bytes, grouped, table } from "../output.js";
import type { KernelReport, PhaseKernels, PresentDevice, UpdateKernels } from "./explain-kernels.js";

/** `file` is the model's own, of which lines are quoted. `device`: what is here, where one is and was asked. */
export function printKernels(report: KernelReport, file: SourceFile, device?: PresentDevice): string {
  const lines = [
    `kernels of ${report.model} on the webgpu engine, where a kernel may bind ${report.buffers} storage buffers`,
    ...deviceLines(device),
  ];
  for (const phase of report.phases) {
    for (const update of phase.updates) lines.push("", ...updateLines(phase, update, file));
    lines.push(
      "",
      ...totals(phase.step).map((line, i) => (i === 0 ? `a step of ${phase.phase} at batch ${phase.batch}: ${line}` : line)),
      ...openStages(phase),
      `  ${memoryLine(phase.memory)}`,
    );
  }
  return `${lines.join("\n")}\n`;
}

function deviceLines(device: PresentDevice | undefined): string[] {
  if (device === undefined)
    return ["bytes and operations are counted, nothing is measured: no graphics card was asked (--measure asks a software adapter too)"];
  const { name, software, buffers, peaks, timed, unmeasured } = device;
  const lines = [`compiled for ${name}${software ? ", a software adapter" : ""}, which lets a kernel bind ${buffers}`];
  if (peaks !== undefined) {
    const { flops, bytes: moved } = peaks;
    const ridge = `below ${ridgeOf(peaks).toPrecision(2)} operations a byte bandwidth bounds a kernel, above it arithmetic`;
    lines.push(`roofline, measured on it: ${rate(flops, "FLOP/s")} by multiply-adds, ${rate(moved, "B/s")} by a copy; ${ridge}`);
  }
  if (timed) lines.push("times: by the device's timestamps, the median of several runs; share: of the roofline's, which is the least time");
  if (unmeasured !== undefined) lines.push(unmeasured);
  return lines;
}

/** `17.4 GFLOP/s` */
function rate(value: number, unit: string): string {
  const prefixes = ["", "k", "M", "G", "T", "P"];
  const power = Math.max(0, Math.min(prefixes.length - 1, Math.floor(Math.log10(value) / 3)));
  return `${(value / 1000 ** power).toPrecision(3)} ${prefixes[power]}${unit}`;
}

/** `0.0123 ms` */
const time = (ms: number): string => `${ms < 100 ? ms.toPrecision(3) : ms.toFixed(0)} ms`;
const share = (part: number, of: number): string => (of > 0 ? `${((100 * part) / of).toFixed(0)} %` : "");
const perByte = (intensity: number): string => (intensity < 100 ? intensity.toPrecision(2) : intensity.toFixed(0));

function totals({ dispatches, host, read, written, bytes: moved, flops, roofline, ms }: Totals): string[] {
  const noun = dispatches === 1 ? "dispatch" : "dispatches";
  const beside = host === 0 ? "" : ` and ${grouped(host)} on the host`;
  const what = `${grouped(dispatches)} ${noun}${beside}, ${cost({ read, written, bytes: moved, flops, intensity: moved === 0 ? 0 : flops / moved })}`;
  if (roofline === undefined) return [what];
  const least = `  roofline ${time(roofline)}, the sum of its dispatches`;
  return [what, ms === undefined ? least : `${least}; they took ${time(ms)}, of which that is ${share(roofline, ms)}`];
}

type Cost = Pick<DispatchDescription, "read" | "written" | "bytes" | "flops" | "intensity">;

const cost = ({ read, written, bytes: moved, flops, intensity }: Cost): string =>
  `${bytes(moved)} moved (${bytes(read)} read, ${bytes(written)} written), ${grouped(flops)} floating-point operations, ${perByte(intensity)} a byte`;

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
  const all = numbered.map(({ dispatch }) => dispatch);
  const [roofs, timed] = [all.some((each) => each.roofline !== undefined), all.some((each) => each.ms !== undefined)];
  const rows = numbered.map(({ number, stage, dispatch }) => [
    `${number}`,
    stage.name,
    dispatch.where === "host" ? "host" : groups(dispatch),
    `${dispatch.parts.length}`,
    bytes(dispatch.read),
    bytes(dispatch.written),
    grouped(dispatch.flops),
    perByte(dispatch.intensity),
    ...(roofs ? [dispatch.roofline === undefined ? "" : time(dispatch.roofline.ms), dispatch.roofline?.by ?? ""] : []),
    ...(timed ? [dispatch.ms === undefined ? "" : time(dispatch.ms), shareOf(dispatch)] : []),
    // one line a dispatch: of many parts the first are named
    summary(dispatch.parts),
  ]);
  const measured = [...(roofs ? ["roofline", "bound by"] : []), ...(timed ? ["time", "share"] : [])];
  const head = ["", "stage", "workgroups", "parts", "read", "written", "FLOPs", "FLOPs/B", ...measured, "computes"];
  const right = head.flatMap((name, i) => (["stage", "bound by", "computes"].includes(name) ? [] : [i]));
  const schedule = table([head, ...rows], right);
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

const shareOf = ({ roofline, ms }: DispatchDescription): string =>
  roofline === undefined || ms === undefined ? "" : share(roofline.ms, ms);

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
  const lines = [`dispatch ${number}, ${stage.name}: ${where}, ${cost(dispatch)}`, ...rooflineLine(dispatch)];
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
    const { device, choice, time: best, usual } = dispatch.tuned;
    lines.push(`  tuned on ${device}: ${choice}; ${best.toPrecision(3)} ms, where the cost model's choice takes ${usual.toPrecision(3)}`);
  }
  if (dispatch.wgsl !== undefined) lines.push("", dispatch.wgsl.trimEnd());
  return lines;
}

function rooflineLine({ roofline, ms }: DispatchDescription): string[] {
  const least = roofline === undefined ? [] : [`roofline ${time(roofline.ms)}, bound by ${roofline.by}`];
  const took = ms === undefined ? [] : [`took ${time(ms)}${roofline === undefined ? "" : `, of which that is ${share(roofline.ms, ms)}`}`];
  return least.length + took.length === 0 ? [] : [`  ${[...least, ...took].join("; ")}`];
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
