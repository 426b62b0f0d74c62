/** Runs one program on an engine and on the reference over the same state and feeds, and compares what comes back and what is left in the store. */
import { expect } from "vitest";
import { referenceEngine } from "../../src/runtime/engines/reference/index.js";
import type { Engine, EngineSession, HostTensor, HostTensors, Program } from "../../src/runtime/engines/engine.js";
import { sizeOf, type DType } from "../../src/runtime/graph/index.js";

export interface Scenario {
  readonly programs: readonly Program[];
  /** the store before the first run */
  readonly state?: HostTensors;
  /** the runs: which program, fed what */
  readonly runs: readonly { readonly program: string; readonly feeds: HostTensors }[];
  /** states compared at the end; all of `state` by default */
  readonly read?: readonly string[];
  readonly tolerance?: number;
  /**
   * How floats are compared: each entry relative to itself or the whole tensor's size, unless told; `each entry` to itself alone; or all in their root mean
   * square, where an entry at a threshold may fall to either side.
   */
  readonly norm?: "entries" | "each entry" | "root mean square";
  /** Of `each entry`: smaller ones are compared relative to it. */
  readonly least?: number;
}

export function tensor(shape: readonly number[], numbers: ArrayLike<number>, dtype: DType = "f32"): HostTensor {
  const Data = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array }[dtype];
  const data = new Data(sizeOf(shape));
  if (numbers.length === 1) data.fill(numbers[0]!);
  else data.set(numbers);
  return { dtype, shape, data };
}

export const scalarOf = (value: number, dtype: DType = "f32"): HostTensor => tensor([], [value], dtype);

/** Floats agree to `tolerance` relative to the entry or the tensor's size, whichever is larger; everything else exactly. */
export function expectClose(got: HostTensor | undefined, want: HostTensor, what: string, tolerance = 1e-4): void {
  expect(got, `${what} is missing`).toBeDefined();
  expect([got!.dtype, [...got!.shape]], what).toEqual([want.dtype, [...want.shape]]);
  expect(got!.data.length, `${what}: number of entries`).toBe(want.data.length);
  expect(got!.data.constructor, `${what}: kind of array`).toBe(want.data.constructor);
  let squares = 0;
  for (const v of want.data) if (Number.isFinite(v)) squares += v * v;
  const size = want.data.length === 0 ? 0 : Math.sqrt(squares / want.data.length);
  for (let i = 0; i < want.data.length; i++) {
    const [a, b] = [got!.data[i]!, want.data[i]!];
    if (Object.is(a, b) || a === b) continue;
    const fine = want.dtype === "f32" && Math.abs(a - b) <= tolerance * Math.max(Math.abs(b), size) + 1e-7;
    if (!fine) expect.fail(`${what}[${i}] is ${a}, the reference gives ${b} (shape [${want.shape.join(", ")}])`);
  }
}

/** Each float agrees to `tolerance` relative to itself, or to `least` where it is smaller. */
export function expectEach(got: HostTensor | undefined, want: HostTensor, what: string, tolerance: number, least: number): void {
  expectClose(got, want, what, Infinity);
  want.data.forEach((b, i) => {
    const a = got!.data[i]!;
    if (Object.is(a, b) || a === b) return;
    if (!(Math.abs(a - b) <= tolerance * Math.max(Math.abs(b), least))) expect.fail(`${what}[${i}] is ${a}, the reference gives ${b}`);
  });
}

/** Floats agree to `tolerance` of the tensor's size in their root mean square; all else as by expectClose. */
export function expectNear(got: HostTensor | undefined, want: HostTensor, what: string, tolerance: number): void {
  expectClose(got, want, what, want.dtype === "f32" ? Infinity : tolerance);
  if (want.dtype !== "f32" || want.data.length === 0) return;
  const norm = (of: (i: number) => number): number => {
    let squares = 0;
    for (let i = 0; i < want.data.length; i++) squares += of(i) ** 2;
    return Math.sqrt(squares / want.data.length);
  };
  const [error, size] = [norm((i) => got!.data[i]! - want.data[i]!), norm((i) => want.data[i]!)];
  expect(error, `${what} is off by ${error} where the reference is ${size}`).toBeLessThanOrEqual(tolerance * size + 1e-7);
}

async function play(session: EngineSession, scenario: Scenario): Promise<{ fetched: HostTensors[]; state: HostTensors }> {
  try {
    for (const [name, value] of Object.entries(scenario.state ?? {})) await session.write(name, value);
    const executables = new Map(await Promise.all(scenario.programs.map(async (p) => [p.name, await session.compile(p)] as const)));
    const fetched: HostTensors[] = [];
    for (const run of scenario.runs) fetched.push(await executables.get(run.program)!.run(run.feeds));
    const names = scenario.read ?? Object.keys(scenario.state ?? {});
    const state = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await session.read(name)] as const)));
    for (const executable of executables.values()) executable.dispose();
    return { fetched, state };
  } finally {
    session.dispose();
  }
}

export async function expectSame(engine: Engine, scenario: Scenario, what = "program"): Promise<void> {
  const want = await play(await referenceEngine.open(), scenario);
  const got = await play(await engine.open(), scenario);
  const compare: typeof expectNear =
    scenario.norm === "root mean square"
      ? expectNear
      : scenario.norm === "each entry"
        ? (a, b, name, tolerance) => expectEach(a, b, name, tolerance, scenario.least ?? 0)
        : expectClose;
  for (const [i, outputs] of want.fetched.entries()) {
    expect(Object.keys(got.fetched[i]!).sort()).toEqual(Object.keys(outputs).sort());
    for (const [name, value] of Object.entries(outputs))
      compare(got.fetched[i]![name], value, `${what}, run ${i}: ${name}`, scenario.tolerance ?? 1e-4);
  }
  for (const [name, value] of Object.entries(want.state))
    compare(got.state[name], value, `${what}: state ${name}`, scenario.tolerance ?? 1e-4);
}
