/**
 * The tfjs engine beyond the suite: memory that stays flat, sessions beside each other, mistakes in what it is fed, and what it says of packages that are
 * missing, broken or without a device. tfjs-node-gpu stands in as the cpu backend under TensorFlow's name.
 */
import * as tf from "@tensorflow/tfjs";
import { afterEach, describe, expect, it } from "vitest";
import type { EngineSession, HostTensor, Program } from "../../src/runtime/engines/engine.js";
import { tfjsEngine } from "../../src/runtime/engines/tfjs/index.js";
import { here, type Surroundings } from "../../src/runtime/engines/tfjs/load.js";
import * as g from "../../src/runtime/graph/index.js";
import { expectSame, scalarOf, tensor } from "./compare.js";
import { updateScenarios } from "./update-scenarios.js";
import { stateScenarios } from "./state-scenarios.js";

const open: EngineSession[] = [];
async function session(backend: "wasm" | "cpu"): Promise<EngineSession> {
  const made = await tfjsEngine(backend).open();
  open.push(made);
  return made;
}
afterEach(() => {
  for (const made of open.splice(0)) made.dispose();
});

const call = (name: string, graph: g.Graph): Program => ({
  name,
  stages: [{ kind: "call", name: "graph", graph }],
  fetch: Object.keys(graph.outputs),
});
const f32 = (shape: readonly number[], ...data: number[]): HostTensor => tensor(shape, data);

/** Draws, a product, a convolution and its gradients, conditions, integers, a clipped Adam step with averages, a chain of three sweeps. */
function trainingStep(): { program: Program; state: Record<string, HostTensor>; feeds: Record<string, HostTensor> } {
  const shapes = { w: [12, 4], k: [3, 3, 1, 2] };
  const gradients = g.stage({ x: { shape: [5, 6, 6, 1] }, labels: { shape: [5], dtype: "i32" } }, ({ x, labels }) => {
    const [w, k] = [g.state("w", shapes.w), g.state("k", shapes.k)];
    const noise = g.randomNormal(g.rootKey().at("z"), [g.rowsOf(x), 6, 6, 1]);
    const y = g.tanh(g.conv(g.add(x, noise), k, { padding: "same", stride: 2 }));
    const logits = g.matmul(g.slice(g.reshape(y, [5, 18]), [0, 0], [5, 12]), w);
    const picked = g.cast(g.equal(g.reshape(labels, [5, 1]), g.iota(4)), "f32");
    const loss = g.sum(g.mul(picked, g.sub(g.log1p(g.exp(logits)), logits)));
    const [dw, dk] = g.grad(loss, [w, k]);
    return { loss, dw: dw!, dk: dk! };
  });
  const chain = g.stage({}, () => {
    const [s, n] = [g.state("s", [7, 3]), g.state("n", [], "i32")];
    const u = g.randomUniform(g.rootKey().at("s").iterate(g.iterationInput()), [7, 3]);
    g.writeState(s, g.cast(g.less(u, g.sigmoid(g.mul(s, 0.5))), "f32"));
    g.writeState(n, g.add(n, 1));
    return {};
  });
  const weights = Object.keys(shapes) as (keyof typeof shapes)[];
  const program: Program = {
    name: "step",
    fetch: ["loss", "n"],
    stages: [
      { kind: "call", name: "gradients", graph: gradients },
      {
        kind: "update",
        name: "adam",
        update: {
          rule: "adam",
          constants: {},
          learningRate: "lr",
          counter: "count",
          sign: 1,
          clipNorm: 1,
          clipValue: null,
          weightDecay: 0.01,
          ema: 0.9,
          fault: "fault",
          targets: weights.map((weight) => ({
            weight,
            gradient: `d${weight}`,
            slots: [`${weight}.m`, `${weight}.v`],
            ema: `${weight}.ema`,
            clip: null,
            maxNorm: null,
          })),
        },
      },
      { kind: "repeat", name: "chain", graph: chain, count: 3 },
    ],
  };
  const wave = (shape: readonly number[]): HostTensor =>
    tensor(
      shape,
      Array.from({ length: g.sizeOf(shape) }, (_, i) => Math.sin(1 + i)),
    );
  const state: Record<string, HostTensor> = {
    s: tensor([7, 3], [0]),
    n: scalarOf(0, "i32"),
    count: scalarOf(0, "i32"),
    fault: scalarOf(0, "i32"),
  };
  for (const weight of weights) {
    state[weight] = wave(shapes[weight]);
    state[`${weight}.ema`] = wave(shapes[weight]);
    for (const slot of ["m", "v"]) state[`${weight}.${slot}`] = tensor(shapes[weight], [0]);
  }
  const feeds = { x: wave([5, 6, 6, 1]), labels: tensor([5], [0, 3, 1, 1, 2], "i32"), lr: scalarOf(0.01) };
  return { program, state, feeds };
}

const count = (): { tensors: number; bytes: number } => {
  const { numTensors, numBytes } = tf.memory();
  return { tensors: numTensors, bytes: numBytes };
};

describe("memory", () => {
  it.each([
    ["wasm", 1000],
    ["cpu", 200],
  ] as const)("is the same after every step on %s, of %i, and nothing is left at the end", async (backend, steps) => {
    const before = count();
    const s = await tfjsEngine(backend).open();
    const { program, state, feeds } = trainingStep();
    for (const [name, value] of Object.entries(state)) await s.write(name, value);
    const executable = await s.compile(program);
    const step = async (i: number): Promise<void> => {
      const out = await executable.run({ ...feeds, rng: tensor([4], [1, 0, i, 0], "u32") });
      expect(out["n"]!.data[0]).toBe(3 * (i + 1));
    };
    await step(0);
    await step(1);
    const warm = count();
    const seen = new Set<string>();
    for (let i = 2; i < steps; i++) {
      await step(i);
      seen.add(JSON.stringify(count()));
    }
    expect([...seen]).toEqual([JSON.stringify(warm)]);
    executable.dispose();
    s.dispose();
    await s.read("w").catch(() => undefined);
    expect(count()).toEqual(before);
  });

  it("is let go where a run stops half way", async () => {
    const s = await session("wasm");
    const graph = g.stage({ x: { shape: [3] }, i: { shape: [2], dtype: "i32" } }, ({ x, i }) => ({ y: g.take(g.exp(x), i, 0) }));
    const executable = await s.compile(call("p", graph));
    const feeds = (index: number): Record<string, HostTensor> => ({ x: f32([3], 1, 2, 3), i: tensor([2], [0, index], "i32") });
    await executable.run(feeds(2));
    const before = count();
    await expect(executable.run(feeds(3))).rejects.toThrow(expect.objectContaining({ code: "GM4907" }));
    expect(count()).toEqual(before);
  });
});

describe("mistakes", () => {
  const doubled = g.stage({ x: { shape: [2] } }, ({ x }) => ({ y: g.mul(x, 2) }));

  it("are named: a feed or a state that is missing or of another shape", async () => {
    const s = await session("wasm");
    const executable = await s.compile(call("p", doubled));
    await expect(executable.run({})).rejects.toThrow(expect.objectContaining({ code: "GM4906", message: "the input x has no value" }));
    await expect(executable.run({ x: f32([1, 2], 1, 2) })).rejects.toThrow("the input x is f32 [1, 2], the graph was staged for f32 [2]");
    const reads = await s.compile(
      call(
        "q",
        g.stage({}, () => ({ y: g.exp(g.state("w", [2])) })),
      ),
    );
    await expect(reads.run({})).rejects.toThrow("there is no state entry w");
    await s.write("w", f32([3], 1, 2, 3));
    await expect(reads.run({})).rejects.toThrow("the state entry w is f32 [3], the graph was staged for f32 [2]");
    await expect(s.read("v")).rejects.toThrow("there is no state entry v");
  });
});

describe("sessions", () => {
  it("of two backends take turns", async () => {
    const [a, b] = [await session("wasm"), await session("cpu")];
    const graph = g.stage({}, () => {
      const w = g.state("w", [3]);
      g.writeState(w, g.mul(w, 2));
      return { y: g.sum(w) };
    });
    for (const s of [a, b]) await s.write("w", f32([3], 1, 2, 3));
    const [p, q] = [await a.compile(call("p", graph)), await b.compile(call("q", graph))];
    const sums = await Promise.all([p.run({}), q.run({}), p.run({}), q.run({})]);
    expect(sums.map((out) => out["y"]!.data[0])).toEqual([6, 6, 12, 12]);
  });

  it("do not follow arrays that they were fed", async () => {
    const s = await session("cpu");
    const graph = g.stage({ x: { shape: [2] } }, ({ x }) => {
      g.writeState(g.state("kept", [2]), x);
      return {};
    });
    await s.write("kept", f32([2], 0, 0));
    const x = f32([2], 1, 2);
    await (await s.compile({ ...call("p", graph), fetch: [] })).run({ x });
    x.data.fill(9);
    const read = await s.read("kept");
    expect([...read.data]).toEqual([1, 2]);
    read.data.fill(7);
    expect([...(await s.read("kept")).data]).toEqual([1, 2]);
  });
});

/** tfjs-node-gpu as it would load: the same module, its backend registered as TensorFlow's. */
function standIn(usesGpu: boolean): Surroundings {
  return {
    node: "20.19.0",
    load: (name) => {
      if (name !== "@tensorflow/tfjs-node-gpu") return here.load(name);
      if (tf.findBackendFactory("tensorflow") !== null) tf.removeBackend("tensorflow");
      tf.registerBackend("tensorflow", () =>
        Object.assign(tf.findBackendFactory("cpu")() as tf.KernelBackend, { isUsingGpuDevice: usesGpu }),
      );
      if (tf.getKernelsForBackend("tensorflow").length === 0) tf.copyRegisteredKernels("cpu", "tensorflow");
      return Promise.resolve({ default: { ...tf, version: { ...tf.version, "tfjs-node": "4.22.0" } } });
    },
  };
}
const failing = (errors: Readonly<Record<string, Error>>, node = "20.19.0"): Surroundings => ({
  node,
  load: (name) => {
    const error = errors[name];
    return error === undefined ? here.load(name) : Promise.reject(error);
  },
});
const absent = (name: string): Error =>
  Object.assign(new Error(`Cannot find package '${name}' imported from /x`), { code: "ERR_MODULE_NOT_FOUND" });
const everything = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node", "@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm"];

describe("packages", () => {
  it("tfjs-node-gpu is taken as soon as it loads and has a GPU, and computes what the reference does", async () => {
    const engine = tfjsEngine(undefined, standIn(true));
    expect(await engine.probe()).toEqual({ name: "tfjs", available: true, detail: "tfjs-node-gpu 4.22.0, TensorFlow on the GPU" });
    await expectSame(engine, updateScenarios["both clips and decay"]!());
    await expectSame(engine, stateScenarios["repeats between calls, fed by them"]!());
    expect((await tfjsEngine("node-gpu", standIn(true)).probe()).available).toBe(true);
  });

  it("tfjs-node-gpu without a GPU is passed over, in a line", async () => {
    const { available, detail } = await tfjsEngine(undefined, standIn(false)).probe();
    expect(available).toBe(true);
    expect(detail).toMatch(/^tfjs 4\.22\.0, wasm backend, one thread; not node-gpu: .* finds no GPU that it can use/u);
  });

  it("what is not installed is passed over in silence, and wasm comes before cpu", async () => {
    const native = Object.fromEntries(everything.slice(0, 2).map((name) => [name, absent(name)]));
    expect((await tfjsEngine(undefined, failing(native)).probe()).detail).toBe("tfjs 4.22.0, wasm backend, one thread");
    const noWasm = { ...native, "@tensorflow/tfjs-backend-wasm": absent("@tensorflow/tfjs-backend-wasm") };
    expect((await tfjsEngine(undefined, failing(noWasm)).probe()).detail).toBe("tfjs 4.22.0, cpu backend: plain JavaScript");
  });

  it("nothing installed: a line that says how to install it", async () => {
    const engine = tfjsEngine(undefined, failing(Object.fromEntries(everything.map((name) => [name, absent(name)]))));
    const { available, absent: none, help } = await engine.probe();
    expect([available, none]).toEqual([false, true]);
    expect(help).toEqual(["Install it with npm install @tensorflow/tfjs @tensorflow/tfjs-backend-wasm"]);
    await expect(engine.open()).rejects.toThrow(
      expect.objectContaining({ code: "GM5451", message: expect.not.stringContaining("\n") as string }),
    );
  });

  it("a library that was not downloaded, and a Node that is too new, are lines and no stack traces", async () => {
    const library = new Error(
      "The Node.js native addon module (tfjs_binding.node) can not be found at path: /x.\nPlease run command 'npm rebuild'\n at y",
    );
    const bare = await tfjsEngine("node-gpu", failing({ "@tensorflow/tfjs-node-gpu": library })).probe();
    expect(bare.detail).toBe(
      "@tensorflow/tfjs-node-gpu is installed without its native library, which its install script downloads (npm rebuild @tensorflow/tfjs-node-gpu)",
    );
    expect(bare.absent).toBe(false);
    const late = await tfjsEngine("node-gpu", { ...standIn(true), node: "23.1.0" }).probe();
    expect(late.detail).toBe(
      "@tensorflow/tfjs-node-gpu does not run on Node 23.1.0: it stops in its first kernel from Node 23 on. Use Node 22",
    );
    const broken = new Error("libcudart.so.11.0: cannot open shared object file\n    at Object.Module._extensions");
    expect((await tfjsEngine("node", failing({ "@tensorflow/tfjs-node": broken })).probe()).detail).toBe(
      "@tensorflow/tfjs-node does not load here: libcudart.so.11.0: cannot open shared object file",
    );
  });

  it("a backend without kernels that are needed is refused by their names", async () => {
    const around: Surroundings = {
      node: "20.19.0",
      load: () =>
        Promise.resolve({
          ...tf,
          getKernel: (name: string, backend: string) => (name === "Erf" ? undefined : tf.getKernel(name, backend)),
        }),
    };
    expect((await tfjsEngine("cpu", around).probe()).detail).toContain("lacks kernels that gmc needs: Erf");
  });
});
