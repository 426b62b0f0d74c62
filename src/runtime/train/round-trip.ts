/**
 * Bijections that a model writes out, at the start of a training: whether the inverse that it gives undoes the forward direction, and the other way
 * round, at draws. Structure of a Jacobian does not prove a bijection onto all of the range; a likelihood by a wrong inverse, or of a map that leaves
 * out a part of the range, would be wrong without a sign of it.
 */
import type { EngineSession } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { abs, add, div, exp, mul, randomNormal, reduceMax, rootKey, select, sigmoid, stage, sub, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { FlowSide, ModelDefinition } from "../model.js";
import { averagedState, isFinite, readWeights } from "./context.js";

/** Draws that are taken there and back. */
const ROWS = 256;

/** Largest error, relative to 1 + |z|: far above rounding in float32, far below a wrong formula. */
const TOLERANCE = 1e-2;

/** How far beyond draws of a standard normal values of the range are taken: where a map that saturates does not get. */
const WIDTH = 3;

/** GM4023 where a flow does not come back to where it started, GM4026 where its range is not all that it is declared onto. */
export async function checkRoundTrips(session: EngineSession, model: ModelDefinition, seed: number): Promise<void> {
  for (const trip of model.roundTrips ?? []) {
    const graph = stage({}, () => {
      const key = rootKey().at(`round trip ${trip.flow}`);
      // numbers in (0, 1) lie in whatever domain a condition may have
      const given = Object.fromEntries(
        Object.entries(trip.given ?? {}).map(([name, shape]) => [name, sigmoid(randomNormal(key.at(name), [ROWS, ...shape]))]),
      );
      const b = trip.bijector({ w: readWeights(model, averagedState(new Set())), given });
      const z = within(trip.from, randomNormal(key, [ROWS, ...trip.from.event]));
      const x = within(trip.to, randomNormal(key.at("range"), [ROWS, ...trip.to.event]), WIDTH);
      return {
        undone: worst(z, b.inverse(b.forward(z).value).value),
        reached: worst(x, b.forward(b.inverse(x).value).value),
      };
    });
    const program = {
      name: "round trip",
      stages: [{ kind: "call" as const, name: trip.flow, graph: optimize(graph) }],
      fetch: ["undone", "reached"],
    };
    const executable = await session.compile(program);
    const found = await executable.run({ rng: { dtype: "u32", shape: [4], data: Uint32Array.from([seed, 0, 0, 0]) } });
    executable.dispose();
    const [undone, reached] = ["undone", "reached"].map((name) => Number(found[name]?.data[0])) as [number, number];
    const off = (error: number): string =>
      error >= NO_IMAGE ? "some come back as no finite number" : `the worst comes back off by ${error.toPrecision(3)}`;
    if (undone > TOLERANCE) {
      throw new GmcError(
        "GM4023",
        `the inverse that is written out in the flow ${trip.flow} (${trip.place}) does not undo it: of ${ROWS} draws ${off(undone)}`,
        ["check `forward` and `inverse` against each other; errors are relative to 1 + |z|"],
      );
    }
    if (reached > TOLERANCE) {
      throw new GmcError(
        "GM4026",
        `the flow ${trip.flow} (${trip.place}) does not reach all of ${trip.to.domain}[${trip.to.event.join(", ")}]: of ${ROWS} values there, taken through \`inverse\` and \`forward\`, ${off(reached)}`,
        [
          "a density of data that lie where the flow does not get is none: it does not integrate to 1",
          "give it values that reach everything, such as those of `z + tanh(z)`, or declare it onto `unit` or `positive`, with a step such as `logit` after it",
        ],
      );
    }
  }
}

/** What stands for the error of a draw that has no finite image. */
const NO_IMAGE = 1e30;

/** The largest error, relative to 1 + |z|. */
function worst(z: Tensor, back: Tensor): Tensor {
  const error = div(abs(sub(back, z)), add(1, abs(z)));
  return reduceMax(select(isFinite(error), error, NO_IMAGE));
}

/** Draws in the domain of a side; numbers that have no upper end are taken less far up, where their logarithm is. */
function within({ domain }: FlowSide, noise: Tensor, width = 1): Tensor {
  return domain === "real" ? mul(noise, width) : domain === "positive" ? exp(noise) : sigmoid(mul(noise, width));
}
