/**
 * An npm registry on this machine that serves the packages of `node_modules`, so that `npm install` runs as a user's does, and nothing is fetched.
 * Versions and what they depend on are those of `package-lock.json`; a tarball is made of the installed folder when it is asked for.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { basename, dirname, join } from "node:path";
import { root } from "./cli.js";

interface Manifest {
  readonly name: string;
  readonly version: string;
}
export interface Registry {
  readonly url: string;
  readonly close: () => void;
}

/** Folders of every installed package by name, then by version. */
function installed(): Map<string, Map<string, string>> {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as { packages: Record<string, unknown> };
  const byName = new Map<string, Map<string, string>>();
  for (const path of Object.keys(lock.packages)) {
    const folder = join(root, path);
    // packages for other platforms are in the lock only
    if (path === "" || !existsSync(join(folder, "package.json"))) continue;
    const { name, version } = manifest(folder);
    const versions = byName.get(name) ?? new Map<string, string>();
    byName.set(name, versions.set(version, folder));
  }
  return byName;
}
const manifest = (folder: string): Manifest => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Manifest;

export async function serveInstalled(): Promise<Registry> {
  const packages = installed();
  const server = createServer((request, response) => {
    const [name = "", version] = decodeURIComponent(request.url ?? "")
      .slice(1)
      .split("/-/");
    const versions = packages.get(name);
    const folder = version === undefined ? undefined : versions?.get(version.replace(/\.tgz$/, ""));
    if (versions === undefined || (version !== undefined && folder === undefined)) {
      response.writeHead(404).end("{}");
    } else if (folder !== undefined) {
      response.writeHead(200, { "content-type": "application/octet-stream" });
      const inside = basename(folder);
      spawn("tar", ["-cz", "-C", dirname(folder), `--exclude=${inside}/node_modules`, inside]).stdout.pipe(response);
    } else {
      const described = [...versions].map(([v, at]) => [v, { ...manifest(at), dist: { tarball: `${url}/${name}/-/${v}.tgz` } }] as const);
      response
        .writeHead(200, { "content-type": "application/json" })
        .end(JSON.stringify({ name, "dist-tags": { latest: [...versions.keys()].at(-1) }, versions: Object.fromEntries(described) }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, close: () => server.close() };
}
