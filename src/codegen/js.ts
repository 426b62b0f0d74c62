/**
 * The little JavaScript that generated files are made of, as data: calls of named functions, names, literals. No statements nest,
 * so a generated function is a list of `const`s and a `return`.
 */

export type Js =
  | { readonly kind: "number"; readonly value: number }
  | { readonly kind: "boolean"; readonly value: boolean }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "name"; readonly name: string }
  | { readonly kind: "call"; readonly fn: string; readonly args: readonly Js[] }
  /** `target.name(args)` of a value that is no plain name. */
  | { readonly kind: "method"; readonly target: Js; readonly name: string; readonly args: readonly Js[] }
  | { readonly kind: "array"; readonly items: readonly Js[] }
  | { readonly kind: "object"; readonly fields: readonly JsField[] }
  | { readonly kind: "member"; readonly target: Js; readonly name: string }
  /** `a ?? b` */
  | { readonly kind: "otherwise"; readonly value: Js; readonly fallback: Js }
  | { readonly kind: "arrow"; readonly params: string; readonly body: Js };

export interface JsField {
  readonly name: string;
  readonly value: Js;
}

export interface JsStatement {
  readonly kind: "const" | "return";
  /** For `const`; ignored by `return`. */
  readonly name: string;
  readonly value: Js;
  readonly comment: string | undefined;
}

export interface JsParam {
  readonly name: string;
  readonly type: string;
  readonly optional?: boolean;
}

export interface JsFunction {
  readonly name: string;
  /** Lines of its TSDoc. */
  readonly doc: readonly string[];
  readonly params: readonly JsParam[];
  readonly returns: string;
  readonly body: readonly JsStatement[];
}

/** `export const energyModelP = energyModel<Weights>({ … })` */
export interface JsConst {
  readonly name: string;
  readonly doc: readonly string[];
  readonly fn: string;
  readonly typeArguments: string;
  readonly value: Js;
  /** In a declaration file. */
  readonly type: string;
}

export type JsDeclaration = JsFunction | JsConst;

export const num = (value: number): Js => ({ kind: "number", value });
export const optionalNumber = (value: number | undefined): Js | undefined => (value === undefined ? undefined : num(value));
export const str = (value: string): Js => ({ kind: "string", value });
export const bool = (value: boolean): Js => ({ kind: "boolean", value });
export const name = (text: string): Js => ({ kind: "name", name: text });
export const call = (fn: string, ...args: readonly Js[]): Js => ({ kind: "call", fn, args });
/** A method of a value: of a name it reads as a plain call. */
export const method = (target: Js, fn: string, ...args: readonly Js[]): Js =>
  target.kind === "name" ? call(`${target.name}.${fn}`, ...args) : { kind: "method", target, name: fn, args };
export const array = (items: readonly Js[]): Js => ({ kind: "array", items });
export const object = (fields: Readonly<Record<string, Js | undefined>> | readonly JsField[]): Js => ({
  kind: "object",
  fields: Array.isArray(fields)
    ? (fields as readonly JsField[])
    : Object.entries(fields as Readonly<Record<string, Js | undefined>>).flatMap(([key, value]) => (value ? [{ name: key, value }] : [])),
});
export const member = (target: Js, field: string): Js => ({ kind: "member", target, name: field });
export const path = (root: string, dotted: string): Js => dotted.split(".").reduce<Js>((target, part) => member(target, part), name(root));
export const arrow = (params: string, body: Js): Js => ({ kind: "arrow", params, body });

/** Numbers as arrays of literals. */
export const numbers = (values: readonly number[]): Js => array(values.map(num));

/** Functions that a piece of JavaScript calls, and the roots of the names it reads. */
export function namesIn(js: Js, found: Set<string> = new Set()): Set<string> {
  switch (js.kind) {
    case "name":
      found.add(js.name);
      break;
    case "call":
      found.add(rootOf(js.fn));
      for (const a of js.args) namesIn(a, found);
      break;
    case "method":
      namesIn(js.target, found);
      for (const a of js.args) namesIn(a, found);
      break;
    case "array":
      for (const a of js.items) namesIn(a, found);
      break;
    case "object":
      for (const f of js.fields) namesIn(f.value, found);
      break;
    case "member":
      namesIn(js.target, found);
      break;
    case "otherwise":
      namesIn(js.value, found);
      namesIn(js.fallback, found);
      break;
    case "arrow": {
      const bound = new Set(js.params.match(/[\p{ID_Continue}$]+/gu));
      for (const n of namesIn(js.body)) if (!bound.has(n)) found.add(n);
      break;
    }
    case "number":
    case "string":
    case "boolean":
      break;
  }
  return found;
}

/** `normal.logProb` -> `normal` */
function rootOf(fn: string): string {
  const dot = fn.indexOf(".");
  return dot < 0 ? fn : fn.slice(0, dot);
}
