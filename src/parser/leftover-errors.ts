/** Text that stands where a declaration or statement should begin, and begins none. */
import type { TokenType } from "chevrotain";
import type { Diagnostic } from "../base/diagnostic.js";
import { diagnosticOf } from "../base/report.js";
import { didYouMean } from "../base/suggest.js";
import { afterPhrase, logWithoutVariables, placeOf, type Scene, tokenSpan, withoutName } from "./scene.js";
import { beginsExpression, foundPhrase, sideBySideHelp } from "./phrases.js";
import type { GmToken } from "./lexer.js";
import { afterBracket, beginsBinding, besideItem, isCloser, isName, misplacedDeclaration } from "./resume.js";
import * as t from "./tokens.js";

export function explainLeftover(scene: Scene): Diagnostic {
  const { file, failure, token, previous } = scene;
  if (!token) return diagnosticOf("GM1001", placeOf(scene), { expected: "a declaration", found: foundPhrase(token) });
  if (previous?.tokenType === t.Log && isName(token)) return logWithoutVariables(scene);
  if (failure.resume <= failure.at) return nextStatementTaken(scene);
  if (isCloser(token.tokenType)) return strayCloser(scene);
  if (failure.item !== "file" && failure.item !== "member" && misplacedDeclaration(scene.tokens, failure.at)) return misplaced(scene);
  switch (failure.item) {
    case "file":
    case "member":
      return besideItem(scene.tokens, failure.at) && !nearDeclaration(token) ? afterStatement(scene) : notADeclaration(scene);
    case "direction": {
      const problem = `expected \`forward(z) = …\` or \`inverse(x) = …\`, found ${foundPhrase(token)}`;
      return diagnosticOf("GM1034", tokenSpan(file, token), { problem }, { help: ["bind names in a net, and call that"] });
    }
    case "setting":
      return besideItem(scene.tokens, failure.at) ? afterStatement(scene) : withoutName(scene, token);
    default:
      return afterStatement(scene);
  }
}

const bodies: Readonly<Record<string, string>> = {
  netDecl: "the body of a net",
  flowDecl: "the body of a flow",
  densityDecl: "the body of a density",
  trainDecl: "`train { … }`",
  evaluateDecl: "`evaluate { … }`",
};

/** `flow f(z) { param a : real … }` */
function misplaced({ file, token, failure }: Scene): Diagnostic {
  const body = failure.rules.findLast((rule) => Object.hasOwn(bodies, rule)) ?? "densityDecl";
  const span = token ? tokenSpan(file, token) : { file, start: 0, end: 0 };
  const help =
    token?.tokenType === t.Param
      ? ["declare it in the model: nets, flows and densities read the parameters there by name"]
      : ["move it out of the body, into the model"];
  return diagnosticOf("GM1018", span, { what: `\`${token?.image ?? ""}\``, place: `in ${bodies[body] ?? ""}` }, { help });
}

/** `h = a +` on one line, `z ~ …` on the next: the statement took `z` for its own. */
function nextStatementTaken({ file, tokens, failure }: Scene): Diagnostic {
  const next = tokens[failure.resume];
  const last = tokens[failure.resume - 1];
  const end = (last?.endOffset ?? 0) + 1;
  return diagnosticOf(
    "GM1004",
    { file, start: end, end },
    { after: afterPhrase(last), found: "the next statement" },
    {
      labels: next ? [{ span: tokenSpan(file, next), text: "the next statement begins here" }] : [],
    },
  );
}

function strayCloser({ file, token, failure }: Scene): Diagnostic {
  const close = token?.image ?? ")";
  const span = token ? tokenSpan(file, token) : { file, start: 0, end: 0 };
  const help =
    failure.item === "file" && close === "}"
      ? ["delete it, or look for a `{` that is missing above"]
      : ["delete it, or open a bracket before it"];
  return diagnosticOf("GM1003", span, { close }, { help });
}

const declarationWords = ["data", "latent", "param", "const", "net", "flow", "density", "objective", "train", "evaluate"];
const fileWords = ["import", "const", "net", "flow", "objective", "model"];
/** Words of other places, and where they belong. */
const places: ReadonlyMap<TokenType, string> = new Map([
  [t.Maximize, "outside of `train { … }`"],
  [t.Minimize, "outside of `train { … }`"],
  [t.Constrain, "outside of `train { … }`"],
  [t.Phase, "outside of `train { … }`"],
  [t.Energy, "outside of a density"],
  [t.Return, "outside of a net"],
  [t.For, "outside of a net or a density"],
  [t.Import, "inside of a model"],
]);

function nearDeclaration(token: GmToken): boolean {
  return didYouMean(token.image, [...fileWords, ...declarationWords]) !== undefined;
}

function notADeclaration({ file, tokens, failure, token }: Scene): Diagnostic {
  const inModel = failure.item === "member";
  const span = token ? tokenSpan(file, token) : { file, start: 0, end: 0 };
  const place = token && places.get(token.tokenType);
  if (token && place !== undefined) {
    const help = token.tokenType === t.Import ? ["move it to the top of the file"] : [];
    return diagnosticOf("GM1018", span, { what: `\`${token.image}\``, place }, { help });
  }
  if (token && isName(token)) {
    const words = inModel ? declarationWords : [...fileWords, ...declarationWords];
    const near = didYouMean(token.image, words);
    const draws = beginsBinding(tokens, failure.at);
    const help =
      near !== undefined
        ? [`did you mean \`${near}\`?`]
        : draws
          ? [`a constant is written \`const ${token.image} = …\`; draws and values stand in \`density p(…) { … }\``]
          : [`a declaration begins with ${list(inModel ? declarationWords : fileWords)}`];
    return diagnosticOf("GM1019", span, { word: token.image, expected: "declaration" }, { help });
  }
  return diagnosticOf("GM1001", span, {
    expected: inModel ? "a declaration or the `}` of the model" : "a declaration",
    found: foundPhrase(token),
  });
}

function list(words: readonly string[]): string {
  return words.map((word) => `\`${word}\``).join(", ");
}

/** A statement has been read whole, and more stands beside it. */
function afterStatement(scene: Scene): Diagnostic {
  const { file, failure, token } = scene;
  const span = token ? tokenSpan(file, token) : placeOf(scene);
  const found = foundPhrase(token);
  const isTraining = failure.item === "trainItem" || failure.item === "setting";
  switch (token?.tokenType) {
    case t.Over:
      return diagnosticOf("GM1041", span, { part: "over" }, { help: ["write `maximize V over w by …, option = …`"] });
    case t.By:
      return diagnosticOf("GM1041", span, { part: "by" }, { help: ["write `maximize V over w by …, option = …`"] });
    case t.LBrace:
      return diagnosticOf("GM1036", span, {}, { help: ["write `repeat(8) { … }`, or round brackets for grouping"] });
    case t.DotDot:
      return diagnosticOf("GM1030", span, {}, { help: ["write `x[1..k]`, or `sum[i in 1..k](…)`"] });
    case t.Comma: {
      const help = isTraining ? "commas join settings, and the options of one update" : "statements are separated by nothing, or by `;`";
      return diagnosticOf("GM1001", span, { expected: "a new statement", found }, { help: [help] });
    }
    case t.For:
      if (!isTraining) break;
      return diagnosticOf(
        "GM1001",
        span,
        { expected: "a new statement", found },
        { help: ["how long it trains is a setting: write `epochs = 10` or `steps = 1000`"] },
      );
    case t.Bar:
      return diagnosticOf(
        "GM1001",
        span,
        { expected: "an operator or a new statement", found },
        { help: ["conditions stand in the parentheses of a density: `q(z | x)`"] },
      );
  }
  if (token?.tokenType === t.LParen && scene.tokens[failure.at - 2]?.tokenType === t.Colon) return shapeInParentheses(scene);
  if (beginsExpression(token)) {
    return diagnosticOf("GM1042", span, { found }, { help: sideBySideHelp(token) });
  }
  return diagnosticOf("GM1001", span, { expected: "an operator or a new statement", found });
}

/** `real(D)`: after a colon stands a domain, which is not called. */
function shapeInParentheses({ file, tokens, failure, token, previous }: Scene): Diagnostic {
  const domain = previous?.image ?? "real";
  const close = tokens[(afterBracket(tokens, failure.at) ?? failure.at + 1) - 1];
  const shape = file.text.slice((token?.endOffset ?? 0) + 1, close?.startOffset).trim();
  const written = shape === "" || close === token ? `${domain}\`, or \`${domain}[D]` : `${domain}[${shape}]`;
  const span = token ? tokenSpan(file, token) : { file, start: 0, end: 0 };
  return diagnosticOf(
    "GM1001",
    span,
    { expected: `the shape of \`${domain}\` in square brackets`, found: foundPhrase(token) },
    { help: [`write \`${written}\``] },
  );
}
