/**
 * The structural analysis of a density's energy: its terms, the conditional of every variable, which variables interact, the order of a
 * Gibbs sweep. Everything that it claims is proven from the expression alone, for all weights; what cannot be proven is refused or left to
 * be checked as the run goes. Pure but for the findings that it reports.
 */
import { densityOf, definitionInputs, type DeriveContext, variablesIn } from "../derive/context.js";
import { walk } from "../derive/walk-bindings.js";
import { layers } from "../layers.js";
import { report } from "../../base/report.js";
import { sameShape } from "../shapes.js";
import type { Expr, Variable } from "../types.js";
import { builtin } from "./algebra.js";
import { type Dependence, pairKey, type Reach, type Structure, structureOf } from "./dependence.js";
import { colouring, hasBlockLaw } from "./graph.js";
import { lawOf } from "./laws.js";
import { listed } from "./listed.js";
import { checkNormalisable } from "./normalisable.js";
import { affineIn, withoutNorms } from "./rewrite.js";
import { termsOf } from "./terms.js";
import type { Edge, EnergyAnalysis, EnergyTerm, UnitLaw } from "./types.js";

/** Whether a density has an energy. */
export function hasEnergy(context: DeriveContext, density: string): boolean {
  return densityOf(context, density).energy !== undefined;
}

/** Analyses a density that has an energy; undefined after errors. Warnings are reported too. */
export function analyseEnergy(context: DeriveContext, name: string): EnergyAnalysis | undefined {
  const index = densityOf(context, name);
  const variables = index.energy?.variables ?? [];
  const before = context.diagnostics.errors.length;
  const failed = (): boolean => context.diagnostics.errors.length > before;
  checkRandom(context, index.energy?.energies ?? []);
  const read = variablesIn(
    context,
    (index.energy?.energies ?? []).map((e) => e.value),
  );
  const reads = [...read].filter((v) => !variables.includes(v));
  checkOrder(context, name, variables, reads);
  if (failed()) return undefined;
  const structure = structureOf(context, variables);
  const energies = (index.energy?.energies ?? []).map(({ value, span }) => {
    const rewritten = rewrite(context, structure, value, variables);
    if (!variables.some((v) => structure.of(value).on.has(v)))
      report(
        context.diagnostics,
        "GM3610",
        span,
        { density: name },
        {
          notes: [
            variables.length > 0 ? `it defines ${listed(variables)}` : "every variable of the header gets its value from a `~` or a `=`",
          ],
          help: ["a term without them cancels in exp(-E) / Z: leave it out"],
        },
      );
    return rewritten;
  });
  // an energy without variables was meant to mention what no other does
  const idle = failed();
  const terms = energies
    .flatMap((e) => termsOf(context, e))
    .map((t): EnergyTerm => ({ ...t, span: t.expr.span, reach: structure.of(t.expr) }));
  const whole = energies.reduce((a, b) => builtin("add", [a, b], [], a));
  const total = structure.of(whole);
  const stated = (index.energy?.energies ?? []).map((e) => e.value).reduce((a, b) => builtin("add", [a, b], [], a));
  const laws = new Map<string, UnitLaw>();
  for (const v of variables) {
    if (idle && !total.on.has(v)) continue;
    const variable = variableOf(context, v);
    const law = lawOf({ context, structure, density: name, variable, energies: index.energy?.energies ?? [], whole, terms });
    if (law) laws.set(v, law);
  }
  if (failed()) return undefined;
  const real = variables.filter((v) => variableOf(context, v).domain.name === "real");
  const definite = checkNormalisable(
    context,
    structure,
    whole,
    stated,
    terms,
    real,
    variables.filter((v) => !real.includes(v)),
  );
  if (failed()) return undefined;
  const edges = edgesOf(variables, terms, total.pairs);
  const isHidden = (v: string): boolean => context.model.variables.get(v)?.role !== "data";
  return {
    density: name,
    span: index.density.span,
    variables,
    variable: new Map(variables.map((v) => [v, variableOf(context, v)])),
    reads,
    energies,
    rewritten: energies.some((e, i) => e !== (index.energy?.energies ?? [])[i]?.value),
    terms,
    dependence: new Map(
      variables.flatMap((v): [string, Dependence][] => {
        const d = total.on.get(v);
        return d ? [[v, d]] : [];
      }),
    ),
    laws,
    edges,
    slabs: slabsOf(context, laws, edges, whole),
    sweep: colouring(variables, edges, isHidden),
    multiAffine: new Set(
      variables.filter((v) => (total.on.get(v)?.unitDegree ?? 1) === 1 && !meetInBlocks(variableOf(context, v), laws.get(v))),
    ),
    squared: squaresOf(context, variables, terms, total, laws),
    definite,
  };
}

/** See `EnergyAnalysis.squared`. */
function squaresOf(
  context: DeriveContext,
  variables: readonly string[],
  terms: readonly EnergyTerm[],
  total: Reach,
  laws: ReadonlyMap<string, UnitLaw>,
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    variables.flatMap((v): [string, ReadonlySet<string>][] => {
      const { domain } = variableOf(context, v);
      const d = total.on.get(v);
      if (domain.name !== "binary" || domain.atMostOne || laws.get(v)?.kind !== "coupled" || d?.degree !== 2 || d.unitDegree !== 2)
        return [];
      const bent = terms.filter((t) => (t.reach.on.get(v)?.unitDegree ?? 1) > 1);
      return [[v, new Set(variables.filter((other) => other !== v && bent.some((t) => t.reach.on.has(other))))]];
    }),
  );
}

/** Units of a block exclude each other, so their product is 0 and not that of their means; which units meet is not known. */
function meetInBlocks({ domain }: Variable, law: UnitLaw | undefined): boolean {
  return domain.atMostOne !== undefined && law !== undefined && !hasBlockLaw(law);
}

function variableOf(context: DeriveContext, name: string): Variable {
  const variable = context.model.variables.get(name);
  if (!variable) throw new Error(`no variable ${name}`);
  return variable;
}

function rewrite(context: DeriveContext, structure: Structure, value: Expr, variables: readonly string[]): Expr {
  let energy = withoutNorms(context, value, variables);
  for (const v of variables) {
    const variable = variableOf(context, v);
    if (variable.domain.name === "binary") energy = affineIn(context, structure, energy, variable);
  }
  return energy;
}

function edgesOf(variables: readonly string[], terms: readonly EnergyTerm[], pairs: ReadonlyMap<string, unknown>): readonly Edge[] {
  return variables.flatMap((a, i) =>
    variables.slice(i + 1).flatMap((b) => {
      const key = pairKey(a, b);
      return pairs.has(key) ? [{ a, b, terms: terms.filter((t) => t.reach.pairs.has(key)) }] : [];
    }),
  );
}

/** Binary units, each with real units of its own: the energy is a sum over places of what the units there say. */
function slabsOf(
  context: DeriveContext,
  laws: ReadonlyMap<string, UnitLaw>,
  edges: readonly Edge[],
  whole: Expr,
): ReadonlyMap<string, readonly string[]> {
  const slabs = new Map<string, string[]>();
  for (const { a, b } of edges) {
    const spike = [a, b].find((v) => laws.get(v)?.kind === "bernoulli");
    const slab = [a, b].find((v) => laws.get(v)?.kind === "normal");
    if (spike === undefined || slab === undefined) continue;
    if (!sameShape(variableOf(context, spike).domain.shape, variableOf(context, slab).domain.shape)) continue;
    const pair = structureOf(context, [spike, slab], [spike, slab]).of(whole).on.get(pairKey(spike, slab));
    if (pair && pair.coupling !== "coupled") slabs.set(spike, [...(slabs.get(spike) ?? []), slab]);
  }
  return slabs;
}

/** Dropout in an energy would make every evaluation another density. */
function checkRandom(context: DeriveContext, energies: readonly { readonly value: Expr }[]): void {
  for (const { value } of energies)
    walk(context, value, (e) => {
      const random = e.kind === "layer" ? layers.get(e.instance.layer)?.keyed : e.kind === "netCall" && context.nets.get(e.net)?.random;
      if (random === true)
        report(
          context.diagnostics,
          "GM3614",
          e.span,
          { what: e.kind === "layer" ? e.instance.layer : e.kind === "netCall" ? e.net : "" },
          { help: ["an energy has one value for given variables: leave out what draws random numbers"] },
        );
    });
}

/** What an energy reads besides its own variables has its value before them. */
function checkOrder(context: DeriveContext, density: string, variables: readonly string[], reads: readonly string[]): void {
  const index = densityOf(context, density);
  const reaches = (name: string, seen: readonly string[]): string | undefined => {
    const definition = index.definitions.get(name);
    if (!definition || seen.includes(name)) return undefined;
    for (const parent of variablesIn(context, definitionInputs(definition))) {
      if (variables.includes(parent)) return parent;
      const further = reaches(parent, [...seen, name]);
      if (further !== undefined) return further;
    }
    return undefined;
  };
  for (const name of reads) {
    const through = reaches(name, []);
    const definition = index.definitions.get(name);
    if (through === undefined || !definition) continue;
    const energy = (index.energy?.energies ?? []).find((e) => variablesIn(context, [e.value]).has(name));
    report(
      context.diagnostics,
      "GM3611",
      energy?.span,
      { variable: name, density },
      {
        label: `mentions \`${name}\``,
        labels: [{ span: definition.span, text: `\`${name}\` gets its value from \`${through}\`, which the energy defines` }],
        help: [
          `all energies of a body are one factor, normalised over ${listed(variables)} before \`${name}\` is drawn`,
          `leave \`${name}\` out of the energy, or out of the directed statements: an energy can define it too`,
        ],
      },
    );
  }
}
