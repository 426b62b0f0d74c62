/** Names and scripts in LaTeX's mathematics: Greek letters by their commands, numbers at the end of a name as subscripts, one script of a kind each. */

/** Letters that TeX has commands for, by the command; names of the language may be either. Others of the Greek alphabet look like Latin ones. */
const LETTERS: Readonly<Record<string, string>> = {
  alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ϵ", varepsilon: "ε", zeta: "ζ", eta: "η", theta: "θ", vartheta: "ϑ", iota: "ι",
  kappa: "κ", lambda: "λ", mu: "μ", nu: "ν", xi: "ξ", pi: "π", varpi: "ϖ", rho: "ρ", varrho: "ϱ", sigma: "σ", varsigma: "ς", tau: "τ",
  upsilon: "υ", phi: "ϕ", varphi: "φ", chi: "χ", psi: "ψ", omega: "ω", Gamma: "Γ", Delta: "Δ", Theta: "Θ", Lambda: "Λ", Xi: "Ξ", Pi: "Π",
  Sigma: "Σ", Upsilon: "Υ", Phi: "Φ", Psi: "Ψ", Omega: "Ω", ell: "ℓ",
}; // prettier-ignore

/** Greek letters that are written as Latin ones. */
const LATIN: Readonly<Record<string, string>> = {
  Α: "A", Β: "B", Ε: "E", Ζ: "Z", Η: "H", Ι: "I", Κ: "K", Μ: "M", Ν: "N", Ο: "O", Ρ: "P", Τ: "T", Χ: "X", ο: "o",
}; // prettier-ignore

// the micro sign is another character than the letter
const COMMANDS = new Map<string, string>([
  ...Object.entries(LETTERS).map(([name, letter]) => [letter, `\\${name}`] as const),
  ["µ", "\\mu"],
]);

/** A name of the model: `z[1]` is `z_{1}`, `theta` and `θ` are `\theta`, `h2[3]` is `h_{2, 3}`, `z_lat` is `\mathrm{z\_lat}`. */
export function latexName(text: string): string {
  const family = /^(.*)\[(.*)\]$/u.exec(text);
  if (family) return indexedName(latexName(family[1] ?? ""), latexText(family[2] ?? ""));
  const mean = /^mean\((.*)\)$/u.exec(text);
  if (mean) return `\\mu_{${latexName(mean[1] ?? "")}}`;
  const letter = COMMANDS.get(text) ?? LATIN[text];
  if (letter !== undefined) return letter;
  if (Object.hasOwn(LETTERS, text) && text !== "ell") return `\\${text}`;
  const numbered = /^(\p{L}+)(\d+)$/u.exec(text);
  if (numbered) return indexedName(latexName(numbered[1] ?? ""), numbered[2] ?? "");
  return /^\p{ASCII}$/u.test(text) && text !== "_" ? text : roman("\\mathrm", text);
}

/** What is written upright, with what means something to TeX escaped: `\operatorname{layer\_norm}`. */
export function roman(command: string, text: string): string {
  const escaped = Array.from(text, (c) =>
    COMMANDS.has(c) ? `{${COMMANDS.get(c)}}` : (LATIN[c] ?? (/[_%#&$]/u.test(c) ? `\\${c}` : c)),
  ).join("");
  // letters of other alphabets are in fonts for text alone
  return /^\p{ASCII}*$/u.test(escaped)
    ? `${command}{${escaped}}`
    : `\\text{${Array.from(text, (c) => (COMMANDS.has(c) ? `$${COMMANDS.get(c)}$` : /[_%#&$]/u.test(c) ? `\\${c}` : c)).join("")}}`;
}

/** A count or an index as it is written, `2 * K`, with its names as names. */
export function latexText(text: string): string {
  return text.replaceAll(/(?<!\d)[\p{L}_][\p{L}\p{N}_]*/gu, (name) => latexName(name)).replaceAll("*", "\\cdot");
}

/** A base with a subscript or a superscript more: in braces where it has one of the kind, which TeX takes once. */
export function scripted(base: string, kind: "_" | "^", script: string): string {
  return `${scriptsOf(base).some((s) => s.startsWith(kind)) ? `{${base}}` : base}${kind}{${script}}`;
}

/** The subscripts of a name and one more, as one. */
function indexedName(name: string, index: string): string {
  const own = scriptsOf(name).find((s) => s.startsWith("_"));
  return own !== undefined && name.endsWith(own) ? `${name.slice(0, -1)}, ${index}}` : scripted(name, "_", index);
}

/** `_{…}` and `^{…}` at the end of a text, last first. */
function scriptsOf(text: string): readonly string[] {
  const found: string[] = [];
  let end = text.length;
  while (text[end - 1] === "}") {
    let depth = 0;
    let at = end - 1;
    for (; at >= 0; at--) {
      if (text[at] === "}" && text[at - 1] !== "\\") depth++;
      if (text[at] === "{" && text[at - 1] !== "\\" && --depth === 0) break;
    }
    if (at < 1 || (text[at - 1] !== "_" && text[at - 1] !== "^")) break;
    found.push(text.slice(at - 1, end));
    end = at - 1;
  }
  return found;
}
