/** Prints generated JavaScript and TypeScript, already formatted: lines of at most 120 columns where arguments can be broken. */
import type { Js, JsDeclaration, JsFunction, JsStatement } from "./js.js";

export type Flavour = "ts" | "js" | "dts";

const WIDTH = 120;
const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;

/** A value on one line. */
export function printFlat(js: Js): string {
  switch (js.kind) {
    case "number":
      return printNumber(js.value);
    case "boolean":
      return String(js.value);
    case "string":
      return quote(js.value);
    case "name":
      return js.name;
    case "call":
      return `${js.fn}(${js.args.map(printFlat).join(", ")})`;
    case "method":
      return `${printFlat(js.target)}.${js.name}(${js.args.map(printFlat).join(", ")})`;
    case "array":
      return `[${js.items.map(printFlat).join(", ")}]`;
    case "object":
      return js.fields.length === 0 ? "{}" : `{ ${js.fields.map((f) => field(f.name, f.value, printFlat(f.value))).join(", ")} }`;
    case "member":
      return `${printFlat(js.target)}${access(js.name)}`;
    case "otherwise":
      return `${printFlat(js.value)} ?? ${printFlat(js.fallback)}`;
    case "arrow":
      return `${js.params} => ${body(js.body, printFlat(js.body))}`;
  }
}

/** A value that starts at column `column` of a line indented by `indent`; broken over lines where it does not fit. */
export function print(js: Js, indent: number, column: number, tail = 1): string {
  const flat = printFlat(js);
  if (!hasComment(js) && column + flat.length + tail <= WIDTH) return flat;
  const pad = "  ".repeat(indent + 1);
  const close = "  ".repeat(indent);
  const lines = (items: readonly Js[]): string => items.map((item) => `${pad}${print(item, indent + 1, pad.length)},\n`).join("");
  switch (js.kind) {
    case "call": {
      const last = js.args.at(-1);
      // One object or function as the last argument hugs the parentheses, as a person would write it.
      if (
        last &&
        (last.kind === "object" || last.kind === "arrow" || last.kind === "array") &&
        js.args.slice(0, -1).every((a) => isShort(a))
      ) {
        const head = `${js.fn}(${js.args
          .slice(0, -1)
          .map((a) => `${printFlat(a)}, `)
          .join("")}`;
        return `${head}${print(last, indent, column + head.length, tail + 1)})`;
      }
      return js.args.length === 0 ? flat : `${js.fn}(\n${lines(js.args)}${close})`;
    }
    case "method":
      return `${printFlat(js.target)}.${js.name}(\n${lines(js.args)}${close})`;
    case "array":
      return js.items.length === 0 || js.items.every((i) => i.kind === "number") ? flat : `[\n${lines(js.items)}${close}]`;
    case "object":
      return js.fields.length === 0
        ? "{}"
        : `{\n${js.fields
            .map((f) => {
              const lead = `${pad}${isShorthand(f.name, f.value) ? "" : `${key(f.name)}: `}`;
              const value = print(f.value, indent + 1, lead.length);
              return `${lead}${value},${f.comment ? ` // ${comment(f.comment)}` : ""}\n`;
            })
            .join("")}${close}}`;
    case "arrow": {
      const head = `${js.params} => `;
      const inner = print(js.body, indent, column + head.length, tail);
      return `${head}${body(js.body, inner)}`;
    }
    case "otherwise": {
      const head = `${printFlat(js.value)} ?? `;
      return `${head}${print(js.fallback, indent, column + head.length, tail)}`;
    }
    default:
      return flat;
  }
}

export function printDeclaration(declaration: JsDeclaration, flavour: Flavour): string {
  if ("body" in declaration) return printFunction(declaration, flavour);
  const doc = printDoc(declaration.doc);
  if (flavour === "dts") return `${doc}export declare const ${declaration.name}: ${declaration.type};\n`;
  const lead = `export const ${declaration.name} = ${declaration.fn}${flavour === "ts" ? `<${declaration.typeArguments}>` : ""}(`;
  return `${doc}${lead}${print(declaration.value, 0, lead.length)});\n`;
}

export function printFunction(fn: JsFunction, flavour: Flavour): string {
  const typed = flavour !== "js";
  const params = fn.params.map((p) => (typed ? `${p.name}: ${p.type}` : p.name));
  const returns = typed ? `: ${fn.returns}` : "";
  const keyword = flavour === "dts" ? "export declare function" : "export function";
  let head = `${keyword} ${fn.name}(${params.join(", ")})${returns}`;
  if (head.length + 2 > WIDTH) head = `${keyword} ${fn.name}(\n${params.map((p) => `  ${p},\n`).join("")})${returns}`;
  const doc = fn.doc.length === 0 ? "" : printDoc(fn.doc);
  if (flavour === "dts") return `${doc}${head};\n`;
  return `${doc}${head} {\n${fn.body.map(printStatement).join("")}}\n`;
}

function printStatement(statement: JsStatement): string {
  const lead = statement.kind === "const" ? `  const ${statement.name} = ` : "  return ";
  const value = print(statement.value, 1, lead.length);
  return `${lead}${value};${statement.comment === undefined ? "" : ` // ${comment(statement.comment)}`}\n`;
}

/** A TSDoc block; hostile text cannot close it. */
export function printDoc(lines: readonly string[], indent = ""): string {
  const safe = lines.flatMap((l) => l.split("\n")).map((l) => comment(l).replaceAll("*/", "*\u2215"));
  return safe.length === 1
    ? `${indent}/** ${safe[0]} */\n`
    : `${indent}/**\n${safe.map((l) => `${indent} *${l === "" ? "" : ` ${l}`}\n`).join("")}${indent} */\n`;
}

/** Text for a comment: one line, no control characters, nothing that ends the comment or hides what follows it. */
export function comment(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu, " ").trimEnd();
}

/** The one escaper of strings. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function printNumber(value: number): string {
  if (Object.is(value, -0)) return "0";
  if (value === Infinity) return "Infinity";
  if (value === -Infinity) return "-Infinity";
  const plain = String(value);
  if (Number.isInteger(value) || Math.abs(value) >= 1e-2) return plain;
  const [digits, exponent] = value.toExponential().split("e");
  return plain.length <= 6 ? plain : `${digits}e${Number(exponent)}`;
}

const key = (text: string): string => (IDENTIFIER.test(text) ? text : quote(text));
const access = (text: string): string => (IDENTIFIER.test(text) ? `.${text}` : `[${quote(text)}]`);
const isShorthand = (fieldName: string, value: Js): boolean => value.kind === "name" && value.name === fieldName;
const field = (fieldName: string, value: Js, printed: string): string =>
  isShorthand(fieldName, value) ? printed : `${key(fieldName)}: ${printed}`;
const body = (js: Js, printed: string): string => (js.kind === "object" ? `(${printed})` : printed);
const isShort = (js: Js): boolean => printFlat(js).length <= 40;

function hasComment(js: Js): boolean {
  switch (js.kind) {
    case "object":
      return js.fields.some((f) => f.comment !== undefined || hasComment(f.value));
    case "array":
      return js.items.some(hasComment);
    case "call":
      return js.args.some(hasComment);
    case "arrow":
      return hasComment(js.body);
    default:
      return false;
  }
}
