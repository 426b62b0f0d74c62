/**
 * Runs compute kernels written in a small part of WGSL on the CPU, for tests: what no device tells. Takes a kernel's text, its grid and the
 * contents of its storage arrays (by variable name); writes into them. Stricter than a GPU: an index outside an array is an error, and so are
 * two threads of a workgroup that touch one element of workgroup memory without a barrier between (one of them writing), or two threads
 * that write one element of storage. Numbers are float32 and u32 as WGSL has them; f16 is taken for exact.
 *
 * The part: functions, let, var, for, if, switch, return; u32, f32, bool, vectors of floats, arrays; the built-in functions that kernels use.
 */

type Type =
  | { readonly kind: "u32" | "f32" | "bool" | "void" }
  | { readonly kind: "vec"; readonly size: number; readonly of: "f32" | "u32" }
  | { readonly kind: "array"; readonly of: Type; readonly count: number | undefined };

interface Code {
  readonly js: string;
  readonly type: Type;
}

const [u32, f32, bool, nothing]: Type[] = [{ kind: "u32" }, { kind: "f32" }, { kind: "bool" }, { kind: "void" }];
const vec = (size: number, of: "f32" | "u32" = "f32"): Type => ({ kind: "vec", size, of });

interface Callable {
  readonly args: readonly Type[];
  readonly result: Type;
}

class Translator {
  private at = 0;
  private readonly tokens: readonly string[];
  private scopes: Map<string, Type>[] = [new Map()];
  readonly functions = new Map<string, Callable>();
  readonly workgroup = new Map<string, number>();
  readonly storage: string[] = [];
  readonly bodies: string[] = [];
  threads = 0;
  builtins: string[] = [];

  constructor(text: string) {
    this.tokens =
      text
        .replaceAll(/\/\/[^\n]*/gu, "")
        .match(/0x[0-9a-f]+u?|\d+\.\d+(?:e[-+]?\d+)?|\d+u?|[A-Za-z_]\w*|<=|>=|==|!=|&&|\|\||->|\+\+|[-+*/]=|[^\s]/gu) ?? [];
    this.signatures();
    while (this.at < this.tokens.length) this.declaration();
  }

  private get peek(): string {
    return this.tokens[this.at] ?? "";
  }
  private next(): string {
    return this.tokens[this.at++] ?? "";
  }
  private expect(token: string): void {
    const found = this.next();
    if (found !== token)
      throw new Error(`WGSL: expected ${token}, found ${found} after ${this.tokens.slice(this.at - 8, this.at - 1).join(" ")}`);
  }
  private take(token: string): boolean {
    if (this.peek !== token) return false;
    this.at++;
    return true;
  }

  /** Functions may be called before they are declared. */
  private signatures(): void {
    this.tokens.forEach((token, i) => {
      if (token !== "fn") return;
      this.at = i + 1;
      const name = this.next();
      const args = this.parameters().map(([, type]) => type);
      const result = this.take("->") ? this.type() : nothing!;
      this.functions.set(name, { args, result });
    });
    this.at = 0;
  }

  private parameters(): (readonly [string, Type, string | undefined])[] {
    const list: (readonly [string, Type, string | undefined])[] = [];
    this.expect("(");
    while (!this.take(")")) {
      let builtin: string | undefined;
      if (this.take("@")) {
        this.expect("builtin");
        this.expect("(");
        builtin = this.next();
        this.expect(")");
      }
      const name = this.next();
      this.expect(":");
      list.push([name, this.type(), builtin]);
      this.take(",");
    }
    return list;
  }

  private type(): Type {
    const name = this.next();
    if (name === "u32" || name === "bool") return { kind: name };
    if (name === "f32" || name === "f16") return f32!;
    const short = /^vec([234])([fhu])$/u.exec(name);
    if (short) return vec(Number(short[1]), short[2] === "u" ? "u32" : "f32");
    this.expect("<");
    const of = this.type();
    const count = this.take(",") ? Number.parseInt(this.next(), 10) : undefined;
    this.expect(">");
    if (name === "array") return { kind: "array", of, count };
    return vec(Number(/^vec([234])$/u.exec(name)![1]), of.kind === "u32" ? "u32" : "f32");
  }

  private declaration(): void {
    if (this.take("enable") || this.take("requires")) {
      while (this.next() !== ";");
      return;
    }
    while (this.take("@")) {
      const attribute = this.next();
      if (this.take("(")) {
        if (attribute === "workgroup_size") this.threads = Number(this.peek);
        while (this.next() !== ")");
      }
    }
    if (this.take("var")) {
      this.expect("<");
      const space = this.next();
      while (this.next() !== ">");
      const name = this.next();
      this.expect(":");
      const type = this.type();
      this.expect(";");
      this.scopes[0]!.set(name, type);
      if (space === "workgroup") this.workgroup.set(name, type.kind === "array" ? type.count! : 1);
      else this.storage.push(name);
      return;
    }
    this.expect("fn");
    const name = this.next();
    const parameters = this.parameters();
    const main = name === "main";
    if (main) this.builtins = parameters.map(([, , builtin]) => builtin!);
    if (this.take("->")) this.type();
    this.scopes.push(new Map(parameters.map(([n, type]) => [n, type])));
    const body = this.block();
    this.scopes.pop();
    this.bodies.push(`function${main ? "*" : ""} ${name}$(${["$t", ...parameters.map(([n]) => `${n}$`)].join(", ")}) ${body}`);
  }

  private block(): string {
    this.expect("{");
    this.scopes.push(new Map());
    const statements: string[] = [];
    while (!this.take("}")) statements.push(this.statement());
    this.scopes.pop();
    return `{ ${statements.join("\n")} }`;
  }

  private statement(): string {
    switch (this.peek) {
      case "{":
        return this.block();
      case "return": {
        this.at++;
        if (this.take(";")) return "return;";
        const value = this.expression();
        this.expect(";");
        return `return ${value.js};`;
      }
      case "if": {
        this.at++;
        const condition = this.expression();
        const then = this.block();
        const otherwise = this.take("else") ? ` else ${this.statement()}` : "";
        return `if (${condition.js}) ${then}${otherwise}`;
      }
      case "for": {
        this.at++;
        this.expect("(");
        this.scopes.push(new Map());
        const first = this.statement();
        const condition = this.expression();
        this.expect(";");
        const step = this.simple();
        this.expect(")");
        const body = this.block();
        this.scopes.pop();
        return `for (${first} ${condition.js}; ${step}) ${body}`;
      }
      case "switch": {
        this.at++;
        const value = this.expression();
        this.expect("{");
        const cases: string[] = [];
        while (!this.take("}")) {
          const label = this.next() === "case" ? `case ${this.expression().js}` : "default";
          this.take(":");
          cases.push(`${label}: ${this.block()} break;`);
        }
        return `switch (${value.js}) { ${cases.join(" ")} }`;
      }
      default: {
        const text = this.simple();
        this.expect(";");
        return `${text};`;
      }
    }
  }

  private simple(): string {
    if (this.peek === "let" || this.peek === "var") {
      this.at++;
      const name = this.next();
      this.expect("=");
      const value = this.expression();
      this.scopes.at(-1)!.set(name, value.type);
      return `let ${name}$ = ${value.js}`;
    }
    if (this.tokens[this.at + 1] === "(") {
      if (this.peek === "workgroupBarrier") {
        this.at += 3;
        return `yield "barrier"`;
      }
      return this.expression().js;
    }
    const name = this.next();
    const type = this.find(name);
    if (type.kind === "array") {
      this.expect("[");
      const index = this.expression();
      this.expect("]");
      const operator = this.next();
      const value = this.expression();
      const old = { js: this.read(name, index.js), type: type.of };
      const js = operator === "=" ? value.js : this.binary(operator[0]!, old, value).js;
      return `$a.${name}.put(${index.js}, ${js}, $t)`;
    }
    if (this.take("++")) return `${name}$ = (${name}$ + 1) >>> 0`;
    const operator = this.next();
    const value = this.expression();
    return `${name}$ = ${operator === "=" ? value.js : this.binary(operator[0]!, { js: `${name}$`, type }, value).js}`;
  }

  private find(name: string): Type {
    for (const scope of [...this.scopes].reverse()) {
      const type = scope.get(name);
      if (type) return type;
    }
    throw new Error(`WGSL: ${name} is not declared`);
  }

  private read(name: string, index: string): string {
    return `$a.${name}.get(${index}, $t)`;
  }

  expression(level = 0): Code {
    const levels = [["||"], ["&&"], ["==", "!=", "<", ">", "<=", ">="], ["+", "-"], ["*", "/", "%"]];
    if (level === levels.length) return this.postfix();
    let left = this.expression(level + 1);
    while (levels[level]!.includes(this.peek)) left = this.binary(this.next(), left, this.expression(level + 1));
    return left;
  }

  private binary(operator: string, a: Code, b: Code): Code {
    if (a.type.kind === "vec" || b.type.kind === "vec")
      return { js: `$v("${operator}", ${a.js}, ${b.js})`, type: a.type.kind === "vec" ? a.type : b.type };
    if (a.type.kind !== b.type.kind) throw new Error(`WGSL: ${a.type.kind} ${operator} ${b.type.kind}: ${a.js} ${operator} ${b.js}`);
    const js = `(${a.js} ${operator} ${b.js})`;
    if (["||", "&&", "==", "!=", "<", ">", "<=", ">="].includes(operator)) return { js, type: bool! };
    if (a.type.kind === "f32") return { js: `Math.fround${js}`, type: f32! };
    return { js: operator === "*" ? `(Math.imul(${a.js}, ${b.js}) >>> 0)` : `(${js} >>> 0)`, type: u32! };
  }

  private postfix(): Code {
    let value = this.primary();
    for (;;) {
      if (this.take(".")) {
        value = { js: `${value.js}[${"xyzw".indexOf(this.next())}]`, type: { kind: value.type.kind === "vec" ? value.type.of : "f32" } };
      } else if (this.take("[")) {
        const index = this.expression();
        this.expect("]");
        value = { js: `$at(${value.js}, ${index.js})`, type: value.type.kind === "array" ? value.type.of : f32! };
      } else return value;
    }
  }

  private primary(): Code {
    const token = this.next();
    if (token === "(") {
      const inner = this.expression();
      this.expect(")");
      return inner;
    }
    if (/^(0x|\d)/u.test(token)) {
      if (token.endsWith("u")) return { js: String(Number(token.slice(0, -1))), type: u32! };
      return { js: `Math.fround(${token})`, type: f32! };
    }
    if (this.peek === "(" || this.peek === "<") {
      const isType = /^(vec[234]([fhu])?|array|f32|f16|u32)$/u.test(token);
      if (isType) {
        this.at--;
        const type = this.type();
        return this.construct(type, this.list());
      }
      if (this.peek === "(") return this.call(token, this.list());
    }
    const type = this.find(token);
    if (type.kind !== "array") return { js: `${token}$`, type };
    this.expect("[");
    const index = this.expression();
    this.expect("]");
    return { js: this.read(token, index.js), type: type.of };
  }

  private list(): Code[] {
    const list: Code[] = [];
    this.expect("(");
    while (!this.take(")")) {
      list.push(this.expression());
      this.take(",");
    }
    return list;
  }

  private construct(type: Type, args: readonly Code[]): Code {
    if (type.kind === "array") return { js: `[${args.map((a) => a.js).join(", ")}]`, type };
    if (type.kind === "vec") {
      if (args.length === 0) return { js: `new Array(${type.size}).fill(0)`, type };
      if (args.length === 1 && args[0]!.type.kind !== "vec") return { js: `new Array(${type.size}).fill(${args[0]!.js})`, type };
      if (args.length === 1) return { js: args[0]!.js, type };
      if (args.length !== type.size) throw new Error(`WGSL: ${args.length} parts of a vector of ${type.size}`);
      return { js: `[${args.map((a) => a.js).join(", ")}]`, type };
    }
    if (args.length === 0) return { js: "0", type };
    return { js: type.kind === "u32" ? `(${args[0]!.js} >>> 0)` : `Math.fround(${args[0]!.js})`, type };
  }

  private call(name: string, args: readonly Code[]): Code {
    const texts = args.map((a) => a.js).join(", ");
    if (name === "fma")
      return {
        js: args[0]!.type.kind === "vec" ? `$fma(${texts})` : `Math.fround(${args[0]!.js} * ${args[1]!.js} + ${args[2]!.js})`,
        type: args[0]!.type,
      };
    if (name === "subgroupAdd") return { js: `(yield ["add", ${texts}])`, type: args[0]!.type };
    const callee = this.functions.get(name);
    if (!callee) throw new Error(`WGSL: there is no function ${name}`);
    const said = args.map((a) => a.type.kind).join(", ");
    const wanted = callee.args.map((a) => a.kind).join(", ");
    if (said !== wanted) throw new Error(`WGSL: ${name}(${said}), but it takes (${wanted})`);
    return { js: `${name}$($t${args.length > 0 ? `, ${texts}` : ""})`, type: callee.result };
  }
}

type Cell = number | readonly number[];

/** An array in workgroup memory. A touch is kept as epoch * 1024 + thread; epochs are what lies between barriers. */
class WorkgroupArray {
  private cells: Cell[] = [];
  private readonly writers: Int32Array;
  private readonly readers: Int32Array;
  epoch = 1;

  constructor(
    private readonly name: string,
    private readonly size: number,
    private readonly empty: Cell,
  ) {
    this.writers = new Int32Array(size);
    this.readers = new Int32Array(size);
  }

  /** A new workgroup: zeros, as WGSL starts it. */
  clear(): void {
    this.cells = new Array<Cell>(this.size).fill(this.empty);
    this.epoch++;
  }

  get(index: number, thread: number): Cell {
    const cell = this.cells[index];
    if (cell === undefined) throw new Error(`${this.name}[${index}] is outside`);
    const me = this.epoch * 1024 + thread;
    const writer = this.writers[index]!;
    if (writer !== me && writer >> 10 === this.epoch)
      throw new Error(`race: ${this.name}[${index}] is read by ${thread}, written by ${writer & 1023}`);
    const reader = this.readers[index]!;
    // 1023 stands for several readers
    this.readers[index] = reader >> 10 === this.epoch && reader !== me ? this.epoch * 1024 + 1023 : me;
    return cell;
  }

  put(index: number, value: Cell, thread: number): void {
    if (!(index < this.size)) throw new Error(`${this.name}[${index}] is outside`);
    const me = this.epoch * 1024 + thread;
    for (const other of [this.writers[index]!, this.readers[index]!]) {
      if (other !== me && other >> 10 === this.epoch)
        throw new Error(`race: ${this.name}[${index}] is written by ${thread}, touched by ${other & 1023}`);
    }
    this.writers[index] = me;
    this.cells[index] = value;
  }
}

class StorageArray {
  private readonly stored: Uint8Array;

  constructor(
    private readonly name: string,
    private readonly data: Float32Array,
    private readonly width: number,
    private readonly free: ReadonlySet<number>,
  ) {
    this.stored = new Uint8Array(data.length);
  }

  get(index: number): Cell {
    const { data, width } = this;
    if (!((index + 1) * width <= data.length)) throw new Error(`${this.name}[${index}] is outside`);
    if (width === 1) return data[index]!;
    return [data[4 * index]!, data[4 * index + 1]!, data[4 * index + 2]!, data[4 * index + 3]!];
  }

  put(index: number, value: number): void {
    if (!(index < this.data.length)) throw new Error(`${this.name}[${index}] is outside`);
    if (this.stored[index] && !this.free.has(index)) throw new Error(`${this.name}[${index}] is stored twice`);
    this.stored[index] = 1;
    this.data[index] = value;
  }
}

const combine = (operator: string, a: Cell, b: Cell): number[] => {
  const size = Array.isArray(a) ? a.length : (b as number[]).length;
  const [x, y] = [(i: number) => (typeof a === "number" ? a : a[i]!), (i: number) => (typeof b === "number" ? b : b[i]!)];
  return Array.from({ length: size }, (_, i) => {
    if (operator === "+") return Math.fround(x(i) + y(i));
    if (operator === "-") return Math.fround(x(i) - y(i));
    return Math.fround(operator === "*" ? x(i) * y(i) : x(i) / y(i));
  });
};
const fused = (a: readonly number[], b: readonly number[], c: readonly number[]): number[] =>
  c.length === 4
    ? [
        Math.fround(a[0]! * b[0]! + c[0]!),
        Math.fround(a[1]! * b[1]! + c[1]!),
        Math.fround(a[2]! * b[2]! + c[2]!),
        Math.fround(a[3]! * b[3]! + c[3]!),
      ]
    : c.map((x, i) => Math.fround(a[i]! * b[i]! + x));
const inside = (list: readonly unknown[], index: number): unknown => {
  if (!(index < list.length)) throw new Error(`[${index}] is outside of ${list.length}`);
  return list[index];
};

/** `free`: elements of storage that several threads may write (the same value); `subgroup`: lanes of a subgroup. */
export function runOnCpu(
  wgsl: string,
  workgroups: readonly number[],
  storage: Readonly<Record<string, Float32Array>>,
  options: { readonly free?: readonly number[]; readonly subgroup?: number } = {},
): void {
  const t = new Translator(wgsl);
  const widthOf = (name: string): number => Number(new RegExp(`\\b${name}: array<vec(\\d)`, "u").exec(wgsl)?.[1] ?? 1);
  const shared = [...t.workgroup].map(([name, size]) => {
    const width = widthOf(name);
    return [name, new WorkgroupArray(name, size, width === 1 ? 0 : new Array<number>(width).fill(0))] as const;
  });
  const free = new Set(options.free);
  const stored = t.storage.map((name) => [name, new StorageArray(name, storage[name]!, widthOf(name), free)] as const);
  const make = new Function("$a", "$v", "$fma", "$at", `${t.bodies.join("\n")}\nreturn main$;`) as (
    ...tools: unknown[]
  ) => (thread: number, ...builtins: unknown[]) => Generator<unknown, void, unknown>;
  const main = make(Object.fromEntries([...shared, ...stored]), combine, fused, inside);
  const lanes = options.subgroup ?? t.threads;
  const [across, down, deep] = [workgroups[0]!, workgroups[1]!, workgroups[2]!];
  for (let group = 0; group < across * down * deep; group++) {
    for (const [, array] of shared) array.clear();
    const id = [group % across, Math.floor(group / across) % down, Math.floor(group / across / down)];
    const values = (thread: number): Record<string, unknown> => ({
      workgroup_id: id,
      local_invocation_index: thread,
      subgroup_id: Math.floor(thread / lanes),
      subgroup_invocation_id: thread % lanes,
    });
    const threads = Array.from({ length: t.threads }, (_, i) => main(i, ...t.builtins.map((b) => values(i)[b])));
    let answers: unknown[] = threads.map(() => undefined);
    for (;;) {
      const steps = threads.map((thread, i) => thread.next(answers[i]));
      if (steps.every((s) => s.done)) break;
      if (steps.some((s) => s.done)) throw new Error("a barrier is not passed by all threads");
      answers = steps.map(() => undefined);
      if (steps[0]!.value === "barrier") {
        for (const [, array] of shared) array.epoch++;
      } else {
        const given = steps.map((s) => (s.value as [string, Cell])[1]);
        answers = given.map((_, i) => {
          const mates = given.slice(Math.floor(i / lanes) * lanes, (Math.floor(i / lanes) + 1) * lanes);
          return mates.reduce((sum, v) => (typeof v === "number" ? Math.fround((sum as number) + v) : combine("+", sum, v)));
        });
      }
    }
  }
}
