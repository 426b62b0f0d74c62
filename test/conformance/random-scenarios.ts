/** Draws: words and uniforms to the bit, normals to tolerance, wherever a row sits. */
import * as g from "../../src/runtime/graph/index.js";
import type { HostTensor, Program } from "../../src/runtime/engines/engine.js";
import { scalarOf, tensor, type Scenario } from "./compare.js";

const rng = (...words: readonly [number, number, number, number]): HostTensor => tensor([4], words, "u32");
const rows = (size: number): g.Rows => ({ kind: "rows", size });
const SHAPES: readonly (readonly [string, g.DrawShape])[] = [
  ["one", []],
  ["a row", [1]],
  ["odd", [7]],
  ["127", [127]],
  ["rows first", [rows(129), 3]],
  ["rows of one", [rows(127)]],
  ["rows in the middle", [5, rows(7), 3]],
  ["rows last", [3, rows(129)]],
  ["rows of an image", [2, rows(3), 7, 5, 2]],
  ["no row", [9, 129]],
  ["a batch", [rows(128), 784]],
];
const STATES = [rng(0, 0, 0, 0), rng(1, 2, 3, 4), rng(0xffffffff, 0x9e3779b9, 2 ** 31, 0xfffffff0)];

function draws(make: (key: g.Key, shape: g.DrawShape) => g.Tensor): () => Scenario {
  return () => {
    const graph = g.stage({}, () =>
      Object.fromEntries(SHAPES.map(([name, shape], i) => [name, make(g.rootKey().at(`z${i}`).at("part"), shape)])),
    );
    const programs: Program[] = [{ name: "draw", stages: [{ kind: "call", name: "draw", graph }], fetch: SHAPES.map(([name]) => name) }];
    return { programs, runs: STATES.map((state) => ({ program: "draw", feeds: { rng: state } })) };
  };
}

/** As bits, so that a comparison is exact. */
const exact = (u: g.Tensor): g.Tensor => g.cast(g.mul(u, 2 ** 24), "i32");

export const randomScenarios: Readonly<Record<string, () => Scenario>> = {
  "words are the same bits": draws(g.randomBits),
  "uniforms are the same bits": draws((key, shape) => exact(g.randomUniform(key, shape))),
  "normals agree": () => ({ ...draws(g.randomNormal)(), tolerance: 2e-5 }),
  "many normals agree, tails included": () => {
    const graph = g.stage({}, () => ({ z: g.randomNormal(g.rootKey().at("z"), [rows(1000), 301]) }));
    return {
      programs: [{ name: "draw", stages: [{ kind: "call", name: "draw", graph }], fetch: ["z"] }],
      runs: [{ program: "draw", feeds: { rng: rng(5, 6, 7, 8) } }],
      tolerance: 2e-5,
    };
  },
  "counts are the same, one row or a thousand draws": () => {
    const graph = g.stage({ n: { shape: [5, 3] } }, ({ n }) => {
      const probs = (shape: number[]): g.Tensor => g.square(g.sub(g.reshape(g.iota(g.sizeOf(shape), "f32"), shape), 4));
      const key = g.rootKey();
      return {
        rows: g.randomCounts(key.at("rows"), probs([5, 3, 7]), n, [rows(5), 3, 7]),
        middle: g.randomCounts(key.at("middle"), probs([129]), g.transpose(n), [3, rows(5), 129]),
        shared: g.randomCounts(key.at("shared").iterate(g.constant(3, [], "i32")), probs([2, 1, 11]), 1000, [2, 4, 11]),
        one: g.randomCounts(key.at("one"), g.constant([0, 2, 0]), 9, [3]),
      };
    });
    const n = tensor([5, 3], [0, 1, 2, 17, 300, 4, 4, 4, 0, 1, 1, 1, NaN, -1, 0.5]);
    const programs: Program[] = [
      { name: "draw", stages: [{ kind: "call", name: "draw", graph }], fetch: ["rows", "middle", "shared", "one"] },
    ];
    return { programs, runs: STATES.map((state) => ({ program: "draw", feeds: { rng: state, n } })) };
  },
  "stages, sites with other letters": () => {
    const graph = g.stage({}, () => {
      const key = g.rootKey();
      const keys = [key.at("z"), key.at("ζ"), key.at("z").fold(0), key.at("z").fold(1).fold(2), key.fold(4_000_000).at("z")];
      return Object.fromEntries(keys.map((k, i) => [`${i}`, g.randomBits(k, [rows(5), 3])]));
    });
    return {
      programs: [{ name: "draw", stages: [{ kind: "call", name: "draw", graph }], fetch: ["0", "1", "2", "3", "4"] }],
      runs: [{ program: "draw", feeds: { rng: rng(1, 2, 3, 4) } }],
    };
  },
  "iterations of a repeat draw anew": () => {
    const graph = g.stage({}, () => {
      const total = g.state("total", [7, 3], "u32");
      const bits = g.randomBits(g.rootKey().at("gibbs").iterate(g.iterationInput()), [rows(7), 3]);
      g.writeState(total, g.add(g.mul(total, 3), bits));
      return { last: bits };
    });
    const programs: Program[] = [{ name: "chain", stages: [{ kind: "repeat", name: "chain", graph, count: "k" }], fetch: ["last"] }];
    return {
      programs,
      state: { total: tensor([7, 3], [0], "u32") },
      runs: [1, 2, 5].map((k) => ({ program: "chain", feeds: { rng: rng(1, 2, k, 0), k: scalarOf(k, "i32") } })),
    };
  },
  "a repeat goes on where another ended": () => {
    const graph = g.stage({}, () => {
      const total = g.state("total", [7, 3], "u32");
      const bits = g.randomBits(g.rootKey().at("gibbs").iterate(g.iterationInput()), [rows(7), 3]);
      g.writeState(total, g.add(g.mul(total, 3), bits));
      return { i: g.iterationInput() };
    });
    const programs: Program[] = [
      { name: "chain", stages: [{ kind: "repeat", name: "chain", graph, count: "k", first: "from" }], fetch: ["i"] },
      { name: "fixed", stages: [{ kind: "repeat", name: "fixed", graph, count: 2, first: 40 }], fetch: ["i"] },
    ];
    const run = (k: number, from: number) => ({ rng: rng(1, 2, 3, 0), k: scalarOf(k, "i32"), from: scalarOf(from, "i32") });
    return {
      programs,
      state: { total: tensor([7, 3], [0], "u32") },
      runs: [
        { program: "chain", feeds: run(3, 0) },
        { program: "chain", feeds: run(4, 3) },
        { program: "fixed", feeds: { rng: rng(1, 2, 3, 0) } },
      ],
    };
  },
  "draws feed a computation": () => {
    const graph = g.stage({ p: { shape: [129, 5] } }, ({ p }) => {
      const u = g.randomUniform(g.rootKey().at("x"), [g.rowsOf(p), 5]);
      return { x: g.cast(g.less(u, p), "i32"), n: g.sum(g.randomNormal(g.rootKey().at("n"), [3, g.rowsOf(p)]), 1) };
    });
    return {
      programs: [{ name: "draw", stages: [{ kind: "call", name: "draw", graph }], fetch: ["x", "n"] }],
      runs: [
        {
          program: "draw",
          feeds: {
            rng: rng(1, 2, 3, 4),
            p: tensor(
              [129, 5],
              Array.from({ length: 645 }, (_, i) => (i % 11) / 10),
            ),
          },
        },
      ],
    };
  },
};
