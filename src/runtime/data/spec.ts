/**
 * The text that `--data` and gmc.config.json take.
 *
 *   SPEC    = ITEM { "," ITEM }
 *   ITEM    = [ VARIABLE [ "." SPLIT ] "=" ] SOURCE [ "#" PART ] { ":" OPTION [ "=" VALUE ] }
 *   VARIABLE = a data variable, a family (`x`), or one variable of it (`x[1]`)
 *   SPLIT   = "train" | "validation" | "test"
 *   SOURCE  = the name of a registered data set, or a path (with a "." or a "/" in it); in double quotes where it holds , : # or =
 *   PART    = an array of an .npz or .mat file, columns of a table (`#2`, `#age`, `#1-4`, `#age+income`), `#labels` of a folder
 *
 * `mnist` · `mnist:binarize=fixed:validation=10000` · `x=train.npy,y=labels.csv,x.test=test.npy` · `x=a.npz#images:scale=none`
 */
import { GmcError } from "../graph/errors.js";
import type { FieldOptions, SplitName } from "./dataset.js";
import { splitNames } from "./dataset.js";
import type { SplitOptions } from "./splits.js";
import { suggestion } from "./suggest.js";

export interface DataSpec {
  readonly text: string;
  readonly items: readonly DataItem[];
  /** Options on cutting rows hold for the whole specification, whichever item they stand on. */
  readonly splits: SplitOptions;
}

export interface DataItem {
  /** Absent: the source offers fields by name, and the model's variables find theirs. */
  readonly variable: string | undefined;
  readonly split: SplitName;
  readonly source: string;
  readonly part: string | undefined;
  readonly options: ItemOptions;
}

/** Options of one item: how its values are read. */
export interface ItemOptions extends FieldOptions {
  /** Of tables. */
  readonly header?: boolean;
  readonly delimiter?: string;
  /** Bits of a row of a .bits file; samples of a row of sound. */
  readonly width?: number;
  /** Of sound: samples a second that recordings are brought to. */
  readonly rate?: number;
  /** Pictures are averaged down to this height and width. */
  readonly size?: readonly [number, number];
  /** Pictures get a border of zeros up to this height and width. */
  readonly pad?: readonly [number, number];
  /** Bytes v of pictures become 255 - v: dark for light. */
  readonly invert?: boolean;
  /** File with the names of a row's entries, one a line: the words of a vocabulary. */
  readonly vocabulary?: string;
  /** Of registered word counts: so many words, the most frequent ones of the training documents. */
  readonly words?: number;
  /** Of registered word counts: "keep" leaves in what carries grammar alone. */
  readonly stopwords?: "keep" | "drop";
  /** Of the synthetic sets. */
  readonly rows?: number;
  readonly noise?: number;
  readonly seed?: number;
}

type Parsed = { -readonly [K in keyof (ItemOptions & SplitOptions)]: (ItemOptions & SplitOptions)[K] };

interface OptionRule {
  readonly expected: string;
  readonly read: (value: string | undefined, into: Parsed) => boolean;
}

const whole = (
  key:
    | "validation"
    | "test"
    | "limit"
    | "splitSeed"
    | "binarizeSeed"
    | "rows"
    | "seed"
    | "width"
    | "words"
    | "rate"
    | "observed"
    | "observedSeed",
  from: number,
): OptionRule => ({
  expected: `a whole number from ${from} on`,
  read: (value, into) => {
    const number = Number(value);
    if (value === undefined || !/^\d{1,15}$/.test(value) || number < from) return false;
    into[key] = number;
    return true;
  },
});

const share = (key: "validation" | "test"): OptionRule => ({
  expected: "a number of rows, or a share below 1",
  read: (value, into) => {
    const number = Number(value);
    if (value === undefined || value === "" || !(number >= 0) || (number >= 1 && !Number.isSafeInteger(number))) return false;
    into[key] = number;
    return true;
  },
});

const positive = (key: "maximum" | "noise" | "threshold" | "ridge", from: number): OptionRule => ({
  expected: from === 0 ? "a number from 0 on" : "a number above 0",
  read: (value, into) => {
    const number = Number(value);
    if (value === undefined || value === "" || !Number.isFinite(number) || number < 0 || (from > 0 && number === 0)) return false;
    into[key] = number;
    return true;
  },
});

function oneOf<K extends "binarize" | "scale" | "split" | "stopwords" | "empty">(
  key: K,
  values: readonly NonNullable<Parsed[K]>[],
): OptionRule {
  return {
    expected: `one of ${values.join(", ")}`,
    read: (value, into) => {
      const found = values.find((each) => each === value);
      if (found === undefined) return false;
      into[key] = found;
      return true;
    },
  };
}

const yesOrNo = (key: "header" | "invert"): OptionRule => ({
  expected: "yes or no",
  read: (value, into) => {
    if (value !== undefined && value !== "yes" && value !== "no") return false;
    into[key] = value !== "no";
    return true;
  },
});

const heightAndWidth = (key: "size" | "pad"): OptionRule => ({
  expected: "HEIGHTxWIDTH, for example 28x28",
  read: (value, into) => {
    const match = /^(\d{1,5})x(\d{1,5})$/.exec(value ?? "");
    if (match === null || Number(match[1]) < 1 || Number(match[2]) < 1) return false;
    into[key] = [Number(match[1]), Number(match[2])];
    return true;
  },
});

const rules: Readonly<Record<string, OptionRule>> = {
  binarize: oneOf("binarize", ["dynamic", "fixed", "threshold"]),
  "binarize-seed": whole("binarizeSeed", 0),
  threshold: positive("threshold", 0),
  scale: oneOf("scale", ["none", "standardize", "minmax", "whiten"]),
  ridge: positive("ridge", 1),
  max: positive("maximum", 1),
  validation: share("validation"),
  test: share("test"),
  split: oneOf("split", ["tail", "random"]),
  "split-seed": whole("splitSeed", 0),
  limit: whole("limit", 1),
  observed: whole("observed", 1),
  "observed-seed": whole("observedSeed", 0),
  "observed-share": {
    expected: "a share above 0 and below 1",
    read: (value, into) => {
      const number = Number(value);
      if (value === undefined || value === "" || !(number > 0 && number < 1)) return false;
      into.observedShare = number;
      return true;
    },
  },
  header: yesOrNo("header"),
  invert: yesOrNo("invert"),
  delimiter: {
    expected: "tab, space, comma, semicolon or one character",
    read: (value, into) => {
      const named: Readonly<Record<string, string>> = { tab: "\t", space: "space", comma: ",", semicolon: ";" };
      const char = value === undefined ? undefined : (named[value] ?? value);
      if (char === undefined || (char.length !== 1 && char !== "space") || char === '"') return false;
      into.delimiter = char;
      return true;
    },
  },
  width: whole("width", 1),
  rate: whole("rate", 1),
  vocabulary: {
    expected: "a file with one word a line",
    read: (value, into) => {
      if (value === undefined || value === "") return false;
      into.vocabulary = value;
      return true;
    },
  },
  words: whole("words", 1),
  stopwords: oneOf("stopwords", ["drop", "keep"]),
  empty: oneOf("empty", ["keep"]),
  size: heightAndWidth("size"),
  pad: heightAndWidth("pad"),
  rows: whole("rows", 1),
  noise: positive("noise", 0),
  seed: whole("seed", 0),
};

const splitKeys = ["validation", "test", "split", "splitSeed", "limit"] as const;

/** Names of the options, for help texts. */
export const dataOptionNames: readonly string[] = Object.keys(rules);

/** GM5012 for the form, GM5013 for an option. */
export function parseDataSpec(text: string): DataSpec {
  const pieces = cut(text, text, ",");
  const splits: Parsed = {};
  const items = pieces.map((piece) => parseItem(text, piece, splits));
  const seen = new Set<string>();
  for (const item of items) {
    const key = item.variable === undefined ? item.source : `${item.variable}.${item.split}`;
    if (seen.has(key)) throw malformed(text, `${key} is given twice`);
    seen.add(key);
  }
  return { text, items, splits };
}

function parseItem(spec: string, piece: string, splits: Parsed): DataItem {
  const text = piece.trim();
  if (text === "") throw malformed(spec, "an item is empty");
  const head = /^([\p{L}_][\p{L}\p{N}_]*(?:\[\d+\])*)(?:\.([\p{L}]+))?\s*=\s*/u.exec(text);
  const [first = "", ...options] = cut(spec, head === null ? text : text.slice(head[0].length), ":");
  const hash = cut(spec, first, "#");
  if (hash.length > 2) throw malformed(spec, "an item has one # at most");
  const source = unquote(hash[0]!.trim());
  if (source === "") throw malformed(spec, `${head === null ? "an item" : head[1]} names no file or data set`);
  const split = head?.[2] ?? "train";
  if (!splitNames.some((name) => name === split)) {
    throw new GmcError("GM5012", `in the data '${spec}': ${head![1]}.${split} names no split`, suggestion(split, splitNames));
  }
  const own: Parsed = {};
  for (const option of options) readOption(spec, option.trim(), own);
  for (const key of splitKeys) {
    if (own[key] === undefined) continue;
    if (splits[key] !== undefined && splits[key] !== own[key])
      throw malformed(spec, `${key} is given as ${splits[key]} and as ${own[key]}`);
    Object.assign(splits, { [key]: own[key] });
    delete own[key];
  }
  return {
    variable: head?.[1]?.normalize("NFC"),
    split: split as SplitName,
    source,
    part: hash[1] === undefined ? undefined : unquote(hash[1].trim()),
    options: own,
  };
}

function readOption(spec: string, option: string, into: Parsed): void {
  const equals = option.indexOf("=");
  const name = (equals < 0 ? option : option.slice(0, equals)).trim();
  const value = equals < 0 ? undefined : unquote(option.slice(equals + 1).trim());
  const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
  if (rule === undefined)
    throw new GmcError(
      "GM5013",
      `in the data '${spec}': there is no option ${name === "" ? "without a name" : name}`,
      suggestion(name, dataOptionNames),
    );
  if (!rule.read(value, into)) {
    throw new GmcError(
      "GM5013",
      `in the data '${spec}': option ${name} takes ${rule.expected}, not ${value === undefined ? "nothing" : value}`,
    );
  }
}

/** Cuts at a character outside of double quotes. A drive letter's colon (`C:\data`) is not a cut. */
function cut(spec: string, text: string, at: string): readonly string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (!quoted && text[i] === at && !(at === ":" && /^[\\/]/.test(text.slice(i + 1)) && /^\s*[A-Za-z]$/.test(text.slice(start, i)))) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  if (quoted) throw malformed(spec, "a double quote is not closed");
  parts.push(text.slice(start));
  return parts;
}

/** A source or a part as it is written in a specification. */
export function quoted(text: string): string {
  return /[,:#=]|^\s|\s$/.test(text) ? `"${text}"` : text;
}

function unquote(text: string): string {
  return text.replace(/"/g, "");
}

function malformed(spec: string, what: string): GmcError {
  return new GmcError("GM5012", `in the data '${spec}': ${what}`, [
    "for example: mnist, x=train.npy,y=labels.csv, x=a.npz#images:binarize=fixed",
  ]);
}
