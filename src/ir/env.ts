/**
 * What elaboration carries along: the context of one model (`Context`), and where an expression stands (`Env`).
 */
import type * as ast from "../parser/ast.js";
import type { Diagnostics } from "../base/report.js";
import type { Span } from "../base/source.js";
import type { Facts } from "./facts.js";
import type { Entity, Scope } from "./scope.js";
import type { Signature } from "./mapped-nets.js";
import type { Density, Dim, Expr, Flow, Net, Objective, Param, Variable, WeightNode } from "./types.js";

/** State of the elaboration of one model. */
export interface Context {
  readonly diagnostics: Diagnostics;
  readonly modelScope: Scope;
  readonly variables: Map<string, Variable>;
  readonly streams: (readonly string[])[];
  readonly params: Param[];
  /** Parameters that start from values of an expression, which is elaborated last. */
  readonly starts: PendingStart[];
  /** Names that the train block constrains. */
  readonly constrained: ReadonlySet<string>;
  /** Elaborated nets, callees first, and the instances of each declaration of the model. */
  readonly nets: Net[];
  readonly netByName: Map<string, Net>;
  readonly instances: Map<ast.NetDecl, NetInstance[]>;
  /** Calls of nets of the model that an earlier elaboration has found to have the fewest axes; and those that this one finds. */
  readonly leastCalls: ReadonlyMap<ast.NetDecl, readonly LeastCall[]>;
  readonly fewerAxes: Map<ast.NetDecl, readonly LeastCall[]>;
  /** Elaborated flows, those that others are made of first, and the one instance of each flow of the model. */
  readonly flows: Flow[];
  readonly flowByName: Map<string, Flow>;
  readonly flowInstances: Map<ast.FlowDecl, FlowInstance>;
  /** Nets that are being elaborated, outermost first: a second entry is a cycle. */
  readonly open: { readonly name: string; readonly node: object; readonly span: Span }[];
  /** null: the header is wrong. */
  readonly headers: Map<ast.DensityDecl, DensityHeader | null>;
  readonly densityByName: Map<string, Density>;
  readonly objectives: Map<ast.ObjectiveDecl, Objective | undefined>;
  /** Values that calls of objective templates were replaced by, and the calls as written. */
  readonly expansions: Map<Expr, string>;
  /** What is known of locals and nets beyond their types, and of expressions once it was asked for. */
  readonly facts: Map<string, Facts>;
  readonly factsOfExpr: Map<object, Facts>;
  /** Ids of locals and nets so far, each with the number to try next where it is wanted again. */
  readonly usedIds: Map<string, number>;
  /** Nets of which it has been said that they are no discriminators: once is enough. */
  readonly vectorCritics: Set<string>;
  /** Mistakes that have been told and would be met again wherever their cause is used. */
  readonly told: Set<string>;
  /** Nets that have been said to depend on the order of a set: that those who call them do too follows from it. */
  readonly disordered: Set<string>;
  /** Number of statements and terms that unrolling has made so far. */
  readonly budget: { unrolled: number };
}

export interface NetInstance {
  readonly signature: Signature;
  readonly callSpan: Span;
  /** undefined: its body is broken, which has been reported. */
  readonly net: Net | undefined;
}

/** A call of a net, as far as its instance follows from it. */
export interface LeastCall {
  readonly signature: Signature;
  readonly callSpan: Span;
  /** Of each argument, what its parameter takes over. */
  readonly facts: readonly Pick<Facts, "classes" | "blocks">[];
}

export interface FlowInstance {
  readonly callSpan: Span;
  /** undefined: its body is broken, which has been reported. */
  readonly flow: Flow | undefined;
}

/** Header of a density, names resolved. */
export interface DensityHeader {
  readonly name: string;
  readonly head: readonly string[];
  readonly given: readonly string[];
  readonly span: Span;
}

/** Where layers and template nets of the code at hand hang their weights. */
export interface Owner {
  readonly path: string;
  readonly weights: WeightNode[];
  readonly counters: Map<string, number>;
  random: boolean;
  /** Why no layer may stand here; undefined where it may. */
  readonly refusal: "train" | "evaluate" | "init" | undefined;
}

/** How variables of the model are read here. */
export interface VariableAccess {
  /** Reports and gives undefined where the variable may not be read. `samples`: it is a family of draws, `z[1..k]`. */
  read(variable: string, span: Span): { readonly samples: Dim | undefined } | undefined;
  /** k where the variable is bound here as a family of k draws. */
  samples?(variable: string): Dim | undefined;
  /** Has the variable a value here? Says nothing where it has none. */
  readable?(variable: string): boolean;
  /** Is the variable bound by an enclosing `E` or `max`? */
  binds?(variable: string): boolean;
}

export interface Env {
  readonly cx: Context;
  readonly scope: Scope;
  readonly owner: Owner;
  readonly access: VariableAccess;
  readonly mode: "net" | "density" | "objective";
  /** Prefix of ids of locals: `encoder`. */
  readonly site: string;
  /** Inside the body of an objective template: names of variables and conditions match by role. */
  readonly template: boolean;
}

export function freshId(cx: Context, wanted: string): string {
  let id = wanted;
  let next = cx.usedIds.get(wanted);
  if (next !== undefined) {
    do id = `${wanted}${next++}`;
    while (cx.usedIds.has(id));
    cx.usedIds.set(wanted, next);
  }
  cx.usedIds.set(id, 2);
  return id;
}

/** `init data(…)` of a parameter, and where it stands. */
export interface PendingStart {
  readonly env: Env;
  readonly param: Param;
  readonly call: ast.CallExpr;
}

export function newOwner(path: string, refusal: Owner["refusal"] = undefined): Owner {
  return { path, weights: [], counters: new Map(), random: false, refusal };
}

/** Where something hangs below an owner: `dense1`, `dense2`, … there, and the whole path. */
export function newPlace(owner: Owner, base: string): { readonly name: string; readonly path: string } {
  const n = (owner.counters.get(base) ?? 0) + 1;
  owner.counters.set(base, n);
  const name = `${base}${n}`;
  return { name, path: `${owner.path}.${name}` };
}

/** The weights of an owner that is no node of its own, hung below another under its name there. */
export function adoptWeights(owner: Owner, { weights }: Owner, name: string): void {
  owner.weights.push(...weights.map((w) => ({ ...w, name: `${name}.${w.name}` })));
}

export function within(env: Env, scope: Scope): Env {
  return { ...env, scope };
}

export type { Entity };
