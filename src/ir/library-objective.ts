/**
 * An objective of a file without a model: what is wrong with its body whatever densities, nets and numbers it is handed. What its operators bind,
 * what an `E` draws from, whose log-density is taken, and the arguments of functions and of other objectives.
 */
import { report, type Diagnostics } from "../base/report.js";
import { textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments, type Actual } from "./arguments.js";
import { checkBinders } from "./binders.js";
import { builtins } from "./builtins.js";
import { signatureOf, twoSided } from "./calls.js";
import { distributions } from "./distributions.js";
import { whatIsDrawnFrom } from "./expectation.js";
import { chain } from "./indexing.js";
import { layers } from "./layers.js";
import { describe, type Scope } from "./scope.js";
import { staticFunctions } from "./static-functions.js";
import { templateSignature } from "./templates.js";
import { walkAst } from "./walk.js";

export interface CheckedObjective {
  /** Formals, and names that densities are called with: what they stand for, a call decides. */
  readonly bound: ReadonlySet<string>;
  /** Names that are no values, or that have been told. */
  readonly told: ReadonlySet<ast.Expr>;
}

export function checkObjective(decl: ast.ObjectiveDecl, scope: Scope, diagnostics: Diagnostics): CheckedObjective {
  const formals = new Set((decl.params ?? []).map((p) => p.name.name));
  const objective = new Objective(formals, scope, diagnostics);
  walkAst(decl.body, (e) => objective.visit(e));
  return objective;
}

class Objective implements CheckedObjective {
  readonly bound: Set<string>;
  readonly told = new Set<ast.Expr>();
  /** Left sides of `|>`, by the call that they are handed to. */
  private readonly piped = new Map<ast.Expr, ast.Expr>();
  /** Calls that may lack their first argument: the start of a chain that a net or a template is handed. */
  private readonly chains = new Set<ast.Expr>();

  constructor(
    private readonly formals: ReadonlySet<string>,
    private readonly scope: Scope,
    readonly diagnostics: Diagnostics,
  ) {
    this.bound = new Set(formals);
  }

  /** Parents come first. */
  visit(e: ast.Expr | ast.RangeExpr): void {
    if (e.kind === "pipe") this.piped.set(e.right, e.left);
    if (e.kind === "blockCall") this.chains.add(startOf(e.body));
    if (e.kind === "logDensity") this.logDensity(e.density);
    if (e.kind === "call") this.call(e);
    if (e.kind !== "binder" || !checkBinders(this, e)) return;
    for (const binder of e.binders) if (binder.kind === "draw") this.draw(binder);
  }

  private logDensity(call: ast.CallExpr): void {
    this.slots(call);
    const { callee } = call;
    if (callee.kind !== "name" || this.formals.has(callee.name)) return;
    this.told.add(callee);
    const entity = this.scope.find(callee.name);
    if (entity) report(this.diagnostics, "GM2007", callee.span, { name: callee.name, what: describe(entity), expected: "a density" });
    else
      report(
        this.diagnostics,
        "GM2001",
        callee.span,
        { what: "density", name: callee.name },
        { help: didYouMeanHelp(callee.name, [...this.formals]) },
      );
  }

  private draw({ names, source, span }: ast.DrawBinder): void {
    const callee = source.kind === "call" ? source.callee : source;
    const name = callee.kind === "name" ? callee.name : undefined;
    const ofFormal = name !== undefined && this.formals.has(name);
    if (ofFormal ? source.kind === "call" : name === "data") {
      this.told.add(callee);
      if (source.kind !== "call") return;
      this.slots(source);
      if (source.args.length !== names.length)
        report(this.diagnostics, "GM3039", span, { names: names.length, drawn: source.args.length, source: textOf(source.span) });
      return;
    }
    if (name !== undefined && !ofFormal && distributions.has(name) && !this.scope.find(name)) return;
    this.told.add(callee);
    if (name !== undefined && !ofFormal && !this.scope.find(name))
      report(
        this.diagnostics,
        "GM2001",
        callee.span,
        { what: "density or distribution", name },
        { help: didYouMeanHelp(name, [...this.formals, ...distributions.keys()]) },
      );
    else report(this.diagnostics, "GM3036", source.span, { found: textOf(source.span) }, { help: [whatIsDrawnFrom] });
  }

  /** `z` of `q(z | x)`, `z[i]` of `q(z[i] | x)`: a variable of the model, or a role. */
  private slots({ args, given = [] }: ast.CallExpr): void {
    for (const { name, value } of [...args, ...given]) {
      const base = value.kind === "index" ? chain(value).base : value;
      if (name === undefined && base.kind === "name") this.bound.add(base.name);
    }
  }

  private call(call: ast.CallExpr): void {
    const { callee } = call;
    const name = callee.kind === "name" ? callee.name : undefined;
    // a flow, where it is no density
    if (call.given && name !== undefined && this.formals.has(name)) this.slots(call);
    const entity = name === undefined ? undefined : this.scope.find(name);
    const table = name !== undefined && !this.formals.has(name) && !entity ? builtins.get(name) : undefined;
    if (!table) for (const { value } of call.args) this.chains.add(startOf(value));
    if (name === undefined || this.formals.has(name) || this.chains.has(call)) return;
    const left = this.piped.get(call);
    const first: readonly Actual[] = left === undefined ? [] : [{ kind: "ast", name: undefined, value: left, span: left.span }];
    const actuals = [...first, ...actualsOf(call.args)];
    if (entity?.kind === "objective") {
      if (entity.decl.params) bindArguments(this, templateSignature(name, entity.decl), actuals, call.span);
      return;
    }
    // of numbers that are known, `sum` and its like take any
    if (entity || layers.has(name) || (staticFunctions.has(name) && actuals.length > 1)) return;
    const entry = builtins.get(twoSided(name, actuals));
    if (entry && entry.symbol === undefined) bindArguments(this, signatureOf(entry), actuals, call.span);
  }
}

/** What a chain begins with. */
const startOf = (chained: ast.Expr): ast.Expr => (chained.kind === "pipe" ? startOf(chained.left) : chained);
