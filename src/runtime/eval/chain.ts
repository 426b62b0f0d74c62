/**
 * Drawing from a density whose energy is known: one Markov chain for each row, run as a `repeat` stage, then what is drawn given its values.
 * What is clamped and the conditions are fed; the chain's own values are state of the session.
 */
import type { Program } from "../engines/engine.js";
import type { Dataset } from "../data/dataset.js";
import type { EngineSession, HostTensor, HostTensors } from "../engines/engine.js";
import { graphCost } from "../graph/cost.js";
import { assertNever, GmcError } from "../graph/errors.js";
import { stageChecked, stageKept, verified, type Check, type KeptCheck } from "../graph/checks.js";
import { hostArray } from "../graph/host.js";
import { iterationInput, rootKey, state, writeState, type Tensor } from "../graph/index.js";
import { optimize } from "../graph/passes/index.js";
import { sizeOf } from "../graph/shape.js";
import type { Graph, Shape } from "../graph/types.js";
import type { ChainDefinition, DensityDefinition, ModelDefinition } from "../model.js";
import { divergedHelp } from "../train/fault.js";
import { carriedByModel, carriedName, startValue } from "../train/carried.js";
import { averagedState, dataVariables, defined, readWeights } from "../train/context.js";
import { namedPart, partOf, withPart } from "../energy/partly-held.js";
import { drawnBefore, feedsFor, givenInputs } from "./before.js";
import { drawFrom, meanOf, valueOf } from "./draw.js";
import { fitting, knownIn, type Known } from "./known.js";
import { beginKept, verifyKept } from "./kept.js";
import { COUNT, FIRST, runPieces } from "./pieces.js";

/** What a chain begins with: its declared start, rows of the data, or the persistent chains that training left. */
export type ChainStart = "random" | "data" | "chains";

export interface ChainOptions {
  readonly session: EngineSession;
  readonly model: ModelDefinition;
  readonly dataset: Dataset;
  readonly averaged: ReadonlySet<string>;
  readonly rows: number;
  readonly seed: number;
  readonly start?: ChainStart | undefined;
  /** In place of the density's own number. */
  readonly sweeps?: number | undefined;
  /** No more sweeps than so many FLOPs do, one at least. */
  readonly work?: number | undefined;
  /** Conditions, and variables that are clamped: [rows, ...event]. */
  readonly given: HostTensors;
  /** Entries of a variable of the chain that are held. */
  readonly known?: Known | undefined;
  /** Rows of the data, for chains that start from them. */
  readonly data: () => HostTensors;
  /** Also what the chains are after every so many sweeps. */
  readonly every?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Outputs `value:<variable>` and `mean:<variable>`. */
export interface ChainDraw {
  readonly last: HostTensors;
  /** At the start and after every so many sweeps. */
  readonly frames: readonly HostTensors[];
  /** How many were taken. */
  readonly sweeps: number;
}

const stored = (name: string): string => `draw:${name}`;

/** GM4008 for a number of sweeps that is none, GM4009 where there are no persistent chains to begin with. */
export async function runChain(density: DensityDefinition, chain: ChainDefinition, asked: ChainOptions): Promise<ChainDraw> {
  const given = { ...(await drawnBefore(chain.before, asked)), ...asked.given };
  const options = { ...asked, given: { ...given, ...knownPart(density, chain, { ...asked, given }) } };
  const { session, every } = options;
  const wanted = options.sweeps ?? chain.sweeps;
  for (const [name, value] of [
    ["sweeps", wanted],
    ["every", every ?? 1],
  ] as const) {
    if (!(Number.isInteger(value) && value >= 1)) throw new GmcError("GM4008", `${name} must be a whole number from 1 on, found ${value}`);
  }
  for (const [name, value] of Object.entries(await startValues(chain, options))) await session.write(stored(name), value);
  const feedsOf = (graph: Graph): HostTensors => feedsFor([graph], options);
  const { graph: sweep, kept } = stageSweep(chain, options);
  const { work = Infinity } = options;
  const sweeps = Math.max(1, Math.min(wanted, Math.floor(work / graphCost(sweep).flops)));
  await beginKept(session, kept);
  const { graph: show, checks } = stageShow(density, chain, options);
  const shown: Program = { name: "draw", stages: [{ kind: "call", name: "draw", graph: show }], fetch: Object.keys(show.outputs) };
  const moving = await session.compile({
    name: "sweeps",
    stages: [{ kind: "repeat", name: "sweep", graph: sweep, count: COUNT, first: FIRST }],
    fetch: [],
  });
  const drawing = await session.compile(shown);
  const showing = async (feeds: HostTensors): Promise<HostTensors> => verified(await drawing.run(feeds), checks);
  try {
    const [own, shownFeeds] = [feedsOf(sweep), feedsOf(show)];
    const frames: HostTensors[] = every === undefined ? [] : [started(chain, await showing(shownFeeds))];
    for (let done = 0; done < sweeps;) {
      const to = Math.min(sweeps, done + (every ?? sweeps));
      const onDone = (now: number): void => options.onProgress?.(now, sweeps);
      await runPieces(moving, own, { from: done, to, onDone, verify: () => verifyKept(session, kept), signal: options.signal });
      done = to;
      if (every !== undefined && done % every === 0) frames.push(await showing(shownFeeds));
    }
    const last = await showing(shownFeeds);
    requireFinite(density, chain, last, sweeps, options.rows);
    return { last, frames, sweeps };
  } finally {
    moving.dispose();
    drawing.dispose();
  }
}

/** Feeds of the entries that are held. GM4030 for other numbers of rows than are drawn, GM4009 for a variable that is held whole. */
function knownPart(density: DensityDefinition, chain: ChainDefinition, { known, rows, given }: ChainOptions): HostTensors {
  const variable = known && knownIn(density, known.variable)?.variable;
  if (known === undefined || variable === undefined) return {};
  if (given[variable] !== undefined) throw new GmcError("GM4009", `\`${variable}\` of ${density.label} is held whole, and known in part`);
  const { shape, dtype } = defined(chain.variables[variable], variable);
  const fit = (t: HostTensor, type: "f32" | "i32"): HostTensor => fitting(t, { shape: [rows, ...shape], dtype: type }, variable);
  return namedPart(variable, fit(known.mask, "f32"), fit(known.values, dtype));
}

/** GM4003 where a chain has left the numbers: no sample of the density, whatever the other rows are. */
function requireFinite(density: DensityDefinition, chain: ChainDefinition, last: HostTensors, sweeps: number, rows: number): void {
  const lost = new Set<number>();
  for (const name of Object.keys(chain.variables)) {
    const data = last[`value:${name}`]?.data ?? [];
    for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) lost.add(Math.floor((i * rows) / data.length));
  }
  if (lost.size === 0) return;
  const what = lost.size === 1 ? "1 is" : `${lost.size} are`;
  throw new GmcError(
    "GM4003",
    `${density.label}, ${density.place}: of ${rows} chains ${what} not finite after ${sweeps} sweep${sweeps === 1 ? "" : "s"}`,
    chain.unadjusted === undefined
      ? ["look for weights that are not finite, and for an energy that is no number"]
      : divergedHelp(chain.unadjusted),
  );
}

/** Before the first sweep: means of the chain's own variables would be those given what no sweep has drawn. */
function started(chain: ChainDefinition, frame: HostTensors): HostTensors {
  const own = new Set(Object.keys(chain.variables).map((name) => `mean:${name}`));
  return Object.fromEntries(Object.entries(frame).filter(([name]) => !own.has(name)));
}

/** Of the variables that are not clamped. */
async function startValues(chain: ChainDefinition, options: ChainOptions): Promise<HostTensors> {
  const { model, rows, seed, dataset } = options;
  const free = Object.entries(chain.variables).filter(([name]) => options.given[name] === undefined);
  const random = (name: string): HostTensor => {
    const { shape, dtype, start } = defined(chain.variables[name], name);
    return startValue(`sample.${name}`, { shape: [rows, ...shape], dtype, start }, seed, dataset);
  };
  switch (options.start ?? "random") {
    case "random":
      return Object.fromEntries(free.map(([name]) => [name, random(name)]));
    case "data": {
      const data = options.data();
      return Object.fromEntries(free.map(([name]) => [name, data[name] ?? random(name)]));
    }
    case "chains": {
      const kept = Object.entries(carriedByModel(model)).flatMap(([name, spec]) =>
        spec.of?.density === model.generative && options.session.has(carriedName(name)) ? [[spec.of?.variable ?? "", name] as const] : [],
      );
      const named = new Map(kept);
      if (!free.some(([name]) => named.has(name))) {
        throw new GmcError("GM4009", `training left no persistent chains of ${model.generative ?? model.name}`, [
          "persistent chains come of an objective `by pcd(…)`; begin at random or from the data instead",
        ]);
      }
      const values: Record<string, HostTensor> = {};
      for (const [name] of free) {
        const state = named.get(name);
        const { shape } = defined(chain.variables[name], name);
        values[name] = state === undefined ? random(name) : cycled(await options.session.read(carriedName(state)), rows, shape);
      }
      return values;
    }
    default:
      return assertNever(options.start as never);
  }
}

/** The chains of a state [..., chains, ...event], over and over; of tempered replicas the last, which are the model's own. */
function cycled(state: HostTensor, rows: number, event: Shape): HostTensor {
  const lead = state.shape.slice(0, state.shape.length - event.length);
  const [width, chains] = [sizeOf(event), lead.at(-1) ?? 1];
  const before = sizeOf(lead) - chains;
  const data = hostArray(state.dtype, rows * width);
  for (let i = 0; i < rows; i++) {
    const from = (before + (i % chains)) * width;
    data.set(state.data.subarray(from, from + width), i * width);
  }
  return { dtype: state.dtype, shape: [rows, ...event], data };
}

function current(chain: ChainDefinition, options: ChainOptions): Readonly<Record<string, Tensor>> {
  const free = Object.entries(chain.variables).filter(([name]) => options.given[name] === undefined);
  return Object.fromEntries(free.map(([name, { shape, dtype }]) => [name, state(stored(name), [options.rows, ...shape], dtype)]));
}

function stageSweep(chain: ChainDefinition, options: ChainOptions): { readonly graph: Graph; readonly kept: readonly KeptCheck[] } {
  const { graph, kept } = stageKept(
    stored(""),
    () => {
      const values = current(chain, options);
      const w = readWeights(options.model, averagedState(options.averaged));
      const next = chain.sweep(w as never, rootKey().iterate(iterationInput()), values, givenInputs(options));
      for (const [name, value] of Object.entries(values)) writeState(value, defined(next[name], `next ${name}`));
      return {};
    },
    { mode: "eval" },
  );
  return { graph: optimize(graph), kept };
}

/** What the density's variables are given the chain's: values and means. */
function stageShow(
  density: DensityDefinition,
  chain: ChainDefinition,
  options: ChainOptions,
): { readonly graph: Graph; readonly checks: readonly Check["failed"][] } {
  const { graph, checks } = stageChecked(
    () => {
      const w = readWeights(options.model, averagedState(options.averaged));
      const { part, rest: own } = partOf({ ...givenInputs(options), ...current(chain, options) });
      const values = part === undefined ? own : { ...own, [part.name]: withPart(part, defined(own[part.name], part.name)) };
      const under = part === undefined ? values : { ...values, ...namedPart(part.name, part.mask, part.value) };
      const data = dataVariables(options.model);
      const rest = density.head.filter((name) => values[name] === undefined);
      const draw = rest.length === 0 ? undefined : drawFrom(density, w, rootKey(), { kind: "rows", size: options.rows }, values);
      const outputs: Record<string, Tensor> = {};
      for (const name of density.head) {
        outputs[`value:${name}`] = values[name] ?? valueOf(defined(draw, "draw"), name);
        if (data[name]?.domain === "category") continue;
        if (draw !== undefined && rest.includes(name)) outputs[`mean:${name}`] = meanOf(draw, name);
        else if (chain.means[name] !== undefined && options.given[name] === undefined)
          outputs[`mean:${name}`] = chain.means[name](w as never, under);
      }
      chain.watch?.(w as never, values);
      return outputs;
    },
    { mode: "eval" },
  );
  return { graph: optimize(graph), checks };
}
