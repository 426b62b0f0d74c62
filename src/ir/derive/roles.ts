/** What each density of a model is for: which draws data, which infers latents from them, or what does where no density is written for it. */
import type { DerivedDensity, DerivedModel, ExactPosterior } from "../derived-model.js";
import { exprsOfPosterior } from "../quantity-walk.js";
import { typeOfDomain } from "../shapes.js";
import type { Density, Expr } from "../types.js";
import { type DeriveContext, densityOf, variablesIn } from "./context.js";
import { gaussianPosterior } from "./marginal.js";
import { posteriorMeansOf } from "./posterior-means.js";

/**
 * The generative density draws data; the inference density draws latents given data. Without one, latents that flows map to data are inferred
 * exactly, by the inverse, and normal ones that enter the locations of normals linearly by their posterior.
 */
export function roles(
  context: DeriveContext,
  derived: ReadonlyMap<string, DerivedDensity>,
): Pick<DerivedModel, "generative" | "inference" | "inverse" | "posterior" | "posteriorMeans"> {
  const isData = (name: string): boolean => context.model.variables.get(name)?.role === "data";
  const usable = context.model.densities;
  const hasData = context.model.streams.length > 0;
  // without data, samples are of what the model draws by itself
  const generative = usable.find((d) => (hasData ? d.head.some(isData) : d.given.length === 0));
  // What the generative density reads or draws besides data is what inference has to supply.
  const latents = generative ? [...generative.head, ...generative.given].filter((v) => !isData(v)) : [];
  const infers = (d: Density): boolean =>
    d !== generative && d.head.length > 0 && d.given.some(isData) && latents.every((v) => d.head.includes(v));
  const inference = latents.length > 0 ? usable.find(infers) : undefined;
  const inverses = generative ? derived.get(generative.name)?.inverses : undefined;
  const known = (expr: Expr): boolean =>
    [...variablesIn(context, [expr])].every((v) => isData(v) || (inverses?.has(v) === true && known(inverses.get(v) ?? expr)));
  const exact =
    generative && latents.length > 0 && latents.every((v) => inverses?.has(v)) && latents.every((v) => known(inverses?.get(v) as Expr));
  const posterior = generative && !inference && !exact ? posteriorOf(context, generative, latents) : undefined;
  const posteriorMeans = generative && !inference && !exact && !posterior ? posteriorMeansOf(context, generative, latents) : undefined;
  return {
    generative: generative?.name,
    inference: inference?.name,
    inverse: exact ? generative.name : undefined,
    posterior,
    posteriorMeans,
  };
}

/** p(latents | data) where it is normal, and no row can miss what it is given. */
function posteriorOf(context: DeriveContext, { name, head, given, span }: Density, latents: readonly string[]): ExactPosterior | undefined {
  if (latents.length === 0 || densityOf(context, name).energy || context.sequential.has(name)) return undefined;
  const data = [...head, ...given].flatMap((v) => context.model.variables.get(v) ?? []).filter((v) => v.role === "data");
  if (data.some((v) => v.domain.optional)) return undefined;
  const at = new Map(
    data.map(({ name: variable, domain }): [string, Expr] => [
      variable,
      { kind: "variable", variable, sample: undefined, type: typeOfDomain(domain), span },
    ]),
  );
  const factors = gaussianPosterior(context, name, latents, at, span);
  if (typeof factors === "string") return undefined;
  const read = variablesIn(context, exprsOfPosterior(factors));
  const children = factors.children.map((f) => f.variable);
  return { density: name, latents, given: data.map((v) => v.name).filter((v) => read.has(v) || children.includes(v)), factors };
}
