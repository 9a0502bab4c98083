import { createHash } from "node:crypto";
import { mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { build, version } from "esbuild";
import { readIfThere, writeWhole } from "../host/files";
import type { ServiceUser } from "../host/user";

/** What was bundled is kept here, with what went into it. */
const keptIn = join(__dirname, "../../node_modules/.cache/local-cloud");

interface Kept {
  /** By its path, when each file was written, and how long it is. */
  inputs: Record<string, string | undefined>;
  text: string;
}

/**
 * One file of plain JavaScript starts in a fraction of the time that a TypeScript loader takes. It is made anew only where something that
 * goes into it was written since: bundling takes half a second of a processor, and each run has several.
 */
export async function bundle(source: string, external: string[] = []): Promise<Buffer> {
  const began = Date.now();
  const asked = JSON.stringify([version, process.cwd(), source, external]);
  const file = join(keptIn, `${createHash("sha256").update(asked).digest("hex")}.json`);
  const kept = read(file);
  if (kept && Object.entries(kept.inputs).every(([path, stamp]) => stampOf(path) === stamp))
    return Buffer.from(kept.text);
  const { outputFiles, metafile } = await build({
    entryPoints: [source],
    write: false,
    metafile: true,
    bundle: true,
    platform: "node",
    target: "node20",
    external: ["pg-native", ...external],
    logLevel: "silent",
  });
  const { text } = outputFiles[0]!;
  const inputs = Object.keys(metafile.inputs).map((path) => [resolve(path), stampOf(resolve(path), began)] as const);
  if (inputs.every(([, stamp]) => stamp !== undefined)) write(file, { inputs: Object.fromEntries(inputs), text });
  return Buffer.from(text);
}

/** Undefined where it is not there, or was written after that moment: then it may be another one than was read. */
function stampOf(path: string, before = Infinity): string | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found || Math.max(found.mtimeMs, found.ctimeMs) >= before) return undefined;
  return `${found.mtimeMs} ${found.ctimeMs} ${found.size}`;
}

function read(file: string): Kept | undefined {
  const text = readIfThere(file);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Kept);
  } catch {
    return undefined; // of a machine that was lost while it was written
  }
}

function write(file: string, kept: Kept): void {
  try {
    mkdirSync(dirname(file), { recursive: true });
    // By a name of its own: two commands may do this at a time.
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(kept));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // a checkout that cannot be written to only costs time
  }
}

/** Returns whether it is another one than was there. */
export function writeBundle(content: Buffer, target: string, owner?: ServiceUser): boolean {
  mkdirSync(dirname(target), { recursive: true });
  return writeWhole(target, content, { mode: 0o644, owner });
}

export async function bundled(source: string, target: string, external: string[] = []): Promise<string> {
  writeBundle(await bundle(source, external), target);
  return target;
}
