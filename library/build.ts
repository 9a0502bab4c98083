/** Makes what the package is published with, in `dist`: compiled components, the programs as they run, the migrations. */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { bundleMigrations, bundleOps } from "../components/programs/opsBundle";
import { sources } from "../components/programs/sources";
import { migrationsFile, programFile } from "./bundled";

const root = dirname(__dirname);
const dist = join(__dirname, "dist");

async function build() {
  rmSync(dist, { recursive: true, force: true });
  const tsc = require.resolve("typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", __dirname], { stdio: "inherit" });

  mkdirSync(join(dist, "programs"));
  const texts = await bundleOps(sources, root);
  for (const source of sources) writeFileSync(join(dist, programFile(source)), texts[source]);
  writeFileSync(join(dist, migrationsFile), JSON.stringify(bundleMigrations(join(root, "sql"))));
}

void build();
