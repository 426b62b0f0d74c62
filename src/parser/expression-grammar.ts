/** The rules of expressions, and what all rules share; grammar.ts has the rest. */
import type { CstNode, ParserMethod } from "chevrotain";
import { RecoveringParser } from "./recovery.js";
import * as t from "./tokens.js";

type Rule = ParserMethod<[], CstNode>;

export class ExpressionGrammar extends RecoveringParser {
  /** Set while a `for` range or a head is read: the `{` after it begins the body, not a block of the last call. */
  private blockForbidden = false;

  // ---- expressions, loosest first ---------------------------------------------------------------------

  /** Operators of all precedences in a row; cst-to-ast.ts groups them (precedence.ts), which spares a rule per level. */
  readonly expression = this.RULE("expression", () => {
    this.SUBRULE(this.operand);
    this.MANY(() => {
      this.CONSUME(t.Operator);
      this.SUBRULE1(this.operand);
    });
  });

  // Alternatives are made once: made anew at each operand, they would be most of what reading one costs.
  private readonly primaries = {
    IGNORE_AMBIGUITIES: true,
    DEF: [
      { GATE: () => this.LA(2).tokenType === t.LBracket, ALT: () => this.SUBRULE(this.binder) },
      { ALT: () => this.CONSUME(t.Name) },
      { ALT: () => this.CONSUME(t.NumberLiteral) },
      { ALT: () => this.CONSUME(t.StringLiteral) },
      { ALT: () => this.CONSUME(t.True) },
      { ALT: () => this.CONSUME(t.False) },
      { GATE: () => this.LA(3).tokenType === t.Equals, ALT: () => this.SUBRULE(this.record) },
      { ALT: () => this.SUBRULE(this.group) },
      { ALT: () => this.SUBRULE(this.list) },
      { GATE: () => this.densityFollowsLog(), ALT: () => this.SUBRULE(this.logDensity) },
      { ALT: () => this.CONSUME(t.Log) },
    ],
  };
  private readonly applications = [
    { ALT: () => this.SUBRULE(this.args) },
    { ALT: () => this.SUBRULE(this.indices) },
    { ALT: () => this.SUBRULE(this.field) },
    { ALT: () => this.SUBRULE(this.block) },
  ];
  private readonly application = {
    GATE: () => !this.blockForbidden || this.LA(1).tokenType !== t.LBrace,
    DEF: () => {
      this.OR1(this.applications);
    },
  };

  /** `-` at will, a primary, and what is applied to it: calls, indices, fields, blocks. */
  readonly operand = this.RULE("operand", () => {
    this.MANY(() => this.CONSUME(t.Minus));
    this.OR(this.primaries);
    this.MANY1(this.application);
  });

  private readonly argsWithin = [
    { ALT: () => this.SUBRULE1(this.givenArgs) },
    {
      ALT: () => {
        this.commaSeparated(1, this.arg);
        this.OPTION1(() => this.SUBRULE(this.givenArgs));
      },
    },
  ];

  readonly args = this.RULE("args", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.OPTION(() => this.OR(this.argsWithin));
      this.CONSUME(t.RParen);
    });
  });

  readonly givenArgs = this.RULE("givenArgs", () => {
    this.CONSUME(t.Bar);
    this.commaSeparated(1, this.arg);
  });

  private readonly argKinds = {
    IGNORE_AMBIGUITIES: true,
    DEF: [
      { GATE: () => this.LA(2).tokenType === t.Equals, ALT: () => this.SUBRULE(this.namedArg) },
      { ALT: () => this.SUBRULE(this.expression) },
    ],
  };

  readonly arg = this.RULE("arg", () => {
    this.OR(this.argKinds);
  });

  readonly indices = this.RULE("indices", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.commaSeparated(1, this.index);
      this.CONSUME(t.RBracket);
    });
  });

  readonly index = this.RULE("index", () => {
    this.SUBRULE(this.expression);
    this.OPTION(() => {
      this.CONSUME(t.DotDot);
      this.SUBRULE1(this.expression);
    });
  });

  readonly field = this.RULE("field", () => {
    this.CONSUME(t.Dot);
    this.CONSUME(t.Name);
  });

  readonly block = this.RULE("block", () => {
    this.CONSUME(t.LBrace);
    this.SUBRULE(this.expression);
    this.CONSUME(t.RBrace);
  });

  readonly group = this.RULE("group", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RParen);
    });
  });

  readonly record = this.RULE("record", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LParen);
      this.commaSeparated(1, this.namedArg);
      this.CONSUME(t.RParen);
    });
  });

  readonly list = this.RULE("list", () => {
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.OPTION(() => this.commaSeparated(1, this.expression));
      this.CONSUME(t.RBracket);
    });
  });

  readonly logDensity = this.RULE("logDensity", () => {
    this.CONSUME(t.Log);
    this.CONSUME(t.Name);
    this.SUBRULE(this.args);
  });

  readonly binder = this.RULE("binder", () => {
    this.CONSUME(t.BinderWord);
    this.inBrackets(() => {
      this.CONSUME(t.LBracket);
      this.commaSeparated(1, this.binding);
      this.CONSUME(t.RBracket);
      this.CONSUME(t.LParen);
      this.SUBRULE(this.expression);
      this.CONSUME(t.RParen);
    });
  });

  readonly binding = this.RULE("binding", () => {
    this.CONSUME(t.Name);
    this.OPTION(() => {
      this.CONSUME(t.LBracket);
      this.SUBRULE(this.range);
      this.CONSUME(t.RBracket);
    });
    this.OPTION1(() => {
      this.OR([
        {
          ALT: () => {
            this.CONSUME(t.In);
            this.SUBRULE1(this.range);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Tilde);
            this.SUBRULE(this.expression);
          },
        },
        {
          ALT: () => {
            this.CONSUME(t.Equals);
            this.SUBRULE1(this.expression);
          },
        },
      ]);
    });
  });

  readonly rangeBinder = this.RULE("rangeBinder", () => {
    this.CONSUME(t.Name);
    this.CONSUME(t.In);
    this.SUBRULE(this.range);
  });

  readonly range = this.RULE("range", () => {
    this.SUBRULE(this.expression);
    this.CONSUME(t.DotDot);
    this.SUBRULE1(this.expression);
  });

  readonly namedArg = this.RULE("namedArg", () => {
    this.CONSUME(t.Name);
    this.CONSUME(t.Equals);
    this.SUBRULE(this.expression);
  });

  // ---- helpers ------------------------------------------------------------------------------------------

  /** Reads what stands right before a body in braces. */
  protected beforeBody(read: () => void): void {
    this.withBlocks(false, read);
  }

  /** Reads what brackets set apart from what follows. */
  private inBrackets(read: () => void): void {
    if (this.blockForbidden) this.withBlocks(true, read);
    else read();
  }

  private withBlocks(allowed: boolean, read: () => void): void {
    const before = this.blockForbidden;
    this.blockForbidden = !allowed;
    try {
      read();
    } finally {
      this.blockForbidden = before;
    }
  }

  /** One or more of a rule with commas between; `trailing` allows one more comma before the closing bracket. */
  protected commaSeparated(index: number, rule: Rule, trailing = true): void {
    this.subrule(10 * index, rule);
    this.many(10 * index, {
      GATE: () => !trailing || !this.listEndsAfterComma(),
      DEF: () => {
        this.consume(10 * index, t.Comma);
        this.subrule(10 * index + 1, rule);
      },
    });
    if (trailing) this.option(10 * index, () => this.consume(10 * index + 1, t.Comma));
  }

  private listEndsAfterComma(): boolean {
    const type = this.LA(2).tokenType;
    return type === t.RParen || type === t.RBracket;
  }

  /** `log p(…)` against the function `log`; `forward` and `inverse` begin what follows in a flow's body. */
  private densityFollowsLog(): boolean {
    const name = this.LA(2).tokenType;
    const isName = name === t.Identifier || (name.CATEGORIES ?? []).includes(t.Name);
    return isName && name !== t.Forward && name !== t.Inverse && this.LA(3).tokenType === t.LParen;
  }
}
