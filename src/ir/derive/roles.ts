/** What each density of a model is for: which draws data, which infers latents from them, or what does where no density is written for it. */
import type { DerivedDensity, DerivedModel, ExactPosterior } from "../derived-model.js";
import { exprsOfPosterior } from "../quantity-walk.js";
import { typeOfDomain } from "../shapes.js";
import type { Density, Expr } from "../types.js";
import { type DeriveContext, densityOf, parentsOf, variablesIn } from "./context.js";
import { flowChain } from "./flow-change.js";
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
  const values = new Map([...(inverses ?? [])].filter(([v, value]) => latents.includes(v) && known(value)));
  const inverse =
    generative && values.size > 0
      ? { density: generative.name, values, infers: decidesData(context, generative, values, isData) }
      : undefined;
  const above = latents.filter((v) => !values.has(v));
  const posterior = generative && !inference ? posteriorOf(context, generative, above, values) : undefined;
  const posteriorMeans =
    generative && !inference && !inverse?.infers && !posterior ? posteriorMeansOf(context, generative, latents) : undefined;
  return { generative: generative?.name, inference: inference?.name, inverse, posterior, posteriorMeans };
}

/** Whether data are drawn given nothing else that is not known: what draws the latents that are known then changes no row. */
function decidesData(
  context: DeriveContext,
  { name, head }: Density,
  values: ReadonlyMap<string, Expr>,
  isData: (name: string) => boolean,
): boolean {
  const { definitions } = densityOf(context, name);
  const parents = (v: string): readonly string[] => {
    const definition = definitions.get(v);
    return definition ? [...parentsOf(context, definition)] : [];
  };
  const decided = (v: string): boolean =>
    isData(v) || values.has(v) || (definitions.get(v)?.kind === "define" && parents(v).every(decided));
  return head.filter(isData).every((v) => parents(v).every(decided));
}

/**
 * p(latents | data) where it is normal, and no row can miss what it is given. Latents that a flow's inverse gives are known as well, and stand for the
 * data that the flow makes of them.
 */
function posteriorOf(
  context: DeriveContext,
  { name, head, given, span }: Density,
  latents: readonly string[],
  inverses: ReadonlyMap<string, Expr>,
): ExactPosterior | undefined {
  const { energy, definitions } = densityOf(context, name);
  if (latents.length === 0 || energy || context.sequential.has(name)) return undefined;
  const variables = [...head, ...given].flatMap((v) => context.model.variables.get(v) ?? []);
  if (variables.some((v) => v.role === "data" && v.domain.optional)) return undefined;
  const made = [...definitions.values()].flatMap((d) =>
    d.kind === "define" && inverses.has(flowChain(context, d.value)?.source ?? "") ? [d.variable] : [],
  );
  const readsMade = [...definitions.values()].some(
    (d) => !made.includes(d.variable) && [...parentsOf(context, d)].some((v) => made.includes(v)),
  );
  if (readsMade) return undefined;
  const data = variables.filter((v) => !made.includes(v.name) && (v.role === "data" || inverses.has(v.name)));
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
