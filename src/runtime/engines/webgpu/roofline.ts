/**
 * What a device reaches at most: operations a second of a loop of multiply-adds that stays in registers, bytes a second of a copy between buffers that
 * no cache holds. Measured on the device that is here, once, and kept with what tuning found; no data sheet is asked. A kernel takes at least
 * what its operations take at the one and its bytes at the other, whichever is longer (Williams, Waterman & Patterson 2009).
 */
import type { Device } from "./device.js";
import { timeDispatch, type Runnable } from "./timing.js";
import type { Choices, Peaks } from "./tuning-file.js";

export interface Bound {
  /** Milliseconds that no kernel with so many bytes and operations goes below. */
  readonly ms: number;
  readonly by: "bandwidth" | "arithmetic";
}

export function boundOf({ flops, bytes }: { readonly flops: number; readonly bytes: number }, peaks: Peaks): Bound {
  const [computing, moving] = [(1000 * flops) / peaks.flops, (1000 * bytes) / peaks.bytes];
  return computing > moving ? { ms: computing, by: "arithmetic" } : { ms: moving, by: "bandwidth" };
}

/** Operations for a byte from which on arithmetic bounds a kernel. */
export const ridgeOf = ({ flops, bytes }: Peaks): number => flops / bytes;

const THREADS = 256;

/** Each thread's sums, of four lanes each: independent, so that one does not wait for another. */
const SUMS = 4;
const TURNS = 512;
const UNROLLED = 4;
/** Operations of a workgroup: a multiply-add is two. */
const WORK = THREADS * TURNS * UNROLLED * SUMS * 4 * 2;
/** Workgroups to begin with, and a dispatch that takes so many milliseconds is long enough to be timed. */
const FEWEST = 64;
const MOST = 2 ** 16 - 1;
const LONG = 2;
/** Milliseconds that a clock tells apart. */
const TICK = 1e-6;

/** Bytes of each of the two buffers of a copy, where the device binds so many: more than caches hold. */
const COPIED = 2 ** 27;

const sums = Array.from({ length: SUMS }, (_, i) => `s${i}`);

const arithmetic = `@group(0) @binding(0) var<storage, read_write> result: array<f32>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = 1e-9 * f32(id.x);
  let a = vec4f(0.999 + x);
  let b = vec4f(0.001 + x);
${sums.map((name, i) => `  var ${name} = vec4f(x + ${i}.0);`).join("\n")}
  for (var turn = 0; turn < ${TURNS}; turn++) {
${Array.from({ length: UNROLLED }, () => sums.map((name) => `    ${name} = fma(${name}, a, b);`).join("\n")).join("\n")}
  }
  let sum = ${sums.join(" + ")};
  result[id.x] = sum.x + sum.y + sum.z + sum.w;
}
`;

const copy = `@group(0) @binding(0) var<storage, read> given: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> taken: array<vec4f>;
@compute @workgroup_size(${THREADS})
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < arrayLength(&taken)) { taken[id.x] = given[id.x]; }
}
`;

const runnable = (wgsl: string, across: number, ...access: readonly ("read" | "read_write")[]): Runnable => ({
  wgsl,
  workgroups: [across, 1],
  iteration: false,
  slots: access.map((each) => ({ access: each })),
});

/** What was measured before, else what is measured now and kept. Throws what `Device.check` does, GM5427 where there is no room for the copy. */
export async function peaksOf(device: Device, kept: Choices): Promise<Peaks> {
  const { name } = device.adapter;
  const known = kept.peaksOf(name);
  if (known !== undefined) return known;
  const peaks = { flops: await operationsPerSecond(device), bytes: await bytesPerSecond(device) };
  kept.setPeaks(name, peaks);
  await kept.save();
  return peaks;
}

async function operationsPerSecond(device: Device): Promise<number> {
  for (let groups = FEWEST; ; groups = Math.min(MOST, 4 * groups)) {
    const ms = await timeDispatch(device, runnable(arithmetic, groups, "read_write"), [4 * THREADS * groups]);
    if (ms >= LONG || groups === MOST) return (1000 * groups * WORK) / Math.max(ms, TICK);
  }
}

async function bytesPerSecond(device: Device): Promise<number> {
  const bytes = Math.floor(Math.min(device.maxBytes, COPIED) / 16) * 16;
  const ms = await timeDispatch(device, runnable(copy, Math.ceil(bytes / 16 / THREADS), "read", "read_write"), [bytes, bytes]);
  // each is read once and written once
  return (2000 * bytes) / Math.max(ms, TICK);
}
