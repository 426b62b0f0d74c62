/** Which values of a data variable's domain its densities exclude: where data hold them, a likelihood is infinite or means nothing. */
import { distributions } from "./distributions.js";
import type { DistCall, DomainName, ModelIr } from "./types.js";

export type OpenEnds = "low" | "both";

/** The ends at which a density that draws the variable has no finite value; undefined where all values of the domain are fine. */
export function openEnds(model: ModelIr, variable: string): OpenEnds | undefined {
  const domain = model.variables.get(variable)?.domain.name;
  const ends = model.densities.flatMap((density) =>
    density.statements.map((s) => (s.kind === "draw" && s.variable === variable && domain ? endsOf(s.dist, domain) : undefined)),
  );
  return ends.includes("both") ? "both" : ends.find((e) => e !== undefined);
}

/** Whether a density draws vectors of zeros and one 1 as the variable. */
export function drawsUnitVectors(model: ModelIr, variable: string): boolean {
  return model.densities.some((density) =>
    density.statements.some(
      (s) => s.kind === "draw" && s.variable === variable && distributions.get(s.dist.dist)?.values === "unitVectors",
    ),
  );
}

function endsOf(dist: DistCall, domain: DomainName): OpenEnds | undefined {
  return dist.of ? endsOf(dist.of, domain) : distributions.get(dist.dist)?.open?.[domain];
}
