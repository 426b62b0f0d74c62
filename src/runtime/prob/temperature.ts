/**
 * Sampling colder or hotter than the model: parameters of a distribution at a temperature T, each times T to a power. Logits are divided by T, so a draw
 * of a Bernoulli or a category comes from p^(1/T), and scales are multiplied by it, as is usual for densities over the reals (a Normal's p^(1/T)
 * has scale √T s).
 */
import { div, GmcError, mul } from "../graph/index.js";
import type { Tensor } from "../graph/index.js";

/**
 * Parameters by their names at temperature T > 0; those without a power stay as they are. GM4031 where the distribution of `variable` has no temperature
 * for the parameters that it is given.
 */
export function atTemperature(
  variable: string,
  params: Readonly<Record<string, Tensor>>,
  powers: Readonly<Record<string, number>> | undefined,
  temperature: number,
): Readonly<Record<string, Tensor>> {
  if (temperature === 1) return params;
  if (powers === undefined) {
    const names = Object.keys(params);
    throw new GmcError("GM4031", `\`${variable}\` has no temperature: its distribution is given ${names.join(", ")}`, [
      ...(names.some((name) => name.endsWith("probs"))
        ? ["of a Bernoulli, a category or a mixture, write the `logits`: a temperature divides them"]
        : []),
      "draw at temperature 1, which leaves the distribution as it is",
    ]);
  }
  const moved = (value: Tensor, power: number): Tensor =>
    power < 0 ? div(value, temperature ** -power) : mul(value, temperature ** power);
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [name, powers[name] === undefined ? value : moved(value, powers[name])]),
  );
}
