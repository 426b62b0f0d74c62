/** Joined products against the sums that they stand for, computed by the reference interpreter; and where none is joined. */
import { describe, expect, it } from "vitest";
import { referenceEngine } from "../../../src/runtime/engines/reference/index.js";
import { joinProducts } from "../../../src/runtime/engines/webgpu/join-products.js";
import * as g from "../../../src/runtime/graph/index.js";
import type { HostTensor } from "../../../src/runtime/engines/engine.js";

type Shapes = Readonly<Record<string, readonly number[]>>;

const fed = (shapes: Shapes): Record<string, HostTensor> =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => {
      const data = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, j) => Math.sin(1 + i + 1.7 * j));
      return [name, { dtype: "f32", shape, data }];
    }),
  );

async function values(graph: g.Graph, feeds: Record<string, HostTensor>): Promise<number[]> {
  const session = await referenceEngine.open();
  const executable = await session.compile({ name: "p", stages: [{ kind: "call", name: "c", graph }], fetch: ["y"] });
  return [...(await executable.run(feeds))["y"]!.data];
}

const staged = (shapes: Shapes, f: (x: Readonly<Record<string, g.Tensor>>) => g.Tensor): g.Graph =>
  g.optimize(
    g.stage(Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, { shape }])), (x) => ({
      y: f(x as Record<string, g.Tensor>),
    })),
  );

const products = (graph: g.Graph): number => graph.nodes.filter(({ prim }) => prim === "matmul").length;

describe("the sum of two products", () => {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      it(`is one, transposed ${String(transposeA)}, ${String(transposeB)}`, async () => {
        const turned = (shape: readonly number[], turn: boolean): number[] => (turn ? [...shape].reverse() : [...shape]);
        const shapes: Shapes = {
          a: turned([3, 5], transposeA),
          b: turned([5, 4], transposeB),
          c: turned([3, 2], transposeA),
          d: turned([2, 4], transposeB),
        };
        const graph = staged(shapes, ({ a, b, c, d }) =>
          g.tanh(g.add(g.matmul(a!, b!, { transposeA, transposeB }), g.matmul(c!, d!, { transposeA, transposeB }))),
        );
        const joined = joinProducts(graph);
        expect([products(graph), products(joined)]).toEqual([2, 1]);
        const [before, after] = [await values(graph, fed(shapes)), await values(joined, fed(shapes))];
        after.forEach((value, i) => expect(value).toBeCloseTo(before[i]!, 6));
      });
    }
  }

  it("of three is one, in batches", async () => {
    const shapes: Shapes = { a: [2, 3, 5], b: [5, 4], c: [2, 3, 1], d: [1, 4], e: [2, 3, 7], f: [7, 4] };
    const graph = staged(shapes, ({ a, b, c, d, e, f }) => g.add(g.add(g.matmul(a!, b!), g.matmul(c!, d!)), g.matmul(e!, f!)));
    const joined = joinProducts(graph);
    expect([products(graph), products(joined)]).toEqual([3, 1]);
    const [before, after] = [await values(graph, fed(shapes)), await values(joined, fed(shapes))];
    after.forEach((value, i) => expect(value).toBeCloseTo(before[i]!, 5));
  });

  it("stays where another reads one of them, where they are deep, and where they are read otherwise", () => {
    const small: Shapes = { a: [3, 5], b: [5, 4], c: [3, 2], d: [2, 4] };
    const read = staged(small, ({ a, b, c, d }) => {
      const product = g.matmul(a!, b!);
      return g.mul(g.add(product, g.matmul(c!, d!)), product);
    });
    const deep = staged({ a: [3, 500], b: [500, 4], c: [3, 13], d: [13, 4] }, ({ a, b, c, d }) =>
      g.add(g.matmul(a!, b!), g.matmul(c!, d!)),
    );
    const turned = staged({ a: [3, 5], b: [5, 4], c: [2, 3], d: [2, 4] }, ({ a, b, c, d }) =>
      g.add(g.matmul(a!, b!), g.matmul(c!, d!, { transposeA: true })),
    );
    for (const graph of [read, deep, turned]) expect(products(joinProducts(graph))).toBe(2);
  });
});
