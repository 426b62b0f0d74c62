/**
 * From an objective as written to the objective IR: log-densities spelled out, draws given estimators, KLs in closed form where legal.
 * Says which estimator each latent got and why; reports what has no legal gradient.
 */
import { InternalError } from "../../base/internal-error.js";
import { report } from "../../base/report.js";
import type { Span } from "../../base/source.js";
import { ordersIn } from "../autoregressive/several.js";
import { builtins, isLinearIn } from "../builtins.js";
import type { DerivedObjective, DrawStep, EstimatorNote, NoiseDensity, Plate, Quantity, Term } from "../quantity.js";
import { exprsOf, namesBoundBy, walkQuantity } from "../quantity-walk.js";
import { dim, typeOfDomain } from "../shapes.js";
import { finiteStates } from "../states.js";
import type { DrawTarget, EstimatorChoice, Expr, GradExpr, LogDensityExpr, ObjectiveDraw, Slot } from "../types.js";
import { childrenOf, freeVariables } from "../walk.js";
import { chosen, NO_CHOICES, type Choices } from "./choices.js";
import { drawsData, takenAfter, takenBeside, type Taken } from "./data-draws.js";
import { type DeriveContext } from "./context.js";
import { gradientReach, stoppedNotes } from "./gradient-reach.js";
import { readsOwnSum } from "./own-reads.js";
import { weightsIn, weightsWithGradient } from "./weights.js";
import type { EnergyRequest, EstimatedPartitions } from "./energy.js";
import type { DrawnTogether } from "./flow-change.js";
import { countsDrawn } from "./energy-draws.js";
import { chainsOf, drawsSamples, energiesIn, partitionsOf, placeChains, usesChoices } from "./energy-use.js";
import { containsSampledExpectation, drawsNumbers, isProbabilistic } from "./contents.js";
import { deriveEm } from "./em.js";
import { deriveMaximum } from "./maxima.js";
import { distinct, ordersNotes } from "./notes.js";
import { planDraw, type PlannedDraw } from "./plan-draw.js";
import { deriveMatching } from "./matching.js";
import { dequantised } from "./bounds.js";
import { closeKl } from "./kl.js";
import { deriveLogDensity } from "./marginal.js";
import { deriveByRow, filledIn, mayBeMissing, mustBeThere, nothingWithout, replacesRow } from "./missing.js";
import { optimaIn, optimumStands } from "./optimum.js";
import { refuseReadersUnderGradients, summedAround } from "./players/rows.js";
import { schedulesIn } from "./schedules.js";
import { requireOneSided } from "./differences.js";
import { requireKnownValues } from "./unknown-values.js";
import { averageOverPosterior } from "./posterior-average.js";
import { stable } from "./stability.js";
import { averaged, helpersOf, memoriesOf, type Surroundings } from "./surrogates.js";
import type { Behind } from "./trained-through.js";
import { requireOneStream } from "./unpaired.js";
import { fingerprint } from "../same-expr.js";

export interface ObjectiveRequest {
  readonly value: Expr;
  /** Weight paths that the statement moves; undefined for an evaluation, where no gradient is taken. */
  readonly over: readonly string[] | undefined;
  readonly by: readonly EstimatorChoice[];
  /** Densities whose log Z another line of `evaluate` estimates, and how. */
  readonly estimated?: EstimatedPartitions;
  /** What takes the place of a log-density that has no exact form, as help says it. */
  readonly instead?: string;
  /** The statement, where errors about estimators point: the draw itself may stand in the library. */
  readonly span: Span;
}

interface State {
  readonly context: DeriveContext;
  readonly request: ObjectiveRequest;
  readonly choices: Choices;
  readonly notes: EstimatorNote[];
  /** Sample families in scope by variable. */
  readonly plates: ReadonlyMap<string, Plate>;
  /** Whether trained weights act through what enclosing draws bind. */
  readonly behind: Behind;
  /** What enclosing draws took from densities, the innermost last. */
  readonly drawn: readonly DrawnTogether[];
  /** Variables that enclosing draws bind. */
  readonly bound: ReadonlySet<string>;
  /** Whether draws around stand in the place of the row's data: what the row has is nothing to what is drawn then. */
  readonly replaced: boolean;
  /** Plate that an index of `sum[i in 1..k]` runs over. */
  readonly counter: { plates: number };
  /** Ids of the names that gradients around are taken in. */
  readonly under: ReadonlySet<string>;
  /** Rows of the streams that what stands around has taken. */
  readonly taken: Taken;
}

/** Derives an objective; undefined after an error has been reported. */
export function deriveObjective(context: DeriveContext, request: ObjectiveRequest): DerivedObjective | undefined {
  const choices = chosen(context, request.by);
  if (!choices || refuseReadersUnderGradients(context, [request.value])) return undefined;
  const complete = mustBeThere(context, request);
  if (!complete) return undefined;
  const free = new Set(freeVariables(request.value));
  const state: State = {
    context,
    request,
    choices,
    notes: [],
    plates: new Map(),
    behind: new Map(),
    drawn: [],
    bound: new Set(),
    replaced: false,
    counter: { plates: 0 },
    under: new Set(),
    taken: new Map(),
  };
  const derived = derive(state, request.value);
  if (derived && request.over !== undefined && !requireOneStream(context, derived, request.span)) return undefined;
  if (derived && !requireOneSided(context, derived, choices.data, request.over !== undefined)) return undefined;
  if (derived && request.over !== undefined && !requireKnownValues(context, derived, choices, request.over)) return undefined;
  if (!derived || !usesChoices(context, choices, derived, request.over !== undefined) || !optimumStands(context, derived)) return undefined;
  const quantity = placeChains(context, choices, derived);
  if (!quantity) return undefined;
  const [climbed] = optimaIn(quantity);
  if (climbed && chainsOf(quantity).length + memoriesOf(quantity).length > 0) {
    const beside = chainsOf(quantity).length > 0 ? "a log Z that chains estimate" : "an estimator that remembers its baseline";
    report(context.diagnostics, "GM3509", climbed.span, { construct: `a maximum over continuous latents beside ${beside}` });
    return undefined;
  }
  const summed = summedAround(context, quantity);
  if (summed) {
    report(context.diagnostics, "GM3751", request.span, summed, {
      help: [
        `make \`${summed.variable}\` a latent that is sampled, such as a Normal`,
        ...(context.model.variables.get(summed.variable)?.domain.name === "binary" && request.over !== undefined
          ? [`or relax it, with a bias: \`by ${summed.variable}: concrete(t = 0.5)\``]
          : []),
        "or train against a critic, which sees one example at a time: `maximize GAN(p, D) over D`",
      ],
    });
    return undefined;
  }
  const em = choices.update && deriveEm(context, quantity, request.over, choices.update);
  if (choices.update && !em) return undefined;
  const used = [...exprsOf(quantity), ...energiesIn(context, quantity)];
  for (const expr of helpersOf(quantity))
    for (const v of freeVariables(expr)) if (context.model.variables.get(v)?.role === "data") free.add(v);
  let random = false;
  walkQuantity(quantity, (q) => {
    random ||= drawsSamples(q);
    if (q.kind === "byRow" || (q.kind === "enumerate" && q.fills)) free.add(q.variable);
    if (q.kind !== "expect") return;
    // what is drawn given its own sum takes that of the data
    for (const step of q.steps) {
      if (step.kind === "factor" && (step.fills || readsOwnSum(context, step.factor))) free.add(step.factor.variable);
      if (step.kind === "data") free.add(step.variable);
      if (step.kind === "energy") for (const v of countsDrawn(context, step)) free.add(v);
    }
  });
  const training = request.over !== undefined;
  const orders = ordersIn(context, used);
  // the M-steps of expectation maximisation follow no gradient
  const reach = training && !em ? gradientReach(context, quantity) : undefined;
  const reached = reach && new Set(weightsWithGradient(context, [...reach.exprs, ...energiesIn(context, quantity)]));
  const notes = reach ? stoppedNotes(state.notes, reach) : state.notes;
  random ||= drawsNumbers(context, used);
  const withOrders = (inTraining: boolean): readonly EstimatorNote[] =>
    distinct([...notes, ...(orders > 1 ? ordersNotes(context, quantity, inTraining) : [])]);
  const derivedAs: DerivedObjective = {
    quantity,
    ...(em && { em }),
    notes: withOrders(training),
    weights: weightsWithGradient(context, used).filter((w) => !reached || reached.has(w)),
    data: [...context.model.variables.keys()].filter((v) => free.has(v)),
    complete: training ? complete : withoutNothing(context, quantity, complete, free),
    schedules: schedulesIn(used),
    random,
    training,
    orders,
    chains: chainsOf(quantity),
    memories: memoriesOf(quantity),
    helpers: ownWeights(context, used, helpersOf(quantity)),
    partitions: partitionsOf(quantity),
  };
  if (!training || orders === 1) return derivedAs;
  return { ...derivedAs, random: true, ensemble: { ...derivedAs, training: false, notes: withOrders(false) } };
}

/** Weights that the estimators' expressions read and nothing else of the objective. */
function ownWeights(context: DeriveContext, used: readonly Expr[], helpers: readonly Expr[]): readonly string[] {
  const others = weightsIn(
    context,
    used.filter((e) => !helpers.includes(e)),
  );
  return [...weightsIn(context, helpers)].filter((w) => !others.has(w));
}

/** What the state says to the derivation of log-densities. */
function energyRequest(state: State): EnergyRequest {
  const { request, choices, notes } = state;
  const isFreeData = (variable: string, value: Expr | undefined): boolean =>
    state.context.model.variables.get(variable)?.role === "data" &&
    (value === undefined || (value.kind === "variable" && value.variable === variable)) &&
    !state.bound.has(variable);
  const read = new Set(freeVariables(request.value));
  const ofRow = (variable: string): Expr | undefined => {
    const declared = state.context.model.variables.get(variable);
    if (declared?.role !== "data" || state.bound.has(variable) || !read.has(variable)) return undefined;
    return { kind: "variable", variable, sample: undefined, type: typeOfDomain(declared.domain), span: request.span };
  };
  return {
    isFreeData,
    ofRow,
    choices,
    training: request.over !== undefined,
    estimated: request.estimated ?? new Map(),
    span: request.span,
    notes,
    drawn: state.drawn,
    under: state.under,
    ...(request.instead !== undefined && { instead: request.instead }),
  };
}

function derive(state: State, expr: Expr): Quantity | undefined {
  const { context } = state;
  if (!isProbabilistic(expr)) return { kind: "value", expr: stable(context, expr) };
  switch (expr.kind) {
    case "logDensity":
      return state.choices.matching
        ? deriveMatching(context, expr, state.choices.matching, (...noise) => deriveNoise(state, expr, ...noise))
        : deriveByRow(context, expr, state.bound, (part) => deriveLogDensity(context, part, energyRequest(state)));
    case "expectation": {
      const replaced = state.replaced || replacesRow(context, expr);
      return deriveExpectation({ ...(drawsData(expr) ? beside(state, [expr]) : state), replaced }, expr.draws, expr.body, expr);
    }
    case "reduce":
      return deriveReduce(state, expr);
    case "optimum":
      return deriveMaximum(state, expr, (body) => derive(state, body));
    case "builtin":
      return deriveBuiltin(state, expr);
    case "grad":
      return deriveGradient(state, expr);
    default:
      report(context.diagnostics, "GM3509", expr.span, { construct: "a density inside a record, layer or net call" });
      return undefined;
  }
}

/** Noise for `expr` from a density of the model: a family of samples for each row. Nothing of it is trained. */
function deriveNoise(state: State, expr: LogDensityExpr, density: string, given: readonly Slot[], ratio: number): NoiseDensity | undefined {
  const plain: State = {
    ...state,
    choices: NO_CHOICES,
    behind: new Map(),
    notes: [],
    request: { ...state.request, over: undefined, by: [] },
  };
  const names = expr.head.map(({ variable }): DrawTarget => ({ kind: "variable", variable }));
  const head = expr.head.map(({ variable, value }): Slot => ({
    variable,
    value: { kind: "variable", variable, sample: undefined, type: value.type, span: value.span },
  }));
  const data = derive(plain, { ...expr, density, given });
  const draw: ObjectiveDraw = {
    names,
    samples: dim(ratio, String(ratio)),
    source: { kind: "density", density, head: head.map((s) => s.variable), given },
    span: expr.span,
  };
  const drawn = data && deriveExpectation(plain, [draw], { ...expr, density, head, given }, expr);
  if (!drawn) return undefined;
  if (drawn.kind !== "expect" || !drawn.plate) throw new InternalError(`no samples of ${density}`);
  return { density, data, drawn: { ...drawn, plate: { ...drawn.plate, own: true } } };
}

/** The gradient of a log-density, or of what is made of some: where it is exact. What log Z does not read, its gradient does not either. */
function deriveGradient(state: State, expr: GradExpr): Quantity | undefined {
  const refuse = (problem: string, help: string): undefined => {
    report(state.context.diagnostics, "GM3743", expr.span, { problem }, { help: [help] });
    return undefined;
  };
  const [only, ...more] = expr.locals;
  if (!only || more.length > 0)
    return refuse("that of a log-density in one name at a time", `write one for each: \`grad[${only?.local.name ?? "x"}](…)\``);
  if (isProbabilistic(only.value))
    return refuse("where it is taken, a log-density or an expectation stands", "draw the value before: `E[y ~ …](grad[y](…))`");
  const body = derive({ ...state, under: new Set([...state.under, only.local.id]) }, expr.body);
  if (!body) return undefined;
  let problem: string | undefined;
  walkQuantity(body, (q) => {
    if (q.kind === "expect") problem ??= "this one holds an expectation, which samples estimate";
    if (q.kind === "matching" || ((q.kind === "unnormalised" || q.kind === "logPartition") && q.method.kind !== "exact"))
      problem ??= "this one holds a log-density that is estimated";
  });
  return problem === undefined
    ? { kind: "grad", expr, body }
    : refuse(problem, "draw first, and take the gradient at each sample: `E[x ~ p(x)](norm(grad[y = x](D(y))))`");
}

function deriveBuiltin(state: State, expr: Extract<Expr, { kind: "builtin" }>): Quantity | undefined {
  const { context } = state;
  const terms = linearTerms(state, expr, 1, []);
  if (terms === "failed") return undefined;
  if (terms) return { kind: "sum", terms, span: expr.span };
  const args: Quantity[] = [];
  for (const arg of expr.args) {
    const q = derive(
      drawsData(arg)
        ? beside(
            state,
            expr.args.filter((other) => other !== arg),
          )
        : state,
      arg,
    );
    if (!q) return undefined;
    args.push(q);
  }
  if (sharesNoise(context, expr, args)) return undefined;
  const sampled = args.flatMap((q, i) => (containsSampledExpectation(q) ? [i] : []));
  // a linear function of estimates without bias has none
  if (sampled.length > 0 && expr.fn !== "stop" && !isLinearIn(builtins.get(expr.fn)?.linear, sampled)) {
    const at = expr.args[sampled[0] ?? 0] ?? expr;
    report(
      context.diagnostics,
      "GM3502",
      expr.span,
      { fn: builtins.get(expr.fn)?.symbol ?? expr.fn },
      {
        labels: [{ span: at.span, text: "estimated by samples" }],
        help:
          expr.fn === "log"
            ? ["draw a family of samples and put the average inside: `E[z[1..k] ~ q(z | x)](logmeanexp[i in 1..k](…))`"]
            : ["bring the function inside the expectation, or draw a family of samples and average inside it"],
      },
    );
    return undefined;
  }
  return { kind: "apply", expr, args };
}

/** Terms of a reduction that are alike and draw noise draw the same: their mean is that of one of them, whatever their number. */
function sharesNoise(context: DeriveContext, expr: Extract<Expr, { kind: "builtin" }>, args: readonly Quantity[]): boolean {
  const [first, ...others] = expr.args;
  if (!first || others.length === 0 || (expr.fn !== "stack" && expr.fn !== "concat")) return false;
  const one = fingerprint(first);
  if (!others.every((other) => fingerprint(other) === one) || args[0] === undefined || dequantised(context, args[0]) === 0) return false;
  report(
    context.diagnostics,
    "GM3713",
    expr.span,
    { times: expr.args.length },
    {
      help: [
        "`-log p(x)` is the bound by one draw of the noise for each row; its mean over the rows has the standard error that is printed",
        "a tighter one has noise that is learnt: `dequantize(u)` with a flow `u(e | x)` onto `unit`",
      ],
    },
  );
  return true;
}

/** The state in an expression that others multiply, or meet otherwise than as plain terms. */
function beside(state: State, others: readonly Expr[]): State {
  return { ...state, taken: takenBeside(state.context, state.taken, others) };
}

/** Sums, differences and multiples, as terms; undefined where `expr` is none of these at its top. */
function linearTerms(state: State, expr: Expr, scale: number, factors: readonly Expr[]): readonly Term[] | "failed" | undefined {
  const part = (e: Expr, s: number, f: readonly Expr[], factor?: Expr): readonly Term[] | "failed" => {
    const at = factor && drawsData(e) ? beside(state, [factor]) : state;
    const inner = e.kind === "builtin" && isProbabilistic(e) ? linearTerms(at, e, s, f) : undefined;
    if (inner) return inner;
    const quantity = derive(at, e);
    if (!quantity) return "failed";
    return quantity.kind === "sum"
      ? quantity.terms.map((t) => ({ scale: t.scale * s, factors: [...f, ...t.factors], quantity: t.quantity }))
      : [{ scale: s, factors: f, quantity }];
  };
  // sums of values with axes, such as gradients, are applied as they stand
  if (expr.kind !== "builtin" || (expr.type.kind === "tensor" && expr.type.shape.length > 0)) return undefined;
  const [a, b] = expr.args;
  switch (expr.fn) {
    case "neg":
      return a && part(a, -scale, factors);
    case "add":
    case "sub": {
      if (!a || !b) return undefined;
      const left = part(a, scale, factors);
      const right = part(b, expr.fn === "add" ? scale : -scale, factors);
      return left === "failed" || right === "failed" ? "failed" : [...left, ...right];
    }
    case "mul":
    case "div": {
      if (!a || !b) return undefined;
      const [plain, other] = !isProbabilistic(b) ? [b, a] : expr.fn === "mul" && !isProbabilistic(a) ? [a, b] : [undefined, undefined];
      if (!plain || !other) return undefined;
      if (plain.kind === "number") return part(other, expr.fn === "mul" ? scale * plain.value : scale / plain.value, factors);
      const factor: Expr =
        expr.fn === "mul"
          ? plain
          : {
              kind: "builtin",
              fn: "div",
              args: [{ kind: "number", value: 1, text: undefined, type: plain.type, span: plain.span }, plain],
              options: {},
              type: plain.type,
              span: plain.span,
            };
      return part(other, scale, [...factors, factor], factor);
    }
    default:
      return undefined;
  }
}

function deriveExpectation(state: State, draws: readonly ObjectiveDraw[], body: Expr, whole: Expr): Quantity | undefined {
  const [draw, ...rest] = draws;
  if (!draw) return derive(state, body);
  const inner = (next: State): Quantity | undefined => deriveExpectation(next, rest, body, whole);
  const request = { ...state.request, choices: state.choices, taken: state.taken, fills: !state.replaced, body };
  const planned = planDraw(state.context, draw, request, state.behind, state.notes);
  if (!planned) return undefined;
  const plate: Plate | undefined = draw.samples ? { id: `plate${state.counter.plates++}`, count: draw.samples } : undefined;
  const plates = new Map(state.plates);
  for (const name of draw.names.map(nameOf)) {
    if (plate) plates.set(name, plate);
    else plates.delete(name);
  }
  const rebound = (d: DrawnTogether): boolean =>
    [...d.values.values()].some((v) => v.kind === "variable" && draw.names.some((n) => n.kind === "variable" && n.variable === v.variable));
  const drawn = [...state.drawn.filter((d) => !rebound(d)), ...(planned.drawn ? [planned.drawn] : [])];
  let result = inner({
    ...state,
    plates,
    drawn,
    behind: new Map([...state.behind, ...planned.behind]),
    bound: new Set([...state.bound, ...draw.names.flatMap((n) => (n.kind === "variable" ? [n.variable] : []))]),
    taken: takenAfter(state.taken, draw),
  });
  result = result && request.fills ? filledIn(state.context, draw, result) : result;
  if (!result) return undefined;
  const surroundings: Surroundings = {
    context: state.context,
    plate,
    notes: state.notes,
    span: whole.span,
    statement: state.request.span,
    fresh: () => `plate${state.counter.plates++}`,
    boundFrom: (at) =>
      new Set([...planned.steps.slice(planned.steps.indexOf(at)).flatMap(boundBy), ...rest.flatMap((d) => d.names.map(nameOf))]),
  };
  // Innermost draws last: enumerated latents wrap what follows them, sampled ones in a row share one node.
  let pending: DrawStep[] = [];
  const flush = (): void => {
    if (pending.length > 0 && result) result = averaged(surroundings, pending, result);
    pending = [];
  };
  for (const step of [...planned.steps].reverse()) {
    if (step.kind === "posterior") {
      flush();
      const weight = deriveLogDensity(state.context, step.posterior, energyRequest(state));
      if (!weight || !result) return undefined;
      const { variable, local, states, posterior, reason } = step;
      const fills = request.fills && !local && mayBeMissing(state.context, variable) ? { fills: true as const } : {};
      result = {
        kind: "enumerate",
        op: "expect",
        variable,
        local,
        states,
        weight,
        posterior,
        ...fills,
        body: result,
        reason,
        span: whole.span,
      };
      continue;
    }
    if (step.kind === "joint") {
      flush();
      const joint = deriveLogDensity(state.context, step.joint, energyRequest(state));
      result = joint && result && averageOverPosterior(state.context, step, joint, result, state.notes);
      if (!result) return undefined;
      continue;
    }
    if (step.kind === "factor" && step.estimator === "enumerate") {
      flush();
      // an error within has been reported
      if (!result) return undefined;
      const variable = state.context.model.variables.get(step.factor.variable);
      const states = variable && finiteStates(variable.domain, step.factor.dist.dist);
      if (!states) throw new InternalError(`cannot enumerate ${step.factor.variable}`);
      if (plate) {
        report(
          state.context.diagnostics,
          "GM3503",
          state.request.span,
          {
            variable: step.factor.variable,
            dist: step.factor.dist.dist,
            states: ", since a family of samples is drawn and each would have to be summed over on its own",
          },
          {
            help: [`drop the family: with \`${step.factor.variable}\` summed over exactly, one \`E[…]\` is enough`],
          },
        );
        return undefined;
      }
      result = closeKl(
        state.context,
        {
          kind: "enumerate",
          op: "expect",
          local: step.local,
          variable: step.factor.variable,
          states,
          weight: step.factor,
          ...(step.fills ? { fills: true } : {}),
          body: result,
          reason: step.reason,
          span: whole.span,
        },
        state.notes,
      );
    } else pending = [step, ...pending];
  }
  flush();
  return result;
}

const nameOf = (target: DrawTarget): string => (target.kind === "variable" ? target.variable : target.local.id);

/** Names that a planned step binds. */
function boundBy(step: PlannedDraw["steps"][number]): readonly string[] {
  if (step.kind === "joint") return [...step.latents.keys()];
  return step.kind === "posterior" ? [step.local?.id ?? step.variable] : [...namesBoundBy([step])];
}

function deriveReduce(state: State, expr: Extract<Expr, { kind: "reduce" }>): Quantity | undefined {
  const plates = new Set<Plate>();
  const visit = (e: Expr): void => {
    const name = e.kind === "variable" ? e.variable : e.kind === "local" ? e.local.id : undefined;
    const indexed = (e.kind === "variable" || e.kind === "local") && e.sample?.kind === "index" && e.sample.index === expr.index;
    const sampled = indexed && name !== undefined ? state.plates.get(name) : undefined;
    if (sampled) plates.add(sampled);
    for (const child of childrenOf(e)) visit(child);
  };
  visit(expr.body);
  const [plate] = plates;
  if (!plate) {
    report(state.context.diagnostics, "GM3509", expr.span, {
      construct: `\`${expr.op}[${expr.index} in …]\` over something other than the samples of an \`E\``,
    });
    return undefined;
  }
  if (plates.size > 1) {
    report(
      state.context.diagnostics,
      "GM3509",
      expr.span,
      { construct: `one index over two families: \`${expr.index}\`` },
      {
        help: ["draw them together, `z[1..k], u[1..k]` from one density, or give each its own index"],
      },
    );
    return undefined;
  }
  const body = derive(state, expr.body);
  return body && { kind: "reduce", op: expr.op, index: expr.index, plate: plate.id, count: plate.count, body, span: expr.span };
}

/** What a row must have to be measured: what is read of it, and one at least of what all of the quantity hangs on. */
function withoutNothing(
  context: DeriveContext,
  quantity: Quantity,
  complete: readonly string[],
  free: ReadonlySet<string>,
): DerivedObjective["complete"] {
  const open = [...free].filter((v) => mayBeMissing(context, v) && !complete.includes(v));
  return [...complete, ...nothingWithout(quantity, open).map((list) => (list.length === 1 ? (list[0] ?? "") : list))];
}
