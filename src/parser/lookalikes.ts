/** Signs and letters that people write for the language's own: what is meant, and how to say so. */
import type { TokenType } from "chevrotain";
import {
  AtMost,
  Arrow,
  Bar,
  Caret,
  Colon,
  Comma,
  DotDot,
  Equals,
  LBracket,
  LParen,
  Minus,
  Pipe,
  Plus,
  RBracket,
  RParen,
  Semicolon,
  Slash,
  Star,
  Tilde,
} from "./tokens.js";

export interface Meant {
  /** The token that is read in its place; undefined where nothing can stand in. */
  readonly type: TokenType | undefined;
  readonly help: string;
}

export interface ForeignOperator extends Meant {
  readonly text: string;
}

const instead = (type: TokenType): Meant => ({ type, help: `write \`${type.LABEL}\`` });

/** Characters outside ASCII that resemble a sign. */
export const lookalikes: ReadonlyMap<string, Meant> = new Map<string, Meant>([
  ...["−", "–", "—", "﹣", "－"].map((c) => [c, instead(Minus)] as const),
  ...["×", "·", "∗", "⋅", "∙", "＊"].map((c) => [c, instead(Star)] as const),
  ...["÷", "∕", "／"].map((c) => [c, instead(Slash)] as const),
  ...["∣", "｜", "❘", "│"].map((c) => [c, instead(Bar)] as const),
  ...["∼", "～", "˜", "∽"].map((c) => [c, instead(Tilde)] as const),
  ...["→", "⟶"].map((c) => [c, instead(Arrow)] as const),
  ["▷", instead(Pipe)],
  ["≤", instead(AtMost)],
  ["⩽", instead(AtMost)],
  ["…", instead(DotDot)],
  ["＋", instead(Plus)],
  ["＝", instead(Equals)],
  ["，", instead(Comma)],
  ["；", instead(Semicolon)],
  ["：", instead(Colon)],
  ["（", instead(LParen)],
  ["）", instead(RParen)],
  ["［", instead(LBracket)],
  ["］", instead(RBracket)],
  ["∑", { type: undefined, help: "write `sum[i in 1..n](…)`" }],
  ["∏", { type: undefined, help: "write `exp(sum[i in 1..n](log(…)))`" }],
  ["√", { type: undefined, help: "write `sqrt(…)`" }],
  ["∂", { type: undefined, help: "write `grad[x](…)`" }],
  ["∇", { type: undefined, help: "write `grad[x](…)`" }],
  ["∈", { type: undefined, help: "write `in`" }],
  ["∞", { type: undefined, help: "a model has no infinite numbers" }],
]);

/** Letters of mathematical alphabets for which the language has a word. */
export const foreignWords: ReadonlyMap<string, string> = new Map([
  ["𝔼", "E"],
  ["ℝ", "real"],
  ["𝒩", "Normal"],
  ["µ", "μ"],
  ["ℓ", "l"],
]);

const operator = (text: string, help: string, type?: TokenType): readonly [string, ForeignOperator] => [text, { text, help, type }];

const drawOrValue = "write `x ~ …` for a draw, `x = …` for a value";

/** Operators of other languages; none of them is the beginning of legal text. */
export const foreignOperators: ReadonlyMap<string, ForeignOperator> = new Map([
  operator("**", "write a power as `x ^ 2`", Caret),
  operator("...", "write a range as `1..n`", DotDot),
  operator("..=", "write a range as `1..n`; both ends belong to it", DotDot),
  operator("<-", drawOrValue, Tilde),
  operator(":=", drawOrValue, Equals),
  operator("==", "write `=`; `equal(a, b)` compares values", Equals),
  operator("!=", "`not(equal(a, b))` compares values"),
  operator(">=", "`greater_equal(a, b)` compares values; a limit on training is `constrain … <= …`"),
  operator("=>", "write `=`", Equals),
  operator("&&", "join estimators with `and`"),
  operator("||", "write `|` once", Bar),
  operator("+=", "write `x = x + …` under a new name: a name is bound once"),
  operator("-=", "write `x = x - …` under a new name: a name is bound once"),
  operator("*=", "write `x = x * …` under a new name: a name is bound once"),
  operator("/=", "write `x = x / …` under a new name: a name is bound once"),
  operator("<", "`less(a, b)` compares values; a limit on training is `constrain … <= …`"),
  operator(">", "`greater(a, b)` compares values; a limit on training is `constrain … <= …`"),
  operator("!", "write `not(…)`"),
  operator("%", "there is no remainder"),
  operator("&", "join estimators with `and`"),
]);
