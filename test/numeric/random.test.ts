import { describe, expect, it } from "vitest";
import {
  drawKey,
  fillWords,
  foldStage,
  hostStream,
  permutation,
  rngState,
  seedWords,
  siteCounter,
  threefry2x32,
  fnv1a32,
} from "../../src/runtime/graph/random.js";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import { randomBits, randomCounts, randomNormal, randomUniform, rootKey, type Rows } from "../../src/runtime/graph/key.js";
import { constant } from "../../src/runtime/graph/ops.js";
import { erfc, normalQuantile } from "../../src/math/special.js";

const hex = (words: ArrayLike<number>): string[] => Array.from(words, (w) => w.toString(16).padStart(8, "0"));
function threefry(k0: number, k1: number, c0: number, c1: number): Uint32Array {
  const out = new Uint32Array(2);
  threefry2x32(k0, k1, c0, c1, out);
  return out;
}
const rows = (size: number): Rows => ({ kind: "rows", size });
const draw = (shape: (number | Rows)[], rng: Uint32Array, site = "z"): Uint32Array =>
  compute(() => randomBits(rootKey().at(site), shape), {}, { rng }).data as Uint32Array;

describe("threefry", () => {
  it("agrees with the known answers of Random123 (kat_vectors, threefry2x32 20)", () => {
    expect(hex(threefry(0, 0, 0, 0))).toEqual(["6b200159", "99ba4efe"]);
    expect(hex(threefry(0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff))).toEqual(["1cb996fc", "bb002be7"]);
    expect(hex(threefry(0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3))).toEqual(["c4923a9c", "483df7a0"]);
  });

  it("hashes sites by FNV-1a (the offset basis and published vectors)", () => {
    expect(fnv1a32("")).toBe(0x811c9dc5);
    expect(fnv1a32("a")).toBe(0xe40c292c);
    expect(fnv1a32("foobar")).toBe(0xbf9cf968);
  });
});

describe("layout", () => {
  it("is what random.ts documents, spelled out for one element", () => {
    const rng = Uint32Array.of(7, 8, 9, 10);
    const words = draw([3, rows(4), 5], rng, "h.a");
    const k = threefry(7, 8, siteCounter("h.a", 0), 9);
    const [a, r, b] = [2, 3, 1];
    const e = a * 5 + b; // C order over the other axes
    expect(words[(a * 4 + r) * 5 + b]).toBe(threefry(k[0]!, k[1]!, r + 10, e >> 1)[e & 1]);
  });

  it("of counts is what random-counts.ts documents, spelled out for one vector", () => {
    const rng = Uint32Array.of(7, 8, 9, 10);
    const p = [0.5, 0, 3, 1.5];
    const counts = compute(() => randomCounts(rootKey().at("n"), constant(p), 5, [2, rows(3), 4]), {}, { rng }).data;
    const k = threefry(7, 8, siteCounter("n", 0), 9);
    const [a, r] = [1, 2];
    const own = threefry(k[0]!, k[1]!, r + 10, a);
    const want = [0, 0, 0, 0];
    for (let i = 0; i < 5; i++) {
      const u = (threefry(own[0]!, own[1]!, i >> 1, 0)[i & 1]! + 0.5) * 2 ** -32 * 5;
      want[u < 0.5 ? 0 : u < 3.5 ? 2 : 3]! += 1;
    }
    expect(Array.from(counts.slice((a * 3 + r) * 4, (a * 3 + r) * 4 + 4))).toEqual(want);
  });

  it("gives a row the same numbers in whichever batch it sits", () => {
    const all = draw([2, rows(9), 3], rngState(5, 3, 0));
    const part = draw([2, rows(4), 3], rngState(5, 3, 5));
    for (let s = 0; s < 2; s++)
      for (let r = 0; r < 4; r++) for (let d = 0; d < 3; d++) expect(part[(s * 4 + r) * 3 + d]).toBe(all[(s * 9 + r + 5) * 3 + d]);
  });

  it("ignores the row offset where no axis is a row", () => {
    expect(draw([6], rngState(5, 3, 0))).toEqual(draw([6], rngState(5, 3, 77)));
  });

  it("separates sites, steps, seeds, stages and iterations", () => {
    const rng = rngState(1, 2);
    const seen = new Set<string>();
    const note = (key: readonly [number, number]): void => {
      seen.add(key.join());
    };
    for (const site of ["a", "b", "a.b"]) note(drawKey(rng, { site, stage: 0, iteration: undefined }));
    for (const stage of [foldStage(0, 0), foldStage(0, 1), foldStage(foldStage(0, 0), 1)])
      note(drawKey(rng, { site: "a", stage, iteration: undefined }));
    for (const iteration of [0, 1, -1]) note(drawKey(rng, { site: "a", stage: 0, iteration }));
    note(drawKey(rngState(1, 3), { site: "a", stage: 0, iteration: undefined }));
    note(drawKey(rngState(2 ** 32 + 1, 2), { site: "a", stage: 0, iteration: undefined }));
    expect(seen.size).toBe(11);
    expect(seedWords(2 ** 32 * 3 + 5)).toEqual([5, 3]);
  });

  it("refuses two sites with one hash, which would draw the same numbers unnoticed (a known collision of FNV-1a)", () => {
    expect(fnv1a32("costarring")).toBe(fnv1a32("liquid"));
    const both = (): unknown =>
      compute(() => ({ a: randomBits(rootKey().at("costarring"), [2]), b: randomBits(rootKey().at("liquid"), [2]) }));
    expect(both).toThrow(/costarring#0 and liquid#0 share one hash/);
  });

  it("folds distinct numbers to distinct stages", () => {
    expect(new Set(Array.from({ length: 5000 }, (_, i) => foldStage(123, i))).size).toBe(5000);
  });

  it("fills nothing for an empty shape", () => {
    expect(() => fillWords(new Uint32Array(0), [0, 3], 0, 0, [1, 2])).not.toThrow();
  });
});

describe("kinds", () => {
  const n = 200_000;
  it("uniforms are multiples of 2^-24 in [0, 1) with the right moments", () => {
    const u = compute(() => randomUniform(rootKey().at("u"), [n])).data;
    let [m1, m2] = [0, 0];
    expect(Array.from(u).every((x) => x >= 0 && x < 1 && Number.isInteger(x * 2 ** 24))).toBe(true);
    for (const x of u) {
      m1 += x / n;
      m2 += (x * x) / n;
    }
    expect(m1).toBeCloseTo(1 / 2, 2);
    expect(m2).toBeCloseTo(1 / 3, 2);
  });

  it("normals have the right moments and agree with the uniform of the same word", () => {
    const rng = rngState(99, 4);
    const z = compute(() => randomNormal(rootKey().at("z"), [n]), {}, { rng }).data;
    const u = compute(() => randomUniform(rootKey().at("z"), [n]), {}, { rng }).data;
    let [m1, m2, m3, m4] = [0, 0, 0, 0];
    z.forEach((x, i) => {
      if (i < 2000) expect(0.5 * erfc(-x / Math.SQRT2)).toBeCloseTo(u[i]! + 2 ** -25, 12);
      m1 += x / n;
      m2 += x ** 2 / n;
      m3 += x ** 3 / n;
      m4 += x ** 4 / n;
    });
    expect(Math.abs(m1)).toBeLessThan(0.01);
    expect(Math.abs(m2 - 1)).toBeLessThan(0.015);
    expect(Math.abs(m3)).toBeLessThan(0.04);
    expect(Math.abs(m4 - 3)).toBeLessThan(0.1);
  });

  it("the quantile is symmetric and reaches both ends", () => {
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 13);
    expect(normalQuantile(2 ** -25)).toBeCloseTo(-5.419983174, 6);
    expect(normalQuantile(1 - 2 ** -25)).toBeCloseTo(5.419983174, 6);
  });
});

describe("host streams", () => {
  it("permute: every entry once, by seed, site and step", () => {
    const order = permutation(1000, 3, "shuffle", 1);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => i));
    expect(permutation(1000, 3, "shuffle", 1)).toEqual(order);
    expect(permutation(1000, 3, "shuffle", 2)).not.toEqual(order);
  });

  it("draw all orders of three alike", () => {
    const counts = new Map<string, number>();
    for (let step = 0; step < 6000; step++) {
      const order = permutation(3, 1, "s", step).join();
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(6);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  it("have normal moments", () => {
    const stream = hostStream(1, "init");
    let [m1, m2] = [0, 0];
    for (let i = 0; i < 50_000; i++) {
      const x = stream.normal();
      m1 += x / 50_000;
      m2 += (x * x) / 50_000;
    }
    expect(Math.abs(m1)).toBeLessThan(0.02);
    expect(Math.abs(m2 - 1)).toBeLessThan(0.03);
  });
});
