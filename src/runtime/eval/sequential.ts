/**
 * Drawing a variable entry by entry, each given those before it. Positions are iterations of a `repeat` stage; what earlier ones computed is kept in
 * the store, so that one costs what is new at it. A draw is tied to its row and its position: it is the same for any number of rows drawn
 * together, and the same as by computing all anew at each position.
 */
import type { HostTensor, HostTensors } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import { hostZeros } from "../graph/host.js";
import { rootKey, stage, type Rows } from "../graph/index.js";
import { hostStream } from "../graph/random.js";
import { optimize } from "../graph/passes/index.js";
import { sizeOf } from "../graph/shape.js";
import type { DensityDefinition, SequentialDefinition } from "../model.js";
import { orderOf } from "../nn/degrees.js";
import { averagedState, dataVariables, defined, readWeights } from "../train/context.js";
import { atOwnTemperature, drawnBefore, feedsFor, runOnce, type GivenOptions } from "./before.js";
import { drawFrom, meanOf, valueOf } from "./draw.js";
import { fitting, knownIn, type Known } from "./known.js";
import { COUNT, FIRST, runPieces } from "./pieces.js";
import { HELD, MEAN, stageEntries, VALUE } from "./sequential-stage.js";

export interface SequentialOptions extends GivenOptions {
  readonly known?: Known | undefined;
  /** False computes everything anew at each position: for tests, and for measuring what is saved. */
  readonly incremental?: boolean | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** What is computed in full at each position, and why; known entries that others do not follow. */
  readonly onNote?: ((note: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Positions of a row, of all variables together. */
export function positionsOf({ sequential = [] }: DensityDefinition): number {
  return sequential.reduce((sum, { shape, positionAxes }) => sum + sizeOf(shape.slice(0, positionAxes)), 0);
}

/**
 * `value:<variable>` and `mean:<variable>` of all that the density draws, its variables that are drawn entry by entry one after another. GM4030 for
 * known entries of another shape, or a temperature that is none; GM4031 for a temperature that a distribution has no use for.
 */
export async function runSequential(density: DensityDefinition, asked: SequentialOptions): Promise<HostTensors> {
  const { temperature = 1, known } = asked;
  if (!(temperature > 0 && temperature < Infinity))
    throw new GmcError("GM4030", `a temperature is a number above 0, found ${temperature}`, ["1 draws from the model as it is"]);
  const { sequential: all = [] } = density;
  const heldIn = known === undefined ? undefined : knownIn(density, known.variable)?.variable;
  const total = positionsOf({ ...density, sequential: all.filter(({ variable }) => asked.given[variable] === undefined) });
  let options = asked;
  let outputs: HostTensors = {};
  let done = 0;
  for (const sequential of all) {
    const { variable } = sequential;
    options = { ...options, given: { ...(await drawnBefore(sequential.before, options, density.label)), ...options.given } };
    if (options.given[variable] !== undefined) continue;
    const start = done;
    const drawn = await drawInOrders(sequential, {
      ...options,
      known: variable === heldIn ? known : undefined,
      onProgress: (positions) => {
        done = start + positions;
        asked.onProgress?.(done, total);
      },
    });
    outputs = { ...outputs, ...drawn };
    options = { ...options, given: { ...options.given, [variable]: drawn[`value:${variable}`]! } };
  }
  return { ...(await drawRest(density, options)), ...outputs };
}

/**
 * Of an ensemble over orders, each row in one of them by chance: an exact draw of the mean of p. Rows of one order are drawn together. With known entries,
 * which would weigh the orders, all in the first.
 */
async function drawInOrders(sequential: SequentialDefinition, options: SequentialOptions): Promise<HostTensors> {
  const { orders = [], variable } = sequential;
  const { rows, seed, firstRow = 0, given, onProgress } = options;
  if (orders.length < 2 || options.known !== undefined) return drawEntries(sequential, options);
  const stream = hostStream(seed, `orders.${variable}`);
  const earlier = Array.from({ length: firstRow }, () => stream.below(orders.length));
  const chosen = Array.from({ length: rows }, () => stream.below(orders.length));
  const used = [...new Set(chosen)].sort((a, b) => a - b);
  const positions = positionsIn(sequential);
  const outputs: Record<string, HostTensor> = {};
  for (const [group, order] of used.entries()) {
    const own = chosen.flatMap((o, row) => (o === order ? [row] : []));
    const drawn = await drawEntries(
      sequential,
      {
        ...options,
        rows: own.length,
        firstRow: earlier.filter((o) => o === order).length,
        given: Object.fromEntries(Object.entries(given).map(([name, t]) => [name, rowsOfTensor(t, own)])),
        onProgress: (done) => onProgress?.(Math.floor((group * positions + done) / used.length), positions),
        onNote: group === 0 ? options.onNote : undefined,
      },
      order,
    );
    for (const [name, t] of Object.entries(drawn)) {
      const into = (outputs[name] ??= hostZeros(t.dtype, [rows, ...t.shape.slice(1)]));
      const width = sizeOf(t.shape.slice(1));
      own.forEach((row, i) => into.data.set(t.data.subarray(i * width, (i + 1) * width), row * width));
    }
  }
  return outputs;
}

function rowsOfTensor(t: HostTensor, rows: readonly number[]): HostTensor {
  const shape = [rows.length, ...t.shape.slice(1)];
  const width = sizeOf(t.shape.slice(1));
  const out = hostZeros(t.dtype, shape);
  rows.forEach((row, i) => out.data.set(t.data.subarray(row * width, (row + 1) * width), i * width));
  return out;
}

const positionsIn = ({ shape, positionAxes }: SequentialDefinition): number => sizeOf(shape.slice(0, positionAxes));

/** `order`: which of several, the first unless told. */
async function drawEntries(sequential: SequentialDefinition, options: SequentialOptions, order?: number): Promise<HostTensors> {
  const { session, known } = options;
  const { variable, dtype } = sequential;
  const staged = stageEntries(sequential, { ...options, held: known !== undefined, order });
  staged.notes.forEach((note) => options.onNote?.(`computed anew at each position: ${note}`));
  const full = [options.rows, ...sequential.shape];
  const free = known === undefined ? 0 : drawnBeforeKnown(sequential, known.mask);
  if (free > 0)
    options.onNote?.(
      `${free} of ${sizeOf(sequential.shape)} entries of a row of \`${variable}\` are drawn before a known one: they do not follow it`,
    );
  await session.write(VALUE, known === undefined ? hostZeros(dtype, full) : fitting(known.values, { shape: full, dtype }, variable));
  if (known !== undefined) await session.write(HELD, fitting(known.mask, { shape: full, dtype: "f32" }, variable));
  if (sequential.mean !== undefined) await session.write(MEAN, hostZeros("f32", full));
  for (const [name, kept] of staged.kept) await session.write(name, hostZeros(kept.dtype, kept.shape));
  const { nodes, writes } = staged.fixed;
  // an earlier draw of this session may have left them with another number of rows
  for (const [name, id] of Object.entries(writes)) {
    const { dtype: of, shape } = defined(nodes[id], `node of ${name}`);
    await session.write(name, hostZeros(of, shape));
  }
  if (Object.keys(writes).length > 0) await runOnce("fixed", staged.fixed, options);
  const { draw, keep, positions } = staged;
  const moving = await session.compile({
    name: "sequential",
    stages: [
      { kind: "repeat", name: "draw", graph: draw, count: COUNT, first: FIRST },
      ...(keep === undefined ? [] : [{ kind: "call", name: "keep", graph: keep } as const]),
    ],
    fetch: [],
  });
  try {
    await runPieces(moving, feedsFor(keep === undefined ? [draw] : [draw, keep], options), {
      to: positions,
      piece: keep === undefined ? undefined : staged.perUnit,
      onDone: (done) => options.onProgress?.(done, positions),
      signal: options.signal,
    });
  } finally {
    moving.dispose();
  }
  return {
    [`value:${variable}`]: await session.read(VALUE),
    ...(sequential.mean === undefined ? {} : { [`mean:${variable}`]: await session.read(MEAN) }),
  };
}

/** What the density draws given its variable, and what was drawn or given before. */
async function drawRest(density: DensityDefinition, options: SequentialOptions): Promise<HostTensors> {
  const rest = density.head.filter((name) => options.given[name] === undefined);
  const values = Object.fromEntries(density.head.flatMap((name) => (options.given[name] ? [[`value:${name}`, options.given[name]]] : [])));
  if (rest.length === 0) return values;
  const graph = optimize(
    stage(
      {},
      () => {
        const w = readWeights(options.model, averagedState(options.averaged));
        const rows: Rows = { kind: "rows", size: options.rows };
        const draw = atOwnTemperature(density.label, (held) => drawFrom(density, w, rootKey(), rows, held), options);
        const data = dataVariables(options.model);
        return Object.fromEntries(
          rest.flatMap((name) => [
            [`value:${name}`, valueOf(draw, name)],
            ...(data[name]?.domain === "category" ? [] : [[`mean:${name}`, meanOf(draw, name)] as const]),
          ]),
        );
      },
      { mode: "eval" },
    ),
  );
  return { ...values, ...(await runOnce("rest", graph, options)) };
}

/** Entries, of the row that has most, that are drawn before one that is held. */
function drawnBeforeKnown({ shape, positionAxes, order: rule }: SequentialDefinition, { data: mask }: HostTensor): number {
  const order = orderOf(rule, sizeOf(shape.slice(0, positionAxes)));
  const [size, each] = [sizeOf(shape), sizeOf(shape.slice(positionAxes))];
  let most = 0;
  for (let row = 0; row < mask.length; row += size) {
    const held = (position: number, i: number): boolean => mask[row + position * each + i] === 1;
    const heldIn = (position: number): number => Array.from({ length: each }, (_, i) => held(position, i)).filter(Boolean).length;
    const counts = order.map(heldIn);
    const last = counts.findLastIndex((count) => count > 0);
    most = Math.max(
      most,
      counts.slice(0, Math.max(0, last)).reduce((sum, count) => sum + each - count, 0),
    );
  }
  return most;
}
