/** Updates: every rule with every option, several steps, faults. */
import * as g from "../../src/runtime/graph/index.js";
import type { HostTensors, Program, Stage, UpdateRule, UpdateSpec, UpdateTarget } from "../../src/runtime/engines/engine.js";
import { scalarOf, tensor, type Scenario } from "./compare.js";

const SHAPES: Readonly<Record<string, readonly number[]>> = { "net.kernel": [7, 129], "net.bias": [129], scale: [], wide: [3, 5, 4] };
const wave = (n: number, at = 0, size = 1): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * 1.7 + at) * size);

interface Options {
  readonly constants?: Readonly<Record<string, number>>;
  readonly spec?: Partial<UpdateSpec>;
  readonly target?: (name: string) => Partial<UpdateTarget>;
  /** by step: added to the gradient of the bias; NaN and infinity are the point */
  readonly poison?: readonly number[];
  readonly prefix?: string;
}

const slot = (weight: string, i: number): string => `${weight}.slot${i}`;

function specOf(rule: UpdateRule, { constants = {}, spec = {}, target = () => ({}), prefix = "" }: Options): UpdateSpec {
  const slots = g.slotNames(rule, { ...g.updateDefaults[rule], ...constants }).length;
  return {
    rule,
    constants,
    learningRate: "lr",
    counter: `${prefix}count`,
    sign: 1,
    clipNorm: null,
    clipValue: null,
    weightDecay: 0,
    ema: null,
    fault: "fault",
    targets: Object.keys(SHAPES).map((weight) => ({
      weight,
      gradient: `grad:${weight}`,
      slots: Array.from({ length: slots }, (_, i) => slot(weight, i)),
      ema: spec.ema === undefined ? null : `${weight}.ema`,
      clip: null,
      maxNorm: null,
      ...target(weight),
    })),
    ...spec,
  };
}

/** Gradients that depend on the weights and the step: of a weighted square and a bit of a wave. */
const gradients = g.stage({ step: { shape: [] }, poison: { shape: [] } }, ({ step, poison }) =>
  Object.fromEntries(
    Object.entries(SHAPES).map(([name, shape], i) => {
      const w = g.state(name, shape);
      const plain = g.add(g.mul(w, 0.5 + i), g.sin(g.add(g.mul(w, 3), step)));
      return [`grad:${name}`, name === "net.bias" ? g.add(plain, poison) : plain];
    }),
  ),
);

function storeOf(specs: readonly UpdateSpec[]): HostTensors {
  const state: Record<string, ReturnType<typeof tensor>> = { fault: scalarOf(0, "i32") };
  for (const spec of specs) {
    state[spec.counter] = scalarOf(0, "i32");
    for (const target of spec.targets) {
      const shape = SHAPES[target.weight]!;
      state[target.weight] = tensor(shape, wave(g.sizeOf(shape), target.weight.length));
      for (const name of target.slots) state[name] = tensor(shape, [0]);
      if (target.ema !== null) state[target.ema] = state[target.weight]!;
    }
  }
  return state;
}

function scenario(rule: UpdateRule, options: Options = {}): () => Scenario {
  return () => {
    const spec = specOf(rule, options);
    const stages: Stage[] = [
      { kind: "call", name: "gradients", graph: gradients },
      { kind: "update", name: rule, update: spec },
    ];
    const program: Program = { name: "step", stages, fetch: [] };
    const poison = options.poison ?? [0, 0, 0, 0, 0];
    return {
      programs: [program],
      state: storeOf([spec]),
      runs: poison.map((p, t) => ({ program: "step", feeds: { step: scalarOf(t), poison: scalarOf(p), lr: scalarOf(0.05 / (1 + t)) } })),
    };
  };
}

const RULES: readonly [string, UpdateRule, Readonly<Record<string, number>>][] = [
  ["sgd", "sgd", {}],
  ["momentum", "momentum", {}],
  ["momentum, Nesterov", "momentum", { momentum: 0.8, nesterov: 1 }],
  ["adam", "adam", {}],
  ["adam, other constants", "adam", { beta1: 0.5, beta2: 0.9, epsilon: 1e-4 }],
  ["adam, beta1 = 0", "adam", { beta1: 0 }],
  ["adamw", "adamw", {}],
  ["rmsprop", "rmsprop", {}],
  ["rmsprop with momentum", "rmsprop", { decay: 0.9, momentum: 0.9 }],
  ["adamax", "adamax", {}],
];

/** Two players in one program, each with its own weights, direction and count. */
function players(): Scenario {
  const split = (spec: UpdateSpec, names: readonly string[]): UpdateSpec => ({
    ...spec,
    targets: spec.targets.filter((t) => names.includes(t.weight)),
  });
  const first = split(specOf("adam", { spec: { sign: -1 }, prefix: "d." }), ["net.kernel", "net.bias"]);
  const second = split(specOf("rmsprop", { prefix: "g." }), ["scale", "wide"]);
  const program: Program = {
    name: "step",
    stages: [
      { kind: "call", name: "a", graph: gradients },
      { kind: "update", name: "d", update: first },
      { kind: "call", name: "b", graph: gradients },
      { kind: "update", name: "g", update: second },
    ],
    fetch: ["grad:scale"],
  };
  return {
    programs: [program],
    state: storeOf([first, second]),
    runs: [0, 1, 2].map((t) => ({ program: "step", feeds: { step: scalarOf(t), poison: scalarOf(0), lr: scalarOf(0.01) } })),
  };
}

export const updateScenarios: Readonly<Record<string, () => Scenario>> = {
  ...Object.fromEntries(
    RULES.flatMap(([name, rule, constants]) => [
      [name, scenario(rule, { constants })],
      [
        `${name}, weight decay, clipped by norm, averaged`,
        scenario(rule, { constants, spec: { weightDecay: 0.1, clipNorm: 2, ema: 0.9 } }),
      ],
      [`${name}, ascending, clipped by value`, scenario(rule, { constants, spec: { sign: -1, clipValue: 0.3 } })],
    ]),
  ),
  "a norm below the limit is left alone": scenario("sgd", { spec: { clipNorm: 1e4 } }),
  "both clips and decay": scenario("adam", { spec: { clipNorm: 1, clipValue: 0.2, weightDecay: 0.01, ema: 0.99 } }),
  "weights kept in a box (WGAN)": scenario("rmsprop", { target: () => ({ clip: [-0.5, 0.4] }) }),
  "columns kept in a ball": scenario("adam", {
    spec: { ema: 0.5 },
    target: (name) =>
      name === "net.kernel" ? { maxNorm: { axis: 0, limit: 0.8 } } : name === "wide" ? { maxNorm: { axis: 1, limit: 1.5 } } : {},
  }),
  "an average for some of the weights": scenario("adam", {
    spec: { ema: 0.9 },
    target: (name) => ({ ema: name === "scale" ? "scale.ema" : null }),
  }),
  "NaN: nothing changes any more, the fault is set": scenario("adam", { spec: { ema: 0.9 }, poison: [0, 0, NaN, 0, 0] }),
  "infinity: the same": scenario("momentum", { poison: [0, -Infinity, 0] }),
  "NaN with clipping": scenario("sgd", { spec: { clipNorm: 1, clipValue: 0.5 }, poison: [0, NaN, 0] }),
  "two players": players,
};
