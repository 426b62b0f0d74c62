/** The training step of an example on an engine against the float64 reference: objective, terms and every gradient. */
import { sizeOf } from "../../src/runtime/graph/shape.js";
import type { Engine } from "../../src/runtime/engines/engine.js";
import { type HostTensor, leavesOf, type ModelDefinition, type VariableSpec } from "../../src/runtime/index.js";
import { initialState, type SpecNode } from "../../src/runtime/nn/spec.js";
import { dataName } from "../../src/runtime/train/context.js";
import { planPhase } from "../../src/runtime/train/plan.js";
import { expectSame, scalarOf, tensor, type Scenario } from "./compare.js";

/** The reference interprets float64 entry by entry; a small batch keeps convolutions within seconds. */
const BATCH = 6;

/** Values inside the domain, without chance: a quasi-random sequence. */
function rows(spec: VariableSpec, seed: number): HostTensor {
  const shape = [BATCH, ...spec.shape];
  const size = shape.reduce((a, b) => a * b, 1);
  const u = (i: number): number => ((i + 1) * (0.6180339887 + 0.1 * seed)) % 1;
  const values = Array.from({ length: size }, (_, i) => {
    switch (spec.domain) {
      case "category":
        return Math.floor(u(i) * (spec.classes ?? 1));
      case "count":
      case "byte":
        return Math.floor(u(i) * 9);
      case "real":
        return 2 * u(i) - 1;
      default:
        return u(i);
    }
  });
  return tensor(shape, values, spec.domain === "category" ? "i32" : "f32");
}

/** `file`: its name in examples/. */
export async function expectSameSteps(engine: Engine, file: string, tolerance = 1e-4, norm: Scenario["norm"] = "entries"): Promise<void> {
  const { model } = (await import(`../../examples/${file}.ts`)) as { model: ModelDefinition };
  const variables: Record<string, VariableSpec> = Object.assign({}, ...model.streams);
  const binary = Object.entries(variables).flatMap(([name, v]) => (v.domain === "binary" ? [name] : []));
  const feeds = Object.fromEntries(Object.entries(variables).map(([name, spec], i) => [dataName(name), rows(spec, i)]));
  const [first] = Object.keys(variables);
  const state = Object.fromEntries(
    leavesOf(model.weights as SpecNode).map(({ path, spec }) => {
      const width = (variables[first ?? ""]?.shape ?? []).reduce((a, b) => a * b, 1);
      const values = initialState(spec, {
        seed: 5,
        path,
        data: { rowSize: () => width, rows: (_, n) => Float64Array.from({ length: n * width }, (_, i) => Math.sin(i)) },
      });
      return [path, tensor(spec.shape, values)];
    }),
  );
  for (const [index] of model.train.entries()) {
    const plan = planPhase(model, index, { batch: BATCH, dynamic: new Set(binary) });
    for (const { program } of plan.updates) {
      // An optimiser's first step divides by the gradient's own size and so hides its error: gradients are compared themselves.
      // What moves chains before the gradients draws at thresholds, where a last bit tips a unit: the gradients are compared at given chains.
      const calls = program.stages.filter((s) => s.kind === "call").filter((s) => s.name === "gradients");
      const gradients = program.stages.flatMap((s) => (s.kind === "update" ? s.update.targets.map((t) => t.gradient) : []));
      const inputs = calls.flatMap((c) => c.graph.nodes.flatMap((n) => (n.prim === "input" ? [n] : [])));
      const scalars = Object.fromEntries(inputs.filter((n) => n.shape.length === 0).map((n) => [n.params.name, scalarOf(0.5)]));
      await expectSame(
        engine,
        {
          programs: [{ name: program.name, stages: calls, fetch: [...new Set([...program.fetch, ...gradients])] }],
          state: {
            ...state,
            ...Object.fromEntries(
              plan.states
                .filter((s) => s.start.kind === "carried")
                .map((s) => [
                  s.name,
                  tensor(
                    s.shape,
                    Array.from({ length: sizeOf(s.shape) }, (_, i) => Number((i * 7) % 3 === 0)),
                    s.dtype,
                  ),
                ]),
            ),
            ...Object.fromEntries(plan.states.filter((s) => s.start.kind === "zeros").map((s) => [s.name, tensor(s.shape, [0], s.dtype)])),
          },
          runs: [{ program: program.name, feeds: { ...feeds, ...scalars, rng: tensor([4], [5, 0, 3, 0], "u32") } }],
          tolerance,
          norm,
        },
        `${file}, ${plan.name}`,
      );
    }
  }
}
