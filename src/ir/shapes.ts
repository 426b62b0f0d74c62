/**
 * Sizes, shapes and types of the model IR: building, comparing and showing them.
 * Two sizes agree when their numbers agree; messages show both how they were written and the numbers: `[H] = [200]`.
 */
import type { Dim, Domain, Element, Expr, RecordType, TensorType, Type } from "./types.js";

/** No tensor of a model may have more entries. */
export const maxElements = 2 ** 31;

export function dim(size: number, text: string = String(size)): Dim {
  return { size, text };
}

export function tensor(shape: readonly Dim[], element: Element = "real"): TensorType {
  return { kind: "tensor", element, shape };
}

export const scalarType: TensorType = tensor([]);

export function record(fields: RecordType["fields"]): RecordType {
  return { kind: "record", fields };
}

/** Labels of a category are integers; everything else is a number. */
export function typeOfDomain(domain: Domain): TensorType {
  return tensor(domain.shape, domain.name === "category" ? "int" : "real");
}

/** Extents of a tensor; none of a record. */
export function shapeOf(expr: Expr | undefined): readonly Dim[] {
  return expr?.type.kind === "tensor" ? expr.type.shape : [];
}

/** The same as numbers. */
export function sizesOf(expr: Expr): readonly number[] {
  return shapeOf(expr).map((d) => d.size);
}

export function elementCount(shape: readonly Dim[]): number {
  return shape.reduce((total, d) => total * d.size, 1);
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => d.size === b[i]?.size);
}

export function sameType(a: Type, b: Type): boolean {
  if (a.kind === "tensor" && b.kind === "tensor") return a.element === b.element && sameShape(a.shape, b.shape);
  if (a.kind === "record" && b.kind === "record")
    return (
      a.fields.length === b.fields.length &&
      a.fields.every((f, i) => {
        const g = b.fields[i];
        return g !== undefined && f.name === g.name && sameType(f.type, g.type);
      })
    );
  return false;
}

/**
 * The shape of an elementwise operation, trailing axes aligned, an axis of size 1 repeated as numpy does; undefined where two sizes disagree.
 * Where both say the same number, the more telling text is kept.
 */
export function broadcastShapes(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    const left = a[a.length - rank + i];
    const right = b[b.length - rank + i];
    if (left === undefined || right === undefined) {
      const only = left ?? right;
      if (only) out.push(only);
    } else if (left.size === right.size) out.push(isNumeral(left) ? right : left);
    else if (left.size === 1) out.push(right);
    else if (right.size === 1) out.push(left);
    else return undefined;
  }
  return out;
}

/** May a value of shape `from` stand where `to` is wanted, by repeating it? */
export function broadcastsTo(from: readonly Dim[], to: readonly Dim[]): boolean {
  const out = broadcastShapes(from, to);
  return out !== undefined && sameShape(out, to);
}

/** `a * b`, remembering both texts: `28*28`. */
export function timesDim(a: Dim, b: Dim): Dim {
  if (a.size === 1 && isNumeral(a)) return b;
  if (b.size === 1 && isNumeral(b)) return a;
  const text = isNumeral(a) && isNumeral(b) ? String(a.size * b.size) : `${factor(a)}*${factor(b)}`;
  return dim(a.size * b.size, text);
}

export function plusDim(a: Dim, b: Dim): Dim {
  return dim(a.size + b.size, isNumeral(a) && isNumeral(b) ? String(a.size + b.size) : `${a.text}+${b.text}`);
}

function isNumeral(d: Dim): boolean {
  return d.text === String(d.size);
}

function factor(d: Dim): string {
  return /[+-]/.test(d.text) ? `(${d.text})` : d.text;
}

// ---- showing ------------------------------------------------------------------------------------

/** `[H] = [200]`, `[200]`, `a scalar`. */
export function showShape(shape: readonly Dim[]): string {
  if (shape.length === 0) return "a scalar";
  const numbers = `[${shape.map((d) => d.size).join(", ")}]`;
  return shape.every(isNumeral) ? numbers : `[${shape.map((d) => d.text).join(", ")}] = ${numbers}`;
}

export function showType(type: Type): string {
  if (type.kind === "record") return `a record (${type.fields.map((f) => `${f.name}: ${showType(f.type)}`).join(", ")})`;
  const words = type.element === "int" ? " of category labels" : type.element === "bool" ? " of truth values" : "";
  return type.shape.length === 0 && words !== "" ? `a scalar${words}` : `${showShape(type.shape)}${words}`;
}

/** `H = 200`, `200`. */
export function showDim(d: Dim): string {
  return isNumeral(d) ? d.text : `${d.text} = ${d.size}`;
}

/** `real[D]`, `category[10][D]?`. */
export function showDomain(domain: Domain): string {
  const classes = domain.classes ? `[${domain.classes.text}]` : "";
  const shape = domain.shape.length > 0 ? `[${domain.shape.map((d) => d.text).join(", ")}]` : "";
  return `${domain.name}${classes}${shape}${domain.optional ? "?" : ""}`;
}
