/**
 * Where to go on after a mistake, judged by keywords, brackets and layout: at the next token that plainly begins an item
 * of the same kind, or at what ends the block around it. Nothing here moves backwards past the item's first token, and
 * every answer lies past it, so that a parser that resumes there ends.
 */
import type { TokenType } from "chevrotain";
import type { GmToken } from "./lexer.js";
import * as t from "./tokens.js";

/**
 * What is read in sequence: `file` and `member` are declarations, `statement`, `trainItem`, `setting` and `direction`
 * stand in the bodies of declarations; `list` is a list in parentheses in a declaration's head; `name` and `close` are
 * single tokens, the name of a model and the `}` of a block.
 */
export type ItemKind = "file" | "member" | "statement" | "trainItem" | "setting" | "direction" | "list" | "name" | "close";

const declarationWords: ReadonlySet<TokenType> = new Set([
  ...[t.Import, t.Const, t.Net, t.Flow, t.Objective, t.Model, t.Latent, t.Param, t.Density, t.Train, t.Evaluate],
]);
const statementWords: ReadonlySet<TokenType> = new Set([t.For, t.Return, t.Energy]);
const trainWords: ReadonlySet<TokenType> = new Set([t.Maximize, t.Minimize, t.Constrain, t.Phase]);
const openers: ReadonlySet<TokenType> = new Set([t.LParen, t.LBracket, t.LBrace]);
const closers: ReadonlySet<TokenType> = new Set([t.RParen, t.RBracket, t.RBrace]);

export function isName(token: GmToken | undefined): boolean {
  return token !== undefined && (token.tokenType === t.Identifier || (token.tokenType.CATEGORIES ?? []).includes(t.Name));
}

export function isOpener(type: TokenType): boolean {
  return openers.has(type);
}

export function isCloser(type: TokenType): boolean {
  return closers.has(type);
}

/** Whether a declaration begins here: a keyword of one, or `data x :`, `data x[`. */
export function beginsDeclaration(tokens: readonly GmToken[], at: number): boolean {
  const token = tokens[at];
  if (!token) return false;
  if (declarationWords.has(token.tokenType)) return true;
  const after = tokens[at + 2]?.tokenType;
  return token.tokenType === t.Data && isName(tokens[at + 1]) && (after === t.Colon || (after === t.LBracket && token.firstOnLine));
}

/** Whether a word stands here that begins an item of training. */
export function beginsTraining(token: GmToken | undefined): boolean {
  return token !== undefined && trainWords.has(token.tokenType);
}

/** Whether a word stands here that begins a statement of a net or density. */
export function beginsStatement(token: GmToken | undefined): boolean {
  return token !== undefined && statementWords.has(token.tokenType);
}

/** Index after the bracket that closes the one at `at`, or undefined. */
export function afterBracket(tokens: readonly GmToken[], at: number): number | undefined {
  let depth = 0;
  for (let i = at; i < tokens.length; i++) {
    const type = tokens[i]?.tokenType;
    if (type === undefined || type === t.LBrace || type === t.RBrace) return undefined;
    if (openers.has(type)) depth++;
    else if (closers.has(type) && --depth === 0) return i + 1;
  }
  return undefined;
}

/** Whether `name =`, `name ~`, `name[…] =` or `name[…] ~` stands here. */
export function beginsBinding(tokens: readonly GmToken[], at: number): boolean {
  if (!isName(tokens[at])) return false;
  const after = tokens[at + 1]?.tokenType === t.LBracket ? afterBracket(tokens, at + 1) : at + 1;
  const type = after === undefined ? undefined : tokens[after]?.tokenType;
  return type === t.Equals || type === t.Tilde;
}

/** Whether an item of a kind begins with a word of its own here. */
function beginsByWord(token: GmToken, item: ItemKind): boolean {
  switch (item) {
    case "statement":
      return statementWords.has(token.tokenType);
    case "trainItem":
      return trainWords.has(token.tokenType);
    case "direction":
      return token.firstOnLine && (token.tokenType === t.Forward || token.tokenType === t.Inverse || token.tokenType === t.Jacobian);
    case "file":
    case "member":
      // Words of other places: each is a mistake of its own.
      return token.firstOnLine && (statementWords.has(token.tokenType) || trainWords.has(token.tokenType));
    case "setting":
    case "list":
    case "name":
    case "close":
      return false;
  }
}

const bindingKinds: ReadonlySet<ItemKind> = new Set<ItemKind>(["statement", "trainItem", "setting"]);

/** Whether text stands right beside what was read before it, rather than on a line of its own or after a brace. */
export function besideItem(tokens: readonly GmToken[], at: number): boolean {
  const token = tokens[at];
  const before = tokens[at - 1]?.tokenType;
  return (
    token !== undefined &&
    !token.firstOnLine &&
    before !== undefined &&
    before !== t.LBrace &&
    before !== t.RBrace &&
    before !== t.Semicolon
  );
}

/** Whether the sequence of items ends here, so that what stands here is for the rule around it to judge. */
export function itemEnd(tokens: readonly GmToken[], at: number, item: ItemKind): boolean {
  const token = tokens[at];
  if (!token) return true;
  if (item === "file") return false;
  if (token.tokenType === t.RBrace) return true;
  // A model at the margin shows that the one before it lacks its `}`; one that is indented was put into it.
  if (item === "member") return token.tokenType === t.Model && token.startColumn === 1;
  return beginsDeclaration(tokens, at) && !misplacedDeclaration(tokens, at);
}

/** Whether a declaration was put into a body: it is indented deeper than what the body belongs to, as it would not be if the `}` were missing. */
export function misplacedDeclaration(tokens: readonly GmToken[], at: number): boolean {
  const token = tokens[at];
  if (!token?.firstOnLine || !beginsDeclaration(tokens, at)) return false;
  let depth = 0;
  let line: GmToken | undefined;
  for (let i = at - 1; i >= 0; i--) {
    const type = tokens[i]?.tokenType;
    if (type === t.RBrace) depth++;
    else if (type === t.LBrace && --depth < 0) {
      for (line = tokens[i]; line && !line.firstOnLine; line = tokens[--i]);
      break;
    }
  }
  return line !== undefined && line.tokenType !== t.Model && token.startColumn > line.startColumn;
}

/** The end of a broken list in a declaration's head: past its `)`, or where the body or another declaration begins. */
function resumeInHead(tokens: readonly GmToken[], start: number, at: number): number {
  let depth = 0;
  for (let i = start; i < tokens.length; i++) {
    const token = tokens[i];
    if (!token) break;
    const type = token.tokenType;
    if (i >= at && depth <= 0 && type === t.Equals) return i;
    if (i >= at && (type === t.LBrace || type === t.RBrace || (i > start && token.firstOnLine && beginsDeclaration(tokens, i)))) return i;
    if (openers.has(type)) depth++;
    else if (closers.has(type) && --depth <= 0 && i >= at) return i + 1;
  }
  return tokens.length;
}

/**
 * Index at which to go on after a failure at token `at` of an item that begins at token `start`.
 * `leftover`: the item itself was read whole, and the text at `at` begins none.
 */
export function resumeAt(tokens: readonly GmToken[], start: number, at: number, item: ItemKind, leftover = false): number {
  if (item === "close") return at;
  if (item === "name")
    return tokens[at]?.tokenType === t.LBrace || tokens[at]?.tokenType === t.LParen ? at : Math.min(at + 1, tokens.length);
  if (item === "list") return resumeInHead(tokens, start, at);
  const margin = tokens[start]?.startColumn ?? 1;
  const binds = bindingKinds.has(item);
  // The item may have taken the name that begins the next statement for its own last word: look back over `name[…]`.
  const from = binds ? lookBack(tokens, start, at, margin) : at;

  let round = 0;
  let braces = 0;
  const first = leftover ? from : start;
  for (let i = first; i < tokens.length; i++) {
    const token = tokens[i];
    if (!token) break;
    const type = token.tokenType;
    if (i >= from && i > start) {
      // Brackets may be what is broken, so a token at the item's own margin counts as outside of them.
      const atMargin = token.firstOnLine && token.startColumn <= margin;
      const outsideBraces = braces <= 0 || atMargin;
      const mayBegin = token.firstOnLine || mayEndItem(tokens[i - 1]);
      if (outsideBraces && mayBegin && (beginsDeclaration(tokens, i) || beginsByWord(token, item))) return i;
      if (binds && beginsBinding(tokens, i) && ((braces <= 0 && round <= 0) || atMargin)) return i;
      if (type === t.RBrace && braces <= 0) return item === "file" ? i + 1 : i;
      if (type === t.Semicolon && braces <= 0 && round <= 0) return i;
    }
    if (type === t.LBrace) braces++;
    else if (type === t.RBrace) {
      braces--;
      if (braces <= 0) round = 0;
      // A declaration's body ends with its brace.
      if (braces === 0 && i >= from && (item === "file" || item === "member")) return i + 1;
    } else if (openers.has(type)) round++;
    else if (closers.has(type)) round--;
  }
  return tokens.length;
}

/** Whether an item, or what separates it from the next, can end with this token; after any other, a keyword stands for a name. */
function mayEndItem(token: GmToken | undefined): boolean {
  if (!token) return true;
  const type = token.tokenType;
  return isName(token) || isCloser(type) || endings.has(type);
}

const endings: ReadonlySet<TokenType> = new Set([
  ...[t.NumberLiteral, t.StringLiteral, t.True, t.False, t.Question, t.Comma, t.Semicolon, t.LBrace, t.Invalid],
]);

/** Index of the statement `name =` or `name ~` whose first tokens end at `at`, or `at` itself. */
function lookBack(tokens: readonly GmToken[], start: number, at: number, margin: number): number {
  const sign = tokens[at]?.tokenType;
  if (sign !== t.Equals && sign !== t.Tilde) return at;
  for (let i = at - 1; i > start && i >= at - 8; i--) {
    const token = tokens[i];
    if (!token || token.tokenType === t.LBrace || token.tokenType === t.RBrace) break;
    if (token.firstOnLine) return token.startColumn <= margin && beginsBinding(tokens, i) ? i : at;
  }
  return at;
}
