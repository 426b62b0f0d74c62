/**
 * The syntax tree: what the user wrote, nothing resolved. Every node carries its span.
 * Nodes are readonly plain data; later stages build typed trees of their own.
 */
import type { SourceFile, Span } from "../base/source.js";

export interface Ident {
  readonly name: string;
  readonly span: Span;
}

export interface FileAst {
  readonly file: SourceFile;
  readonly imports: readonly ImportDecl[];
  readonly decls: readonly TopDecl[];
  /** What could not be read; undefined when everything could. */
  readonly broken?: readonly BrokenPart[];
}

/**
 * Text that could not be read: its statement or declaration is missing from the tree, and the declarations around it are
 * marked `broken`. Later stages report nothing that may follow from what is missing: no unknown name that stands among
 * `names`, and nothing that a broken declaration lacks.
 */
export interface BrokenPart {
  readonly span: Span;
  /** Every name that occurs in the text, those it would have declared among them. */
  readonly names: readonly string[];
}

/** Set where a part of a node could not be read; see BrokenPart. */
interface MaybeBroken {
  readonly broken?: true;
}

export interface ImportDecl {
  readonly kind: "import";
  readonly path: string;
  readonly span: Span;
}

export type TopDecl = ConstDecl | NetDecl | FlowDecl | ObjectiveDecl | ModelDecl;

/** Text of the `///` lines above a declaration, markers stripped; undefined when there are none. */
interface Documented {
  readonly doc: string | undefined;
}

/** `const K = 10` */
export interface ConstDecl extends Documented {
  readonly kind: "const";
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}

/** A formal parameter of a net, flow, objective template or model; `value` is its default. */
export interface Formal {
  readonly name: Ident;
  readonly value: Expr | undefined;
  readonly span: Span;
}

/** `net f(x, n = 3) = e`, or with a body in braces that ends in `return e`. */
export interface NetDecl extends Documented, MaybeBroken {
  readonly kind: "net";
  readonly name: Ident;
  readonly params: readonly Formal[];
  readonly symmetry: Symmetry | undefined;
  /** `net f(x) = e` is a body of one `return`. */
  readonly body: readonly Stmt[];
  readonly span: Span;
}

/** `invariant`, `equivariant(x)`: to the order of the points of a set; no names: of the only parameter. */
export interface Symmetry {
  readonly kind: "invariant" | "equivariant";
  readonly names: readonly Ident[];
  readonly span: Span;
}

/** `flow f(z | e) on real[D] -> unit[D] = chain`, or a body in braces with `forward(z) = e` and optionally `inverse(x) = e`, `jacobian = dense`. */
export interface FlowDecl extends Documented, MaybeBroken {
  readonly kind: "flow";
  readonly name: Ident;
  readonly params: readonly Formal[];
  readonly given: readonly Formal[];
  readonly domain: DomainExpr | undefined;
  readonly range: DomainExpr | undefined;
  readonly chain: Expr | undefined;
  readonly directions: readonly FlowDirection[];
  /** `jacobian = dense`: how its log-determinant is taken. */
  readonly jacobian: Ident | undefined;
  readonly span: Span;
}

export interface FlowDirection {
  readonly direction: "forward" | "inverse";
  readonly param: Ident;
  readonly body: Expr;
  readonly span: Span;
}

/** `objective V = e`, or a template `objective ELBO(p, q, beta = 1) = e`. */
export interface ObjectiveDecl extends Documented {
  readonly kind: "objective";
  readonly name: Ident;
  /** undefined when written without parentheses. */
  readonly params: readonly Formal[] | undefined;
  readonly body: Expr;
  readonly span: Span;
}

export interface ModelDecl extends Documented, MaybeBroken {
  readonly kind: "model";
  readonly name: Ident;
  readonly hyper: readonly Formal[];
  readonly members: readonly Member[];
  readonly span: Span;
}

export type Member =
  ConstDecl | DataDecl | LatentDecl | ParamDecl | NetDecl | FlowDecl | DensityDecl | ObjectiveDecl | TrainDecl | EvaluateDecl;

/** `real[28, 28, 1]`, `category[K][D]?`. */
export interface DomainExpr {
  readonly base: Ident;
  /** K of `category[K]`; undefined for the others. */
  readonly classes: Expr | undefined;
  readonly shape: readonly Expr[];
  readonly optional: boolean;
  /** Block shape of `at_most_one(2, 2)`. */
  readonly atMostOne: readonly Expr[] | undefined;
  readonly span: Span;
}

/** One name of a `data`, `latent` or `param` list; `index` is set for a family `h[l in 1..L]`. */
export interface Declarator {
  readonly name: Ident;
  readonly index: RangeBinder | undefined;
  readonly domain: DomainExpr;
  readonly span: Span;
}

/** Variables of one `data` statement are aligned: one stream. */
export interface DataDecl extends Documented {
  readonly kind: "data";
  readonly items: readonly Declarator[];
  readonly span: Span;
}

export interface LatentDecl extends Documented {
  readonly kind: "latent";
  readonly items: readonly Declarator[];
  readonly span: Span;
}

export interface ParamDecl extends Documented {
  readonly kind: "param";
  readonly items: readonly ParamItem[];
  readonly span: Span;
}

export interface ParamItem extends Declarator {
  readonly init: ParamInit | undefined;
}

/** `init Normal(0, 0.01)`, `init data`, `= 0`. */
export type ParamInit =
  | { readonly kind: "distribution"; readonly call: CallExpr; readonly span: Span }
  | { readonly kind: "data"; readonly span: Span }
  | { readonly kind: "value"; readonly value: Expr; readonly span: Span };

/** `density p(x, z | y) { … }` */
export interface DensityDecl extends Documented, MaybeBroken {
  readonly kind: "density";
  readonly name: Ident;
  readonly head: readonly Ident[];
  readonly given: readonly Ident[];
  readonly body: readonly Stmt[];
  readonly span: Span;
}

// ---- statements of nets, densities -------------------------------------------------------------

export type Stmt = BindStmt | DrawStmt | EnergyStmt | ReturnStmt | ForStmt;

/** A name or an element of a family: `h`, `h[l]`. */
export interface Target {
  readonly name: Ident;
  readonly indices: readonly Expr[];
  readonly span: Span;
}

export interface BindStmt {
  readonly kind: "bind";
  readonly target: Target;
  readonly value: Expr;
  readonly span: Span;
}

export interface DrawStmt {
  readonly kind: "draw";
  readonly target: Target;
  readonly dist: Expr;
  readonly span: Span;
}

export interface EnergyStmt {
  readonly kind: "energy";
  readonly value: Expr;
  readonly span: Span;
}

export interface ReturnStmt {
  readonly kind: "return";
  readonly value: Expr;
  readonly span: Span;
}

export interface ForStmt extends MaybeBroken {
  readonly kind: "for";
  readonly index: RangeBinder;
  readonly body: readonly Stmt[];
  readonly span: Span;
}

// ---- train, evaluate ----------------------------------------------------------------------------

export interface TrainDecl extends Documented, MaybeBroken {
  readonly kind: "train";
  readonly items: readonly TrainItem[];
  readonly span: Span;
}

export type TrainItem = UpdateItem | SettingItem | ConstrainItem | PhaseItem;

/** `maximize V over D, G by z: reparam, steps = 5` */
export interface UpdateItem {
  readonly kind: "update";
  readonly direction: "maximize" | "minimize";
  readonly objective: Expr;
  readonly over: readonly Expr[];
  readonly by: readonly ByClause[];
  readonly options: readonly NamedArg[];
  readonly span: Span;
}

/** One estimator: `reparam`, `z: reparam`, `mean_field(steps = 10) and pcd(k = 5)`. */
export interface ByClause {
  readonly latent: Target | undefined;
  /** Parts joined by `and`: a name or a call. */
  readonly estimators: readonly Expr[];
  readonly span: Span;
}

export interface SettingItem {
  readonly kind: "setting";
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}

/** A line of `evaluate`: `nll = -log p(v) by ais(chains = 100)`. */
export interface MetricItem {
  readonly kind: "metric";
  readonly name: Ident;
  readonly value: Expr;
  readonly by: readonly ByClause[];
  readonly span: Span;
}

/** `constrain D.weights in [-0.01, 0.01]`, `constrain norm(A, axis = 1) <= 1`. */
export interface ConstrainItem {
  readonly kind: "constrain";
  readonly target: Expr;
  readonly bound: { readonly kind: "in"; readonly low: Expr; readonly high: Expr } | { readonly kind: "atMost"; readonly limit: Expr };
  readonly span: Span;
}

export interface PhaseItem extends MaybeBroken {
  readonly kind: "phase";
  readonly label: string;
  readonly items: readonly TrainItem[];
  readonly span: Span;
}

export interface EvaluateDecl extends Documented, MaybeBroken {
  readonly kind: "evaluate";
  readonly items: readonly MetricItem[];
  readonly span: Span;
}

// ---- expressions --------------------------------------------------------------------------------

export type Expr =
  | NumberExpr
  | BooleanExpr
  | StringExpr
  | NameExpr
  | ListExpr
  | RecordExpr
  | UnaryExpr
  | BinaryExpr
  | PipeExpr
  | CallExpr
  | IndexExpr
  | FieldExpr
  | BlockCallExpr
  | LogDensityExpr
  | BinderExpr;

export interface NumberExpr {
  readonly kind: "number";
  readonly value: number;
  readonly span: Span;
}
export interface BooleanExpr {
  readonly kind: "boolean";
  readonly value: boolean;
  readonly span: Span;
}
export interface StringExpr {
  readonly kind: "string";
  readonly value: string;
  readonly span: Span;
}
export interface NameExpr {
  readonly kind: "name";
  readonly name: string;
  readonly span: Span;
}
export interface ListExpr {
  readonly kind: "list";
  readonly items: readonly Expr[];
  readonly span: Span;
}
export interface RecordExpr {
  readonly kind: "record";
  readonly fields: readonly NamedArg[];
  readonly span: Span;
}
export interface UnaryExpr {
  readonly kind: "unary";
  readonly op: "-";
  readonly operand: Expr;
  readonly span: Span;
}
export type BinaryOp = "+" | "-" | "*" | "/" | "^" | "@";
export interface BinaryExpr {
  readonly kind: "binary";
  readonly op: BinaryOp;
  readonly left: Expr;
  readonly right: Expr;
  readonly span: Span;
}
/** `left |> right`; kept as written, the checker makes `left` the first argument of `right`. */
export interface PipeExpr {
  readonly kind: "pipe";
  readonly left: Expr;
  readonly right: Expr;
  readonly span: Span;
}
export interface NamedArg {
  readonly name: Ident;
  readonly value: Expr;
  readonly span: Span;
}
export interface Arg {
  readonly name: Ident | undefined;
  readonly value: Expr;
  readonly span: Span;
}
/** `f(a, n = 2)`, `q(z | x)`, `f.inverse(x)`, `p(x = e)`. `given` is what stands after `|`; undefined without a `|`. */
export interface CallExpr {
  readonly kind: "call";
  readonly callee: NameExpr | FieldExpr;
  readonly args: readonly Arg[];
  readonly given: readonly Arg[] | undefined;
  readonly span: Span;
}
export interface IndexExpr {
  readonly kind: "index";
  readonly target: Expr;
  readonly indices: readonly (Expr | RangeExpr)[];
  readonly span: Span;
}
/** `1..L`, only as an index or in a binder. */
export interface RangeExpr {
  readonly kind: "range";
  readonly low: Expr;
  readonly high: Expr;
  readonly span: Span;
}
export interface FieldExpr {
  readonly kind: "field";
  readonly target: Expr;
  readonly field: Ident;
  readonly span: Span;
}
/** `repeat(8) { layer |> layer }` */
export interface BlockCallExpr {
  readonly kind: "blockCall";
  readonly call: CallExpr;
  readonly body: Expr;
  readonly span: Span;
}
/** `log p(x | z)`: a density's log (against `log(x)`, which is a call). */
export interface LogDensityExpr {
  readonly kind: "logDensity";
  readonly density: CallExpr;
  readonly span: Span;
}
/** `E[…](e)`, `sum[i in 1..k](e)`, `max[z](e)`, `grad[y = e](f)`. */
export interface BinderExpr {
  readonly kind: "binder";
  readonly op: BinderOp;
  readonly opSpan: Span;
  readonly binders: readonly Binder[];
  readonly body: Expr;
  readonly span: Span;
}
export type BinderOp = "E" | "sum" | "mean" | "max" | "min" | "logsumexp" | "logmeanexp" | "grad";
export type Binder = RangeBinder | NameBinder | DrawBinder;

/** `i in 1..k` */
export interface RangeBinder {
  readonly kind: "range";
  readonly name: Ident;
  readonly low: Expr;
  readonly high: Expr;
  readonly span: Span;
}
/** `max[z]`, `grad[x]`, `grad[y = e]` */
export interface NameBinder {
  readonly kind: "name";
  readonly name: Ident;
  readonly value: Expr | undefined;
  readonly span: Span;
}
/** `z ~ q(z | x)`, `z[1..k] ~ q(z | x)`, `x, z ~ p(x, z)`, `x ~ data`, `u ~ Uniform(0, 1)`. */
export interface DrawBinder {
  readonly kind: "draw";
  readonly names: readonly DrawName[];
  readonly source: Expr;
  readonly span: Span;
}
export interface DrawName {
  readonly name: Ident;
  /** `1..k` of `z[1..k]`. */
  readonly range: RangeExpr | undefined;
  readonly span: Span;
}
