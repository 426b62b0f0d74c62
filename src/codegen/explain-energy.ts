/**
 * What was derived from an energy, as text and LaTeX: conditionals, free energy, mean-field updates, the order of a Gibbs sweep, the
 * interaction graph. Expressions are the energy's own, with its names; where a derivative has no form by rule it stands as one.
 */
import { assertNever } from "../base/internal-error.js";
import type { DeriveContext } from "../ir/derive/context.js";
import { builtin, divided, isOne, isShort, isZero, number, plus, substitute, times } from "../ir/energy/algebra.js";
import { atZero, fieldOf, precisionOf, type Sum } from "../ir/energy/field.js";
import { neighbours } from "../ir/energy/graph.js";
import {
  type EnergyAnalysis,
  type EnergyTerm,
  hasBlockLaw,
  mostLog2States,
  samplersOf,
  statesText,
  summable,
  summableTogether,
  type UnitLaw,
} from "../ir/energy/index.js";
import { simplified } from "../ir/energy/simplify.js";
import { scalarType, shapeOf, tensor } from "../ir/shapes.js";
import type { Expr } from "../ir/types.js";
import { latexName, roman, scripted } from "./latex-names.js";
import { expressionLatex, expressionText } from "./mathtext.js";
import { place } from "./place.js";

export interface Formula {
  readonly text: string;
  readonly latex: string;
}

export interface EnergyExplanation {
  readonly density: string;
  /** `rbm.gm:9` */
  readonly place: string;
  readonly energy: Formula;
  readonly conditionals: readonly (Formula & {
    readonly variable: string;
    readonly law: UnitLaw["kind"];
    readonly note: string | undefined;
  })[];
  /** `h, then v` */
  readonly sweep: string;
  /** With the latents summed out; undefined where there are none or none has a closed form. */
  readonly freeEnergy: (Formula & { readonly note: string | undefined }) | undefined;
  /** Fixed-point updates of the means of latents that interact; empty where their conditionals given the data are exact, or have no such update. */
  readonly meanField: readonly (Formula & { readonly variable: string })[];
  /** How log Z is computed, or why it is not. */
  readonly normaliser: string;
  readonly notes: readonly string[];
  readonly graph: readonly { readonly a: string; readonly b: string; readonly terms: readonly string[] }[];
}

/** How a formula is written. */
interface Writer {
  readonly isPlain: boolean;
  readonly expr: (e: Expr, outer?: number) => string;
  /** Of what was derived, simplified. */
  readonly made: (e: Expr, outer?: number) => string;
  readonly name: (name: string) => string;
  readonly mean: (name: string) => string;
  readonly fn: (name: "sigmoid" | "softmax" | "softplus" | "logsumexp" | "exp" | "log", body: string) => string;
  readonly sum: (body: string) => string;
  readonly p: (head: string, given: readonly string[]) => string;
  readonly derivative: (variable: string, body: string) => string;
  readonly frac: (a: string, b: string) => string;
  readonly group: (body: string) => string;
  readonly word: (text: string) => string;
  readonly normal: (mean: string, variance: string) => string;
  readonly to: string;
}

/** Nodes of an expression beyond which nobody would read it. */
const longest = 1000;

function plain(context: DeriveContext): Writer {
  return {
    isPlain: true,
    expr: (e, outer) => (isShort(e, longest) ? expressionText(context, e, outer) : "…"),
    made: (e, outer) => (isShort(e, longest) ? expressionText(context, simplified(context, e), outer) : "…"),
    name: (n) => n,
    mean: (n) => `mean(${n})`,
    fn: (n, b) => `${n}(${b})`,
    sum: (b) => `sum(${b})`,
    p: (head, given) => `p(${head}${given.length > 0 ? ` | ${given.join(", ")}` : ""})`,
    derivative: (v, b) => `d/d${v} ${b}`,
    frac: (a, b) => `${a} / ${b}`,
    group: (b) => `(${b})`,
    word: (t) => t,
    normal: (m, s) => `Normal(mean = ${m}, variance = ${s})`,
    to: "<-",
  };
}

function latex(context: DeriveContext): Writer {
  const functions: Readonly<Record<string, string>> = { sigmoid: "\\sigma", exp: "\\exp", log: "\\log" };
  return {
    isPlain: false,
    expr: (e, outer) => (isShort(e, longest) ? expressionLatex(context, e, outer) : "\\dots"),
    made: (e, outer) => (isShort(e, longest) ? expressionLatex(context, simplified(context, e), outer) : "\\dots"),
    name: latexName,
    mean: (n) => latexName(`mean(${n})`),
    fn: (n, b) => `${functions[n] ?? roman("\\operatorname", n)}\\left(${b}\\right)`,
    sum: (b) => `\\sum ${b}`,
    p: (head, given) => `p(${head}${given.length > 0 ? ` \\mid ${given.join(", ")}` : ""})`,
    derivative: (v, b) => `\\frac{\\partial}{\\partial ${v}} ${b}`,
    frac: (a, b) => `\\frac{${a}}{${b}}`,
    group: (b) => `\\left(${b}\\right)`,
    word: (t) => `\\text{${t}}`,
    normal: (m, s) => `\\mathcal{N}\\left(${m},\\; ${s}\\right)`,
    to: "\\leftarrow",
  };
}

/** `summed`: what the model's objectives sum, bound or draw; the latents where none says so. */
export function explainEnergy(context: DeriveContext, analysis: EnergyAnalysis, summed?: readonly string[]): EnergyExplanation {
  const both = (write: (w: Writer) => string): Formula => ({ text: write(plain(context)), latex: write(latex(context)) });
  const { variables } = analysis;
  const hidden = summed ?? variables.filter((v) => analysis.variable.get(v)?.role !== "data");
  const way = summableTogether(analysis, variables);
  const closed = [...way.sum, ...(way.joint ?? []), ...Object.keys(way.paired ?? {})];
  return {
    density: analysis.density,
    place: place(analysis.terms[0]?.span ?? analysis.span),
    energy: both((w) => `E(${[...variables, ...analysis.reads].map(w.name).join(", ")}) = ${termsText(w, analysis.terms)}`),
    conditionals: variables.map((variable) => {
      const law = analysis.laws.get(variable);
      if (!law) throw new Error(`no law of ${variable}`);
      const field = fieldOf(context, analysis, variable);
      return {
        variable,
        law: law.kind,
        ...both((w) => conditional(context, analysis, w, variable, law, field)),
        note: noteOf(analysis, variable, law),
      };
    }),
    sweep: analysis.sweep.map((block) => block.join(" and ")).join(", then "),
    freeEnergy: freeEnergy(context, analysis, hidden, both),
    meanField: meanField(context, analysis, hidden, both),
    normaliser:
      way.log2States <= mostLog2States
        ? `log Z is exact: ${closed.length > 0 ? `${closed.join(" and ")} sum${closed.length === 1 ? "s" : ""} out in closed form` : "no variable sums out"}${way.enumerate.length > 0 ? `, the ${countText(way.log2States)} states of ${way.enumerate.join(" and ")} are visited` : ""}`
        : `log Z is not exact: ${statesText(analysis, way).replaceAll("`", "")}`,
    notes: notesOf(analysis),
    graph: interactionsOf(context, analysis),
  };
}

/** Variables that interact, with themselves and with each other, and the terms in which they do. */
export function interactionsOf(context: DeriveContext, analysis: EnergyAnalysis): EnergyExplanation["graph"] {
  return [...loopsOf(analysis), ...analysis.edges].map((e) => ({
    a: e.a,
    b: e.b,
    terms: e.terms.map((t) => plain(context).expr(t.expr)),
  }));
}

/** Variables whose own units interact, with the terms in which they do. */
function loopsOf(analysis: EnergyAnalysis): EnergyAnalysis["edges"] {
  return [...analysis.laws].flatMap(([name, law]) => {
    if (law.kind !== "coupled" && law.kind !== "jointNormal") return [];
    return [{ a: name, b: name, terms: analysis.terms.filter((t) => t.reach.on.get(name)?.coupling === "coupled") }];
  });
}

function countText(log2: number): string {
  return Number.isInteger(log2) ? `2^${log2}` : String(Math.round(2 ** log2));
}

// ---- sums ----------------------------------------------------------------------------------------

function signed(parts: readonly { readonly negative: boolean; readonly text: string }[]): string {
  if (parts.length === 0) return "0";
  return parts.map((p, i) => (i === 0 ? `${p.negative ? "-" : ""}${p.text}` : `${p.negative ? "- " : "+ "}${p.text}`)).join(" ");
}

function termsText(w: Writer, terms: readonly EnergyTerm[]): string {
  return signed(terms.map((t) => ({ negative: t.scale < 0, text: scaledText(w, Math.abs(t.scale), t.expr) })));
}

function scaledText(w: Writer, scale: number, expr: Expr): string {
  if (scale === 1) return w.expr(expr, 2);
  return Number.isInteger(1 / scale) && scale < 1
    ? w.frac(w.expr(expr, 2), String(1 / scale))
    : `${numberText(scale)} ${w.isPlain ? "*" : "\\cdot"} ${w.expr(expr, 2)}`;
}

function numberText(x: number): string {
  return String(Number(x.toPrecision(12)));
}

/** The parts of -dE/dx and what is left of it. */
function sumText(w: Writer, sum: Sum, variable: string): string {
  const whole = sum.parts.reduce<Expr | undefined>((a, b) => (a ? plus(a, b) : b), undefined);
  const rest = sum.rest.map((r) => ({
    negative: r.scale < 0,
    text: w.derivative(w.name(variable), w.group(scaledText(w, Math.abs(r.scale), r.term))),
  }));
  if (!whole) return signed(rest);
  return rest.length === 0 ? w.made(whole) : `${w.made(whole)} ${signed([{ negative: false, text: "" }, ...rest]).trim()}`;
}

// ---- conditionals --------------------------------------------------------------------------------

/** What the conditional of a variable depends on, in the order of the header. */
function givenOf(analysis: EnergyAnalysis, variable: string): readonly string[] {
  const near = neighbours(analysis.edges, variable);
  return [...analysis.variables.filter((v) => near.has(v)), ...analysis.reads];
}

function conditional(context: DeriveContext, analysis: EnergyAnalysis, w: Writer, variable: string, law: UnitLaw, field: Sum): string {
  const given = givenOf(analysis, variable).map(w.name);
  const x = w.name(variable);
  // what is the same for all classes or words cancels in a softmax
  const relative = law.kind === "categorical" || law.kind === "multinomial";
  const logits = sumText(w, relative ? { ...field, parts: field.parts.filter((p) => shapeOf(p).length > 0) } : field, variable);
  switch (law.kind) {
    case "bernoulli":
      return `${w.p(`${x} = 1`, given)} = ${w.fn("sigmoid", logits)}`;
    case "oneOfBlock": {
      return `${w.p(`${x} = 1`, given)} = ${blockSoftmax(context, w, logits)}`;
    }
    case "categorical":
      return `${w.p(x, given)} = ${w.fn("softmax", logits)}`;
    case "multinomial":
      return `${w.p(x, [...given, "N"])} = ${w.word("Multinomial")}${w.group(`N, ${w.fn("softmax", logits)}`)}, N = ${w.sum(x)}`;
    case "normal": {
      const precision = precisionOf(context, analysis, variable);
      if (!precision || field.rest.length > 0) return generalNormal(w, variable, given);
      const mean = field.parts.map((p) => divided(p, precision)).reduce<Expr | undefined>((a, b) => (a ? plus(a, b) : b), undefined);
      const one: Expr = { kind: "number", value: 1, text: undefined, type: scalarType, span: precision.span };
      return `${w.p(x, given)} = ${w.normal(mean ? w.made(mean) : "0", w.made(divided(one, precision)))}`;
    }
    case "jointNormal":
      return generalNormal(w, variable, given);
    case "coupled":
    case "nonlinear": {
      const discrete = analysis.variable.get(variable)?.domain.name !== "real";
      if (!discrete)
        return `${w.p(x, given)} ${w.word("by its gradient")} ${w.isPlain ? `-dE/d${x}` : `-\\frac{\\partial E}{\\partial ${x}}`}`;
      if (analysis.variable.get(variable)?.domain.atMostOne) {
        const block = w.isPlain ? `${x}[block]` : scripted(x, "_", "\\text{block}");
        return `${w.p(block, [w.word("all other units")])} = ${w.fn("softmax", `-E(${block} = k)`)}`;
      }
      const unit = w.isPlain ? `${x}[i]` : scripted(x, "_", "i");
      if (halfway(analysis, variable, field)) {
        const half = w.isPlain ? `${unit} = 1/2 in it` : `${unit} = \\tfrac{1}{2}`;
        const at = w.isPlain ? `${w.group(logits)}[i]` : scripted(w.group(logits), "_", "i");
        return `${w.p(`${unit} = 1`, [w.word("all other units")])} = ${w.fn("sigmoid", at)}, ${half}`;
      }
      return analysis.variable.get(variable)?.domain.name === "binary"
        ? `${w.p(`${unit} = 1`, [w.word("all other units")])} = ${w.fn("sigmoid", `E(${unit} = 0) - E(${unit} = 1)`)}`
        : `${w.p(unit, [w.word("all other units")])} = ${w.fn("softmax", `-E(${unit} = k)`)}`;
    }
    default:
      return assertNever(law);
  }
}

/** Of an energy of degree two the difference between 0 and 1 is its slope halfway. */
function halfway(analysis: EnergyAnalysis, variable: string, field: Sum): boolean {
  const { domain } = analysis.variable.get(variable) ?? {};
  const d = analysis.dependence.get(variable);
  return (
    domain?.name === "binary" &&
    domain.shape.length === 1 &&
    !domain.atMostOne &&
    d?.degree === 2 &&
    d.unitDegree <= 2 &&
    field.parts.length > 0 &&
    field.rest.length === 0
  );
}

/** Over the units of a block and "none", whose logit is 0. */
function blockSoftmax(context: DeriveContext, w: Writer, logits: string): string {
  const name = freeName(context);
  const odds = w.fn("exp", name);
  const total = `1 + ${w.sum(odds)}`;
  return `${w.frac(odds, w.isPlain ? w.group(total) : total)}, ${name} = ${logits}`;
}

/** A letter for a value of its own, that the model does not use. */
function freeName({ model }: DeriveContext): string {
  const taken = new Set([...model.variables.keys(), ...model.params.map((p) => p.name)]);
  return ["s", "t", "u", "a", "y"].find((name) => !taken.has(name)) ?? "logits";
}

function generalNormal(w: Writer, variable: string, given: readonly string[]): string {
  const x = w.name(variable);
  const mean = w.isPlain ? `-inverse(H) g(0)` : "-H^{-1} g(0)";
  const [g, h] = w.isPlain
    ? [`g = dE/d${x}`, `H = dg/d${x}`]
    : [`g = \\frac{\\partial E}{\\partial ${x}}`, `H = \\frac{\\partial g}{\\partial ${x}}`];
  return `${w.p(x, given)} = ${w.normal(mean, w.isPlain ? "inverse(H)" : "H^{-1}")}, ${g}, ${h}`;
}

function noteOf(analysis: EnergyAnalysis, name: string, law: UnitLaw): string | undefined {
  const variable = analysis.variable.get(name);
  switch (law.kind) {
    case "oneOfBlock":
      return `a softmax over each block of ${law.block.join(" x ")} units and the state in which none is 1`;
    case "coupled":
    case "nonlinear": {
      const block = variable?.domain.atMostOne;
      const states = block ? `, block by block of ${block.join(" x ")} units, k being one of them or none` : "";
      return `${law.cause.reason}: drawn by ${variable ? samplersOf(law, variable.domain).join(" or ") : ""}${states}`;
    }
    default:
      return undefined;
  }
}

// ---- free energy ---------------------------------------------------------------------------------

function freeEnergy(
  context: DeriveContext,
  analysis: EnergyAnalysis,
  hidden: readonly string[],
  both: (write: (w: Writer) => string) => Formula,
): EnergyExplanation["freeEnergy"] {
  const way = summable(analysis, hidden);
  if (way.sum.length === 0) return undefined;
  const kept = [...analysis.variables.filter((v) => !way.sum.includes(v)), ...analysis.reads];
  const left = analysis.terms.flatMap((t): readonly EnergyTerm[] => {
    const expr = way.sum.reduce((e, name) => atZero(context, analysis, e, name), t.expr);
    return isZero(expr) ? [] : [{ ...t, expr }];
  });
  const formula = both((w) => {
    const gaps = way.sum.map((name) => logNormaliser(context, analysis, w, name));
    const energy = left.length > 0 ? termsText(w, left) : "";
    return `F(${kept.map(w.name).join(", ")}) = ${energy}${gaps.map((gap, i) => `${energy === "" && i === 0 ? "-" : " - "}${gap}`).join("")}`;
  });
  const together = summableTogether(analysis, hidden);
  const note =
    way.enumerate.length === 0
      ? undefined
      : together.joint && together.log2States <= mostLog2States
        ? `${together.joint.join(" and ")}: integrated after ${way.sum.join(" and ")}, with which it is jointly Normal`
        : together.paired && together.enumerate.length === 0
          ? `${Object.keys(together.paired).join(" and ")}: summed out unit by unit, each with its own of ${Object.values(together.paired).flat().join(" and ")}`
          : way.log2States <= mostLog2States
            ? `${way.enumerate.join(" and ")}: summed over ${countText(way.log2States)} states`
            : `${statesText(analysis, way).replaceAll("`", "")}: mean field or samples take the place of ${way.enumerate.join(" and ")}`;
  return { ...formula, note };
}

/** What a summed variable takes off the energy at zero. */
function logNormaliser(context: DeriveContext, analysis: EnergyAnalysis, w: Writer, name: string): string {
  const law = analysis.laws.get(name);
  const field = fieldOf(context, analysis, name);
  const logits = sumText(w, field, name);
  switch (law?.kind) {
    case "bernoulli":
      return w.sum(w.fn("softplus", logits));
    case "oneOfBlock":
      return w.sum(w.fn("log", `1 + ${w.sum(w.fn("exp", logits))}`));
    case "categorical":
      return (analysis.variable.get(name)?.domain.shape.length ?? 0) > 0 ? w.sum(w.fn("logsumexp", logits)) : w.fn("logsumexp", logits);
    case "multinomial":
      return `N ${w.fn("logsumexp", logits)}`;
    case "normal": {
      const precision = precisionOf(context, analysis, name);
      if (!precision || field.rest.length > 0) return generalGap(w);
      const like = precision;
      const two = number(2, like);
      const pi: Expr = { kind: "param", param: "pi", path: "", type: scalarType, span: like.span };
      const mean = field.parts.reduce<Expr | undefined>((a, b) => (a ? plus(a, b) : b), undefined);
      const width = divided(builtin("log", [divided(times(two, pi), precision)], shapeOf(precision), like), two);
      const gap = mean ? plus(divided(builtin("pow", [mean, two], shapeOf(mean), like), times(two, precision)), width) : width;
      return w.sum(w.isPlain ? w.made(gap) : w.made(gap, 2));
    }
    default:
      return generalGap(w);
  }
}

function generalGap(w: Writer): string {
  return w.isPlain
    ? "(g(0) inverse(H) g(0) + log det(2 pi inverse(H))) / 2"
    : "\\tfrac{1}{2}\\left(g(0)^{\\top} H^{-1} g(0) + \\log\\det(2\\pi H^{-1})\\right)";
}

// ---- mean field ----------------------------------------------------------------------------------

function meanField(
  context: DeriveContext,
  analysis: EnergyAnalysis,
  hidden: readonly string[],
  both: (write: (w: Writer) => string) => Formula,
): EnergyExplanation["meanField"] {
  const meet = analysis.edges.some((e) => hidden.includes(e.a) && hidden.includes(e.b));
  const closed = (name: string): boolean => {
    const law = analysis.laws.get(name);
    return law !== undefined && hasBlockLaw(law) && (analysis.multiAffine.has(name) || law.kind === "normal");
  };
  if (!meet || !hidden.every(closed)) return [];
  return hidden.map((variable) => {
    const law = analysis.laws.get(variable);
    const field = fieldOf(context, analysis, variable);
    const formula = both((w) => {
      const means: Writer = { ...w, made: (e, outer) => w.made(withMeans(context, analysis, e, hidden), outer) };
      const logits = sumText(means, field, variable);
      const activation = law?.kind === "categorical" || law?.kind === "multinomial" ? "softmax" : "sigmoid";
      const precision = precisionOf(context, analysis, variable);
      const value =
        law?.kind === "normal"
          ? precision
            ? isOne(precision)
              ? logits
              : w.frac(w.group(logits), means.made(precision, 3))
            : w.mean(variable)
          : law?.kind === "oneOfBlock"
            ? blockSoftmax(context, w, logits)
            : w.fn(activation, logits);
      return `${w.mean(variable)} ${w.to} ${value}`;
    });
    return { variable, ...formula };
  });
}

/** Hidden variables replaced by names of their means, for printing. */
function withMeans(context: DeriveContext, analysis: EnergyAnalysis, expr: Expr, hidden: readonly string[]): Expr {
  return hidden.reduce((e, name) => {
    const type = tensor(analysis.variable.get(name)?.domain.shape ?? []);
    return substitute(context, e, name, { kind: "param", param: `mean(${name})`, path: "", type, span: expr.span });
  }, expr);
}

// ---- notes ---------------------------------------------------------------------------------------

function notesOf(analysis: EnergyAnalysis): readonly string[] {
  const real = analysis.variables.filter((v) => analysis.variable.get(v)?.domain.name === "real");
  const words: Readonly<Record<EnergyAnalysis["definite"], string | undefined>> = {
    none: undefined,
    proven: `the curvature in ${real.join(" and ")} is proven positive definite`,
    checked:
      real.length > 1
        ? `the joint curvature in ${real.join(" and ")} is checked as the run goes: it must stay positive definite`
        : `the curvature in ${real.join(" and ")} is checked as the run goes: it must stay positive definite`,
    grows: `the energy is proven to grow with ${real.join(" and ")} in every direction: exp(-E) has an integral`,
    unbounded: `${real.join(" and ")} enter${real.length === 1 ? "s" : ""} beyond second degree: whether exp(-E) has an integral is not known`,
  };
  const definite = words[analysis.definite];
  return [
    ...(definite === undefined ? [] : [definite]),
    ...(analysis.rewritten ? ["powers and other functions of single binary units are written as what they are at 0 and 1"] : []),
  ];
}

// ---- printing ------------------------------------------------------------------------------------

/** Lines for `gmc explain`. */
export function printEnergy(e: EnergyExplanation): readonly string[] {
  const both = (f: Formula, note?: string | undefined): readonly string[] => [
    `  ${f.text}`,
    ...(note === undefined ? [] : [`    ${note}`]),
    `    LaTeX: ${f.latex}`,
  ];
  return [
    `energy of ${e.density}  (${e.place})`,
    ...both(e.energy),
    "conditionals",
    ...e.conditionals.flatMap((c) => both(c, c.note)),
    `Gibbs sweep: ${e.sweep}`,
    ...(e.freeEnergy ? ["free energy", ...both(e.freeEnergy, e.freeEnergy.note)] : []),
    ...(e.meanField.length > 0 ? ["mean field", ...e.meanField.flatMap((f) => both(f))] : []),
    "interactions",
    ...(e.graph.length > 0 ? e.graph.map((g) => `  ${g.a} -- ${g.b}   in ${g.terms.join(", ")}`) : ["  none"]),
    e.normaliser,
    ...e.notes,
  ];
}
