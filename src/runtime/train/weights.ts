/**
 * How a run starts: the weights of a model, evaluated on the host from (seed, path) alone, so they are the same for every engine.
 */
import type { Column, Dataset } from "../data/dataset.js";
import type { EngineSession, HostTensor } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { ModelDefinition } from "../model.js";
import type { InitData } from "../nn/init.js";
import { initialState, leavesOf } from "../nn/spec.js";

/** State name -> value of every weight. `dataset` serves initialisers that start from data. */
export function initialWeights(model: ModelDefinition, seed: number, dataset?: Dataset): ReadonlyMap<string, HostTensor> {
  const data = dataset && initData(dataset);
  return new Map(
    leavesOf(model.weights).map(({ path, spec }) => [
      path,
      { dtype: "f32", shape: spec.shape, data: Float32Array.from(initialState(spec, { seed, data, path })) },
    ]),
  );
}

export async function writeAll(session: EngineSession, states: ReadonlyMap<string, HostTensor>): Promise<void> {
  for (const [name, value] of states) await session.write(name, value);
}

/** Distinct training rows, picked by the partial Fisher-Yates shuffle. */
function initData(dataset: Dataset): InitData {
  const columns: Readonly<Record<string, Column>> = Object.assign({}, ...dataset.streams.map((s) => s.splits.train.columns));
  const columnOf = (variable: string | null): Column => {
    const column = variable === null ? Object.values(columns)[0] : columns[variable];
    if (column === undefined) throw new GmcError("GM4004", `a parameter starts from data of \`${String(variable)}\`, and there is none`);
    return column;
  };
  return {
    rowSize: (variable) => columnOf(variable).width,
    rows: (variable, count, stream) => {
      const { source, width, scale } = columnOf(variable);
      const rows = source.length / Math.max(1, width);
      if (count > rows) throw new GmcError("GM4004", `a parameter starts from ${count} distinct rows of data, and there are ${rows}`);
      const moved = new Map<number, number>();
      const out = new Float64Array(count * width);
      for (let i = 0; i < count; i++) {
        const j = i + stream.below(rows - i);
        const row = moved.get(j) ?? j;
        moved.set(j, moved.get(i) ?? i);
        for (let k = 0; k < width; k++) out[i * width + k] = (source[row * width + k] ?? 0) * (source instanceof Uint8Array ? scale : 1);
      }
      return out;
    },
  };
}
