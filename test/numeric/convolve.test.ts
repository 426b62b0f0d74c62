/** Convolutions with a kernel handed to them, against naive loops: strides, paddings, one kernel for all rows and one for each. */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import { convolve, convolveTranspose, grad, mul, sum, type ConvolveOptions } from "../../src/runtime/index.js";

interface Image {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

const size = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** Numbers without a pattern, the same in every run. */
function noise(shape: readonly number[], seed: number): Image {
  return { shape, data: Array.from({ length: size(shape) }, (_, i) => Math.sin(12.9898 * (i + 1) + 78.233 * seed)) };
}

/** Row r of a value with or without rows, as [h, w, c] or [kh, kw, c, k]. */
function row(x: Image, r: number, rank: number): Image {
  if (x.shape.length === rank) return x;
  const shape = x.shape.slice(-rank);
  return { shape, data: x.data.slice(r * size(shape), (r + 1) * size(shape)) };
}

function pixel({ shape: [h = 0, w = 0, c = 0], data }: Image, i: number, j: number, k: number): number {
  return i < 0 || j < 0 || i >= h || j >= w ? 0 : data[(i * w + j) * c + k]!;
}

/** Pairs (position of the small image, tap, position of the large one) that meet, along one axis. */
function meetings(large: number, window: number, { stride = 1, padding = "valid" }: ConvolveOptions): readonly (readonly number[])[] {
  const small = padding === "same" ? Math.ceil(large / stride) : Math.floor((large - window) / stride) + 1;
  const before = padding === "same" ? Math.floor(Math.max(0, (small - 1) * stride + window - large) / 2) : 0;
  return Array.from({ length: small * window }, (_, n) => {
    const [at, tap] = [Math.floor(n / window), n % window];
    return [at, tap, at * stride + tap - before];
  }).filter(([, , to = 0]) => to >= 0 && to < large);
}

function naive(x: Image, kernel: Image, options: ConvolveOptions, out: readonly number[], back: boolean): number[] {
  const [oh = 0, ow = 0, oc = 0] = out;
  const [, kw = 0, channels = 0, filters = 0] = kernel.shape;
  const result = new Array<number>(oh * ow * oc).fill(0);
  const [rows, columns] = [0, 1].map((axis) => meetings(back ? out[axis]! : x.shape[axis]!, kernel.shape[axis]!, options));
  for (const [si = 0, p = 0, li = 0] of rows!)
    for (const [sj = 0, q = 0, lj = 0] of columns!)
      for (let c = 0; c < channels; c++)
        for (let k = 0; k < filters; k++) {
          const weight = kernel.data[((p * kw + q) * channels + c) * filters + k]!;
          if (back) result[(li * ow + lj) * oc + c]! += pixel(x, si, sj, k) * weight;
          else result[(si * ow + sj) * oc + k]! += pixel(x, li, lj, c) * weight;
        }
  return result;
}

const cases: readonly (readonly [options: ConvolveOptions, small: readonly number[], transposed: readonly number[]])[] = [
  [{}, [5, 4], [8, 8]],
  [{ stride: 2 }, [3, 2], [13, 14]],
  [{ padding: "same" }, [7, 6], [6, 7]],
  [{ stride: 2, padding: "same" }, [4, 3], [12, 14]],
  [{ stride: 3 }, [2, 2], [18, 20]],
];

describe.each(cases)("%o", (options, small, grown) => {
  test.each([
    ["one kernel", [3, 7, 6, 2], [3, 3, 2, 4]],
    ["a kernel for each row", [3, 7, 6, 2], [3, 3, 3, 2, 4]],
    ["kernels of one image", [7, 6, 2], [3, 3, 3, 2, 4]],
    ["neither with rows", [7, 6, 2], [3, 3, 2, 4]],
  ])("forth: %s", (_, image, kernelShape) => {
    const [x, kernel] = [noise(image, 1), noise(kernelShape, 2)];
    const { y } = compute(({ x: t, k }) => ({ y: convolve(t!, k!, options) }), { x, k: kernel });
    const rows = image.length === 4 || kernelShape.length === 5 ? [3] : [];
    expect(y!.shape).toEqual([...rows, ...small, 4]);
    const expected = Array.from({ length: rows[0] ?? 1 }, (_, r) => naive(row(x, r, 3), row(kernel, r, 4), options, [...small, 4], false));
    expected.flat().forEach((v, i) => expect(y!.data[i]).toBeCloseTo(v, 10));
  });

  test.each([
    ["one kernel", [3, 6, 7, 4], [3, 2, 2, 4]],
    ["a kernel for each row", [3, 6, 7, 4], [3, 3, 2, 2, 4]],
    ["kernels of one image", [6, 7, 4], [3, 3, 2, 2, 4]],
  ])("back: %s", (_, image, kernelShape) => {
    const [x, kernel] = [noise(image, 3), noise(kernelShape, 4)];
    const { y } = compute(({ x: t, k }) => ({ y: convolveTranspose(t!, k!, options) }), { x, k: kernel });
    const out = [...grown, 2];
    expect(y!.shape).toEqual([3, ...out]);
    const expected = [0, 1, 2].map((r) => naive(row(x, r, 3), row(kernel, r, 4), options, out, true));
    expected.flat().forEach((v, i) => expect(y!.data[i]).toBeCloseTo(v, 10));
  });
});

test("each is the other's gradient", () => {
  const [x, h, k] = [noise([2, 7, 6, 2], 1), noise([2, 5, 4, 4], 2), noise([3, 3, 2, 4], 3)];
  const out = compute(
    ({ x: a, h: b, k: c }) => {
      const [byImage] = grad(sum(mul(convolve(a!, c!), b!)), [a!]);
      const [byUnits] = grad(sum(mul(convolveTranspose(b!, c!), a!)), [b!]);
      return { byImage: byImage!, byUnits: byUnits!, up: convolve(a!, c!), down: convolveTranspose(b!, c!) };
    },
    { x, h, k },
  );
  out["down"]!.data.forEach((v, i) => expect(out["byImage"]!.data[i]).toBeCloseTo(v, 10));
  out["up"]!.data.forEach((v, i) => expect(out["byUnits"]!.data[i]).toBeCloseTo(v, 10));
});

test("a kernel that is none", () => {
  const [x, k] = [noise([7, 6, 2], 1), noise([3, 3, 2], 2)];
  expect(() => compute(({ x: a, k: b }) => ({ y: convolve(a!, b!) }), { x, k })).toThrow(/a kernel \[\.\.\., kh, kw, C, K\]/);
});
