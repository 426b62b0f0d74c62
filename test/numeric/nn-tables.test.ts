/** What the compiler believes of layers and functions (shapes, weights, names), against the runtime. */
import { describe, expect, test } from "vitest";
import { builtins } from "../../src/ir/builtins.js";
import { layers } from "../../src/ir/layers.js";
import type { LayerCall } from "../../src/ir/layer-entry.js";
import { dim } from "../../src/ir/shapes.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { LayerSpec, Tensor } from "../../src/runtime/index.js";

const runtime = gmc as unknown as Readonly<Record<string, unknown>>;

type Option = number | boolean | string;

/** A layer's name in a `.gm` file, its event shape in, its options. */
const cases: readonly [string, readonly number[], Readonly<Record<string, Option>>][] = [
  ["dense", [5], { units: 3 }],
  ["dense", [4, 5], { units: 3, bias: false }],
  ["conv", [6, 7, 2], { channels: 4, size: 3 }],
  ["conv", [7, 6, 4], { channels: 6, size: 3, stride: 2, groups: 2 }],
  ["conv", [8, 8, 1], { channels: 2, size: 3, padding: "valid", dilation: 2, bias: false }],
  ["conv1d", [9, 2], { channels: 3, size: 4, stride: 2 }],
  ["conv_transpose", [4, 5, 3], { channels: 2, size: 4, stride: 2 }],
  ["conv_transpose", [4, 5, 3], { channels: 2, size: 3, stride: 2, padding: "valid" }],
  ["conv1d_transpose", [4, 3], { channels: 2, size: 4, stride: 2 }],
  ["batch_norm", [4, 4, 3], {}],
  ["layer_norm", [6], {}],
  ["group_norm", [4, 4, 6], { groups: 3 }],
  ["instance_norm", [4, 4, 6], {}],
  ["masked_conv", [4, 5, 2], { channels: 4, size: 3, mask: "A" }],
  ["causal_conv", [6, 2], { channels: 4, size: 3, dilation: 2, strict: true }],
  ["minibatch_discrimination", [5], { kernels: 3, dims: 2 }],
  ["nade", [6], { hidden: 4 }],
  ["nade", [6], { hidden: 4, outputs: 3 }],
];

/** The weights' order of channels in a transposed kernel is the runtime's affair: shapes are compared as sorted extents. */
const extents = (shape: readonly number[]): string => [...shape].sort((a, b) => a - b).join(" x ");

describe("layers", () => {
  for (const [name, input, given] of cases) {
    test(`${name} on [${input.join(", ")}] ${JSON.stringify(given)}`, () => {
      const layer = layers.get(name)!;
      const options = new Map<string, Option>(
        layer.options.flatMap((o) => (o.fallback === undefined ? [] : [[o.name, o.fallback as Option]])),
      );
      Object.entries(given).forEach(([k, v]) => options.set(k, v));
      const dims = new Map([...options].flatMap(([k, v]) => (typeof v === "number" ? [[k, [dim(v)]] as const] : [])));
      const call = { name, input: input.map((n) => dim(n)), classes: undefined, options, dims } as unknown as LayerCall;
      const result = layer.apply(call)!;
      const own = runtime[layer.runtime] as { spec(...args: unknown[]): LayerSpec<object> } & ((
        w: object,
        x: Tensor,
        options: object,
      ) => Tensor);
      const spec = own.spec(...result.spec, result.options);
      const trained = Object.fromEntries(Object.entries(spec.leaves).flatMap(([leaf, s]) => (s.trained ? [[leaf, s.shape]] : [])));
      expect(Object.keys(trained).sort()).toEqual(Object.keys(result.weights).sort());
      for (const [leaf, shape] of Object.entries(trained)) {
        const sizes = name === "group_norm" ? [gmc.sizeOf(shape)] : shape;
        expect(extents(sizes), leaf).toBe(extents(result.weights[leaf]!));
      }
      const feeds = Object.fromEntries(
        Object.entries(spec.leaves).map(([leaf, s]) => [leaf, { shape: s.shape, data: new Float64Array(gmc.sizeOf(s.shape)).fill(0.5) }]),
      );
      const x = { shape: [2, 3, ...input], data: Float64Array.from({ length: 6 * gmc.sizeOf(input) }, (_, i) => Math.sin(i)) };
      const out = compute(({ x: t, ...w }) => own(w, t!, result.options), { ...feeds, x }, { mode: "eval" });
      expect(out.shape).toEqual([2, 3, ...result.shape.map((d) => d.size)]);
    });
  }

  test("every layer of the table is in the runtime", () => {
    for (const layer of layers.values()) expect(typeof runtime[layer.runtime], layer.runtime).toBe("function");
    // Masks by a rule: test/ir/tables.test.ts.
    const tried = new Set([...cases.map(([name]) => name), "dropout", "embedding", "masked_dense"]);
    expect([...layers.keys()].filter((name) => !tried.has(name))).toEqual([]);
  });
});

test("every function of the language is in the runtime, operators on parts of a value aside", () => {
  const missing = [...builtins.values()].filter((b) => typeof runtime[b.runtime] !== "function").map((b) => b.fn);
  // Indexing is written with sliceAxis and squeeze.
  expect(missing).toEqual(["index"]);
});
