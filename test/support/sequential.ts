/** Models that are drawn entry by entry, made by hand: weights of a spec without a pattern, and the values that a run draws. */
import type { EngineSession, HostTensor, HostTensors } from "../../src/runtime/engines/engine.js";
import { runSequential, type SequentialOptions } from "../../src/runtime/eval/sequential.js";
import * as gmc from "../../src/runtime/index.js";
import type { ModelDefinition, SequentialDefinition, WeightSpecs } from "../../src/runtime/index.js";
import { sizeOf } from "../../src/runtime/graph/shape.js";

/** Numbers in (-1, 1), the same in every run. */
export function noise(size: number, seed = 1): Float32Array {
  const stream = gmc.hostStream(seed, "noise");
  return Float32Array.from({ length: size }, () => 2 * stream.uniform() - 1);
}

export interface Hand<S extends WeightSpecs> {
  readonly weights: S;
  readonly sequential: SequentialDefinition<S>;
  readonly given?: readonly string[];
}

export function hand<S extends WeightSpecs>(made: Hand<S>): Hand<S> {
  return made;
}

export function modelOf(made: Hand<never>): ModelDefinition {
  const { variable, shape } = made.sequential;
  return {
    name: "hand",
    source: { file: "hand.gm", sha256: "", compiler: "" },
    hyperparameters: {},
    streams: [{ [variable]: { domain: "real", shape } }],
    latents: {},
    weights: made.weights,
    densities: {
      p: { head: [variable], given: made.given ?? [], label: `p(${variable})`, place: "hand.gm:1", sequential: [made.sequential as never] },
    },
    generative: "p",
    train: [],
    evaluate: {},
  };
}

/** Weights of every leaf, scaled. */
export async function fill(session: EngineSession, weights: WeightSpecs, scale = 1): Promise<void> {
  for (const [i, { path, spec }] of gmc.leavesOf(weights).entries())
    await session.write(path, { dtype: "f32", shape: spec.shape, data: noise(sizeOf(spec.shape), i + 1).map((v) => v * scale) });
}

export async function drawn<S extends WeightSpecs>(
  session: EngineSession,
  made: Hand<S>,
  options: Partial<SequentialOptions> & { readonly rows: number },
): Promise<{ readonly value: HostTensor; readonly mean: HostTensor; readonly notes: readonly string[] }> {
  const model = modelOf(made as never);
  const notes: string[] = [];
  const density = model.densities["p"]!;
  const outputs: HostTensors = await runSequential(density, {
    session,
    model,
    averaged: new Set(),
    seed: 1,
    given: {},
    onNote: (note) => notes.push(note),
    ...options,
  });
  const name = made.sequential.variable;
  return { value: outputs[`value:${name}`]!, mean: outputs[`mean:${name}`]!, notes };
}
