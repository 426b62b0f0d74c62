/**
 * Bijections that a model writes out, at the start of a training: whether the inverse that it gives undoes the forward direction, and the other way
 * round, at draws. Structure of a Jacobian does not prove a bijection onto all of the range; a likelihood by a wrong inverse, or of a map that leaves
 * out a part of the range, would be wrong without a sign of it. They are tried with the weights that the training starts from, and with others: an
 * inverse that forgets a shift which starts at 0 agrees with the first.
 */
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import {
  abs,
  add,
  clip,
  div,
  equal,
  exp,
  input,
  less,
  mul,
  randomNormal,
  reduceMax,
  rootKey,
  select,
  sigmoid,
  stage,
  sub,
  type Tensor,
} from "../graph/index.js";
import { graphCost } from "../graph/cost.js";
import { optimize } from "../graph/passes/index.js";
import { rngState } from "../graph/random.js";
import { interpret } from "../graph/semantics/interpret.js";
import { fromHost } from "../graph/semantics/value.js";
import type { Graph } from "../graph/types.js";
import type { FlowSide, ModelDefinition, RoundTrip } from "../model.js";
import { leavesUnder, readState, type LeafAt } from "../nn/spec.js";
import { isFinite, readWeights } from "./context.js";
import { clipOf } from "./update-spec.js";

/** Draws that are taken there and back with the weights at the start, and what that may cost, in floating-point operations; a few are taken anyway. */
const ROWS = 256;
const COST = 1e10;
const LEAST_ROWS = 4;

/** Largest error, relative to 1 + |z|: far above rounding in float32, far below a wrong formula. */
const TOLERANCE = 1e-2;

/** How far beyond draws of a standard normal values of the range are taken: where a map that saturates does not get. */
const WIDTH = 3;

/** How often weights are moved, for how many draws each time, and what all of it may cost, in floating-point operations. */
const MOVES = 4;
const MOVED_ROWS = 64;
const MOVED_COST = 2e7;

/** Largest error with moved weights, in float64. A move of weights by `MOVE` shows a formula that leaves one out at many times this. */
const MOVED_TOLERANCE = 1e-3;
const MOVE = 0.2;

/** GM4023 where a flow does not come back to where it started, GM4026 where its range is not all that it is declared onto. */
export async function checkRoundTrips(session: EngineSession, model: ModelDefinition, seed: number): Promise<void> {
  const trips = model.roundTrips ?? [];
  for (const trip of trips) {
    const rows = Math.max(
      LEAST_ROWS,
      Math.min(ROWS, Math.floor(COST / trips.length / graphCost(tripGraph(model, trip, 1, readState)).flops)),
    );
    const { undone = NaN, reached = NaN } = await onEngine(session, trip, tripGraph(model, trip, rows, readState), (run) =>
      run(drawing(seed, 0)),
    );
    if (undone > TOLERANCE) throw notUndone(trip, `does not undo it: of ${rows} draws ${off(undone)}`);
    if (reached > TOLERANCE) throw notReached(trip, `${rows} values there`, reached);
    await checkMoved(session, model, trip, seed, MOVED_COST / trips.length);
  }
}

/**
 * The same with other weights, where those of the flow are trained: in float64, so that no conditioning of theirs looks like a wrong formula. A flow that
 * costs too much for that is tried on the engine, and in float64 only where it fails there.
 */
async function checkMoved(session: EngineSession, model: ModelDefinition, trip: RoundTrip, seed: number, budget: number): Promise<void> {
  const trained = trainedLeaves(model);
  const moving = (rows: number, moves: (path: string) => boolean): Graph =>
    tripGraph(model, trip, rows, (at) =>
      moves(at.path) && trained.has(at.path) ? moved(at, trained.get(at.path) ?? null) : readState(at),
    );
  const everything = (rows: number): Graph => moving(rows, () => true);
  const one = everything(1);
  const paths = one.nodes.flatMap((node) => (node.prim === "state" ? [node.params.name] : []));
  const movable = paths.filter((path) => trained.has(path));
  if (movable.length === 0) return;
  const affordable = Math.floor(budget / MOVES / graphCost(one).flops);
  if (affordable < LEAST_ROWS && fits(await onEngine(session, trip, everything(LEAST_ROWS), (run) => errorsOf(seed, run)), TOLERANCE))
    return;

  const rows = Math.max(1, Math.min(MOVED_ROWS, affordable));
  const weights = new Map<string, HostTensor>();
  for (const path of paths) weights.set(path, await session.read(path));
  const errors = (graph: Graph): Promise<Errors> => errorsOf(seed, runInFloat64(graph, weights));
  const found = await errors(everything(rows));
  if (fits(found, MOVED_TOLERANCE)) return;
  const which = found.undone > MOVED_TOLERANCE ? "undone" : "reached";
  let culprit: string | undefined;
  for (const path of affordable < LEAST_ROWS ? [] : movable) {
    if ((await errors(moving(rows, (p) => p === path)))[which] <= MOVED_TOLERANCE) continue;
    culprit = path;
    break;
  }
  const once = culprit === undefined ? "once its weights have moved" : `once \`${culprit}\` has moved`;
  if (which === "reached") throw notReached(trip, `${rows} values there, ${once},`, found.reached);
  throw notUndone(
    trip,
    `undoes it only with the weights that the training starts from: ${once}, of ${rows} draws ${off(found.undone)}`,
    culprit === undefined
      ? ["what `forward` does by a weight, `inverse` undoes by the same weight"]
      : [
          `what \`forward\` does by \`${culprit}\`, \`inverse\` undoes by it: \`x - b\` after \`z + b\`, \`x * exp(-s)\` after \`z * exp(s)\``,
        ],
  );
}

interface Errors {
  readonly undone: number;
  readonly reached: number;
}

const fits = ({ undone, reached }: Errors, tolerance: number): boolean => undone <= tolerance && reached <= tolerance;

type Run = (feeds: HostTensors) => Promise<Readonly<Record<string, number>>>;

/** The largest errors with weights that are moved `MOVES` times, in pairs of ways that are opposite. */
async function errorsOf(seed: number, run: Run): Promise<Errors> {
  const largest = { undone: 0, reached: 0 };
  for (let move = 0; move < MOVES; move++) {
    const found = await run({
      ...drawing(seed, 1 + (move >> 1)),
      [WAY]: { dtype: "f32", shape: [], data: Float32Array.of(move % 2 === 0 ? 1 : -1) },
    });
    // where the map itself gives no number, it is the weights that lie outside of what it is made for
    if (found["mapped"] !== 1) continue;
    for (const name of ["undone", "reached"] as const) largest[name] = Math.max(largest[name], found[name] ?? NO_IMAGE);
  }
  return largest;
}

const drawing = (seed: number, step: number): HostTensors => ({ rng: { dtype: "u32", shape: [4], data: rngState(seed, step) } });

async function onEngine<R>(session: EngineSession, trip: RoundTrip, graph: Graph, use: (run: Run) => Promise<R>): Promise<R> {
  const fetch = ["undone", "reached", "mapped"];
  const executable = await session.compile({ name: "round trip", stages: [{ kind: "call", name: trip.flow, graph }], fetch });
  try {
    return await use(async (feeds) => {
      const found = await executable.run(feeds);
      return Object.fromEntries(fetch.map((name) => [name, Number(found[name]?.data[0])]));
    });
  } finally {
    executable.dispose();
  }
}

function runInFloat64(graph: Graph, weights: ReadonlyMap<string, HostTensor>): Run {
  return (feeds) => {
    const { outputs } = interpret(graph, (prim, name) => {
      const value = prim === "state" ? weights.get(name) : feeds[name];
      return value && fromHost(value);
    });
    return Promise.resolve(Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, Number(value.data[0])])));
  };
}

/** Largest errors of `rows` draws there and back (`undone`) and back and there (`reached`); `mapped`: 1 where all draws have an image. */
function tripGraph(model: ModelDefinition, trip: RoundTrip, rows: number, read: (at: LeafAt) => Tensor): Graph {
  const graph = stage({}, () => {
    const key = rootKey().at(`round trip ${trip.flow}`);
    // numbers in (0, 1) lie in whatever domain a condition may have
    const given = Object.fromEntries(
      Object.entries(trip.given ?? {}).map(([name, shape]) => [name, sigmoid(randomNormal(key.at(name), [rows, ...shape]))]),
    );
    const b = trip.bijector({ w: readWeights(model, read), given });
    const z = within(trip.from, randomNormal(key, [rows, ...trip.from.event]));
    const x = within(trip.to, randomNormal(key.at("range"), [rows, ...trip.to.event]), WIDTH);
    const image = b.forward(z).value;
    return {
      undone: worst(z, b.inverse(image).value),
      reached: worst(x, b.forward(b.inverse(x).value).value),
      mapped: sub(1, reduceMax(select(isFinite(image), 0, 1))),
    };
  });
  return optimize(graph);
}

/** Weights that some statement of the training moves, and the bounds that it keeps them in. */
function trainedLeaves(model: ModelDefinition): ReadonlyMap<string, readonly [number, number] | null> {
  return new Map(
    model.train.flatMap((phase) =>
      phase.updates
        .flatMap(({ over }) => over.flatMap((path) => leavesUnder(model.weights, path)))
        .filter(({ spec }) => spec.trained)
        .map((leaf) => [leaf.path, clipOf(phase, leaf)] as const),
    ),
  );
}

/**
 * A weight as a training may find it, each entry by an amount that shows. Its sign stays, for a slope or a scale may have its meaning with one sign
 * alone.
 */
function moved(at: LeafAt, bounds: readonly [number, number] | null): Tensor {
  const start = readState(at);
  const noise = randomNormal(rootKey().at(`moved ${at.path}`), at.spec.shape);
  const by = mul(mul(add(noise, select(less(noise, 0), -0.5, 0.5)), MOVE), input(WAY, [], "f32"));
  const value = select(equal(start, 0), by, mul(start, exp(by)));
  return bounds ? clip(value, ...bounds) : value;
}

/** The input that says which way weights are moved. */
const WAY = "way";

function notUndone(trip: RoundTrip, what: string, help: readonly string[] = []): GmcError {
  return new GmcError("GM4023", `the inverse that is written out in the flow ${trip.flow} (${trip.place}) ${what}`, [
    ...help,
    "check `forward` and `inverse` against each other; errors are relative to 1 + |z|",
  ]);
}

function notReached(trip: RoundTrip, values: string, error: number): GmcError {
  const { domain, event } = trip.to;
  return new GmcError(
    "GM4026",
    `the flow ${trip.flow} (${trip.place}) does not reach all of ${domain}[${event.join(", ")}]: of ${values}, taken through \`inverse\` and \`forward\`, ${off(error)}`,
    [
      "a density of data that lie where the flow does not get is none: it does not integrate to 1",
      "give it values that reach everything, such as those of `z + tanh(z)`, or declare it onto `unit` or `positive`, with a step such as `logit` after it",
    ],
  );
}

const off = (error: number): string =>
  error >= NO_IMAGE ? "some come back as no finite number" : `the worst comes back off by ${error.toPrecision(3)}`;

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
