/** What TeX would refuse in a formula, or set as something else than is meant. */

/** The faults of a formula of mathematics, by a scan: groups and fences that do not close, two scripts of one kind, characters without a font. */
export function latexFaults(text: string): readonly string[] {
  const faults: string[] = [];
  const tokens = text.match(/\\[A-Za-z]+|\\.|\s+|./gsu) ?? [];
  let at = 0;
  const group = (closing: string | undefined): void => {
    // scripts of the nucleus that stands before
    let scripts = new Set<string>();
    for (; at < tokens.length; at++) {
      const token = tokens[at]!;
      if (/^\s+$/u.test(token)) continue;
      if (token === closing) return;
      if (token === "}") faults.push("a brace closes nothing");
      else if (token === "_" || token === "^") {
        if (scripts.has(token))
          faults.push(`double ${token === "_" ? "subscript" : "superscript"} at ${tokens.slice(Math.max(0, at - 12), at + 5).join("")}`);
        scripts.add(token);
        at++;
        if (tokens[at] === "{") {
          at++;
          group("}");
        } else if (tokens[at] === undefined || /^[\s}_^]/u.test(tokens[at]!)) faults.push("a script of nothing");
      } else if (token === "{") {
        at++;
        group("}");
        scripts = new Set();
      } else if (/^\\(mathrm|text|operatorname)$/u.test(token)) {
        const inside = /^\{((?:[^{}]|\{[^{}]*\})*)\}/u.exec(tokens.slice(at + 1).join(""));
        if (!inside) faults.push(`${token} of nothing`);
        else {
          if (/(?<!\\)[_%#&^]/u.test(inside[1]!)) faults.push(`a special character in ${token}{${inside[1]}}`);
          let length = 0;
          while (length < inside[0].length) length += tokens[++at]!.length;
        }
        scripts = new Set();
      } else {
        if (/[^\x20-\x7e]/u.test(token)) faults.push(`the character ${token}`);
        if (/^[%#&$]$/u.test(token)) faults.push(`the character ${token}`);
        if (
          /^[A-Za-z]$/u.test(token) &&
          /^[A-Za-z0-9]$/u.test(tokens[at + 1] ?? "") &&
          !/^[\d.]+e$/u.test(
            tokens
              .slice(at - 2, at + 1)
              .join("")
              .trim(),
          )
        )
          faults.push(`letters side by side: ${tokens.slice(at, at + 8).join("")}`);
        scripts = new Set();
      }
    }
    if (closing !== undefined) faults.push("a brace is not closed");
  };
  group(undefined);
  if (tokens.filter((t) => t === "\\left").length !== tokens.filter((t) => t === "\\right").length) faults.push("\\left without \\right");
  return faults;
}

/** Every `latex` in what `gmc explain --json` gives. */
export function latexIn(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, v]) => (key === "latex" && typeof v === "string" ? [v] : latexIn(v)));
}
