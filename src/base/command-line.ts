/** Command lines that a message or a generated file tells its reader to run. */

/** ` --set H=400 --set Zs=[100,50]`, as it would be typed after a command; nothing where nothing is set. */
export function setOptions(set: Readonly<Record<string, number | boolean | readonly number[]>>): string {
  return Object.entries(set)
    .map(([name, value]) => ` --set ${name}=${typeof value === "object" ? `[${value.join(",")}]` : value}`)
    .join("");
}

/** What makes another model of the same file: ` --model B --set H=400`. */
export function choiceOptions(options: { readonly model?: string; readonly set?: Parameters<typeof setOptions>[0] }): string {
  return `${options.model === undefined ? "" : ` --model ${options.model}`}${setOptions(options.set ?? {})}`;
}
