import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluateAll, type Feeds } from "../../src/runtime/engines/reference/evaluate.js";
import * as g from "../../src/runtime/graph/index.js";
import { bernoulli } from "../../src/runtime/prob/index.js";
import { algebra, constantFold, cse, dce, dropStopGradient, stability } from "../../src/runtime/graph/passes/index.js";
import { cases } from "./vjp-cases.js";
import { vaeStep } from "./vae-step.js";

const prims = (graph: g.Graph): string[] =>
  graph.nodes.map((n) => n.prim).filter((p) => p !== "input" && p !== "state" && p !== "constant");

/** Stages, optimises with a check after every pass, and gives what is left, sources apart. */
function left(inputs: Record<string, number[]>, fn: (x: Record<string, g.Tensor>) => g.Tensor): string {
  const graph = g.stage(Object.fromEntries(Object.entries(inputs).map(([name, shape]) => [name, { shape }])), (x) => ({ y: fn(x) }));
  return prims(g.optimize(graph, (pass, after) => g.verify(after, pass.name))).join(" ");
}

function expectSame(graph: g.Graph, other: g.Graph, feeds: Feeds, what: string, tolerance = 1e-9): void {
  const [want, got] = [evaluateAll(graph, feeds), evaluateAll(other, feeds)];
  for (const [before, after] of [
    [want.outputs, got.outputs],
    [want.writes, got.writes],
  ] as const) {
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const [name, value] of Object.entries(before)) {
      expect(after[name]!.shape).toEqual(value.shape);
      value.data.forEach((v, i) => {
        const w = after[name]!.data[i]!;
        const fine = Object.is(v, w) || v === w || Math.abs(v - w) <= tolerance * Math.max(1, Math.abs(v));
        expect(fine, `${what}: ${name}[${i}] was ${v} and is ${w}\n${g.printGraph(graph)}\n${g.printGraph(other)}`).toBe(true);
      });
    }
  }
}

// ---- random graphs

type Step = readonly [op: number, a: number, b: number, c: number];

const SHAPES: readonly (readonly number[])[] = [[], [1], [3], [2, 3], [2, 1], [3, 2], [1, 3], [2, 2, 3]];
const INPUTS = ["a", "b", "c"] as const;

type Build = (xs: readonly g.Tensor[], pick: (i: number) => g.Tensor, n: number) => g.Tensor | undefined;

/** Operations on random tensors; each keeps values tame so that a comparison means something. */
const OPS: readonly Build[] = [
  (_, pick) => g.add(pick(0), pick(1)),
  (_, pick) => g.sub(pick(0), pick(1)),
  (_, pick) => g.tanh(g.mul(pick(0), pick(1))),
  (_, pick) => g.neg(pick(0)),
  (_, pick) => g.div(pick(0), g.add(g.square(pick(1)), 1)),
  (_, pick, n) => g.mul(pick(0), [0, 1, -1, 2, 0.5][n % 5]!),
  (_, pick, n) => g.add(pick(0), [0, 1, -1, 2][n % 4]!),
  (_, pick, n) => g.pow(g.add(g.abs(pick(0)), 0.5), [0, 1, 2, 3, -1, 0.5, 1.3][n % 7]!),
  (_, pick) => g.exp(g.tanh(pick(0))),
  (_, pick) => g.log(g.sigmoid(pick(0))),
  (_, pick) => g.log(g.sub(1, g.sigmoid(pick(0)))),
  (_, pick) => g.log(g.exp(pick(0))),
  (_, pick) => g.log1p(g.exp(pick(0))),
  (_, pick) => g.div(g.exp(pick(0)), g.exp(pick(1))),
  (_, pick) => g.sqrt(g.square(pick(0))),
  (_, pick) => g.maximum(pick(0), pick(1)),
  (_, pick) => g.select(g.less(pick(0), pick(1)), pick(1), pick(0)),
  (_, pick) => g.select(g.not(g.lessEqual(pick(0), 0)), pick(1), 0),
  (_, pick) => g.stopGradient(pick(0)),
  (_, pick, n) => g.sum(pick(0), pick(0).shape.length > 0 ? n % pick(0).shape.length : undefined),
  (_, pick) => g.mean(pick(0)),
  (_, pick, n) => (pick(0).shape.length > 0 ? g.reduceMax(pick(0), n % pick(0).shape.length) : undefined),
  (_, pick, n) => (pick(0).shape.length > 0 ? g.log(g.sum(g.exp(pick(0)), n % pick(0).shape.length)) : undefined),
  (_, pick) => (pick(0).shape.length > 0 ? g.log(g.softmax(pick(0))) : undefined),
  (_, pick) => (pick(0).shape.length > 1 ? g.transpose(pick(0)) : undefined),
  (_, pick) => (pick(0).shape.length > 1 ? g.matrixTranspose(pick(0)) : undefined),
  (_, pick) => g.reshape(pick(0), [-1]),
  (_, pick) => g.reshape(pick(0), [1, ...pick(0).shape]),
  (_, pick, n) => (pick(0).shape.length < 3 ? g.broadcastTo(pick(0), [1 + (n % 3), ...pick(0).shape]) : undefined),
  (_, pick) => (pick(0).shape.length > 0 ? g.slice(g.concat([pick(0), g.neg(pick(0))], 0), [0], [pick(0).shape[0]!]) : undefined),
  (_, pick) => (pick(0).shape.length > 0 ? g.concat(g.split(pick(0), pick(0).shape[0]!, 0), 0) : undefined),
  (_, pick, n) => (pick(0).shape.length > 0 ? g.reverse(pick(0), n % pick(0).shape.length) : undefined),
  (_, pick) => (pick(0).shape.length > 0 ? g.cumsum(pick(0), 0, true) : undefined),
  (_, pick) => (pick(0).shape.length > 0 ? g.take(pick(0), 0, 0) : undefined),
  (_, pick) => (pick(0).shape.length === 2 ? g.tanh(g.matmul(pick(0), g.transpose(pick(0)))) : undefined),
  (_, pick) => (pick(0).shape.length === 2 ? g.transpose(g.matmul(g.transpose(pick(0)), pick(0))) : undefined),
  (_, pick, n) => g.broadcastTo(g.constant(n % 3), pick(0).shape),
];

function randomGraph(steps: readonly Step[], shapes: readonly number[], gradient: boolean): g.Graph {
  const inputs = Object.fromEntries(INPUTS.map((name, i) => [name, { shape: SHAPES[shapes[i]! % SHAPES.length]! }]));
  return g.stage(inputs, (x): Record<string, g.Tensor> => {
    const xs = INPUTS.map((name) => x[name]!);
    const n = INPUTS.length;
    for (const [op, a, b, c] of steps) {
      const made = tryOp(() => OPS[op % OPS.length]!(xs, (i) => xs[[a, b][i]! % xs.length]!, c));
      if (made !== undefined && g.sizeOf(made.shape) <= 200) xs.push(made);
    }
    const total = xs.slice(n).reduce((t, v) => g.add(t, g.sum(g.sin(v))), g.constant(0));
    const last = xs[xs.length - 1]!;
    const state = g.state("s", last.shape);
    g.writeState(state, g.add(last, state));
    if (!gradient) return { total, last };
    const d = g.grad(
      total,
      INPUTS.map((name) => x[name]!),
    );
    return { total, da: d[0]!, db: d[1]!, dc: d[2]! };
  });
}

/** Shapes that do not fit are part of the play. */
function tryOp(fn: () => g.Tensor | undefined): g.Tensor | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof g.GmcError) return undefined;
    throw error;
  }
}

function feedsOf(graph: g.Graph): Feeds {
  return Object.fromEntries(
    graph.nodes.flatMap((n) =>
      n.prim === "input" || n.prim === "state"
        ? [[n.params.name, { shape: n.shape, data: Array.from({ length: g.sizeOf(n.shape) }, (_, i) => Math.sin(3 * i + n.id) * 1.5) }]]
        : [],
    ),
  );
}

const step = fc.tuple(fc.nat(1000), fc.nat(1000), fc.nat(1000), fc.nat(1000));

describe("random graphs keep their values", () => {
  for (const pass of g.passes) {
    it(pass.name, () => {
      fc.assert(
        fc.property(
          fc.array(step, { minLength: 1, maxLength: 14 }),
          fc.array(fc.nat(100), { minLength: 3, maxLength: 3 }),
          fc.boolean(),
          (steps, shapes, gradient) => {
            const graph = randomGraph(steps, shapes, gradient);
            g.verify(graph);
            const after = pass.run(graph);
            g.verify(after, pass.name);
            expectSame(graph, after, feedsOf(graph), pass.name);
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it("optimize", () => {
    fc.assert(
      fc.property(
        fc.array(step, { minLength: 1, maxLength: 20 }),
        fc.array(fc.nat(100), { minLength: 3, maxLength: 3 }),
        fc.boolean(),
        (steps, shapes, gradient) => {
          const graph = randomGraph(steps, shapes, gradient);
          const after = g.optimize(graph, (pass, current) => g.verify(current, pass.name));
          expectSame(graph, after, feedsOf(graph), "optimize");
        },
      ),
      { numRuns: 150 },
    );
  });

  it("every primitive's case and its gradient", () => {
    for (const c of Object.values(cases).flat()) {
      const specs = Object.fromEntries(Object.entries(c.operands).map(([name, o]) => [name, { shape: o.shape, dtype: o.dtype ?? "f32" }]));
      const graph = g.stage(specs, (x) => {
        const y = c.fn(x);
        const wrt = c.wrt ?? Object.keys(c.operands).filter((name) => (c.operands[name]!.dtype ?? "f32") === "f32");
        const gradients =
          wrt.length === 0
            ? []
            : g.grad(
                g.sum(g.mul(y, y)),
                wrt.map((name) => x[name]!),
              );
        return { y, ...Object.fromEntries(gradients.map((t, i) => [`d${i}`, t])) };
      });
      const after = g.optimize(graph, (pass, current) => g.verify(current, pass.name));
      expectSame(graph, after, { rng: [1, 2, 3, 4], ...c.operands }, c.name);
    }
  });
});

describe("algebra", () => {
  const x = [2, 3];
  const pointwise = { x: [2, 4, 5, 3], w: [1, 1, 3, 6], y: [2, 4, 5, 6] };
  it.each<[string, string, Record<string, number[]>, (x: Record<string, g.Tensor>) => g.Tensor]>([
    ["x * 1 + 0", "", { x }, ({ x }) => g.add(g.mul(x!, 1), 0)],
    ["--x", "", { x }, ({ x }) => g.neg(g.neg(x!))],
    ["x + -y", "sub", { x, y: x }, ({ x, y }) => g.add(x!, g.neg(y!))],
    ["-x * -y", "mul", { x, y: x }, ({ x, y }) => g.mul(g.neg(x!), g.neg(y!))],
    ["2 * (x / 4)", "mul", { x }, ({ x }) => g.mul(2, g.div(x!, 4))],
    ["c x + c y", "add mul", { x, y: x }, ({ x, y }) => g.add(g.mul(x!, 3), g.mul(y!, 3))],
    ["c x - c y", "sub mul", { x, y: x }, ({ x, y }) => g.add(g.mul(x!, 3), g.mul(y!, -3))],
    ["x / 2 + x / 2", "", { x }, ({ x }) => g.add(g.div(x!, 2), g.div(x!, 2))],
    ["x^2", "mul", { x }, ({ x }) => g.pow(x!, 2)],
    ["x^0.5", "sqrt", { x }, ({ x }) => g.pow(x!, 0.5)],
    ["reshape of reshape back", "", { x }, ({ x }) => g.reshape(g.reshape(x!, [6]), [2, 3])],
    ["transpose of transpose", "", { x }, ({ x }) => g.transpose(g.transpose(x!))],
    ["a^T b", "matmul", { x, y: x }, ({ x, y }) => g.matmul(g.transpose(x!), y!)],
    ["(a^T b)^T", "matmul", { x, y: x }, ({ x, y }) => g.transpose(g.matmul(g.transpose(x!), y!))],
    ["scalars stay of rank 0", "exp mul", { x, s: [] }, ({ x, s }) => g.mul(x!, g.broadcastTo(g.exp(s!), [2, 3]))],
    ["work is done before stretching", "exp neg broadcast", { s: [3] }, ({ s }) => g.neg(g.exp(g.broadcastTo(s!, [4, 3])))],
    ["sum of a stretched value", "reduceSum mul", { s: [3] }, ({ s }) => g.sum(g.broadcastTo(s!, [4, 3]))],
    ["a factor leaves the sum", "reduceSum mul", { x, s: [] }, ({ x, s }) => g.sum(g.mul(x!, s!))],
    ["sum of sums", "reduceSum", { x }, ({ x }) => g.sum(g.sum(x!, 0))],
    ["split and joined again", "", { x }, ({ x }) => g.concat(g.split(x!, 3, 1), 1)],
    ["a slice of a join", "", { x, y: x }, ({ x, y }) => g.slice(g.concat([x!, y!], 0), [2, 0])],
    ["a convolution of single positions", "reshape matmul", pointwise, ({ x, w }) => g.conv(x!, w!, { dilation: 2 })],
    ["its gradient in x", "reshape matmul cos mul", pointwise, ({ x, w, y }) => g.grad(g.sum(g.mul(g.conv(g.sin(x!), w!), y!)), [x!])[0]!],
    ["its gradient in w", "reshape reshape matmul reshape", pointwise, ({ x, w, y }) => g.grad(g.sum(g.mul(g.conv(x!, w!), y!)), [w!])[0]!],
    ["a stride is more than a product", "conv", pointwise, ({ x, w }) => g.conv(x!, w!, { stride: 2 })],
    ["padding is more than a product", "conv", pointwise, ({ x, w }) => g.conv(x!, w!, { padding: [[0, 1], 0] })],
    ["groups are more than a product", "conv", { x: [2, 4, 5, 6], w: [1, 1, 3, 4] }, ({ x, w }) => g.conv(x!, w!, { groups: 2 })],
    [
      "the gradient of a split is a join",
      "slice slice cos cos concat",
      { x: [2, 4] },
      ({ x }) => {
        const [a, b] = g.split(x!, 2, 1);
        return g.grad(g.sum(g.add(g.sin(a!), g.sin(g.mul(b!, 1)))), [x!])[0]!;
      },
    ],
    [
      "the gradient of a known order is an order",
      "gather cos mul",
      { x: [2, 3], y: [2, 3] },
      ({ x, y }) => g.grad(g.sum(g.mul(g.take(g.sin(x!), g.constant([2, 0, 1], [3], "i32"), 1), y!)), [x!])[0]!,
    ],
    [
      "what names an entry twice stays a scattered sum",
      "scatterAdd",
      { x: [2, 3], y: [2, 3] },
      ({ x, y }) => g.grad(g.sum(g.mul(g.take(x!, g.constant([2, 0, 2], [3], "i32"), 1), y!)), [x!])[0]!,
    ],
    ["constants fold", "add", { x }, ({ x }) => g.add(x!, g.exp(g.mul(2, g.constant([1, 2, 3]))))],
    ["a mask of constants folds", "select", { x: [3, 3] }, ({ x }) => g.lowerTriangle(x!)],
    ["equal work is done once", "exp mul", { x }, ({ x }) => g.add(g.exp(x!), g.exp(g.mul(1, x!)))],
    ["sides of a sum do not matter", "add mul", { x, y: x }, ({ x, y }) => g.mul(g.add(x!, y!), g.add(y!, x!))],
    ["stopGradient goes at the end", "exp", { x }, ({ x }) => g.stopGradient(g.exp(x!))],
  ])("%s", (_name, want, inputs, fn) => {
    expect(left(inputs, fn)).toBe(want);
  });

  it("keeps what NaN and infinity would change", () => {
    expect(left({ x }, ({ x }) => g.mul(x!, 0))).toBe("mul");
    expect(left({ x }, ({ x }) => g.sub(x!, x!))).toBe("sub");
  });

  it("does not merge draws of different sites", () => {
    const graph = g.optimize(
      g.stage({}, () => ({ y: g.add(g.randomUniform(g.rootKey().at("a"), [3]), g.randomUniform(g.rootKey().at("b"), [3])) })),
    );
    expect(prims(graph)).toEqual(["random", "random", "add"]);
    const same = g.optimize(
      g.stage({}, () => ({ y: g.add(g.randomUniform(g.rootKey().at("a"), [3]), g.randomUniform(g.rootKey().at("a"), [3])) })),
    );
    expect(prims(same)).toEqual(["random", "mul"]);
  });
});

describe("stability", () => {
  const at = (fn: (x: g.Tensor) => g.Tensor, x: number[], shape = [x.length]): { y: number[]; d: number[] } => {
    const graph = g.stage({ x: { shape } }, ({ x }) => {
      const y = fn(x);
      return { y, d: g.grad(g.sum(y), [x])[0]! };
    });
    const out = evaluateAll(g.optimize(graph), { x }).outputs;
    return { y: [...out["y"]!.data], d: [...out["d"]!.data] };
  };
  const close = (got: number[], want: number[]): void =>
    want.forEach((w, i) => expect(got[i]! / w, `${got[i]} against ${w}`).toBeCloseTo(1, 12));

  it("log sigmoid, at -1000 and 1000, with its gradient", () => {
    const { y, d } = at((x) => g.log(g.sigmoid(x)), [-1000, 40]);
    close(y, [-1000, -Math.exp(-40)]);
    close(d, [1, Math.exp(-40)]);
  });
  it("log(1 - sigmoid)", () => {
    const { y, d } = at((x) => g.log(g.sub(1, g.sigmoid(x))), [1000, -40]);
    close(y, [-1000, -Math.exp(-40)]);
    close(d, [-1, -Math.exp(-40)]);
  });
  it("log(sum(exp))", () => {
    const { y, d } = at((x) => g.log(g.sum(g.exp(x), 1)), [1000, 1001, -1000, -1001], [2, 2]);
    close(y, [1001 + Math.log1p(Math.exp(-1)), -1000 + Math.log1p(Math.exp(-1))]);
    close(d, [1 / (1 + Math.E), Math.E / (1 + Math.E), Math.E / (1 + Math.E), 1 / (1 + Math.E)]);
  });
  it("log(exp), log(sqrt), exp of a difference, log1p(exp), log(1 + exp)", () => {
    close(at((x) => g.log(g.exp(x)), [900, -900]).y, [900, -900]);
    close(at((x) => g.log(g.sqrt(g.exp(x))), [900]).y, [450]);
    close(at((x) => g.div(g.exp(x), g.exp(g.sub(x, 1))), [900]).y, [Math.E]);
    close(at((x) => g.log1p(g.exp(x)), [900]).y, [900]);
    close(at((x) => g.log(g.add(g.exp(x), 1)), [900]).y, [900]);
    close(at((x) => g.log(g.sub(1, g.exp(x))), [-1e-12]).y, [Math.log(1e-12)]);
  });
  it("log of a softmax and of products with exp", () => {
    close(at((x) => g.log(g.softmax(x)), [0, 900]).y.slice(0, 1), [-900]);
    close(at((x) => g.log(g.mul(g.exp(x), g.sigmoid(x))), [-900]).y, [-1800]);
    close(at((x) => g.log(g.div(g.sigmoid(x), g.exp(g.neg(x)))), [-900]).y, [-1800]);
  });
  it.each([
    ["1 / (1 + exp(-x))", (x: g.Tensor) => g.div(1, g.add(1, g.exp(g.neg(x)))), 1],
    ["1 / (exp(x) + 1)", (x: g.Tensor) => g.div(1, g.add(g.exp(x), 1)), -1],
    ["1 - sigmoid(x)", (x: g.Tensor) => g.sub(1, g.sigmoid(x)), -1],
    ["1 - (1 - sigmoid(x))", (x: g.Tensor) => g.sub(1, g.sub(1, g.sigmoid(x))), 1],
    ["sigmoid(x)", (x: g.Tensor) => g.sigmoid(x), 1],
  ])("Bernoulli whose probability is %s, far out", (_, probs, sign) => {
    const log = (v: number): { y: number[]; d: number[] } =>
      at((x) => bernoulli.logProb(g.lift(v), { probs: probs(x) }), [40 * sign, -900 * sign]);
    const [one, zero] = [log(1), log(0)];
    close(one.y, [-Math.exp(-40), -900]);
    close(zero.y.slice(0, 1), [-40]);
    expect(zero.y[1]).toBeCloseTo(0, 12);
    close(one.d, [sign * Math.exp(-40), sign]);
    close(zero.d.slice(0, 1), [-sign]);
  });
  it("Bernoulli from probabilities", () => {
    const logProb = (x: g.Tensor, v: number): g.Tensor => g.add(g.mul(v, g.log(g.sigmoid(x))), g.mul(1 - v, g.log(g.sub(1, g.sigmoid(x)))));
    const { y, d } = at((x) => logProb(x, 1), [-800]);
    close(y, [-800]);
    close(d, [1]);
  });
  const far = [1000, 1001, 999];
  const sumExp = (x: number[], w = x.map(() => 1)): number => {
    const top = Math.max(...x);
    return top + Math.log(x.reduce((acc, v, i) => acc + w[i]! * Math.exp(v - top), 0));
  };
  const share = (x: number[], w = x.map(() => 1)): number[] => x.map((v, i) => w[i]! * Math.exp(v - sumExp(x, w)));
  const part = (x: g.Tensor, i: number): g.Tensor => g.slice(x, [i], [i + 1]);
  it.each<[string, (x: g.Tensor) => g.Tensor, (x: number[]) => number, ((x: number[]) => number[])?]>([
    ["log(mean(exp(x)))", (x) => g.log(g.mean(g.exp(x), 0)), (x) => sumExp(x) - Math.log(3)],
    ["log(sum(exp(x)) / 3)", (x) => g.log(g.div(g.sum(g.exp(x), 0), 3)), (x) => sumExp(x) - Math.log(3)],
    [
      "log(mean(exp(x))^2)",
      (x) => g.log(g.pow(g.mean(g.exp(x), 0), 2)),
      (x) => 2 * (sumExp(x) - Math.log(3)),
      (x) => share(x).map((v) => 2 * v),
    ],
    [
      "log(sum(w * exp(x)))",
      (x) => g.log(g.sum(g.mul(g.constant([0.5, 0.25, 0.25]), g.exp(x)), 0)),
      (x) => sumExp(x, [0.5, 0.25, 0.25]),
      (x) => share(x, [0.5, 0.25, 0.25]),
    ],
    [
      "log of an expectation of exp under a softmax",
      (x) => g.log(g.sum(g.mul(g.softmax(g.constant([0, Math.LN2, 0])), g.exp(x)), 0)),
      (x) => sumExp(x, [0.25, 0.5, 0.25]),
      (x) => share(x, [0.25, 0.5, 0.25]),
    ],
    ["log of three exps", (x) => g.log(g.add(g.add(g.exp(part(x, 0)), g.exp(part(x, 1))), g.exp(part(x, 2)))), sumExp],
    [
      "log of weighed exps",
      (x) => g.log(g.add(g.mul(0.3, g.exp(part(x, 0))), g.add(g.mul(0.5, g.exp(part(x, 1))), g.mul(g.exp(part(x, 2)), 0.2)))),
      (x) => sumExp(x, [0.3, 0.5, 0.2]),
      (x) => share(x, [0.3, 0.5, 0.2]),
    ],
    ["log of a mean of means", (x) => g.log(g.mean(g.mean(g.exp(g.reshape(x, [1, 3])), 1), 0)), (x) => sumExp(x) - Math.log(3)],
    ["log(1 + sum(exp(x)))", (x) => g.log(g.add(1, g.sum(g.exp(x), 0))), (x) => sumExp([0, ...x]), (x) => share([0, ...x]).slice(1)],
  ])("%s, far out", (_, fn, want, gradient = share) => {
    for (const x of [far, far.map((v) => -v)]) {
      const { y, d } = at(fn, x);
      const top = Math.max(...y.map(Math.abs), 1);
      y.forEach((v) => expect(Math.abs(v - want(x)) / top).toBeLessThan(1e-12));
      gradient(x).forEach((v, i) => expect(Math.abs(d[i]! - v), `gradient ${d[i]} against ${v}`).toBeLessThan(1e-12));
    }
  });
  it("log(exp(u) + exp(v)) where one of both is exp(-Infinity)", () => {
    const both = (x: g.Tensor): g.Tensor => g.log(g.add(g.exp(part(x, 0)), g.exp(part(x, 1))));
    close(at(both, [-Infinity, 3]).y, [3]);
    close(at(both, [3, -Infinity]).y, [3]);
    expect(at(both, [-Infinity, 3]).d).toEqual([0, 1]);
  });
  it("does not shift twice", () => {
    const once = g.optimize(g.stage({ x: { shape: [2, 3] } }, ({ x }) => ({ y: g.logSumExp(x, 1) })));
    const twice = stability.run(once);
    expect(prims(dce.run(twice))).toEqual(prims(once));
    expect(prims(once).filter((p) => p === "reduceMax")).toHaveLength(1);
  });
});

describe("single passes", () => {
  it("dce drops unread inputs and keeps writes", () => {
    const graph = g.stage({ x: { shape: [2] }, y: { shape: [2] } }, ({ x, y }) => {
      g.exp(y);
      g.writeState(g.state("s", [2]), g.neg(x));
      return {};
    });
    expect(dce.run(graph).nodes.map((n) => n.prim)).toEqual(["input", "neg"]);
  });
  it("dropStopGradient, cse and constantFold do their own work alone", () => {
    const graph = g.stage({ x: { shape: [2] } }, ({ x }) => ({
      y: g.add(g.stopGradient(g.exp(x)), g.mul(g.exp(x), g.exp(g.constant([0, 0])))),
    }));
    expect(prims(dce.run(dropStopGradient.run(graph)))).toEqual(["exp", "exp", "exp", "mul", "add"]);
    expect(prims(dce.run(cse.run(graph)))).toEqual(["exp", "stopGradient", "exp", "mul", "add"]);
    expect(prims(dce.run(constantFold.run(graph)))).toEqual(["exp", "stopGradient", "exp", "mul", "add"]);
    expect(prims(dce.run(algebra.run(constantFold.run(graph))))).toEqual(["exp", "stopGradient", "exp", "add"]);
  });
  it("constants larger than the limit fold only where they are one value all over", () => {
    const graph = g.optimize(
      g.stage({}, () => ({ y: g.transpose(g.exp(g.zeros([300, 400]))), n: g.neg(g.constant(Array.from({ length: 5000 }, (_, i) => i))) })),
    );
    expect(graph.nodes.map((n) => n.prim).sort()).toEqual(["constant", "constant", "neg"]);
  });
});

describe("verify, print, cost", () => {
  const graph = g.stage({ x: { shape: [4, 3] } }, ({ x }) => ({
    y: g.term("log p(x)", "m.gm:2", g.tanh(g.matmul(x, g.state("w", [5, 3]), { transposeB: true }))),
  }));
  it("prints one line a node", () => {
    expect(g.printGraph(graph)).toBe(
      `%0 = input() name="x"   f32 [4, 3]   ; log p(x), m.gm:2\n%1 = state() name="w"   f32 [5, 3]   ; log p(x), m.gm:2\n` +
        `%2 = matmul(%0, %1) transposeB   f32 [4, 5]   ; log p(x), m.gm:2\n%3 = tanh(%2)   f32 [4, 5]   ; log p(x), m.gm:2\noutput y = %3\n`,
    );
  });
  it("counts multiply-adds and bytes", () => {
    const cost = g.graphCost(graph);
    expect(cost.flops).toBe(2 * 4 * 5 * 3 + 20);
    expect(cost.bytes).toBe(4 * (12 + 15 + 20) + 4 * (20 + 20));
  });
  it("finds what is wrong", () => {
    const broken = (i: number, change: Partial<g.Node>): g.Graph => ({
      ...graph,
      nodes: graph.nodes.map((n, j) => (i === j ? ({ ...n, ...change } as g.Node) : n)),
    });
    expect(() => g.verify(graph)).not.toThrow();
    expect(() => g.verify(broken(2, { shape: [4, 4] }))).toThrow(/says f32 \[4, 4\], the rule gives f32 \[4, 5\]/);
    expect(() => g.verify(broken(2, { inputs: [0, 3] }))).toThrow(/not before it/);
    expect(() => g.verify(broken(3, { id: 7 }))).toThrow(/has id 7/);
    expect(() => g.verify({ ...graph, outputs: { y: 9 } })).toThrow(/does not exist/);
    expect(() => g.verify({ ...graph, writes: { w: 3 } })).toThrow(/is written as/);
    expect(() => g.verify(broken(1, { prim: "input", params: { name: "x" } } as Partial<g.Node>))).toThrow(/read by two/);
  });
});

describe("speed and size of a VAE step (784-400-20-400-784, batch 128)", () => {
  it("stages, differentiates and optimises well under 100 ms, to the same values", () => {
    const small = vaeStep({ batch: 3, data: 7, hidden: 5, latent: 2 });
    const after = g.optimize(small, (pass, current) => g.verify(current, pass.name));
    expectSame(small, after, { ...feedsOf(small), rng: [1, 2, 3, 0] }, "VAE step");
    const times = Array.from({ length: 5 }, () => {
      const start = performance.now();
      g.optimize(vaeStep({ batch: 128, data: 784, hidden: 400, latent: 20 }));
      return performance.now() - start;
    });
    expect(Math.min(...times)).toBeLessThan(100);
  });
});
