/** Reading `grammar/gm.ebnf`, so that tests can hold it against the parser. */

export type Ebnf =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "rule"; readonly name: string }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly Ebnf[] }
  | { readonly kind: "option" | "many"; readonly part: Ebnf };

/** The rules of a grammar by name, in order. */
export function readEbnf(text: string): ReadonlyMap<string, Ebnf> {
  const words = text.replaceAll(/\(\*[\s\S]*?\*\)/g, "").match(/"[^"]*"|'[^']*'|\w+|\S/g) ?? [];
  const rules = new Map<string, Ebnf>();
  let at = 0;
  const take = (expected?: string): string => {
    const word = words[at++] ?? "the end";
    if (expected !== undefined && word !== expected)
      throw new Error(`expected ${expected}, found ${word} after ${words.slice(at - 6, at).join(" ")}`);
    return word;
  };
  const choice = (): Ebnf => {
    const parts = [sequence()];
    while (words[at] === "|") {
      at++;
      parts.push(sequence());
    }
    return parts.length === 1 && parts[0] ? parts[0] : { kind: "choice", parts };
  };
  const sequence = (): Ebnf => {
    const parts: Ebnf[] = [];
    while (words[at] !== undefined && !["|", ")", "]", "}", ";"].includes(words[at] ?? "")) parts.push(part());
    return parts.length === 1 && parts[0] ? parts[0] : { kind: "sequence", parts };
  };
  const part = (): Ebnf => {
    const word = take();
    const close = { "(": ")", "[": "]", "{": "}" }[word];
    if (close !== undefined) {
      const inner = choice();
      take(close);
      return word === "(" ? inner : { kind: word === "[" ? "option" : "many", part: inner };
    }
    return /^["']/.test(word) ? { kind: "text", text: word.slice(1, -1) } : { kind: "rule", name: word };
  };
  while (at < words.length) {
    const name = take();
    take("=");
    if (rules.has(name)) throw new Error(`${name} is defined twice`);
    rules.set(name, choice());
    take(";");
  }
  return rules;
}

/** Everything that a rule names: texts in quotes, rules bare. */
export function mentions(rule: Ebnf): ReadonlySet<string> {
  switch (rule.kind) {
    case "text":
      return new Set([`"${rule.text}"`]);
    case "rule":
      return new Set([rule.name]);
    case "option":
    case "many":
      return mentions(rule.part);
    case "sequence":
    case "choice":
      return new Set(rule.parts.flatMap((part) => [...mentions(part)]));
  }
}
