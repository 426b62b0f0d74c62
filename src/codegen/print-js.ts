/** Prints generated JavaScript and TypeScript, already formatted: lines of at most 120 columns where arguments can be broken. */
import type { Js, JsDeclaration, JsFunction, JsStatement } from "./js.js";

export type Flavour = "ts" | "js" | "dts";

const WIDTH = 120;
/** Most names are of the first kind; the second takes long to make ready. */
const ASCII_IDENTIFIER = /^[A-Za-z_$][A-Za-z0-9_$]*$/;
const IDENTIFIER = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;
const isIdentifier = (text: string): boolean => ASCII_IDENTIFIER.test(text) || IDENTIFIER.test(text);

/** A value on one line. */
export function printFlat(js: Js): string {
  const line: Line = { text: "", limit: Infinity };
  write(js, line);
  return line.text;
}

/** A value on one line, where it takes at most `limit` columns; no more of it is looked at than these. */
function flatWithin(js: Js, limit: number): string | undefined {
  const line: Line = { text: "", limit };
  write(js, line);
  return line.text.length <= limit ? line.text : undefined;
}

interface Line {
  text: string;
  /** Past this many columns, what is written no longer matters. */
  readonly limit: number;
}

function write(js: Js, line: Line): void {
  if (line.text.length > line.limit) return;
  switch (js.kind) {
    case "number":
      line.text += printNumber(js.value);
      return;
    case "boolean":
      line.text += String(js.value);
      return;
    case "string":
      line.text += quote(js.value);
      return;
    case "name":
      line.text += js.name;
      return;
    case "call":
      line.text += `${js.fn}(`;
      writeList(js.args, line);
      line.text += ")";
      return;
    case "method":
      write(js.target, line);
      line.text += `.${js.name}(`;
      writeList(js.args, line);
      line.text += ")";
      return;
    case "array":
      line.text += "[";
      writeList(js.items, line);
      line.text += "]";
      return;
    case "object":
      line.text += js.fields.length === 0 ? "{}" : "{ ";
      js.fields.forEach((f, i) => {
        if (line.text.length > line.limit) return;
        line.text += `${i === 0 ? "" : ", "}${isShorthand(f.name, f.value) ? "" : `${key(f.name)}: `}`;
        write(f.value, line);
      });
      line.text += js.fields.length === 0 ? "" : " }";
      return;
    case "member":
      write(js.target, line);
      line.text += access(js.name);
      return;
    case "otherwise":
      write(js.value, line);
      line.text += " ?? ";
      write(js.fallback, line);
      return;
    case "arrow":
      line.text += `${js.params} => ${js.body.kind === "object" ? "(" : ""}`;
      write(js.body, line);
      if (js.body.kind === "object") line.text += ")";
      return;
  }
}

function writeList(items: readonly Js[], line: Line): void {
  for (const [i, item] of items.entries()) {
    if (line.text.length > line.limit) return;
    if (i > 0) line.text += ", ";
    write(item, line);
  }
}

/** A value that starts at column `column` of a line indented by `indent`; broken over lines where it does not fit. */
export function print(js: Js, indent: number, column: number, tail = 1): string {
  const flat = flatWithin(js, WIDTH - column - tail);
  if (flat !== undefined) return flat;
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
      return js.args.length === 0 ? printFlat(js) : `${js.fn}(\n${lines(js.args)}${close})`;
    }
    case "method":
      return `${printFlat(js.target)}.${js.name}(\n${lines(js.args)}${close})`;
    case "array":
      return js.items.length === 0 || js.items.every((i) => i.kind === "number") ? printFlat(js) : `[\n${lines(js.items)}${close}]`;
    case "object":
      return js.fields.length === 0
        ? "{}"
        : `{\n${js.fields
            .map((f) => {
              const lead = `${pad}${isShorthand(f.name, f.value) ? "" : `${key(f.name)}: `}`;
              const value = print(f.value, indent + 1, lead.length);
              return `${lead}${value},\n`;
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
      return printFlat(js);
  }
}

export function printDeclaration(declaration: JsDeclaration, flavour: Flavour): string {
  if ("body" in declaration) return printFunction(declaration, flavour);
  const doc = printDoc(declaration.doc);
  if (flavour === "dts") return `${doc}export declare const ${declaration.name}: ${declaration.type};\n`;
  const lead = `export const ${declaration.name} = ${declaration.fn}${flavour === "ts" ? `<${declaration.typeArguments}>` : ""}(`;
  return `${doc}${lead}${print(declaration.value, 0, lead.length)});\n`;
}

function printFunction(fn: JsFunction, flavour: Flavour): string {
  const typed = flavour !== "js";
  const params = fn.params.map((p) => (typed ? `${p.name}${p.optional === true ? "?" : ""}: ${p.type}` : p.name));
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

const key = (text: string): string => (isIdentifier(text) ? text : quote(text));
const access = (text: string): string => (isIdentifier(text) ? `.${text}` : `[${quote(text)}]`);
const isShorthand = (fieldName: string, value: Js): boolean => value.kind === "name" && value.name === fieldName;
const body = (js: Js, printed: string): string => (js.kind === "object" ? `(${printed})` : printed);
const isShort = (js: Js): boolean => flatWithin(js, 40) !== undefined;
