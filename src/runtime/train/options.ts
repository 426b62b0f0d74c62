/** Options that a script hands over: a name that no option has, or a value that an option does not take, is a mistake, not something to pass over. */
import { suggestion } from "../data/suggest.js";
import { GmcError } from "../graph/errors.js";

/** What an option takes. */
export interface OptionKind {
  /** `a whole number from 1 on` */
  readonly expected: string;
  readonly takes: (value: unknown) => boolean;
  readonly choices?: readonly string[];
}

/** Every option of `T`, which the compiler holds it to. */
export type OptionTable<T> = Readonly<Record<keyof T, OptionKind>>;

export const anything: OptionKind = { expected: "anything", takes: () => true };

export const wholeFrom = (least: number): OptionKind => ({
  expected: `a whole number from ${least} on`,
  takes: (v) => Number.isSafeInteger(v) && (v as number) >= least,
});

export const positiveNumber: OptionKind = { expected: "a positive number", takes: (v) => Number.isFinite(v) && (v as number) > 0 };

export const numberFromZero: OptionKind = { expected: "a number from 0 on", takes: (v) => Number.isFinite(v) && (v as number) >= 0 };

export const shareOfRows: OptionKind = {
  expected: "a share above 0 and below 1",
  takes: (v) => typeof v === "number" && v > 0 && v < 1,
};

export const oneOf = (...choices: readonly string[]): OptionKind => ({
  expected: `one of ${choices.join(", ")}`,
  takes: (v) => choices.some((c) => c === v),
  choices,
});

export const flag: OptionKind = { expected: "true or false", takes: (v) => typeof v === "boolean" };

export const text: OptionKind = { expected: "a text", takes: (v) => typeof v === "string" };

export const texts: OptionKind = {
  expected: "a list of texts",
  takes: (v) => Array.isArray(v) && v.every((each) => typeof each === "string"),
};

export const callback: OptionKind = { expected: "a function", takes: (v) => typeof v === "function" };

export const abortSignal: OptionKind = {
  expected: "an AbortSignal",
  takes: (v) =>
    typeof v === "object" &&
    v !== null &&
    typeof (v as AbortSignal).aborted === "boolean" &&
    typeof (v as AbortSignal).addEventListener === "function",
};

export const byName: OptionKind = {
  expected: "an object by name",
  takes: (v) => typeof v === "object" && v !== null && !Array.isArray(v) && !ArrayBuffer.isView(v),
};

/** What an option is to be where it is no option at all but its value has a table of its own. */
export const nested = <T extends object>(table: OptionTable<T>): OptionKind & { readonly table: OptionTable<T> } => ({ ...byName, table });

/**
 * Of what `what` was given, every name and every value. GM4050 for a name that no option has, or for what is no object of options; GM4008 for a value
 * that an option does not take. `undefined` is an option that is not given. `at` stands before names of options in messages: `dataOptions.x.`
 */
export function checkOptions<T extends object>(what: string, given: T, table: OptionTable<T>, at = ""): void {
  if (typeof given !== "object" || given === null || Array.isArray(given))
    throw new GmcError("GM4050", `${what} takes an object of options, found ${shown(given)}`);
  const kinds = table as Readonly<Record<string, OptionKind & { readonly table?: Readonly<Record<string, OptionKind>> }>>;
  const names = Object.keys(kinds);
  for (const [name, value] of Object.entries(given) as readonly (readonly [string, unknown])[]) {
    if (!Object.hasOwn(kinds, name)) throw new GmcError("GM4050", `${what} has no option \`${name}\``, suggestion(name, names));
    const kind = kinds[name]!;
    if (value === undefined) continue;
    if (!kind.takes(value))
      throw new GmcError(
        "GM4008",
        `${at}${name} must be ${kind.expected}, found ${shown(value)}`,
        typeof value === "string" && kind.choices !== undefined ? suggestion(value, kind.choices) : [],
      );
    if (kind.table !== undefined) checkOptions(`${at}${name}`, value as object, kind.table as OptionTable<object>, `${at}${name}.`);
  }
}

function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (Array.isArray(value)) return "a list";
  if (typeof value === "function") return "a function";
  return typeof value === "object" && value !== null ? "an object" : typeof value === "symbol" ? "a symbol" : String(value as number);
}
