import { describe, expect, it } from "vitest";
import { evaluate, type Feeds } from "../../src/runtime/engines/reference/evaluate.js";
import * as g from "../../src/runtime/graph/index.js";
import { cases, numbers, type Case } from "./vjp-cases.js";

/** Step of the central differences: error O(h²) of truncation and eps / h of rounding, both below 1e-9. */
const H = 1e-5;
const TOLERANCE = 1e-5;

const specs = (c: Case): Record<string, g.InputSpec> =>
  Object.fromEntries(Object.entries(c.operands).map(([name, o]) => [name, { shape: o.shape, dtype: o.dtype ?? "f32" }]));

/** A fixed weighting that makes a scalar of any tensor, so that every output entry counts differently. */
function weigh(t: g.Tensor): g.Tensor {
  const f = t.dtype === "f32" ? t : g.cast(t, "f32");
  const weights = Array.from({ length: g.sizeOf(f.shape) }, (_, i) => Math.cos(1 + 2.3 * i) + 0.2);
  return g.sum(g.mul(f, g.constant(weights, f.shape)));
}

/** The scalar of the case, or with `order` 1 a weighting of its gradients: what to differentiate. */
function scalarOf(c: Case, order: 0 | 1, wrt: readonly string[], x: Readonly<Record<string, g.Tensor>>): g.Tensor {
  const f = weigh(c.fn(x));
  if (order === 0) return f;
  const gradients = g.grad(
    f,
    wrt.map((name) => x[name]!),
  );
  return gradients.map((t) => weigh(t)).reduce((a, b) => g.add(a, b));
}

function checkGradients(c: Case, order: 0 | 1): void {
  const wrt = c.wrt ?? Object.keys(c.operands).filter((name) => (c.operands[name]!.dtype ?? "f32") === "f32");
  const value = g.stage(specs(c), (x) => ({ f: scalarOf(c, order, wrt, x) }));
  const gradient = g.stage(specs(c), (x) => {
    const f = scalarOf(c, order, wrt, x);
    const all = g.grad(
      f,
      wrt.map((name) => x[name]!),
    );
    return Object.fromEntries(wrt.map((name, i) => [name, all[i]!]));
  });
  const feeds: Feeds = { rng: [1, 2, 3, 4], ...c.operands };
  const got = evaluate(gradient, feeds);
  for (const name of wrt) {
    const operand = c.operands[name]!;
    expect(got[name]!.shape).toEqual(operand.shape);
    operand.data.forEach((v, i) => {
      const at = (x: number): number => evaluate(value, { ...feeds, [name]: { ...operand, data: operand.data.with(i, x) } })["f"]!.data[0]!;
      const h = H * Math.max(1, Math.abs(v));
      const want = (at(v + h) - at(v - h)) / (2 * h);
      const error = Math.abs(got[name]!.data[i]! - want);
      expect(error, `${c.name}: d/d${name}[${i}] is ${got[name]!.data[i]}, differences give ${want}`).toBeLessThan(
        TOLERANCE * Math.max(1, Math.abs(want)),
      );
    });
  }
}

describe.each(Object.entries(cases))("vjp of %s", (_prim, list) => {
  for (const c of list) {
    if (c.wrt?.length === 0) {
      it(`${c.name}: no gradient flows`, () => {
        const graph = g.stage(specs(c), (x) => {
          const f = weigh(c.fn(x));
          const named = Object.keys(x).filter((name) => x[name]!.dtype === "f32");
          const all = g.grad(
            f,
            named.map((name) => x[name]!),
          );
          return Object.fromEntries(all.map((t, i) => [named[i]!, t]));
        });
        for (const id of Object.values(graph.outputs)) expect(graph.nodes[id]!.prim).toBe("constant");
      });
      continue;
    }
    it(c.name, () => checkGradients(c, 0));
    if (!c.first) it(`${c.name}, second order`, () => checkGradients(c, 1));
  }
});

describe("composed operations", () => {
  const more: Case[] = [
    { name: "logSumExp", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.logSumExp(x!, 1) },
    { name: "softmax", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.softmax(x!, 0) },
    { name: "logSoftmax", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.logSoftmax(x!) },
    { name: "log of a sum of exps", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.log(g.sum(g.exp(x!), 0)) },
    {
      name: "log of a sigmoid and of its complement",
      operands: { x: numbers([5]) },
      fn: ({ x }) => g.add(g.log(g.sigmoid(x!)), g.log(g.sub(1, g.sigmoid(x!)))),
    },
    { name: "log of a softmax", operands: { x: numbers([2, 4]) }, fn: ({ x }) => g.log(g.softmax(x!)) },
    { name: "norm", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.norm(x!, 1) },
    { name: "variance", operands: { x: numbers([3, 4]) }, fn: ({ x }) => g.variance(x!, 0) },
    {
      name: "batched matmul that broadcasts",
      operands: { a: numbers([2, 1, 2, 3]), b: numbers([3, 3, 2]) },
      fn: ({ a, b }) => g.matmul(a!, b!),
    },
    {
      name: "gradient penalty",
      operands: { x: numbers([3, 2]), w: numbers([2, 4]) },
      fn: ({ x, w }) => g.square(g.sub(g.norm(g.grad(g.sum(g.tanh(g.matmul(x!, w!))), [x!])[0]!, 1), 1)),
    },
  ];
  for (const c of more) {
    it(c.name, () => checkGradients(c, 0));
    it(`${c.name}, second order`, () => checkGradients(c, 1));
  }

  it("third order", () => {
    const graph = g.stage({ x: { shape: [] } }, ({ x }) => {
      let f = g.sin(g.mul(x, 2));
      for (let i = 0; i < 3; i++) f = g.grad(f, [x])[0]!;
      return { f };
    });
    expect(evaluate(graph, { x: 0.7 })["f"]!.data[0]).toBeCloseTo(-8 * Math.cos(1.4), 12);
  });

  it("ties of max go to the second operand, ties of reduceMax are shared", () => {
    const graph = g.stage({ x: { shape: [3] } }, ({ x }) => ({
      relu: g.grad(g.sum(g.relu(x)), [x])[0]!,
      top: g.grad(g.reduceMax(x), [x])[0]!,
    }));
    const out = evaluate(graph, { x: [0, 0, -1] });
    expect([...out["relu"]!.data]).toEqual([0, 0, 0]);
    expect([...out["top"]!.data]).toEqual([0.5, 0.5, 0]);
  });

  it("the norm at 0 has gradient 0", () => {
    const graph = g.stage({ x: { shape: [3] } }, ({ x }) => ({ d: g.grad(g.norm(x), [x])[0]! }));
    expect([...evaluate(graph, { x: [0, 0, 0] })["d"]!.data]).toEqual([0, 0, 0]);
  });

  it("gradients in intermediate tensors, in unused ones, and through stopGradient", () => {
    const graph = g.stage({ x: { shape: [2] }, unused: { shape: [3] } }, ({ x, unused }) => {
      const y = g.exp(x);
      const f = g.sum(g.mul(y, g.stopGradient(y)));
      const [dx, dy, du] = g.grad(f, [x, y, unused]);
      return { dx: dx!, dy: dy!, du: du!, y };
    });
    const out = evaluate(graph, { x: [0.5, 1], unused: [1, 2, 3] });
    expect([...out["dy"]!.data]).toEqual([...out["y"]!.data]);
    out["dx"]!.data.forEach((v, i) => expect(v).toBeCloseTo(Math.exp(2 * [0.5, 1][i]!), 12));
    expect([...out["du"]!.data]).toEqual([0, 0, 0]);
  });

  it("refuses what has no gradient", () => {
    expect(() => g.stage({ x: { shape: [2] } }, ({ x }) => ({ d: g.grad(x, [x])[0]! }))).toThrow(/scalar/);
    expect(() => g.stage({ x: { shape: [] }, i: { shape: [], dtype: "i32" } }, ({ x, i }) => ({ d: g.grad(x, [i])[0]! }))).toThrow(/i32/);
  });

  it("gradGraph maps a graph to a graph", () => {
    const graph = g.stage({ x: { shape: [2] } }, ({ x }) => ({ loss: g.sum(g.mul(g.square(g.state("w", [2])), x)) }));
    const out = evaluate(g.gradGraph(graph, "loss", ["w", "x"]), { x: [3, 4], w: [5, 6] });
    expect([...out["grad:w"]!.data]).toEqual([30, 48]);
    expect([...out["grad:x"]!.data]).toEqual([25, 36]);
  });

  it("a gradient's nodes carry the origin of what they differentiate", () => {
    const graph = g.stage({ x: { shape: [] } }, ({ x }) => {
      const f = g.term("log p(x)", "m.gm:3", g.sin(x));
      return { d: g.grad(f, [x])[0]! };
    });
    expect(graph.nodes.find((n) => n.prim === "cos")?.origin?.place).toBe("m.gm:3");
  });
});
