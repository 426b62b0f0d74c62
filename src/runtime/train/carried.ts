/**
 * State that an update carries from step to step, such as persistent chains: its names in the store and how it begins.
 * A start is a function of (seed, name, specification, training rows) alone, drawn on the host.
 */
import { columnRows, type Column, type Dataset } from "../data/dataset.js";
import { makeGather } from "../data/gather.js";
import type { HostTensor, TypedArray } from "../engines/engine.js";
import { assertNever, GmcError, InternalError } from "../graph/errors.js";
import { hostArray } from "../graph/host.js";
import { hostStream, permutation, type HostStream } from "../graph/random.js";
import { sameShape, sizeOf } from "../graph/shape.js";
import type { CarriedSpec, ModelDefinition, PhaseDefinition, UpdateDefinition } from "../model.js";

/** Name in the store. */
export function carriedName(name: string): string {
  return `chain:${name}`;
}

/** What the updates of a phase carry, by name. GM4007 where two updates mean different values by one name. */
export function carriedOf(phase: PhaseDefinition, batch: number = phase.batch): Readonly<Record<string, CarriedSpec>> {
  const found: Record<string, CarriedSpec> = {};
  for (const update of phase.updates) {
    for (const [name, spec] of Object.entries(carriedBy(update, batch))) {
      const other = found[name];
      if (other !== undefined && !(other.dtype === spec.dtype && sameShape(other.shape, spec.shape))) {
        throw new GmcError(
          "GM4007",
          `${update.label} (${update.place}) carries \`${name}\` as ${spec.dtype} [${spec.shape.join(", ")}], and another update of the phase as ${other.dtype} [${other.shape.join(", ")}]`,
        );
      }
      found[name] ??= spec;
    }
  }
  return found;
}

/** What one update carries, one chain a row where it says so. */
export function carriedBy(update: UpdateDefinition, batch: number): Readonly<Record<string, CarriedSpec>> {
  return Object.fromEntries(
    Object.entries(update.carried ?? {}).map(([name, spec]) => [
      name,
      spec.perRow ? { ...spec, shape: [batch, ...spec.shape.slice(1)] } : spec,
    ]),
  );
}

/** What a model carries in any of its phases; of a name that phases give differently, the last. */
export function carriedByModel(model: Pick<ModelDefinition, "train">): Readonly<Record<string, CarriedSpec>> {
  return Object.assign({}, ...model.train.map((phase) => carriedOf(phase))) as Record<string, CarriedSpec>;
}

/** The first value, [chains, ...event], of replicas all alike [replicas, chains, ...event]. GM4004 where it starts from data that are not there. */
export function startValue(name: string, spec: CarriedSpec, seed: number, dataset: Dataset | undefined): HostTensor {
  const { replicas, ...alone } = spec;
  if (replicas !== undefined) {
    const one = startValue(name, { ...alone, shape: spec.shape.slice(1) }, seed, dataset);
    const data = hostArray(spec.dtype, sizeOf(spec.shape));
    for (let r = 0; r < replicas; r++) data.set(one.data, r * one.data.length);
    return { ...one, shape: spec.shape, data };
  }
  const stream = hostStream(seed, carriedName(name));
  const data = hostArray(spec.dtype, sizeOf(spec.shape));
  fill(data, name, spec, stream, seed, dataset);
  return { dtype: spec.dtype, shape: spec.shape, data };
}

function fill(
  data: TypedArray,
  name: string,
  { start, shape }: CarriedSpec,
  stream: HostStream,
  seed: number,
  dataset: Dataset | undefined,
): void {
  switch (start.kind) {
    case "zeros":
      return;
    case "bernoulli": {
      const p = start.p ?? 0.5;
      for (let i = 0; i < data.length; i++) data[i] = stream.uniform() < p ? 1 : 0;
      return;
    }
    case "uniform":
      for (let i = 0; i < data.length; i++) data[i] = start.low + (start.high - start.low) * stream.uniform();
      return;
    case "normal":
      for (let i = 0; i < data.length; i++) data[i] = (start.scale ?? 1) * stream.normal();
      return;
    case "categorical":
      for (let i = 0; i < data.length; i++) data[i] = stream.below(start.classes);
      return;
    case "data":
      data.set(trainingRows(name, start.variable, shape, stream, seed, dataset));
      return;
    case "counts": {
      const rows = trainingRows(name, start.variable, shape, stream, seed, dataset);
      const width = data.length / Math.max(1, shape[0] ?? 1);
      for (let at = 0; at < data.length; at += width) {
        let total = 0;
        for (let j = 0; j < width; j++) total += rows[at + j] ?? 0;
        for (; total > 0; total--) {
          const j = at + stream.below(width);
          data[j] = (data[j] ?? 0) + 1;
        }
      }
      return;
    }
    default:
      return assertNever(start);
  }
}

/** As many rows of a variable's training data as `shape` has, in an order of their own; after the last one the first again. */
function trainingRows(
  name: string,
  variable: string,
  shape: readonly number[],
  stream: HostStream,
  seed: number,
  dataset: Dataset | undefined,
): Float32Array | Int32Array {
  const column = dataset?.streams.map((s) => s.splits.train.columns[variable]).find((c) => c !== undefined);
  if (column === undefined) throw new GmcError("GM4004", `\`${name}\` starts from data of \`${variable}\`, and there are none`);
  const [chains = 0] = shape;
  if (sizeOf(shape) !== chains * column.width) throw new InternalError(`${name} [${shape.join(", ")}] starts from rows of ${column.width}`);
  const rows = columnRows(column);
  const order = permutation(rows, seed, carriedName(name));
  return drawnRows(
    column,
    Uint32Array.from({ length: chains }, (_, i) => order[i % rows] ?? 0),
    stream,
  );
}

function drawnRows(column: Column, rows: Uint32Array, stream: HostStream): Float32Array | Int32Array {
  const gather = makeGather(column, rows.length);
  gather.run(rows, 0, rows.length);
  if (column.stochastic) return gather.out.map((p) => (stream.uniform() < p ? 1 : 0));
  // a chain has no missing values
  const { classes } = column.variable;
  return classes === undefined ? gather.out : gather.out.map((c) => (c < 0 ? stream.below(classes) : c));
}
