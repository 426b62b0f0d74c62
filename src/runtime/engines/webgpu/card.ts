/**
 * Whether there may be a graphics card, told without Dawn: it is large to load, and on a machine without a card or a driver it writes of that to the
 * console, which a run that goes on elsewhere has no use for.
 */

/** Device files of Linux: cards by their kernel drivers, NVIDIA's own, Windows' under WSL, and those of phones and boards. */
const devices = ["dri", "nvidia0", "dxg", "kgsl-3d0", "mali0"];

/** False on a Linux without a device of a card. Elsewhere, browsers included, nothing is known beforehand. */
export async function mayHaveCard(names?: readonly string[]): Promise<boolean> {
  const { process } = globalThis as { readonly process?: { readonly platform?: string } };
  if (names === undefined && process?.platform !== "linux") return true;
  const found = names ?? (await deviceFiles());
  return found.some((name) => devices.includes(name));
}

async function deviceFiles(): Promise<readonly string[]> {
  const { readdir } = await import("node:fs/promises");
  // where they cannot be listed, Dawn will have to tell
  return readdir("/dev").catch(() => devices);
}
