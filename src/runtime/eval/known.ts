/** Which entries of a variable are held while the others are drawn: as a caller gives them, and halves of an event by name; masks are 1 (held) and 0. */
import { GmcError } from "../graph/errors.js";
import type { HostTensor } from "../graph/program.js";
import { sameShape, showShape, sizeOf } from "../graph/shape.js";
import type { Shape } from "../graph/types.js";
import type { DensityDefinition, ModelDefinition, SequentialDefinition } from "../model.js";
import { givenRows } from "../data/given-rows.js";
import { shapedRows, type ArrayInput } from "../train/arrays.js";
import { dataVariables, defined } from "../train/context.js";

/** Entries that are held: where `mask` is 1, at `values`. Both [rows, ...event]. */
export interface Known {
  /** The last data variable of which entries can be held unless told. */
  readonly variable?: string | undefined;
  readonly values: HostTensor;
  readonly mask: HostTensor;
}

/** Variables of which some entries can be held while the others are drawn: those drawn entry by entry, and those that a chain moves. */
export function partlyKnown({ sequential, chain, head }: DensityDefinition): readonly Pick<SequentialDefinition, "variable" | "shape">[] {
  if (sequential !== undefined) return sequential;
  const moved = head.filter((name) => chain?.partly?.includes(name));
  return moved.map((variable) => ({ variable, shape: defined(chain?.variables[variable], variable).shape }));
}

/** What known entries are of: the variable that is named, else the last. GM4030 for one of which no entries can be held. */
export function knownIn(
  density: DensityDefinition,
  variable: string | undefined,
): Pick<SequentialDefinition, "variable" | "shape"> | undefined {
  const all = partlyKnown(density);
  const found = variable === undefined ? all.at(-1) : all.find((each) => each.variable === variable);
  if (found === undefined && variable !== undefined)
    throw new GmcError(
      "GM4030",
      density.chain === undefined
        ? `\`${variable}\` of ${density.label} is not drawn entry by entry`
        : `\`${variable}\` of ${density.label} is not held in part`,
      [`known entries are of ${all.map((each) => each.variable).join(" or ")}`],
    );
  return found;
}

/**
 * Rows as a caller without types may hand them over, as host tensors; values that are not held become 0, whatever they were. GM4051 for what is no
 * rows, GM5022 for held values outside the domain, GM4030 for a mask that holds an entry by half or one that is missing, or as `knownIn`.
 */
export function knownRows(
  model: ModelDefinition,
  density: DensityDefinition,
  given: { readonly variable?: string; readonly values: ArrayInput; readonly mask: ArrayInput },
): Known {
  if (typeof given !== "object" || (given as unknown) === null)
    throw new GmcError("GM4051", `known entries are { values, mask }, found ${String(given)}`);
  const seen = partlyKnown(density).findLast((each) => Object.hasOwn(dataVariables(model), each.variable));
  const { variable, shape } = defined(knownIn(density, given.variable ?? seen?.variable), "variable of known entries");
  const spec = defined({ ...dataVariables(model), ...model.latents }[variable], `variable ${variable}`);
  const asked = shapedRows(`mask of ${variable}`, { shape }, given.mask);
  const mask: HostTensor = { dtype: "f32", shape: asked.shape, data: Float32Array.from(asked.data) };
  const other = asked.data.find((v) => v !== 0 && v !== 1);
  if (other !== undefined) throw new GmcError("GM4030", `a mask is 1 where entries are held and 0 elsewhere, found ${other}`);
  const values = shapedRows(variable, { shape }, given.values);
  if (values.data.length !== mask.data.length)
    throw new GmcError("GM4030", `known values have ${values.shape[0]} rows, and their mask ${mask.shape[0]}`);
  const width = sizeOf(shape);
  const isMissing = (v: number): boolean => Number.isNaN(v) || (spec.domain === "category" && v === -1);
  const missing = mask.data.findIndex((held, i) => held === 1 && isMissing(values.data[i] ?? NaN));
  if (missing >= 0)
    throw new GmcError(
      "GM4030",
      `entry ${(missing % width) + 1} of \`${variable}\` is held in row ${Math.floor(missing / width) + 1}, where \`values\` has none (${values.data[missing]})`,
      ["the mask is 1 where entries are held at `values`, and 0 where they are drawn"],
    );
  // what is unknown may be anything, and as NaN it would spread through products with masks
  const partial = Float64Array.from(values.data, (v, i) => (mask.data[i] === 0 ? NaN : v));
  const checked = givenRows(variable, { ...spec, shape }, { ...values, dtype: "f64", data: partial }, true);
  const held = checked.data.map((v, i) => (mask.data[i] === 0 ? 0 : v)) as typeof checked.data;
  return { variable, mask, values: { ...checked, data: held } as HostTensor };
}

/** Known values or their mask as so many rows. GM4030 for other numbers of rows. */
export function fitting(
  value: HostTensor,
  { shape, dtype }: { readonly shape: Shape; readonly dtype: "f32" | "i32" },
  variable: string,
): HostTensor {
  if (!sameShape(value.shape, shape))
    throw new GmcError(
      "GM4030",
      `known entries of \`${variable}\` and their mask are ${showShape(shape)}, found ${showShape(value.shape)}`,
    );
  return { dtype, shape, data: dtype === "i32" ? Int32Array.from(value.data) : Float32Array.from(value.data) };
}

export const regions = ["top", "bottom", "left", "right"] as const;
export type Region = (typeof regions)[number];

/** Height and width. */
type Picture = readonly [height: number, width: number];

/**
 * The mask of an event shape, in C order. Halves are those of `picture` where the entries are its pixels, of [H, W, …] where there are such axes, and
 * of a sequence [T] top and left are the first half. GM4030 for an event without axes.
 */
export function regionMask(event: Shape, region: Region, picture?: Picture): Float32Array {
  const [height, width] = picture ?? axesOf(event);
  const inside = (row: number, column: number): boolean => {
    const upper = row < height / 2;
    const left = width === 1 ? upper : column < width / 2;
    return { top: upper, bottom: !upper, left, right: !left }[region];
  };
  const depth = sizeOf(event) / (height * width);
  return Float32Array.from({ length: sizeOf(event) }, (_, i) => {
    const pixel = Math.floor(i / depth);
    return inside(Math.floor(pixel / width), pixel % width) ? 1 : 0;
  });
}

function axesOf([first, second = 1]: Shape): Picture {
  if (first === undefined) throw new GmcError("GM4030", "one number has no halves to hold");
  return [first, second];
}
