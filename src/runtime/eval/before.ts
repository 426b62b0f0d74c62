/** What drawing by parts is given: feeds of conditions and held values, and variables of the head that are drawn before the others. */
import type { EngineSession, HostTensors } from "../engines/engine.js";
import { feedsOf } from "../graph/host.js";
import { input, rootKey, stage, type Key, type Rows, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import type { Graph } from "../graph/types.js";
import type { Draw, ModelDefinition } from "../model.js";
import { averagedState, readWeights } from "../train/context.js";
import { rngOf } from "./batches.js";
import { tempered } from "./draw.js";

export interface GivenOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly averaged: ReadonlySet<string>;
  readonly rows: number;
  readonly seed: number;
  /** Number of the first row, 0 unless told. */
  readonly firstRow?: number | undefined;
  /** Conditions, and variables that are held: [rows, ...event]. */
  readonly given: HostTensors;
  /** 1 unless told; of noise beside flows, see `tempered`. */
  readonly temperature?: number | undefined;
}

type Before = (w: never, key: Key, rows: Rows, given: Readonly<Record<string, Tensor>>) => Draw;

const fed = (name: string): string => `given:${name}`;

/** What is given, as inputs of the current stage. */
export function givenInputs({ given }: Pick<GivenOptions, "given">): Readonly<Record<string, Tensor>> {
  return Object.fromEntries(Object.entries(given).map(([name, t]) => [name, input(fed(name), t.shape, t.dtype)]));
}

/** Those feeds that the graphs read. */
export function feedsFor(graphs: readonly Graph[], { given, seed, firstRow = 0 }: GivenOptions): HostTensors {
  const all: HostTensors = {
    ...Object.fromEntries(Object.entries(given).map(([n, t]) => [fed(n), t])),
    rng: rngOf(seed, "draw", 0, firstRow),
  };
  return feedsOf(graphs, all);
}

/** Runs a graph once; gives its outputs. */
export async function runOnce(name: string, graph: Graph, options: GivenOptions): Promise<HostTensors> {
  const program = await options.session.compile({ name, stages: [{ kind: "call", name, graph }], fetch: Object.keys(graph.outputs) });
  try {
    return await program.run(feedsFor([graph], options));
  } finally {
    program.dispose();
  }
}

/** A draw at the temperature that is asked for, where flows have one. */
export function atOwnTemperature(
  label: string,
  draw: (held: Readonly<Record<string, Tensor>>) => Draw,
  options: Pick<GivenOptions, "given" | "temperature">,
): Draw {
  const { temperature = 1 } = options;
  const given = givenInputs(options);
  if (temperature === 1) return draw(given);
  const plain = draw(given);
  return plain.base === undefined ? plain : tempered(label, draw, given, temperature);
}

/** Values of the variables that `before` draws; none without it. */
export async function drawnBefore(before: unknown, options: GivenOptions, label = "the density"): Promise<HostTensors> {
  if (before === undefined) return {};
  const graph = optimize(
    stage(
      {},
      () => {
        const w = readWeights(options.model, averagedState(options.averaged));
        const rows: Rows = { kind: "rows", size: options.rows };
        return { ...atOwnTemperature(label, (held) => (before as Before)(w as never, rootKey(), rows, held), options).values };
      },
      { mode: "eval" },
    ),
  );
  return runOnce("before", graph, options);
}
