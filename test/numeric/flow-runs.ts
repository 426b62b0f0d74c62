/** What the tests of flows share: arrays of noise, a run in float32, weights as they start. */
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import * as gmc from "../../src/runtime/index.js";
import type { LayerSpec, Shape, Tensor } from "../../src/runtime/index.js";
import { noise } from "./flow-cases.js";

export type Feeds = Readonly<Record<string, { readonly shape: Shape; readonly data: Float64Array }>>;

export const array = (shape: Shape, seed: number, scale = 1): { readonly shape: Shape; readonly data: Float64Array } => ({
  shape,
  data: noise(gmc.sizeOf(shape), seed).map((v) => scale * v),
});

/** Runs in float32. */
export async function single(
  feeds: Feeds,
  fn: (t: Readonly<Record<string, Tensor>>) => Readonly<Record<string, Tensor>>,
  mode: "train" | "eval" = "eval",
  rng?: readonly number[],
) {
  const graph = gmc.stage(Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, { shape }])), fn, { mode });
  const session = await onnxEngine.open({ threads: 1 });
  try {
    const program = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: Object.keys(graph.outputs) });
    const inputs = Object.entries(feeds).map(([name, { shape, data }]) => [
      name,
      { dtype: "f32" as const, shape, data: Float32Array.from(data) },
    ]);
    const draws = rng ? { rng: { dtype: "u32" as const, shape: [4], data: Uint32Array.from(rng) } } : {};
    return await program.run({ ...Object.fromEntries(inputs), ...draws });
  } finally {
    session.dispose();
  }
}

export const initial = (spec: LayerSpec<unknown>, path: string): Feeds =>
  Object.fromEntries(
    Object.entries(spec.leaves).map(([name, leaf]) => [
      name,
      { shape: leaf.shape, data: gmc.initialState(leaf, { seed: 3, path: `${path}.${name}` }) },
    ]),
  );

export const finite = (values: ArrayLike<number>): boolean => Array.from(values).every(Number.isFinite);
