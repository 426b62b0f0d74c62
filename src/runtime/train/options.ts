/** Options that a script hands over: a name that no option has is a mistake, not something to pass over. */
import { suggestion } from "../data/suggest.js";
import { GmcError } from "../graph/errors.js";

/** `known` has every option of `T`, which the compiler holds it to. GM4050 for another one, or for what is no object of options. */
export function checkOptionNames<T extends object>(what: string, given: T, known: Readonly<Record<keyof T, true>>): void {
  if (typeof given !== "object" || given === null)
    throw new GmcError("GM4050", `${what} takes an object of options, found ${given === null ? "null" : typeof given}`);
  const names = Object.keys(known);
  for (const name of Object.keys(given))
    if (!names.includes(name)) throw new GmcError("GM4050", `${what} has no option \`${name}\``, suggestion(name, names));
}
