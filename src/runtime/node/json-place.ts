/**
 * JSON with places: parses, and finds line and column of every key and value, so that a message can point at them.
 */

export interface Place {
  /** 1-based. */
  readonly line: number;
  readonly column: number;
  /** From 0. */
  readonly offset: number;
}

export type Located =
  | { readonly ok: true; readonly value: unknown; readonly placeOf: (at: readonly string[], key?: string) => Place }
  | { readonly ok: false; readonly message: string; readonly place: Place };

class Stop extends Error {
  constructor(
    message: string,
    readonly offset: number,
  ) {
    super(message);
  }
}

/** Nesting past this is refused, before the stack is. */
const maxDepth = 100;

/** `placeOf(at)` is where the value lies; with `key`, where that key of the object at `at` is written. Duplicate keys are an error. */
export function parseLocated(text: string): Located {
  const places = new Map<string, number>();
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  const pointer = (path: readonly string[]): string => JSON.stringify(path);

  const space = (): void => {
    while (at < text.length && " \t\r\n".includes(text[at]!)) at++;
  };
  const found = (): string => (at >= text.length ? "the end of the file" : JSON.stringify(text[at]));
  const string = (): string => {
    const match = /"(?:[^"\\\n\r]|\\.)*"/y;
    match.lastIndex = at;
    const token = match.exec(text)?.[0];
    if (token === undefined)
      throw new Stop(
        text[at] === '"' ? "a text that starts here is not closed on its line" : `expected a key in double quotes, found ${found()}`,
        at,
      );
    try {
      const value = JSON.parse(token) as string;
      at += token.length;
      return value;
    } catch {
      throw new Stop("a wrong escape in a text", at);
    }
  };
  const value = (path: readonly string[]): unknown => {
    if (path.length > maxDepth) throw new Stop(`nested more than ${maxDepth} deep`, at);
    space();
    places.set(pointer(path), at);
    const char = text[at];
    if (char === "{") return object(path);
    if (char === "[") return list(path);
    if (char === '"') return string();
    const match = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
    match.lastIndex = at;
    const token = match.exec(text)?.[0];
    if (token === undefined) throw new Stop(`expected a value, found ${found()}`, at);
    at += token.length;
    return JSON.parse(token) as unknown;
  };
  const object = (path: readonly string[]): unknown => {
    const entries: [string, unknown][] = [];
    at++;
    space();
    if (text[at] === "}") {
      at++;
      return {};
    }
    for (;;) {
      space();
      const keyAt = at;
      const key = string();
      if (entries.some(([known]) => known === key)) throw new Stop(`the key ${JSON.stringify(key)} is given twice`, keyAt);
      places.set(`${pointer(path)}#${key}`, keyAt);
      space();
      if (text[at] !== ":") throw new Stop(`expected ":" after a key, found ${found()}`, at);
      at++;
      entries.push([key, value([...path, key])]);
      space();
      if (text[at] === "}") break;
      if (text[at] !== ",") throw new Stop(`expected "," or "}", found ${found()}`, at);
      at++;
    }
    at++;
    return Object.fromEntries(entries);
  };
  const list = (path: readonly string[]): unknown => {
    const items: unknown[] = [];
    at++;
    space();
    if (text[at] === "]") {
      at++;
      return items;
    }
    for (;;) {
      items.push(value([...path, String(items.length)]));
      space();
      if (text[at] === "]") break;
      if (text[at] !== ",") throw new Stop(`expected "," or "]", found ${found()}`, at);
      at++;
    }
    at++;
    return items;
  };

  try {
    const whole = value([]);
    space();
    if (at < text.length) throw new Stop(`expected the end of the file, found ${found()}`, at);
    const placeOf = (path: readonly string[], key?: string): Place =>
      place(text, (key === undefined ? places.get(pointer(path)) : places.get(`${pointer(path)}#${key}`)) ?? 0);
    return { ok: true, value: whole, placeOf };
  } catch (error) {
    if (error instanceof Stop) return { ok: false, message: error.message, place: place(text, error.offset) };
    throw error;
  }
}

function place(text: string, offset: number): Place {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: before.at(-1)!.length + 1, offset };
}
