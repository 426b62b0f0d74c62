/** Equality of what is written, places in the file aside. */
import { sameShape, shapeOf } from "./shapes.js";
import type { Expr, SampleIndex } from "./types.js";
import { childrenOf } from "./walk.js";

export function sameExpr(a: Expr, b: Expr): boolean {
  if (a === b) return true;
  if (a.kind !== b.kind || !sameShape(shapeOf(a), shapeOf(b))) return false;
  const children = (): boolean => {
    const [xs, ys] = [childrenOf(a), childrenOf(b)];
    return xs.length === ys.length && xs.every((x, i) => ys[i] !== undefined && sameExpr(x, ys[i]));
  };
  if (a.kind === "number" && b.kind === "number") return a.value === b.value;
  if (a.kind === "local" && b.kind === "local") return a.local.id === b.local.id && sameSample(a.sample, b.sample);
  if (a.kind === "variable" && b.kind === "variable") return a.variable === b.variable && sameSample(a.sample, b.sample);
  if (a.kind === "param" && b.kind === "param") return a.param === b.param;
  if (a.kind === "builtin" && b.kind === "builtin")
    return a.fn === b.fn && JSON.stringify(a.options) === JSON.stringify(b.options) && children();
  if (a.kind === "layer" && b.kind === "layer") return a.instance === b.instance && children();
  if (a.kind === "netCall" && b.kind === "netCall") return a.net === b.net && children();
  if (a.kind === "flowCall" && b.kind === "flowCall") return a.flow === b.flow && a.direction === b.direction && children();
  if (a.kind === "field" && b.kind === "field") return a.field === b.field && children();
  return false;
}

function sameSample(a: SampleIndex | undefined, b: SampleIndex | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * A text that is the same for two parts of the IR (expressions, quantities) that are written alike. `told` says of a value within, by its key and what
 * holds it, what stands for it; undefined leaves it out.
 */
export function fingerprint(part: unknown, told: (value: unknown, key: string, holder: unknown) => unknown = (value) => value): string {
  // factors of one density share the map of what its variables are taken at: written out for each, it would grow with their square
  const maps = new Map<unknown, number>();
  return JSON.stringify(part, function (this: unknown, key, value: unknown) {
    if (key === "span" || key === "text") return undefined;
    const said = told(value, key, this);
    if (!(said instanceof Map)) return said;
    const known = maps.get(said);
    if (known !== undefined) return `map ${known}`;
    maps.set(said, maps.size);
    return [...said];
  });
}
