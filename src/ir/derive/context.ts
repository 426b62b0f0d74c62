/** Indexes over a model that the derivations share: definitions of variables, bindings, parents, the weights behind an expression. */
import { InternalError } from "../../base/internal-error.js";
import type { Diagnostics } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { EnergyAnalysis } from "../energy/types.js";
import type { Binding, Density, DistCall, Expr, LayerInstance, ModelIr, Net, Param } from "../types.js";
import { childrenOf, distExprs } from "../walk.js";

/** How a density defines one of its variables. */
export type Definition =
  | { readonly kind: "draw"; readonly variable: string; readonly dist: DistCall; readonly helper: boolean; readonly span: Span }
  | { readonly kind: "define"; readonly variable: string; readonly value: Expr; readonly span: Span }
  /** One of the variables that the density's energies define together. */
  | { readonly kind: "energy"; readonly variable: string; readonly block: EnergyBlock; readonly span: Span };

/** The factor p(variables | reads) = exp(-ΣE) / Z of a density: the variables of its header that no `~` defines. */
export interface EnergyBlock {
  /** In the order of the header. */
  readonly variables: readonly string[];
  readonly energies: readonly { readonly value: Expr; readonly span: Span }[];
}

export interface DensityIndex {
  readonly density: Density;
  /** In the order of the body, helpers included. */
  readonly definitions: ReadonlyMap<string, Definition>;
  /** Undefined where the body has no energy. */
  readonly energy: EnergyBlock | undefined;
}

export interface DeriveContext {
  readonly model: ModelIr;
  readonly diagnostics: Diagnostics;
  readonly densities: ReadonlyMap<string, DensityIndex>;
  /** Bindings of densities and nets by the id of their local. */
  readonly bindings: ReadonlyMap<string, Binding>;
  readonly nets: ReadonlyMap<string, Net>;
  /** Analyses of the densities that have an energy. */
  readonly energies: ReadonlyMap<string, EnergyAnalysis>;
}

export function deriveContext(model: ModelIr, diagnostics: Diagnostics): DeriveContext {
  const bindings = new Map<string, Binding>();
  const densities = new Map<string, DensityIndex>();
  for (const density of model.densities) {
    for (const statement of density.statements) if (statement.kind === "bind") bindings.set(statement.binding.local.id, statement.binding);
    densities.set(density.name, indexDensity(density));
  }
  for (const net of model.nets) for (const binding of net.body) bindings.set(binding.local.id, binding);
  return { model, diagnostics, densities, bindings, nets: new Map(model.nets.map((net) => [net.name, net])), energies: new Map() };
}

function indexDensity(density: Density): DensityIndex {
  const definitions = new Map<string, Definition>();
  const drawn = new Set(density.statements.flatMap((s) => (s.kind === "draw" || s.kind === "define" ? [s.variable] : [])));
  const energies = density.statements.filter((s) => s.kind === "energy");
  const block: EnergyBlock = { variables: density.head.filter((v) => !drawn.has(v)), energies };
  for (const statement of density.statements) {
    if (statement.kind === "draw" || statement.kind === "define") definitions.set(statement.variable, statement);
    // The variables of the energies are there from the first energy on.
    if (statement.kind === "energy" && statement === energies[0])
      for (const variable of block.variables) definitions.set(variable, { kind: "energy", variable, block, span: statement.span });
  }
  return { density, definitions, energy: energies.length > 0 ? block : undefined };
}

export function variableName(name: string): string {
  return `\`${name}\``;
}

export function densityOf(context: DeriveContext, name: string): DensityIndex {
  const found = context.densities.get(name);
  if (!found) throw new InternalError(`no density ${name}`);
  return found;
}

export function netOf(context: DeriveContext, name: string): Net {
  const found = context.nets.get(name);
  if (!found) throw new InternalError(`no net ${name}`);
  return found;
}

/**
 * Calls `visit` on an expression after all below it, following locals to their bindings once each: in the order of evaluation. What `skip`
 * holds for is left out with all below it.
 */
export function walk(
  context: DeriveContext,
  expr: Expr,
  visit: (expr: Expr) => void,
  seen: Set<string> = new Set(),
  skip: (expr: Expr) => boolean = () => false,
): void {
  if (skip(expr)) return;
  if (expr.kind === "local" && !seen.has(expr.local.id)) {
    seen.add(expr.local.id);
    const binding = context.bindings.get(expr.local.id);
    if (binding) walk(context, binding.value, visit, seen, skip);
  }
  for (const child of childrenOf(expr)) walk(context, child, visit, seen, skip);
  visit(expr);
}

/** Variables that an expression reads, through bindings. */
export function variablesIn(context: DeriveContext, exprs: readonly Expr[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const expr of exprs) walk(context, expr, (e) => e.kind === "variable" && found.add(e.variable));
  return found;
}

export function definitionInputs(definition: Definition): readonly Expr[] {
  switch (definition.kind) {
    case "draw":
      return distExprs(definition.dist);
    case "define":
      return [definition.value];
    case "energy":
      return definition.block.energies.map((e) => e.value);
  }
}

/** Variables that a variable's conditional reads. */
export function parentsOf(context: DeriveContext, definition: Definition): ReadonlySet<string> {
  const read = new Set(variablesIn(context, definitionInputs(definition)));
  read.delete(definition.variable);
  return read;
}

/** Is the variable drawn given its own sum, `x ~ Multinomial(sum(x), …)`? To draw it takes a value whose sum is kept. */
export function readsItself(context: DeriveContext, { variable, dist }: { readonly variable: string; readonly dist: DistCall }): boolean {
  return variablesIn(context, distExprs(dist)).has(variable);
}

/** Variables of a density that are drawn given their own sum. */
export function givenTheirSum(context: DeriveContext, index: DensityIndex): readonly string[] {
  return [...index.definitions.values()].flatMap((d) => (d.kind === "draw" && readsItself(context, d) ? [d.variable] : []));
}

/** No gradient passes: `stop(…)`. */
export function stopsGradient(expr: Expr): boolean {
  return expr.kind === "builtin" && expr.fn === "stop";
}

/** Paths of the params and layers behind expressions, in the order of first use. */
export function weightsIn(context: DeriveContext, exprs: readonly Expr[], skip?: (expr: Expr) => boolean): ReadonlySet<string> {
  const found = new Set<string>();
  const nets = new Set<string>();
  const visit = (e: Expr): void => {
    if (e.kind === "param") found.add(e.path);
    else if (e.kind === "layer" && e.instance.parameterCount > 0) found.add(e.instance.path);
    else if (e.kind === "netCall" && !nets.has(e.net)) {
      nets.add(e.net);
      const net = netOf(context, e.net);
      for (const b of net.body) walk(context, b.value, visit, new Set(), skip);
      walk(context, net.result, visit, new Set(), skip);
    }
  };
  for (const expr of exprs) walk(context, expr, visit, new Set(), skip);
  return found;
}

/** A parameter or a layer with weights. */
export interface WeightEntry {
  readonly path: string;
  readonly parameters: number;
  readonly span: Span;
  readonly of: { readonly kind: "param"; readonly param: Param } | { readonly kind: "layer"; readonly instance: LayerInstance };
}

/** Every weight of the model, in the order of the file: params, nets, layers that stand in densities and objectives. */
export function weightEntries(context: DeriveContext): readonly WeightEntry[] {
  const { model } = context;
  const found = new Map<string, WeightEntry>();
  for (const param of model.params) {
    found.set(param.path, {
      path: param.path,
      parameters: param.domain.shape.reduce((n, d) => n * d.size, 1),
      span: param.span,
      of: { kind: "param", param },
    });
  }
  const visit = (e: Expr): void =>
    walk(context, e, (x) => {
      if (x.kind === "layer" && x.instance.parameterCount > 0) {
        const { instance } = x;
        found.set(instance.path, {
          path: instance.path,
          parameters: instance.parameterCount,
          span: instance.span,
          of: { kind: "layer", instance },
        });
      }
    });
  for (const net of model.nets) {
    for (const b of net.body) visit(b.value);
    visit(net.result);
  }
  for (const density of model.densities) {
    for (const s of density.statements) {
      if (s.kind === "bind") visit(s.binding.value);
      else if (s.kind === "draw") distExprs(s.dist).forEach(visit);
      else visit(s.value);
    }
  }
  for (const objective of model.objectives) visit(objective.value);
  for (const phase of model.train) for (const update of phase.updates) visit(update.value);
  return [...found.values()];
}

/** The shortest list of paths that covers `moved` and nothing else of `all`: a net's name where all its layers move. */
export function coveringPaths(all: readonly string[], moved: readonly string[]): readonly string[] {
  const inside = new Set(moved);
  const covered = (prefix: string): boolean => all.every((p) => !underPaths(p, [prefix]) || inside.has(p));
  const shortest = (p: string): string => {
    const parts = p.split(".");
    for (let n = 1; n < parts.length; n++) {
      const prefix = parts.slice(0, n).join(".");
      if (covered(prefix)) return prefix;
    }
    return p;
  };
  return [...new Set(moved.map(shortest))];
}

/** Whether a weight path lies at or below one of the prefixes. */
export function underPaths(path: string, prefixes: readonly string[]): boolean {
  return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
}
