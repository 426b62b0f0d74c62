/** Flows in float32, on the onnx engine, as deep and wide as they are used. */
import { describe, expect, test } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import * as gmc from "../../src/runtime/index.js";
import type { Bijector, Shape, Tensor } from "../../src/runtime/index.js";
import { netOf, netWeights } from "./flow-cases.js";
import { array, finite, initial, single, type Feeds } from "./flow-runs.js";

const available = (await onnxEngine.probe()).available;
if (!available) console.log("flow-f32: onnxruntime-node is not installed, float32 tests skipped");

describe.skipIf(!available)("float32 at realistic sizes: there and back, and the log-determinants cancel", () => {
  const check = async (feeds: Feeds, make: (w: Readonly<Record<string, Tensor>>) => Bijector, tolerance: number) => {
    const own = await single(feeds, ({ x, ...w }) => {
      const flow = make(w);
      const z = flow.inverse(x!);
      const back = flow.forward(z.value);
      return {
        off: gmc.reduceMax(gmc.abs(gmc.sub(back.value, x!))),
        log: gmc.reduceMax(gmc.abs(gmc.add(z.logDet, back.logDet))),
        logDet: z.logDet,
      };
    });
    expect(finite(own["logDet"]!.data)).toBe(true);
    expect(own["off"]!.data[0]!).toBeLessThan(tolerance);
    // relative to the number of entries that it sums over
    expect(own["log"]!.data[0]! / Math.max(1, ...Array.from(own["logDet"]!.data, Math.abs))).toBeLessThan(tolerance);
  };
  test("eight affine couplings of 784 entries", async () => {
    const depth = 8;
    const weights = Object.assign({}, ...Array.from({ length: depth }, (_, i) => netWeights([392], [784], `n${i}`))) as Record<
      string,
      Shape
    >;
    const feeds = { ...Object.fromEntries(Object.entries(weights).map(([k, s], i) => [k, array(s, i, 0.3)])), x: array([100, 784], 99, 2) };
    await check(
      feeds,
      (w) =>
        gmc.chain(
          Array.from({ length: depth }, (_, i) => gmc.coupling({ event: [784], swap: i % 2 === 1, net: netOf(w, [392], [784], `n${i}`) })),
        ),
      1e-4,
    );
  });
  test("four spline couplings of 64 entries", async () => {
    const depth = 4;
    const weights = Object.assign({}, ...Array.from({ length: depth }, (_, i) => netWeights([32], [32 * 23], `n${i}`))) as Record<
      string,
      Shape
    >;
    const feeds = {
      ...Object.fromEntries(Object.entries(weights).map(([k, s], i) => [k, array(s, i, 0.2)])),
      x: array([100, 64], 99, 3.5),
    };
    await check(
      feeds,
      (w) =>
        gmc.chain(
          Array.from({ length: depth }, (_, i) =>
            gmc.splineCoupling({ event: [64], swap: i % 2 === 1, net: netOf(w, [32], [32 * 23], `n${i}`) }),
          ),
        ),
      1e-4,
    );
  });
  test("Glow: two levels of three steps on 16 x 16 x 3", async () => {
    const feeds: Record<string, Feeds[string]> = { x: array([8, 16, 16, 3], 99, 1) };
    const step = (name: string, event: Shape): ((w: Readonly<Record<string, Tensor>>) => Bijector) => {
      const channels = event.at(-1)!;
      const specs = { actnorm: gmc.actnorm.spec(channels), linear: gmc.invertibleLinear.spec(channels) };
      for (const [layer, spec] of Object.entries(specs))
        for (const [leaf, value] of Object.entries(initial(spec, `${name}.${layer}`))) feeds[`${name}.${layer}.${leaf}`] = value;
      const filters: Readonly<Record<string, Shape>> = { a: [3, 3, channels / 2, 8], b: [1, 1, 8, 8], c: [3, 3, 8, channels] };
      Object.entries(filters).forEach(([k, shape], i) => (feeds[`${name}.${k}`] = array(shape, channels + i, 0.3)));
      return (w) => {
        const layer = (prefix: string): never =>
          Object.fromEntries(
            Object.entries(w).flatMap(([k, t]) => (k.startsWith(`${name}.${prefix}.`) ? [[k.split(".").at(-1)!, t]] : [])),
          ) as never;
        const conv = (k: string, t: Tensor): Tensor => gmc.conv2d({ kernel: w[`${name}.${k}`]! } as never, t);
        return gmc.chain([
          gmc.coupling({ event, mask: "channel", scale: "sigmoid", net: (t) => conv("c", gmc.relu(conv("b", gmc.relu(conv("a", t))))) }),
          gmc.invertibleLinear(layer("linear"), { event }),
          gmc.actnorm(layer("actnorm"), { event }),
        ]);
      };
    };
    const [low, high]: readonly [Shape, Shape] = [
      [4, 4, 24],
      [8, 8, 12],
    ];
    const [lower, higher] = [["l1", "l2", "l3"].map((n) => step(n, low)), ["h1", "h2", "h3"].map((n) => step(n, high))];
    await check(
      feeds,
      (w) => {
        const inner = gmc.chain([...lower.map((s) => s(w)), gmc.squeezeFlow({ event: low })]);
        return gmc.chain([
          gmc.multiScale({ event: high, inner, innerEvent: low }),
          ...higher.map((s) => s(w)),
          gmc.squeezeFlow({ event: high }),
        ]);
      },
      1e-4,
    );
  });

  describe("dequantisation of 100 pictures of 784 bytes", () => {
    const [event, rows]: readonly [Shape, number] = [[784], 100];
    const x = { shape: [rows, 784], data: Float64Array.from({ length: rows * 784 }, (_, i) => (i * 37) % 256) };
    const weights = netWeights([392], [784]);
    const feeds = { ...Object.fromEntries(Object.entries(weights).map(([k, s], i) => [k, array(s, i, 0.3)])), x };
    const key = () => gmc.rootKey().at("u");
    const learned = (w: Readonly<Record<string, Tensor>>) => (): Bijector =>
      gmc.chain([gmc.coupling({ event, net: netOf(w, [392], [784]) }), gmc.sigmoidFlow({ event })]);
    const run = (make: (w: Readonly<Record<string, Tensor>>) => Bijector) =>
      single(
        feeds,
        ({ x: t, ...w }) => {
          const flow = make(w);
          const z = flow.inverse(t!);
          const back = flow.forward(z.value);
          return { z: z.value, there: z.logDet, back: back.logDet, x: back.value };
        },
        "eval",
        [1, 2, 3, 0],
      );
    test.each([
      ["by uniform noise", () => ({})],
      ["by learned noise", (w: Readonly<Record<string, Tensor>>) => ({ noise: learned(w) })],
    ])("%s stays within (0, 1), and rounding gives every byte back", async (name, options) => {
      const found = await run((w) => gmc.dequantizeFlow({ event, key: key(), ...options(w) }));
      expect(Array.from(found["x"]!.data)).toEqual([...x.data]);
      expect(Array.from(found["z"]!.data, Number).every((z) => z > 0 && z < 1)).toBe(true);
      expect(finite(found["there"]!.data)).toBe(true);
      // D log 256 there and back; log q of learned noise is what else there is
      if (name === "by uniform noise")
        Array.from(found["there"]!.data, Number).forEach((there, i) => {
          expect(there / (784 * Math.log(256))).toBeCloseTo(-1, 4);
          expect(there + Number(found["back"]!.data[i])).toBeCloseTo(0, 1);
        });
    });
    test("behind logits and couplings", async () => {
      const found = await run((w) =>
        gmc.chain([
          gmc.coupling({ event, net: netOf(w, [392], [784]) }),
          gmc.sigmoidFlow({ event }),
          gmc.dequantizeFlow({ event, key: key(), noise: learned(w) }),
        ]),
      );
      for (const name of ["z", "there", "back"]) expect(finite(found[name]!.data), name).toBe(true);
      // noise next to the edge of a byte may round over it
      const off = Array.from(found["x"]!.data, (v, i) => Math.abs(Number(v) - x.data[i]!));
      expect(Math.max(...off)).toBeLessThanOrEqual(1);
      expect(off.filter((v) => v > 0).length / off.length).toBeLessThan(1e-3);
    });
  });
});
