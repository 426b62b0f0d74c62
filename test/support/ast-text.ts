/** A syntax tree as text without places: for golden files and for comparing trees. */

type Plain = Readonly<Record<string, unknown>>;

const left = new Set(["span", "opSpan", "file"]);

/** `(call callee: f args: [(name x)])`, one statement or declaration a line. */
export function treeText(value: unknown, margin = ""): string {
  if (Array.isArray(value)) {
    const items = value.map((item) => treeText(item, `${margin}  `));
    const joined = `[${items.join(" ")}]`;
    return joined.length + margin.length <= 110 && !joined.includes("\n")
      ? joined
      : `[\n${items.map((item) => `${margin}  ${item}`).join("\n")}\n${margin}]`;
  }
  if (value === null || typeof value !== "object") return typeof value === "string" ? JSON.stringify(value) : String(value);
  const node = value as Plain;
  const fields = Object.entries(node).filter(([key, field]) => !left.has(key) && key !== "kind" && field !== undefined);
  if (node["kind"] === undefined && fields.length === 1 && fields[0]?.[0] === "name" && typeof fields[0][1] === "string")
    return fields[0][1];
  if (node["kind"] === "name" && fields.length === 1) return String(node["name"]);
  if (node["kind"] === "number" || node["kind"] === "boolean") return String(node["value"]);
  const kind = typeof node["kind"] === "string" ? [node["kind"]] : [];
  const parts = [...kind, ...fields.map(([key, field]) => `${key}: ${treeText(field, `${margin}  `)}`)];
  const joined = `(${parts.join(" ")})`;
  return joined.length + margin.length <= 110 && !joined.includes("\n") ? joined : `(${parts.join(`\n${margin}  `)})`;
}
