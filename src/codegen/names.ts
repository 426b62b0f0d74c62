/** Spelling of names in generated code. */

/** Function of a density's energy, and the constant that holds its model. */
export const energyFunction = (density: string): string => `energy${capital(density)}`;
export const energyModelName = (density: string): string => `energyModel${capital(density)}`;

/** Parameters of an objective: the persistent chains of a density, its estimated log Z. */
export const chainsName = (density: string): string => `chains${capital(density)}`;
export const partitionName = (density: string): string => `logZ${capital(density)}`;

export function capital(text: string): string {
  return text.replace(/^./u, (c) => c.toUpperCase());
}
