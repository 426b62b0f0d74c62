/** Names that nothing declares: the nearest ones that exist, and what the name would mean in other tools. */
import { report } from "../base/report.js";
import type { Span } from "../base/source.js";
import { didYouMean } from "../base/suggest.js";
import type { Env } from "./env.js";
import { describe, type Entity, type Scope } from "./scope.js";

/** Reports GM2001. `fits` says which declared names would do here; `more` are names of tables (functions, layers); `declare` is what could be declared under the name. */
export function reportUnknownName(
  env: Pick<Env, "cx" | "scope">,
  name: string,
  span: Span,
  fits: (entity: Entity) => boolean = () => true,
  more: Iterable<string> = [],
  what = "name",
  declare: keyof typeof declarations | undefined = undefined,
): void {
  const later = env.scope.findLater(name);
  // what defines a name may name it itself, which no other place mends
  if (later && later.span.start > span.start) {
    const labels = [{ span: later.span, text: `\`${name}\` is defined here` }];
    report(env.cx.diagnostics, "GM2001", span, { what, name, later: true }, { labels, help: [later.help] });
    return;
  }
  const turned = env.scope.findInTurns(name);
  if (turned && turned.span.start < span.start) {
    const labels = [{ span: turned.span, text: `\`${name}\` is bound here, for each turn by itself` }];
    const help = `bind a family, \`${name}[${turned.index}] = …\`, and read its last member, \`${name}[${turned.last}]\``;
    report(env.cx.diagnostics, "GM2001", span, { what, name }, { labels, help: [help] });
    return;
  }
  const near = suggestions(env.scope, name, fits, more);
  if (near.length === 0) {
    const inModel = templateHelp(env, name);
    if (inModel) {
      report(env.cx.diagnostics, "GM2001", span, { what, name }, { help: [inModel] });
      return;
    }
  }
  // a statement that reads what it defines is none that misses a declaration
  const help = near.length > 0 || later ? near : declare && env.scope.isWithin(env.cx.modelScope) ? declarations[declare](name) : [];
  report(env.cx.diagnostics, "GM2001", span, { what, name }, { help });
}

/** Of a name that the model declares, where a template stands outside of it. */
function templateHelp({ cx, scope }: Pick<Env, "cx" | "scope">, name: string): string | undefined {
  if (scope === cx.modelScope || scope.isWithin(cx.modelScope)) return undefined;
  const entity = cx.modelScope.find(name);
  if (!entity || entity.kind === "poison") return undefined;
  return `the model declares \`${name}\`, and a template outside of it knows its own parameters alone: take it as one, \`objective V(${name}) = …\`, \`V(${name})\``;
}

/** How what is missing is declared. */
const declarations = {
  value: (name: string) => [`a weight is declared in the model: \`param ${name} : real[…]\``],
  variable: (name: string) => [
    `declare it in the model: \`data ${name} : real[…]\` where it is observed, \`latent ${name} : real[…]\` where it is not`,
  ],
};

/** Words of other languages, and one of this that is no value. */
const foreignLiterals: Readonly<Record<string, string>> = {
  True: "write `true`",
  False: "write `false`",
  None: "leave the option out, or write `false` where it says whether something is there",
  null: "leave the option out, or write `false` where it says whether something is there",
  data: "rows of the data are drawn: `E[x ~ data](…)`",
};

export function suggestions(scope: Scope, name: string, fits: (entity: Entity) => boolean, more: Iterable<string> = []): readonly string[] {
  const behind = scope.findBehind(name);
  if (behind !== undefined) return [`\`${name}\` stands in ${behind.path}, which ${behind.by} imports for itself: import it here too`];
  const literal = synonymOf(foreignLiterals, name);
  if (literal !== undefined) return [literal];
  const near = didYouMean(name, [...scope.visible(fits), ...more]) ?? didYouMean(name, scope.visible());
  if (near === undefined) return [];
  const entity = scope.find(near);
  return [entity && !fits(entity) ? `\`${near}\` is ${describe(entity)}` : `did you mean \`${near}\`?`];
}

/** Entry of a table of names; names that objects have by themselves (`toString`) are not in it. */
export function synonymOf(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
