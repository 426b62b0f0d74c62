/**
 * Sampling colder or hotter than the model: parameters of a distribution at a temperature T. Logits are divided by T, so a draw of a Bernoulli or a
 * category comes from p^(1/T), and scales are multiplied by it, as is usual for densities over the reals (a Normal's p^(1/T) has scale √T s).
 */
import { div, GmcError, mul } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";

/** By the name of a parameter; one of what a mixture mixes goes by `of_` and its name. */
const AT: Readonly<Record<string, (value: Tensor, temperature: number) => Tensor>> = {
  logits: (value, t) => div(value, t),
  scale: (value, t) => mul(value, t),
};

/** Parameters by their names at temperature T > 0. GM4031 where none of them is one that a temperature moves. */
export function atTemperature(params: Readonly<Record<string, Tensor>>, temperature: number): Readonly<Record<string, Tensor>> {
  if (temperature === 1) return params;
  const moved = (name: string): ((value: Tensor, t: number) => Tensor) | undefined => AT[name.replace(/^(?:of_)+/u, "")];
  if (!Object.keys(params).some((name) => moved(name) !== undefined)) {
    throw new GmcError("GM4031", `a temperature moves logits and scales, and the distribution is given ${Object.keys(params).join(", ")}`, [
      ...(Object.hasOwn(params, "probs") ? ["write the distribution by its `logits`"] : []),
      "draw at temperature 1",
    ]);
  }
  return Object.fromEntries(Object.entries(params).map(([name, value]) => [name, moved(name)?.(value, temperature) ?? value]));
}
