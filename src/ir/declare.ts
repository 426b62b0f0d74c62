/** Domains, variables and parameters as they are declared; families spelled out. */
import { synonymOf } from "./unknown.js";
import { report } from "../base/report.js";
import { type Span, textOf } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { actualsOf, bindArguments } from "./arguments.js";
import { staticRange } from "./body.js";
import { withinLimit } from "./builtin-call.js";
import { distributions, parameterSynonyms } from "./distributions.js";
import { type Env, within } from "./env.js";
import { startFromValues } from "./param-starts.js";
import { rangeOfParam } from "./range.js";
import { type Entity, type FamilyWhat, Scope } from "./scope.js";
import { elementCount, showDomain, showShape, tensor } from "./shapes.js";
import { evaluateStatic, numberOf, requireDim, requireInteger, requireNumber, requireStatic, toStaticValue } from "./static.js";
import type { Domain, DomainName, Param, Variable } from "./types.js";

const domainNames: readonly DomainName[] = ["real", "positive", "unit", "binary", "category", "count", "byte", "simplex"];

/** What a whole number may be. */
const WHOLE = "`count` for numbers 0, 1, 2, …, or `category[K]` for one of K labels";

/** What to write for names from other tools. */
const domainSynonyms: Readonly<Record<string, string>> = {
  bool: "`binary`",
  bernoulli: "`binary`",
  bit: "`binary`",
  float: "`real`",
  int: WHOLE,
  integer: WHOLE,
  categorical: "`category`",
  label: "`category`",
  uint8: "`byte`",
  pixel: "`byte`",
  probability: "`unit`",
};

export function elaborateDomain(env: Env, domain: ast.DomainExpr): Domain | undefined {
  const name = domainNames.find((n) => n === domain.base.name);
  if (!name) {
    const synonym = synonymOf(domainSynonyms, domain.base.name);
    const near = synonym ? [`write ${synonym}`] : didYouMeanHelp(domain.base.name, domainNames);
    report(
      env.cx.diagnostics,
      "GM2021",
      domain.base.span,
      { name: domain.base.name },
      { help: near.length > 0 ? near : [`there are ${domainNames.map((n) => `\`${n}\``).join(", ")}`] },
    );
    return undefined;
  }
  // the parser has said so
  if ((name === "category") !== (domain.classes !== undefined)) return undefined;
  const classes = domain.classes ? requireDim(env, domain.classes, "the number of classes") : undefined;
  const shape = domain.shape.map((d) => requireDim(env, d, "a size"));
  const atMostOne = domain.atMostOne?.map((d) => requireInteger(env, d, "a size of a block", 1)?.value);
  if ((domain.classes && !classes) || shape.includes(undefined) || atMostOne?.includes(undefined)) return undefined;
  const sizes = shape.flatMap((d) => d ?? []);
  const blocks = atMostOne?.flatMap((b) => b ?? []);
  if (!withinLimit(env, tensor(sizes), domain.span)) return undefined;
  const out: Domain = { name, classes, shape: sizes, optional: domain.optional, atMostOne: blocks };
  return checkDomain(env, domain, out) ? out : undefined;
}

function checkDomain(env: Env, written: ast.DomainExpr, domain: Domain): boolean {
  if (domain.name === "simplex" && domain.shape.length === 0) {
    report(env.cx.diagnostics, "GM2022", written.span, { problem: "`simplex` needs a shape" }, { help: ["write `simplex[K]`"] });
    return false;
  }
  const blocks = domain.atMostOne;
  if (!blocks) return true;
  const divides = blocks.length <= domain.shape.length && blocks.every((b, i) => (domain.shape[i]?.size ?? 0) % b === 0);
  if (domain.name === "binary" && divides) return true;
  if (domain.name !== "binary") {
    report(env.cx.diagnostics, "GM2022", written.span, { problem: "`at_most_one` is for binary units" });
    return false;
  }
  const axis = blocks.findIndex((b, i) => (domain.shape[i]?.size ?? 0) % b !== 0);
  const [block = 0, size] = [blocks[axis], domain.shape[axis]?.size];
  if (size === undefined) {
    const problem = `its blocks have ${blocks.length} axes, and the shape has ${domain.shape.length}`;
    report(env.cx.diagnostics, "GM2022", written.span, { problem }, { help: ["a block has a size along each leading axis of the shape"] });
    return false;
  }
  const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((b) => size % b === 0);
  const near = divisors.sort((a, b) => Math.abs(a - block) - Math.abs(b - block)).slice(0, 2);
  report(
    env.cx.diagnostics,
    "GM2022",
    written.span,
    { problem: `blocks of ${block} do not divide ${size} units` },
    { help: [`blocks of ${near.sort((a, b) => a - b).join(" or ")} do`] },
  );
  return false;
}

export function declareVariables(env: Env, decl: ast.DataDecl | ast.LatentDecl, define: (name: ast.Ident, entity: Entity) => void): void {
  const names: string[] = [];
  for (const item of decl.items) {
    const make = (inner: Env, name: string): Entity => {
      const domain = elaborateDomain(inner, item.domain);
      if (!domain) return { kind: "poison", span: item.name.span };
      if (domain.optional && decl.kind === "latent")
        report(
          env.cx.diagnostics,
          "GM2022",
          item.domain.span,
          { problem: "a latent is never observed, so it cannot be missing" },
          { help: ["drop the `?`"] },
        );
      const variable: Variable = { name, role: decl.kind, domain, doc: decl.doc, span: item.span };
      env.cx.variables.set(name, variable);
      names.push(name);
      return { kind: "variable", variable, span: item.name.span };
    };
    define(item.name, declarator(env, item, decl.kind, make));
  }
  if (decl.kind === "data" && names.length > 0) env.cx.streams.push(names);
}

export function declareParams(env: Env, decl: ast.ParamDecl, define: (name: ast.Ident, entity: Entity) => void): void {
  for (const item of decl.items) {
    const make = (inner: Env, name: string): Entity => {
      const domain = elaborateDomain(inner, item.domain);
      const init = domain && elaborateInit(inner, item, domain);
      if (!domain || !init) return { kind: "poison", span: item.name.span };
      const param: Param = { name, path: name.replaceAll(/[[\]]/g, ""), domain, init, doc: decl.doc, span: item.span };
      env.cx.params.push(param);
      if (init.kind === "values of" && item.init?.kind === "distribution") env.cx.starts.push({ env: inner, param, call: item.init.call });
      return { kind: "param", param, span: item.name.span };
    };
    const domain = item.domain.base.name;
    if (domainNames.includes(domain as DomainName) && !["real", "positive", "unit", "simplex"].includes(domain)) {
      report(
        env.cx.diagnostics,
        "GM2022",
        item.domain.span,
        { problem: `a parameter cannot be \`${domain}\`: it is moved by gradients` },
        { help: ["a parameter is `real`, `positive`, `unit` or `simplex`"] },
      );
      define(item.name, { kind: "poison", span: item.name.span });
    } else define(item.name, declarator(env, item, "parameter", make));
  }
}

/**
 * `init data` takes whole rows of the first data variable. Asked when all of them are declared, which may be after the
 * parameter; not where one is wrong itself.
 */
export function checkDataStarts({ cx, scope }: Env, model: ast.ModelDecl): void {
  const declared = model.members.flatMap((m) => (m.kind === "data" ? m.items : []));
  const first = cx.variables.get(cx.streams[0]?.[0] ?? "");
  if (!first || declared.some((item) => scope.own(item.name.name)?.kind === "poison")) return;
  const row = elementCount(first.domain.shape);
  for (const item of model.members.flatMap((m) => (m.kind === "param" ? m.items : []))) {
    const param = cx.params.find((p) => p.span === item.span && elementCount(p.domain.shape) % row !== 0);
    if (!param || item.init?.kind !== "data") continue;
    const { shape } = param.domain;
    const fits = showDomain({ ...param.domain, shape: [...shape.slice(0, -1), ...first.domain.shape] });
    report(
      cx.diagnostics,
      "GM2003",
      item.init.span,
      {
        what: `the start of \`${param.name}\``,
        expected: `whole rows of \`${first.name}\`, of ${row} entries`,
        found: `${showShape(shape)}, ${elementCount(shape)} entries`,
      },
      {
        labels: [
          { span: item.domain.span, text: "its shape" },
          { span: first.span, text: `\`${first.name}\` is ${showDomain(first.domain)}` },
        ],
        help: [`rows stand in the last axes: \`${param.name} : ${fits}\``],
      },
    );
  }
}

/** One variable or parameter, or a family of them: each member's shape may depend on its index. */
function declarator(env: Env, item: ast.Declarator, what: FamilyWhat, make: (inner: Env, name: string) => Entity): Entity {
  const name = item.name.name;
  if (!item.index) return make(env, name);
  const range = staticRange(env, item.index);
  if (!range) return { kind: "poison", span: item.name.span };
  if (range.high < range.low) {
    report(env.cx.diagnostics, "GM2023", item.index.span, { problem: `the family \`${name}\` would have no members` });
    return { kind: "poison", span: item.name.span };
  }
  const members = new Map<number, Entity>();
  for (let i = range.low; i <= range.high; i++) {
    const scope = new Scope(env.scope);
    scope.define(item.index.name.name, { kind: "static", what: "index", value: numberOf(i), span: item.index.name.span });
    members.set(i, make(within(env, scope), `${name}[${i}]`));
  }
  if ([...members.values()].some((m) => m.kind === "poison")) return { kind: "poison", span: item.name.span };
  return { kind: "family", what, members, span: item.name.span };
}

function elaborateInit(env: Env, item: ast.ParamItem, domain: Domain): Param["init"] | undefined {
  const { init } = item;
  if (!init) return { kind: "default" };
  switch (init.kind) {
    case "data":
      return { kind: "data" };
    case "distribution":
      return distributionInit(env, init.call, domain);
    case "value":
      return valueInit(env, init.value, domain, item.domain.span);
  }
}

/** A start is drawn from a distribution whose sampler the host has: Normal or Uniform; `Delta` is a constant. */
function distributionInit(env: Env, call: ast.CallExpr, domain: Domain): Param["init"] | undefined {
  const name = call.callee.kind === "name" ? call.callee.name : "";
  if (name === "data") return startFromValues(env, call, domain);
  const entry = distributions.get(name);
  if (!entry || (name !== "Normal" && name !== "Uniform")) {
    report(
      env.cx.diagnostics,
      "GM2055",
      call.span,
      { found: name },
      { help: [`\`init Normal(0, 0.01)\`, \`init Uniform(-0.1, 0.1)\`, \`= 0\`, \`init data\` or \`init data(encoder(x))\``] },
    );
    return undefined;
  }
  const [list = []] = entry.parameters;
  const bound = bindArguments(
    env.cx,
    { what: `\`${name}\``, params: list.map((p) => ({ name: p.name, required: p.fallback === undefined })), synonyms: parameterSynonyms },
    actualsOf(call.args),
    call.span,
  );
  if (!bound) return undefined;
  const params: Record<string, number> = {};
  for (const param of list) {
    const actual = bound.byName.get(param.name);
    const value =
      actual?.kind === "ast" ? requireNumber(env, actual.value, `\`${param.name}\` of \`${name}\``) : numberOf(param.fallback ?? 0);
    if (!value) return undefined;
    if (param.domain === "positive" && !(value.value > 0)) {
      report(env.cx.diagnostics, "GM3015", actual?.span ?? call.span, { param: param.name, dist: name, found: String(value.value) });
      return undefined;
    }
    params[param.name] = value.value;
  }
  const { low, high } = params;
  if (low !== undefined && high !== undefined && !(high > low)) {
    const what = "`high` of `Uniform`";
    const expected = `above \`low\`, which is ${low}`;
    report(env.cx.diagnostics, "GM2018", bound.byName.get("high")?.span ?? call.span, { what, expected, found: String(high) });
    return undefined;
  }
  // all that it can draw lies in the domain
  const drawn = low !== undefined && high !== undefined ? [low, high] : [-Infinity, Infinity];
  if (domain.name !== "real" && drawn.some((end) => !isStart(domain, end))) {
    const inside = domain.name === "unit" ? "init Uniform(0.1, 0.9)` or `= 0.5" : "init Uniform(0.5, 1.5)` or `= 1";
    const found = `draws of \`${textOf(call.span)}\``;
    report(env.cx.diagnostics, "GM2056", call.span, { domain: domain.name, found }, { help: [`start inside of it: \`${inside}\``] });
    return undefined;
  }
  return { kind: "distribution", dist: name, params };
}

/** Whether a parameter can start there: what is stored is unbounded, and the ends of a domain lie at infinity there. */
function isStart(domain: Domain, n: number): boolean {
  const { low, high, lowOpen, highOpen } = rangeOfParam(domain);
  // shares are brought to a sum of 1
  const below = domain.name === "simplex" || (highOpen ? n < high : n <= high);
  return Number.isFinite(n) && below && (lowOpen ? n > low : n >= low);
}

function valueInit(env: Env, value: ast.Expr, domain: Domain, domainSpan: Span): Param["init"] | undefined {
  if (isTensorValue(env, value)) return undefined;
  const known = requireStatic(env, value, "the start of a parameter");
  const plain = known && toStaticValue(known);
  if (plain === undefined || typeof plain === "boolean") {
    if (known) report(env.cx.diagnostics, "GM2028", value.span, { expected: "a number or a list of numbers", found: "something else" });
    return undefined;
  }
  const numbers = typeof plain === "number" ? [plain] : plain;
  const outside = numbers.find((n) => !isStart(domain, n));
  if (outside !== undefined) {
    report(
      env.cx.diagnostics,
      "GM2056",
      value.span,
      { domain: domain.name, found: String(outside) },
      { labels: [{ span: domainSpan, text: `\`${domain.name}\`` }] },
    );
    return undefined;
  }
  if (typeof plain === "number") return { kind: "constant", value: plain };
  const count = elementCount(domain.shape);
  if (plain.length === count) return { kind: "values", values: plain };
  report(
    env.cx.diagnostics,
    "GM2003",
    value.span,
    { what: "the start of a parameter", expected: `${count} numbers`, found: String(plain.length) },
    { labels: [{ span: domainSpan, text: "its shape" }] },
  );
  return undefined;
}

/** `= normal(…)`, a call where a constant is wanted: most likely `init` is meant. */
function isTensorValue(env: Env, value: ast.Expr): boolean {
  const name = value.kind === "call" && value.callee.kind === "name" ? value.callee.name : undefined;
  if (name === undefined || !distributions.has(name)) return false;
  const known = evaluateStatic(env, value);
  if (known?.kind !== "dynamic") return false;
  report(env.cx.diagnostics, "GM2055", value.span, { found: name }, { help: [`write \`init ${name}(…)\``] });
  return true;
}
