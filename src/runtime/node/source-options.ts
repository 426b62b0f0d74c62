/** Options of an item that its source has no use for are told: what is silently left out would stand in no protocol. */
import { familiesOf } from "../data/families.js";
import { idleOption, idleScaling } from "../data/idle-options.js";
import { GmcError } from "../graph/errors.js";
import type { StreamSpec } from "../model.js";
import type { DataItem, ItemOptions } from "../data/spec.js";

/** Options on how a source is read, which are of some sources alone. */
const readingOptions = [
  "header",
  "delimiter",
  "width",
  "rate",
  "vocabulary",
  "words",
  "stopwords",
  "rows",
  "noise",
  "seed",
] as const satisfies readonly (keyof ItemOptions)[];

export type ReadingOption = (typeof readingOptions)[number];

/** GM5013 for an option that the source does not take. `elsewhere`: the registered sets that do. */
export function checkReadingOptions(
  { source, options }: DataItem,
  takesOf: () => readonly ReadingOption[],
  elsewhere: (option: ReadingOption) => readonly string[],
): void {
  const given = readingOptions.filter((option) => options[option] !== undefined);
  if (given.length === 0) return;
  const takes = takesOf();
  const idle = given.find((option) => !takes.includes(option));
  if (idle === undefined) return;
  const sets = elsewhere(idle);
  throw new GmcError("GM5013", `${source} takes no option ${idle}`, [
    ...(idle === "rows" ? [`limit=${options.rows} keeps the first ${options.rows} training rows`] : []),
    ...(takes.length > 0 ? [`of how it is read it takes: ${takes.join(", ")}`] : []),
    ...(sets.length > 0 ? [`${idle} is an option of ${sets.join(", ")}`] : []),
  ]);
}

/** GM5013 where no variable that the item may feed is binarised, or scaled, as it asks, or where what an option belongs to is not asked for. */
export function checkValueOptions({ source, variable, options }: DataItem, streams: readonly StreamSpec[]): void {
  const given = (
    [
      ["binarize", options.binarize],
      ["threshold", options.threshold],
      ["binarize-seed", options.binarizeSeed],
    ] as const
  ).find(([, value]) => value !== undefined);
  const family = streams.flatMap(familiesOf).find(({ name }) => name === variable);
  const names = variable === undefined ? undefined : [variable, ...(family?.members ?? [])];
  const fed = streams.flatMap((stream) => Object.entries(stream)).filter(([name]) => names === undefined || names.includes(name));
  if (given !== undefined && fed.length > 0 && !fed.some(([, { domain }]) => domain === "binary"))
    throw new GmcError(
      "GM5013",
      `${given[0]}=${given[1]} of ${source} makes values binary, and ${fed.map(([name, { domain }]) => `${name} is ${domain}`).join(", ")}`,
      ["declare the variable `binary`, or leave the option out"],
    );
  const unscaled =
    fed.length === 0
      ? undefined
      : idleScaling(
          options,
          fed.map(([, { domain }]) => domain),
        );
  if (unscaled !== undefined)
    throw new GmcError(
      "GM5013",
      `${unscaled.name === "scale" ? "scale" : "max"}=${unscaled.value} of ${source} has nothing to act on: ${fed.map(([name, { domain }]) => `${name} is ${domain}`).join(", ")}`,
      [`it scales ${unscaled.takes.join(", ")} variables: leave it out, or declare the variable so`],
    );
  const idle = idleOption(options);
  if (idle === undefined) return;
  const { value, owner, wanted } = idle;
  const name = idle.name === "binarizeSeed" ? "binarize-seed" : idle.name;
  throw new GmcError("GM5013", `${name}=${value} of ${source} has nothing to act on without ${owner}=${wanted}`, [
    `write ${owner}=${wanted}:${name}=${value}`,
  ]);
}
