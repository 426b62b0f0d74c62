/**
 * Text of another language that a model is begun in: `def enc(x):`, `class VAE(nn.Module):`, `function enc(x) { … }`, `import torch`,
 * `if z > 0 { … }`. Each is one mistake, however much of it cannot be read, so it is cut out with all that belongs to it by layout, and told once.
 */
import type { Diagnostic } from "../base/diagnostic.js";
import { diagnosticOf } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import type { GmToken } from "./lexer.js";
import { beginsExpression } from "./phrases.js";
import { beginsBinding, isCloser, isName, isOpener } from "./resume.js";
import * as t from "./tokens.js";

export interface ForeignBlock {
  readonly span: Span;
  /** What it may have been meant to declare. */
  readonly names: readonly string[];
  readonly finding: Diagnostic;
}

const functionWords: ReadonlySet<string> = new Set(["def", "function", "func", "fn", "class"]);
/** Neither may be a name. */
const branchWords: ReadonlySet<string> = new Set(["if", "while"]);
const moreBranches: ReadonlySet<string> = new Set(["else", "elif"]);

/** The tokens without foreign blocks, each of which leaves one token that has been reported. */
export function cutForeignBlocks(
  file: SourceFile,
  tokens: readonly GmToken[],
): { readonly tokens: readonly GmToken[]; readonly blocks: readonly ForeignBlock[] } {
  const kept: GmToken[] = [];
  const blocks: ForeignBlock[] = [];
  for (let i = 0; i < tokens.length;) {
    const token = tokens[i] as GmToken;
    const end = branchWords.has(token.image) ? branchesEnd(tokens, i) : token.firstOnLine ? blockEnd(tokens, i) : i;
    if (end > i) {
      const part = tokens.slice(i, end);
      const span = { file, start: token.startOffset, end: (part.at(-1) ?? token).endOffset + 1 };
      blocks.push({ span, names: declaredBy(part), finding: explain(file, part) });
      kept.push({ ...token, tokenType: t.Invalid, tokenTypeIdx: t.Invalid.tokenTypeIdx ?? 0, reported: true, index: kept.length });
      i = end;
    } else {
      kept.push(blocks.length > 0 ? { ...token, index: kept.length } : token);
      i++;
    }
  }
  return blocks.length > 0 ? { tokens: kept, blocks } : { tokens, blocks };
}

/** Index after the foreign block that begins at a token; the token's own where none does. */
function blockEnd(tokens: readonly GmToken[], at: number): number {
  const first = tokens[at];
  const next = tokens[at + 1];
  if (!first || !next || next.firstOnLine) return at;
  const line = endOfLine(tokens, at);
  if (first.tokenType === t.Import) {
    if (next.tokenType === t.LBrace) return endOfLine(tokens, afterBrace(tokens, at) - 1);
    return isName(next) || next.tokenType === t.Star ? line : at;
  }
  const ofLine = tokens.slice(at, line);
  if (first.image === "from") return isName(next) && ofLine.some((one) => one.tokenType === t.Import) ? line : at;
  if (!functionWords.has(first.image) || !(isName(next) || next.tokenType === t.Model)) return at;
  if (hasColon(ofLine)) return dedent(tokens, line, first.startColumn);
  return ofLine.some((one) => one.tokenType === t.LBrace) ? afterBrace(tokens, at) : at;
}

/** Index after `if z > 0 { … } else { … }`, the same by indentation, or the rest of a line; `at` where the word is a mere name. */
function branchesEnd(tokens: readonly GmToken[], at: number): number {
  const first = tokens[at];
  const next = tokens[at + 1];
  if (!first || next?.firstOnLine !== false || !(beginsExpression(next) || next.tokenType === t.Minus)) return at;
  if (!first.firstOnLine && t.keywords.has(tokens[at - 1]?.image ?? "")) return at;
  let end = branchEnd(tokens, at);
  while (moreBranches.has(tokens[end]?.image ?? "")) end = branchEnd(tokens, tokens[end + 1]?.image === "if" ? end + 1 : end);
  return end;
}

/** Index after one branch, whose word stands at `at`. */
function branchEnd(tokens: readonly GmToken[], at: number): number {
  const line = endOfLine(tokens, at);
  const end = endOfPart(tokens, at, line);
  const part = tokens.slice(at, end);
  if (part.some((one) => one.tokenType === t.LBrace) || (end === line && tokens[line]?.tokenType === t.LBrace))
    return afterBrace(tokens, at);
  return end === line && hasColon(part) ? dedent(tokens, line, tokens[at]?.startColumn ?? 1) : end;
}

/** Index of the bracket that closes what stands around `at`, or `line` where none does before it. */
function endOfPart(tokens: readonly GmToken[], at: number, line: number): number {
  let depth = 0;
  for (let i = at; i < line; i++) {
    const type = tokens[i]?.tokenType;
    if (type === undefined) break;
    if (isOpener(type)) depth++;
    else if (isCloser(type) && --depth < 0) return i;
  }
  return line;
}

/** Whether a `:` stands outside of parentheses. */
function hasColon(tokens: readonly GmToken[]): boolean {
  let depth = 0;
  return tokens.some(({ tokenType }) => {
    if (isOpener(tokenType)) depth++;
    else if (isCloser(tokenType)) depth--;
    return depth === 0 && tokenType === t.Colon;
  });
}

function endOfLine(tokens: readonly GmToken[], at: number): number {
  let end = at + 1;
  while (end < tokens.length && tokens[end]?.firstOnLine === false) end++;
  return end;
}

/** Index of the first line from `at` on that is indented no deeper than `column`. */
function dedent(tokens: readonly GmToken[], at: number, column: number): number {
  let end = at;
  while (end < tokens.length && !(tokens[end]?.firstOnLine && (tokens[end]?.startColumn ?? 0) <= column)) end++;
  return end;
}

/** Index after the `}` of the first `{` from `at` on. */
function afterBrace(tokens: readonly GmToken[], at: number): number {
  let depth = 0;
  for (let i = at; i < tokens.length; i++) {
    const type = tokens[i]?.tokenType;
    if (type === t.LBrace) depth++;
    else if (type === t.RBrace && --depth === 0) return i + 1;
  }
  return tokens.length;
}

function declaredBy(part: readonly GmToken[]): readonly string[] {
  if (branchWords.has(part[0]?.image ?? "")) return part.flatMap((token, i) => (beginsBinding(part, i) ? [token.image] : []));
  return part.slice(1, 2).flatMap((token) => (isName(token) ? [token.image] : []));
}

const noLibraries = "there are no libraries to import: layers, distributions and functions are part of the language";

function explain(file: SourceFile, part: readonly GmToken[]): Diagnostic {
  const [word, name] = part;
  const spanOf = (token: GmToken | undefined): Span => ({ file, start: token?.startOffset ?? 0, end: (token?.endOffset ?? 0) + 1 });
  if (branchWords.has(word?.image ?? "")) {
    const help =
      word?.image === "while"
        ? ["`for l in 1..L { … }` repeats a number of times that is known before training"]
        : ["a condition picks one of two values: `where(cond, a, b)`, with a `cond` such as `greater(z, 0)`"];
    return diagnosticOf("GM1019", spanOf(word), { word: word?.image ?? "", expected: "statement" }, { help });
  }
  const path = part.find((token) => token.tokenType === t.StringLiteral);
  if (word?.tokenType === t.Import && path) {
    const args = { expected: "the path of a file in double quotes", found: `\`${name?.image ?? ""}\`` };
    return diagnosticOf("GM1001", spanOf(name), args, { help: [`write \`import ${path.image}\`: all that the file declares can be used`] });
  }
  if (word?.tokenType === t.Import) {
    const args = { expected: "the path of a file in double quotes", found: `\`${name?.image ?? ""}\`` };
    return diagnosticOf("GM1001", spanOf(name), args, {
      help: [`\`import "${name?.image ?? "nets"}.gm"\` reads a file of the project`, noLibraries],
    });
  }
  const args = { word: word?.image ?? "", expected: "declaration" };
  if (word?.image === "from") return diagnosticOf("GM1019", spanOf(word), args, { help: [noLibraries] });
  const close = part.findIndex((token) => token.tokenType === t.RParen);
  const params = part.slice(3, Math.max(3, close)).filter((token) => token.image !== "self");
  const isPlain = part[2]?.tokenType === t.LParen && params.every((token) => isName(token) || token.tokenType === t.Comma);
  const names = isPlain ? params.filter(isName).map((token) => token.image) : ["x"];
  const help =
    name?.tokenType === t.Model || word?.image === "class" || names.length === 0
      ? "a model is written `model Name(D = 784) { … }`, with what it declares between the braces"
      : `a network is written \`net ${name?.image ?? "f"}(${names.join(", ")}) { … }\`, and ends with \`return …\``;
  return diagnosticOf("GM1019", spanOf(word), args, { help: [help] });
}
