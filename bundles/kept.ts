/**
 * What esbuild makes of sources, kept: bundling takes seconds of a processor, and the same sources always make the same files. What is kept
 * is given only where everything that esbuild can have looked at is what it was, byte for byte, and so is it. The commands of this
 * machine keep them; a deployment to AWS bundles each time, so that the sources alone decide what runs there.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { build, version, type BuildOptions } from "esbuild";

/** The first line of what is kept; the files follow it, one after another. */
interface Head {
  /** What was read, by paths from the root. */
  inputs: string[];
  /** Of what was looked at. */
  seen: string;
  /** How many bytes each has, by its path from the root. */
  files: [path: string, bytes: number][];
  /** Of the files. */
  digest: string;
}

/** Which, and how they are bundled: in words alone, since what a plugin does cannot be compared. */
export type Sources = Omit<
  BuildOptions,
  "absWorkingDir" | "outdir" | "write" | "metafile" | "tsconfigRaw" | "logLevel" | "plugins"
>;

type Files = ReadonlyMap<string, Buffer>;

const digestOf = (content: Buffer): string => createHash("sha256").update(content).digest("hex");

/**
 * The files that esbuild makes, by their paths from the root.
 * @param root where the sources are, and their packages in node_modules; its own path must not show in what is made
 * @param keptIn a directory of files, one for the same request: what is made of changed sources takes the place of what was kept before
 */
export async function built(
  root: string,
  sources: Sources,
  keptIn: string | undefined = besidePackages(root),
): Promise<Files> {
  const asked = JSON.stringify([version, root, sources]);
  const file = keptIn === undefined ? undefined : join(keptIn, digestOf(Buffer.from(asked)));
  const kept = file === undefined ? undefined : read(file, root);
  if (kept) return kept;
  const began = Date.now();
  const { outputFiles, metafile } = await build({
    ...sources,
    absWorkingDir: root,
    // Nothing is written there: it tells the texts apart.
    outdir: root,
    write: false,
    metafile: true,
    // What this program happens to be run with must not change what it bundles.
    tsconfigRaw: { compilerOptions: { target: "es2022" } },
    logLevel: "silent",
  });
  const files = new Map(outputFiles.map(({ path, contents }) => [relative(root, path), asBuffer(contents)]));
  const inputs = Object.keys(metafile.inputs).sort();
  if (file !== undefined) write(file, root, inputs, files, began);
  return files;
}

/**
 * Where the commands of this machine keep them, whom the variable tells to; undefined where nothing is kept. What is kept is believed as the
 * packages are: who may write there may write them, and no variable, set in whatever shell, leads elsewhere.
 */
const besidePackages = (root: string): string | undefined =>
  process.env["AUTHENSOR_BUNDLES"] === "kept" ? join(root, packages, ".cache/bundles") : undefined;

const asBuffer = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length);

/** Whether it is still what it was when esbuild read it: nothing that was written since, and no directory in which a name came or went. */
function isSettled(path: string, began: number): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && found.ctimeMs < began - clockTick;
}

/** By how much a file system's clock may be behind. */
const clockTick = 20;

function read(file: string, root: string): Files | undefined {
  try {
    const content = readFileSync(file);
    const end = content.indexOf("\n");
    const { inputs, seen, files, digest } = JSON.parse(content.toString("utf8", 0, end)) as Head;
    const all = content.subarray(end + 1);
    if (digestOf(all) !== digest || look(root, inputs).digest !== seen) return undefined;
    let at = 0;
    return new Map(files.map(([path, bytes]) => [path, all.subarray(at, (at += bytes))]));
  } catch {
    return undefined; // nothing is kept, or a source is gone, which esbuild says better
  }
}

function write(file: string, root: string, inputs: string[], files: Files, began: number): void {
  try {
    const { digest: seen, paths } = look(root, inputs);
    // Only now: what changes between a look and this is seen by this.
    if (!paths.every((path) => isSettled(join(root, path), began))) return;
    const all = Buffer.concat([...files.values()]);
    const head: Head = {
      ...{ inputs, seen, digest: digestOf(all) },
      files: [...files].map(([path, { length }]) => [path, length]),
    };
    mkdirSync(dirname(file), { recursive: true });
    // By a name of its own: two commands may do this at a time.
    writeFileSync(`${file}.${process.pid}`, Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), all]));
    renameSync(`${file}.${process.pid}`, file);
  } catch {
    // a checkout that cannot be written to only costs time
  }
}

/** What tools keep beside sources (.cache, .local, .git) is not. */
const isImportable = (name: string) => !name.startsWith(".");

/**
 * Everything that decides what an import leads to and what is in it, and a digest of it: the files themselves, and of each directory on the
 * way to them the names in it, of which another one might be found first, and its package.json; of its packages too, which are nearer
 * than what was found further up.
 */
function look(root: string, inputs: readonly string[]): { digest: string; paths: string[] } {
  const hash = createHash("sha256");
  const paths: string[] = [];
  const add = (path: string) => {
    const content = readFileSync(join(root, path));
    hash.update(`${path}\0${content.length}\0`).update(content);
    paths.push(path);
  };
  const directories = new Set<string>();
  for (const path of inputs) {
    add(path);
    for (let above = dirname(path); !directories.has(above); above = dirname(above)) directories.add(above);
  }
  // Also those that are added meanwhile.
  for (const directory of directories) {
    const names = readdirSync(join(root, directory)).filter(isImportable).sort();
    hash.update(`${directory}\0${names.join("\0")}\0`);
    paths.push(directory);
    if (names.includes("package.json")) add(join(directory, "package.json"));
    const isOfPackages = (name: string) =>
      name === packages || (basename(directory) === packages && name.startsWith("@"));
    for (const name of names.filter(isOfPackages)) directories.add(join(directory, name));
  }
  return { digest: hash.digest("hex"), paths };
}

const packages = "node_modules";
