/**
 * The gradient that training takes, from the programs that training runs: the stages of an update up to its gradients, at fixed weights, on the
 * reference engine. Estimates are averaged over many steps, with the standard error of batch means (neighbouring steps are correlated).
 */
import type { HostTensor } from "../../src/runtime/engines/engine.js";
import { referenceEngine, type ModelDefinition } from "../../src/runtime/index.js";
import { sizeOf } from "../../src/runtime/graph/shape.js";
import { datasetOf } from "../../src/runtime/train/arrays.js";
import { startValue } from "../../src/runtime/train/carried.js";
import { dataName, dataVariables, dtypeOf, scheduleName } from "../../src/runtime/train/context.js";
import { FAULT } from "../../src/runtime/train/fault-state.js";
import { planPhase } from "../../src/runtime/train/plan.js";
import { leavesOf as leaves } from "../../src/runtime/nn/spec.js";

export interface GradientRun {
  /** By path; numbers that f32 holds exactly. */
  readonly weights: Readonly<Record<string, readonly number[]>>;
  /** By variable, [B, ...event]. */
  readonly data: Readonly<Record<string, readonly number[]>>;
  readonly rows: number;
  readonly phase?: number;
  /** Values of schedules, the same at each step. */
  readonly schedules?: Readonly<Record<string, number>>;
  /** Estimates that are averaged; 1 by default. */
  readonly steps?: number;
  /** Steps before the first that counts. */
  readonly burnIn?: number;
  readonly seed?: number;
}

export interface Averaged {
  readonly mean: readonly number[];
  readonly standardError: readonly number[];
}

export interface GradientResult {
  readonly gradients: Readonly<Record<string, Averaged>>;
  /** The objective. */
  readonly value: Averaged;
  /** What is carried, as the last step left it. */
  readonly carried: Readonly<Record<string, HostTensor>>;
}

/** Batch means: 20 blocks of steps. */
const BLOCKS = 20;

export async function gradientsOf(model: ModelDefinition, options: GradientRun): Promise<GradientResult> {
  const { weights, rows, steps = 1, burnIn = 0, seed = 1, phase = 0 } = options;
  const plan = planPhase(model, phase, { dynamic: new Set(), batch: rows });
  const [update] = plan.updates;
  if (!update) throw new Error("nothing is trained");
  const dataset = datasetOf(model, { train: Object.fromEntries(Object.entries(options.data).map(([n, d]) => [n, Float32Array.from(d)])) });
  const session = await referenceEngine.open();
  for (const { path, spec } of leaves(model.weights)) await session.write(path, f32(spec.shape, weights[path]));
  await session.write(FAULT, { dtype: "i32", shape: [], data: Int32Array.of(0) });
  const carried: string[] = [];
  for (const { name, start } of plan.states) {
    if (start.kind !== "carried") continue;
    await session.write(name, startValue(start.name, start.spec, seed, dataset));
    carried.push(name);
  }
  const paths = leaves(model.weights).map((l) => l.path);
  const stages = update.program.stages.slice(0, -1);
  const last = stages.at(-1);
  const given = last?.kind === "call" ? Object.keys(last.graph.outputs) : [];
  const trained = paths.filter((p) => given.includes(`gradient:${p}`));
  const program = await session.compile({ name: "gradients", stages, fetch: ["metrics", FAULT, ...trained.map((p) => `gradient:${p}`)] });
  const variables = dataVariables(model);
  const feeds = Object.fromEntries(
    Object.entries(options.data).flatMap(([name, data]): [string, HostTensor][] => {
      const variable = variables[name];
      if (!variable) throw new Error(`${name} is no data of the model`);
      const shape = [rows, ...variable.shape];
      return [[dataName(name), dtypeOf(variable) === "i32" ? { dtype: "i32", shape, data: Int32Array.from(data) } : f32(shape, data)]];
    }),
  );
  for (const [name, value] of Object.entries(options.schedules ?? {})) feeds[scheduleName(name)] = f32([], [value]);
  const found: Record<string, number[][]> = { value: [], ...Object.fromEntries(trained.map((p) => [p, []])) };
  for (let step = 0; step < burnIn + steps; step++) {
    const out = await program.run({ ...feeds, rng: { dtype: "u32", shape: [4], data: Uint32Array.of(seed, 0, step, 0) } });
    if (out[FAULT]?.data[0] !== 0) throw new Error(`a value is not finite at step ${step}`);
    if (step < burnIn) continue;
    found["value"]?.push([out["metrics"]?.data[0] ?? NaN]);
    for (const p of trained) found[p]?.push(Array.from(out[`gradient:${p}`]?.data ?? []));
  }
  const kept: Record<string, HostTensor> = {};
  for (const name of carried) kept[name] = await session.read(name);
  session.dispose();
  const { value = [], ...gradients } = Object.fromEntries(Object.entries(found).map(([name, list]) => [name, averaged(list)]));
  return { gradients: gradients as Record<string, Averaged>, value: value as Averaged, carried: kept };
}

function f32(shape: readonly number[], data: readonly number[] | undefined): HostTensor {
  const values = Float32Array.from(data ?? []);
  if (values.length !== sizeOf(shape)) throw new Error(`${values.length} numbers for [${shape.join(", ")}]`);
  return { dtype: "f32", shape, data: values };
}

function averaged(list: readonly (readonly number[])[]): Averaged {
  const width = list[0]?.length ?? 0;
  const per = Math.floor(list.length / BLOCKS);
  const mean = Array.from({ length: width }, (_, i) => list.reduce((s, row) => s + (row[i] ?? 0), 0) / list.length);
  const standardError = mean.map((m, i) => {
    if (per === 0) return 0;
    let squares = 0;
    for (let b = 0; b < BLOCKS; b++) {
      let block = 0;
      for (let s = b * per; s < (b + 1) * per; s++) block += list[s]?.[i] ?? 0;
      squares += (block / per - m) ** 2;
    }
    return Math.sqrt(squares / (BLOCKS * (BLOCKS - 1)));
  });
  return { mean, standardError };
}
