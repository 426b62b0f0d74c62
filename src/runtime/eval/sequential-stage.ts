/**
 * The graphs that draw a variable entry by entry: one that draws a position, one that keeps what follows from a unit once it is drawn (where drawing
 * does not keep it itself), and one that computes once what no entry changes. See graph/incremental for what is kept.
 */
import { InternalError } from "../graph/errors.js";
import {
  add,
  broadcastTo,
  constant,
  div,
  dynamicSlice,
  dynamicUpdateSlice,
  input,
  iterationInput,
  less,
  lift,
  maximum,
  mul,
  reshape,
  rootKey,
  select,
  stage,
  state,
  sub,
  take,
  writeState,
  type DrawShape,
  type Key,
  type Tensor,
} from "../graph/index.js";
import { expanded, fixedGraph, planUnits, UnitEmitter, type Kept, type Place, type UnitPlan } from "../graph/incremental/index.js";
import { optimize } from "../graph/passes/index.js";
import { sameShape, showShape, sizeOf } from "../graph/shape.js";
import type { Graph, Shape } from "../graph/types.js";
import type { SequentialDefinition } from "../model.js";
import { orderOf, type MaskChoice } from "../nn/degrees.js";
import { atTemperature } from "../prob/temperature.js";
import { averagedState, readWeights } from "../train/context.js";
import { givenInputs, type GivenOptions } from "./before.js";
import { FIRST } from "./pieces.js";

const PREFIX = "sequential:";
/** Entries of the store: the variable so far, the means of its entries, which entries are held. */
export const VALUE = `${PREFIX}value`;
export const MEAN = `${PREFIX}mean`;
export const HELD = `${PREFIX}held`;

export interface StageOptions extends Omit<GivenOptions, "session" | "seed"> {
  /** Some entries are held, at what VALUE starts with. */
  readonly held?: boolean | undefined;
  readonly temperature?: number | undefined;
  /** Which of several orders is taken, the first unless told. */
  readonly order?: number | undefined;
  /** False computes everything anew at each position. */
  readonly incremental?: boolean | undefined;
}

export interface StagedEntries {
  /** Draws the position that `iteration` counts. */
  readonly draw: Graph;
  /** After the positions of a unit, whose first is fed as FIRST. */
  readonly keep: Graph | undefined;
  readonly fixed: Graph;
  /** Entries of the store that start at zero. */
  readonly kept: ReadonlyMap<string, Kept>;
  readonly positions: number;
  /** Positions of a unit. */
  readonly perUnit: number;
  /** What is computed in full at each position, and why. */
  readonly notes: readonly string[];
}

interface Layout {
  readonly rows: number;
  readonly units: number;
  readonly perUnit: number;
  /** Event shape of one position. */
  readonly rest: Shape;
  readonly order: readonly number[];
  readonly natural: boolean;
}

export function stageEntries(sequential: SequentialDefinition, options: StageOptions): StagedEntries {
  const layout = layoutOf(sequential, options);
  const { natural, perUnit, units } = layout;
  const whole = stageParams(sequential, options);
  const graph = options.incremental === false ? whole : expanded(whole);
  const plan = planUnits(graph, { variable: VALUE, several: perUnit > 1, natural, full: options.incremental === false });
  const emitters: UnitEmitter[] = [];
  const staged = (fn: () => void): Graph => {
    const made = stage(
      {},
      () => {
        fn();
        return {};
      },
      { mode: "eval" },
    );
    return optimize(made);
  };
  const emitter = (place: Place, keep: boolean): UnitEmitter => {
    const made = new UnitEmitter(plan, { prefix: PREFIX, place, keep });
    emitters.push(made);
    return made;
  };
  const draw = staged(() => {
    const { place, within } = placeOf(sequential, layout, iterationInput());
    const own = emitter(place, plan.strict);
    drawPosition(sequential, layout, options, plan, own, place, within);
    if (plan.strict) own.keepAll();
  });
  const keep = plan.strict ? undefined : staged(() => emitter(placeOf(sequential, layout, input(FIRST, [], "i32")).place, true).keepAll());
  const kept = new Map(emitters.flatMap((made) => [...made.kept]));
  const fixed = optimize(fixedGraph(graph, emitters));
  return { draw, keep, fixed, kept, positions: units * perUnit, perUnit, notes: plan.notes };
}

function layoutOf(sequential: SequentialDefinition, { rows, order: chosen }: StageOptions): Layout {
  const { shape, positionAxes, variable } = sequential;
  const rule = chosen === undefined ? sequential.order : sequential.orders?.[chosen];
  if (!(positionAxes >= 1 && positionAxes <= shape.length))
    throw new InternalError(`${variable} ${showShape(shape)} has no ${positionAxes} axes of positions`);
  const [units = 1, ...within] = shape.slice(0, positionAxes);
  const order = orderOf(rule, units * sizeOf(within));
  const natural = order.every((place, i) => place === i);
  return { rows, units, perUnit: sizeOf(within), rest: shape.slice(positionAxes), order, natural };
}

/** Parameters from the whole variable: an input VALUE. */
function stageParams(sequential: SequentialDefinition, options: StageOptions): Graph {
  const { variable, shape, positionAxes, dtype } = sequential;
  const lead = [options.rows, ...shape.slice(0, positionAxes)];
  return optimize(
    stage(
      { [VALUE]: { shape: [options.rows, ...shape], dtype } },
      (inputs) => {
        const w = readWeights(options.model, averagedState(options.averaged));
        const given = { ...givenInputs(options), [variable]: inputs[VALUE]! };
        const params = sequential.params(w as never, keyFor(options), given, ...masksFor(sequential, options));
        return Object.fromEntries(
          Object.entries(params).map(([name, value]) => {
            if (value.shape.length === 0) return [name, value];
            const full = broadcastTo(value, [...lead, ...value.shape.slice(lead.length)]);
            if (!sameShape(full.shape.slice(0, lead.length), lead)) throw new InternalError(`${name} has no parameters by position`);
            return [name, full];
          }),
        );
      },
      { mode: "eval" },
    ),
  );
}

function masksFor({ orders }: SequentialDefinition, { order }: StageOptions): [MaskChoice?] {
  return order === undefined || orders === undefined ? [] : [{ masks: orders.length, index: order }];
}

/** Rows that are drawn in another order are drawn by other numbers: rows of each order count from the first. */
function keyFor({ order }: StageOptions): Key {
  return order === undefined ? rootKey() : rootKey().at("order").fold(order);
}

/** Where the i-th draw stands. */
function placeOf(
  { shape, dtype }: SequentialDefinition,
  { rows, units, perUnit, order, natural }: Layout,
  i: Tensor,
): { readonly place: Place; readonly within: Tensor } {
  const whole = (n: number): Tensor => lift(n, "i32");
  const inOrder = (at: Tensor): Tensor => (natural ? at : take(constant(order, [order.length], "i32"), at, 0));
  const position = inOrder(i);
  const unit = perUnit === 1 ? position : div(position, whole(perUnit));
  const previous = natural ? sub(unit, whole(1)) : inOrder(maximum(sub(i, whole(1)), whole(0)));
  const started = less(whole(0), natural ? unit : i);
  const x = state(VALUE, [rows, ...shape], dtype);
  return { place: { x, unit, previous, started, units }, within: sub(position, mul(unit, whole(perUnit))) };
}

function drawPosition(
  sequential: SequentialDefinition,
  layout: Layout,
  options: StageOptions,
  plan: UnitPlan,
  emitter: UnitEmitter,
  { x, unit }: Place,
  within: Tensor,
): void {
  const { rows, perUnit, rest } = layout;
  const { positionAxes, variable } = sequential;
  const ones = new Array<number>(positionAxes).fill(1);
  // [B, 1, ...within, ...] -> [B, 1, …, 1, ...]
  const atPosition = (part: Tensor): Tensor => {
    if (perUnit === 1 || part.shape.length === 0) return part;
    const own = part.shape.slice(1 + positionAxes);
    return reshape(dynamicSlice(reshape(part, [rows, perUnit, ...own]), within, 1, 1), [rows, ...ones, ...own]);
  };
  // `value` in place of the entries of `entry` at the position
  const put = (entry: Tensor, value: Tensor): void => {
    if (perUnit === 1) return writeState(entry, dynamicUpdateSlice(entry, value, unit, 1));
    const row = dynamicSlice(entry, unit, 1, 1);
    const changed = dynamicUpdateSlice(reshape(row, [rows, perUnit, ...rest]), reshape(value, [rows, 1, ...rest]), within, 1);
    writeState(entry, dynamicUpdateSlice(entry, reshape(changed, row.shape), unit, 1));
  };
  const params = Object.fromEntries(Object.keys(plan.graph.outputs).map((name) => [name, atPosition(emitter.output(name))]));
  const tempered = atTemperature(sequential.variable, params, sequential.temperature, options.temperature ?? 1);
  const shape: DrawShape = [{ kind: "rows", size: rows }, ...ones, ...rest];
  const own = [rows, ...ones, ...rest];
  const key = keyFor(options).at(variable).iterate(iterationInput());
  const drawn = broadcastTo(sequential.draw(tempered, key, shape), own);
  const here = (entry: Tensor): Tensor => atPosition(dynamicSlice(entry, unit, 1, 1));
  const isHeld = options.held === true ? less(0, here(state(HELD, x.shape))) : undefined;
  const value = isHeld === undefined ? drawn : select(isHeld, here(x), drawn);
  put(x, value);
  if (sequential.mean === undefined) return;
  const mean = broadcastTo(sequential.mean(tempered), own);
  put(state(MEAN, x.shape), isHeld === undefined ? mean : select(isHeld, add(value, 0), mean));
}
