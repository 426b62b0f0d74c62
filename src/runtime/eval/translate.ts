/**
 * Translation between streams: a density of data alone given data alone, such as `density p(b | a) { b = to_b(a) }`. Where another goes the other way,
 * `q(a | b)`, the translation is taken back, which is what cycle consistency is about (Zhu et al. 2017, figure 3).
 */
import { rootKey, type Tensor } from "../graph/index.js";
import type { DensityDefinition, ModelDefinition } from "../model.js";
import { averagedState, dataInput, dataVariables, defined, readWeights } from "../train/context.js";
import { drawFrom, drawProgram, meanOf, type DrawOptions, type DrawProgram } from "./draw.js";

/** One way of a translation. */
export interface Direction {
  /** Data variables of two streams. */
  readonly from: string;
  readonly to: string;
  readonly density: DensityDefinition;
  /** The density that goes from `to` to `from`. */
  readonly back?: DensityDefinition;
}

/** Densities that take one data variable to one of another stream, in the order of the model. */
export function directionsOf(model: ModelDefinition): readonly Direction[] {
  const streamOf = (name: string): number => model.streams.findIndex((stream) => Object.hasOwn(stream, name));
  const ways = Object.values(model.densities).flatMap((density): Direction[] => {
    const [[to, ...moreHead], [from, ...moreGiven]] = [density.head, density.given];
    if (to === undefined || from === undefined || moreHead.length > 0 || moreGiven.length > 0 || density.sample === undefined) return [];
    const apart = streamOf(to) >= 0 && streamOf(from) >= 0 && streamOf(to) !== streamOf(from);
    return apart && density.chain === undefined && density.sequential === undefined ? [{ from, to, density }] : [];
  });
  return ways.map((way) => {
    const back = ways.find((other) => other.from === way.to && other.to === way.from)?.density;
    return back === undefined ? way : { ...way, back };
  });
}

/** Input: rows of `from`. Outputs `there`, rows of `to`, and, where there is a way back, `back`, rows of `from`. */
export function stageTranslation(options: DrawOptions, { from, to, density, back }: Direction): DrawProgram {
  const { model, rows } = options;
  return drawProgram("translate", options, (): Record<string, Tensor> => {
    const w = readWeights(model, averagedState(options.averaged));
    const size = { kind: "rows", size: rows } as const;
    const given = dataInput(from, defined(dataVariables(model)[from], from), rows, undefined);
    const there = meanOf(drawFrom(density, w, rootKey(), size, { [from]: given }), to);
    if (back === undefined) return { there };
    return { there, back: meanOf(drawFrom(back, w, rootKey(), size, { [to]: there }), from) };
  });
}
