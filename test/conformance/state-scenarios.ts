/** The store: when a write is seen, what is kept apart, how programs share it; repeats. */
import * as g from "../../src/runtime/graph/index.js";
import { optimize } from "../../src/runtime/graph/passes/index.js";
import type { HostTensors, Program, Stage } from "../../src/runtime/engines/engine.js";
import { scalarOf, tensor, type Scenario } from "./compare.js";

const call = (name: string, graph: g.Graph): Stage => ({ kind: "call", name, graph });
const wave = (n: number, at = 0): number[] => Array.from({ length: n }, (_, i) => Math.sin(i + at));
const once = (stages: readonly Stage[], fetch: readonly string[], state: HostTensors, feeds: HostTensors = {}, times = 1): Scenario => {
  const program: Program = { name: "p", stages, fetch };
  return { programs: [program], state, runs: Array.from({ length: times }, () => ({ program: "p", feeds })) };
};

/** s := f(s, …); also gives s as it was. */
function step(name: string, fn: (s: g.Tensor) => g.Tensor, shape: readonly number[] = [7, 3]): g.Graph {
  return g.stage({}, () => {
    const s = g.state(name, shape);
    g.writeState(s, fn(s));
    return { before: s };
  });
}

export const stateScenarios: Readonly<Record<string, () => Scenario>> = {
  "a stage reads what was there before it, the next what it wrote": () => {
    const second = g.stage({}, () => ({ after: g.mul(g.state("s", [7, 3]), 2) }));
    return once(
      [
        call(
          "a",
          step("s", (s) => g.add(s, 1)),
        ),
        call("b", second),
      ],
      ["before", "after"],
      { s: tensor([7, 3], wave(21)) },
      {},
      3,
    );
  },
  "a state is fetched as the last stage left it": () =>
    once(
      [
        call(
          "a",
          step("s", (s) => g.add(s, 1)),
        ),
        call(
          "b",
          step("s", (s) => g.mul(s, 2)),
        ),
      ],
      ["before", "s"],
      { s: tensor([7, 3], wave(21)) },
      {},
      3,
    ),
  "parts of an entry are written, at places known when it runs, also past the end": () => {
    const graph = g.stage({}, () => {
      const [s, last] = [g.state("s", [3, 5, 2]), g.state("last", [7])];
      const i = g.iterationInput();
      const part = g.mul(g.add(g.dynamicSlice(s, g.sub(i, g.lift(1, "i32")), 1, 2), 0.5), 1.5);
      g.writeState(s, g.dynamicUpdateSlice(s, part, i, 1));
      g.writeState(last, g.dynamicUpdateSlice(last, g.reshape(g.cast(i, "f32"), [1]), i, 0));
      return { read: part };
    });
    return once(
      [
        { kind: "repeat", name: "parts", graph, count: 6 },
        call(
          "then",
          step("s", (s) => g.mul(s, 2), [3, 5, 2]),
        ),
      ],
      ["read", "s", "last"],
      { s: tensor([3, 5, 2], wave(30)), last: tensor([7], wave(7)) },
      {},
      2,
    );
  },
  "a part that a condition holds back is not written": () => {
    const graph = g.stage({}, () => {
      const s = g.state("s", [64, 32]);
      const n = g.state("n", []);
      const changed = g.dynamicUpdateSlice(s, g.add(g.zeros([64, 1]), n), 3, 1);
      g.writeState(s, g.select(g.less(n, 1.5), changed, s));
      g.writeState(n, g.add(n, 1));
      return {};
    });
    return once([call("a", graph)], ["s", "n"], { s: tensor([64, 32], wave(2048)), n: tensor([], [0]) }, {}, 4);
  },
  "an entry whose changed value is read too": () => {
    const graph = g.stage({}, () => {
      const s = g.state("s", [4, 3]);
      const changed = g.dynamicUpdateSlice(s, g.ones([1, 3]), 2, 0);
      g.writeState(s, changed);
      return { total: g.sum(changed), changed };
    });
    return once([call("a", graph)], ["total", "changed", "s"], { s: tensor([4, 3], wave(12)) }, {}, 2);
  },
  "an entry takes another shape, there and back": () => {
    // what was there is not read: without the passes a reference to it would be
    const written = (fn: (t: g.Tensor) => g.Tensor): g.Graph =>
      optimize(
        g.stage({}, () => {
          const value = fn(g.state("t", [2, 3]));
          g.writeState(g.state("s", value.shape), value);
          return {};
        }),
      );
    const whole = written((t) => g.concat([t, g.mul(t, 2)], 0));
    const half = written((t) => g.mul(t, 3));
    const programs: Program[] = [
      { name: "whole", stages: [call("a", whole)], fetch: ["s"] },
      { name: "half", stages: [call("a", half)], fetch: ["s"] },
    ];
    const runs = ["whole", "half", "half", "whole", "half"].map((program) => ({ program, feeds: {} }));
    return { programs, state: { t: tensor([2, 3], wave(6)) }, runs };
  },
  "two entries change places at once": () => {
    const graph = g.stage({}, () => {
      const [a, b] = [g.state("a", [129]), g.state("b", [129])];
      g.writeState(a, b);
      g.writeState(b, a);
      return {};
    });
    return once([call("swap", graph)], [], { a: tensor([129], wave(129)), b: tensor([129], wave(129, 5)) }, {}, 3);
  },
  "a copied entry keeps its value when the source changes": () => {
    const copy = g.stage({}, () => {
      const [a, b] = [g.state("a", [7]), g.state("b", [7])];
      g.writeState(a, b);
      return { b };
    });
    return once(
      [
        call("copy", copy),
        call(
          "change",
          step("b", (s) => g.mul(s, 3), [7]),
        ),
      ],
      ["b", "before"],
      { a: tensor([7], [0]), b: tensor([7], wave(7)) },
      {},
      2,
    );
  },
  "an entry kept from an input does not follow it": () => {
    const graph = g.stage({ x: { shape: [5] } }, ({ x }) => {
      const s = g.state("s", [5]);
      const total = g.state("total", [5]);
      g.writeState(s, x);
      g.writeState(total, g.add(total, s));
      return { x, s };
    });
    const program: Program = { name: "p", stages: [call("keep", graph)], fetch: ["x", "s"] };
    return {
      programs: [program],
      state: { s: tensor([5], [0]), total: tensor([5], [0]) },
      runs: [1, 2, 3].map((k) => ({ program: "p", feeds: { x: tensor([5], [k]) } })),
    };
  },
  "integers, words and conditions are state too": () => {
    const graph = g.stage({}, () => {
      const [i, u, b] = [g.state("i", [], "i32"), g.state("u", [3], "u32"), g.state("b", [2, 2], "bool")];
      g.writeState(i, g.add(i, 1));
      g.writeState(u, g.mul(u, g.constant(2654435761, [], "u32")));
      g.writeState(b, g.not(b));
      return { i, u, b };
    });
    const state = { i: scalarOf(2 ** 31 - 2, "i32"), u: tensor([3], [1, 2, 2 ** 32 - 1], "u32"), b: tensor([2, 2], [1, 0, 0, 1], "bool") };
    return once([call("all", graph)], ["i", "u", "b"], state, {}, 3);
  },
  "one value under several names; inputs, constants and states as outputs": () => {
    const graph = g.stage({ x: { shape: [4] } }, ({ x }) => {
      const y = g.exp(x);
      const s = g.state("s", [4]);
      g.writeState(s, y);
      g.writeState(g.state("t", [4]), y);
      return { x, y, again: y, s, c: g.constant([1, 2, 3]), k: g.constant(5) };
    });
    return once(
      [call("all", graph)],
      ["x", "y", "again", "s", "c", "k"],
      { s: tensor([4], [0]), t: tensor([4], [0]) },
      { x: tensor([4], wave(4)) },
      2,
    );
  },
  "the outputs of a stage are inputs of the next": () => {
    const first = g.stage({ x: { shape: [7, 3] } }, ({ x }) => ({ h: g.tanh(x), n: g.sum(g.cast(g.less(x, 0), "i32")) }));
    const second = g.stage({ h: { shape: [7, 3] }, n: { shape: [], dtype: "i32" } }, ({ h, n }) => ({ y: g.mul(h, g.cast(n, "f32")) }));
    return once([call("a", first), call("b", second)], ["y", "h", "n"], {}, { x: tensor([7, 3], wave(21)) }, 2);
  },
  "programs share the store": () => {
    const add: Program = {
      name: "add",
      stages: [
        call(
          "add",
          step("s", (s) => g.add(s, 1)),
        ),
      ],
      fetch: [],
    };
    const double: Program = {
      name: "double",
      stages: [
        call(
          "double",
          step("s", (s) => g.mul(s, 2)),
        ),
      ],
      fetch: ["before"],
    };
    return {
      programs: [add, double],
      state: { s: tensor([7, 3], wave(21)) },
      runs: ["add", "double", "double", "add", "double"].map((program) => ({ program, feeds: {} })),
    };
  },
  "a program that only writes, one that only reads": () => {
    const write = g.stage({ x: { shape: [3] } }, ({ x }) => (g.writeState(g.state("s", [3]), g.square(x)), {}));
    const read = g.stage({}, () => ({ s: g.neg(g.state("s", [3])) }));
    const programs: Program[] = [
      { name: "write", stages: [call("write", write)], fetch: [] },
      { name: "read", stages: [call("read", read)], fetch: ["s"] },
    ];
    return {
      programs,
      state: { s: tensor([3], [9]) },
      runs: ["read", "write", "read"].map((program) => ({ program, feeds: { x: tensor([3], [1, 2, 3]) } })),
    };
  },
  "one program on several feeds": () => {
    const graph = g.stage({ x: { shape: [129] } }, ({ x }) => ({ y: g.sum(g.mul(x, g.iota(129, "f32"))) }));
    const program: Program = { name: "p", stages: [call("p", graph)], fetch: ["y"] };
    return { programs: [program], runs: [0, 1, 2, 3].map((k) => ({ program: "p", feeds: { x: tensor([129], wave(129, k)) } })) };
  },

  "large writes that a condition masks, the masked value itself given too": () => {
    const shape = [64, 32];
    const graph = g.stage({ rng: { shape: [4], dtype: "u32" } }, () => {
      const i = g.iterationInput();
      const [s, t, drawn] = [g.state("s", shape), g.state("t", shape), g.state("drawn", shape)];
      const even = g.not(g.and(g.not(g.equal(i, 0)), g.not(g.equal(i, 2))));
      const next = g.select(even, g.add(s, 1), s);
      g.writeState(s, next);
      g.writeState(t, g.select(even, s, t));
      g.writeState(drawn, g.select(g.not(even), g.randomUniform(g.rootKey().at("u").iterate(i), shape), drawn));
      return { next };
    });
    const state = { s: tensor(shape, wave(2048)), t: tensor(shape, wave(2048, 1)), drawn: tensor(shape, wave(2048, 2)) };
    const rng = tensor([4], [5, 0, 0, 0], "u32");
    return once([{ kind: "repeat", name: "r", graph, count: 4 }], ["next", "s", "t", "drawn"], state, { rng }, 2);
  },
  "repeat a fixed number of times, the state carried": () => {
    const graph = g.stage({}, () => {
      const s = g.state("s", [7]);
      const i = g.cast(g.iterationInput(), "f32");
      const next = g.add(g.mul(s, 0.5), i);
      g.writeState(s, next);
      return { last: next, i: g.iterationInput() };
    });
    return once([{ kind: "repeat", name: "r", graph, count: 5 }], ["last", "i"], { s: tensor([7], wave(7)) }, {}, 2);
  },
  "repeat as often as an input says, not at all included": () => {
    const graph = g.stage({}, () => {
      const s = g.state("s", [7]);
      g.writeState(s, g.add(g.mul(s, 0.9), 1));
      return {};
    });
    const program: Program = { name: "p", stages: [{ kind: "repeat", name: "r", graph, count: "k" }], fetch: [] };
    return {
      programs: [program],
      state: { s: tensor([7], wave(7)) },
      runs: [0, 1, 3, 0, 17].map((k) => ({ program: "p", feeds: { k: scalarOf(k, "i32") } })),
    };
  },
  "two states that read each other in a repeat": () => {
    const graph = g.stage({}, () => {
      const [a, b, w] = [g.state("a", [3, 4]), g.state("b", [3, 5]), g.state("w", [4, 5])];
      g.writeState(a, g.tanh(g.matmul(b, w, { transposeB: true })));
      g.writeState(b, g.tanh(g.matmul(a, w)));
      return {};
    });
    const state = { a: tensor([3, 4], wave(12)), b: tensor([3, 5], wave(15)), w: tensor([4, 5], wave(20)) };
    return once([{ kind: "repeat", name: "r", graph, count: 4 }], [], state);
  },
  "repeats between calls, fed by them": () => {
    const start = g.stage({ x: { shape: [3] } }, ({ x }) => (g.writeState(g.state("s", [3]), x), { twice: g.mul(x, 2) }));
    const loop = g.stage({ twice: { shape: [3] } }, ({ twice }) => {
      const s = g.state("s", [3]);
      g.writeState(s, g.add(s, twice));
      return {};
    });
    const end = g.stage({}, () => ({ y: g.neg(g.state("s", [3])) }));
    return once(
      [call("start", start), { kind: "repeat", name: "loop", graph: loop, count: 3 }, call("end", end)],
      ["y"],
      { s: tensor([3], [0]) },
      { x: tensor([3], [1, 2, 3]) },
      2,
    );
  },
};
