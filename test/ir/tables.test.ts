/** The compiler's tables against the runtime: every entry exists there, with the same parameters, shapes and weights. */
import { describe, expect, test } from "vitest";
import * as runtime from "../../src/runtime/index.js";
import { builtins } from "../../src/ir/builtins.js";
import { distributionOf, distributions, implicitComponents } from "../../src/ir/distributions.js";
import { gridOf } from "../../src/ir/autoregressive/grid.js";
import { maskRule } from "../../src/ir/autoregressive/masks.js";
import type { MaskRule } from "../../src/ir/autoregressive/order.js";
import { layers } from "../../src/ir/layers.js";
import { schedules } from "../../src/ir/schedules.js";
import { optimizers } from "../../src/ir/settings-table.js";
import type { LayerInstance } from "../../src/ir/types.js";
import { elaborateText } from "./support.js";

const names = runtime as unknown as Readonly<Record<string, unknown>>;

describe("functions", () => {
  /** `index` is a slice and a squeeze, written out by codegen. */
  test.each([...builtins.values()].filter((b) => b.fn !== "index").map((b) => [b.fn, b.runtime]))("%s is %s", (_fn, name) => {
    expect(typeof names[name]).toBe("function");
  });
});

interface RuntimeDistribution {
  readonly name: string;
  readonly eventRank: number;
  readonly reparameterised: boolean;
  readonly parameters: readonly Readonly<Record<string, { readonly domain: string; readonly rank: number } | undefined>>[];
  readonly mean?: unknown;
}

describe("distributions", () => {
  test.each([...distributions.values()].filter((d) => !d.mixes))("$name", (entry) => {
    const object = names[entry.runtime] as RuntimeDistribution;
    expect(object, entry.runtime).toBeTypeOf("object");
    expect({ eventRank: object.eventRank, reparameterised: object.reparameterised }).toEqual({
      eventRank: entry.eventRank,
      reparameterised: entry.reparameterised,
    });
    expect(object.mean !== undefined || !entry.hasMean).toBe(true);
    for (const list of entry.parameters) {
      const wanted = Object.fromEntries(list.map((p) => [p.runtime ?? p.name, { domain: p.domain, rank: p.rank }]));
      expect(object.parameters).toContainEqual(wanted);
    }
  });
});

/** Mixtures of these follow their parameters: the runtime needs a sample and a distribution function that do. */
test.each([...implicitComponents])("a component %s has a distribution function", (name) => {
  const object = names[distributions.get(name)?.runtime ?? ""] as RuntimeDistribution & { readonly cdf?: unknown };
  expect([object.reparameterised, object.eventRank, typeof object.cdf]).toEqual([true, 0, "function"]);
});

/** A sample that the generated code holds fixed is one that the runtime moves, and the other way round: else its gradient is counted twice, or not at all. */
test("the runtime moves the samples of the mixtures that count as reparameterised, and of no others", () => {
  for (const { name, runtime: of } of distributions.values()) {
    const component = names[of] as RuntimeDistribution | undefined;
    if (component === undefined || component.eventRank !== 0 || component.mean === undefined || !("variance" in component)) continue;
    if (Object.values(component.parameters[0] ?? {}).some((p) => p?.rank !== 0)) continue;
    const mixed = runtime.mixture("Mixture", component as never);
    expect([name, mixed.reparameterised]).toEqual([name, distributionOf({ dist: "Mixture", of: { dist: name } })?.reparameterised]);
  }
});

interface RuntimeLayer {
  readonly spec?: (...args: readonly unknown[]) => {
    readonly leaves: Readonly<Record<string, { readonly shape: readonly number[]; readonly trained: boolean }>>;
  };
}

/** The rule of a masked layer at a variable itself, in the order in which its entries lie. */
function naturalRule(input: readonly number[], output: readonly { readonly size: number }[], instance: LayerInstance): MaskRule {
  const [places = 1] = input;
  const grid = gridOf(
    input,
    Int32Array.from({ length: input.reduce((a, b) => a * b, 1) }, (_, i) => i),
  );
  const size = input.reduce((a, b) => a * b, 1);
  expect(size % places).toBe(0);
  return maskRule(
    grid,
    output.map((d) => d.size),
    instance,
    { size, order: "natural" },
    [],
  );
}

describe("layers", () => {
  const calls: readonly (readonly [call: string, input: string])[] = [
    ["dense(5)", "real[7]"],
    ["dense(5)", "real[4, 7]"],
    ["dense(5, bias = false)", "real[7]"],
    ["conv(6, 3)", "real[8, 9, 2]"],
    ['conv(6, 3, stride = 2, padding = "valid", dilation = 2)', "real[9, 12, 2]"],
    ["conv(6, 3, groups = 2, bias = false)", "real[8, 9, 4]"],
    ["conv1d(6, 3, stride = 2)", "real[9, 2]"],
    ["conv_transpose(6, 3, stride = 2)", "real[4, 5, 2]"],
    ['conv_transpose(6, 3, stride = 2, padding = "valid")', "real[4, 5, 2]"],
    ["conv1d_transpose(6, 3, stride = 2)", "real[5, 2]"],
    ["batch_norm", "real[7]"],
    ["layer_norm", "real[4, 7]"],
    ["group_norm(2)", "real[3, 3, 8]"],
    ["group_norm(2)", "real[8]"],
    ["instance_norm", "real[3, 3, 8]"],
    ["instance_norm", "real[5, 8]"],
    ["embedding(5)", "category[10]"],
    ["embedding(5)", "category[10][3]"],
    ["dropout(0.5)", "real[7]"],
    ["minibatch_discrimination(4, 3)", "real[7]"],
    ["masked_dense(5)", "real[7]"],
    ["masked_dense(7, channels = 3, bias = false)", "real[7]"],
    ["masked_dense(3)", "real[7, 2]"],
    ['masked_conv(6, 3, mask = "A")', "real[5, 4, 2]"],
    ['masked_conv(6, 5, mask = "B", groups = 3, bias = false)', "real[5, 4, 3]"],
    ["causal_conv(6, 3, dilation = 2)", "real[9, 2]"],
    ["causal_conv(6, 2, strict = true, bias = false)", "real[3, 9, 2]"],
    ["nade(4)", "real[7]"],
    ["nade(4, outputs = 3)", "real[7]"],
    ["nade(4)", "real[7, 2]"],
    ["nade(4, outputs = 3)", "real[7, 5]"],
  ];

  test("each is called below", () => {
    expect(new Set(calls.map(([call]) => call.replace(/\(.*/, "")))).toEqual(new Set(layers.keys()));
  });

  test.each(calls)("%s of %s", (call, input) => {
    const { ir, text } = elaborateText(
      `model M { data x : ${input}   net f(x) = x |> ${call}   objective o = sum(f(x))   train { maximize o } }`,
    );
    expect(text).toBe("");
    const result = ir?.nets[0]?.result;
    if (result?.kind !== "layer" || result.type.kind !== "tensor") throw new Error("no layer");
    const { instance } = result;
    const entry = layers.get(instance.layer);
    const layer = names[entry?.runtime ?? ""] as RuntimeLayer & ((...args: readonly unknown[]) => runtime.Tensor);
    expect(layer).toBeTypeOf("function");
    const variable = ir?.variables.get("x")?.domain;
    const shape = [2, ...(variable?.shape.map((d) => d.size) ?? [])];
    const { takes, alone } = entry?.specOptions ?? { takes: ["bias", "groups"], alone: ["bias"] };
    const pick = (wanted: (option: string) => boolean): object =>
      Object.fromEntries(Object.entries(instance.options).filter(([o]) => wanted(o)));
    const [forSpec, applied] = [pick((o) => takes.includes(o)), pick((o) => !alone.includes(o))];
    const rule = entry?.masked ? naturalRule(shape.slice(1), result.type.shape, instance) : {};
    let leaves: Readonly<Record<string, { readonly shape: readonly number[]; readonly trained: boolean }>> = {};
    let out: readonly number[] = [];
    runtime.stage({ x: { shape, dtype: variable?.name === "category" ? "i32" : "f32" } }, (given) => {
      const x = (given as Readonly<Record<string, runtime.Tensor>>)["x"];
      if (entry?.weightless) {
        out = layer(runtime.rootKey(), x, ...instance.spec, applied).shape;
      } else {
        const spec = layer.spec?.(...instance.spec, { ...rule, ...forSpec });
        leaves = spec?.leaves ?? {};
        out = layer(runtime.materialize(spec as never), x, { ...rule, ...applied }).shape;
      }
      return {};
    });
    expect(out.slice(1)).toEqual(result.type.shape.map((d) => d.size));
    const trained = Object.values(leaves).filter((leaf) => leaf.trained);
    expect(trained.reduce((total, leaf) => total + leaf.shape.reduce((a, b) => a * b, 1), 0)).toBe(instance.parameterCount);
  });
});

describe("training", () => {
  test.each([...optimizers.values()].map((o) => [o.name, o] as const))("%s takes the options that the table says", (name, entry) => {
    const builder = names[name] as (
      options: Readonly<Record<string, unknown>>,
    ) => Readonly<Record<string, unknown>> & { readonly constants: Readonly<Record<string, number>> };
    for (const arg of entry.args) {
      const value = arg.kind === "boolean" ? true : 0.125;
      const made = builder({ [arg.runtime]: value });
      const kept = arg.runtime in made ? made[arg.runtime] : made.constants[arg.runtime];
      expect(kept, arg.name).toBe(value === true ? 1 : value);
    }
  });

  test.each([...schedules.values()].map((s) => [s.name, s.runtime]))("%s is %s", (_name, builder) => {
    expect(names[builder]).toBeTypeOf("function");
  });
});
