/**
 * What codegen knows of a value while it writes a function: the JavaScript that names it, its event shape, and its leading axes.
 *
 * Layout of every tensor: [...plates, B, ...event]. Plates (families of samples, states of an enumerated latent) are numbered from the
 * batch outwards, 1, 2, …, in the order in which they come into scope; a value that lacks an outer plate has a lower rank, one that
 * lacks an inner plate but has an outer one has size 1 there. So values meet by plain broadcasting.
 */
import { InternalError } from "../base/internal-error.js";
import type { Dim, Type } from "../ir/types.js";
import { call, type Js, name, type JsStatement, num } from "./js.js";
import { printFlat } from "./print-js.js";

export interface PlateAxis {
  readonly id: string;
  /** 1 is next to the batch. */
  readonly position: number;
  readonly size: Js;
  readonly text: string;
  /** The states of a latent lie along it, not samples. */
  readonly states: boolean;
}

export interface Lead {
  readonly plates: ReadonlySet<string>;
  /** Has a batch axis (perhaps of size 1). */
  readonly batch: boolean;
}

export interface TensorValue {
  readonly kind: "tensor";
  readonly js: Js;
  readonly shape: readonly Dim[];
  readonly lead: Lead;
}

export interface RecordValue {
  readonly kind: "record";
  readonly js: Js;
  readonly fields: ReadonlyMap<string, TensorValue>;
}

export type Value = TensorValue | RecordValue;

export const NO_LEAD: Lead = { plates: new Set(), batch: false };

/** A row for each of the batch. */
export const BATCH: Lead = { plates: new Set(), batch: true };

export function joinLeads(leads: readonly Lead[]): Lead {
  const [first] = leads;
  if (first && leads.every((l) => l === first || (l.batch === first.batch && l.plates.size === 0 && first.plates.size === 0))) return first;
  return { plates: new Set(leads.flatMap((l) => [...l.plates])), batch: leads.some((l) => l.batch) };
}

export function hasLead(lead: Lead): boolean {
  return lead.batch || lead.plates.size > 0;
}

export function tensorValue(value: Value): TensorValue {
  if (value.kind === "tensor") return value;
  throw new InternalError("a record stands where a tensor is needed");
}

export function leadOf(value: Value): Lead {
  return value.kind === "tensor" ? value.lead : joinLeads([...value.fields.values()].map((f) => f.lead));
}

/** A value of a declared type under a name; the leading axes of each field where they are not the same. */
export function valueOfType(js: Js, type: Type, lead: Lead | ((field?: string) => Lead)): Value {
  const leadIn = typeof lead === "function" ? lead : () => lead;
  if (type.kind === "tensor") return { kind: "tensor", js, shape: type.shape, lead: leadIn() };
  return {
    kind: "record",
    js,
    fields: new Map(
      type.fields.map((f) => [
        f.name,
        { kind: "tensor", js: { kind: "member", target: js, name: f.name }, shape: f.type.shape, lead: leadIn(f.name) },
      ]),
    ),
  };
}

/** Words that may not name a local in generated code. */
const RESERVED = new Set(
  "arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in interface let new null package private protected public return static super switch this throw true try typeof undefined var void while with yield NaN Infinity".split(
    " ",
  ),
);

/** `h[2]` -> `h2`; a name that is taken gets a number. */
export function identifier(text: string): string {
  // Most names are plain already; the classes of all letters take long to make ready.
  const plain = /^[A-Za-z0-9_$]*$/.test(text) ? text : text.replace(/\[(\d+)\]/gu, "$1").replace(/[^\p{ID_Continue}$]/gu, "_");
  return RESERVED.has(plain) ? `${plain}_` : plain;
}

/** Names that are taken; `outer` are those of the scope around, which is only read. */
export class Names {
  private readonly taken: Set<string>;
  /** The number to try next for a name that is taken, so that many of one name are no search. */
  private readonly next = new Map<string, number>();

  constructor(
    own: Iterable<string>,
    private readonly outer?: Names,
  ) {
    this.taken = new Set(own);
  }

  has(name: string): boolean {
    return this.taken.has(name) || this.outer?.has(name) === true;
  }

  /** `h`, `h2`, `h3`, …: the first that is free. */
  fresh(base: string, separator = ""): string {
    let candidate = base;
    let i = this.next.get(base) ?? 2;
    if (i > 2 || this.has(base)) {
      do candidate = `${base}${separator}${i++}`;
      while (this.has(candidate));
      this.next.set(base, i);
    }
    this.taken.add(candidate);
    return candidate;
  }
}

/** Writes the statements of one function. */
export class FunctionWriter {
  readonly statements: JsStatement[] = [];
  private readonly names: Names;
  private readonly plateList: PlateAxis[] = [];
  /** Values already computed, so that what two terms share stands once. */
  readonly memo = new Map<string, Value>();
  private readonly parameters = new Map<string, string>();
  private readonly depth = { binding: 0, draw: 0 };
  /** The name that holds the rows of the batch, once asked for. */
  private rowsName: string | undefined;

  constructor(
    /** Names of the file, which locals must not hide. */
    file: Names,
    /** Names that the function has already. */
    own: readonly string[],
    /** JavaScript of B, where the function knows the batch. */
    private readonly rows: Js | undefined,
  ) {
    this.names = new Names(own, file);
  }

  fresh(wanted: string): string {
    const base = identifier(wanted);
    return this.names.fresh(base, /\d$/u.test(base) ? "_" : "");
  }

  /** The name of a parameter of the small functions within this one: the same for all of them, and it hides nothing. */
  parameter(wanted: string): string {
    const name = this.parameters.get(wanted) ?? this.fresh(wanted);
    this.parameters.set(wanted, name);
    return name;
  }

  /** Binds a value to a fresh name, with its shape as a comment. */
  bind(wanted: string, value: Value, note?: string): Value {
    const bound = this.fresh(wanted);
    const text = value.kind === "tensor" ? this.shapeText(value) : undefined;
    this.statements.push({
      kind: "const",
      name: bound,
      value: value.js,
      comment: [text, note].filter((t) => t !== undefined).join("  ") || undefined,
    });
    const js = name(bound);
    if (value.kind === "tensor") return { ...value, js };
    return { ...value, js, fields: new Map([...value.fields].map(([f, v]) => [f, { ...v, js: { kind: "member", target: js, name: f } }])) };
  }

  /** A value that may be a plain number, as functions of tensors take it, as a tensor. */
  tensorJs(value: Js): Js {
    const made = value.kind === "name" ? this.statements.find((s) => s.name === value.name)?.value : value;
    return made?.kind === "number" ? call("constant", value) : value;
  }

  finish(value: Js, comment: string | undefined): readonly JsStatement[] {
    return [...this.statements, { kind: "return", name: "", value, comment }];
  }

  /** The place outside of all plates that there are. */
  freePosition(): number {
    return this.plateList.reduce((top, p) => Math.max(top, p.position), 0) + 1;
  }

  /** `position`: a place that a plate may share with others which no value has together with it. */
  addPlate(id: string, size: Js, text: string, { position = this.freePosition(), states = false } = {}): PlateAxis {
    const plate = { id, position, size, text, states };
    this.plateList.push(plate);
    return plate;
  }

  plate(id: string): PlateAxis {
    const found = this.plateList.find((p) => p.id === id);
    if (!found) throw new InternalError(`plate ${id} is not in scope`);
    return found;
  }

  /** Forgets a plate: its axis has been reduced everywhere. */
  dropPlate(id: string): void {
    const at = this.plateList.findIndex((p) => p.id === id);
    if (at >= 0) this.plateList.splice(at, 1);
  }

  /** The places of the states that a value has one entry for each of. */
  statePositions(lead: Lead): readonly number[] {
    return [...lead.plates].flatMap((id) => (this.plate(id).states ? [this.plate(id).position] : [])).sort((a, b) => a - b);
  }

  /** B as JavaScript, bound on first use. */
  rowsJs(): Js {
    if (this.rowsName === undefined) {
      if (!this.rows) throw new InternalError("a function without data draws rows");
      if (this.rows.kind === "name") this.rowsName = this.rows.name;
      else {
        this.rowsName = this.fresh("B");
        this.statements.push({ kind: "const", name: this.rowsName, value: this.rows, comment: undefined });
      }
    }
    return name(this.rowsName);
  }

  knowsRows(): boolean {
    return this.rows !== undefined;
  }

  /** The lead of what has every axis that there is: `lead` itself where it has them all, or where the function does not know its rows. */
  allLead(lead: Lead): Lead {
    if (!this.rows || (lead.batch && this.plateList.every((p) => lead.plates.has(p.id)))) return lead;
    return { plates: new Set(this.plateList.map((p) => p.id)), batch: true };
  }

  /** The leading axes of a value, outermost first: the size of each plate it has, 1 for one that it lacks, B. */
  leadAxes(lead: Lead): readonly { readonly js: Js; readonly text: string }[] {
    let top = 0;
    for (const id of lead.plates) top = Math.max(top, this.plate(id).position);
    const axes: { js: Js; text: string }[] = [];
    for (let p = top; p >= 1; p--) {
      const plate = this.plateList.find((x) => x.position === p && lead.plates.has(x.id));
      axes.push(plate ? { js: plate.size, text: plate.text } : { js: num(1), text: "1" });
    }
    if (lead.batch) axes.push({ js: { kind: "name", name: "B" }, text: "B" });
    else if (top > 0) axes.push({ js: num(1), text: "1" });
    return axes;
  }

  shapeText(value: TensorValue): string {
    return `[${[...this.leadAxes(value.lead).map((a) => a.text), ...value.shape.map((d) => String(d.size))].join(", ")}]`;
  }

  /** The full shape of a draw, `[k, B, 50]`. */
  drawShape(lead: Lead, event: readonly Dim[]): Js {
    const B = this.rowsJs();
    const axes = this.leadAxes({ ...lead, batch: true }).map((a) => (a.text === "B" ? B : a.js));
    return { kind: "array", items: [...axes, ...event.map((d) => num(d.size))] };
  }

  /** Axis of a plate in a value without event axes, counted from the front. */
  plateAxis(lead: Lead, id: string): number {
    const top = Math.max(...[...lead.plates].map((p) => this.plate(p).position));
    return top - this.plate(id).position;
  }

  /**
   * Evaluates a binding or a draw that another one waits for. `deep` now and then, where so many of a kind wait for one another that the next
   * had better not wait too: the machine's stack has an end.
   */
  nested<T>(kind: "binding" | "draw", make: (deep: boolean) => T): T {
    const depth = ++this.depth[kind];
    try {
      return make(depth % 64 === 0);
    } finally {
      this.depth[kind]--;
    }
  }

  /** Binds a value, which from here on stands wherever the same is written: a gradient in it then counts all that is made of it. */
  share(wanted: string, value: Value): Value {
    return this.remember(`shared|${memoKey(value)}`, () => this.bind(wanted, value));
  }

  /** A value under the name that `share` gave it, if it did. */
  shared(js: Js): Js {
    return this.memo.get(`shared|${printFlat(js)}`)?.js ?? js;
  }

  remember(key: string, make: () => Value): Value {
    const known = this.memo.get(key);
    if (known) return known;
    const value = make();
    this.memo.set(key, value);
    return value;
  }
}

export function memoKey(value: Value): string {
  return printFlat(value.js);
}
