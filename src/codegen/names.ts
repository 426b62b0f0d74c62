/** Spelling of names in generated code. */

export function capital(text: string): string {
  return text.replace(/^./u, (c) => c.toUpperCase());
}
