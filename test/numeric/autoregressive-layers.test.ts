/**
 * Layers that see only what comes before: which entries move which by dense Jacobians, probabilities that sum to one over all configurations, NADE
 * against its definition, gradients against central differences, masks that change.
 */
import { describe, expect, test } from "vitest";
import { compute } from "../../src/runtime/engines/reference/evaluate.js";
import * as g from "../../src/runtime/index.js";
import type { Degrees, LayerSpec, Tensor, WeightSpecs } from "../../src/runtime/index.js";
import { noise } from "../support/sequential.js";

type Feeds = Record<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number>; readonly dtype?: "i32" }>;

/** Weights of a spec as feeds, and their tree by names of feeds. */
function weightsOf(specs: WeightSpecs): { readonly feeds: Feeds; readonly tree: <T>(inputs: Readonly<Record<string, Tensor>>) => T } {
  const feeds: Feeds = {};
  g.leavesOf(specs).forEach(({ path, spec }, i) => (feeds[path] = { shape: spec.shape, data: noise(g.sizeOf(spec.shape), i + 1) }));
  return { feeds, tree: <T>(inputs: Readonly<Record<string, Tensor>>) => g.materialize(specs, ({ path }) => inputs[path]!) as T };
}

/** Whether output o moves with input i: [o][i], over flat entries of one example, from the gradient at two points. */
function moved(specs: WeightSpecs, fn: (w: never, x: Tensor) => Tensor, event: readonly number[]): boolean[][] {
  const { feeds, tree } = weightsOf(specs);
  const size = g.sizeOf(event);
  const rows: boolean[][] = [];
  for (const seed of [50, 51]) {
    const x = { shape: [1, ...event], data: noise(size, seed) };
    const jacobian = compute(
      (inputs) => {
        const y = g.reshape(fn(tree<never>(inputs), inputs["x"]!), [-1]);
        return Object.fromEntries(
          Array.from({ length: y.shape[0]! }, (_, o) => [String(o), g.grad(g.sum(g.sliceAxis(y, 0, o, o + 1)), [inputs["x"]!])[0]!]),
        );
      },
      { ...feeds, x },
    );
    Object.entries(jacobian).forEach(([o, d]) => {
      const row = (rows[Number(o)] ??= new Array<boolean>(size).fill(false));
      d.data.forEach((v, i) => (row[i] ||= v !== 0));
    });
  }
  return rows;
}

/** Output entry o sees input i exactly where `sees` says; `per` outputs, and inputs, stand at each place. */
function expectSeen(rows: readonly boolean[][], sees: (place: number, input: number) => boolean, outputs = 1, inputs = 1): void {
  rows.forEach((row, o) =>
    row.forEach((own, i) => expect(own, `output ${o}, input ${i}`).toBe(sees(Math.floor(o / outputs), Math.floor(i / inputs)))),
  );
}

/** Σ p(x) over all binary x. */
function total(D: number, specs: WeightSpecs, logits: (w: never, x: Tensor) => Tensor): number {
  const { feeds, tree } = weightsOf(specs);
  const all = Array.from({ length: 2 ** D }, (_, n) => Array.from({ length: D }, (_, d) => (n >> d) & 1)).flat();
  const out = compute(
    (inputs) => {
      const x = inputs["x"]!;
      return { sum: g.sum(g.exp(g.sum(g.bernoulli.logProb(x, { logits: logits(tree<never>(inputs), x) }), -1))) };
    },
    { ...feeds, x: { shape: [2 ** D, D], data: all } },
  );
  return out["sum"]!.data[0]!;
}

const D = 6;
const entries = (order?: g.Order, channels?: number): Degrees => ({
  kind: "order",
  size: D,
  ...(order === undefined ? {} : { order }),
  ...(channels === undefined ? {} : { channels }),
});
const hidden = (seed?: number, size = 20): Degrees => ({ kind: "hidden", size, max: D - 1, ...(seed === undefined ? {} : { seed }) });

interface MadeWeights {
  readonly a: g.MaskedDense;
  readonly b: g.MaskedDense;
  readonly c: g.MaskedDense;
}

function made(
  from: Degrees,
  mid: Degrees,
  to: Degrees,
): { specs: WeightSpecs; net: (w: MadeWeights, x: Tensor, choice?: g.MaskChoice) => Tensor } {
  const rules = [
    { from, to: mid, strict: true },
    { from: mid, to: mid, strict: false },
    { from: mid, to, strict: false },
  ] as const;
  const spec = (rule: g.DegreeRule): LayerSpec<g.MaskedDense> => g.maskedDense.spec(g.unitsOf(rule.from), g.unitsOf(rule.to), rule);
  return {
    specs: { a: spec(rules[0]), b: spec(rules[1]), c: spec(rules[2]) },
    net: (w, x, choice) => {
      const h = g.tanh(g.maskedDense(w.a, x, rules[0], choice));
      return g.maskedDense(w.c, g.add(h, g.tanh(g.maskedDense(w.b, h, rules[1], choice))), rules[2], choice);
    },
  };
}

describe("maskedDense", () => {
  for (const order of ["natural", "reverse", 7] as const) {
    for (const seed of [undefined, 3]) {
      test(`an output sees the entries before it: ${order} order, ${seed === undefined ? "even" : "drawn"} degrees`, () => {
        const { specs, net } = made(entries(order), hidden(seed), entries(order));
        const rank = new Array<number>(D);
        g.orderOf(order, D).forEach((place, r) => (rank[place] = r));
        expectSeen(moved(specs, net as never, [D]), (o, i) => rank[i]! < rank[o]!);
        expect(total(D, specs, net as never)).toBeCloseTo(1, 9);
      });
    }
  }

  test("channels: [D, c] -> [D, n]", () => {
    const { specs, net } = made(entries("natural", 2), hidden(), entries("natural", 3));
    expectSeen(moved(specs, net as never, [D, 2]), (o, i) => i < o, 3, 2);
    const { feeds, tree } = weightsOf(specs);
    const out = compute((inputs) => net(tree(inputs), inputs["x"]!), { ...feeds, x: { shape: [4, 3, D, 2], data: noise(4 * 3 * D * 2) } });
    expect(out.shape).toEqual([4, 3, D, 3]);
    expect(g.maskedDense.outShape({ from: hidden(), to: entries("natural", 3), strict: false })).toEqual([D, 3]);
  });

  test("one strict layer alone, and one entry alone", () => {
    const rule = { from: entries(), to: entries(), strict: true };
    expectSeen(
      moved({ a: g.maskedDense.spec(D, D, rule) }, ((w: { a: g.MaskedDense }, x: Tensor) => g.maskedDense(w.a, x, rule)) as never, [D]),
      (o, i) => i < o,
    );
    const single = made({ kind: "order", size: 1 }, { kind: "hidden", size: 4, max: 0 }, { kind: "order", size: 1 });
    expectSeen(moved(single.specs, single.net as never, [1]), () => false);
  });

  test("hidden degrees reach from 1 to D - 1 evenly, whatever their number", () => {
    expect(g.degreesOf({ kind: "hidden", size: 10, max: 5 })).toEqual([1, 1, 2, 2, 3, 3, 4, 4, 5, 5]);
    expect(g.degreesOf({ kind: "hidden", size: 4, max: 8 })).toEqual([1, 3, 5, 7]);
    const drawn = g.degreesOf({ kind: "hidden", size: 200, max: 5, seed: 1 });
    expect(new Set(drawn)).toEqual(new Set([1, 2, 3, 4, 5]));
    expect(g.degreesOf({ kind: "hidden", size: 200, max: 5, seed: 1 })).toEqual(drawn);
  });

  test("each of several masks is autoregressive in an order of its own, and the choice is one for all layers", () => {
    const { specs, net } = made(entries(2), hidden(5, 60), entries(2));
    const orders: string[] = [];
    for (const mask of [0, 1, 2]) {
      const with_ = (w: never, x: Tensor): Tensor => net(w, x, g.maskInTurn(3, g.lift(mask + 6, "i32")));
      const rank = g.degreesOf(entries(2), mask);
      orders.push(rank.join());
      expectSeen(moved(specs, with_, [D]), (o, i) => rank[i]! < rank[o]!);
      expect(total(D, specs, with_)).toBeCloseTo(1, 9);
    }
    expect(new Set(orders).size).toBe(3);
    // all masks side by side give what each gives, along an axis before those within
    const { feeds, tree } = weightsOf(specs);
    for (const within of [0, 1]) {
      const x = { shape: [...(within === 1 ? [4] : []), 2, D], data: noise((within === 1 ? 4 : 1) * 2 * D) };
      const all = compute((inputs) => net(tree(inputs), inputs["x"]!, g.allMasks(3, within)), { ...feeds, x });
      expect(all.shape).toEqual([3, ...x.shape]);
      const each = [0, 1, 2].flatMap((mask) =>
        Array.from(compute((inputs) => net(tree(inputs), inputs["x"]!, g.maskInTurn(3, g.lift(mask, "i32"))), { ...feeds, x }).data),
      );
      Array.from(all.data).forEach((v, i) => expect(v).toBeCloseTo(each[i]!, 12));
    }
    const picked = compute(
      () => Object.fromEntries(Array.from({ length: 40 }, (_, i) => [String(i), g.drawnMask(g.rootKey().at("order").fold(i), 4).index])),
      {},
      { rng: [1, 2, 3, 4] },
    );
    expect(new Set(Object.values(picked).map((v) => v.data[0]))).toEqual(new Set([0, 1, 2, 3]));
  });

  test("refuses units that its rule does not have, and an order that is none", () => {
    const rule = { from: entries(), to: hidden(), strict: true };
    expect(() => g.maskedDense.spec(D + 1, 20, rule)).toThrow(/7 units, and the rule gives degrees to 6/u);
    expect(() => g.orderOf([0, 0, 1], 3)).toThrow(/each of 0 to 2 once/u);
  });
});

describe("maskedConv2d", () => {
  for (const [name, window, groups, mask] of [
    ["5 x 5, A", 5, 1, "A"],
    ["3 x 3, B", 3, 1, "B"],
    ["1 x 3, A", [1, 3], 1, "A"],
    ["3 x 3 in three groups, A", 3, 3, "A"],
    ["3 x 3 in three groups, B", 3, 3, "B"],
  ] as const) {
    test(name, () => {
      const [H, W, from, to] = [4, 5, 3, 6];
      const options = { mask, groups };
      const specs = { a: g.maskedConv2d.spec(from, to, window, options) };
      const rows = moved(specs, ((w: { a: g.Conv }, x: Tensor) => g.maskedConv2d(w.a, x, options)) as never, [H, W, from]);
      const [kh, kw] = typeof window === "number" ? [window, window] : window;
      rows.forEach((row, o) =>
        row.forEach((own, i) => {
          const [po, pi] = [Math.floor(o / to), Math.floor(i / from)];
          const [dy, dx] = [Math.floor(pi / W) - Math.floor(po / W), (pi % W) - (po % W)];
          const near = Math.abs(dy) <= (kh - 1) / 2 && Math.abs(dx) <= (kw - 1) / 2;
          const group = (channel: number, of: number): number => Math.floor((channel * groups) / of);
          const [gi, go] = [group(i % from, from), group(o % to, to)];
          const centre = mask === "A" ? gi < go : gi <= go;
          expect(own, `output ${o}, input ${i}`).toBe(near && (pi < po || (pi === po && centre)));
        }),
      );
      expect(g.maskedConv2d.outShape([H, W, from], to)).toEqual([H, W, to]);
    });
  }

  test("refuses windows without a centre, and channels that do not divide", () => {
    expect(() => g.maskedConv2d.spec(1, 1, 4, { mask: "A" })).toThrow(/odd on both axes/u);
    expect(() => g.maskedConv2d.spec(4, 6, 3, { mask: "A", groups: 3 })).toThrow(/4 channels do not divide into 3 groups/u);
  });
});

describe("causalConv1d", () => {
  for (const [taps, dilation, strict] of [
    [2, 1, false],
    [3, 2, false],
    [2, 3, true],
    [1, 1, true],
  ] as const) {
    test(`${taps} taps, dilation ${dilation}${strict ? ", strict" : ""}`, () => {
      const T = 9;
      const specs = { a: g.causalConv1d.spec(2, 3, taps) };
      const rows = moved(specs, ((w: { a: g.Conv }, x: Tensor) => g.causalConv1d(w.a, x, { dilation, strict })) as never, [T, 2]);
      const read = Array.from({ length: taps }, (_, k) => k * dilation + (strict ? 1 : 0));
      expectSeen(rows, (t, s) => read.includes(t - s), 3, 2);
    });
  }

  test("rows of an image are sequences of their own", () => {
    const [kernel, x] = [
      { shape: [2, 2, 3], data: noise(12, 3) },
      { shape: [2, 4, 5, 2], data: noise(80, 4) },
    ];
    const out = compute(
      ({ k, x }) => ({
        rows: g.causalConv1d({ kernel: k! }, x!, { dilation: 2, strict: true }),
        alone: g.reshape(g.causalConv1d({ kernel: k! }, g.reshape(x!, [8, 5, 2]), { dilation: 2, strict: true }), [2, 4, 5, 3]),
      }),
      { k: kernel, x },
    );
    expect([...out["rows"]!.data]).toEqual([...out["alone"]!.data]);
  });

  test("one position, strict: nothing but the bias", () => {
    const out = compute(({ x, k, b }) => g.causalConv1d({ kernel: k!, bias: b! }, x!, { strict: true }), {
      x: { shape: [2, 1, 1], data: [1, 2] },
      k: { shape: [2, 1, 2], data: [1, 2, 3, 4] },
      b: [5, 6],
    });
    expect(Array.from(out.data)).toEqual([5, 6, 5, 6]);
  });
});

describe("nade", () => {
  test("sums to one, and an output sees the entries before it", () => {
    const specs = { n: g.nade.spec(8, 5) };
    const net = ((w: { n: g.Nade }, x: Tensor) => g.nade(w.n, x)) as never;
    expectSeen(moved(specs, net, [8]), (o, i) => i < o);
    expect(total(8, specs, net)).toBeCloseTo(1, 9);
  });

  test("against its definition, for several outputs and leading axes", () => {
    const specs = { n: g.nade.spec(5, 4, { outputs: 3 }) };
    const { feeds, tree } = weightsOf(specs);
    const x = noise(2 * 3 * 5, 9);
    const out = compute((inputs) => g.nade(tree<{ n: g.Nade }>(inputs).n, inputs["x"]!), { ...feeds, x: { shape: [2, 3, 5], data: x } });
    expect(out.shape).toEqual([2, 3, 5, 3]);
    expect(g.nade.outShape([5], 3)).toEqual([5, 3]);
    const [W, c, V, b] = ["inward", "hiddenBias", "outward", "bias"].map((name) => feeds[`n.${name}`]!.data);
    for (let r = 0; r < 6; r++) {
      for (let d = 0; d < 5; d++) {
        for (let o = 0; o < 3; o++) {
          let y = b![d * 3 + o]!;
          for (let h = 0; h < 4; h++) {
            let a = c![h]!;
            for (let i = 0; i < d; i++) a += x[r * 5 + i]! * W![i * 4 + h]!;
            y += V![(d * 3 + o) * 4 + h]! / (1 + Math.exp(-a));
          }
          expect(out.data[(r * 5 + d) * 3 + o]!).toBeCloseTo(y, 9);
        }
      }
    }
  });

  test("of vectors, against its definition", () => {
    const [rows, D, K, H, O] = [3, 4, 3, 5, 2];
    const specs = { n: g.nade.spec([D, K], H, { outputs: O }) };
    const { feeds, tree } = weightsOf(specs);
    const x = noise(rows * D * K, 9);
    const of = (inputs: Parameters<Parameters<typeof compute>[0]>[0]) => g.nade(tree<{ n: g.Nade }>(inputs).n, inputs["x"]!);
    const out = compute(of, { ...feeds, x: { shape: [1, rows, D, K], data: x } });
    expect(out.shape).toEqual([1, rows, D, O]);
    const [W, c, V, b] = ["inward", "hiddenBias", "outward", "bias"].map((name) => feeds[`n.${name}`]!.data);
    for (let r = 0; r < rows; r++) {
      for (let d = 0; d < D; d++) {
        for (let o = 0; o < O; o++) {
          let y = b![d * O + o]!;
          for (let h = 0; h < H; h++) {
            let a = c![h]!;
            for (let i = 0; i < d; i++) for (let k = 0; k < K; k++) a += x[(r * D + i) * K + k]! * W![(i * K + k) * H + h]!;
            y += V![(d * O + o) * H + h]! / (1 + Math.exp(-a));
          }
          expect(out.data[(r * D + d) * O + o]!).toBeCloseTo(y, 9);
        }
      }
    }
    // one entry a vector is the vector of entries
    const alone = compute(of, {
      ...weightsOf({ n: g.nade.spec([D, 1], H, { outputs: O }) }).feeds,
      x: { shape: [rows, D, 1], data: x.slice(0, rows * D) },
    });
    const flat = compute(of, {
      ...weightsOf({ n: g.nade.spec(D, H, { outputs: O }) }).feeds,
      x: { shape: [rows, D], data: x.slice(0, rows * D) },
    });
    alone.data.forEach((v, i) => expect(v).toBeCloseTo(flat.data[i]!, 12));
  });

  test("has no second derivative, and says so", () => {
    expect(() =>
      g.stage({ x: { shape: [1, 3] } }, ({ x }) => {
        const w = g.materialize({ n: g.nade.spec(3, 2) });
        const first = g.grad(g.sum(g.nade(w.n, x)), [x])[0]!;
        return { second: g.grad(g.sum(g.square(first)), [x])[0]! };
      }),
    ).toThrow(/second derivative of nade/u);
  });
});
