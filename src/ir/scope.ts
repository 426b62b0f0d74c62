/**
 * Names: what each stands for, scopes within scopes, and the words for it in messages.
 * A scope is filled by its builder and then only read.
 */
import type * as ast from "../parser/ast.js";
import type { Span } from "../base/source.js";
import type { Env } from "./env.js";
import type { Static } from "./static.js";
import type { Dim, Expr, Local, Param, Variable } from "./types.js";

/** What a name stands for. */
export type Entity =
  /** A hyperparameter, `const`, `for` index or static argument of a template. */
  | {
      readonly kind: "static";
      readonly what: "hyperparameter" | "constant" | "index" | "argument";
      readonly value: Static;
      readonly span: Span;
      /** Its value is that of `--set`. */
      readonly isSet?: boolean;
    }
  | { readonly kind: "variable"; readonly variable: Variable; readonly span: Span }
  | { readonly kind: "param"; readonly param: Param; readonly span: Span }
  /** `h[l in 1..L]`: members by index. */
  | { readonly kind: "family"; readonly what: FamilyWhat; readonly members: ReadonlyMap<number, Entity>; readonly span: Span }
  /** A net of the model (one instance) or, `template`, of a file (one instance per call site). */
  | { readonly kind: "net"; readonly decl: ast.NetDecl; readonly scope: Scope; readonly template: boolean; readonly span: Span }
  /** A flow, likewise. */
  | { readonly kind: "flow"; readonly decl: ast.FlowDecl; readonly scope: Scope; readonly template: boolean; readonly span: Span }
  | { readonly kind: "density"; readonly decl: ast.DensityDecl; readonly span: Span }
  | { readonly kind: "objective"; readonly decl: ast.ObjectiveDecl; readonly scope: Scope; readonly library: boolean; readonly span: Span }
  /** A binding, a net's parameter, or a name that `E` binds; `samples` where it is a family of draws; `of` the variable it renames. */
  | {
      readonly kind: "local";
      readonly local: Local;
      readonly samples: Dim | undefined;
      readonly of: string | undefined;
      readonly span: Span;
    }
  /** An expression bound to the formal of a template. */
  | { readonly kind: "value"; readonly expr: Expr; readonly span: Span }
  /** A layer, net, function or chain of them bound to the formal of a template: applied where it is called. */
  | { readonly kind: "block"; readonly ast: ast.Expr; readonly env: Env; readonly span: Span }
  /** In an objective template: a name that stands for several variables of the densities. */
  | { readonly kind: "role"; readonly variables: readonly string[]; readonly span: Span }
  /** `i` of `sum[i in 1..k]` over samples. */
  | { readonly kind: "sampleIndex"; readonly index: string; readonly count: Dim; readonly span: Span }
  /** Declared, but broken: already reported, so nothing more is said about it. */
  | { readonly kind: "poison"; readonly span: Span };

export type FamilyWhat = "data" | "latent" | "parameter" | "binding";

/** Where a name gets its value, and how to have it earlier. */
export interface Later {
  readonly span: Span;
  readonly help: string;
  /** It is a number, list or truth value known at compile time. */
  readonly known: boolean;
}

/** A name that belongs to the turns of a `for`. */
export interface Turned {
  readonly span: Span;
  readonly index: string;
  readonly last: number;
}

export class Scope {
  private readonly names = new Map<string, Entity>();
  /** Names that an imported file imports for itself: where they stand, and who imports them. */
  private readonly behind = new Map<string, { readonly path: string; readonly by: string }>();

  /** Names of turns of a `for` that is over: where they are bound, and the name and the last value of its index. */
  private readonly inTurns = new Map<string, Turned>();

  /** Names that get their value further down, and where. */
  private readonly coming = new Map<string, Later>();

  constructor(readonly parent: Scope | undefined) {}

  define(name: string, entity: Entity): void {
    this.names.set(name, entity);
  }

  /** Whether names of `outer` are seen from here. */
  isWithin(outer: Scope): boolean {
    return this === outer || (this.parent?.isWithin(outer) ?? false);
  }

  own(name: string): Entity | undefined {
    return this.names.get(name);
  }

  find(name: string): Entity | undefined {
    return this.names.get(name) ?? this.parent?.find(name);
  }

  /** A name that this scope will have, but not yet: worth a word where it is used too soon. */
  announce(name: string, later: Later): void {
    if (!this.coming.has(name)) this.coming.set(name, later);
  }

  /** A name that each turn of a `for` in this scope has for itself. */
  bindInTurns(name: string, turned: Turned): void {
    if (!this.inTurns.has(name)) this.inTurns.set(name, turned);
  }

  /** Where a name that is unknown here is bound in turns. */
  findInTurns(name: string): Turned | undefined {
    return this.inTurns.get(name) ?? this.parent?.findInTurns(name);
  }

  /** Where a name that is unknown here gets its value. */
  findLater(name: string): Later | undefined {
    return this.coming.get(name) ?? this.parent?.findLater(name);
  }

  /** What `imported` sees and does not declare itself stands behind it: nothing here, but worth a word where it is missed. */
  passOver(imported: Scope, by: string): void {
    for (const [name, entity] of imported.names) {
      const path = entity.span.file.path;
      if (path !== by && !this.behind.has(name)) this.behind.set(name, { path, by });
    }
    for (const [name, place] of imported.behind) if (!this.behind.has(name)) this.behind.set(name, place);
  }

  /** Where an imported file has a name from that is unknown here. */
  findBehind(name: string): { readonly path: string; readonly by: string } | undefined {
    return this.behind.get(name) ?? this.parent?.findBehind(name);
  }

  /** All names that can be seen from here, the nearest first. */
  *visible(filter: (entity: Entity) => boolean = () => true): Iterable<string> {
    for (const [name, entity] of this.names) if (filter(entity)) yield name;
    if (this.parent) yield* this.parent.visible(filter);
  }
}

/** `a latent`, `a net`: for "`z` is a latent, …". */
export function describe(entity: Entity): string {
  switch (entity.kind) {
    case "static":
      return { hyperparameter: "a hyperparameter", constant: "a constant", index: "an index", argument: "a number" }[entity.what];
    case "variable":
      return entity.variable.role === "data" ? "a data variable" : entity.variable.role === "latent" ? "a latent" : "a helper variable";
    case "param":
      return "a parameter";
    case "family":
      return {
        data: "a family of data variables",
        latent: "a family of latents",
        parameter: "a family of parameters",
        binding: "a family of bindings",
      }[entity.what];
    case "net":
      return "a net";
    case "flow":
      return "a flow";
    case "density":
      return "a density";
    case "objective":
      return entity.decl.params === undefined ? "an objective" : "an objective template";
    case "local":
      return "a value";
    case "value":
      return "a value";
    case "block":
      return "a layer or net";
    case "role":
      return "a role of this template";
    case "sampleIndex":
      return "an index over samples";
    case "poison":
      return "a name";
  }
}
