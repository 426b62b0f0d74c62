/**
 * Derived objectives as mathematics, in plain text and LaTeX, for `gmc explain`. Both come from one walk over the objective IR:
 * `Notation` says how each construct is written.
 */
import { builtins } from "../ir/builtins.js";
import { type DeriveContext, densityOf, inHeader, netOf, parentsOf } from "../ir/derive/context.js";
import { flowChain } from "../ir/derive/flow-change.js";
import { substitute } from "../ir/energy/algebra.js";
import { estimators } from "../ir/estimators.js";
import type { DrawStep, Factor, LogDet, Matching, Quantity, Term } from "../ir/quantity.js";
import { grouped } from "../ir/static.js";
import type { Dim, BuiltinExpr, Expr, GradExpr, LogDensityExpr } from "../ir/types.js";
import { latexName, latexText, roman, scripted } from "./latex-names.js";

interface Notation {
  readonly name: (text: string) => string;
  readonly words: (text: string) => string;
  readonly density: (density: string, head: string, given: string) => string;
  readonly log: (body: string) => string;
  readonly expect: (draws: readonly string[], body: string) => string;
  readonly draw: (name: string, density: string) => string;
  readonly family: (name: string, count: string) => string;
  readonly kl: (q: string, p: string) => string;
  readonly sum: (op: "sum" | "max" | "min", variable: string, body: string) => string;
  readonly over: (op: string, index: string, count: string, body: string) => string;
  readonly fn: (name: string, args: readonly string[]) => string;
  readonly frac: (a: string, b: string) => string;
  readonly gradient: (names: readonly string[], body: string) => string;
  /** 1 where a variable of the row is so, else 0. */
  readonly iverson: (variable: string, word: string) => string;
  readonly times: string;
  readonly group: (body: string) => string;
  readonly integral: (variables: readonly string[], body: string) => string;
}

const plain: Notation = {
  name: (t) => t,
  words: (t) => t,
  density: (d, head, given) => `${d}(${head}${given === "" ? "" : ` | ${given}`})`,
  log: (b) => `log ${b}`,
  expect: (draws, body) => `E[${draws.join(", ")}](${body})`,
  draw: (n, d) => `${n} ~ ${d}`,
  family: (n, k) => `${n}[1..${k}]`,
  kl: (q, p) => `KL(${q}, ${p})`,
  sum: (op, v, body) => `${op}[${v}](${body})`,
  over: (op, i, n, body) => `${op}[${i} in 1..${n}](${body})`,
  fn: (n, args) => `${n}(${args.join(", ")})`,
  frac: (a, b) => `${a} / ${b}`,
  gradient: (names, body) => `grad[${names.join(", ")}](${body})`,
  iverson: (v, word) => `[${v} ${word}]`,
  times: " * ",
  group: (b) => `(${b})`,
  integral: (vs, body) => `∫ ${body} ${vs.map((v) => `d${v}`).join(" ")}`,
};

const LATEX_FUNCTIONS = new Set(["log", "exp", "sum", "max", "min", "tanh", "sin", "cos"]);
/** Written without brackets around what they reach to the right. */
const LARGE_OPERATORS = new Set(["sum", "max", "min"]);
const latex: Notation = {
  name: latexName,
  words: (t) => `\\text{${t}}`,
  density: (d, head, given) => `${latexName(d)}(${head}${given === "" ? "" : ` \\mid ${given}`})`,
  log: (b) => `\\log ${b}`,
  expect: (draws, body) => `\\mathbb{E}_{${draws.join(",\\, ")}}\\left[${body}\\right]`,
  draw: (n, d) => `${n} \\sim ${d}`,
  family: (n, k) => scripted(n, "^", `(1:${latexText(k)})`),
  kl: (q, p) => `\\mathrm{KL}\\left(${q} \\,\\|\\, ${p}\\right)`,
  sum: (op, v, body) => `${op === "sum" ? "\\sum" : `\\${op}`}_{${v}} ${body}`,
  over: (op, index, count, body) => {
    const [i, n] = [latexName(index), latexText(count)];
    const operator: Readonly<Record<string, string>> = {
      sum: `\\sum_{${i}=1}^{${n}}`,
      mean: `\\frac{1}{${n}}\\sum_{${i}=1}^{${n}}`,
      max: `\\max_{${i}}`,
      min: `\\min_{${i}}`,
    };
    const known = operator[op];
    if (known) return `${known} ${body}`;
    return op === "logmeanexp"
      ? `\\log \\frac{1}{${n}}\\sum_{${i}=1}^{${n}} \\exp\\left(${body}\\right)`
      : `\\log \\sum_{${i}=1}^{${n}} \\exp\\left(${body}\\right)`;
  },
  fn: (n, args) => `${LATEX_FUNCTIONS.has(n) ? `\\${n}` : roman("\\operatorname", n)}\\left(${args.join(", ")}\\right)`,
  frac: (a, b) => `\\frac{${a}}{${b}}`,
  gradient: (names, body) => `\\nabla_{${names.join(", ")}} ${body}`,
  iverson: (v, word) => `[${v} \\text{ ${word}}]`,
  times: " \\, ",
  group: (b) => `\\left(${b}\\right)`,
  integral: (vs, body) => `\\int ${body} ${vs.map((v) => `\\, \\mathrm{d}${v}`).join(" ")}`,
};

/** An expression by itself. */
export function expressionText(context: DeriveContext, expr: Expr, outer = 0): string {
  return expression(context, plain, expr, outer);
}

export function expressionLatex(context: DeriveContext, expr: Expr, outer = 0): string {
  return expression(context, latex, expr, outer);
}

export function quantityText(context: DeriveContext, quantity: Quantity): string {
  return write(context, plain, quantity);
}

export function quantityLatex(context: DeriveContext, quantity: Quantity): string {
  return write(context, latex, quantity);
}

/** How many draws there are: a hyperparameter by its name; what a template calls a number differs from call to call, and may be a variable's name. */
function countText({ model }: DeriveContext, { size, text }: Dim): string {
  const isName = /^[\p{L}_]\w*$/u.test(text);
  return !isName || model.hyper.some((h) => h.name === text && h.value === size) ? text : String(size);
}

/** An index of samples, under a name that no variable of the model has. */
function indexText({ model }: DeriveContext, index: string): string {
  let name = index;
  while (model.variables.has(name)) name += index;
  return name;
}

function write(context: DeriveContext, n: Notation, q: Quantity): string {
  const inner = (x: Quantity): string => write(context, n, x);
  switch (q.kind) {
    case "value":
      return expression(context, n, q.expr);
    case "factor":
      return n.log(factor(context, n, q));
    case "logDet":
      return logDet(context, n, q);
    case "kl":
      return n.kl(factor(context, n, q.q), factor(context, n, q.p));
    case "sum":
      return q.terms.map((t, i) => term(context, n, t, i === 0)).join(" ");
    case "apply": {
      const [a, b] = q.args;
      if (q.expr.fn !== "mul" || !a || !b) return n.fn(q.expr.fn, q.args.map(inner));
      const side = (x: Quantity): string =>
        x.kind === "value" ? expression(context, n, x.expr, 3) : x.kind === "sum" ? n.group(inner(x)) : inner(x);
      return `${side(a)} ${n === latex ? "\\cdot" : "*"} ${side(b)}`;
    }
    case "grad":
      return n.gradient(takenIn(context, n, q.expr), inner(q.body));
    case "gaussianMarginal":
      return n.log(
        n.integral(
          q.latents.map((f) => n.name(f.variable)),
          [...q.children, ...q.latents].map((f) => factor(context, n, f)).join(" "),
        ),
      );
    case "expect":
      return n.expect(
        q.steps.map((s, i) => step(context, n, s, q.plate && { count: countText(context, q.plate.count), before: q.steps.slice(0, i) })),
        inner(q.body),
      );
    case "enumerate": {
      const v = n.name(q.variable);
      if (q.op === "expect") return n.sum("sum", v, `${stateWeight(context, n, q)}${n.times}${n.group(inner(q.body))}`);
      if (q.op === "logsumexp") return n.log(n.sum("sum", v, n.fn("exp", [inner(q.body)])));
      return n.sum(q.op, v, n.group(inner(q.body)));
    }
    case "eliminate": {
      // the joint sum: in which order it is done, the notes say
      const names = q.steps.map((s) => n.name(s.variable)).join(", ");
      if (q.op === "expect") {
        const values = q.steps.flatMap((s) => s.values ?? []).map((t, i) => term(context, n, t, i === 0));
        return n.sum("sum", names, `${posteriorText(context, n, q.posterior)}${n.times}${n.group(values.join(" "))}`);
      }
      const body = q.steps
        .flatMap((s) => s.terms)
        .map((t, i) => term(context, n, t, i === 0))
        .join(" ");
      return q.op === "logsumexp" ? n.log(n.sum("sum", names, n.fn("exp", [body]))) : n.sum(q.op, names, n.group(body));
    }
    case "byRow": {
      const whole = (x: Quantity): string => ((q.there && q.missing) || x.kind === "sum" ? n.group(inner(x)) : inner(x));
      const part = (x: Quantity | undefined, word: string): string[] =>
        x ? [`${n.iverson(n.name(q.variable), word)}${n.times}${whole(x)}`] : [];
      const parts = [...part(q.there, "there"), ...part(q.missing, "missing")].join(" + ");
      return q.there && q.missing ? n.group(parts) : parts;
    }
    case "optimum":
      return n.sum(q.op, q.variables.map(n.name).join(", "), n.group(inner(q.body)));
    case "unnormalised":
      return unnormalised(n, q);
    case "logPartition":
      return n.log(n.name("Z"));
    case "matching":
      return matching(n, q);
    case "reduce":
      return n.over(q.op, indexText(context, q.index), countText(context, q.count), inner(q.body));
  }
}

/** log |det dz/dx| of a definition by flows. */
function logDet(context: DeriveContext, n: Notation, q: LogDet): string {
  const definition = densityOf(context, q.density).definitions.get(q.variable);
  const chain = definition?.kind === "define" ? flowChain(context, definition.value) : undefined;
  const source = n.name(chain?.source ?? "z");
  const forth = chain?.calls[0]?.direction === q.calls[0]?.direction;
  const [above, under] = forth ? [n.name(q.variable), source] : [source, n.name(q.variable)];
  return n === latex ? `\\log \\left|\\det \\frac{\\partial ${above}}{\\partial ${under}}\\right|` : `log |det d${above}/d${under}|`;
}

function unnormalised(n: Notation, q: Extract<Quantity, { kind: "unnormalised" }>): string {
  const given = q.given.map(n.name);
  switch (q.method.kind) {
    case "exact": {
      const hidden = [...q.method.sum, ...(q.method.joint ?? []), ...Object.keys(q.method.paired ?? {}), ...q.method.enumerate];
      if (hidden.length === 0) return `-${n.fn("E", given)}`;
      return n.log(n.sum("sum", hidden.map(n.name).join(", "), n.fn("exp", [`-${n.fn("E", [...given, ...hidden.map(n.name)])}`])));
    }
    case "meanField": {
      const means = q.method.hidden.map((h) => (n === latex ? n.name(`mean(${h})`) : `mu_${n.name(h)}`));
      return n.group(`-${n.fn("E", [...given, ...means])} + ${n.fn("H", means)}`);
    }
    case "gibbs": {
      const hidden = q.method.hidden.map(n.name).join(", ");
      return n.expect(
        [n.draw(hidden, n.density(q.density, hidden, given.join(", ")))],
        `-${n.fn("E", [...given, ...q.method.hidden.map(n.name)])}`,
      );
    }
  }
}

function term(context: DeriveContext, n: Notation, t: Term, first: boolean): string {
  const size = Math.abs(t.scale);
  const factors = [...(size === 1 ? [] : [String(size)]), ...t.factors.map((f) => expression(context, n, f))];
  const own = write(context, n, t.quantity);
  // one sign of the two
  const isOpposite = t.quantity.kind === "unnormalised" && own.startsWith("-");
  const isNegative = isOpposite ? t.scale > 0 : t.scale < 0;
  const sign = isNegative ? (first ? "-" : "- ") : first ? "" : "+ ";
  return `${sign}${[...factors, isOpposite ? own.slice(1) : own].join(n.times)}`;
}

/** What score matching and noise contrast make greatest of a row; F in place of E where variables are summed out. */
function matching(n: Notation, q: Matching): string {
  const isSummed = q.hidden.sum.length + q.hidden.enumerate.length > 0;
  const v = q.variables.map(n.name).join(", ");
  const energy = (x: string): string => n.fn(isSummed ? "F" : "E", [x]);
  const slope = (x: string): string => n.gradient([v], energy(x));
  const halfSquare = (x: string): string => (n === latex ? `\\frac{1}{2} \\left\\|${x}\\right\\|^{2}` : `|${x}|^2 / 2`);
  const number = (name: string): string | undefined => (q.options[name] === undefined ? undefined : String(q.options[name]));
  const sigma = number("sigma");
  if (sigma !== undefined) {
    const noise = n === latex ? "\\epsilon" : "eps";
    const miss = `${n.frac(noise, sigma)} - ${slope(`${v} + ${sigma}${n.times}${noise}`)}`;
    return n.expect([n.draw(noise, n.fn("Normal", ["0", "1"]))], `-${halfSquare(miss)}`);
  }
  if (estimators.get(q.method)?.ofCurvature) {
    const curvature = n.fn("tr", [n.gradient([v], slope(v))]);
    return n.group(`${curvature} - ${halfSquare(slope(v))}`);
  }
  const [ratio, other] = [number("ratio") ?? "1", n.name("u")];
  const source = n.name(q.noise?.density ?? "noise");
  const density = (x: string): string => n.log(n.fn(source, [x]));
  if (q.ranked) {
    const odds = (x: string): string => `-${energy(x)} - ${density(x)}`;
    const among = n === latex ? `${other} \\in \\{${v}, ${ratio} \\times ${source}\\}` : `${other} in ${v} and ${ratio} of ${source}`;
    return n.group(`${odds(v)} - ${n.log(n.sum("sum", among, n.fn("exp", [odds(other)])))}`);
  }
  const noise = (x: string): string => (ratio === "1" ? density(x) : n.log(n.group(`${ratio}${n.times}${n.fn(source, [x])}`)));
  const logZ = n.log(n.name("Z"));
  const real = n.log(n.fn("sigmoid", [`-${energy(v)} - ${logZ} - ${noise(v)}`]));
  const made = n.log(n.fn("sigmoid", [`${energy(other)} + ${logZ} + ${noise(other)}`]));
  return n.group(`${real} + ${ratio === "1" ? "" : `${ratio}${n.times}`}${n.expect([n.draw(other, source)], made)}`);
}

/** `plate`: how many draws there are of each, and the steps before. */
function step(
  context: DeriveContext,
  n: Notation,
  s: DrawStep,
  plate: { readonly count: string; readonly before: readonly DrawStep[] } | undefined,
): string {
  const named = (text: string): string => (plate === undefined ? n.name(text) : n.family(n.name(text), plate.count));
  const several = (variable: string): string | undefined =>
    plate?.before.some((b) => b.kind === "factor" && b.local === undefined && b.factor.variable === variable) ? named(variable) : undefined;
  switch (s.kind) {
    case "factor":
      return n.draw(named(s.local?.name ?? s.factor.variable), factor(context, n, s.factor, several));
    case "energy":
      return n.draw(
        s.variables.map((v) => named(v.local?.name ?? v.variable)).join(", "),
        n.density(s.density, s.variables.map((v) => n.name(v.variable)).join(", "), s.given.map(n.name).join(", ")),
      );
    case "gaussian":
      return n.draw(
        s.variables.map((v) => named(v.local?.name ?? v.variable)).join(", "),
        n.density(s.density, s.variables.map((v) => n.name(v.variable)).join(", "), s.given.map(n.name).join(", ")),
      );
    case "bind": {
      // by the names of the draw, which is what the body reads: `xf = G(z)` of `xf ~ p(x)`
      const own = (v: string): string => nameAt(s.at, v) ?? v;
      const value = [...s.at].reduce((e, [v, at]) => (own(v) === v ? e : substitute(context, e, v, at)), s.value);
      return `${named(own(s.variable))} = ${expression(context, n, value)}`;
    }
    case "data":
      // a variable under its own name would read as that of the row around
      return n.draw(
        named(s.local?.name ?? s.variable),
        s.shift > 0 && !s.local && !s.family ? n.words("other rows of data") : n.name("data"),
      );
    case "distribution":
      return n.draw(
        named(s.local.name),
        n.fn(
          s.dist.dist,
          Object.values(s.dist.params).map((p) => expression(context, n, p)),
        ),
      );
  }
}

/** The name that a draw gives a variable of its density. */
function nameAt(at: ReadonlyMap<string, Expr>, variable: string): string | undefined {
  const value = at.get(variable);
  return value?.kind === "local" ? value.local.name : undefined;
}

/** p(c | x) before what is averaged over the states of c. */
function stateWeight(context: DeriveContext, n: Notation, q: Extract<Quantity, { kind: "enumerate" }>): string {
  if (q.weight?.kind === "factor") return factor(context, n, q.weight);
  return posteriorText(context, n, q.posterior);
}

function posteriorText(context: DeriveContext, n: Notation, posterior: LogDensityExpr | undefined): string {
  if (!posterior) return "";
  const names = (slots: LogDensityExpr["head"]): string => slots.map((s) => slotText(context, n, s.variable, s.value)).join(", ");
  return n.density(posterior.density, names(posterior.head), names(posterior.given));
}

/** A variable of a density by the value that it has there; under its own name where it has none. */
function slotText(context: DeriveContext, n: Notation, variable: string, value: Expr | undefined): string {
  if (value === undefined) return n.name(variable);
  if (value.kind === "variable" && value.sample?.kind === "index")
    return sampleText(n, n.name(variable), indexText(context, value.sample.index));
  if (value.kind === "variable" && value.variable === variable) return n.name(variable);
  return value.kind === "local" ? n.name(value.local.name) : expression(context, n, value);
}

/** One of several draws of a name. */
function sampleText(n: Notation, name: string, index: string): string {
  return n === plain ? `${name}[${index}]` : scripted(name, "^", `(${latexName(index)})`);
}

/** Whether a variable of a density stands for itself. */
function isItself(variable: string, value: Expr | undefined): boolean {
  return value === undefined || (value.kind === "variable" && value.variable === variable && value.sample?.kind !== "index");
}

/** `several`: names of what is drawn several times beside, as it is written there. */
function factor(
  context: DeriveContext,
  n: Notation,
  f: Factor,
  several: (variable: string) => string | undefined = () => undefined,
): string {
  const index = densityOf(context, f.density);
  const definition = index.definitions.get(f.variable);
  const given = definition ? inHeader(index, parentsOf(context, definition)) : [];
  const at = (v: string): string => {
    const follows = f.through?.get(v);
    return follows ? `${n.name(v)} = ${expression(context, n, follows)}` : slotText(context, n, v, f.at.get(v));
  };
  const conditions = given.map((v) =>
    v === f.variable ? n.fn("sum", [at(v)]) : ((isItself(v, f.at.get(v)) ? several(v) : undefined) ?? at(v)),
  );
  return n.density(f.density, at(f.variable), conditions.join(", "));
}

/** The names that a gradient is taken in, each with its value where that is not what has the name already: `y = x + 0.1 * n`. */
function takenIn(context: DeriveContext, n: Notation, { locals }: GradExpr): readonly string[] {
  return locals.map(({ local, value }) => named(context, n, local.name, value));
}

/** A name by its value, unless the value is what has that name: `x = xf`, `x`. */
export function boundText(context: DeriveContext, name: string, value: Expr): string {
  return named(context, plain, name, value);
}

function named(context: DeriveContext, n: Notation, name: string, value: Expr): string {
  const own = value.kind === "variable" ? value.variable : value.kind === "local" ? value.local.name : undefined;
  return own === name ? n.name(name) : `${n.name(name)} = ${expression(context, n, value)}`;
}

const INFIX: Readonly<Record<string, readonly [symbol: string, precedence: number]>> = {
  add: ["+", 1],
  sub: ["-", 1],
  mul: ["*", 2],
  matmul: ["@", 2],
};

function expression(context: DeriveContext, n: Notation, e: Expr, outer = 0): string {
  const inner = (x: Expr, p = 0): string => expression(context, n, x, p);
  switch (e.kind) {
    case "number":
      return n === latex ? latexText(grouped(e.text ?? String(e.value), outer)) : grouped(e.text ?? String(e.value), outer);
    case "schedule":
      return n.name(e.name);
    case "local":
      return n.name(e.local.name);
    case "variable":
      return e.sample?.kind === "index" ? sampleText(n, n.name(e.variable), indexText(context, e.sample.index)) : n.name(e.variable);
    case "param":
      return n.name(e.param);
    case "field":
      return `${inner(e.target, 5)}.${n.name(e.field)}`;
    case "record":
      return n.group(e.fields.map((f) => `${n.name(f.name)} = ${inner(f.value)}`).join(", "));
    case "flowCall": {
      const name = `${n.name(e.flow)}${e.direction === "forward" ? "" : n === latex ? "^{-1}" : "^-1"}`;
      const given = e.given.length > 0 ? `${n === latex ? " \\mid " : " | "}${e.given.map((g) => inner(g)).join(", ")}` : "";
      const body = `${inner(e.arg)}${given}`;
      return n === latex ? `${name}\\left(${body}\\right)` : `${name}(${body})`;
    }
    case "netCall":
      return n.fn(
        netOf(context, e.net).template ?? e.net,
        e.args.map((a) => inner(a)),
      );
    case "layer":
      return n.fn(
        e.instance.layer,
        e.args.map((a) => inner(a)),
      );
    case "builtin": {
      const [a, b] = e.args;
      // what a variable is replaced by, in its shape
      if (!a && (e.fn === "zeros" || e.fn === "ones")) return e.fn === "zeros" ? "0" : "1";
      const infix = INFIX[e.fn];
      if (infix && a && b) {
        const [symbol, precedence] = infix;
        const entrywise = rankOf(a) > 0 && rankOf(b) > 0;
        const operator = n === latex && symbol === "*" ? (entrywise ? "\\odot" : "\\cdot") : n === latex && symbol === "@" ? "" : symbol;
        // factors that stand side by side bind more tightly than `\\odot`
        const own = n === latex && e.fn === "matmul" ? precedence + 0.5 : precedence;
        if (n === latex && e.fn === "matmul" && rankOf(a) === 1 && rankOf(b) <= 2) return vectorProduct(n, e, a, b, inner, outer);
        const text = `${inner(a, own)} ${operator} ${inner(b, precedence + 1)}`.replace("  ", " ");
        return own < outer ? n.group(text) : text;
      }
      if (e.fn === "div" && a && b) {
        const text = n === latex ? n.frac(inner(a), inner(b)) : n.frac(inner(a, 2), inner(b, 3));
        return outer > (n === latex ? 3 : 2) ? n.group(text) : text;
      }
      if (e.fn === "neg" && a) return outer > 1 ? n.group(`-${inner(a, 2)}`) : `-${inner(a, 2)}`;
      if (e.fn === "pow" && a && b) {
        // `\sum (x)^{2}` would read as a sum of squares; a power of a power needs its brackets in both notations
        const base = n === latex && LARGE_OPERATORS.has(a.kind === "builtin" ? a.fn : "") ? n.group(inner(a)) : inner(a, 4);
        const text = n === latex ? scripted(base, "^", inner(b)) : `${base}^${inner(b, 4)}`;
        return outer >= 4 ? n.group(text) : text;
      }
      const rest = [...windowOf(n, e), ...valuesOf(n, e)];
      const axes = axisOf(n, e);
      if (n === latex && axes.length > 0)
        return alongAxes(
          n,
          e,
          e.args.map((x) => inner(x)),
          rest,
        );
      return indexed(n, e, inner) ?? n.fn(e.fn, [...e.args.map((x) => inner(x)), ...axes.map((a) => `axis = ${a}`), ...rest]);
    }
    case "grad":
      return n.gradient(takenIn(context, n, e), inner(e.body));
    default:
      return n === latex ? "\\dots" : "…";
  }
}

/** `U[y]`, `x[2]`, `x[1..3]`, `x[:, 2]` of a later axis, and the transpose in LaTeX; undefined for what is written as a function. */
function indexed(n: Notation, e: BuiltinExpr, inner: (x: Expr, outer?: number) => string): string | undefined {
  const [a, b] = e.args;
  if (!a) return undefined;
  const at = (index: string): string => (n === latex ? `{${inner(a, 5)}}_{${index}}` : `${inner(a, 5)}[${index}]`);
  if (e.fn === "take" && b) return at(inner(b));
  // axes count from the end
  const along = (index: string): string =>
    at([...Array.from({ length: rankOf(a) + Number(e.options["axis"]) }, () => ":"), index].join(", "));
  if (e.fn === "index") return along(String(Number(e.options["position"]) + 1));
  if (e.fn === "slice") {
    const [first, last] = [Number(e.options["start"]) + 1, String(e.options["stop"])];
    return along(n === latex ? `${first}:${last}` : `${first}..${last}`);
  }
  return e.fn === "transpose" && n === latex && rankOf(a) === 2 ? scripted(inner(a, 5), "^", "\\top") : undefined;
}

/** Vectors are columns: `a^T h`, `v^T W h`, and `W^T v` where the product is a vector. */
function vectorProduct(n: Notation, e: BuiltinExpr, a: Expr, b: Expr, inner: (x: Expr, outer?: number) => string, outer: number): string {
  const flipped = (x: Expr): string => {
    const [of] = x.kind === "builtin" && x.fn === "transpose" && rankOf(x) === 2 ? x.args : [];
    return of ? inner(of, 2.5) : scripted(inner(x, 5), "^", "\\top");
  };
  const row = (x: Expr): string => {
    const [left, right] = x.kind === "builtin" && x.fn === "matmul" ? x.args : [];
    if (left && right && rankOf(left) === 1 && rankOf(right) === 2) return `${row(left)} ${inner(right, 3)}`;
    return flipped(x);
  };
  const text = rankOf(e) === 0 ? `${row(a)} ${inner(b, 3)}` : `${flipped(b)} ${inner(a, 3)}`;
  return outer > 2.5 ? n.group(text) : text;
}

/** A reduction along some axes, which stand below it. */
function alongAxes(n: Notation, e: BuiltinExpr, args: readonly string[], rest: readonly string[]): string {
  const [head, ...body] = n.fn(e.fn, [...args, ...rest]).split("\\left(");
  return `${scripted(head ?? "", "_", `\\text{axis ${axisOf(n, e).join("")}}`)}\\left(${body.join("\\left(")}`;
}

/** The axes of a reduction that leaves some, counted from 1. */
function axisOf(n: Notation, e: BuiltinExpr): readonly string[] {
  const axes = e.options["axes"];
  const rank = rankOf(e.args[0]);
  if (!Array.isArray(axes) || axes.length === rank || axes.length === 0) return [];
  const positions = (axes as readonly number[]).map((a) => a + rank + 1);
  return [positions.length === 1 ? String(positions[0]) : `[${positions.join(", ")}]`];
}

/** What a convolution says of its windows, and the size of a pooling's. */
function windowOf(n: Notation, e: BuiltinExpr): readonly string[] {
  const { stride, padding, size, factor } = e.options;
  if (e.fn === "conv" || e.fn === "conv_transpose")
    return [
      ...(stride === undefined ? [] : [`${n.name("stride")} = ${String(stride)}`]),
      ...(padding === undefined ? [] : [`${n.name("padding")} = ${typeof padding === "string" ? n.name(padding) : String(padding)}`]),
    ];
  if (e.fn === "pool") return blocksOf(e);
  if (e.fn === "eye") return [String(size)];
  // a vector's length says nothing that its neighbours do not
  if (e.fn === "reshape") return [`[${(e.options["shape"] as readonly number[]).join(", ")}]`];
  if (e.fn === "avg_pool" || e.fn === "max_pool") return [String(size)];
  return e.fn === "upsample" ? [String(factor)] : [];
}

/** Numbers and choices that are not those meant where none is written: two kernels of other widths are two functions. */
function valuesOf(n: Notation, e: BuiltinExpr): readonly string[] {
  return (builtins.get(e.fn)?.options ?? []).flatMap(({ name, kind, named, fallback }) => {
    const value = e.options[name];
    if (value === undefined || !VALUES.has(kind) || value === fallback) return [];
    const text = Array.isArray(value)
      ? `[${value.join(", ")}]`
      : kind !== "choice"
        ? String(value)
        : n === latex
          ? n.name(String(value))
          : JSON.stringify(value);
    return [named === true || kind === "choice" ? `${n.name(name)} = ${text}` : text];
  });
}

const VALUES: ReadonlySet<string> = new Set(["number", "numbers", "choice"]);

/** Of units whose declaration says them, they go without saying. */
function blocksOf(e: BuiltinExpr): readonly string[] {
  return e.args[0]?.kind === "variable" ? [] : (e.options["blocks"] as readonly number[]).map(String);
}

function rankOf(e: Expr | undefined): number {
  return e?.type.kind === "tensor" ? e.type.shape.length : 0;
}

/** As long as a column of metrics can be. */
export const shortened = (text: string): string => (text.length > 60 ? `${text.slice(0, 59)}…` : text);
