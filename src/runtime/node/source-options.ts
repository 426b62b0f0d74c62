/** Options of `--data` that only some sources read; another source refuses them, since it would load what was not asked for. */
import { GmcError } from "../graph/errors.js";
import { dataOptionNames, type DataItem, type ItemOptions } from "../data/spec.js";

const sourceOptions = ["header", "delimiter", "width", "rate", "vocabulary", "words", "stopwords", "rows", "noise", "seed"] as const;

export type SourceOption = (typeof sourceOptions)[number] & keyof ItemOptions;

/** GM5013 for an option that the source does not read. */
export function refuseUnread({ source, options }: DataItem, read: readonly SourceOption[]): void {
  const idle = sourceOptions.find((name) => options[name] !== undefined && !read.includes(name));
  if (idle === undefined) return;
  const common = dataOptionNames.filter((name) => !sourceOptions.some((own) => own === name));
  throw new GmcError("GM5013", `${source} has no option ${idle}`, [
    ...(idle === "rows" ? [`the first ${options.rows} training rows alone: limit=${options.rows}`] : []),
    `options of ${source}: ${[...read, ...common].join(", ")}`,
  ]);
}

/** GM5013 where pictures are to be resized and there are none. */
export function refuseNoPictures({ source, part, options }: DataItem, shapes: readonly (readonly number[])[]): void {
  const idle = options.size !== undefined ? "size" : options.pad !== undefined ? "pad" : undefined;
  if (idle === undefined || part === "labels" || shapes.some((shape) => shape.length >= 3)) return;
  throw new GmcError("GM5013", `${source}: ${idle} is for pictures, [rows, height, width] or [rows, height, width, channels]`);
}
