/**
 * Drawing entry by entry with what earlier entries computed kept, against the same draws with all computed anew at each entry: nets of every kind
 * of connection, on the reference engine, and in float32 on onnxruntime.
 */
import { describe, expect, test } from "vitest";
import type { EngineSession } from "../../src/runtime/engines/engine.js";
import { chooseEngine } from "../../src/runtime/engines/registry.js";
import * as g from "../../src/runtime/index.js";
import type { Tensor } from "../../src/runtime/index.js";
import { drawn, fill, hand, type Hand } from "../support/sequential.js";

const normalDraw = {
  draw: (params: Readonly<Record<string, Tensor>>, key: g.Key, shape: g.DrawShape) =>
    g.normal.sample(key, { loc: params["loc"]!, scale: params["scale"]! }, shape),
  mean: (params: Readonly<Record<string, Tensor>>) => params["loc"]!,
};
const bernoulliDraw = {
  draw: (params: Readonly<Record<string, Tensor>>, key: g.Key, shape: g.DrawShape) =>
    g.bernoulli.sample(key, { logits: params["logits"]! }, shape),
  mean: (params: Readonly<Record<string, Tensor>>) => g.sigmoid(params["logits"]!),
};

const made = (order: g.Order = "natural", D = 7) => {
  const entries = { kind: "order", size: D, order } as const;
  const hidden = { kind: "hidden", size: 9, max: D - 1 } as const;
  const first = { from: entries, to: hidden, strict: true };
  const second = { from: hidden, to: hidden, strict: false };
  const last = { from: hidden, to: entries, strict: false };
  const w = {
    a: g.maskedDense.spec(D, 9, first),
    b: g.maskedDense.spec(9, 9, second),
    c: g.maskedDense.spec(9, D, last),
  };
  return hand({
    weights: w,
    sequential: {
      variable: "x",
      shape: [D],
      dtype: "f32",
      positionAxes: 1,
      order,
      params: (w, _key, given) => {
        const h = g.tanh(g.maskedDense(w.a, g.sub(g.mul(given["x"]!, 2), 1), first));
        return { logits: g.maskedDense(w.c, g.add(h, g.tanh(g.maskedDense(w.b, h, second))), last) };
      },
      ...bernoulliDraw,
    },
  });
};

/** [D] -> [D, 2] by channels, with a residual of masked layers. */
const madeNormal = hand({
  weights: {
    a: g.maskedDense.spec(6, 10, { from: { kind: "order", size: 6 }, to: { kind: "hidden", size: 10, max: 5 }, strict: true }),
    b: g.maskedDense.spec(10, 12, {
      from: { kind: "hidden", size: 10, max: 5 },
      to: { kind: "order", size: 6, channels: 2 },
      strict: false,
    }),
  },
  sequential: {
    variable: "x",
    shape: [6],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => {
      const h = g.tanh(
        g.maskedDense(w.a, given["x"]!, { from: { kind: "order", size: 6 }, to: { kind: "hidden", size: 10, max: 5 }, strict: true }),
      );
      const y = g.maskedDense(w.b, h, {
        from: { kind: "hidden", size: 10, max: 5 },
        to: { kind: "order", size: 6, channels: 2 },
        strict: false,
      });
      return { loc: g.squeeze(g.sliceAxis(y, -1, 0, 1), -1), scale: g.exp(g.mul(0.2, g.squeeze(g.sliceAxis(y, -1, 1, 2), -1))) };
    },
    ...normalDraw,
  },
});

const nade = hand({
  weights: { n: g.nade.spec(8, 5) },
  sequential: {
    variable: "x",
    shape: [8],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => ({ logits: g.nade(w.n, given["x"]!) }),
    ...bernoulliDraw,
  },
});

/** Gated residual blocks with dilations, skips, a condition, a mixture of places; categories by embedding. */
const wavenet = hand({
  weights: {
    table: g.embedding.spec(3, 4),
    first: g.causalConv1d.spec(4, 6, 2),
    blocks: [1, 2, 4].map(() => ({ filter: g.causalConv1d.spec(6, 12, 2), skip: g.dense.spec(6, 5), next: g.dense.spec(6, 6) })),
    class: g.embedding.spec(2, 6),
    out: g.dense.spec(5, 3),
  },
  given: ["y"],
  sequential: {
    variable: "x",
    shape: [19],
    dtype: "i32",
    positionAxes: 1,
    reads: ["y"],
    params: (w, _key, given) => {
      let h = g.causalConv1d(w.first, g.embedding(w.table, given["x"]!), { strict: true });
      h = g.add(h, g.expandDims(g.embedding(w.class, given["y"]!), 1));
      let skips: Tensor | undefined;
      [1, 2, 4].forEach((dilation, i) => {
        const block = (w.blocks as unknown as readonly { filter: g.Conv; skip: g.Dense; next: g.Dense }[])[i]!;
        const y = g.gatedTanh(g.causalConv1d(block.filter, h, { dilation }));
        const skip = g.dense(block.skip, y);
        skips = skips === undefined ? skip : g.add(skips, skip);
        h = g.add(h, g.dense(block.next, y));
      });
      return { logits: g.dense(w.out, g.relu(skips!)) };
    },
    draw: (params, key, shape) => g.categorical.sample(key, { logits: params["logits"]! }, shape),
  },
});

/** The shift at the end: what is kept at a step reads the step itself. */
const shiftedLast = hand({
  weights: { a: g.causalConv1d.spec(1, 4, 3), b: g.causalConv1d.spec(4, 2, 2) },
  sequential: {
    variable: "x",
    shape: [9],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => {
      const x = g.expandDims(given["x"]!, -1);
      const h = g.causalConv1d(w.b, g.tanh(g.causalConv1d(w.a, x)), { dilation: 2 });
      const late = g.concat([g.zeros([x.shape[0]!, 1, 2]), g.sliceAxis(h, 1, 0, 8)], 1);
      return { loc: g.squeeze(g.sliceAxis(late, -1, 0, 1), -1), scale: g.softplus(g.squeeze(g.sliceAxis(late, -1, 1, 2), -1)) };
    },
    ...normalDraw,
  },
});

/** The step itself is read through a kernel that a mask holds at zero: it has to be computed again once it is drawn. */
const masked1d = hand({
  weights: { a: g.causalConv1d.spec(1, 4, 3), b: g.causalConv1d.spec(4, 2, 3) },
  sequential: {
    variable: "x",
    shape: [9],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => {
      const mask = g.reshape(g.constant([1, 1, 0]), [3, 1, 1]);
      const kernel = g.mul(w.a.kernel, mask);
      const h = g.tanh(g.causalConv1d({ kernel }, g.expandDims(given["x"]!, -1)));
      const y = g.causalConv1d(w.b, h);
      return { loc: g.squeeze(g.sliceAxis(y, -1, 0, 1), -1), scale: g.softplus(g.squeeze(g.sliceAxis(y, -1, 1, 2), -1)) };
    },
    ...normalDraw,
  },
});

const image = (channels: number) =>
  hand({
    weights: {
      a: g.maskedConv2d.spec(channels, 6, 5, { mask: "A", groups: channels }),
      b: g.maskedConv2d.spec(6, 6, 3, { mask: "B", groups: channels }),
      n: g.layerNorm.spec(6),
      c: g.maskedConv2d.spec(6, channels, 1, { mask: "B", groups: channels }),
    },
    sequential: {
      variable: "x",
      shape: channels === 1 ? [5, 6] : [5, 6, channels],
      dtype: "f32",
      positionAxes: channels === 1 ? 2 : 3,
      params: (w, _key, given) => {
        const x = channels === 1 ? g.expandDims(given["x"]!, -1) : given["x"]!;
        const h = g.maskedConv2d(w.a, x, { mask: "A", groups: channels });
        const norm = channels === 1 ? g.layerNorm(w.n, h) : h;
        const r = g.add(h, g.relu(g.maskedConv2d(w.b, norm, { mask: "B", groups: channels })));
        const y = g.maskedConv2d(w.c, r, { mask: "B", groups: channels });
        return { logits: channels === 1 ? g.squeeze(y, -1) : y };
      },
      ...bernoulliDraw,
    },
  });

/** Vertical and horizontal stacks (van den Oord et al. 2016): rows above without a blind spot, shifted down by one. */
const gated = hand({
  weights: {
    v: g.conv2d.spec(1, 8, [2, 3]),
    v2: g.conv2d.spec(4, 8, [2, 3]),
    link: g.dense.spec(8, 8),
    h: g.causalConv1d.spec(1, 8, 2),
    out: g.dense.spec(4, 1),
  },
  sequential: {
    variable: "x",
    shape: [5, 4],
    dtype: "f32",
    positionAxes: 2,
    params: (w, _key, given) => {
      const x = g.expandDims(given["x"]!, -1);
      const down = (t: Tensor): Tensor => g.pad(g.sliceAxis(t, 1, 0, 4), [0, 1, 0, 0], [0, 0, 0, 0]);
      const pads = {
        padding: [
          [1, 0],
          [1, 1],
        ] as const,
      };
      const v = g.gatedTanh(g.conv2d(w.v, x, pads));
      const v2 = g.conv2d(w.v2, v, pads);
      const h = g.add(g.causalConv1d(w.h, x, { strict: true }), g.dense(w.link, down(v2)));
      return { logits: g.squeeze(g.dense(w.out, g.gatedTanh(h)), -1) };
    },
    ...bernoulliDraw,
  },
});

/** A step that has no rule: a softmax over all positions, masked (attention), and a mean of what comes before. */
const attention = hand({
  weights: { q: g.dense.spec(2, 3), k: g.dense.spec(2, 3), v: g.dense.spec(2, 2) },
  sequential: {
    variable: "x",
    shape: [6],
    dtype: "f32",
    positionAxes: 1,
    params: (w, _key, given) => {
      const x = g.expandDims(given["x"]!, -1);
      const late = g.pad(g.sliceAxis(x, 1, 0, 5), [0, 1, 0], [0, 0, 0]);
      const e = g.concat([late, g.broadcastTo(g.reshape(g.mul(g.iota(6, "f32"), 0.3), [6, 1]), late.shape)], -1);
      const scores = g.matmul(g.dense(w.q, e), g.dense(w.k, e), { transposeB: true });
      const allowed = g.lowerTriangle(g.broadcastTo(g.constant(1, []), scores.shape));
      const weights = g.softmax(g.add(scores, g.mul(g.sub(allowed, 1), 1e9)), -1);
      const y = g.matmul(weights, g.dense(w.v, e));
      return { loc: g.squeeze(g.sliceAxis(y, -1, 0, 1), -1), scale: g.lift(0.5) };
    },
    ...normalDraw,
  },
});

/** A sum of the rows above, which reads whole rows alone: one is added once, not at each of its positions. */
const rowsAbove = hand({
  weights: { a: g.dense.spec(3, 3) },
  sequential: {
    variable: "x",
    shape: [4, 3],
    dtype: "f32",
    positionAxes: 2,
    params: (w, _key, given) => {
      const above = g.pad(g.sliceAxis(given["x"]!, 1, 0, 3), [0, 1, 0], [0, 0, 0]);
      return { logits: g.dense(w.a, g.sub(g.cumsum(g.tanh(above), 1), 1)) };
    },
    ...bernoulliDraw,
  },
});

/** In an order by chance, values that are read at the entry itself and at the one drawn before it. */
const byChance = hand({
  weights: {
    a: g.maskedDense.spec(7, 7, { from: { kind: "order", size: 7, order: 3 }, to: { kind: "order", size: 7, order: 3 }, strict: true }),
  },
  sequential: {
    variable: "x",
    shape: [7],
    dtype: "f32",
    positionAxes: 1,
    order: 3,
    params: (w, _key, given) => {
      const degrees = { kind: "order", size: 7, order: 3 } as const;
      const h = g.sigmoid(given["x"]!);
      const hidden = g.mul(h, g.constant([0, 0, 0, 0, 0, 0, 0], [7]));
      return { logits: g.add(g.maskedDense(w.a, h, { from: degrees, to: degrees, strict: true }), hidden) };
    },
    ...bernoulliDraw,
  },
});

const cases: readonly (readonly [string, Hand<never>, number])[] = [
  ["a masked dense net", made() as never, 0],
  ["a masked dense net in a random order", made(3) as never, 0],
  ["a masked dense net backwards", made("reverse") as never, 0],
  ["a masked dense net with two parameters", madeNormal as never, 0],
  ["nade", nade as never, 0],
  ["gated dilated convolutions with residuals, skips and a class", wavenet as never, 0],
  ["a shift at the end", shiftedLast as never, 0],
  ["a kernel masked at the step itself", masked1d as never, 0],
  ["masked convolutions over an image", image(1) as never, 0],
  ["masked convolutions in the order of colours", image(2) as never, 0],
  ["vertical and horizontal stacks", gated as never, 0],
  ["sums of the rows above", rowsAbove as never, 0],
  ["values read twice in a random order", byChance as never, 1],
  ["attention, which has no rule", attention as never, 1],
];

const GIVEN = { y: { dtype: "i32", shape: [3], data: Int32Array.of(0, 1, 1) } } as const;

async function opened(engine: "reference" | "onnx", model: Hand<never>): Promise<EngineSession> {
  const session = await (await chooseEngine(engine)).engine.open();
  await fill(session, model.weights);
  return session;
}

describe.each(["reference", "onnx"] as const)("%s: kept against computed anew", (engine) => {
  test.each(cases)("%s", async (_name, model, notes) => {
    const session = await opened(engine, model);
    const given = (model as Hand<never>).given === undefined ? {} : GIVEN;
    const kept = await drawn(session, model, { rows: 3, given });
    const anew = await drawn(session, model, { rows: 3, given, incremental: false });
    expect(kept.notes.length).toBe(notes);
    const tolerance = engine === "reference" ? 1e-6 : 1e-4;
    for (const of of ["value", "mean"] as const) {
      if (kept[of] === undefined) continue;
      expect(kept[of].data.length).toBe(anew[of].data.length);
      kept[of].data.forEach((v, i) => expect(Math.abs(v - anew[of].data[i]!), `${of} ${i}`).toBeLessThan(tolerance));
    }
    // it draws something
    expect(new Set(kept.value.data).size).toBeGreaterThan(1);
    session.dispose();
  });
});
