/**
 * A CST parser that goes on after a mistake. A rule that reads a sequence of like items (declarations, statements) reads
 * each inside `recover`: a failure is noted and the parser moves to where the next item plausibly begins, so that each
 * broken item yields one failure and its neighbours none. chevrotain's own recovery stays off: it cannot see layout.
 */
import type { CstParser as CstParserType, IParserErrorMessageProvider, IRecognitionException, IToken, TokenType } from "chevrotain";
import { CstParser } from "./chevrotain.js";
import type { GmToken } from "./lexer.js";
import { type ItemKind, itemEnd, resumeAt } from "./resume.js";
import { allTokens, RBrace, Semicolon } from "./tokens.js";

/** One mistake, as the parser saw it; syntax-errors.ts puts it into words. */
export interface Failure {
  /** What was being read. */
  readonly item: ItemKind;
  /** Index of the token at which the broken item begins. */
  readonly start: number;
  /** Index of the token that could not be read; the number of tokens at the end of the file. */
  readonly at: number;
  /** Index of the token at which parsing went on. */
  readonly resume: number;
  /** The token type that had to stand there; undefined where several could. */
  readonly expected: TokenType | undefined;
  /** The grammar's rules around the place, outermost first. */
  readonly rules: readonly string[];
  /** Whether a whole item had been read and the text after it begins none. */
  readonly leftover: boolean;
}

/** Failures in one file after which the rest is not read. */
const failureLimit = 300;

/** Keeps which token type was expected: chevrotain tells it to the message provider alone. */
class ExpectationKeeper implements IParserErrorMessageProvider {
  expected: TokenType | undefined;

  buildMismatchTokenMessage({ expected }: { expected: TokenType }): string {
    this.expected = expected;
    return "";
  }
  buildNoViableAltMessage(): string {
    this.expected = undefined;
    return "";
  }
  buildEarlyExitMessage(): string {
    this.expected = undefined;
    return "";
  }
  buildNotAllInputParsedMessage(): string {
    this.expected = undefined;
    return "";
  }
}

/** chevrotain's methods for moving in the tokens, which its published types leave out. */
interface Movable {
  importLexerState(index: number): void;
}

const keeper = new ExpectationKeeper();

export class RecoveringParser extends (CstParser as typeof CstParserType) {
  failures: Failure[] = [];
  private tokens: readonly GmToken[] = [];

  constructor(skipValidations: boolean) {
    super(allTokens as TokenType[], {
      recoveryEnabled: false,
      maxLookahead: 1,
      nodeLocationTracking: "onlyOffset",
      errorMessageProvider: keeper,
      skipValidations,
    });
  }

  /** Sets the tokens to read. */
  begin(tokens: readonly GmToken[]): void {
    this.tokens = tokens;
    this.failures = [];
    this.input = [...tokens];
  }

  /** Index of the next token. */
  private get position(): number {
    const next = this.LA(1);
    return (next as IToken & { readonly index?: number }).index ?? this.tokens.length;
  }

  private moveTo(index: number): void {
    (this as unknown as Movable).importLexerState(index - 1);
  }

  /** Keeps a failure and goes on; a file that is no model at all is given up. */
  private note(failure: Failure): void {
    this.failures.push(failure);
    this.moveTo(this.failures.length < failureLimit ? failure.resume : this.tokens.length);
  }

  /** Reads an item; after a failure notes it and moves on to where the next one begins. */
  protected recover(item: ItemKind, read: () => void): void {
    if (this.RECORDING_PHASE) {
      read();
      return;
    }
    const start = this.position;
    try {
      read();
    } catch (error) {
      if (!isFailure(error)) throw error;
      const at = this.position;
      const resume = resumeAt(this.tokens, start, at, item);
      this.note({ item, start, at, resume, expected: keeper.expected, rules: error.context.ruleStack, leftover: false });
    }
  }

  /**
   * Reads items up to the end of their block or file, with `;` between them at will.
   * Text that begins no item is one failure, up to the next item.
   */
  protected sequence(item: ItemKind, read: () => void): void {
    let last = -1;
    do {
      this.MANY({
        GATE: () => !itemEnd(this.tokens, this.position, item),
        DEF: () => {
          this.OR([
            {
              ALT: () => {
                last = this.RECORDING_PHASE ? -1 : this.position;
                this.recover(item, read);
              },
            },
            { ALT: () => this.CONSUME(Semicolon) },
          ]);
        },
      });
    } while (!this.RECORDING_PHASE && this.skipLeftover(item, last));
  }

  /** Consumes the `}` of a block; where it is missing, notes so and goes on as if it stood there. */
  protected closeBlock(): void {
    this.recover("close", () => this.CONSUME(RBrace));
  }

  private skipLeftover(item: ItemKind, last: number): boolean {
    const at = this.position;
    if (itemEnd(this.tokens, at, item)) return false;
    // `h = f(x) +` before `z ~ …` has read `h = f(x) + z`: the leftover `~` shows that `z` begins a statement.
    const start = last >= 0 ? last : at;
    const found = resumeAt(this.tokens, start, at, item, true);
    const resume = found > start && found !== at ? found : resumeAt(this.tokens, at, at + 1, item, true);
    const rules = [...this.ruleNames(), item];
    this.note({ item, start, at, resume, expected: undefined, rules, leftover: true });
    return true;
  }

  private ruleNames(): readonly string[] {
    return (this as unknown as { getHumanReadableRuleStack(): string[] }).getHumanReadableRuleStack();
  }
}

function isFailure(error: unknown): error is IRecognitionException {
  return error instanceof Error && "context" in error && "token" in error;
}
