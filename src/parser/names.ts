/** Which names the language refuses because JavaScript, into which models are compiled, treats them specially. */

const reserved: ReadonlySet<string> = new Set([
  ...["__proto__", "constructor", "prototype", "__defineGetter__", "__defineSetter__", "__lookupGetter__", "__lookupSetter__"],
  ...["break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "export", "extends"],
  ...["false", "finally", "for", "function", "if", "import", "in", "instanceof", "new", "null", "return", "super", "switch", "this"],
  ...["throw", "true", "try", "typeof", "var", "void", "while", "with"],
  ...["implements", "interface", "let", "package", "private", "protected", "public", "static", "yield", "await", "async"],
  ...["arguments", "eval", "undefined", "NaN", "Infinity", "globalThis"],
]);

/** Whether a name is one that JavaScript reserves or gives a meaning of its own. */
export function isReservedName(name: string): boolean {
  return reserved.has(name);
}
