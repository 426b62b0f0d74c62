/** JSON Schemas by ajv, which is loaded when the first file is checked; errors come out as pointer, what is wrong, and a way out. */
import type { ErrorObject, ValidateFunction } from "ajv";
import { suggestion } from "../data/suggest.js";

export interface SchemaProblem {
  /** `/models/vae.gm/epochs` as parts. */
  readonly at: readonly string[];
  /** The key itself is wrong, not its value. */
  readonly key: string | undefined;
  readonly message: string;
  readonly help: readonly string[];
}

export type Check = (value: unknown) => readonly SchemaProblem[];

/** Compiles a schema. */
export async function compileSchema(schema: object): Promise<Check> {
  const { Ajv } = await import("ajv");
  const validate = new Ajv({ allErrors: true, strict: true, verbose: true }).compile(schema);
  return (value) => (validate(value) ? [] : problems(validate));
}

function problems(validate: ValidateFunction): readonly SchemaProblem[] {
  let errors = validate.errors ?? [];
  for (const union of errors.filter((error) => error.keyword === "anyOf")) {
    // Each alternative reports why it does not fit: together one mistake, that of the alternative which got further into the value if one did.
    const inside = errors.filter(
      (error) => error.schemaPath.startsWith(`${union.schemaPath}/`) && isWithin(error.instancePath, union.instancePath),
    );
    const further = inside.find((error) => error.instancePath !== union.instancePath);
    const types = inside.flatMap((error) => (error.keyword === "type" ? [(error.params as { type: string }).type] : []));
    const one: ErrorObject = further ?? { ...union, keyword: "type", params: { type: types } };
    errors = errors.flatMap((error) => (error === union ? [one] : inside.includes(error) ? [] : [error]));
  }
  return errors.filter((error) => error.keyword !== "if").map(describe);
}

function isWithin(path: string, outer: string): boolean {
  return path === outer || path.startsWith(`${outer}/`);
}

function describe(error: ErrorObject): SchemaProblem {
  const at = error.instancePath.split("/").slice(1).map(unescape);
  const found = JSON.stringify(error.data) ?? "nothing";
  const shown = found.length > 40 ? `${found.slice(0, 40)}…` : found;
  switch (error.keyword) {
    case "additionalProperties": {
      const key = String((error.params as { additionalProperty: string }).additionalProperty);
      const known = Object.keys((error.parentSchema as { properties?: object } | undefined)?.properties ?? {}).filter(
        (name) => name !== "$schema",
      );
      return { at, key, message: `there is no key ${JSON.stringify(key)} here`, help: suggestion(key, known) };
    }
    case "required":
      return {
        at,
        key: undefined,
        message: `${JSON.stringify((error.params as { missingProperty: string }).missingProperty)} is missing`,
        help: [],
      };
    case "enum": {
      const allowed = (error.params as { allowedValues: readonly unknown[] }).allowedValues.map(String);
      return {
        at,
        key: undefined,
        message: `expected one of ${allowed.join(", ")}, found ${shown}`,
        help: typeof error.data === "string" ? suggestion(error.data, allowed) : [],
      };
    }
    case "type":
      return {
        at,
        key: undefined,
        message: `expected ${typeName((error.params as { type: string | string[] }).type)}, found ${shown}`,
        help: [],
      };
    case "minimum":
    case "exclusiveMinimum":
    case "maximum":
      return {
        at,
        key: undefined,
        message: `expected a number ${(error.params as { comparison: string }).comparison} ${(error.params as { limit: number }).limit}, found ${shown}`,
        help: [],
      };
    default:
      return { at, key: undefined, message: `${error.message ?? "wrong value"}, found ${shown}`, help: [] };
  }
}

function typeName(type: string | string[]): string {
  const names: Readonly<Record<string, string>> = {
    integer: "a whole number",
    number: "a number",
    string: "a text",
    boolean: "true or false",
    object: "an object",
    array: "a list",
    null: "null",
  };
  return (Array.isArray(type) ? type : [type]).map((each) => names[each] ?? each).join(" or ");
}

function unescape(part: string): string {
  return part.replace(/~1/g, "/").replace(/~0/g, "~");
}
