import { describe, expect, it } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import { erf, erfc, lgamma, polygamma } from "../../src/math/special.js";
import * as g from "../../src/runtime/graph/index.js";

const t = (shape: number[], data: number[], dtype: g.DType = "f32") => ({ shape, data, dtype });
const list = (v: { data: ArrayLike<number> }): number[] => Array.from(v.data);

describe("broadcasting", () => {
  it("aligns at the right as numpy does", () => {
    const out = compute(({ a, b }) => g.add(a!, b!), { a: t([2, 1], [10, 20]), b: t([3], [1, 2, 3]) });
    expect(out.shape).toEqual([2, 3]);
    expect(list(out)).toEqual([11, 12, 13, 21, 22, 23]);
  });

  it("keeps the rank where every operand has one element", () => {
    expect(compute(({ a, b }) => g.mul(a!, b!), { a: t([1, 1], [3]), b: t([1], [4]) }).shape).toEqual([1, 1]);
    expect(compute(({ a, b }) => g.mul(a!, b!), { a: t([1, 1], [3]), b: t([2], [4, 5]) }).shape).toEqual([1, 2]);
    expect(compute(({ a, b }) => g.mul(a!, b!), { a: t([1, 1, 1], [3]), b: t([], [4]) }).shape).toEqual([1, 1, 1]);
  });

  it("does not stretch scalars", () => {
    const graph = g.stage({ x: { shape: [3, 4] } }, ({ x }) => ({ y: g.add(g.mul(x, 2), g.reshape(g.sum(x), [1, 1])) }));
    expect(graph.nodes.some((n) => n.prim === "broadcast")).toBe(false);
  });

  it("says which shapes do not fit", () => {
    expect(() => compute(({ a, b }) => g.add(a!, b!), { a: [1, 2], b: [1, 2, 3] })).toThrow(
      /add: the shapes \[2\] and \[3\] do not broadcast/,
    );
    expect(() => compute(({ a, b }) => g.add(a!, b!), { a: [1], b: t([1], [1], "i32") })).toThrow(/f32 and i32/);
  });
});

describe("composed operations against closed forms", () => {
  const x = [0.3, -1.2, 2.5, 0.1, 0.7, -0.4];
  it("logSumExp, logMeanExp, softmax, logSoftmax", () => {
    const { l, m, s, ls } = compute(
      ({ x }) => ({ l: g.logSumExp(x!, 1), m: g.logMeanExp(x!), s: g.softmax(x!), ls: g.logSoftmax(x!, 0) }),
      { x: t([2, 3], x) },
    );
    const e = x.map(Math.exp);
    expect(l!.data[1]).toBeCloseTo(Math.log(e[3]! + e[4]! + e[5]!), 13);
    expect(m!.data[0]).toBeCloseTo(Math.log(e.reduce((a, b) => a + b) / 6), 13);
    expect(s!.data[2]).toBeCloseTo(e[2]! / (e[0]! + e[1]! + e[2]!), 13);
    expect(ls!.data[4]).toBeCloseTo(Math.log(e[4]! / (e[1]! + e[4]!)), 13);
  });

  it("logSumExp holds at the ends", () => {
    const of = (v: number[]): number => compute(({ x }) => g.logSumExp(x!), { x: v }).data[0]!;
    expect(of([1000, 1000])).toBeCloseTo(1000 + Math.log(2), 10);
    expect(of([-Infinity, -Infinity])).toBe(-Infinity);
    expect(of([-Infinity, 3])).toBeCloseTo(3, 12);
    expect(of([Infinity, 3])).toBe(Infinity);
  });

  it("mean, variance, norm, reduceMin, cumsum, argMax, oneHot", () => {
    const out = compute(
      ({ x, i }) => ({
        mean: g.mean(x!, 0),
        variance: g.variance(x!),
        norm: g.norm(x!, -1),
        low: g.reduceMin(x!, 1),
        run: g.cumsum(x!, 1, true),
        arg: g.argMax(x!, 1),
        hot: g.oneHot(i!, 3),
      }),
      { x: t([2, 3], [1, 2, 3, 4, 6, 5]), i: t([2], [2, 0], "i32") },
    );
    expect(list(out["mean"]!)).toEqual([2.5, 4, 4]);
    expect(out["variance"]!.data[0]).toBeCloseTo(35 / 12, 12);
    expect(out["norm"]!.data[0]).toBeCloseTo(Math.sqrt(14), 12);
    expect(list(out["low"]!)).toEqual([1, 4]);
    expect(list(out["run"]!)).toEqual([6, 5, 3, 15, 11, 5]);
    expect(list(out["arg"]!)).toEqual([2, 1]);
    expect(list(out["hot"]!)).toEqual([0, 0, 1, 1, 0, 0]);
  });
});

describe("structure", () => {
  const x = t([2, 3], [1, 2, 3, 4, 5, 6]);
  it("reshape, transpose, slice, pad, concat, stack, split, reverse, take, squeeze", () => {
    const out = compute(
      ({ x, i }) => ({
        reshape: g.reshape(x!, [-1, 2]),
        transpose: g.transpose(x!),
        slice: g.slice(x!, [0, -2], [2], [1, 1]),
        stride: g.slice(x!, [0, 0], [2, 3], [1, 2]),
        pad: g.pad(x!, [0, 1], [1, 0], [0, 1]),
        concat: g.concat([x!, g.neg(x!)], -1),
        stack: g.stack([x!, x!], 1),
        second: g.split(x!, [1, 2], 1)[1]!,
        reverse: g.reverse(x!, [0, 1]),
        take: g.take(x!, i!, 1),
        squeeze: g.squeeze(g.expandDims(x!, 1)),
      }),
      { x, i: t([2, 2], [2, 0, 1, 1], "i32") },
    );
    expect(out["reshape"]!.shape).toEqual([3, 2]);
    expect(list(out["transpose"]!)).toEqual([1, 4, 2, 5, 3, 6]);
    expect(list(out["slice"]!)).toEqual([2, 3, 5, 6]);
    expect(list(out["stride"]!)).toEqual([1, 3, 4, 6]);
    expect(out["pad"]!.shape).toEqual([3, 6]);
    expect(list(out["pad"]!)).toEqual([0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 0, 0, 0, 0, 0]);
    expect(list(out["concat"]!)).toEqual([1, 2, 3, -1, -2, -3, 4, 5, 6, -4, -5, -6]);
    expect(out["stack"]!.shape).toEqual([2, 2, 3]);
    expect(list(out["second"]!)).toEqual([2, 3, 5, 6]);
    expect(list(out["reverse"]!)).toEqual([6, 5, 4, 3, 2, 1]);
    expect(out["take"]!.shape).toEqual([2, 2, 2]);
    expect(list(out["take"]!)).toEqual([3, 1, 2, 2, 6, 4, 5, 5]);
    expect(out["squeeze"]!.shape).toEqual([2, 3]);
  });

  it("scatterAdd adds up what meets, dynamic slices clamp", () => {
    const out = compute(
      ({ x, i, k }) => ({
        s: g.scatterAdd(x!, i!, 1, 2),
        d: g.dynamicSlice(x!, k!, 1, 2),
        u: g.dynamicUpdateSlice(x!, g.zeros([2, 1]), k!, 1),
      }),
      { x, i: t([3], [1, 0, 1], "i32"), k: t([], [9], "i32") },
    );
    expect(list(out["s"]!)).toEqual([2, 4, 5, 10]);
    expect(list(out["d"]!)).toEqual([2, 3, 5, 6]);
    expect(list(out["u"]!)).toEqual([1, 2, 0, 4, 5, 0]);
    expect(() => compute(({ x, i }) => g.take(x!, i!, 0), { x, i: t([1], [2], "i32") })).toThrow(/outside 0\.\.1/);
  });

  it("triangles and eye", () => {
    const out = compute(() => ({ l: g.lowerTriangle(g.ones([3, 3]), -1), u: g.upperTriangle(g.ones([2, 3])), e: g.eye(2) }));
    expect(list(out["l"]!)).toEqual([0, 0, 0, 1, 0, 0, 1, 1, 0]);
    expect(list(out["u"]!)).toEqual([1, 1, 1, 0, 1, 1]);
    expect(list(out["e"]!)).toEqual([1, 0, 0, 1]);
  });
});

describe("integers and conditions are exact", () => {
  it("wrap, divide towards zero, compare unsigned", () => {
    const out = compute(
      ({ a, b, u, v }) => ({
        add: g.add(a!, b!),
        mul: g.mul(a!, b!),
        div: g.div(a!, 2),
        uadd: g.add(u!, v!),
        less: g.less(u!, v!),
        umul: g.mul(u!, u!),
      }),
      { a: t([2], [2 ** 31 - 1, -7], "i32"), b: t([2], [1, 123456789], "i32"), u: t([1], [2 ** 32 - 1], "u32"), v: t([1], [2], "u32") },
    );
    expect(list(out["add"]!)).toEqual([-(2 ** 31), 123456782]);
    expect(list(out["mul"]!)).toEqual([2 ** 31 - 1, Math.imul(-7, 123456789)]);
    expect(list(out["div"]!)).toEqual([1073741823, -3]);
    expect(list(out["uadd"]!)).toEqual([1]);
    expect(list(out["less"]!)).toEqual([0]);
    expect(list(out["umul"]!)).toEqual([1]);
  });

  it("casts saturate, cut towards zero, and take NaN to 0", () => {
    const out = compute(
      ({ x }) => ({ i: g.cast(x!, "i32"), u: g.cast(x!, "u32"), b: g.cast(x!, "bool"), f: g.cast(g.less(0, x!), "f32") }),
      { x: [-1.7, 1.7, 1e20, NaN, 0] },
    );
    expect(list(out["i"]!)).toEqual([-1, 1, 2 ** 31 - 1, 0, 0]);
    expect(list(out["u"]!)).toEqual([0, 1, 2 ** 32 - 1, 0, 0]);
    expect(list(out["b"]!)).toEqual([1, 1, 1, 1, 0]);
    expect(list(out["f"]!)).toEqual([0, 1, 1, 0, 0]);
  });
});

describe("linear algebra", () => {
  const naive = (a: number[], b: number[], m: number, k: number, n: number): number[] =>
    Array.from({ length: m * n }, (_, p) =>
      Array.from({ length: k }, (_, j) => a[Math.floor(p / n) * k + j]! * b[j * n + (p % n)]!).reduce((x, y) => x + y, 0),
    );
  const seq = (n: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * 1.7) * 2);

  it("matmul: flags, vectors, shared and broadcast batches", () => {
    const [a, b] = [seq(6), seq(12)];
    const want = naive(a, b, 2, 3, 4);
    const at = [0, 3, 1, 4, 2, 5].map((i) => a[i]!);
    const bt = Array.from({ length: 12 }, (_, i) => b[(i % 3) * 4 + Math.floor(i / 3)]!);
    const close = (v: { data: ArrayLike<number> }, w: number[]): void => w.forEach((x, i) => expect(v.data[i]).toBeCloseTo(x, 12));
    const out = compute(
      ({ a, b, at, bt, v, w, batch }) => ({
        plain: g.matmul(a!, b!),
        ta: g.matmul(at!, b!, { transposeA: true }),
        tb: g.matmul(a!, bt!, { transposeB: true }),
        both: g.matmul(at!, bt!, { transposeA: true, transposeB: true }),
        vm: g.matmul(v!, b!),
        mv: g.matmul(a!, v!),
        vv: g.matmul(v!, v!),
        shared: g.matmul(batch!, b!),
        left: g.matmul(a!, w!),
        wide: g.matmul(g.reshape(batch!, [2, 1, 2, 3]), g.stack([b!, g.neg(b!)], 0)),
      }),
      {
        a: t([2, 3], a),
        b: t([3, 4], b),
        at: t([3, 2], at),
        bt: t([4, 3], bt),
        v: a.slice(0, 3),
        w: t([2, 3, 4], [...b, ...b.map((x) => 2 * x)]),
        batch: t([2, 2, 3], [...a, ...a.map((x) => -x)]),
      },
    );
    for (const name of ["plain", "ta", "tb", "both"]) close(out[name]!, want);
    close(out["vm"]!, want.slice(0, 4));
    close(out["mv"]!, naive(a, a.slice(0, 3), 2, 3, 1));
    expect(out["vv"]!.shape).toEqual([]);
    close(out["shared"]!, [...want, ...want.map((x) => -x)]);
    close(out["left"]!, [...want, ...want.map((x) => 2 * x)]);
    expect(out["wide"]!.shape).toEqual([2, 2, 2, 4]);
    close(out["wide"]!, [...want, ...want.map((x) => -x), ...want.map((x) => -x), ...want]);
  });

  it("choleskyFactor makes any matrix a factor, which cholesky finds again", () => {
    const x = [-3, 9, 9, 0.5, 0.2, 9, -1, 0.3, 4];
    const softplus = (v: number): number => Math.log1p(Math.exp(v));
    const out = compute(
      ({ x }) => {
        const l = g.choleskyFactor(x!);
        return { l, again: g.cholesky(g.matmul(l, l, { transposeB: true })) };
      },
      { x: t([3, 3], x) },
    );
    const want = [softplus(-3), 0, 0, 0.5, softplus(0.2), 0, -1, 0.3, softplus(4)];
    want.forEach((v, i) => expect(out["l"]!.data[i]).toBeCloseTo(v, 10));
    want.forEach((v, i) => expect(out["again"]!.data[i]).toBeCloseTo(v, 10));
  });

  it("cholesky and triangular solves undo the product", () => {
    const l = [2, 0, 0, 0.5, 1.5, 0, -1, 0.3, 0.7];
    const a = naive(l, [l[0]!, l[3]!, l[6]!, l[1]!, l[4]!, l[7]!, l[2]!, l[5]!, l[8]!], 3, 3, 3);
    const out = compute(
      ({ a, b }) => {
        const f = g.cholesky(a!);
        return { f, x: g.triangularSolve(f, g.triangularSolve(f, b!), { transpose: true }) };
      },
      { a: t([3, 3], a), b: t([3, 1], [1, 2, 3]) },
    );
    l.forEach((v, i) => expect(out["f"]!.data[i]).toBeCloseTo(v, 12));
    naive(a, list(out["x"]!), 3, 3, 1).forEach((v, i) => expect(v).toBeCloseTo(i + 1, 10));
  });

  /** Direct sum over the definition, per output entry, written apart from the kernels. */
  function convDirect(
    x: number[],
    w: number[],
    n: number,
    h: number,
    cin: number,
    k: number,
    cout: number,
    s: number,
    p: number,
    d: number,
    groups: number,
  ): number[] {
    const oh = Math.floor((h + 2 * p - d * (k - 1) - 1) / s) + 1;
    const [gi, go] = [cin / groups, cout / groups];
    const out: number[] = [];
    for (let b = 0; b < n; b++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < oh; ox++)
          for (let o = 0; o < cout; o++) {
            let total = 0;
            for (let i = 0; i < gi; i++)
              for (let ky = 0; ky < k; ky++)
                for (let kx = 0; kx < k; kx++) {
                  const [y, z] = [oy * s - p + ky * d, ox * s - p + kx * d];
                  if (y < 0 || z < 0 || y >= h || z >= h) continue;
                  total += x[((b * h + y) * h + z) * cin + Math.floor(o / go) * gi + i]! * w[((ky * k + kx) * gi + i) * cout + o]!;
                }
            out.push(total);
          }
    return out;
  }

  it.each([
    { n: 2, h: 5, cin: 3, k: 3, cout: 4, s: 1, p: 1, d: 1, groups: 1 },
    { n: 1, h: 7, cin: 4, k: 3, cout: 6, s: 2, p: 2, d: 2, groups: 2 },
    { n: 1, h: 6, cin: 4, k: 2, cout: 4, s: 2, p: 0, d: 1, groups: 4 },
  ])("conv $h x $h, window $k, stride $s, padding $p, dilation $d, groups $groups", (c) => {
    const [x, w] = [seq(c.n * c.h * c.h * c.cin), seq((c.k * c.k * c.cin * c.cout) / c.groups)];
    const out = compute(({ x, w }) => g.conv(x!, w!, { stride: c.s, padding: c.p, dilation: c.d, groups: c.groups }), {
      x: t([c.n, c.h, c.h, c.cin], x),
      w: t([c.k, c.k, c.cin / c.groups, c.cout], w),
    });
    convDirect(x, w, c.n, c.h, c.cin, c.k, c.cout, c.s, c.p, c.d, c.groups).forEach((v, i) => expect(out.data[i]).toBeCloseTo(v, 11));
  });

  it("conv of one axis is conv of two with a window of height 1; leading axes fold", () => {
    const [x, w] = [seq(2 * 2 * 7 * 3), seq(3 * 3 * 2)];
    const out = compute(
      ({ x, w }) => ({
        one: g.conv(x!, w!, { padding: "same", stride: 2 }),
        two: g.conv(g.reshape(x!, [4, 1, 7, 3]), g.reshape(w!, [1, 3, 3, 2]), { padding: "same", stride: [1, 2] }),
      }),
      {
        x: t([2, 2, 7, 3], x),
        w: t([3, 3, 2], w),
      },
    );
    expect(out["one"]!.shape).toEqual([2, 2, 4, 2]);
    expect(list(out["one"]!)).toEqual(list(out["two"]!));
  });

  it("convTranspose is the adjoint of conv", () => {
    const [x, y, w] = [seq(2 * 6 * 6 * 3), seq(2 * 3 * 3 * 4).map((v) => v + 0.3), seq(5 * 5 * 3 * 4)];
    const out = compute(
      ({ x, y, w }) => ({
        a: g.sum(g.mul(g.conv(x!, w!, { stride: 2, padding: "same" }), y!)),
        b: g.sum(g.mul(g.convTranspose(y!, w!, { stride: 2, padding: "same" }), x!)),
      }),
      { x: t([2, 6, 6, 3], x), y: t([2, 3, 3, 4], y), w: t([5, 5, 3, 4], w) },
    );
    expect(out["a"]!.data[0]).toBeCloseTo(out["b"]!.data[0]!, 10);
  });

  it("convTranspose extents", () => {
    const shape = (options: g.ConvTransposeOptions, n = 4): number =>
      compute(({ y, w }) => g.convTranspose(y!, w!, options), { y: t([1, n, 1], seq(n)), w: t([3, 1, 1], [1, 2, 3]) }).shape[1]!;
    expect(shape({ stride: 2, padding: "same" })).toBe(8);
    expect(shape({ stride: 2 })).toBe(9);
    expect(shape({ stride: 2, padding: 1 })).toBe(7);
    expect(shape({ stride: 2, padding: 1, outputPadding: 1 })).toBe(8);
  });
});

describe("special functions", () => {
  it("erf and erfc at published values (A&S table 7.1; erfc(4) and erfc(10) from NIST DLMF)", () => {
    expect(erf(0.5)).toBeCloseTo(0.5204998778130465, 15);
    expect(erf(-2)).toBeCloseTo(-0.9953222650189527, 15);
    expect(erfc(4) / 1.541725790028002e-8).toBeCloseTo(1, 12);
    expect(erfc(10) / 2.088487583762545e-45).toBeCloseTo(1, 12);
    expect(erf(2.5 - 1e-12)).toBeCloseTo(erf(2.5 + 1e-12), 12);
  });

  it("lgamma at factorials, halves and negatives", () => {
    let factorial = 1;
    for (let n = 1; n < 30; n++) {
      expect(lgamma(n)).toBeCloseTo(Math.log(factorial), 11);
      factorial *= n;
    }
    expect(lgamma(0.5)).toBeCloseTo(Math.log(Math.PI) / 2, 14);
    expect(lgamma(-0.5)).toBeCloseTo(Math.log(2 * Math.sqrt(Math.PI)), 13);
    expect(lgamma(1e-10)).toBeCloseTo(-Math.log(1e-10), 9);
  });

  it("polygamma at closed forms", () => {
    const euler = 0.5772156649015329;
    expect(polygamma(0, 1)).toBeCloseTo(-euler, 14);
    expect(polygamma(0, 0.5)).toBeCloseTo(-euler - 2 * Math.LN2, 13);
    expect(polygamma(1, 1)).toBeCloseTo(Math.PI ** 2 / 6, 13);
    expect(polygamma(1, 0.5)).toBeCloseTo(Math.PI ** 2 / 2, 12);
    expect(polygamma(2, 1)).toBeCloseTo(-2 * 1.2020569031595942, 12);
    expect(polygamma(3, 1)).toBeCloseTo(Math.PI ** 4 / 15, 11);
    expect(polygamma(0, -0.5)).toBeCloseTo(2 - euler - 2 * Math.LN2, 12);
  });
});

describe("staging", () => {
  it("keeps inputs and state by name, and writes apart from outputs", () => {
    const graph = g.stage({ x: { shape: [2] } }, ({ x }) => {
      const n = g.state("n", [2]);
      expect(g.state("n", [2]).id).toBe(n.id);
      g.writeState(n, g.add(n, x));
      return { before: n };
    });
    expect(Object.keys(graph.writes)).toEqual(["n"]);
    expect(() => g.stage({ x: { shape: [2] } }, ({ x }) => (g.writeState(x, x), {}))).toThrow(/state store/);
    expect(() => g.stage({ x: { shape: [3] } }, ({ x }) => (g.writeState(g.state("n", [2]), x), {}))).toThrow(/cannot take/);
  });

  it("refuses tensors outside their stage", () => {
    let leaked: g.Tensor | undefined;
    g.stage({ x: { shape: [] } }, ({ x }) => ((leaked = x), {}));
    expect(() => g.stage({}, () => ({ y: g.exp(leaked!) }))).toThrow(/another stage/);
    expect(() => g.exp(1)).toThrow(/outside staging/);
  });

  it("terms name what was staged since the last one", () => {
    const graph = g.stage({ x: { shape: [] } }, ({ x }) => {
      const a = g.term("log p(x | z)", "vae.gm:12", g.exp(g.sin(x)));
      const b = g.term("log p(z)", "vae.gm:11", g.cos(a));
      expect([...g.terms().keys()]).toEqual(["log p(x | z)", "log p(z)"]);
      return { y: g.add(a, b) };
    });
    expect(graph.nodes.map((n) => `${n.prim} ${n.origin?.place}`)).toEqual([
      "input vae.gm:12",
      "sin vae.gm:12",
      "exp vae.gm:12",
      "cos vae.gm:11",
      "add undefined",
    ]);
  });

  it("inlines a graph into another", () => {
    const inner = g.stage({ x: { shape: [2] } }, ({ x }) => ({ y: g.mul(x, g.state("w", [2])) }));
    const outer = g.stage({ a: { shape: [2] } }, ({ a }) => ({ z: g.inline(inner, { x: g.neg(a) })["y"]! }));
    expect(outer.nodes.map((n) => n.prim)).toEqual(["input", "neg", "state", "mul"]);
  });
});
