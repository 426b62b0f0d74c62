/**
 * Translation: a density of one data variable given another, such as `density p(b | a) { b = to_b(a) }`, its noise aside. Between streams, where
 * another goes the other way, `q(a | b)`, the translation is taken back, which is what cycle consistency is about (Zhu et al. 2017, figure 3); of pairs
 * in one stream the truth is known (Isola et al. 2017, figure 4).
 */
import { rootKey, type Tensor } from "../graph/index.js";
import type { DensityDefinition, ModelDefinition } from "../model.js";
import { averagedState, dataInput, dataVariables, defined, readWeights } from "../train/context.js";
import { drawFrom, drawProgram, meanOf, type DrawOptions, type DrawProgram } from "./draw.js";

/** One way of a translation. */
export interface Direction {
  /** Data variables. */
  readonly from: string;
  readonly to: string;
  readonly density: DensityDefinition;
  /** The density that goes from `to` to `from`. */
  readonly back?: DensityDefinition;
  /** Both are of one stream: row i of `to` is what row i of `from` becomes. */
  readonly paired: boolean;
}

/** Densities that take one data variable to another, in the order of the model. */
export function directionsOf(model: ModelDefinition): readonly Direction[] {
  const streamOf = (name: string): number => model.streams.findIndex((stream) => Object.hasOwn(stream, name));
  const ways = Object.values(model.densities).flatMap((density): Direction[] => {
    const [to, ...moreHead] = density.head.filter((name) => streamOf(name) >= 0);
    const [from, ...moreGiven] = density.given;
    if (to === undefined || from === undefined || moreHead.length > 0 || moreGiven.length > 0 || density.sample === undefined) return [];
    if (streamOf(from) < 0 || density.chain !== undefined || density.sequential !== undefined) return [];
    return [{ from, to, density, paired: streamOf(to) === streamOf(from) }];
  });
  return ways.map((way) => {
    const back = way.paired ? undefined : ways.find((other) => other.from === way.to && other.to === way.from)?.density;
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
