/** What each density of a model is for: which draws data, which infers latents from them, or what does where no density is written for it. */
import type { DerivedDensity, DerivedModel, DerivedPhase, ExactInverse, ExactPosterior } from "../derived-model.js";
import { exprsOf, exprsOfPosterior } from "../quantity-walk.js";
import { typeOfDomain } from "../shapes.js";
import type { Density, Domain, Expr } from "../types.js";
import { distExprs } from "../walk.js";
import { type DeriveContext, densityOf, parentsOf, variablesIn } from "./context.js";
import { drawsNumbers } from "./contents.js";
import { flowChain } from "./flow-change.js";
import { gaussianPosterior } from "./marginal.js";
import { posteriorMeansOf } from "./posterior-means.js";
import { underPaths } from "./weight-paths.js";
import { weightsIn } from "./weights.js";

type Roles = Pick<DerivedModel, "generative" | "inference" | "inverse" | "inversesApart" | "posterior" | "posteriorMeans" | "untrained">;

/**
 * The generative density draws data; the inference density draws latents given data. Without one, latents that flows map to data are inferred
 * exactly, by the inverse, and normal ones that enter the locations of normals linearly by their posterior; so they are where no statement trains
 * the density that is written.
 */
export function roles(context: DeriveContext, derived: ReadonlyMap<string, DerivedDensity>, phases: readonly DerivedPhase[]): Roles {
  const found = rolesWith(context, derived, true);
  const [density, generative] = [found.inference, found.generative].map((name) => context.model.densities.find((d) => d.name === name));
  if (!density || !generative || !staysUntrained(context, density, generative, phases)) return found;
  const exact = rolesWith(context, derived, false);
  const infers = exact.posterior ?? exact.posteriorMeans ?? (exact.inverse?.infers === true ? exact.inverse : undefined);
  return { ...(infers ? exact : found), untrained: density.name };
}

/** Whether a density has weights that the generative one has not, and no statement moves any of them. A model without statements is trained elsewhere. */
function staysUntrained(context: DeriveContext, density: Density, generative: Density, phases: readonly DerivedPhase[]): boolean {
  if (phases.length === 0) return false;
  const weightsOf = ({ statements }: Density): ReadonlySet<string> =>
    weightsIn(
      context,
      statements.flatMap((s) => (s.kind === "bind" ? [s.binding.value] : s.kind === "draw" ? distExprs(s.dist) : [s.value])),
    );
  const shared = weightsOf(generative);
  const own = [...weightsOf(density)].filter((path) => !shared.has(path));
  const moved = phases.flatMap((p) => p.updates.flatMap((u) => u.moves));
  return own.length > 0 && !own.some((path) => underPaths(path, moved));
}

/** `written`: a density of the file may infer. */
function rolesWith(context: DeriveContext, derived: ReadonlyMap<string, DerivedDensity>, written: boolean): Omit<Roles, "untrained"> {
  const isData = (name: string): boolean => context.model.variables.get(name)?.role === "data";
  const usable = context.model.densities;
  const hasData = context.model.streams.length > 0;
  // without data, samples are of what the model draws by itself
  const generative = usable.find((d) => (hasData ? d.head.some(isData) : d.given.length === 0));
  // What the generative density reads or draws besides data is what inference has to supply.
  const latents = generative ? [...generative.head, ...generative.given].filter((v) => !isData(v)) : [];
  const infers = (d: Density): boolean =>
    d !== generative && d.head.length > 0 && d.given.some(isData) && latents.every((v) => d.head.includes(v));
  const inference = written && latents.length > 0 ? usable.find(infers) : undefined;
  const inverses = generative ? derived.get(generative.name)?.inverses : undefined;
  const own = generative && derived.get(generative.name);
  const follow = (from: (v: string) => boolean): ReadonlyMap<string, Expr> => {
    const known = (expr: Expr): boolean =>
      [...variablesIn(context, [expr])].every((v) => from(v) || (inverses?.has(v) === true && known(inverses.get(v) ?? expr)));
    return new Map([...(inverses ?? [])].filter(([v, value]) => latents.includes(v) && known(value)));
  };
  const classes = own && !inference ? classesOf(context, own, isData) : [];
  const values = follow((v) => isData(v) || classes.includes(v));
  const inverse =
    generative && values.size > 0
      ? {
          density: generative.name,
          values,
          infers: decidesData(context, generative, new Set([...values.keys(), ...classes]), isData),
          classes,
        }
      : undefined;
  const inversesApart = generative ? apartFrom(context, generative.name, inverses ?? new Map<string, Expr>(), inverse) : [];
  const above = latents.filter((v) => !values.has(v));
  const posterior = generative && !inference && classes.length === 0 ? posteriorOf(context, generative, above, values) : undefined;
  const posteriorMeans =
    generative && !inference && !inverse?.infers && !posterior ? posteriorMeansOf(context, generative, latents) : undefined;
  return { generative: generative?.name, inference: inference?.name, inverse, inversesApart, posterior, posteriorMeans };
}

/** Joint states of latents that are enumerated to draw from their posterior. */
const STATES = 1024;

/**
 * Latents with a few states beside those that inverses give, which read them or are drawn given them, where the log-density is of data and of these alone: p(latents | data) is then
 * the log-density at each state, normalised. Empty where there are none, or where it is not so.
 */
function classesOf(
  context: DeriveContext,
  { quantity, head, inverses }: DerivedDensity,
  isData: (name: string) => boolean,
): readonly string[] {
  const classes = head.filter((v) => !isData(v));
  if (!quantity || inverses.size === 0 || drawsNumbers(context, exprsOf(quantity))) return [];
  const spec = (v: string): Domain | undefined => context.model.variables.get(v)?.domain;
  if (head.some((v) => isData(v) && spec(v)?.optional)) return [];
  const states = classes.map((v) => {
    const domain = spec(v);
    if (!domain || domain.shape.length > 0) return Infinity;
    return domain.name === "binary" ? 2 : domain.name === "category" ? (domain.classes?.size ?? Infinity) : Infinity;
  });
  return states.reduce((product, n) => product * n, 1) <= STATES ? classes : [];
}

/** Inverses of one latent each that are given less than all together, or what does not follow from data. */
function apartFrom(
  context: DeriveContext,
  density: string,
  inverses: ReadonlyMap<string, Expr>,
  all: ExactInverse | undefined,
): readonly ExactInverse[] {
  const ends = (expr: Expr): ReadonlySet<string> =>
    new Set([...variablesIn(context, [expr])].flatMap((v) => (inverses.has(v) ? [...ends(inverses.get(v) ?? expr)] : [v])));
  const together = new Set([...(all?.values.values() ?? [])].flatMap((value) => [...ends(value)]));
  const apart = [...inverses].filter(([v, value]) => {
    if (all?.values.has(v) !== true) return true;
    return all.classes.length > 0 || ends(value).size < together.size;
  });
  return apart.map((entry) => ({ density, values: new Map([entry]), infers: false, classes: [] }));
}

/** Whether data are drawn given nothing else that is not known: what draws the latents that are known then changes no row. */
function decidesData(
  context: DeriveContext,
  { name, head }: Density,
  values: ReadonlySet<string>,
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
