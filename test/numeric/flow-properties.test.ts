/** What each bijection promises beyond being one: constraints at extreme weights, starts, modes, bounds. */
import { describe, expect, test } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Bijector, LayerSpec, Shape, Tensor } from "../../src/runtime/index.js";
import { noise } from "./flow-cases.js";
import { array, finite, initial, single, type Feeds } from "./flow-runs.js";

const available = (await onnxEngine.probe()).available;
if (!available) console.log("flow-properties: onnxruntime-node is not installed, float32 tests skipped");

describe("planar, radial, sylvester at extreme weights", () => {
  const event = [3];
  const kinds: readonly [string, LayerSpec<unknown>, (w: object) => Bijector][] = [
    ["planar", gmc.planar.spec(event), (w) => gmc.planar(w as never, { event })],
    ["radial", gmc.radial.spec(event), (w) => gmc.radial(w as never, { event })],
    ["sylvester", gmc.sylvester.spec(event, 2), (w) => gmc.sylvester(w as never, { event })],
  ];
  for (const [name, spec, make] of kinds) {
    for (const scale of [0, 1, 30, 1000]) {
      const feeds: Feeds = {
        ...Object.fromEntries(Object.entries(spec.leaves).map(([leaf, { shape }], i) => [leaf, array(shape, 20 + i, scale)])),
        z: array([40, 3], 9, 4),
      };
      const run = ({ z, ...w }: Readonly<Record<string, Tensor>>): Record<string, Tensor> => {
        const { value, logDet } = make(w).forward(z!);
        const [g] = gmc.grad(gmc.sum(gmc.add(logDet, gmc.sum(value, -1))), [z!]);
        return { value, logDet, g: g! };
      };
      test(`${name}, weights of about ${scale}: the determinant is positive`, async () => {
        const exact = compute((inputs) => {
          const { value, ...rest } = run(inputs);
          const rows = [0, 1, 2].map((j) => gmc.grad(gmc.sum(gmc.sliceAxis(value!, 1, j, j + 1)), [inputs["z"]!])[0]!);
          return { ...rest, ...Object.fromEntries(rows.map((row, j) => [`row${j}`, row])) };
        }, feeds);
        const [a, b, c] = [0, 1, 2].map((j) => exact[`row${j}`]!.data);
        for (let n = 0; n < 120; n += 3) {
          const m = (r: ArrayLike<number>, i: number): number => r[n + i]!;
          const det =
            m(a!, 0) * (m(b!, 1) * m(c!, 2) - m(b!, 2) * m(c!, 1)) -
            m(a!, 1) * (m(b!, 0) * m(c!, 2) - m(b!, 2) * m(c!, 0)) +
            m(a!, 2) * (m(b!, 0) * m(c!, 1) - m(b!, 1) * m(c!, 0));
          // a determinant near 0 beside entries of a million is 0 up to rounding
          expect(det).toBeGreaterThan(-1e-9 * Math.max(1, scale) ** 3);
          const own = exact["logDet"]!.data[n / 3]!;
          if (det > 1e-3) expect(own).toBeCloseTo(Math.log(det), 4);
        }
        expect(finite(exact["logDet"]!.data)).toBe(true);
        if (available) {
          const own = await single(feeds, run);
          for (const [output, { data }] of Object.entries(own)) expect(finite(data), output).toBe(true);
        }
      });
    }
  }
  test("planar with u = 0 and radial with beta = 0 are the identity", () => {
    const zero = (shape: Shape): Tensor => gmc.zeros(shape);
    const z = array([5, 3], 1, 3);
    const out = compute(
      ({ z: t, w, c }) => {
        const planar = gmc.planar({ u: zero(event), w: w!, b: gmc.constant(0.3) }, { event }).forward(t!);
        const radial = gmc.radial({ centre: c!, alpha: gmc.constant(0.2), beta: zero([]) }, { event }).forward(t!);
        return { a: planar.value, b: radial.value, c: planar.logDet, d: radial.logDet };
      },
      { z, w: array(event, 2), c: array(event, 3) },
    );
    for (const name of ["a", "b"]) out[name]!.data.forEach((v, i) => expect(v).toBeCloseTo(z.data[i]!, 12));
    for (const name of ["c", "d"]) out[name]!.data.forEach((v) => expect(v).toBeCloseTo(0, 12));
  });
  test("weights of a net, one set a row, are those of each row alone", () => {
    const leaves = { u: array([4, 3], 1), w: array([4, 3], 2), b: array([4], 3), z: array([2, 4, 3], 4) };
    const out = compute(({ u, w, b, z }) => {
      const all = gmc.planar({ u: u!, w: w!, b: b! }, { event }).forward(z!);
      const row = (t: Tensor, axis: number, i: number): Tensor => gmc.squeeze(gmc.sliceAxis(t, axis, i, i + 1), axis);
      const each = [0, 1, 2, 3].map((i) =>
        gmc.planar({ u: row(u!, 0, i), w: row(w!, 0, i), b: row(b!, 0, i) }, { event }).forward(row(z!, 1, i)),
      );
      return {
        all: all.logDet,
        each: gmc.stack(
          each.map((e) => e.logDet),
          1,
        ),
        value: all.value,
        values: gmc.stack(
          each.map((e) => e.value),
          1,
        ),
      };
    }, leaves);
    expect(out["all"]!.shape).toEqual([2, 4]);
    out["all"]!.data.forEach((v, i) => expect(v).toBeCloseTo(out["each"]!.data[i]!, 12));
    out["value"]!.data.forEach((v, i) => expect(v).toBeCloseTo(out["values"]!.data[i]!, 12));
  });
});

describe("masks", () => {
  /** 1 where a coupling changes an entry. */
  const changed = (event: Shape, mask: gmc.Mask, swap: boolean, entries: number): readonly number[] => {
    const net = (): Tensor => gmc.ones([...event.slice(0, -1), entries]);
    return Array.from(compute(() => gmc.additiveCoupling({ event, mask, swap, net }).inverse(gmc.zeros(event)).value).data);
  };
  const cases: readonly [Shape, gmc.Mask, readonly number[], readonly [number, number]][] = [
    [[4], "halves", [0, 0, 1, 1], [2, 2]],
    [[5], "halves", [0, 0, 1, 1, 1], [3, 2]],
    [[5], "alternate", [0, 1, 0, 1, 0], [2, 3]],
    [[4], "alternate", [0, 1, 0, 1], [2, 2]],
    [[5], "checkerboard", [0, 1, 0, 1, 0], [5, 5]],
    [[1, 2, 2], "channel", [0, 1, 0, 1], [1, 1]],
    [[2, 3, 1], "checkerboard", [0, 1, 0, 1, 0, 1], [1, 1]],
    [[2, 2, 2], "checkerboard", [0, 0, 1, 1, 1, 1, 0, 0], [2, 2]],
  ];
  for (const [event, mask, pattern, [entries, swapped]] of cases) {
    test(`${mask} of [${event.join(", ")}], and swapped`, () => {
      expect(changed(event, mask, false, entries)).toEqual(pattern);
      expect(changed(event, mask, true, swapped)).toEqual(pattern.map((v) => 1 - v));
    });
  }
});

describe("spline", () => {
  const spline = (u: readonly number[], params: Float64Array, options: gmc.SplineOptions, direction: "forward" | "inverse" = "inverse") =>
    compute(
      ({ u: t, p }) => {
        const flow = gmc.splineCoupling({ event: [2], net: (kept) => gmc.add(gmc.mul(0, kept), p!), ...options });
        const image = flow[direction](gmc.stack([gmc.zeros([u.length]), t!], 1));
        return { y: gmc.squeeze(gmc.sliceAxis(image.value, 1, 1, 2), 1), logDet: image.logDet };
      },
      { u: Float64Array.from(u), p: params },
    );
  const points = [-7, -2.0001, -2, -1.9999, -0.4, 0, 0.7, 1.9999, 2, 2.0001, 50];
  test("is the identity outside of its bound, and continuous with its slope there", () => {
    for (const direction of ["forward", "inverse"] as const) {
      const { y, logDet } = spline(
        points,
        noise(14, 4).map((v) => 3 * v),
        { bins: 5, bound: 2 },
        direction,
      );
      points.forEach((u, i) => {
        if (Math.abs(u) > 2) expect([y!.data[i], logDet!.data[i]]).toEqual([u, 0]);
        if (Math.abs(Math.abs(u) - 2) < 1e-3) {
          expect(y!.data[i]).toBeCloseTo(u, 6);
          expect(Math.abs(logDet!.data[i]!)).toBeLessThan(0.1);
        }
      });
    }
  });
  test("is the identity at zero parameters", () => {
    const { y, logDet } = spline(points, new Float64Array(23), { bins: 8, bound: 2 });
    points.forEach((u, i) => expect(y!.data[i]).toBeCloseTo(u, 12));
    logDet!.data.forEach((v) => expect(v).toBeCloseTo(0, 12));
  });
  test("rises everywhere, also where parameters are extreme", () => {
    const line = Array.from({ length: 400 }, (_, i) => -3.3 + i / 60);
    const { y, logDet } = spline(
      line,
      noise(23, 8).map((v) => 40 * v),
      { bins: 8, bound: 3 },
    );
    for (let i = 1; i < line.length; i++) expect(y!.data[i]!).toBeGreaterThan(y!.data[i - 1]!);
    expect(finite(logDet!.data)).toBe(true);
  });
});

describe("batch normalisation", () => {
  const [event, momentum, eps] = [[2, 3], 0.8, 1e-3];
  const feeds = {
    x: { shape: [5, 2, 3], data: noise(30, 6).map((v, i) => (1 + (i % 3)) * v + (i % 3)) },
    shift: array([3], 1),
    logScale: array([3], 2),
    runningMean: array([3], 3),
    runningVariance: { shape: [3], data: Float64Array.of(0.5, 2, 4) },
  };
  const channel = (values: ArrayLike<number>, c: number): number[] => Array.from(values).filter((_, i) => i % 3 === c);
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  const variance = (list: readonly number[]): number => mean(list.map((v) => (v - mean(list)) ** 2));
  function staged(mode: "train" | "eval") {
    const shapes = Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, { shape }]));
    return gmc.stage(
      { x: shapes["x"]! },
      ({ x }) => {
        const w = Object.fromEntries(["shift", "logScale", "runningMean", "runningVariance"].map((name) => [name, gmc.state(name, [3])]));
        const flow = gmc.batchNormFlow(w as never, { event, momentum, eps });
        const { value, logDet } = flow.inverse(x!);
        return { value, logDet };
      },
      { mode },
    );
  }
  test("training takes the batch's statistics and moves the running ones", async () => {
    const { evaluateAll } = await import("../../src/runtime/engines/reference/evaluate.js");
    const { outputs, writes } = evaluateAll(staged("train"), feeds);
    let expected = 0;
    for (const c of [0, 1, 2]) {
      const [own, z] = [channel(feeds.x.data, c), channel(outputs["value"]!.data, c)];
      const scale = Math.exp(feeds.logScale.data[c]!);
      expect(mean(z)).toBeCloseTo(feeds.shift.data[c]!, 10);
      expect(variance(z)).toBeCloseTo((scale ** 2 * variance(own)) / (variance(own) + eps), 10);
      expected += 2 * (feeds.logScale.data[c]! - 0.5 * Math.log(variance(own) + eps));
      expect(writes["runningMean"]!.data[c]).toBeCloseTo(momentum * feeds.runningMean.data[c]! + (1 - momentum) * mean(own), 10);
      expect(writes["runningVariance"]!.data[c]).toBeCloseTo(
        momentum * feeds.runningVariance.data[c]! + (1 - momentum) * variance(own) * (10 / 9),
        10,
      );
    }
    outputs["logDet"]!.data.forEach((v) => expect(v).toBeCloseTo(expected, 10));
  });
  test("on the way to data both stages take the running ones: what an evaluation takes back", () => {
    for (const mode of ["train", "eval"] as const) {
      const flow = (w: object) => gmc.batchNormFlow(w as never, { event, momentum, eps });
      const there = compute(({ x, ...w }) => flow(w).forward(x!).value, feeds, { mode });
      const back = compute(
        ({ x, ...w }) => flow(w).inverse(x!).value,
        { ...feeds, x: { shape: feeds.x.shape, data: Float64Array.from(there.data) } },
        { mode: "eval" },
      );
      back.data.forEach((v, i) => expect(v).toBeCloseTo(feeds.x.data[i]!, 10));
      const logDet = compute(({ x, ...w }) => flow(w).forward(x!).logDet, feeds, { mode });
      const each = [0, 1, 2].map((c) => 2 * (0.5 * Math.log(feeds.runningVariance.data[c]! + eps) - feeds.logScale.data[c]!));
      logDet.data.forEach((v) => expect(v).toBeCloseTo(each[0]! + each[1]! + each[2]!, 10));
    }
  });
  test("evaluation takes the running ones, and writes nothing", () => {
    const graph = staged("eval");
    expect(graph.writes).toEqual({});
    const out = compute(({ x, ...w }) => gmc.batchNormFlow(w as never, { event, momentum, eps }).inverse(x!).value, feeds, {
      mode: "eval",
    });
    out.data.forEach((v, i) => {
      const c = i % 3;
      const z =
        ((feeds.x.data[i]! - feeds.runningMean.data[c]!) / Math.sqrt(feeds.runningVariance.data[c]! + eps)) *
        Math.exp(feeds.logScale.data[c]!);
      expect(v).toBeCloseTo(z + feeds.shift.data[c]!, 10);
    });
  });
});

test("MAF's density is that of Gaussians, each given the entries before it", () => {
  const size = 4;
  const mask = Array.from({ length: size * size * 2 }, (_, i) => (Math.floor(i / (2 * size)) < Math.floor((i % (2 * size)) / 2) ? 1 : 0));
  const feeds = { x: array([6, size], 1, 2), a: array([size, 2 * size], 2) };
  const out = compute(({ x, a }) => {
    const net = (t: Tensor): Tensor =>
      gmc.reshape(gmc.tanh(gmc.matmul(t, gmc.mul(a!, gmc.constant(mask, [size, 2 * size])))), [...t.shape, 2]);
    const z = gmc.maskedAutoregressive({ event: [size], net, scale: "exp" }).inverse(x!);
    const params = net(x!);
    const part = (i: number): Tensor => gmc.reshape(gmc.sliceAxis(params, -1, i, i + 1), x!.shape);
    return {
      flow: gmc.add(gmc.sum(gmc.normal.logProb(z.value, { loc: 0, scale: 1 }), -1), z.logDet),
      direct: gmc.sum(gmc.normal.logProb(x!, { loc: part(0), scale: gmc.exp(part(1)) }), -1),
    };
  }, feeds);
  out["flow"]!.data.forEach((v, i) => expect(v).toBeCloseTo(out["direct"]!.data[i]!, 10));
});

describe("invertible linear map", () => {
  test("starts as a rotation: W W^T = I, log-determinant 0, other layers another one", () => {
    const spec = gmc.invertibleLinear.spec(6);
    const image = (path: string) =>
      compute(({ x, ...w }) => ({ ...gmc.invertibleLinear(w as never, { event: [6] }).inverse(x!) }), {
        ...initial(spec, path),
        x: { shape: [6, 6], data: Float64Array.from({ length: 36 }, (_, i) => (i % 7 === 0 ? 1 : 0)) },
      });
    const { value, logDet } = image("flow.linear1");
    const w = (i: number, j: number): number => value!.data[6 * i + j]!;
    for (let i = 0; i < 6; i++)
      for (let j = 0; j < 6; j++) expect([0, 1, 2, 3, 4, 5].reduce((s, k) => s + w(i, k) * w(j, k), 0)).toBeCloseTo(i === j ? 1 : 0, 10);
    expect(w(0, 0)).not.toBeCloseTo(1, 1);
    logDet!.data.forEach((v) => expect(v).toBeCloseTo(0, 10));
    expect(image("flow.linear2")["value"]!.data).not.toEqual(value!.data);
  });
});

describe("dequantisation", () => {
  const [levels, rows] = [5, 4000];
  /** p(z) = 2 z on [0, 1): P(x) is the integral over its cell. */
  const exact = (x: number): number => Math.log(((x + 1) ** 2 - x ** 2) / levels ** 2);
  const x = Float64Array.from({ length: rows }, (_, i) => i % levels);
  const draw = (noiseOf?: (x: Tensor) => Bijector) =>
    compute(
      ({ x: t }) => {
        const flow = gmc.dequantizeFlow({ event: [1], key: gmc.rootKey().at("u"), levels, ...(noiseOf ? { noise: noiseOf } : {}) });
        const { value, logDet } = flow.inverse(t!);
        const z = gmc.reshape(value, [rows]);
        return { z, bound: gmc.add(gmc.log(gmc.mul(2, z)), logDet), again: flow.forward(value).value };
      },
      { x: { shape: [rows, 1], data: x } },
      { rng: [1, 2, 3, 0] },
    );
  const perLevel = (values: ArrayLike<number>, level: number): number[] => Array.from(values).filter((_, i) => i % levels === level);
  const mean = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length;
  test("uniform: weights have the mean P(x), logs that of the bound, and rounding gives x back", () => {
    const { bound, again, z } = draw();
    expect(Array.from(again!.data)).toEqual([...x]);
    expect(z!.data.every((v) => v >= 0 && v < 1)).toBe(true);
    for (let level = 0; level < levels; level++) {
      const own = perLevel(bound!.data, level);
      const weights = own.map(Math.exp);
      const error = Math.sqrt(mean(weights.map((v) => (v - mean(weights)) ** 2)) / own.length);
      expect(Math.abs(mean(weights) - Math.exp(exact(level)))).toBeLessThan(5 * error);
      // the bound itself: the integral of log p over the cell
      const below = (level + 1) * Math.log(level + 1) - (level === 0 ? 0 : level * Math.log(level)) - 1 + Math.log(2 / levels ** 2);
      expect(below).toBeLessThan(exact(level));
      const spread = Math.sqrt(mean(own.map((v) => (v - mean(own)) ** 2)) / own.length);
      expect(Math.abs(mean(own) - below)).toBeLessThan(5 * spread);
    }
  });
  test("with room at both ends: weights have the mean of the mass in the cell, logs that of the bound, and what lies beyond is the end", () => {
    const alpha = 0.05;
    const width = 1 - 2 * alpha;
    const out = compute(
      ({ x: t }) => {
        const flow = gmc.dequantizeFlow({ event: [1], key: gmc.rootKey().at("u"), levels, alpha });
        const { value, logDet } = flow.inverse(t!);
        const grid = gmc.reshape(gmc.constant([0.001, 0.049, 0.051, 0.229, 0.231, 0.5, 0.949, 0.951, 0.999]), [9, 1]);
        const forth = flow.forward(grid);
        return {
          bound: gmc.add(gmc.log(gmc.mul(2, gmc.reshape(value, [rows]))), logDet),
          again: flow.forward(value).value,
          rounded: forth.value,
          volume: forth.logDet,
        };
      },
      { x: { shape: [rows, 1], data: x } },
      { rng: [1, 2, 3, 0] },
    );
    expect([...out["again"]!.data]).toEqual([...x]);
    expect([...out["rounded"]!.data]).toEqual([0, 0, 0, 0, 1, 2, 4, 4, 4]);
    expect(out["volume"]!.data[0]).toBeCloseTo(Math.log(levels / width), 6);
    for (let level = 0; level < levels; level++) {
      const own = perLevel(out["bound"]!.data, level);
      const [a, b] = [alpha + (width * level) / levels, alpha + (width * (level + 1)) / levels];
      const weights = own.map(Math.exp);
      const error = Math.sqrt(mean(weights.map((v) => (v - mean(weights)) ** 2)) / own.length);
      expect(Math.abs(mean(weights) - (b * b - a * a))).toBeLessThan(5 * error);
      const integral = (z: number): number => z * Math.log(2 * z) - z;
      const below = (integral(b) - integral(a)) / (b - a) + Math.log(b - a);
      const spread = Math.sqrt(mean(own.map((v) => (v - mean(own)) ** 2)) / own.length);
      expect(Math.abs(mean(own) - below)).toBeLessThan(5 * spread);
      // of the model that is drawn from, whose end levels have all that lies beyond
      const [from, to] = [level === 0 ? 0 : a, level === levels - 1 ? 1 : b];
      expect(below).toBeLessThan(Math.log(to * to - from * from));
    }
  });
  test("in float32 the last noise below 1 and the first stay inside, where a logit is finite", () => {
    for (const u of [0, 1 - 2 ** -24]) {
      for (const x of [0, 127, 255]) {
        const noise = (t: Tensor): Bijector => {
          const map = (): gmc.Image => ({ value: gmc.add(gmc.mul(0, t), u), logDet: gmc.sum(gmc.mul(0, t), -1) });
          return { forward: map, inverse: map, directions: { forward: "closed", inverse: "none" } };
        };
        const { z, again } = compute(
          ({ x: t }) => {
            const flow = gmc.dequantizeFlow({ event: [1], key: gmc.rootKey().at("u"), noise });
            const { value } = flow.inverse(t!);
            return { z: value, again: flow.forward(value).value };
          },
          { x: { shape: [1, 1], data: [x] } },
          { rng: [1, 2, 3, 0] },
        );
        const u32 = Math.fround(Number(z!.data[0]) * 256 - x);
        const inside = Math.fround(Math.fround(x + u32) / 256);
        expect(inside > 0 && inside < 1, `${x} + ${u}: ${inside}`).toBe(true);
        expect(Math.abs(Number(z!.data[0]) - (x + u) / 256)).toBeLessThan(2e-7);
        expect([...again!.data]).toEqual([x]);
      }
    }
  });
  test("from the posterior of u the bound is log P(x), at every draw", () => {
    // u from its distribution function given x, ((x + u)^2 - x^2) / (2 x + 1), at Phi(noise)
    const posterior = (t: Tensor): Bijector => {
      const map = (epsilon: Tensor): gmc.Image => {
        const v = gmc.mul(0.5, gmc.add(1, gmc.erf(gmc.mul(Math.SQRT1_2, epsilon))));
        const reach = gmc.sqrt(gmc.add(gmc.square(t), gmc.mul(v, gmc.add(1, gmc.mul(2, t)))));
        const slope = gmc.div(gmc.add(1, gmc.mul(2, t)), gmc.mul(2, reach));
        const log = gmc.add(gmc.normal.logProb(epsilon, { loc: 0, scale: 1 }), gmc.log(slope));
        return { value: gmc.sub(reach, t), logDet: gmc.sum(log, -1) };
      };
      return { forward: map, inverse: map, directions: { forward: "closed", inverse: "none" } };
    };
    const { bound } = draw(posterior);
    // but for the edges that noise keeps from 0 and 1
    bound!.data.forEach((v, i) => expect(v).toBeCloseTo(exact(i % levels), 4));
  });
});

describe("composition", () => {
  test("directions: the worst of the parts; inverting swaps them", () => {
    const event = [3];
    const planar = gmc.planar({} as never, { event });
    const maf = gmc.maskedAutoregressive({ event, net: (t) => t });
    const turned = gmc.reverseFlow({ event });
    expect(gmc.chain([turned, maf]).directions).toEqual({ forward: "sequential", inverse: "closed" });
    expect(gmc.chain([maf, planar, turned]).directions).toEqual({ forward: "sequential", inverse: "none" });
    expect(gmc.invert(planar).directions).toEqual({ forward: "none", inverse: "closed" });
  });
  test("chain applies the first forwards first", () => {
    const out = compute(() => {
      const shift = gmc.affine({ shift: gmc.constant([1]), logScale: gmc.zeros([1]) }, { event: [1] });
      const scale = gmc.affine({ shift: gmc.zeros([1]), logScale: gmc.constant([Math.log(3)]) }, { event: [1] });
      return {
        x: gmc.chain([shift, scale]).forward(gmc.constant([2], [1, 1])).value,
        z: gmc.chain([shift, scale]).inverse(gmc.constant([9], [1, 1])).value,
      };
    });
    expect(out["x"]!.data[0]).toBeCloseTo(9, 12);
    expect(out["z"]!.data[0]).toBeCloseTo(2, 12);
  });
  test("a net may close over a condition, also one of more leading axes than the value", () => {
    const feeds = { z: array([4, 5], 1), e: array([3, 4, 2], 2), a: array([2, 6], 3) };
    for (const make of [gmc.coupling, gmc.additiveCoupling, (o: gmc.CouplingOptions) => gmc.splineCoupling({ ...o, bins: 1, bound: 9 })]) {
      const out = compute(({ z, e, a }) => {
        const width = make === gmc.additiveCoupling ? 3 : 6;
        const given = (t: Tensor): Tensor =>
          gmc.add(gmc.matmul(e!, gmc.sliceAxis(a!, 1, 0, width)), gmc.sum(t, -1).shape.length > 0 ? 0 : 0);
        const flow = make({ event: [5], net: given });
        const { value, logDet } = flow.forward(z!);
        return { value, logDet, back: flow.inverse(value).value };
      }, feeds);
      expect(out["value"]!.shape).toEqual([3, 4, 5]);
      expect(out["logDet"]!.shape).toEqual([3, 4]);
      out["back"]!.data.forEach((v, i) => expect(v).toBeCloseTo(feeds.z.data[i % 20]!, 9));
    }
  });
  test("squeeze takes each block of pixels to one position", () => {
    const out = compute(() => gmc.squeezeFlow({ event: [1, 2, 4] }).inverse(gmc.reshape(gmc.cast(gmc.iota(8), "f32"), [1, 2, 4, 1])).value);
    expect(out.shape).toEqual([1, 1, 2, 4]);
    expect(Array.from(out.data)).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
  });
});
