/** Indexes over a model that the derivations share: definitions of variables, bindings, parents. */
import { InternalError } from "../../base/internal-error.js";
import type { Diagnostics } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { MaskRule } from "../autoregressive/order.js";
import type { OrderedNet, Sequential } from "../autoregressive/prove.js";
import type { EnergyAnalysis } from "../energy/types.js";
import { bijectionsOf, flowsIn, netsIn } from "../flows.js";
import type { BijectionInstance, Binding, Density, DistCall, Expr, Flow, ModelIr, Net } from "../types.js";
import { distExprs, walkExpr } from "../walk.js";

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
  /** Positions of the variables in its header. */
  readonly header: ReadonlyMap<string, number>;
  /** In the order of the body, helpers included. */
  readonly definitions: ReadonlyMap<string, Definition>;
  /** Undefined where the body has no energy. */
  readonly energy: EnergyBlock | undefined;
}

export interface DeriveContext {
  readonly model: ModelIr;
  readonly diagnostics: Diagnostics;
  readonly densities: ReadonlyMap<string, DensityIndex>;
  /** Bindings of densities and nets by the id of their local; what a binding reads stands before it. */
  readonly bindings: ReadonlyMap<string, Binding>;
  /** Variables that each binding reads, through other bindings too. */
  readonly reads: ReadonlyMap<string, ReadonlySet<string>>;
  readonly nets: ReadonlyMap<string, Net>;
  readonly flows: ReadonlyMap<string, Flow>;
  /** Analyses of the densities that have an energy. */
  readonly energies: ReadonlyMap<string, EnergyAnalysis>;
  /** Variables that are drawn entry after entry, by density. */
  readonly sequential: ReadonlyMap<string, readonly Sequential[]>;
  /** Rules of masked layers, by the path of their weights. */
  readonly masks: ReadonlyMap<string, MaskRule>;
  /** Nets of autoregressive bijections, by name: the order in which they read the entries. */
  readonly orders: ReadonlyMap<string, OrderedNet>;
}

export function deriveContext(model: ModelIr, diagnostics: Diagnostics): DeriveContext {
  const bindings = new Map<string, Binding>();
  const densities = new Map<string, DensityIndex>();
  for (const density of model.densities) {
    for (const statement of density.statements) if (statement.kind === "bind") bindings.set(statement.binding.local.id, statement.binding);
    densities.set(density.name, indexDensity(density));
  }
  for (const net of model.nets) for (const binding of net.body) bindings.set(binding.local.id, binding);
  const nets = new Map(model.nets.map((net) => [net.name, net]));
  const flows = new Map(model.flows.map((flow) => [flow.name, flow]));
  return {
    model,
    diagnostics,
    densities,
    bindings,
    reads: readsOf(bindings),
    nets,
    flows,
    energies: new Map(),
    sequential: new Map(),
    masks: new Map(),
    orders: new Map(),
  };
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
  const header = new Map([...density.head, ...density.given].map((v, i) => [v, i]));
  return { density, header, definitions, energy: energies.length > 0 ? block : undefined };
}

export function variableName(name: string): string {
  return `\`${name}\``;
}

/** One pass in order, without recursion: a chain of bindings may be as long as the file. */
function readsOf(bindings: ReadonlyMap<string, Binding>): ReadonlyMap<string, ReadonlySet<string>> {
  const reads = new Map<string, ReadonlySet<string>>();
  for (const [id, binding] of bindings) reads.set(id, variablesUnder(reads, [binding.value]));
  return reads;
}

/** Variables in expressions, and what the locals in them read. Equal sets are one object, so that a long chain holds few. */
function variablesUnder(reads: ReadonlyMap<string, ReadonlySet<string>>, exprs: readonly Expr[]): ReadonlySet<string> {
  let found: ReadonlySet<string> = new Set();
  let own: Set<string> | undefined;
  const add = (variable: string): void => {
    if (found.has(variable)) return;
    if (!own) found = own = new Set(found);
    own.add(variable);
  };
  const visit = (expr: Expr): void => {
    if (expr.kind === "variable") add(expr.variable);
    const through = expr.kind === "local" ? reads.get(expr.local.id) : undefined;
    if (through && found.size === 0) found = through;
    else if (through && through !== found) for (const variable of through) add(variable);
  };
  for (const expr of exprs) walkExpr(expr, visit);
  return found;
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

export function flowOf(context: DeriveContext, name: string): Flow {
  const found = context.flows.get(name);
  if (!found) throw new InternalError(`no flow ${name}`);
  return found;
}

/** Nets that give a flow's bijections their parameters, and the bijections; of the flows of the model that it is made of, too. */
export function partsOfFlow(
  context: DeriveContext,
  flow: Flow,
): { readonly nets: readonly Net[]; readonly bijections: readonly BijectionInstance[] } {
  const nets = netsIn(flow.steps).map((name) => netOf(context, name));
  const own = { nets, bijections: bijectionsOf(flow.steps).map((step) => step.instance) };
  const parts = [own, ...flowsIn(flow.steps).map((name) => partsOfFlow(context, flowOf(context, name)))];
  return { nets: parts.flatMap((p) => p.nets), bijections: parts.flatMap((p) => p.bijections) };
}

/** Variables that expressions read, through bindings. */
export function variablesIn(context: DeriveContext, exprs: readonly Expr[]): ReadonlySet<string> {
  return variablesUnder(context.reads, exprs);
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

/** Variables of a density's header in its order; helpers are left out. */
export function inHeader({ header }: DensityIndex, variables: Iterable<string>): readonly string[] {
  const at = (v: string): number => header.get(v) ?? -1;
  return [...variables].filter((v) => header.has(v)).sort((a, b) => at(a) - at(b));
}
