/**
 * Elaboration: syntax trees -> model IR. Names resolved, hyperparameters in place, families and `for` spelled out, templates expanded, nets
 * instantiated, every expression typed. Gives undefined where there is no model to elaborate or an error was found; what is wrong is in
 * `diagnostics`, and a broken declaration does not make errors of what uses it.
 */
import { Diagnostics, report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { constantOf, inOrder, namesOf } from "./declaration-order.js";
import { firstDeclarations } from "./declared-twice.js";
import { checkDataStarts, declareParams, declareVariables } from "./declare.js";
import { elaborateDensity } from "./density.js";
import { type Context, type Env, type LeastCall, newOwner } from "./env.js";
import { elaborateEvaluate } from "./evaluate.js";
import { fileScopes, resolveImport } from "./files.js";
import { followOns } from "./follow-ons.js";
import { declareHyper, type Given } from "./hyper.js";
import { checkLibraryFile } from "./library-file.js";
import { elaborateObjective } from "./objective-value.js";
import { elaborateStarts } from "./param-starts.js";
import { type Entity, Scope } from "./scope.js";
import { elaborateTrain } from "./train.js";
import type { ModelIr, StaticValue } from "./types.js";
import { warnUnused } from "./unused.js";
import { walkAst } from "./walk.js";

export interface ElaborateInput {
  readonly root: ast.FileAst;
  /** Imported files by resolved path. */
  readonly files: ReadonlyMap<string, ast.FileAst>;
  /** The standard library. */
  readonly std: readonly ast.FileAst[];
  /** `--set NAME=VALUE` */
  readonly set: Readonly<Record<string, StaticValue>>;
  /** Where those are written that a file holds. */
  readonly setAt: Readonly<Record<string, Span>>;
  /** Which model, where the file has several. */
  readonly model?: string | undefined;
  /** A file without a model is checked as one that others import, in place of GM2012. */
  readonly library?: boolean | undefined;
}

export function elaborate(input: ElaborateInput, diagnostics: Diagnostics): ModelIr | undefined {
  const inside = new Diagnostics();
  const fileScope = fileScopes(input, inside);
  const library = isLibrary(input);
  if (library) checkLibraryFile(input.root, fileScope, inside);
  const model = library ? undefined : pickModel(input, inside);
  const ir = model && elaborateSettled(model, fileScope, input, inside);
  const syntax = diagnostics.hasErrors;
  const follows = syntax ? followOns([input.root, ...input.files.values()], diagnostics.errors, lacksImport(input)) : () => false;
  for (const d of inside.list) if (!follows(d)) diagnostics.add(d);
  return inside.hasErrors || syntax ? undefined : ir;
}

/** Whether a file that is imported could not be had, which has been reported. */
function lacksImport({ root, files }: ElaborateInput): boolean {
  return [root, ...files.values()].some((f) => f.imports.some((i) => !files.has(resolveImport(f.file.path, i.path) ?? "")));
}

/** A file that others import, where one may stand for a model. */
function isLibrary({ root, model, library }: ElaborateInput): boolean {
  return library === true && model === undefined && root.decls.length > 0 && root.decls.every((d) => d.kind !== "model");
}

function pickModel({ root, model }: ElaborateInput, diagnostics: Diagnostics): ast.ModelDecl | undefined {
  const models = uniqueModels(root, diagnostics);
  const names = models.map((m) => m.name.name);
  const [only, second] = models;
  if (!only) {
    report(diagnostics, "GM2012", startOf(root), {}, { help: ["a file holds `model Name(…) { … }`"] });
    return undefined;
  }
  if (model !== undefined) {
    const chosen = models.find((m) => m.name.name === model);
    if (!chosen)
      report(
        diagnostics,
        "GM2013",
        startOf(root),
        { name: model, models: names.map((n) => `\`${n}\``).join(", ") },
        { help: didYouMeanHelp(model, names) },
      );
    return chosen;
  }
  if (second) {
    report(
      diagnostics,
      "GM2011",
      second.name.span,
      { models: names.map((n) => `\`${n}\``).join(", ") },
      { labels: [{ span: only.name.span, text: "one" }], help: ["say which one with `--model NAME`"] },
    );
    return undefined;
  }
  return only;
}

/** The models of a file, of each name the first. */
function uniqueModels(root: ast.FileAst, diagnostics: Diagnostics): readonly ast.ModelDecl[] {
  const first = new Map<string, ast.ModelDecl>();
  for (const decl of root.decls) {
    if (decl.kind !== "model") continue;
    const { name, span } = decl.name;
    const before = first.get(name);
    if (before) report(diagnostics, "GM2002", span, { what: "model", name }, { labels: [{ span: before.name.span, text: "first here" }] });
    else first.set(name, decl);
  }
  return [...first.values()];
}

function startOf(root: ast.FileAst): Span {
  return { file: root.file, start: 0, end: 0 };
}

/** Names whose values `constrain … in [low, high]` keeps within bounds, phases included. */
function constrainedNames(model: ast.ModelDecl): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (items: readonly ast.TrainItem[]): void => {
    for (const item of items) {
      if (item.kind === "phase") visit(item.items);
      if (item.kind !== "constrain" || item.bound.kind !== "in") continue;
      walkAst(item.target, (e) => void (e.kind === "name" && names.add(e.name)));
    }
  };
  for (const member of model.members) if (member.kind === "train") visit(member.items);
  return names;
}

/** The model, elaborated anew while a net turns out to be called with fewer axes than before: that many it takes, whichever call stands first. */
function elaborateSettled(model: ast.ModelDecl, fileScope: Scope, given: Given, diagnostics: Diagnostics): ModelIr {
  const least = new Map<ast.NetDecl, readonly LeastCall[]>();
  for (;;) {
    const found = new Diagnostics();
    const fewer = new Map<ast.NetDecl, readonly LeastCall[]>();
    const ir = elaborateModel(model, fileScope, given, found, { least, fewer });
    for (const [decl, calls] of fewer) least.set(decl, calls);
    if (fewer.size > 0) continue;
    for (const d of found.list) diagnostics.add(d);
    return ir;
  }
}

function elaborateModel(
  written: ast.ModelDecl,
  fileScope: Scope,
  given: Given,
  diagnostics: Diagnostics,
  calls: { readonly least: ReadonlyMap<ast.NetDecl, readonly LeastCall[]>; readonly fewer: Map<ast.NetDecl, readonly LeastCall[]> },
): ModelIr {
  const scope = new Scope(fileScope);
  const cx: Context = {
    diagnostics,
    modelScope: scope,
    variables: new Map(),
    streams: [],
    params: [],
    starts: [],
    constrained: constrainedNames(written),
    nets: [],
    netByName: new Map(),
    instances: new Map(),
    leastCalls: calls.least,
    fewerAxes: calls.fewer,
    flows: [],
    flowByName: new Map(),
    flowInstances: new Map(),
    open: [],
    headers: new Map(),
    densityByName: new Map(),
    objectives: new Map(),
    expansions: new Map(),
    facts: new Map(),
    factsOfExpr: new Map(),
    usedIds: new Map(),
    vectorCritics: new Set(),
    told: new Set(),
    disordered: new Set(),
    budget: { unrolled: 0 },
  };
  const env: Env = {
    cx,
    scope,
    owner: newOwner(written.name.name),
    access: { read: () => undefined },
    mode: "net",
    site: written.name.name,
    template: false,
  };
  const hyper = declareHyper(env, written, given, scope);
  const model = { ...written, members: firstDeclarations(written.members, scope, diagnostics) };
  const define = (name: ast.Ident, entity: Entity): void => {
    if (!scope.own(name.name)) scope.define(name.name, entity);
  };
  declareCallables(cx, model, scope, define);
  const ordered = model.members.filter((m) => m.kind === "const" || m.kind === "data" || m.kind === "latent" || m.kind === "param");
  for (const { decl, circular } of inOrder(ordered, scope, diagnostics)) {
    if (circular) for (const name of namesOf(decl)) define(name, { kind: "poison", span: name.span });
    else if (decl.kind === "const") define(decl.name, constantOf(env, decl));
    else if (decl.kind === "param") declareParams(env, decl, define);
    else declareVariables(env, decl, define);
  }
  checkDataStarts(env, model);
  return elaborateMembers(env, model, hyper);
}

/** Nets, densities, objectives and flows may be used before they are declared. */
function declareCallables(cx: Context, model: ast.ModelDecl, scope: Scope, define: (name: ast.Ident, entity: Entity) => void): void {
  for (const member of model.members) {
    const span = "name" in member ? member.name.span : member.span;
    switch (member.kind) {
      case "net":
        cx.usedIds.set(member.name.name, 2);
        define(member.name, { kind: "net", decl: member, scope, template: false, span });
        break;
      case "flow":
        cx.usedIds.set(member.name.name, 2);
        define(member.name, { kind: "flow", decl: member, scope, template: false, span });
        break;
      case "density":
        define(member.name, { kind: "density", decl: member, span });
        break;
      case "objective":
        define(member.name, { kind: "objective", decl: member, scope, library: false, span });
    }
  }
}

function elaborateMembers(env: Env, model: ast.ModelDecl, hyper: ModelIr["hyper"]): ModelIr {
  const { cx } = env;
  const densities = model.members.filter((m) => m.kind === "density");
  for (const decl of densities) {
    const density = elaborateDensity(cx, decl);
    if (density) cx.densityByName.set(density.name, density);
  }
  const objectives = model.members.flatMap((m) =>
    m.kind === "objective" && m.params === undefined ? (elaborateObjective(cx, m, env.scope, m.name.span) ?? []) : [],
  );
  const evaluate = model.members.filter((m) => m.kind === "evaluate");
  const metrics = evaluate.some((e) => e.broken) ? undefined : evaluate.flatMap((e) => e.items.map((i) => i.name.name));
  const train = elaborateTrain(
    env,
    model.members.filter((m) => m.kind === "train"),
    metrics,
  );
  const evaluations = elaborateEvaluate(env, evaluate);
  const starts = elaborateStarts(cx.starts);
  warnUnused(cx, model);
  return {
    name: model.name.name,
    doc: model.doc,
    span: model.span,
    hyper,
    streams: cx.streams,
    variables: cx.variables,
    params: cx.params,
    starts,
    nets: cx.nets,
    flows: cx.flows,
    densities: [...cx.densityByName.values()],
    objectives,
    expansions: cx.expansions,
    train,
    evaluate: evaluations,
  };
}
