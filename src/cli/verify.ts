/** Type-checks generated TypeScript against gmc's own declarations, in memory. Loads ts-morph, which takes a while. */
import { fileURLToPath } from "node:url";
import { ModuleKind, ModuleResolutionKind, Project, ScriptTarget } from "ts-morph";

/** Problems as `line:column message`; empty where it type-checks under --strict. */
export function verifyGenerated(source: string, text: string): readonly string[] {
  return verifyAll([{ source, text }])[0] ?? [];
}

/** The problems of each of several files, which are loaded together. */
export function verifyAll(generated: readonly { readonly source: string; readonly text: string }[]): readonly (readonly string[])[] {
  const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
  const suffix = import.meta.url.endsWith(".ts") ? ".ts" : ".d.ts";
  const project = new Project({
    compilerOptions: {
      strict: true,
      noUncheckedIndexedAccess: true,
      noEmit: true,
      skipLibCheck: true,
      target: ScriptTarget.ES2023,
      module: ModuleKind.NodeNext,
      moduleResolution: ModuleResolutionKind.NodeNext,
      paths: { "gmc/runtime": [here(`../runtime/index${suffix}`)] },
      types: [],
    },
    skipAddingFilesFromTsConfig: true,
  });
  const files = generated.map(({ source, text }) =>
    project.createSourceFile(here(`./verified-${source.replaceAll(/[^\p{L}\p{N}.]/gu, "_")}.ts`), text, { overwrite: true }),
  );
  return files.map((file) =>
    file.getPreEmitDiagnostics().map((d) => {
      const start = d.getStart();
      const at = start === undefined ? { line: 0, column: 0 } : file.getLineAndColumnAtPos(start);
      const message = d.getMessageText();
      return `${at.line}:${at.column} ${typeof message === "string" ? message : message.getMessageText()}`;
    }),
  );
}
