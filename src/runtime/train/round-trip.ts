/**
 * Bijections that a model writes out, at the start of a training: whether the inverse that it gives undoes the forward direction, at draws.
 * Structure of a Jacobian does not prove a bijection; a likelihood by a wrong inverse would be wrong without a sign of it.
 */
import type { EngineSession } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { abs, add, div, exp, mean, randomNormal, reduceMax, rootKey, sigmoid, stage, sub, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { ModelDefinition } from "../model.js";
import { averagedState, readWeights } from "./context.js";

/** Draws that are taken there and back. */
const ROWS = 256;

/** Largest error, relative to 1 + |z|: far above rounding in float32, far below a wrong formula. */
const TOLERANCE = 1e-2;

/** GM4023 where a flow does not come back to where it started. */
export async function checkRoundTrips(session: EngineSession, model: ModelDefinition, seed: number): Promise<void> {
  for (const trip of model.roundTrips ?? []) {
    const graph = stage({}, () => {
      const key = rootKey().at(`round trip ${trip.flow}`);
      const noise = randomNormal(key, [ROWS, ...trip.event]);
      const z = onto(trip.domain, noise);
      // numbers in (0, 1) lie in whatever domain a condition may have
      const given = Object.fromEntries(
        Object.entries(trip.given ?? {}).map(([name, shape]) => [name, sigmoid(randomNormal(key.at(name), [ROWS, ...shape]))]),
      );
      const b = trip.bijector({ w: readWeights(model, averagedState(new Set())), given });
      const back = b.inverse(b.forward(z).value).value;
      const error = div(abs(sub(back, z)), add(1, abs(z)));
      return { worst: reduceMax(error), mean: mean(error) };
    });
    const program = {
      name: "round trip",
      stages: [{ kind: "call" as const, name: trip.flow, graph: optimize(graph) }],
      fetch: ["worst", "mean"],
    };
    const executable = await session.compile(program);
    const found = await executable.run({ rng: { dtype: "u32", shape: [4], data: Uint32Array.from([seed, 0, 0, 0]) } });
    executable.dispose();
    const worst = Number(found["worst"]?.data[0]);
    if (worst <= TOLERANCE) continue;
    throw new GmcError(
      "GM4023",
      `the inverse that is written out in the flow ${trip.flow} (${trip.place}) does not undo it: of ${ROWS} draws the worst comes back off by ${worst.toPrecision(3)}`,
      ["check `forward` and `inverse` against each other; errors are relative to 1 + |z|"],
    );
  }
}

function onto(domain: "real" | "positive" | "unit", noise: Tensor): Tensor {
  return domain === "real" ? noise : domain === "positive" ? exp(noise) : sigmoid(noise);
}
