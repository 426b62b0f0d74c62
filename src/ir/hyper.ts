/** Hyperparameters: defaults, and what `--set NAME=VALUE` puts in their place. */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMeanHelp } from "../base/suggest.js";
import type * as ast from "../parser/ast.js";
import { type Env, within } from "./env.js";
import type { Scope } from "./scope.js";
import { kindOfStatic, requireStatic, type Static, staticFrom, toStaticValue } from "./static.js";
import type { StaticValue } from "./types.js";

/** Values from outside, and where those are written that a file holds. */
export interface Given {
  readonly set: Readonly<Record<string, StaticValue>>;
  readonly setAt: Readonly<Record<string, Span>>;
}

/** Defines each in `scope`; later ones may use earlier ones. */
export function declareHyper(
  env: Env,
  model: ast.ModelDecl,
  { set, setAt }: Given,
  scope: Scope,
): readonly { readonly name: string; readonly value: StaticValue }[] {
  const out: { readonly name: string; readonly value: StaticValue }[] = [];
  const names = model.hyper.map((h) => h.name.name);
  for (const name of Object.keys(set)) {
    if (names.includes(name)) continue;
    const near = didYouMeanHelp(name, names);
    const at = ownOf(setAt, name);
    report(
      env.cx.diagnostics,
      "GM2008",
      at ?? model.name.span,
      { name, model: model.name.name },
      {
        labels: at === undefined ? [] : [{ span: model.name.span, text: "the model" }],
        help: near.length > 0 ? near : names.length > 0 ? [`it has ${names.map((n) => `\`${n}\``).join(", ")}`] : ["it has none"],
      },
    );
  }
  for (const { name } of model.hyper) {
    const help = `a default is made of the hyperparameters before it: move \`${name.name}\` to the front`;
    scope.announce(name.name, { span: name.span, help, known: true });
  }
  for (const member of model.members) {
    if (member.kind !== "const") continue;
    const { name, span } = member.name;
    const help = `hyperparameters come before what the model declares: move \`const ${name}\` above the model`;
    scope.announce(name, { span, help, known: true });
  }
  for (const formal of model.hyper) {
    const { name, span } = formal.name;
    const before = scope.own(name);
    if (before) {
      report(env.cx.diagnostics, "GM2002", span, { what: "hyperparameter", name }, { labels: [{ span: before.span, text: "first here" }] });
      continue;
    }
    const isSet = Object.hasOwn(set, name);
    const value = hyperValue(within(env, scope), formal, ownOf(set, name), ownOf(setAt, name));
    scope.define(
      name,
      value ? { kind: "static", what: "hyperparameter", value: named(value, name), span, isSet } : { kind: "poison", span },
    );
    const plain = value && toStaticValue(value);
    if (plain !== undefined) out.push({ name, value: plain });
  }
  return out;
}

/** What a record holds under a name, which may be one that all objects have. */
function ownOf<T>(of: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}

/** A hyperparameter is known by its name: `D`, not `28*28`. */
function named(value: Static, name: string): Static {
  return value.kind === "number" || value.kind === "list" ? { ...value, text: name } : value;
}

function hyperValue(env: Env, formal: ast.Formal, given: StaticValue | undefined, writtenAt: Span | undefined): Static | undefined {
  const { name, span } = formal.name;
  if (!formal.value) {
    report(env.cx.diagnostics, "GM2009", span, { name }, { help: [`give it one: \`${name} = 100\``] });
    return undefined;
  }
  const value = requireStatic(env, formal.value, "a hyperparameter");
  if (!value) return undefined;
  if (value.kind === "string" || toStaticValue(value) === undefined) {
    report(env.cx.diagnostics, "GM2028", formal.value.span, {
      expected: "a number, a truth value or a list of numbers",
      found: kindOfStatic(value),
    });
    return undefined;
  }
  if (given === undefined) return value;
  const outside = staticFrom(given);
  if (outside.kind === value.kind) return outside;
  report(
    env.cx.diagnostics,
    "GM2010",
    writtenAt ?? span,
    { name, expected: kindName(value), found: kindOfStatic(outside) },
    writtenAt === undefined
      ? { label: `its default is ${kindOfStatic(value)}` }
      : { labels: [{ span, text: `its default is ${kindOfStatic(value)}` }] },
  );
  return undefined;
}

function kindName(value: Static): string {
  return value.kind === "list" ? "a list of numbers" : value.kind === "boolean" ? "true or false" : "a number";
}

/** The value of `--set NAME=VALUE` as typed: `400`, `1e-3`, `true`, `[200, 100]`; undefined where it is none of these. */
export function parseStaticValue(text: string): StaticValue | undefined {
  const trimmed = text.trim();
  if (trimmed === "true" || trimmed === "false") return trimmed === "true";
  const number = (t: string): number | undefined => (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(t) ? Number(t) : undefined);
  const list = /^\[(.*)\]$/s.exec(trimmed);
  if (!list) return number(trimmed);
  const inside = (list[1] ?? "").trim();
  const numbers = inside === "" ? [] : inside.split(",").map((part) => number(part.trim()));
  return numbers.includes(undefined) ? undefined : numbers.flatMap((n) => n ?? []);
}
