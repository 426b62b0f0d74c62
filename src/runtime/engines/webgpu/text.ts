/** Writing WGSL: blocks of lines in which equal expressions share a name, and positions in tensors. */
import { sizeOf, stridesOf } from "../../graph/shape.js";
import type { Shape } from "../../graph/types.js";

/** A place in a tensor: the flat index, the index along each axis, or both, as texts. */
export interface At {
  readonly shape: Shape;
  readonly flat: string | undefined;
  readonly axes: readonly string[] | undefined;
}

export const flatAt = (shape: Shape, flat: string): At => ({ shape, flat: sizeOf(shape) === 1 ? "0u" : flat, axes: undefined });
/** Both are known. */
export const bothAt = (shape: Shape, flat: string, axes: readonly string[]): At => ({ ...flatAt(shape, flat), axes });
export const axesAt = (shape: Shape, axes: readonly string[]): At => ({ shape, flat: undefined, axes });
export const keyOf = (at: At): string => at.flat ?? `[${at.axes!.join(",")}]`;

/** Lines of one scope. What an outer scope has named is known in an inner one, not the other way round. */
export class Block {
  readonly lines: string[] = [];
  private readonly names = new Map<string, string>();

  constructor(
    private readonly fresh: { next: number },
    private readonly outer: Block | undefined = undefined,
  ) {}

  child(): Block {
    return new Block(this.fresh, this);
  }

  find(key: string): string | undefined {
    return this.names.get(key) ?? this.outer?.find(key);
  }

  know(key: string, name: string): string {
    this.names.set(key, name);
    return name;
  }

  name(prefix = "v"): string {
    return `${prefix}${this.fresh.next++}`;
  }

  add(line: string): void {
    this.lines.push(line);
  }

  /** A name for a text; simple texts are their own. */
  let(text: string, prefix = "v"): string {
    if (/^-?[\w.]+$/u.test(text) || /^\([-\w.]+\)$/u.test(text)) return text;
    const known = this.find(text);
    if (known !== undefined) return known;
    const name = this.name(prefix);
    this.add(`let ${name} = ${text};`);
    return this.know(text, name);
  }

  /** Adds a nested block after a head: `if (…)`. */
  nest(head: string, inner: Block): void {
    this.add(`${head} {`);
    for (const line of inner.lines) this.add(`  ${line}`);
    this.add("}");
  }
}

export const plus = (a: string, b: string): string => (a === "0u" ? b : b === "0u" ? a : `${a} + ${b}`);
export const times = (a: string, n: number): string => (n === 0 || a === "0u" ? "0u" : n === 1 ? a : `${a} * ${n}u`);

export function flatOf(block: Block, at: At): string {
  if (at.flat !== undefined) return at.flat;
  const strides = stridesOf(at.shape);
  return block.let(
    at.axes!.reduce((sum, axis, i) => (at.shape[i] === 1 ? sum : plus(sum, times(axis, strides[i]!))), "0u"),
    "i",
  );
}

export function axesOf(block: Block, at: At): readonly string[] {
  if (at.axes !== undefined) return at.axes;
  const strides = stridesOf(at.shape);
  const outermost = at.shape.findIndex((extent) => extent !== 1);
  return at.shape.map((extent, i) => {
    if (extent === 1) return "0u";
    const over = strides[i] === 1 ? at.flat! : block.let(`${at.flat!} / ${strides[i]}u`, "i");
    return i === outermost ? over : block.let(`${over} % ${extent}u`, "i");
  });
}
