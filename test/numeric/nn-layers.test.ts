/** Layers against naive loops over plain arrays, for plain batches and for more leading axes; shapes by the exported helpers. */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as gmc from "../../src/runtime/index.js";
import type { Tensor } from "../../src/runtime/index.js";

interface Array4 {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Numbers without a pattern, the same in every run. */
function noise(shape: readonly number[], seed = 1): Array4 {
  const size = shape.reduce((a, b) => a * b, 1);
  let state = seed * 2654435761;
  const data = Array.from({ length: size }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return ((state >>> 8) / 2 ** 24) * 2 - 1;
  });
  return { shape, data };
}

function at(x: Array4, ...index: readonly number[]): number {
  let place = 0;
  for (let i = 0; i < index.length; i++) {
    if (index[i]! < 0 || index[i]! >= x.shape[i]!) return 0;
    place = place * x.shape[i]! + index[i]!;
  }
  return x.data[place]!;
}

function close(own: ArrayLike<number>, expected: readonly number[], digits = 9): void {
  expect(own.length).toBe(expected.length);
  expected.forEach((v, i) => expect(own[i]!, `entry ${i}`).toBeCloseTo(v, digits));
}

describe("dense", () => {
  test("[B, in] and [k, B, in], with and without bias", () => {
    const kernel = noise([4, 3]);
    const bias = noise([3], 2);
    for (const lead of [[5], [2, 5], []]) {
      const x = noise([...lead, 4], 3);
      const rows = x.data.length / 4;
      const expected = (b: boolean): number[] =>
        Array.from({ length: rows * 3 }, (_, i) => {
          const [r, j] = [Math.floor(i / 3), i % 3];
          return [0, 1, 2, 3].reduce((s, k) => s + x.data[4 * r + k]! * at(kernel, k, j), b ? bias.data[j]! : 0);
        });
      const out = compute(({ x: t, k, b }) => ({ with: gmc.dense({ kernel: k!, bias: b! }, t!), without: gmc.dense({ kernel: k! }, t!) }), {
        x,
        k: kernel,
        b: bias,
      });
      expect(out["with"]!.shape).toEqual([...lead, 3]);
      close(out["with"]!.data, expected(true));
      close(out["without"]!.data, expected(false));
    }
    expect(gmc.dense.outShape([7, 4], 3)).toEqual([7, 3]);
    expect(gmc.leavesOf(gmc.dense.spec(4, 3, { bias: false })).map((l) => l.path)).toEqual(["kernel"]);
  });
});

/** Zeros before each axis under "same", as TensorFlow has it: the smaller half. */
function before(padding: "same" | "valid" | number, size: number, window: number, stride: number, dilation: number): number {
  if (padding === "valid") return 0;
  if (padding !== "same") return padding;
  return Math.floor(Math.max(0, (Math.ceil(size / stride) - 1) * stride + (window - 1) * dilation + 1 - size) / 2);
}

describe("conv2d", () => {
  const cases = [
    { h: 5, w: 6, inputs: 2, outputs: 3, window: 3, options: {} },
    { h: 7, w: 5, inputs: 2, outputs: 2, window: 3, options: { stride: 2 } },
    { h: 6, w: 6, inputs: 1, outputs: 4, window: 4, options: { stride: 2, padding: 1 } },
    { h: 8, w: 7, inputs: 3, outputs: 1, window: 2, options: { padding: "valid" } },
    { h: 9, w: 9, inputs: 1, outputs: 2, window: 3, options: { dilation: 2, padding: "valid" } },
    { h: 5, w: 5, inputs: 4, outputs: 6, window: 3, options: { groups: 2 } },
  ] as const;
  for (const { h, w, inputs, outputs, window, options } of cases) {
    test(`${h} x ${w} x ${inputs} -> ${outputs}, window ${window}, ${JSON.stringify(options)}`, () => {
      const { stride, padding, dilation, groups } = { stride: 1, padding: "same" as const, dilation: 1, groups: 1, ...options };
      const spec = gmc.conv2d.spec(inputs, outputs, window, { groups });
      const shapes = Object.fromEntries(gmc.leavesOf(spec).map((l) => [l.path, l.spec.shape]));
      expect(shapes).toEqual({ kernel: [window, window, inputs / groups, outputs], bias: [outputs] });
      const kernel = noise(shapes["kernel"]!);
      const bias = noise([outputs], 2);
      const x = noise([4, h, w, inputs], 3);
      const [oh, ow] = gmc.conv2d.outShape([h, w, inputs], outputs, window, options) as [number, number];
      const expected: number[] = [];
      for (let n = 0; n < 4; n++) {
        for (let i = 0; i < oh; i++) {
          for (let j = 0; j < ow; j++) {
            for (let o = 0; o < outputs; o++) {
              let total = bias.data[o]!;
              const group = Math.floor(o / (outputs / groups));
              for (let a = 0; a < window; a++) {
                for (let b = 0; b < window; b++) {
                  for (let c = 0; c < inputs / groups; c++) {
                    const row = i * stride + a * dilation - before(padding, h, window, stride, dilation);
                    const column = j * stride + b * dilation - before(padding, w, window, stride, dilation);
                    total += at(kernel, a, b, c, o) * at(x, n, row, column, group * (inputs / groups) + c);
                  }
                }
              }
              expected.push(total);
            }
          }
        }
      }
      const flat = compute(({ x: t, k, b }) => gmc.conv2d({ kernel: k!, bias: b! }, t!, options), { x, k: kernel, b: bias });
      expect(flat.shape).toEqual([4, oh, ow, outputs]);
      close(flat.data, expected);
      const led = compute(({ x: t, k, b }) => gmc.conv2d({ kernel: k!, bias: b! }, t!, options), {
        x: { ...x, shape: [2, 2, h, w, inputs] },
        k: kernel,
        b: bias,
      });
      expect(led.shape).toEqual([2, 2, oh, ow, outputs]);
      close(led.data, expected);
    });
  }
});

test("conv1d is a conv2d of height 1", () => {
  const x = noise([3, 10, 2]);
  const kernel = noise([3, 2, 4], 2);
  const out = compute(
    ({ x: t, k }) => ({
      one: gmc.conv1d({ kernel: k! }, t!, { stride: 2, dilation: 2 }),
      two: gmc.conv2d({ kernel: gmc.reshape(k!, [1, 3, 2, 4]) }, gmc.reshape(t!, [3, 1, 10, 2]), { stride: [1, 2], dilation: [1, 2] }),
    }),
    { x, k: kernel },
  );
  expect(out["one"]!.shape).toEqual([3, ...gmc.conv1d.outShape([10, 2], 4, 3, { stride: 2, dilation: 2 })]);
  close(out["one"]!.data, [...out["two"]!.data]);
});

describe("transposed convolution", () => {
  for (const options of [
    { stride: 2 },
    { stride: 2, padding: 1, outputPadding: 1 },
    { padding: "valid" },
    { stride: 3, padding: "valid" },
  ] as const) {
    test(`spreads each input over its window, ${JSON.stringify(options)}`, () => {
      const [h, w, inputs, outputs, window] = [4, 3, 2, 3, 3];
      const { stride, padding } = { stride: 1, padding: "same" as const, ...options };
      const x = noise([2, h, w, inputs]);
      const spec = gmc.convTranspose2d.spec(inputs, outputs, window);
      const [kernelAt] = gmc.leavesOf(spec);
      const kernel = noise(kernelAt!.spec.shape, 2);
      const bias = noise([outputs], 3);
      const [oh, ow] = gmc.convTranspose2d.outShape([h, w, inputs], outputs, window, options) as [number, number];
      const expected = new Array<number>(2 * oh * ow * outputs).fill(0).map((_, i) => bias.data[i % outputs]!);
      for (let n = 0; n < 2; n++) {
        for (let i = 0; i < h; i++) {
          for (let j = 0; j < w; j++) {
            for (let a = 0; a < window; a++) {
              for (let b = 0; b < window; b++) {
                const row = i * stride + a - before(padding, oh, window, stride, 1);
                const column = j * stride + b - before(padding, ow, window, stride, 1);
                if (row < 0 || row >= oh || column < 0 || column >= ow) continue;
                for (let o = 0; o < outputs; o++) {
                  for (let c = 0; c < inputs; c++)
                    expected[((n * oh + row) * ow + column) * outputs + o]! += at(x, n, i, j, c) * at(kernel, a, b, o, c);
                }
              }
            }
          }
        }
      }
      const out = compute(({ x: t, k, b }) => gmc.convTranspose2d({ kernel: k!, bias: b! }, t!, options), { x, k: kernel, b: bias });
      expect(out.shape).toEqual([2, oh, ow, outputs]);
      close(out.data, expected);
    });
  }
  test("1d is 2d of height 1", () => {
    const x = noise([2, 5, 2]);
    const kernel = noise([4, 3, 2], 2);
    const out = compute(
      ({ x: t, k }) => ({
        one: gmc.convTranspose1d({ kernel: k! }, t!, { stride: 2 }),
        two: gmc.convTranspose2d({ kernel: gmc.reshape(k!, [1, 4, 3, 2]) }, gmc.reshape(t!, [2, 1, 5, 2]), { stride: [1, 2] }),
      }),
      { x, k: kernel },
    );
    expect(out["one"]!.shape).toEqual([2, ...gmc.convTranspose1d.outShape([5, 2], 3, 4, { stride: 2 })]);
    close(out["one"]!.data, [...out["two"]!.data]);
  });
});

describe("normalisation", () => {
  /** (x - mean) / sqrt(var + eps) of the entries that share a group. */
  function standardise(x: Array4, group: (index: readonly number[]) => string, eps = 1e-5): number[] {
    const index = (place: number): number[] => {
      const out: number[] = [];
      for (let i = x.shape.length - 1; i >= 0; i--) {
        out.unshift(place % x.shape[i]!);
        place = Math.floor(place / x.shape[i]!);
      }
      return out;
    };
    const groups = new Map<string, number[]>();
    const keys = x.data.map((_, i) => group(index(i)));
    keys.forEach((k, i) => groups.set(k, [...(groups.get(k) ?? []), x.data[i]!]));
    return x.data.map((v, i) => {
      const all = groups.get(keys[i]!)!;
      const mean = all.reduce((a, b) => a + b, 0) / all.length;
      const variance = all.reduce((a, b) => a + (b - mean) ** 2, 0) / all.length;
      return (v - mean) / Math.sqrt(variance + eps);
    });
  }
  const affine = (values: readonly number[], scale: readonly number[], shift: readonly number[]): number[] =>
    values.map((v, i) => v * scale[i % scale.length]! + shift[i % shift.length]!);

  test("layer norm: over the last axis, or over as many as its weights have", () => {
    const x = noise([2, 3, 4, 5]);
    const [scale, shift] = [noise([5], 2), noise([5], 3)];
    const one = compute(({ x: t, a, b }) => gmc.layerNorm({ scale: a!, shift: b! }, t!), { x, a: scale, b: shift });
    close(
      one.data,
      affine(
        standardise(x, ([n, i, j]) => `${n} ${i} ${j}`),
        scale.data,
        shift.data,
      ),
    );
    const two = compute(({ x: t }) => gmc.layerNorm({ scale: gmc.ones([4, 5]), shift: gmc.zeros([4, 5]) }, t!, { eps: 0.1 }), { x });
    close(
      two.data,
      standardise(x, ([n, i]) => `${n} ${i}`, 0.1),
    );
  });

  test("group and instance norm: over space and within groups", () => {
    const x = noise([2, 3, 4, 6]);
    const [scale, shift] = [noise([6], 2), noise([6], 3)];
    const weights = (a: Tensor, b: Tensor, groups: number) => ({
      scale: gmc.reshape(a, [groups, 6 / groups]),
      shift: gmc.reshape(b, [groups, 6 / groups]),
    });
    const out = compute(
      ({ x: t, a, b }) => ({
        group: gmc.groupNorm(weights(a!, b!, 3), t!),
        led: gmc.groupNorm(weights(a!, b!, 3), gmc.reshape(t!, [1, 2, 3, 4, 6])),
        sequence: gmc.groupNorm(weights(a!, b!, 3), t!, { spatial: 1 }),
        instance: gmc.instanceNorm({ scale: a!, shift: b! }, t!),
      }),
      { x, a: scale, b: shift },
    );
    const grouped = affine(
      standardise(x, ([n, , , c]) => `${n} ${Math.floor(c! / 2)}`),
      scale.data,
      shift.data,
    );
    close(out["group"]!.data, grouped);
    close(out["led"]!.data, grouped);
    close(
      out["sequence"]!.data,
      affine(
        standardise(x, ([n, i, , c]) => `${n} ${i} ${Math.floor(c! / 2)}`),
        scale.data,
        shift.data,
      ),
    );
    close(
      out["instance"]!.data,
      affine(
        standardise(x, ([n, , , c]) => `${n} ${c}`),
        scale.data,
        shift.data,
      ),
    );
    expect(gmc.countParameters(gmc.groupNorm.spec(6, 3))).toBe(12);
    expect(() => gmc.groupNorm.spec(6, 4)).toThrow(/do not divide/);
  });
});

describe("pooling and resizing", () => {
  const cases = [
    { h: 4, w: 6, options: { size: 2 } },
    { h: 5, w: 7, options: { size: 3, stride: 2 } },
    { h: 5, w: 5, options: { size: 2, padding: "same" } },
    { h: 6, w: 6, options: { size: 3, stride: 1, padding: "same" } },
    { h: 6, w: 5, options: { size: 3, stride: 2, padding: 1 } },
    { h: 4, w: 6, options: { size: [2, 3] } },
  ] as const;
  for (const { h, w, options } of cases) {
    test(`${h} x ${w}, ${JSON.stringify(options)}`, () => {
      const x = noise([3, h, w, 2]);
      // All entries negative: a zero of the padding would win.
      const negative = { ...x, data: x.data.map((v) => v - 2) };
      const [wh, ww] = typeof options.size === "number" ? [options.size, options.size] : options.size;
      const { stride, padding } = { stride: undefined, padding: "valid" as const, ...options };
      const [sh, sw] = [stride ?? wh, stride ?? ww];
      const [oh, ow] = gmc.maxPool.outShape([h, w, 2], options) as [number, number];
      const [largest, means]: [number[], number[]] = [[], []];
      for (let n = 0; n < 3; n++) {
        for (let i = 0; i < oh; i++) {
          for (let j = 0; j < ow; j++) {
            for (let c = 0; c < 2; c++) {
              const inside: number[] = [];
              for (let a = 0; a < wh; a++) {
                for (let b = 0; b < ww; b++) {
                  const row = i * sh + a - before(padding, h, wh, sh, 1);
                  const column = j * sw + b - before(padding, w, ww, sw, 1);
                  if (row >= 0 && row < h && column >= 0 && column < w) inside.push(at(negative, n, row, column, c));
                }
              }
              largest.push(Math.max(...inside));
              means.push(inside.reduce((s, v) => s + v, 0) / inside.length);
            }
          }
        }
      }
      const out = compute(({ x: t }) => ({ max: gmc.maxPool(t!, options), avg: gmc.avgPool(gmc.reshape(t!, [1, 3, h, w, 2]), options) }), {
        x: negative,
      });
      expect(out["max"]!.shape).toEqual([3, oh, ow, 2]);
      expect(out["avg"]!.shape).toEqual([1, 3, oh, ow, 2]);
      close(out["max"]!.data, largest);
      close(out["avg"]!.data, means);
    });
  }

  test("sums over blocks, by counting, and their gradient", () => {
    const shape = [3, 4, 6, 2];
    const x = noise(shape);
    const sums = new Float64Array(3 * 2 * 2 * 2);
    x.data.forEach((value, i) => {
      const [n, r, c, k] = [Math.floor(i / 48), Math.floor(i / 12) % 4, Math.floor(i / 2) % 6, i % 2];
      sums[((n * 2 + Math.floor(r / 2)) * 2 + Math.floor(c / 3)) * 2 + k]! += value;
    });
    const options = { blocks: [2, 3], rank: 3 };
    const out = compute(
      ({ x: t }) => {
        const pooled = gmc.blockSum(t!, options);
        return { pooled, gradient: gmc.grad(gmc.sum(gmc.square(pooled)), [t!])[0]! };
      },
      { x },
    );
    expect(out["pooled"]!.shape).toEqual([3, 2, 2, 2]);
    close(out["pooled"]!.data, [...sums]);
    const at = (i: number): number => Math.floor(i / 24) * 4 + Math.floor((Math.floor(i / 2) % 6) / 3) * 2 + (i % 2);
    close(
      out["gradient"]!.data,
      [...x.data].map((_, i) => 2 * sums[at(i)]!),
    );
    expect(() => compute(({ x: t }) => ({ y: gmc.blockSum(t!, { blocks: [3], rank: 3 }) }), { x })).toThrow("do not tile");
  });

  test("the gradient of overlapping max-pooling, against finite differences", () => {
    const x = noise([1, 5, 5, 1]);
    const objective = (t: Tensor): Tensor => gmc.sum(gmc.square(gmc.maxPool(t, { size: 3, stride: 2, padding: "same" })));
    const own = compute(({ x: t }) => gmc.grad(objective(t!), [t!])[0]!, { x }).data;
    x.data.forEach((_, i) => {
      const shifted = (d: number): number =>
        compute(({ x: t }) => objective(t!), { x: { ...x, data: x.data.map((v, j) => (i === j ? v + d : v)) } }).data[0]!;
      expect(own[i]!).toBeCloseTo((shifted(1e-6) - shifted(-1e-6)) / 2e-6, 6);
    });
  });

  test("global average", () => {
    const x = noise([2, 3, 4, 2]);
    const out = compute(({ x: t }) => gmc.globalAvgPool(t!), { x });
    const mean = (n: number, c: number): number =>
      Array.from({ length: 12 }, (_, i) => at(x, n, Math.floor(i / 4), i % 4, c)).reduce((a, b) => a + b, 0) / 12;
    close(out.data, [mean(0, 0), mean(0, 1), mean(1, 0), mean(1, 1)]);
    expect(gmc.globalAvgPool.outShape([3, 4, 2])).toEqual([2]);
  });

  test("upsampling repeats, or interpolates between pixel centres", () => {
    const x = noise([2, 3, 4, 2]);
    const out = compute(
      ({ x: t }) => ({
        nearest: gmc.upsample(t!, { factor: 2 }),
        bilinear: gmc.upsample(gmc.reshape(t!, [1, 2, 3, 4, 2]), { factor: [2, 3], method: "bilinear" }),
      }),
      { x },
    );
    expect(out["nearest"]!.shape).toEqual([2, ...gmc.upsample.outShape([3, 4, 2], { factor: 2 })]);
    expect(out["bilinear"]!.shape).toEqual([1, 2, 6, 12, 2]);
    const nearest: number[] = [];
    const bilinear: number[] = [];
    const clamp = (v: number, high: number): number => Math.min(Math.max(v, 0), high);
    for (let n = 0; n < 2; n++) {
      for (let i = 0; i < 6; i++) for (let j = 0; j < 8; j++) for (let c = 0; c < 2; c++) nearest.push(at(x, n, i >> 1, j >> 1, c));
      for (let i = 0; i < 6; i++) {
        for (let j = 0; j < 12; j++) {
          for (let c = 0; c < 2; c++) {
            const y = clamp((i + 0.5) / 2 - 0.5, 2);
            const z = clamp((j + 0.5) / 3 - 0.5, 3);
            const [y0, z0] = [Math.floor(y), Math.floor(z)];
            const [y1, z1] = [Math.min(y0 + 1, 2), Math.min(z0 + 1, 3)];
            const [fy, fz] = [y - y0, z - z0];
            bilinear.push(
              (1 - fy) * ((1 - fz) * at(x, n, y0, z0, c) + fz * at(x, n, y0, z1, c)) +
                fy * ((1 - fz) * at(x, n, y1, z0, c) + fz * at(x, n, y1, z1, c)),
            );
          }
        }
      }
    }
    close(out["nearest"]!.data, nearest);
    close(out["bilinear"]!.data, bilinear);
  });
});

describe("embedding", () => {
  test("takes rows, and its gradient adds up over repeated labels", () => {
    const table = noise([4, 3]);
    const labels = { shape: [2, 3], data: [0, 2, 2, 3, 0, 2], dtype: "i32" as const };
    const out = compute(
      ({ t, l }) => {
        const y = gmc.embedding({ table: t! }, l!);
        return { y, g: gmc.grad(gmc.sum(y), [t!])[0]! };
      },
      { t: table, l: labels },
    );
    expect(out["y"]!.shape).toEqual([2, 3, 3]);
    close(
      out["y"]!.data,
      labels.data.flatMap((l) => [0, 1, 2].map((j) => at(table, l, j))),
    );
    close(out["g"]!.data, [2, 2, 2, 0, 0, 0, 3, 3, 3, 1, 1, 1]);
  });
});

describe("activations", () => {
  const erf = (x: number): number => {
    // Maclaurin series: enough for |x| < 4.
    let [term, total] = [x, x];
    for (let n = 1; n < 120; n++) total += (term *= (-x * x) / n) / (2 * n + 1);
    return (2 / Math.sqrt(Math.PI)) * total;
  };
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const xs = [-4, -1.3, -0.2, 0.4, 1.2, 3.7];
  const cases: readonly [string, (t: Tensor) => Tensor, (x: number) => number][] = [
    ["leakyRelu", (t) => gmc.leakyRelu(t, { slope: 0.2 }), (x) => (x > 0 ? x : 0.2 * x)],
    ["elu", (t) => gmc.elu(t, { alpha: 1.5 }), (x) => (x > 0 ? x : 1.5 * (Math.exp(x) - 1))],
    ["selu", gmc.selu, (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1))],
    ["gelu", gmc.gelu, (x) => (x * (1 + erf(x / Math.SQRT2))) / 2],
    ["silu", gmc.silu, (x) => x * sigmoid(x)],
    ["mish", gmc.mish, (x) => x * Math.tanh(Math.log(1 + Math.exp(x)))],
    ["softsign", gmc.softsign, (x) => x / (1 + Math.abs(x))],
    ["hardTanh", gmc.hardTanh, (x) => Math.max(-1, Math.min(1, x))],
  ];
  for (const [name, own, exact] of cases) {
    test(name, () => {
      const out = compute(({ x }) => ({ y: own(x!), g: gmc.grad(gmc.sum(own(x!)), [x!])[0]! }), { x: xs });
      close(out["y"]!.data, xs.map(exact));
      close(
        out["g"]!.data,
        xs.map((x) => (exact(x + 1e-6) - exact(x - 1e-6)) / 2e-6),
        7,
      );
      // Far out nothing overflows, gradients included.
      const far = compute(({ x }) => ({ y: own(x!), g: gmc.grad(gmc.sum(own(x!)), [x!])[0]! }), { x: [-800, 800] });
      expect([...far["y"]!.data, ...far["g"]!.data].every(Number.isFinite)).toBe(true);
    });
  }
  test("gates, halves and pieces", () => {
    const x = noise([2, 3, 4]);
    const out = compute(
      ({ x: t }) => ({
        glu: gmc.glu(t!),
        tanh: gmc.gatedTanh(t!, -1),
        relu: gmc.concatRelu(t!),
        elu: gmc.concatElu(t!),
        maxout: gmc.maxout(t!, 2),
      }),
      { x },
    );
    const rows = Array.from({ length: 6 }, (_, r) => x.data.slice(4 * r, 4 * r + 4));
    close(
      out["glu"]!.data,
      rows.flatMap(([a, b, c, d]) => [a! * sigmoid(c!), b! * sigmoid(d!)]),
    );
    close(
      out["tanh"]!.data,
      rows.flatMap(([a, b, c, d]) => [Math.tanh(a!) * sigmoid(c!), Math.tanh(b!) * sigmoid(d!)]),
    );
    close(
      out["relu"]!.data,
      rows.flatMap((r) => [...r.map((v) => Math.max(v, 0)), ...r.map((v) => Math.max(-v, 0))]),
    );
    const e = (v: number): number => (v > 0 ? v : Math.exp(v) - 1);
    close(
      out["elu"]!.data,
      rows.flatMap((r) => [...r.map(e), ...r.map((v) => e(-v))]),
    );
    close(
      out["maxout"]!.data,
      rows.flatMap(([a, b, c, d]) => [Math.max(a!, b!), Math.max(c!, d!)]),
    );
  });
});

describe("event shapes", () => {
  test("reshape, flatten, transpose, concat and pad leave what leads alone", () => {
    const x = noise([2, 3, 4, 5]);
    const out = compute(
      ({ x: t }) => ({
        reshape: gmc.reshapeEvent(t!, 2, [2, 10]),
        flatten: gmc.flatten(t!, 3),
        transpose: gmc.transposeEvent(t!, [-1, -2]),
        concat: gmc.concatEvent([t!, gmc.ones([4, 1]), gmc.zeros([1, 3, 4, 2])], -1),
        pad: gmc.padEvent(t!, [1, 0], [0, 2]),
      }),
      { x },
    );
    expect(Object.fromEntries(Object.entries(out).map(([k, v]) => [k, v.shape]))).toEqual({
      reshape: [2, 3, 2, 10],
      flatten: [2, 60],
      transpose: [2, 3, 5, 4],
      concat: [2, 3, 4, 8],
      pad: [2, 3, 5, 7],
    });
    close(out["reshape"]!.data, x.data);
    expect(out["transpose"]!.data[((1 * 3 + 2) * 5 + 3) * 4 + 1]).toBe(at(x, 1, 2, 1, 3));
    const row = ((1 * 3 + 1) * 4 + 2) * 8;
    expect([...out["concat"]!.data.slice(row, row + 8)]).toEqual([...[0, 1, 2, 3, 4].map((j) => at(x, 1, 1, 2, j)), 1, 0, 0]);
    const padded = ((1 * 3 + 2) * 5 + 1) * 7;
    expect([...out["pad"]!.data.slice(padded, padded + 7)]).toEqual([...[0, 1, 2, 3, 4].map((j) => at(x, 1, 2, 0, j)), 0, 0]);
    expect(() => compute(({ x: t }) => gmc.transposeEvent(t!, [-1, -4]), { x })).toThrow(/does not name the last 2 axes/);
  });
});
