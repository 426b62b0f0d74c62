/** What the options that are handed on take: how values are read, and how an engine is opened. */
import type { FieldOptions } from "../data/dataset.js";
import { idleOption, idleScaling } from "../data/idle-options.js";
import type { EngineOptions } from "../engines/engine.js";
import { GmcError } from "../graph/errors.js";
import type { VariableSpec } from "../model.js";
import {
  callback,
  checkOptions,
  flag,
  numberFromZero,
  oneOf,
  positiveNumber,
  shareOfRows,
  wholeFrom,
  type OptionTable,
} from "./options.js";

export const engineOptions: OptionTable<EngineOptions> = {
  threads: wholeFrom(1),
  memory: positiveNumber,
  tune: flag,
  onTuning: callback,
  storage: oneOf("f32", "f16"),
};

const fieldOptions: OptionTable<FieldOptions> = {
  binarize: oneOf("dynamic", "fixed", "threshold"),
  binarizeSeed: wholeFrom(0),
  threshold: numberFromZero,
  scale: oneOf("none", "standardize", "minmax", "whiten"),
  ridge: positiveNumber,
  maximum: positiveNumber,
  observed: wholeFrom(1),
  observedSeed: wholeFrom(0),
  observedShare: shareOfRows,
  empty: oneOf("keep"),
};

/** How the values of a variable are read. GM4050, GM4008 for an option or a value that there is not, and for one that would change nothing. */
export function checkFieldOptions(variable: string, { domain }: VariableSpec, given: FieldOptions): void {
  const what = `dataOptions.${variable}`;
  checkOptions(what, given, fieldOptions, `${what}.`);
  const binarizing = (["binarize", "threshold", "binarizeSeed"] as const).find((name) => given[name] !== undefined);
  if (binarizing !== undefined && domain !== "binary")
    throw new GmcError("GM4008", `${what}.${binarizing} makes values binary, and ${variable} is ${domain}`, [
      "declare the variable `binary`, or leave the option out",
    ]);
  const unscaled = idleScaling(given, [domain]);
  if (unscaled !== undefined)
    throw new GmcError("GM4008", `${what}.${unscaled.name} has nothing to act on: ${variable} is ${domain}`, [
      `it scales ${unscaled.takes.join(", ")} variables: leave it out, or declare the variable so`,
    ]);
  const idle = idleOption(given);
  if (idle !== undefined)
    throw new GmcError("GM4008", `${what}.${idle.name} has nothing to act on without ${idle.owner}: "${idle.wanted}"`, [
      `write { ${idle.owner}: "${idle.wanted}", ${idle.name}: ${idle.value} }`,
    ]);
}
