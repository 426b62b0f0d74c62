/** The tables that the documentation is written from, loaded from the sources. */
import { fileURLToPath } from "node:url";
// @ts-expect-error a script without declarations
import { loadTables } from "../../scripts/docs-load.mjs";

export interface Tables {
  readonly registry: Readonly<Record<string, { readonly severity: string; readonly title: string }>>;
  readonly help: Readonly<Record<string, string>>;
}

const source = (path: string): string => fileURLToPath(new URL(`../../src/${path}.ts`, import.meta.url));

export const tables: Promise<Tables> = (loadTables as (load: (path: string) => Promise<unknown>) => Promise<Tables>)(
  (path) => import(/* @vite-ignore */ source(path)),
);
