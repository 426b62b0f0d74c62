/** Indexes over a model that the derivations share: definitions of variables, bindings, parents, the weights behind an expression. */
import { below } from "../../base/below.js";
import { InternalError } from "../../base/internal-error.js";
import { remembered } from "../../base/remembered.js";
import type { Diagnostics } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import type { MaskRule } from "../autoregressive/order.js";
import type { OrderedNet, Sequential } from "../autoregressive/prove.js";
import { builtins } from "../builtins.js";
import { distributions } from "../distributions.js";
import type { EnergyAnalysis } from "../energy/types.js";
import { bijectionsOf, flowsIn, netsIn } from "../flows.js";
import type { BijectionInstance, Binding, Density, DistCall, Expr, Flow, LayerInstance, ModelIr, Net, Param } from "../types.js";
import { childrenOf, distExprs, walkExpr } from "../walk.js";

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

/**
 * Calls `visit` on an expression after all below it, following locals to their bindings, in the order of evaluation.
 * `partsOf` says what stands below: all of an expression, or what a gradient passes to. Bindings in `seen` are left out, and those that are walked are added: handed on, it makes several walks as long as one.
 */
export function walk(
  context: DeriveContext,
  expr: Expr,
  visit: (expr: Expr) => void,
  seen: Set<string> = new Set(),
  partsOf: (expr: Expr) => readonly Expr[] = childrenOf,
): void {
  // A stack of our own: a chain of bindings is deeper than the machine's. `undefined` stands above what is to be visited next.
  const open: (Expr | undefined)[] = [expr];
  while (open.length > 0) {
    const e = open.pop();
    if (e === undefined) {
      visit(open.pop() as Expr);
      continue;
    }
    const below = partsOf(e);
    const bound = e.kind === "local" && !seen.has(e.local.id) ? context.bindings.get(e.local.id) : undefined;
    if (below.length === 0 && !bound) {
      visit(e);
      continue;
    }
    open.push(e, undefined);
    for (let i = below.length - 1; i >= 0; i--) open.push(below[i]);
    if (bound) open.push(bound.value);
    if (bound) seen.add(bound.local.id);
  }
}

/** Bindings that a binding reads and that are not known yet, each after what it reads, and itself last. */
export function inOrder(context: DeriveContext, binding: Binding, isKnown: (binding: Binding) => boolean): readonly Binding[] {
  const reads = (b: Binding): readonly Binding[] => {
    const found: Binding[] = [];
    walkExpr(b.value, (e) => {
      const inner = e.kind === "local" ? context.bindings.get(e.local.id) : undefined;
      if (inner && !isKnown(inner)) found.push(inner);
    });
    return found;
  };
  return [...below(binding, reads), binding];
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

interface Drawn {
  readonly variable: string;
  readonly dist: DistCall;
}

/** Is the variable drawn given its own sum, `x ~ Multinomial(sum(x), …)`? To draw it takes a value whose sum is kept. */
export function readsOwnSum(context: DeriveContext, { variable, dist }: Drawn): boolean {
  return ownReads(context, { variable, dist }, true);
}

/** Is the variable drawn entry after entry, each given those before it: does it stand in its own parameters otherwise than by its sum? */
export function readsItself(context: DeriveContext, { variable, dist }: Drawn): boolean {
  return ownReads(context, { variable, dist }, false);
}

function ownReads(context: DeriveContext, { variable, dist }: Drawn, bySum: boolean): boolean {
  const sums = new Set(
    distributions.get(dist.dist)?.parameters.flatMap((list) => list.flatMap((p) => (p.ownSum ? [p.runtime ?? p.name] : []))),
  );
  const own = Object.entries(dist.params).flatMap(([name, expr]) => (sums.has(name) === bySum ? [expr] : []));
  const inner = dist.of && !bySum ? distExprs(dist.of) : [];
  return variablesIn(context, [...own, ...inner]).has(variable);
}

/** Variables of a density that are drawn given their own sum. */
export function givenTheirSum(context: DeriveContext, index: DensityIndex): readonly string[] {
  return [...index.definitions.values()].flatMap((d) => (d.kind === "draw" && readsOwnSum(context, d) ? [d.variable] : []));
}

/** No gradient passes: `stop(…)`. */
export function stopsGradient(expr: Expr): boolean {
  return expr.kind === "builtin" && expr.fn === "stop";
}

/**
 * The parts of an expression that a gradient passes to: none of `stop(…)` or `argmax(…)`, and of a call of a net only the arguments that its result
 * has a gradient in.
 */
function gradientParts(context: DeriveContext): (expr: Expr) => readonly Expr[] {
  const partsOf = (e: Expr): readonly Expr[] => {
    if (e.kind === "builtin" && builtins.get(e.fn)?.noGradient) return [];
    if (e.kind !== "netCall") return childrenOf(e);
    const reached = gradientParams(context).get(e.net) ?? paramsReached(netOf(context, e.net));
    return e.args.filter((_, i) => reached[i]);
  };
  const paramsReached = (net: Net): readonly boolean[] => {
    const read = new Set<string>();
    walk(context, net.result, (e) => e.kind === "local" && read.add(e.local.id), new Set(), partsOf);
    const reached = net.params.map((p) => read.has(p.id));
    gradientParams(context).set(net.name, reached);
    return reached;
  };
  return partsOf;
}

/** Of each net asked about, whether its result has a gradient in each of its parameters. */
const gradientParams = remembered((_: DeriveContext) => new Map<string, readonly boolean[]>());

/** Paths of the params and layers behind expressions, in the order of first use. */
export function weightsIn(context: DeriveContext, exprs: readonly Expr[]): ReadonlySet<string> {
  return weightsBehind(context, exprs, childrenOf, (net) => net.body);
}

/** Those of them that the expressions have a gradient in. What a net binds and nothing reads counts as the net's. */
export function weightsWithGradient(context: DeriveContext, exprs: readonly Expr[]): readonly string[] {
  const unread = (net: Net): readonly Binding[] => {
    const read = new Set<string>();
    for (const e of [...net.body.map((b) => b.value), net.result]) walkExpr(e, (x) => x.kind === "local" && read.add(x.local.id));
    return net.body.filter((b) => !read.has(b.local.id));
  };
  const reached = weightsBehind(context, exprs, gradientParts(context), unread);
  return [...weightsIn(context, exprs)].filter((w) => reached.has(w));
}

function weightsBehind(
  context: DeriveContext,
  exprs: readonly Expr[],
  partsOf: (expr: Expr) => readonly Expr[],
  roots: (net: Net) => readonly Binding[],
): ReadonlySet<string> {
  const found = new Set<string>();
  const nets = new Set<string>();
  const seen = new Set<string>();
  const ofNet = (net: Net): void => {
    if (nets.has(net.name)) return;
    nets.add(net.name);
    for (const b of roots(net)) walk(context, b.value, visit, seen, partsOf);
    walk(context, net.result, visit, seen, partsOf);
  };
  const visit = (e: Expr): void => {
    if (e.kind === "param") found.add(e.path);
    else if (e.kind === "layer" && e.instance.parameterCount > 0) found.add(e.instance.path);
    else if (e.kind === "netCall") ofNet(netOf(context, e.net));
    else if (e.kind === "flowCall") {
      const parts = partsOfFlow(context, flowOf(context, e.flow));
      for (const b of parts.bijections) if (b.parameterCount > 0) found.add(b.path);
      parts.nets.forEach(ofNet);
    }
  };
  for (const expr of exprs) walk(context, expr, visit, seen, partsOf);
  return found;
}

/** A parameter, or a layer or bijection with weights. */
export interface WeightEntry {
  readonly path: string;
  readonly parameters: number;
  readonly span: Span;
  readonly of:
    | { readonly kind: "param"; readonly param: Param }
    | { readonly kind: "layer"; readonly instance: LayerInstance }
    | { readonly kind: "bijection"; readonly instance: BijectionInstance };
}

/** Every weight of the model, in the order of the file: params, nets, layers that stand in densities and objectives. */
export const weightEntries = remembered((context: DeriveContext): readonly WeightEntry[] => {
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
  const seen = new Set<string>();
  const note = (e: Expr): void => {
    if (e.kind !== "layer" || e.instance.parameterCount === 0) return;
    const { instance } = e;
    found.set(instance.path, {
      path: instance.path,
      parameters: instance.parameterCount,
      span: instance.span,
      of: { kind: "layer", instance },
    });
  };
  const visit = (e: Expr): void => walk(context, e, note, seen);
  const ofNet = (net: Net): void => {
    for (const b of net.body) visit(b.value);
    visit(net.result);
  };
  // those of a flow stand together, in the order of its steps
  const conditioners = new Set(model.flows.flatMap((flow) => partsOfFlow(context, flow).nets));
  const within = new Set([...conditioners].flatMap((net) => model.nets.filter((n) => n.path.startsWith(`${net.path}.`))));
  for (const net of model.nets) if (!conditioners.has(net) && !within.has(net)) ofNet(net);
  for (const flow of model.flows) {
    for (const name of netsIn(flow.steps.filter((s) => s.kind === "own"))) ofNet(netOf(context, name));
    for (const { instance, conditioner } of bijectionsOf(flow.steps)) {
      if (instance.parameterCount > 0)
        found.set(instance.path, {
          path: instance.path,
          parameters: instance.parameterCount,
          span: instance.span,
          of: { kind: "bijection", instance },
        });
      const net = conditioner && netOf(context, conditioner.net);
      for (const inner of net ? model.nets.filter((n) => n === net || n.path.startsWith(`${net.path}.`)) : []) ofNet(inner);
    }
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
});

/** The shortest list of paths that covers `moved` and nothing else of `all`: a net's name where all its layers move. */
export function coveringPaths(all: readonly string[], moved: readonly string[]): readonly string[] {
  if (moved.length === 0) return [];
  const below = countBelow(all);
  const movedBelow = countPaths(moved);
  const covered = (prefix: string): boolean => movedBelow.get(prefix) === below.get(prefix);
  return [...new Set(moved.map((p) => prefixesOf(p).find(covered) ?? p))];
}

/** How many of the paths lie at or below each prefix. */
function countPaths(paths: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const path of paths) for (const prefix of prefixesOf(path)) counts.set(prefix, (counts.get(prefix) ?? 0) + 1);
  return counts;
}

/** `a.b.c` -> a, a.b, a.b.c */
function prefixesOf(path: string): readonly string[] {
  const prefixes: string[] = [];
  for (let dot = path.indexOf("."); dot >= 0; dot = path.indexOf(".", dot + 1)) prefixes.push(path.slice(0, dot));
  prefixes.push(path);
  return prefixes;
}

/** Whether a weight path lies at or below one of the prefixes. */
export function underPaths(path: string, prefixes: readonly string[]): boolean {
  if (prefixes.length <= 4) return prefixes.some((prefix) => path === prefix || path.startsWith(`${prefix}.`));
  const set = setOf(prefixes);
  return prefixesOf(path).some((prefix) => set.has(prefix));
}

// Lists of paths are never changed once they are made, and the same one is asked about many times.
const setOf = remembered((paths: readonly string[]): ReadonlySet<string> => new Set(paths));
const countBelow = remembered(countPaths);
