/**
 * What the suite does not reach because it knows no engine: where a graph is cut into steps, each pattern and each form of a lowering that is
 * chosen by sizes, limits of integers, names that come in and go out. Values are checked against the reference engine.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { onnxEngine } from "../../src/runtime/engines/onnx/index.js";
import { lowerModel } from "../../src/runtime/engines/onnx/lower.js";
import { planGraph } from "../../src/runtime/engines/onnx/plan.js";
import { reuseReductions } from "../../src/runtime/graph/passes/reuse-reductions.js";
import type { EngineSession, HostTensor } from "../../src/runtime/engines/engine.js";
import { evaluate } from "../../src/runtime/engines/reference/evaluate.js";
import * as g from "../../src/runtime/graph/index.js";
import { emit } from "../../src/runtime/graph/trace.js";

let session: EngineSession;
beforeAll(async () => {
  session = await onnxEngine.open({ threads: 1 });
});
afterAll(() => session.dispose());

interface Operand {
  readonly shape: readonly number[];
  readonly dtype?: g.DType;
  readonly data: readonly number[];
}

const arrays = { f32: Float32Array, i32: Int32Array, u32: Uint32Array, bool: Uint8Array } as const;
const wave = (shape: readonly number[], size = 1): Operand => ({
  shape,
  data: Array.from({ length: g.sizeOf(shape) }, (_, i) => Math.fround(size * Math.sin(1 + 1.7 * i))),
});
const u32 = (...data: number[]): Operand => ({ shape: [data.length], dtype: "u32", data });
const i32 = (...data: number[]): Operand => ({ shape: [data.length], dtype: "i32", data });

function staged(
  operands: Readonly<Record<string, Operand>>,
  fn: (x: Readonly<Record<string, g.Tensor>>) => g.Tensor | Record<string, g.Tensor>,
): g.Graph {
  const specs = Object.fromEntries(Object.entries(operands).map(([name, o]) => [name, { shape: o.shape, dtype: o.dtype ?? "f32" }]));
  return g.stage(specs, (x) => {
    const y = fn(x);
    return "trace" in y ? { y: y as g.Tensor } : (y as Record<string, g.Tensor>);
  });
}

/** Outputs of the graph on the engine, after comparing them with the reference's. */
async function agrees(graph: g.Graph, operands: Readonly<Record<string, Operand>>, tolerance = 1e-5): Promise<Record<string, number[]>> {
  const rng = { shape: [4], dtype: "u32" as const, data: [1, 2, 3, 4] };
  const want = evaluate(graph, { rng, ...operands });
  const feeds: Record<string, HostTensor> = {};
  for (const [name, o] of Object.entries({ rng, ...operands }))
    feeds[name] = { dtype: o.dtype ?? "f32", shape: o.shape, data: arrays[o.dtype ?? "f32"].from(o.data) };
  const executable = await session.compile({
    name: "test",
    stages: [{ kind: "call", name: "graph", graph }],
    fetch: Object.keys(graph.outputs),
  });
  const got = await executable.run(feeds);
  executable.dispose();
  for (const [name, value] of Object.entries(want)) {
    expect(got[name]!.shape).toEqual(value.shape);
    expect(got[name]!.dtype).toBe(value.dtype);
    value.data.forEach((expected: number, i: number) => {
      const actual = got[name]!.data[i]!;
      const close =
        Object.is(actual, expected) || actual === expected || Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));
      expect(close, `${name}[${i}] is ${actual}, the reference gives ${expected}`).toBe(true);
    });
  }
  return Object.fromEntries(Object.entries(got).map(([name, value]) => [name, Array.from(value.data)]));
}

/** Operators of the one model that the graph lowers to. */
function operators(graph: g.Graph): string[] {
  const { steps } = planGraph(graph, Object.keys(graph.outputs));
  const models = steps.filter((step) => step.kind === "model");
  expect(models.length).toBe(1);
  return lowerModel("test", graph, models[0]!).model.nodes.map((node) => node.op);
}

const count = (list: readonly string[], name: string): number => list.filter((entry) => entry === name).length;

describe("the plan", () => {
  const kinds = (graph: g.Graph): string[] =>
    planGraph(graph, Object.keys(graph.outputs)).steps.map((step) => (step.kind === "host" ? step.node.prim : step.kind));

  it("draws before the one model of a step", () => {
    const graph = staged({ x: wave([4, 3]) }, ({ x }) => g.mul(x!, g.randomNormal(g.rootKey().at("e"), [g.rowsOf(x!), 3])));
    expect(kinds(graph)).toEqual(["random", "model"]);
  });

  it("cuts around triangular factors, and only there", () => {
    const operands = { x: wave([3, 3]), b: wave([3, 2]) };
    const graph = staged(operands, ({ x, b }) => {
      const a = g.add(g.matmul(x!, x!, { transposeB: true }), g.mul(g.eye(3), 2));
      return g.exp(g.triangularSolve(g.cholesky(a), g.tanh(b!)));
    });
    expect(kinds(graph)).toEqual(["model", "cholesky", "triangularSolve", "model"]);
    return agrees(graph, operands);
  });

  it("leaves out what nobody asks for", () => {
    const graph = staged({ x: wave([3]) }, ({ x }) => ({
      a: g.exp(x!),
      b: g.cholesky(g.reshape(g.square(g.sliceAxis(x!, 0, 0, 1)), [1, 1])),
    }));
    expect(planGraph(graph, ["a"]).steps.length).toBe(1);
  });

  it("draws binary variables in one step only where nothing else sees the uniforms", async () => {
    const p: Operand = { shape: [4, 30], data: wave([4, 30]).data.map((v) => Math.max(0, v)) };
    const binary = (p: g.Tensor): { u: g.Tensor; b: g.Tensor } => {
      const u = g.randomUniform(g.rootKey().at("u"), [g.rowsOf(p), 30]);
      return { u, b: g.cast(g.less(u, p), "f32") };
    };
    const one = staged({ p }, ({ p }) => binary(p!).b);
    expect(kinds(one)).toEqual(["bernoulli"]);
    await agrees(one, { p });
    const both = staged({ p }, ({ p }) => binary(p!));
    expect(kinds(both)).toEqual(["random", "model"]);
    await agrees(both, { p });
    const computed = staged({ p }, ({ p }) => binary(g.sqrt(p!)).b);
    expect(kinds(computed)).toEqual(["random", "model"]);
    await agrees(computed, { p });
  });

  it("gives back sources, literals and one value under several names", async () => {
    const x = wave([2, 2]);
    const graph = staged({ x }, ({ x }) => {
      const y = g.exp(x!);
      return { x: x!, y, again: y, stretched: g.broadcastTo(g.constant(3), [2, 3]), counted: g.iota(4) };
    });
    await agrees(graph, { x });
  });
});

describe("patterns", () => {
  it("adds a bias, another product or a column in the product", async () => {
    const operands = { x: wave([5, 4]), w: wave([4, 3]), b: wave([3]), c: wave([5, 1]), s: wave([]) };
    for (const fn of [
      ({ x, w, b }: Record<string, g.Tensor>) => g.add(g.matmul(x!, w!), b!),
      ({ x, w, c }: Record<string, g.Tensor>) => g.add(c!, g.matmul(x!, w!)),
      ({ x, w, s }: Record<string, g.Tensor>) => g.add(s!, g.matmul(x!, w!)),
      ({ x, w }: Record<string, g.Tensor>) => g.add(g.matmul(x!, w!), g.matmul(g.exp(x!), w!)),
    ]) {
      const graph = staged(operands, fn);
      const list = operators(graph);
      expect(count(list, "Add")).toBe(0);
      await agrees(graph, operands);
    }
  });

  it("folds leading axes into the rows of a product", async () => {
    const operands = { x: wave([2, 5, 4]), w: wave([4, 3]), v: wave([3, 4]), b: wave([3]), c: wave([5, 3]) };
    const graph = staged(operands, ({ x, w, v, b, c }) => ({
      one: g.add(g.matmul(x!, w!), b!),
      two: g.add(g.matmul(x!, v!, { transposeB: true }), c!),
    }));
    expect(count(operators(graph), "Gemm")).toBe(2);
    await agrees(graph, operands);
  });

  it("keeps a product that is read twice", async () => {
    const operands = { x: wave([5, 4]), w: wave([4, 3]), b: wave([3]) };
    await agrees(
      staged(operands, ({ x, w, b }) => {
        const product = g.matmul(x!, w!);
        return { y: g.add(product, b!), product };
      }),
      operands,
    );
  });

  it("takes max(x, 0) as Relu and its gradient without Where", async () => {
    const operands = { x: wave([5, 4]), w: wave([4, 3]) };
    const graph = staged(operands, ({ x, w }) => {
      const loss = g.sum(g.square(g.relu(g.matmul(x!, w!))));
      return { loss, dw: g.grad(loss, [w!])[0]! };
    });
    const list = operators(graph);
    expect(count(list, "Relu")).toBe(1);
    expect(count(list, "Where")).toBe(0);
    expect(count(list, "HardSigmoid")).toBe(1);
    await agrees(graph, operands);
  });

  it("keeps rows folded from one product over a relu to the next", async () => {
    const operands = { x: wave([5, 3, 8]), v: wave([8, 6]), w: wave([6, 4]) };
    const graph = staged(operands, ({ x, v, w }) => g.matmul(g.relu(g.matmul(x!, v!)), w!));
    const step = planGraph(graph, ["y"]).steps[0]!;
    if (step.kind !== "model") throw new Error("a product is no host step");
    const ops = lowerModel("test", graph, step).model.nodes.map((node) => node.op);
    expect(ops).toEqual(["Reshape", "Gemm", "Relu", "Gemm", "Reshape"]);
    await agrees(graph, operands);
  });

  it("keeps the gradient of relu at 0, at tiny and at huge activations", async () => {
    const x: Operand = { shape: [7], data: [0, -0, 1.2e-38, 1e-30, -1e-30, 3e38, -3e38] };
    const graph = staged({ x }, ({ x }) => g.grad(g.sum(g.relu(x!)), [x!])[0]!);
    expect((await agrees(graph, { x }))["y"]).toEqual([0, 0, 1, 1, 0, 1, 0]);
  });

  for (const [extent, grouped] of [
    [784, true],
    [127, false],
    [64, true],
  ] as const) {
    it(`sums softplus over ${extent} entries ${grouped ? "by logarithms of products" : "one by one"}`, async () => {
      const operands = { l: wave([6, extent], 30), x: { shape: [6, extent], data: wave([6, extent]).data.map((v) => (v > 0 ? 1 : 0)) } };
      const graph = staged(operands, ({ l, x }) => ({
        likelihood: g.sum(g.sub(g.mul(x!, l!), g.softplus(l!)), -1),
        negative: g.sum(g.neg(g.softplus(l!))),
        both: g.sum(g.add(g.softplus(l!), g.softplus(g.neg(l!))), [0, 1]),
      }));
      expect(operators(graph).includes("ReduceProd")).toBe(grouped);
      await agrees(graph, operands);
    });
  }

  it("takes metrics from the sums that are there", async () => {
    const operands = { l: wave([6, 784], 3), x: wave([6, 784]) };
    const graph = staged(operands, ({ l, x }) => {
      const terms = g.sub(g.mul(x!, l!), g.softplus(l!));
      const rows = g.sum(terms, [1]);
      return { rows, metric: g.sum(terms), columns: g.sum(terms, [0]), top: g.reduceMax(terms, [0]), most: g.reduceMax(terms) };
    });
    const reused = reuseReductions(graph);
    const inputOf = (name: string): number => reused.nodes[reused.outputs[name]!]!.inputs[0]!;
    expect([inputOf("metric"), inputOf("most")]).toEqual([graph.outputs["rows"], graph.outputs["top"]]);
    expect(inputOf("columns")).toBe(inputOf("rows"));
    await agrees(graph, operands);
  });

  it("leaves a factor to the products", async () => {
    const operands = { x: wave([5, 4]), w: wave([4, 3]), v: wave([4, 3]) };
    const graph = staged(operands, ({ x, w, v }) => {
      const scaled = g.mul(g.exp(x!), 0.25);
      return { one: g.matmul(scaled, w!), two: g.matmul(scaled, g.mul(v!, -3)) };
    });
    expect(count(operators(graph), "Mul")).toBe(0);
    await agrees(graph, operands);
    const elsewhere = staged(operands, ({ x, w }) => {
      const scaled = g.mul(g.exp(x!), 0.25);
      return { one: g.matmul(scaled, w!), scaled };
    });
    expect(count(operators(elsewhere), "Mul")).toBe(1);
    await agrees(elsewhere, operands);
    const batched = staged({ x: wave([2, 5, 4]), y: wave([2, 4, 3]) }, ({ x, y }) => g.matmul(g.mul(x!, 0.5), y!));
    expect(count(operators(batched), "Mul")).toBe(1);
    await agrees(batched, { x: wave([2, 5, 4]), y: wave([2, 4, 3]) });
  });

  it("sums rows by a product", async () => {
    const operands = { x: wave([40, 50]), y: wave([4, 10, 20]), z: wave([40, 3]) };
    const graph = staged(operands, ({ x, y, z }) => ({
      x: g.sum(x!, [0]),
      y: g.sum(y!, [0, 1]),
      z: g.sum(z!, [0]),
      all: g.sum(x!),
      last: g.sum(x!, [1]),
    }));
    expect([count(operators(graph), "Gemm"), count(operators(graph), "ReduceSum")]).toEqual([2, 3]);
    await agrees(graph, operands, 1e-5);
  });

  it("multiplies once by what is a factor of both", async () => {
    const operands = { a: wave([3, 4]), b: wave([3, 4]), r: wave([3, 1]) };
    const literal = staged(operands, ({ a, b }) => ({
      difference: g.add(g.mul(a!, 0.25), g.mul(-0.25, b!)),
      sum: g.sub(g.mul(a!, 0.5), g.mul(b!, -0.5)),
      other: g.add(g.mul(a!, 0.25), g.mul(b!, 0.75)),
    }));
    expect(count(operators(literal), "Mul")).toBe(4);
    await agrees(literal, operands);
    const tensor = staged(operands, ({ a, b, r }) => ({
      difference: g.add(g.mul(r!, a!), g.mul(b!, g.neg(r!))),
      other: g.sub(g.mul(g.neg(r!), a!), g.mul(b!, g.neg(r!))),
      sum: g.sub(g.mul(r!, a!), g.mul(g.neg(r!), b!)),
      square: g.add(g.mul(a!, a!), g.mul(a!, b!)),
      apart: g.add(g.mul(r!, a!), g.mul(g.exp(r!), b!)),
    }));
    expect(count(operators(tensor), "Mul")).toBe(6);
    await agrees(tensor, operands);
  });
});

describe("convolutions", () => {
  const forms: readonly [name: string, x: number[], w: number[], options: g.ConvOptions, dx: string, dw: string][] = [
    ["many channels", [2, 7, 6, 16], [3, 2, 16, 8], { padding: "same" }, "Conv", "Gemm"],
    ["few channels", [2, 7, 6, 3], [3, 3, 3, 5], { padding: 1 }, "ConvTranspose", "Gemm"],
    ["a stride that leaves rows over", [2, 8, 7, 16], [3, 3, 16, 4], { stride: 3, padding: [[1, 0], 0] }, "ConvTranspose", "Gemm"],
    ["more padding than the window reaches", [1, 5, 5, 8], [2, 2, 8, 3], { padding: 2 }, "ConvTranspose", "Gemm"],
    ["groups", [2, 6, 6, 8], [3, 3, 2, 12], { groups: 4, padding: "same", stride: 2 }, "ConvTranspose", "Conv"],
    ["dilation", [2, 9, 9, 8], [3, 2, 8, 4], { dilation: [2, 3] }, "Conv", "Gemm"],
    ["one axis", [3, 11, 16], [4, 16, 3], { padding: "same", dilation: 2 }, "Conv", "Gemm"],
  ];
  it("with steps are one product of patches, and so are their gradients in the input", async () => {
    const operands = { x: wave([2, 9, 8, 16]), w: wave([5, 4, 16, 8]), b: wave([8]), c: wave([16]) };
    const options: g.ConvOptions = { padding: "same", stride: [2, 3] };
    const graph = staged(operands, ({ x, w, b, c }) => {
      const y = g.sin(g.add(g.conv(x!, w!, options), b!));
      const back = g.add(g.convTranspose(y, w!, { stride: [2, 3], padding: "same" }), c!);
      const [dx, dw] = g.grad(g.sum(y), [x!, w!]);
      return { y, back, dx: dx!, dw: dw! };
    });
    expect(operators(graph).filter((op) => op.startsWith("Conv"))).toEqual([]);
    await agrees(graph, operands, 1e-4);
  });

  for (const [name, x, w, options, dx, dw] of forms) {
    it(`and their gradients, with ${name}`, async () => {
      const operands = { x: wave(x), w: wave(w) };
      const loss = (x: g.Tensor, w: g.Tensor): g.Tensor => g.sum(g.sin(g.conv(x, w, options)));
      const inputs = staged(operands, ({ x, w }) => g.grad(loss(x!, w!), [x!])[0]!);
      expect(operators(inputs).filter((op) => op.startsWith("Conv"))).toEqual(["Conv", dx]);
      await agrees(inputs, operands, 1e-4);
      const filters = staged(operands, ({ x, w }) => g.grad(loss(x!, w!), [w!])[0]!);
      expect(operators(filters).filter((op) => op === dw).length).toBeGreaterThan(dw === "Conv" ? 1 : 0);
      await agrees(filters, operands, 1e-4);
    });
  }
});

describe("convolutions of single positions", () => {
  it("are products over channels as they lie, gradients too, with bias and relu", async () => {
    const operands = { x: wave([2, 6, 5, 8]), w: wave([1, 1, 8, 16]), b: wave([16]), v: wave([1, 1, 16, 4]) };
    const graph = staged(operands, ({ x, w, b, v }) => {
      const y = g.sum(g.sin(g.conv(g.relu(g.add(g.conv(x!, w!), b!)), v!)));
      const [dx, dw, db] = g.grad(y, [x!, w!, b!]);
      return { y, dx: dx!, dw: dw!, db: db! };
    });
    const best = g.optimize(graph);
    expect(operators(best).filter((op) => op.startsWith("Conv") || op === "Transpose")).toEqual([]);
    expect(count(operators(graph), "Transpose")).toBeGreaterThan(0);
    const [want, got] = [await agrees(graph, operands, 1e-4), await agrees(best, operands, 1e-4)];
    for (const name of Object.keys(want)) got[name]!.forEach((value, i) => expect(value).toBeCloseTo(want[name]![i]!, 3));
  });
});

describe("sums over rows", () => {
  it.each([
    [[4, 5, 6, 12], "Gemm"],
    [[4, 5, 6, 4], "Gemm"],
    [[4, 5, 6, 3], "ReduceSum"],
    [[5, 3, 12], "ReduceSum"],
  ] as const)("of %j are done by %s", async (shape, op) => {
    const operands = { x: wave([...shape]) };
    const graph = staged(operands, ({ x }) =>
      g.sum(
        x!,
        shape.slice(1).map((_, i) => i),
      ),
    );
    expect(operators(graph)).toContain(op);
    await agrees(graph, operands, 1e-5);
  });
});

describe("biases of convolutions", () => {
  it("are added by them", async () => {
    const operands = { x: wave([2, 6, 5, 3]), w: wave([3, 3, 3, 8]), b: wave([8]), c: wave([3]), d: wave([6, 5, 8]) };
    const graph = staged(operands, ({ x, w, b, c, d }) => {
      const y = g.relu(g.add(g.conv(x!, w!, { padding: "same" }), b!));
      return {
        y,
        back: g.add(c!, g.convTranspose(y, w!, { stride: 2, padding: "same" })),
        other: g.add(g.conv(x!, w!, { padding: 1 }), d!),
      };
    });
    expect(count(operators(graph), "Add")).toBe(1);
    await agrees(graph, operands);
  });
});

describe("integers", () => {
  const top = 2 ** 32 - 1;
  it("has all of u32", async () => {
    const operands = { a: u32(0, 1, top, 2 ** 31, 2 ** 31 - 1, 7), b: u32(top, top, top, 2 ** 31, 1, 3) };
    const graph = staged(operands, ({ a, b }) => ({
      add: g.add(a!, b!),
      sub: g.sub(a!, b!),
      mul: g.mul(a!, b!),
      div: g.div(a!, b!),
      neg: g.neg(a!),
      max: g.maximum(a!, b!),
      min: g.minimum(a!, b!),
      lt: g.less(a!, b!),
      le: g.lessEqual(a!, b!),
      eq: g.equal(a!, b!),
      select: g.select(g.less(a!, b!), a!, b!),
      sum: g.sum(a!),
      top: g.reduceMax(a!),
      arg: g.argMax(a!, 0),
      running: g.cumsum(a!, 0),
      scattered: g.scatterAdd(a!, g.constant([1, 1, 0, 1, 0, 2], [6], "i32"), 0, 3),
      i32: g.cast(a!, "i32"),
      f32: g.cast(a!, "f32"),
    }));
    await agrees(graph, operands);
  });

  it("divides towards zero and by zero without stopping the process", async () => {
    const operands = { a: i32(7, -7, 7, -7, 0, 2 ** 31 - 1, -(2 ** 31), 5), b: i32(2, 2, -2, -2, 0, -1, 1, 0) };
    await agrees(
      staged(operands, ({ a, b }) => g.div(a!, b!)),
      operands,
    );
  });

  it("saturates floats", async () => {
    const x: Operand = { shape: [9], data: [0.9, -0.9, 3e9, -3e9, 1e20, -1e20, NaN, Infinity, -Infinity] };
    const graph = staged({ x }, ({ x }) => ({ i: g.cast(x!, "i32"), u: g.cast(x!, "u32"), b: g.cast(x!, "bool") }));
    await agrees(graph, { x });
  });

  it("clamps a runtime index", async () => {
    for (const at of [-3, 0, 2, 5, 2 ** 31 - 1, -(2 ** 31)]) {
      const operands = { x: wave([5, 2]), u: wave([2, 2]), at: { shape: [], dtype: "i32" as const, data: [at] } };
      const graph = staged(operands, ({ x, u, at }) => ({
        read: g.dynamicSlice(x!, at!, 0, 2),
        wrote: g.dynamicUpdateSlice(x!, u!, at!, 0),
      }));
      await agrees(graph, operands);
    }
  });
});

describe("what is stretched", () => {
  it("is computed small and reduced by its factor", async () => {
    const operands = { x: wave([3, 1]), s: wave([]) };
    const graph = staged(operands, ({ x, s }) => {
      const wide = g.broadcastTo(x!, [4, 3, 5]);
      const number = g.broadcastTo(s!, [3, 2]);
      const emitted = (axes: readonly number[], of: g.Tensor): g.Tensor => emit("reduceSum", [of], { axes });
      return {
        all: emitted([0, 1, 2], wide),
        last: emitted([2], g.exp(wide)),
        first: emitted([0], wide),
        middle: emitted([0, 1], wide),
        number: emitted([1], number),
        largest: emit("reduceMax", [wide], { axes: [0, 2] }),
        turned: g.transpose(wide, [2, 0, 1]),
        cut: g.slice(wide, [1, 1, 2], [4, 3, 5], [2, 1, 1]),
        reversed: g.reverse(wide, [0, 1]),
        shaped: g.reshape(wide, [12, 5]),
        joined: g.concat([wide, g.exp(wide)], 2),
        taken: g.take(wide, g.constant([2, 0], [2], "i32"), 1),
        product: g.matmul(wide, g.broadcastTo(s!, [4, 5, 2])),
        arg: g.argMax(wide, 1),
        running: g.cumsum(wide, 0),
        padded: g.pad(wide, [1, 0, 0], [0, 0, 2], [0, 1, 0]),
      };
    });
    await agrees(graph, operands);
  });
});

describe("special functions", () => {
  it("are right on both sides of zero, near their roots and far out", async () => {
    const data = [1e-6, 0.4, 0.5, 1, 1.0001, 1.46163, 2, 2.0001, 5.9, 6.1, 40, 1e5, 1e30, -0.3, -1.5, -2.7, -7.9, -33.3];
    const x: Operand = { shape: [data.length], data: data.map(Math.fround) };
    const graph = staged({ x }, ({ x }) => ({
      lgamma: g.lgamma(x!),
      digamma: g.digamma(x!),
      trigamma: g.polygamma(1, x!),
      third: g.polygamma(3, x!),
    }));
    await agrees(graph, { x });
    const ends: Operand = { shape: [4], data: [Infinity, 0, -1, NaN] };
    await agrees(
      staged({ x: ends }, ({ x }) => g.lgamma(x!)),
      { x: ends },
    );
  });

  it("keep their digits near zero", async () => {
    const x: Operand = { shape: [8], data: [0, 1e-7, -1e-7, 1e-3, -1e-3, 0.49, 0.51, 30].map(Math.fround) };
    const graph = staged({ x }, ({ x }) => ({ log1p: g.log1p(x!), expm1: g.expm1(x!) }));
    const got = await agrees(graph, { x });
    x.data.forEach((v, i) => {
      expect(Math.abs(got["log1p"]![i]! - Math.log1p(v))).toBeLessThanOrEqual(2e-6 * Math.abs(Math.log1p(v)));
      expect(Math.abs(got["expm1"]![i]! - Math.expm1(v))).toBeLessThanOrEqual(2e-6 * Math.abs(Math.expm1(v)));
    });
  });
});

describe("a long iota", () => {
  const operands = { x: { shape: [3], data: [NaN, 1, -2] } };
  const graph = staged(operands, ({ x }) => {
    const index = g.iotaAlong([40_000], 0);
    const even = g.sub(index, g.mul(g.div(index, 2), 2));
    return { y: g.mul(g.cast(even, "f32"), g.sliceAxis(x!, 0, 1, 2)) };
  });

  it("has its values, whatever the entry that hides them", async () => {
    const { y } = await agrees(graph, operands);
    expect(y!.slice(0, 4)).toEqual([0, 1, 0, 1]);
  });

  it("leaves nothing to be computed before a run, which would be held", () => {
    const [step] = planGraph(graph, ["y"]).steps;
    if (step?.kind !== "model") throw new Error("no model");
    const { model } = lowerModel("m", graph, step);
    const known = new Set(model.initializers.map(([name]) => name));
    const long = new Set(model.initializers.flatMap(([name, { shape }]) => (g.sizeOf(shape) >= 40_000 ? [name] : [])));
    expect(long.size).toBe(1);
    for (const node of model.nodes) {
      if (!node.inputs.every((name) => known.has(name))) continue;
      node.outputs.forEach((name) => known.add(name));
      expect(
        node.inputs.filter((name) => long.has(name)),
        node.name,
      ).toEqual([]);
    }
  });
});
