/** The pages of the documentation, and what stands in them: fenced blocks, links, headings. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Page {
  /** From the project's root: `docs/language.md`. */
  readonly path: string;
  readonly text: string;
}

export interface Block {
  readonly page: string;
  /** Line of the opening fence, from 1. */
  readonly line: number;
  /** What stands after the fence: `gm`, `gm-error`, `ts`. */
  readonly info: string;
  readonly text: string;
}

function page(path: string): Page {
  return { path, text: readFileSync(join(root, path), "utf8") };
}

const below = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .map((name) => `${folder}/${name.replaceAll("\\", "/")}`)
    .filter((name) => name.endsWith(".md"))
    .sort();

export const pages: readonly Page[] = ["README.md", "CHANGELOG.md", ...below("docs")].map(page);

export const errorPages: readonly Page[] = pages.filter((p) => /^docs\/errors\/GM\d{4}\.md$/.test(p.path));

/** Fenced blocks in order. */
export function blocksOf({ path, text }: Page): readonly Block[] {
  const found: Block[] = [];
  let open: { fence: string; info: string; line: number; body: string[] } | undefined;
  text.split("\n").forEach((line, i) => {
    const fence = /^\s*(`{3,})\s*(.*)$/.exec(line);
    if (open === undefined) {
      if (fence) open = { fence: fence[1] ?? "", info: (fence[2] ?? "").trim(), line: i + 1, body: [] };
    } else if (fence && (fence[1] ?? "").length >= open.fence.length && fence[2] === "") {
      found.push({ page: path, line: open.line, info: open.info, text: `${open.body.join("\n")}\n` });
      open = undefined;
    } else open.body.push(line);
  });
  return found;
}

/** The text without its fenced blocks. */
export function prose({ text }: Page): string {
  return text.replaceAll(/^\s*(`{3,})[^\n]*\n[\s\S]*?^\s*\1\s*$/gm, "");
}

export interface Link {
  readonly target: string;
  /** Project path of the file that it points to; undefined for an address elsewhere. */
  readonly file: string | undefined;
  readonly anchor: string | undefined;
}

export function linksOf(from: Page): readonly Link[] {
  const text = prose(from).replaceAll(/`[^`\n]*`/g, (code) => code.replaceAll(/[[\]()]/g, " "));
  return [...text.matchAll(/!?\[[^\]]*\]\(([^()\s]+)\)/g)].map((match) => {
    const target = match[1] ?? "";
    if (/^[a-z]+:/.test(target)) return { target, file: undefined, anchor: undefined };
    const [path = "", anchor] = target.split("#");
    return { target, file: path === "" ? from.path : normalize(join(dirname(from.path), path)).replaceAll("\\", "/"), anchor };
  });
}

/** Anchors of the headings, as GitHub makes them. */
export function anchorsOf(of: Page): ReadonlySet<string> {
  const seen = new Map<string, number>();
  const out = new Set<string>();
  for (const match of prose(of).matchAll(/^#{1,6}\s+(.+?)\s*$/gm)) {
    const plain = (match[1] ?? "").replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(/\s/g, "-");
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    out.add(count === 0 ? slug : `${slug}-${count}`);
  }
  return out;
}
