/** `at_most_one` -> `atMostOne`: the runtime's spelling of a name of the language. */
export function camel(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
