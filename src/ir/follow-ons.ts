/**
 * After syntax errors: which findings of elaboration may only follow from what could not be read. The names of what is missing, of the
 * declarations with a part that is missing, and of all that use these, are in doubt; a finding in a declaration that holds a name in doubt
 * is not told. What is wrong elsewhere is.
 */
import type { Diagnostic } from "../base/diagnostic.js";
import { type Span, textOf } from "../base/source.js";
import type * as ast from "../parser/ast.js";
import { functionNames } from "./builtins.js";
import { distributions } from "./distributions.js";
import { layers } from "./layers.js";

/** A declaration, or the head of a model: what it declares, the words that stand in it. */
interface Declared {
  readonly names: readonly string[];
  readonly span: Span;
  readonly words: ReadonlySet<string>;
  /** The head of a model: what is left out of it may declare any name. */
  readonly head: boolean;
  readonly net: boolean;
  /** Past its name: what is broken up to here may have changed it. */
  readonly named: number;
  doubtful: boolean;
}

/** Findings about names that nothing declares. */
const unknownNames: ReadonlySet<string> = new Set(["GM2001", "GM2017", "GM2029", "GM2063", "GM2066", "GM3008", "GM3036", "GM3046"]);

/** Findings about a file or model as a whole: that something is not there. */
const absent: ReadonlySet<string> = new Set(["GM2011", "GM2012", "GM2013", "GM2043", "GM2087"]);

const declaresNothing = /^(const|data|latent|param|net|flow|density|objective|model)\b\s*(?![\p{L}_])/u;
const beginsDeclaration = /^(const|data|latent|param|net|flow|density|objective|model|train|evaluate|import)\b/u;

/** `missing`: a file that is imported could not be had. */
export function followOns(
  files: readonly ast.FileAst[],
  syntax: readonly Diagnostic[],
  missing: boolean,
): (finding: Diagnostic) => boolean {
  const declared = files.flatMap(declarationsOf);
  const parts = [
    ...files.flatMap((f) => f.broken ?? []),
    ...syntax.flatMap((d) => d.labels.slice(0, 1).map((l) => ({ span: l.span, names: [] as readonly string[] }))),
  ];
  const doubts = new Set<string>();
  let nameless = missing;
  for (const part of parts) {
    const around = declared.filter((d) => overlaps(d.span, part.span));
    for (const d of around) d.doubtful = true;
    for (const d of around) if (d.head) for (const word of d.words) doubts.add(word);
    nameless ||= around.some((d) => d.head || part.span.start <= d.named);
    if (around.some((d) => d.span.start <= part.span.start && part.span.end <= d.span.end)) continue;
    const text = textOf(part.span);
    if (text.startsWith("import") || declaresNothing.test(text)) nameless = true;
    for (const name of part.names) doubts.add(name);
    const before = declared.filter((d) => d.span.file === part.span.file && d.span.end <= part.span.start).at(-1);
    if (around.length === 0 && before && !beginsDeclaration.test(text)) before.doubtful = true;
  }
  for (const known of [...functionNames, ...layers.keys(), ...distributions.keys()]) doubts.delete(known);
  for (const d of declared) if (!d.doubtful) for (const name of d.names) doubts.delete(name);
  spread(declared, doubts);
  const lost = files.some((f) => f.decls.some((d) => d.kind === "model" && d.members.some((m) => m.span.end > d.span.end)));
  return ({ code, labels }) => {
    if (lost || absent.has(code) || (nameless && unknownNames.has(code))) return true;
    const at = labels.flatMap((l) => declared.filter((d) => overlaps(d.span, l.span)));
    return at.length === 0 || at.some((d) => d.doubtful);
  };
}

/** What holds a name in doubt is in doubt itself, and with it what it declares, and the nets that it calls: they are checked as they are called. */
function spread(declared: readonly Declared[], doubts: Set<string>): void {
  const settled = new Set<Declared>();
  for (let before = -1; before !== settled.size;) {
    before = settled.size;
    for (const d of declared) {
      if (settled.has(d) || (!d.doubtful && ![...d.words].some((word) => doubts.has(word)))) continue;
      settled.add(d);
      d.doubtful = true;
      for (const name of d.names) doubts.add(name);
      for (const net of declared) if (net.net && net.names.some((name) => d.words.has(name))) net.doubtful = true;
    }
  }
}

function overlaps(a: Span, b: Span): boolean {
  return a.file === b.file && a.start <= b.end && b.start < a.end;
}

/** In the order of the file. */
function declarationsOf(file: ast.FileAst): readonly Declared[] {
  return file.decls.flatMap((decl) => (decl.kind === "model" ? [headOf(decl), ...decl.members.map(of)] : [of(decl)]));
}

function of(decl: Exclude<ast.TopDecl, ast.ModelDecl> | ast.Member): Declared {
  const names =
    "name" in decl ? [decl.name.name] : decl.kind === "train" || decl.kind === "evaluate" ? [] : decl.items.map((i) => i.name.name);
  return {
    names,
    span: decl.span,
    words: wordsOf(decl.span),
    head: false,
    net: decl.kind === "net",
    named: "name" in decl ? decl.name.span.end + 1 : decl.span.start,
    doubtful: "broken" in decl,
  };
}

function headOf(model: ast.ModelDecl): Declared {
  const { file, start } = model.span;
  const brace = file.text.indexOf("{", model.name.span.end);
  const span = { file, start, end: brace < 0 || brace > model.span.end ? model.span.end : brace + 1 };
  return {
    names: model.hyper.map((h) => h.name.name),
    span,
    words: wordsOf(span),
    head: true,
    net: false,
    named: model.name.span.end,
    doubtful: false,
  };
}

function wordsOf(span: Span): ReadonlySet<string> {
  return new Set(textOf(span).match(/[\p{L}_][\p{L}\p{N}_]*/gu));
}
