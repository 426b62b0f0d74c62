/**
 * Text -> tokens and comments. Total: reports what it cannot read and goes on, so that every text yields tokens.
 * A mistake whose meaning is plain (`−` for `-`, `**` for `^`) yields the token that was meant; other unreadable text
 * yields one `Invalid` token, at which the parser stops without a second report.
 */
import type { IToken, TokenType } from "chevrotain";
import type { Diagnostics } from "../base/report.js";
import { report } from "../base/report.js";
import type { SourceFile, Span } from "../base/source.js";
import { reportHidden } from "./hidden.js";
import { foreignOperators, foreignWords, lookalikes } from "./lookalikes.js";
import { isReservedName } from "./names.js";
import { Dot, Identifier, Invalid, NumberLiteral, RBracket, RParen, signs, StringLiteral, words } from "./tokens.js";

export interface GmToken extends IToken {
  readonly startLine: number;
  readonly startColumn: number;
  readonly endOffset: number;
  /** Whether only white space and comments stand before it on its line. */
  readonly firstOnLine: boolean;
  /** Whether it stands for text that has been reported: a failure at it is no news. */
  readonly reported: boolean;
  /** Its place in the list that the parser reads. */
  readonly index: number;
}

export interface Comment {
  readonly kind: "line" | "doc" | "block";
  readonly span: Span;
  readonly text: string;
  readonly startLine: number;
  readonly endLine: number;
  readonly firstOnLine: boolean;
}

export interface Lexed {
  readonly tokens: readonly GmToken[];
  readonly comments: readonly Comment[];
}

/** Wider than the language, so that a bad letter is reported as part of its name. */
const anyName = /[\p{L}_][\p{L}\p{M}\p{N}\p{Pc}]*/uy;
const goodName = /^[\p{Script=Latin}\p{Script=Greek}_][\p{Script=Latin}\p{Script=Greek}0-9_]*$/u;
const goodNameCharacter = /[\p{Script=Latin}\p{Script=Greek}0-9_]/u;
const letter = /^[\p{L}0-9_]*$/u;
const number = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
/** What runs on after a number without being part of one: `2x`, `1.`, `1.2.3`, `1_000`. */
const numberTail = /(?:[\p{L}\p{M}\p{N}_]|\.(?![.\p{L}_]))+/uy;
const lineEnd = /\r\n|\n|\r/g;
const blank = /[\p{Zs}\t\v\f]+/uy;

function matchAt(pattern: RegExp, text: string, offset: number): string | undefined {
  pattern.lastIndex = offset;
  return pattern.exec(text)?.[0];
}

/** `U+2212` */
function codePointName(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
}

/** Signs of one character by its code, but for `.`, which may begin a malformed number. */
const plainSigns: ReadonlyMap<number, TokenType> = new Map(
  [...signs].filter(([text]) => text.length === 1 && text !== ".").map(([text, type]) => [text.charCodeAt(0), type]),
);
/** Characters that can make one sign, ours or foreign, with the one before. */
const continuing: ReadonlySet<number> = new Set([..."=<>-*.&|!+/"].map((character) => character.charCodeAt(0)));

/** Offset of the next line end at or after `offset`. */
function endOfLine(text: string, offset: number): number {
  lineEnd.lastIndex = offset;
  return lineEnd.exec(text)?.index ?? text.length;
}

function countLineEnds(text: string): number {
  return text.match(lineEnd)?.length ?? 0;
}

/** Classes of ASCII characters: most text needs no pattern, and those of all letters take long to make ready. */
const LETTER = 1;
const DIGIT = 2;
const SIGN = 3;
const classes = Uint8Array.from({ length: 0x80 }, (_, code) => {
  const character = String.fromCharCode(code);
  return /[A-Za-z_]/.test(character) ? LETTER : /[0-9]/.test(character) ? DIGIT : /[!-/:-@[-^`{-~]/.test(character) ? SIGN : 0;
});

function isWordCode(code: number): boolean {
  const kind = classes[code];
  return kind === LETTER || kind === DIGIT;
}

/** End of the ASCII name or number part that begins at `offset`. */
function endOfWord(text: string, offset: number): number {
  let end = offset;
  while (isWordCode(text.charCodeAt(end))) end++;
  return end;
}

/** What runs on after a number that ends at `offset`. */
function tailOfNumber(text: string, offset: number): string {
  const next = text.charCodeAt(offset);
  const isPlain = Number.isNaN(next) || (next < 0x80 && next !== 0x2e && !isWordCode(next));
  const isRange = next === 0x2e && text.charCodeAt(offset + 1) === 0x2e;
  return isPlain || isRange ? "" : (matchAt(numberTail, text, offset) ?? "");
}

/** Whether `.` right after this token reads a field. */
function endsValue(token: GmToken): boolean {
  return token.tokenType === RParen || token.tokenType === RBracket || /^[\p{L}_]/u.test(token.image);
}

/** Reads a whole file. */
export function lex(file: SourceFile, diagnostics: Diagnostics): Lexed {
  // Refused characters are reported once, here, and read as blanks below; offsets stay.
  const text = reportHidden(file, diagnostics);
  const tokens: GmToken[] = [];
  const comments: Comment[] = [];
  let at = 0;
  let line = 1;
  let lineStart = 0;
  let firstOnLine = true;
  const namesReported = new Set<string>();

  const span = (start: number, end: number): Span => ({ file, start, end });

  const push = (type: TokenType, image: string, end: number, payload?: string, reported = type === Invalid): void => {
    tokens.push({
      image,
      startOffset: at,
      endOffset: end - 1,
      startLine: line,
      startColumn: at - lineStart + 1,
      tokenTypeIdx: type.tokenTypeIdx ?? 0,
      tokenType: type,
      payload,
      firstOnLine,
      reported,
      index: tokens.length,
    });
    firstOnLine = false;
    at = end;
  };

  const pushComment = (kind: Comment["kind"], end: number): void => {
    const body = text.slice(at, end);
    const startLine = line;
    const startOfLine = firstOnLine;
    line += countLineEnds(body);
    if (line > startLine) lineStart = at + Math.max(body.lastIndexOf("\n"), body.lastIndexOf("\r")) + 1;
    comments.push({ kind, span: span(at, end), text: body, startLine, endLine: line, firstOnLine: startOfLine });
    at = end;
  };

  /** A run of letters outside ASCII, or one that such a letter continues. */
  const readWideName = (raw: string): string => {
    const name = raw.normalize("NFC");
    if (goodName.test(name) && letter.test(name)) return name;
    const bad = [...name].find((character) => !goodNameCharacter.test(character) || !letter.test(character)) ?? "";
    const meant = foreignWords.get(bad);
    const help = /^\p{M}$/u.test(bad)
      ? ["write the mark as a word: `x_hat`, `x_bar`, `x_tilde`"]
      : /^\p{N}$/u.test(bad)
        ? ["write a power as `x^2`, and an index as `x1` or `x_1`"]
        : meant !== undefined
          ? [`write \`${meant}\``]
          : ["names are written with Latin and Greek letters, digits and `_`"];
    const word = raw === bad ? meant : undefined;
    const shown = /^\p{M}$/u.test(bad) ? "a combining mark" : `\`${bad}\``;
    report(diagnostics, "GM1014", span(at, at + raw.length), { name, shown, point: codePointName(bad) }, { help });
    return word ?? name;
  };

  const readName = (): void => {
    let raw = text.slice(at, endOfWord(text, at));
    let name = raw;
    if (raw === "" || text.charCodeAt(at + raw.length) > 0x7f) {
      raw = matchAt(anyName, text, at) ?? raw;
      name = readWideName(raw);
    }
    const end = at + raw.length;
    const type = words.get(name) ?? Identifier;
    if (type === Identifier && isReservedName(name) && !namesReported.has(name)) {
      namesReported.add(name);
      report(
        diagnostics,
        "GM1012",
        span(at, end),
        { name },
        { help: [`choose another name, such as \`${name.replace(/^_+|_+$/g, "")}_\``] },
      );
    }
    push(type, name, end);
  };

  const readNumber = (): void => {
    const image = matchAt(number, text, at) ?? "0";
    const tail = tailOfNumber(text, at + image.length);
    const end = at + image.length + tail.length;
    if (tail !== "") {
      const whole = image + tail;
      const help = /^0[xXbBoO]/.test(whole)
        ? "numbers are decimal"
        : /^[\d_]+$/.test(whole)
          ? `write \`${whole.replaceAll("_", "")}\``
          : tail === "."
            ? `write \`${image}.0\` or \`${image}\``
            : /^[\p{L}_]/u.test(tail)
              ? `if a product is meant, write \`${image} * ${tail}\``
              : "a number is written as `10`, `0.5` or `1e-3`";
      report(diagnostics, "GM1009", span(at, end), { text: whole }, { help: [help] });
    } else {
      const value = Number(image);
      if (!Number.isFinite(value)) {
        report(diagnostics, "GM1010", span(at, end), { text: image }, { notes: [`the largest number is ${Number.MAX_VALUE}`] });
      } else if (/^\d+$/.test(image) && !Number.isSafeInteger(value)) {
        report(
          diagnostics,
          "GM1010",
          span(at, end),
          { text: image },
          { notes: ["whole numbers are exact up to 2^53 - 1"], help: [`write it as \`${value}\` if the nearest number will do`] },
        );
      }
    }
    push(NumberLiteral, image, end);
  };

  const readString = (quote: string, close: string): void => {
    const limit = endOfLine(text, at);
    let end = at + 1;
    let value = "";
    while (end < limit && text[end] !== close) {
      if (text[end] === "\\") {
        const next = end + 1 < limit ? String.fromCodePoint(text.codePointAt(end + 1) ?? 0) : "";
        if (next !== '"' && next !== "\\") {
          const help = ['`\\"` and `\\\\` are the only escapes; a path is written with `/`'];
          report(diagnostics, "GM1008", span(end, end + 1 + next.length), { escape: `\\${next}` }, { help });
        }
        value += next;
        end += 1 + next.length;
      } else {
        value += text[end];
        end++;
      }
    }
    if (end >= limit) {
      // The string may have swallowed what follows it; the rest of the line is taken for it.
      const transposed = quote === "'" && /[\w)\]]$/u.test(text.slice(0, at));
      const help = transposed
        ? ["the transpose of a matrix is `transpose(W)`"]
        : [`close it with \`${quote === '"' ? '"' : close}\` on the same line`];
      report(diagnostics, "GM1006", span(at, transposed ? at + 1 : limit), {}, { help });
      push(StringLiteral, text.slice(at, limit), limit, value, true);
      return;
    }
    end++;
    if (quote !== '"') {
      report(
        diagnostics,
        "GM1005",
        span(at, at + 1),
        { shown: `\`${quote}\``, point: codePointName(quote) },
        { help: [`strings are written in double quotes: \`"${value}"\``] },
      );
    }
    push(StringLiteral, text.slice(at, end), end, value);
  };

  const readOther = (): void => {
    // Most signs are brackets, commas and operators between blanks: one look-up.
    const alone = plainSigns.get(text.charCodeAt(at));
    if (alone && !continuing.has(text.charCodeAt(at + 1))) {
      push(alone, alone.LABEL ?? "", at + 1);
      return;
    }
    const three = text.slice(at, at + 3);
    const foreign = foreignOperators.get(three) ?? foreignOperators.get(three.slice(0, 2));
    if (foreign) {
      report(diagnostics, "GM1033", span(at, at + foreign.text.length), { found: foreign.text }, { help: [foreign.help] });
      push(foreign.type ?? Invalid, foreign.text, at + foreign.text.length, undefined, true);
      return;
    }
    const sign = signs.get(three.slice(0, 2)) ?? signs.get(three.slice(0, 1));
    const last = tokens.at(-1);
    const continues = last?.endOffset === at - 1;
    if (sign === Dot && /\d/.test(three[1] ?? "") && !(continues && last && endsValue(last))) {
      const digits = matchAt(number, text, at + 1) ?? "";
      report(diagnostics, "GM1009", span(at, at + 1 + digits.length), { text: `.${digits}` }, { help: [`write \`0.${digits}\``] });
      push(NumberLiteral, `0.${digits}`, at + 1 + digits.length);
      return;
    }
    if (sign) {
      push(sign, sign.LABEL ?? "", at + (sign.LABEL ?? "").length);
      return;
    }
    const character = String.fromCodePoint(text.codePointAt(at) ?? 0);
    const single = foreignOperators.get(character);
    if (single) {
      report(diagnostics, "GM1033", span(at, at + 1), { found: character }, { help: [single.help] });
      push(single.type ?? Invalid, character, at + 1, undefined, true);
      return;
    }
    const lookalike = lookalikes.get(character);
    const shown = { shown: `\`${character}\``, point: codePointName(character) };
    if (lookalike) {
      report(diagnostics, "GM1005", span(at, at + character.length), shown, { help: [lookalike.help] });
      push(lookalike.type ?? Invalid, character, at + character.length, undefined, true);
      return;
    }
    // One report for a run of unreadable characters.
    if (!continues || last?.tokenType !== Invalid) report(diagnostics, "GM1005", span(at, at + character.length), shown);
    push(Invalid, character, at + character.length);
  };

  while (at < text.length) {
    const unit = text.charCodeAt(at);
    if (unit === 0x20) {
      at++;
    } else if (unit === 0x0a || unit === 0x0d) {
      at += unit === 0x0d && text.charCodeAt(at + 1) === 0x0a ? 2 : 1;
      line++;
      lineStart = at;
      firstOnLine = true;
    } else if (unit === 0x2f && text.charCodeAt(at + 1) === 0x2f) {
      const isDoc = text[at + 2] === "/" && text[at + 3] !== "/";
      pushComment(isDoc ? "doc" : "line", endOfLine(text, at));
    } else if (unit === 0x2f && text.charCodeAt(at + 1) === 0x2a) {
      const close = text.indexOf("*/", at + 2);
      if (close < 0) report(diagnostics, "GM1007", span(at, at + 2), {}, { label: "opened here" });
      pushComment("block", close < 0 ? text.length : close + 2);
      // What the comment swallowed may be missed: the parser is to say nothing about the end of the file.
      if (close < 0) push(Invalid, "", at);
    } else if (classes[unit] === LETTER) {
      readName();
    } else if (classes[unit] === DIGIT) {
      readNumber();
    } else if (unit === 0x22) {
      readString('"', '"');
    } else if (unit === 0x27 || unit === 0x201c || unit === 0x201d || unit === 0x2018) {
      const quote = String.fromCharCode(unit);
      readString(quote, quote === "'" ? "'" : quote === "\u2018" ? "\u2019" : "\u201d");
    } else if (unit === 0x23) {
      const end = endOfLine(text, at);
      report(diagnostics, "GM1040", span(at, at + 1), {}, { help: ["write `//` in place of `#`"] });
      pushComment("line", end);
    } else if (classes[unit] === SIGN) {
      readOther();
    } else if (matchAt(blank, text, at) !== undefined) {
      at = blank.lastIndex;
    } else if (matchAt(anyName, text, at) !== undefined) {
      readName();
    } else {
      readOther();
    }
  }
  return { tokens, comments };
}
