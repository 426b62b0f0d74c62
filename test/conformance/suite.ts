/**
 * The conformance suite: what any engine must do, checked against the reference engine (float32 to a relative 1e-4, everything else exact).
 * `conformance(engine)` registers it; an engine that cannot run here skips with its reason.
 */
import { beforeAll, describe, it, type TestContext } from "vitest";
import type { Engine, HostTensors, Program } from "../../src/runtime/engines/engine.js";
import * as g from "../../src/runtime/graph/index.js";
import { cases, type Case } from "../numeric/vjp-cases.js";
import { expectSame, scalarOf, tensor } from "./compare.js";
import { elementwiseScenarios } from "./elementwise-scenarios.js";
import { randomScenarios } from "./random-scenarios.js";
import { sizedCases } from "./sized-cases.js";
import { stateScenarios } from "./state-scenarios.js";
import { updateScenarios } from "./update-scenarios.js";
import { vaeStep } from "../numeric/vae-step.js";

export interface ConformanceOptions {
  /** relative, 1e-4 by default */
  readonly tolerance?: number;
}

export function conformance(engine: Engine, { tolerance = 1e-4 }: ConformanceOptions = {}): void {
  describe(`${engine.name} conforms`, () => {
    let missing: string | undefined;
    beforeAll(async () => {
      const info = await engine.probe();
      missing = info.available ? undefined : `${engine.name} is not available: ${info.detail}`;
    });
    const check = (name: string, scenario: () => Parameters<typeof expectSame>[1]): void => {
      it(name, async (context: TestContext) => {
        if (missing !== undefined) return context.skip(missing);
        await expectSame(engine, { tolerance, ...scenario() }, name);
      });
    };

    describe("primitives", () => {
      for (const [prim, list] of Object.entries(sizedCases)) {
        if (list.length > 0) check(prim, () => casesScenario(list, false));
      }
    });
    describe("gradients", () => {
      for (const [prim, list] of Object.entries(cases)) check(prim, () => casesScenario(list, true));
    });
    describe("draws", () => {
      for (const [name, scenario] of Object.entries(randomScenarios)) check(name, scenario);
    });
    describe("functions of one number, each entry by itself", () => {
      for (const [name, scenario] of Object.entries(elementwiseScenarios)) check(name, scenario);
    });
    describe("state, stages and programs", () => {
      for (const [name, scenario] of Object.entries(stateScenarios)) check(name, scenario);
    });
    describe("updates", () => {
      for (const [name, scenario] of Object.entries(updateScenarios)) check(name, scenario);
    });
    describe("a step of a VAE (784-400-20-400-784, batch 128)", () => {
      check("as staged and as optimised", () => vaeScenario());
    });
  });
}

const specsOf = (c: Case, prefix: string): [string, g.InputSpec][] =>
  Object.entries(c.operands).map(([name, o]) => [prefix + name, { shape: o.shape, dtype: o.dtype ?? "f32" }]);

/** All cases of a primitive as one graph, so that an engine that compiles graphs compiles one. */
function casesScenario(
  list: readonly Case[],
  gradients: boolean,
): { programs: Program[]; runs: { program: string; feeds: HostTensors }[] } {
  const inputs = Object.fromEntries(list.flatMap((c, i) => specsOf(c, `${i}.`)));
  const graph = g.stage(inputs, (all) => {
    const outputs: Record<string, g.Tensor> = {};
    list.forEach((c, i) => {
      const x = Object.fromEntries(Object.keys(c.operands).map((name) => [name, all[`${i}.${name}`]!]));
      const y = c.fn(x);
      outputs[`${c.name} (${i})`] = y;
      const wrt = c.wrt ?? Object.keys(c.operands).filter((name) => (c.operands[name]!.dtype ?? "f32") === "f32");
      if (!gradients || wrt.length === 0) return;
      const weights = g.constant(
        Array.from({ length: g.sizeOf(y.shape) }, (_, j) => Math.cos(1 + 2.3 * j) + 0.2),
        y.shape,
      );
      const d = g.grad(
        g.sum(g.mul(y, weights)),
        wrt.map((name) => x[name]!),
      );
      d.forEach((t, j) => (outputs[`${c.name} (${i}), d/d${wrt[j]}`] = t));
    });
    return outputs;
  });
  const feeds: HostTensors = Object.fromEntries(
    list.flatMap((c, i) => Object.entries(c.operands).map(([name, o]) => [`${i}.${name}`, tensor(o.shape, o.data, o.dtype)])),
  );
  const rng = tensor([4], [1, 2, 3, 4], "u32");
  const optimized = g.optimize(graph);
  const program = (name: string, of: g.Graph): Program => ({
    name,
    stages: [{ kind: "call", name, graph: of }],
    fetch: Object.keys(of.outputs),
  });
  const programs = gradients ? [program("optimized", optimized)] : [program("staged", graph)];
  return { programs, runs: programs.map((p) => ({ program: p.name, feeds: { ...feeds, rng } })) };
}

function vaeScenario(): { programs: Program[]; state: HostTensors; runs: { program: string; feeds: HostTensors }[] } {
  const graph = vaeStep({ batch: 128, data: 784, hidden: 400, latent: 20 });
  const wave = (n: number, size: number): number[] => Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + n) * size);
  const state = Object.fromEntries(
    graph.nodes.flatMap((n) => (n.prim === "state" ? [[n.params.name, tensor(n.shape, wave(g.sizeOf(n.shape), 0.05))]] : [])),
  );
  const x = tensor(
    [128, 784],
    wave(128 * 784, 1).map((v) => Math.max(0, v)),
  );
  // A draw for which no unit before a relu lies within rounding of 0, where float32 may fall to the other side.
  const feeds = { x, rng: tensor([4], [1, 0, 8, 0], "u32"), lr: scalarOf(1e-3) };
  const programs = [
    { name: "staged", stages: [{ kind: "call", name: "step", graph } as const], fetch: Object.keys(graph.outputs) },
    { name: "optimized", stages: [{ kind: "call", name: "step", graph: g.optimize(graph) } as const], fetch: Object.keys(graph.outputs) },
  ];
  return { programs, state, runs: programs.map((p) => ({ program: p.name, feeds })) };
}
