/** What the compiler believes of bijections (names, weights, shapes, conditioners, directions), against the runtime. */
import { describe, expect, it } from "vitest";
import { type BijectionCall, bijections } from "../../src/ir/flows.js";
import { dim } from "../../src/ir/shapes.js";
import { computed } from "../support/flow-table.js";
import * as gmc from "../../src/runtime/index.js";
import type { Bijector, Key, LayerSpec, Tensor } from "../../src/runtime/index.js";

type Option = number | string | boolean | readonly number[];

const runtime = gmc as unknown as Readonly<Record<string, unknown>>;

/** A bijection, its event on the side of z, its options. */
const cases: readonly [string, readonly number[], Readonly<Record<string, Option>>][] = [
  ["affine", [2, 3], {}],
  ["coupling", [5], {}],
  ["coupling", [5], { mask: "alternate", scale: "exp" }],
  ["coupling", [5], { mask: "alternate", swap: true, scale: "sigmoid" }],
  ["coupling", [4, 4, 3], { swap: true, mask: "channel" }],
  ["coupling", [4, 4, 1], { mask: "checkerboard" }],
  ["coupling", [4], { mask: "checkerboard" }],
  ["additive_coupling", [7], {}],
  ["spline_coupling", [3], { bins: 5, bound: 2 }],
  ["masked_autoregressive", [3], {}],
  ["inverse_autoregressive", [3], {}],
  ["planar", [4], {}],
  ["radial", [4], {}],
  ["sylvester", [4], { rank: 2 }],
  ["actnorm", [2, 2, 3], {}],
  ["invertible_linear", [2, 2, 3], {}],
  ["batch_norm", [4], {}],
  ["permute", [5], { order: 3 }],
  ["permute", [3], { order: [2, 0, 1] }],
  ["reverse", [5], {}],
  ["squeeze", [2, 2, 8], {}],
  ["sigmoid", [3], {}],
  ["logit", [3], {}],
  ["softplus", [3], {}],
  ["exp", [3], {}],
  ["dequantize", [3], {}],
];

describe("bijections", () => {
  it("have a case each; multi_scale is one of others", () => {
    expect(new Set([...cases.map(([name]) => name), "multi_scale"])).toEqual(new Set(bijections.keys()));
  });

  it.each(cases)("%s on %j %j", (name, event, given) => {
    const entry = bijections.get(name)!;
    const options = new Map<string, Option>(
      entry.options.flatMap((o) => (o.fallback === undefined ? [] : [[o.name, o.fallback as Option]])),
    );
    Object.entries(given).forEach(([k, v]) => options.set(k, v));
    const dims = new Map([...options].flatMap(([k, v]) => (typeof v === "number" ? [[k, [dim(v)]] as const] : [])));
    const domain = entry.takes?.[0] ?? "real";
    const call = { name, from: { domain, shape: event.map((n) => dim(n)) }, options, dims } as unknown as BijectionCall;
    const result = entry.apply(call)!;
    const own = runtime[entry.runtime] as { spec?(...args: unknown[]): LayerSpec<object> } & ((...args: unknown[]) => Bijector);
    const spec = own.spec?.(...(result.spec ?? []));
    const trained = Object.values(spec?.leaves ?? {}).reduce((n, s) => n + (s.trained ? gmc.sizeOf(s.shape) : 0), 0);
    expect(result.parameters).toBe(trained);
    const asked: number[][] = [];
    const net = (t: Tensor): Tensor => {
      asked.push([...t.shape.slice(1)]);
      return gmc.zeros([t.shape[0]!, ...(result.conditioner?.to ?? []).map((d) => d.size)]);
    };
    const { directions, shape } = computed(
      spec,
      (w, key: Key, z) => {
        const b = own(...(w ? [w] : []), {
          event,
          ...result.options,
          ...(result.conditioner ? { net } : {}),
          ...(entry.keyed ? { key } : {}),
        });
        return { b, x: b.forward(gmc.add(gmc.mul(z, 0), 0.5)) };
      },
      event,
    );
    expect(shape).toEqual(result.to.shape.map((d) => d.size));
    expect(directions).toEqual(entry.directions);
    for (const found of asked) expect(found).toEqual(result.conditioner!.from.map((d) => d.size));
    if (entry.conditioned && directions.forward === "closed") expect(asked.length).toBeGreaterThan(0);
  });
});
