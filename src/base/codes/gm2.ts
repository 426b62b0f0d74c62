/** GM2: names, domains and shapes. */
import { code, type CodeEntry } from "./entry.js";

export const gm2 = {
  // ---- names
  GM2001: code<{ what: string; name: string; later?: boolean }>("error", "Unknown name", (a) =>
    a.later ? `\`${a.name}\` is used before it is defined` : `there is no ${a.what} called \`${a.name}\` here`,
  ),
  GM2002: code<{ what: string; name: string }>("error", "Declared twice", (a) => `the ${a.what} \`${a.name}\` exists already`),
  GM2003: code<{ what: string; expected: string; found: string }>(
    "error",
    "Shapes do not match",
    (a) => `${a.what}: expected ${a.expected}, found ${a.found}`,
  ),
  GM2004: code<{ name: string; what: string }>(
    "error",
    "Name hides a declaration",
    (a) => `\`${a.name}\` is ${a.what} already: a value under that name would hide it`,
  ),
  GM2005: code<{ what: string; cycle: string }>("error", "Cyclic definition", (a) => `the ${a.what} depends on itself: ${a.cycle}`),
  GM2006: code<{ name: string; what: string }>("error", "Cannot be called", (a) => `\`${a.name}\` is ${a.what} and cannot be applied`),
  GM2007: code<{ name: string; what: string; expected: string }>(
    "error",
    "Wrong kind of name",
    (a) => `\`${a.name}\` is ${a.what}, where ${a.expected} is wanted`,
  ),
  GM2008: code<{ name: string; model: string }>(
    "error",
    "Unknown hyperparameter",
    (a) => `the model \`${a.model}\` has no hyperparameter \`${a.name}\``,
  ),
  GM2009: code<{ name: string }>("error", "Hyperparameter without a default", (a) => `the hyperparameter \`${a.name}\` has no default`),
  GM2010: code<{ name: string; expected: string; found: string }>(
    "error",
    "Hyperparameter of the wrong kind",
    (a) => `the hyperparameter \`${a.name}\` is ${a.expected}; it was set to ${a.found}`,
  ),
  // ---- files
  GM2011: code<{ models: string }>("error", "Several models", (a) => `the file has several models: ${a.models}`),
  GM2012: code("error", "No model", () => "the file declares no model"),
  GM2013: code<{ name: string; models: string }>(
    "error",
    "No such model",
    (a) => `the file has no model \`${a.name}\`; it has ${a.models}`,
  ),
  GM2014: code<{ path: string; problem: string }>("error", "Import not found", (a) => `\`${a.path}\` cannot be read: ${a.problem}`),
  GM2015: code<{ path: string }>("error", "Import outside the project", (a) => `\`${a.path}\` leads out of the project`),
  GM2016: code<{ cycle: string }>("error", "Cyclic import", (a) => `files import one another in a circle: ${a.cycle}`),
  // ---- compile-time values
  GM2017: code<{ what: string }>("error", "Not known at compile time", (a) => `${a.what} must be known at compile time`),
  GM2018: code<{ what: string; expected: string; found: string }>(
    "error",
    "Value out of range",
    (a) => `${a.what} must be ${a.expected}, found ${a.found}`,
  ),
  GM2019: code<{ shape: string; count: number }>(
    "error",
    "Tensor too large",
    (a) => `a tensor of shape ${a.shape} has ${a.count} entries; the limit is 2147483648 (2^31)`,
  ),
  GM2020: code<{ index: string; list: string; length: number }>(
    "error",
    "List index out of range",
    (a) => `\`${a.list}\` has ${a.length} entries, there is no entry ${a.index}`,
  ),
  GM2021: code<{ name: string }>("error", "Unknown domain", (a) => `there is no domain \`${a.name}\``),
  GM2022: code<{ problem: string }>("error", "Domain does not fit", (a) => a.problem),
  GM2023: code<{ problem: string }>("error", "Range cannot be spelled out", (a) => `this range cannot be spelled out: ${a.problem}`),
  // ---- arguments
  GM2024: code<{ what: string; missing: string }>("error", "Missing argument", (a) => `${a.what} is missing ${a.missing}`),
  GM2025: code<{ what: string; most: number; given: number }>(
    "error",
    "Too many arguments",
    (a) =>
      `${a.what} takes ${a.most === 0 ? "no arguments" : a.most === 1 ? "one argument" : `at most ${a.most} arguments`}, ${a.given} given`,
  ),
  GM2026: code<{ what: string; name: string }>("error", "Unknown argument", (a) => `${a.what} has no argument \`${a.name}\``),
  GM2027: code<{ what: string; name: string }>("error", "Argument given twice", (a) => `\`${a.name}\` of ${a.what} is given twice`),
  GM2028: code<{ expected: string; found: string }>("error", "Wrong kind of value", (a) => `expected ${a.expected}, found ${a.found}`),
  GM2029: code<{ name: string; what: string }>("error", "Unknown function", (a) => `there is no ${a.what} called \`${a.name}\``),
  GM2030: code<{ what: string; expected: string; found: string }>(
    "error",
    "Input of the wrong shape",
    (a) => `${a.what} takes ${a.expected}, found ${a.found}`,
  ),
  GM2031: code<{ what: string; problem: string }>("error", "Layer does not fit", (a) => `${a.what} does not fit: ${a.problem}`),
  // ---- records, labels, indices
  GM2034: code<{ field: string; fields: string }>(
    "error",
    "Unknown field",
    (a) => `the record has no field \`${a.field}\`; it has ${a.fields}`,
  ),
  GM2035: code<{ field: string; found: string }>(
    "error",
    "Field of something that is no record",
    (a) => `\`.${a.field}\` is read of ${a.found}, which is no record`,
  ),
  GM2036: code<{ found: string }>("error", "Record where a tensor is wanted", (a) => `a tensor is wanted here, found ${a.found}`),
  GM2037: code<{ what: string }>(
    "error",
    "Label used as a number",
    (a) => `${a.what} takes numbers; this is a label of a category, whose number means nothing`,
  ),
  GM2038: code<{ index: string; size: string }>(
    "error",
    "Index out of range",
    (a) => `position ${a.index} is outside an axis of ${a.size}`,
  ),
  GM2039: code<{ what: string; expected: string; found: string }>(
    "error",
    "Wrong index",
    (a) => `${a.what} takes ${a.expected}, found ${a.found}`,
  ),
  GM2040: code<{ rows: string; classes: string }>(
    "error",
    "Table does not have a row for each class",
    (a) => `a table of ${a.rows} rows is indexed by a label of ${a.classes} classes`,
  ),
  GM2041: code<{ name: string; first: string; second: string }>(
    "error",
    "Net called with two shapes",
    (a) => `\`${a.name}\` shares its weights between all its calls, and this one has another shape: expected ${a.first}, found ${a.second}`,
  ),
  GM2043: code<{ what: string; name: string }>("warning", "Net never called", (a) => `nothing calls the ${a.what} \`${a.name}\``),
  GM2044: code<{ from: string; fromCount: number; to: string; toCount: number }>(
    "error",
    "Reshape changes the number of entries",
    (a) => `${a.from} has ${a.fromCount} entries and cannot become ${a.to} with ${a.toCount}`,
  ),
  GM2045: code<{ name: string; members: string }>(
    "error",
    "Family where one member is wanted",
    (a) => `\`${a.name}\` stands for several: ${a.members}`,
  ),
  GM2046: code<{ name: string; index: string; range: string }>(
    "error",
    "No such member",
    (a) => `there is no \`${a.name}[${a.index}]\`: ${a.range}`,
  ),
  GM2047: code<{ what: string; axis: string; shape: string }>(
    "error",
    "No such axis",
    (a) => `${a.what}: there is no axis ${a.axis} in ${a.shape}`,
  ),
  GM2048: code<{ what: string; expected: string; found: string }>(
    "error",
    "Truth values and numbers",
    (a) => `${a.what} takes ${a.expected}, found ${a.found}`,
  ),
  GM2050: code<{ what: string; found: string }>("error", "Label wanted", (a) => `${a.what} takes a label of a category, found ${a.found}`),
  GM2051: code<{ name: string }>(
    "error",
    "Condition on something that is no density",
    (a) => `\`${a.name}\` is no density, so nothing stands after \`|\``,
  ),
  GM2052: code<{ what: string; block: string }>(
    "error",
    "Weights without an owner",
    (a) => `${a.what} has weights, and nothing in \`${a.block}\` can own them`,
  ),
  GM2053: code<{ name: string; role: string; net: string }>(
    "error",
    "Net reads a variable",
    (a) => `\`${a.name}\` is ${a.role} of the model, out of reach for the net \`${a.net}\``,
  ),
  GM2054: code<{ name: string }>(
    "error",
    "Schedule inside an expression",
    (a) => `\`${a.name}\` is a schedule: it is an argument of an objective or a learning rate, not part of an expression`,
  ),
  GM2055: code<{ found: string }>("error", "Start of a parameter", (a) => `a parameter cannot start from \`${a.found}\``),
  GM2056: code<{ domain: string; found: string }>(
    "error",
    "Start outside the domain",
    (a) => `a \`${a.domain}\` parameter cannot start from ${a.found}`,
  ),
  // ---- train and evaluate
  GM2060: code<{ name: string; where: string }>("error", "Unknown setting", (a) => `${a.where} has no setting \`${a.name}\``),
  GM2061: code<{ name: string }>("error", "Unknown optimiser", (a) => `there is no optimiser called \`${a.name}\``),
  GM2062: code<{ what: string; expected: string; found: string }>(
    "error",
    "Setting of the wrong kind",
    (a) => `${a.what} must be ${a.expected}, found ${a.found}`,
  ),
  GM2063: code<{ name: string }>("error", "Unknown schedule", (a) => `there is no schedule called \`${a.name}\``),
  GM2064: code("error", "Nothing to train", () => "the train block has no `maximize` or `minimize` statement"),
  GM2065: code("error", "Statement outside the phases", () => "a train block is a list of phases or a list of statements, not both"),
  GM2066: code<{ name: string }>("error", "No such weights", (a) => `there are no weights called \`${a.name}\``),
  GM2067: code<{ found: string }>(
    "error",
    "Nothing that can be trained",
    (a) => `nets, flows, parameters and densities have weights; ${a.found} has none`,
  ),
  GM2068: code<{ found: string }>("error", "Estimator expected", (a) => `expected the name of an estimator, found \`${a.found}\``),
  GM2069: code<{ name: string }>("error", "Estimator of data", (a) => `\`${a.name}\` is observed: estimators are chosen for latents`),
  GM2070: code<{ problem: string }>("error", "Constraint that cannot hold", (a) => `this constraint cannot be kept: ${a.problem}`),
  GM2086: code<{ what: string; why: string }>("error", "Order that is none", (a) => `${a.what} is no order: ${a.why}`),
  GM2087: code<{ what: string; name: string }>(
    "warning",
    "Variable that nothing uses",
    (a) => `nothing in the model uses the ${a.what} \`${a.name}\``,
  ),
} as const satisfies Record<`GM2${string}`, CodeEntry<never>>;
