/**
 * Bodies without their `{`: `net enc(x)` above its statements, `model M:`. What belongs to such a body is plain by its layout, so it is told once and
 * read as if its braces stood there.
 */
import { type Diagnostics, report } from "../base/report.js";
import type { SourceFile } from "../base/source.js";
import type { GmToken } from "./lexer.js";
import { expectedPhrase, foundPhrase } from "./phrases.js";
import { afterBracket, beginsBinding, beginsDeclaration, beginsStatement, beginsTraining, isName, isOpener } from "./resume.js";
import * as t from "./tokens.js";

interface Head {
  /** The rule that misses the brace, for the words about it. */
  readonly rule: string;
  /** Index after the head of a declaration that begins at `at`; undefined where it is broken otherwise. */
  readonly end: (tokens: readonly GmToken[], at: number) => number | undefined;
  /** Whether its body can begin at a token. */
  readonly begins: (tokens: readonly GmToken[], at: number) => boolean;
}

/** A name beside the head may be anything: a symmetry that is misspelt, say. */
const statements = (tokens: readonly GmToken[], at: number): boolean =>
  beginsStatement(tokens[at]) || (beginsBinding(tokens, at) && (tokens[at]?.firstOnLine === true || tokens[at - 1]?.tokenType === t.Colon));

const heads: ReadonlyMap<GmToken["tokenType"], Head> = new Map<GmToken["tokenType"], Head>([
  [t.Model, { rule: "modelDecl", end: (s, at) => maybeList(s, afterName(s, at + 1)), begins: beginsDeclaration }],
  [t.Density, { rule: "statements", end: (s, at) => list(s, afterName(s, at + 1)), begins: statements }],
  [t.Net, { rule: "netDecl", end: (s, at) => afterSymmetry(s, list(s, afterName(s, at + 1))), begins: statements }],
  [t.Train, { rule: "trainBody", end: (_, at) => at + 1, begins: (s, at) => beginsTraining(s[at]) || beginsBinding(s, at) }],
  [t.Evaluate, { rule: "evaluateDecl", end: (_, at) => at + 1, begins: beginsBinding }],
]);

function afterName(tokens: readonly GmToken[], at: number): number | undefined {
  return isName(tokens[at]) ? at + 1 : undefined;
}

function list(tokens: readonly GmToken[], at: number | undefined): number | undefined {
  return at !== undefined && tokens[at]?.tokenType === t.LParen ? afterBracket(tokens, at) : undefined;
}

function maybeList(tokens: readonly GmToken[], at: number | undefined): number | undefined {
  return at !== undefined && tokens[at]?.tokenType === t.LParen ? afterBracket(tokens, at) : at;
}

function afterSymmetry(tokens: readonly GmToken[], at: number | undefined): number | undefined {
  const type = at === undefined ? undefined : tokens[at]?.tokenType;
  return at !== undefined && (type === t.Invariant || type === t.Equivariant) ? maybeList(tokens, at + 1) : at;
}

/** A brace that is open: where its declaration begins if it is one that was missing. */
interface Open {
  readonly missing: boolean;
  readonly isModel: boolean;
  readonly column: number;
  /** The body stands deeper than the head, so that what does not ends it. */
  readonly isIndented: boolean;
}

/** The tokens with the braces that are missing, as empty tokens. */
export function withMissingBraces(file: SourceFile, tokens: readonly GmToken[], diagnostics: Diagnostics): readonly GmToken[] {
  const out: GmToken[] = [];
  const open: Open[] = [];
  let isChanged = false;
  let round = 0;
  const insert = (type: GmToken["tokenType"], previous: GmToken): void => {
    isChanged = true;
    const startOffset = previous.endOffset + 1;
    const place = { ...previous, startOffset, endOffset: startOffset - 1, startColumn: previous.startColumn + previous.image.length };
    out.push({
      ...place,
      image: type.LABEL ?? "",
      tokenType: type,
      tokenTypeIdx: type.tokenTypeIdx ?? 0,
      firstOnLine: false,
      index: out.length,
    });
  };
  const closeMissing = (ends: (block: Open) => boolean, previous: GmToken | undefined): void => {
    for (let block = open.at(-1); block?.missing && previous && ends(block); block = open.at(-1)) {
      open.pop();
      insert(t.RBrace, previous);
    }
  };
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i] as GmToken;
    const { tokenType: type, startColumn: column } = token;
    if (token.firstOnLine && open.at(-1)?.missing) {
      const declares = beginsDeclaration(tokens, i);
      const past = (b: Open): boolean =>
        type === t.RBrace
          ? column < b.column
          : (column <= b.column && (b.isIndented || type === t.Model)) || (declares && !b.isModel && round <= 0);
      closeMissing(past, tokens[i - 1]);
      if (declares) round = 0;
    }
    if (type === t.LBrace) open.push({ missing: false, isModel: false, column, isIndented: false });
    else if (type === t.RBrace) {
      open.pop();
      round = 0;
    } else if (isOpener(type)) round++;
    else if (type === t.RParen || type === t.RBracket) round--;
    out.push(isChanged ? { ...token, index: out.length } : token);
    const head = heads.get(type);
    const end = head?.end(tokens, i);
    if (!head || end === undefined) continue;
    const colon = tokens[end]?.tokenType === t.Colon ? tokens[end] : undefined;
    const first = colon ? end + 1 : end;
    const found = tokens[first];
    const last = tokens[end - 1];
    const isBraced = found?.tokenType === t.LBrace;
    if (!found || !last || (isBraced ? !colon : !head.begins(tokens, first))) continue;
    for (const part of tokens.slice(i + 1, end)) out.push(isChanged ? { ...part, index: out.length } : part);
    const span = colon
      ? { file, start: colon.startOffset, end: colon.endOffset + 1 }
      : { file, start: last.endOffset + 1, end: last.endOffset + 1 };
    const expected = expectedPhrase(head.rule, head.rule === "netDecl" ? undefined : t.LBrace);
    const place = colon ? (isBraced ? "delete the `:`" : "write `{` in place of `:`") : "write `{` here";
    const help = [`a body stands between braces, \`{ … }\`: ${place}`];
    report(diagnostics, "GM1001", span, { expected, found: foundPhrase(colon ?? found) }, { help });
    isChanged = true;
    if (!isBraced) {
      insert(t.LBrace, last);
      const isIndented = found.firstOnLine && found.startColumn > token.startColumn;
      open.push({ missing: true, isModel: type === t.Model, column: token.startColumn, isIndented });
    }
    i = first - 1;
  }
  const end = tokens.at(-1);
  if (end) closeMissing(() => true, end);
  return isChanged ? out : tokens;
}
