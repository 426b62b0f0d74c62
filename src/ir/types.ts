/**
 * The model IR: what elaboration (names, shapes, hyperparameters, templates, families, imports) makes of the syntax tree.
 * Everything static is gone: families and `for` are unrolled, templates expanded, file-level nets instantiated per call site,
 * hyperparameters are numbers. What is left is mathematics over typed tensors. Plain data throughout.
 */
import type { Span } from "../base/source.js";
import type { Order } from "./autoregressive/order.js";
import type { Options } from "./estimators.js";

/** A size that remembers how it was written: `{ size: 784, text: "D" }`. */
export interface Dim {
  readonly size: number;
  readonly text: string;
}

export type Element = "real" | "int" | "bool";

/** Event shape only: the batch axis is never part of a type. */
export interface TensorType {
  readonly kind: "tensor";
  readonly element: Element;
  readonly shape: readonly Dim[];
}

export interface RecordType {
  readonly kind: "record";
  readonly fields: readonly { readonly name: string; readonly type: TensorType }[];
}

export type Type = TensorType | RecordType;

export type DomainName = "real" | "positive" | "unit" | "binary" | "category" | "count" | "byte" | "simplex";

export interface Domain {
  readonly name: DomainName;
  readonly classes: Dim | undefined;
  readonly shape: readonly Dim[];
  readonly optional: boolean;
  readonly atMostOne: readonly number[] | undefined;
}

// ---- the model ----------------------------------------------------------------------------------

export type StaticValue = number | boolean | readonly number[];

export interface ModelIr {
  readonly name: string;
  readonly doc: string | undefined;
  readonly span: Span;
  /** In order of declaration, after `--set`. */
  readonly hyper: readonly { readonly name: string; readonly value: StaticValue }[];
  /** One entry per `data` statement: names of its variables. */
  readonly streams: readonly (readonly string[])[];
  /** By name; elements of a family are `h[1]`, `h[2]`, … */
  readonly variables: ReadonlyMap<string, Variable>;
  readonly params: readonly Param[];
  /** Expressions that parameters start from, `init data(encoder(x))`. */
  readonly starts: readonly ParamStart[];
  /** Model nets and the instances of file-level and library nets, callees before callers. */
  readonly nets: readonly Net[];
  /** Flows of the model and instances of file-level and library flows, those that others are made of first. */
  readonly flows: readonly Flow[];
  readonly densities: readonly Density[];
  /** Objectives named in the model (not templates), and the nets, densities and objectives that stand in `train` and `evaluate` inline. */
  readonly objectives: readonly Objective[];
  /** Values that calls of objective templates were replaced by, and the calls as written. */
  readonly expansions: ReadonlyMap<Expr, string>;
  readonly train: readonly Phase[];
  readonly evaluate: readonly Evaluation[];
}

export interface Variable {
  /** `x`, `h[2]` */
  readonly name: string;
  /** `helper`: drawn in a density whose header does not name it. */
  readonly role: "data" | "latent" | "helper";
  readonly domain: Domain;
  readonly doc: string | undefined;
  readonly span: Span;
}

export interface Param {
  /** `mu`, `W[2]`; its weights path is the name with brackets dropped. */
  readonly name: string;
  readonly path: string;
  readonly domain: Domain;
  readonly init:
    | { readonly kind: "distribution"; readonly dist: string; readonly params: Readonly<Record<string, number>> }
    | { readonly kind: "constant"; readonly value: number }
    | { readonly kind: "values"; readonly values: readonly number[] }
    | { readonly kind: "data" }
    /** From values of an expression: one of `ModelIr.starts`. */
    | { readonly kind: "values of" }
    | { readonly kind: "default" };
  readonly doc: string | undefined;
  readonly span: Span;
}

/** `param codebook : real[K, D] init data(encoder(x))`: rows of the parameter are values of the expression, at the first batch. */
export interface ParamStart {
  readonly param: Param;
  readonly value: Expr;
  readonly text: string;
  readonly span: Span;
}

/** A place for a value inside a net or density: a net's parameter or a binding. */
export interface Local {
  /** Unique in the model. */
  readonly id: string;
  /** As written. */
  readonly name: string;
  readonly type: Type;
  readonly span: Span;
}

export interface Net {
  /** Unique in the model: `decoder`, `mlp`, `mlp2`. */
  readonly name: string;
  /** Of an instance of a template: what the template is called, `mlp`. */
  readonly template?: string;
  /** Of an instance of a template: where it is called. */
  readonly use?: Span;
  /** Path of its weights: `decoder`, `p.block1`. The same as `name` for nets of the model. */
  readonly path: string;
  readonly params: readonly Local[];
  readonly body: readonly Binding[];
  readonly result: Expr;
  /** Layers and nets that stand in it, in order: what its weights are. */
  readonly weights: readonly WeightNode[];
  /** Draws random numbers (dropout). */
  readonly random: boolean;
  /** Proven: what another order of the points of these parameters does to its result. */
  readonly symmetry?: { readonly kind: "invariant" | "equivariant"; readonly points: readonly string[] };
  readonly doc: string | undefined;
  readonly span: Span;
}

/** A node of the weights tree below a net, flow or density. */
export type WeightNode =
  | { readonly kind: "layer"; readonly name: string; readonly layer: LayerInstance }
  | { readonly kind: "net"; readonly name: string; readonly net: string }
  | { readonly kind: "bijection"; readonly name: string; readonly bijection: BijectionInstance }
  | { readonly kind: "flow"; readonly name: string; readonly flow: string };

export interface LayerInstance {
  /** Name in the layer table: `dense`, `conv`. */
  readonly layer: string;
  /** `decoder.dense1` */
  readonly path: string;
  /** Static arguments of the runtime's `layer.spec(…)`, in order; empty options are left out. */
  readonly spec: readonly (number | readonly number[])[];
  readonly options: Readonly<Record<string, number | boolean | string | readonly number[]>>;
  /** Options from which the analysis of orders decides a mask: the runtime is handed what it decides. */
  readonly masking?: Masking;
  readonly parameterCount: number;
  readonly span: Span;
}

/** How the units of a masked layer are to be put in order. */
export interface Masking {
  /** The order of the entries: as they lie unless told. */
  readonly order?: Order;
  /** So many orders and connectivities, of which a step uses one; one unless told. */
  readonly orders?: number;
  /** Degrees of hidden units by chance. */
  readonly seed?: number;
  /** Values for each entry, in an axis of their own. */
  readonly channels?: number;
}

// ---- flows --------------------------------------------------------------------------------------

/** Where the values on one side of a bijection lie. */
export interface Side {
  readonly domain: DomainName;
  readonly shape: readonly Dim[];
}

/** How a bijection is computed in a direction: `sequential` is exact, one pass for each entry. */
export type Direction = "closed" | "sequential" | "none";

export interface Directions {
  readonly forward: Direction;
  readonly inverse: Direction;
}

/** A bijection from base to data: steps that are applied one after the other. */
export interface Flow {
  /** Unique in the model: `f`, `realnvp2`. */
  readonly name: string;
  /** Path of its weights. */
  readonly path: string;
  /** What it is conditioned on: `e` of `flow f(z | e)`. */
  readonly given: readonly Local[];
  /** The side of the base, z. */
  readonly from: Side;
  /** The side of the data, x. */
  readonly to: Side;
  readonly steps: readonly FlowStep[];
  readonly directions: Directions;
  /** Going back draws random numbers: noise that takes a discrete variable to a continuous one. */
  readonly random: boolean;
  /** Bijections, nets and flows in it that have weights. */
  readonly weights: readonly WeightNode[];
  readonly doc: string | undefined;
  readonly span: Span;
}

/** A bijection of the table; `conditioner` is what gives it its parameters. */
export interface BijectionStep {
  readonly kind: "bijection";
  readonly instance: BijectionInstance;
  readonly conditioner: Conditioner | undefined;
  /** Of one that maps a part of its input by other steps: these, and the event that they start from. */
  readonly inner?: { readonly steps: readonly FlowStep[]; readonly from: Side };
  /** Of noise that a flow makes, given the value to which it is added: that flow, and the domain that it maps from. */
  readonly noise?: { readonly flow: string; readonly base: "real" | "unit" };
  readonly from: Side;
  readonly to: Side;
  readonly span: Span;
}

/** A bijection that the model writes out itself. */
export interface OwnStep {
  readonly kind: "own";
  readonly forward: Conditioner;
  readonly inverse: Conditioner | undefined;
  readonly jacobian:
    | { readonly kind: "elementwise" | "linear" | "dense" }
    | {
        readonly kind: "triangular";
        readonly levels: readonly { readonly outputs: readonly number[]; readonly inputs: readonly number[] }[];
      }
    /** x = rest(z, s), s = scalar(z). */
    | { readonly kind: "rankOne"; readonly scalar: Conditioner; readonly rest: Conditioner };
  readonly from: Side;
  readonly to: Side;
  readonly span: Span;
}

export type FlowStep =
  | BijectionStep
  | OwnStep
  /** Another flow of the model. */
  | {
      readonly kind: "flow";
      readonly flow: string;
      readonly given: readonly Expr[];
      readonly from: Side;
      readonly to: Side;
      readonly span: Span;
    };

/** A net from what a bijection keeps to the parameters of what it changes; the flow's conditions are its further arguments. */
export interface Conditioner {
  readonly net: string;
  readonly given: readonly Expr[];
}

export interface BijectionInstance {
  /** Name in the table of bijections: `coupling`. */
  readonly bijection: string;
  /** `f.coupling1` */
  readonly path: string;
  /** Static arguments of the runtime's `bijection.spec(…)`, in order. */
  readonly spec: readonly (number | readonly number[])[];
  readonly options: Readonly<Record<string, number | boolean | string | readonly number[]>>;
  readonly parameterCount: number;
  readonly span: Span;
}

export interface Binding {
  readonly local: Local;
  readonly value: Expr;
  readonly span: Span;
}

// ---- densities ----------------------------------------------------------------------------------

export interface Density {
  readonly name: string;
  /** Variable names, families spelled out. */
  readonly head: readonly string[];
  readonly given: readonly string[];
  readonly statements: readonly DensityStatement[];
  /** Layers and file-level nets called in its body. */
  readonly weights: readonly WeightNode[];
  readonly doc: string | undefined;
  readonly span: Span;
}

export type DensityStatement =
  | { readonly kind: "bind"; readonly binding: Binding }
  /** `z ~ Normal(…)`; `helper` is true for a variable that the header does not name. */
  | { readonly kind: "draw"; readonly variable: string; readonly dist: DistCall; readonly helper: boolean; readonly span: Span }
  /** `x = f(z)` of a header variable. */
  | { readonly kind: "define"; readonly variable: string; readonly value: Expr; readonly span: Span }
  | { readonly kind: "energy"; readonly value: Expr; readonly span: Span };

export interface DistCall {
  /** Name in the distribution table: `Normal`. */
  readonly dist: string;
  /** Under the table's names: `loc`, `scale`; those given only. */
  readonly params: Readonly<Record<string, Expr>>;
  /** Of a `Mixture`: the distribution that is mixed; its parameters have the components as their last axis. */
  readonly of?: DistCall;
  readonly span: Span;
}

// ---- objectives, training, evaluation -----------------------------------------------------------

export interface Objective {
  readonly name: string;
  /** As written, for labels. */
  readonly text: string;
  readonly value: Expr;
  /** Layers and file-level nets called in its body. */
  readonly weights: readonly WeightNode[];
  readonly doc: string | undefined;
  readonly span: Span;
}

export interface Phase {
  /** "train" for the default phase. */
  readonly name: string;
  readonly updates: readonly Update[];
  readonly settings: readonly Setting[];
  readonly constraints: readonly ConstraintIr[];
  readonly span: Span;
}

export interface Update {
  readonly direction: "maximize" | "minimize";
  /** As written: `ELBO(p, q)`. */
  readonly text: string;
  /** Name of the objective where it stands alone (`V`) or is one template call (`ELBO`); used to name the function. */
  readonly name: string | undefined;
  /** Citation of a library template's doc comment, if any. */
  readonly doc: string | undefined;
  readonly value: Expr;
  /** Weight paths as named after `over`; empty when not given. */
  readonly over: readonly string[];
  readonly by: readonly EstimatorChoice[];
  /** `steps`, `optimizer`, … of this statement. */
  readonly settings: readonly Setting[];
  readonly span: Span;
}

/** `score(baseline = c(x), k = 1)` */
export interface AskedEstimator {
  readonly name: string;
  readonly options: Options;
  /** Options that are expressions or schedules. */
  readonly exprs: Readonly<Record<string, Expr>>;
  readonly span: Span;
}

/** `by z: reparam`, `by mean_field(steps = 10) and pcd(k = 5)` */
export interface EstimatorChoice {
  /** undefined: the whole statement. */
  readonly variable: string | undefined;
  readonly estimators: readonly AskedEstimator[];
  readonly span: Span;
}

/** `optimizer = adam(lr = 1e-3)`, `batch = 100`. */
export interface Setting {
  readonly name: string;
  readonly value: SettingValue;
  readonly span: Span;
}

export type SettingValue =
  | { readonly kind: "static"; readonly value: StaticValue }
  | { readonly kind: "text"; readonly value: string }
  /** `adam(lr = 1e-3)`, `linear(0, 1, epochs = 10)`; positional arguments are already under their names. */
  | { readonly kind: "call"; readonly name: string; readonly args: Readonly<Record<string, SettingValue>> };

export interface ConstraintIr {
  /** Weight path. */
  readonly over: string;
  readonly bound:
    | { readonly kind: "in"; readonly low: number; readonly high: number }
    | { readonly kind: "maxNorm"; readonly axis: number; readonly limit: number };
  readonly span: Span;
}

export interface Evaluation {
  readonly name: string;
  readonly text: string;
  readonly by: readonly EstimatorChoice[];
  readonly value:
    /** `objective` is its name where it stands alone or is one template call, `doc` that objective's comment. */
    | { readonly kind: "objective"; readonly expr: Expr; readonly objective: string | undefined; readonly doc: string | undefined }
    /** A named evaluator of the library: `active_units(q)`; arguments are densities, variables, numbers or names of a choice. */
    | {
        readonly kind: "evaluator";
        readonly evaluator: string;
        readonly densities: readonly string[];
        /** In place of a density, and how many codes there are. */
        readonly codes?: { readonly expr: Expr; readonly classes: number };
        readonly options: Readonly<Record<string, number>>;
        /** Data variables, and words chosen, by the names of the arguments. */
        readonly variables: Readonly<Record<string, string>>;
        readonly choices: Readonly<Record<string, string>>;
      };
  readonly span: Span;
}

// ---- expressions --------------------------------------------------------------------------------

export type Expr =
  | NumberExpr
  | ScheduleExpr
  | LocalExpr
  | VariableExpr
  | ParamExpr
  | BuiltinExpr
  | LayerExpr
  | NetCallExpr
  | FlowCallExpr
  | RecordExpr
  | FieldExpr
  | LogDensityExpr
  | ExpectationExpr
  | ReduceExpr
  | OptimumExpr
  | GradExpr;

interface ExprBase {
  readonly type: Type;
  readonly span: Span;
}

/** A number known at compile time; `text` is how it was written where that says more (`D`). */
export interface NumberExpr extends ExprBase {
  readonly kind: "number";
  readonly value: number;
  readonly text: string | undefined;
}
/** A scalar that follows a schedule, fed each step: an argument of an objective template. */
export interface ScheduleExpr extends ExprBase {
  readonly kind: "schedule";
  /** Name of the scalar: `beta`. */
  readonly name: string;
  readonly schedule: SettingValue;
}
/** A net's parameter or a binding of the same body, or a name that `E[…]` or `grad[y = …]` binds and that is no variable. */
export interface LocalExpr extends ExprBase {
  readonly kind: "local";
  readonly local: Local;
  /** Of a name that `E` binds to a family of draws, as of a variable. */
  readonly sample?: SampleIndex | undefined;
}
/** Which of the samples of `z[1..k]`: the index of an enclosing sum over them, or a position counted from 1. */
export type SampleIndex = { readonly kind: "index"; readonly index: string } | { readonly kind: "at"; readonly position: number };

/**
 * A variable of the model. In a density body, the value drawn; in an objective, the data, or what an enclosing `E` binds.
 * `sample` is the index binder of `z[i]`: i of `sum[i in 1..k]`, or a literal position.
 */
export interface VariableExpr extends ExprBase {
  readonly kind: "variable";
  readonly variable: string;
  readonly sample: SampleIndex | undefined;
}
export interface ParamExpr extends ExprBase {
  readonly kind: "param";
  readonly param: string;
  readonly path: string;
}
/** An entry of the builtin table; operators are builtins too (`add`, `matmul`). */
export interface BuiltinExpr extends ExprBase {
  readonly kind: "builtin";
  readonly fn: string;
  readonly args: readonly Expr[];
  readonly options: Readonly<Record<string, number | boolean | string | readonly number[]>>;
}
export interface LayerExpr extends ExprBase {
  readonly kind: "layer";
  readonly instance: LayerInstance;
  readonly args: readonly Expr[];
}
export interface NetCallExpr extends ExprBase {
  readonly kind: "netCall";
  readonly net: string;
  readonly args: readonly Expr[];
  /** Of a call that is mapped: axes in front of the result, and of those arguments that have more than the net takes; the others are the same for all. */
  readonly over?: readonly Dim[];
}
/** `f(z)`, `f.inverse(x)`; the value alone: densities add the log-determinant. */
export interface FlowCallExpr extends ExprBase {
  readonly kind: "flowCall";
  readonly flow: string;
  readonly direction: "forward" | "inverse";
  readonly arg: Expr;
  readonly given: readonly Expr[];
}
export interface RecordExpr extends ExprBase {
  readonly kind: "record";
  readonly fields: readonly { readonly name: string; readonly value: Expr }[];
}
export interface FieldExpr extends ExprBase {
  readonly kind: "field";
  readonly target: Expr;
  readonly field: string;
}
/** `log p(x, z | y)`: slots in the density's terms; a slot's value is the variable itself unless given (`x = e`). */
export interface LogDensityExpr extends ExprBase {
  readonly kind: "logDensity";
  readonly density: string;
  readonly head: readonly Slot[];
  readonly given: readonly Slot[];
}
export interface Slot {
  readonly variable: string;
  readonly value: Expr;
}
/** `E[z ~ q(z | x)](…)` */
export interface ExpectationExpr extends ExprBase {
  readonly kind: "expectation";
  readonly draws: readonly ObjectiveDraw[];
  readonly body: Expr;
}
export interface ObjectiveDraw {
  /** What is bound: a variable under its own name, or another name for one (`xf ~ p(x)`), or a local (`u ~ Uniform(0, 1)`). */
  readonly names: readonly DrawTarget[];
  /** `z[1..k]`: the number of samples; `text` as written ("k"). */
  readonly samples: Dim | undefined;
  readonly source:
    | { readonly kind: "data"; readonly stream: number }
    | { readonly kind: "density"; readonly density: string; readonly head: readonly string[]; readonly given: readonly Slot[] }
    | { readonly kind: "distribution"; readonly dist: DistCall };
  readonly span: Span;
}
export type DrawTarget =
  | { readonly kind: "variable"; readonly variable: string }
  /** `of` is the variable that the name stands for (undefined for a plain distribution). */
  | { readonly kind: "local"; readonly local: Local; readonly of: string | undefined };

/** `sum[i in 1..k](…)`, `logmeanexp[i in 1..k](…)`: over the samples of a draw; other ranges are unrolled by elaboration. */
export interface ReduceExpr extends ExprBase {
  readonly kind: "reduce";
  readonly op: "sum" | "mean" | "max" | "min" | "logsumexp" | "logmeanexp";
  readonly index: string;
  readonly count: Dim;
  readonly body: Expr;
}
/** `max[z](log p(x, z))` */
export interface OptimumExpr extends ExprBase {
  readonly kind: "optimum";
  readonly op: "max" | "min";
  readonly variables: readonly string[];
  readonly body: Expr;
}
/** `grad[x](D(x))`: one gradient per name. */
export interface GradExpr extends ExprBase {
  readonly kind: "grad";
  readonly locals: readonly { readonly local: Local; readonly value: Expr }[];
  readonly body: Expr;
}
