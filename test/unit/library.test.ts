/** The components as others install them: the package is packed, unpacked elsewhere with what it declares, and the examples use it. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bundleMigrations, bundleOps } from "../../components/programs/opsBundle";
import { sources } from "../../components/programs/sources";
import { componentPages, undescribed } from "../../library/pages";
import { record, type Values } from "./mocks";

const root = join(__dirname, "../..");
const installed = mkdtempSync(join(tmpdir(), "library-"));
const read = (path: string) => JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string>>;
const manifest = read(join(root, "library/package.json"));
const dependencies = Object.keys(manifest.dependencies!);
const packageName = manifest.name as unknown as string;
const examples = readdirSync(join(root, "examples"));

/** What the test's own machine has of a package, under the place where it is installed. */
function link(name: string) {
  const to = join(installed, "node_modules", name);
  mkdirSync(dirname(to), { recursive: true });
  symlinkSync(join(root, "node_modules", name), to);
}

beforeAll(() => {
  const packed = execFileSync("npm", ["pack", "--pack-destination", installed, "--json"], {
    cwd: join(root, "library"),
    encoding: "utf8",
  });
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf("["))) as [{ filename: string }];
  const into = join(installed, "node_modules", packageName);
  mkdirSync(into, { recursive: true });
  execFileSync("tar", ["-xzf", join(installed, filename), "-C", into, "--strip-components=1"]);
  for (const name of [...dependencies, "@types/node"]) link(name);
  cpSync(join(root, "examples"), join(installed, "examples"), { recursive: true });
});
afterAll(() => rmSync(installed, { recursive: true, force: true }));

const tsc = (...args: string[]) => {
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  return execFileSync(process.execPath, [compiler, ...args], { cwd: installed, encoding: "utf8" });
};

type Program = () => Promise<Values>;

describe("docs/components", () => {
  test("has a page for each component, as the types and comments are (npm run components)", () => {
    const directory = join(root, "docs/components");
    const written = readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), "utf8")] as const);
    expect(Object.fromEntries(written)).toEqual(componentPages());
  });

  test("says of each argument and each function what it is", () => {
    expect(undescribed()).toEqual([]);
  });
});

describe("the package", () => {
  test("needs nothing that this repository does not test it with", () => {
    const { dependencies: tested } = read(join(root, "package.json"));
    expect(tested).toMatchObject(manifest.dependencies!);
  });

  test("lets the examples compile against its types, and makes what they say from what it brings", async () => {
    const compilerOptions = {
      strict: true,
      target: "es2022",
      module: "node16",
      rootDir: "examples",
      outDir: "made",
      skipLibCheck: true,
    };
    writeFileSync(join(installed, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["examples"] }));
    tsc("-p", ".");

    const load = createRequire(join(installed, "index.js"));
    const bundles = await bundleOps(sources, root);
    const { files } = bundleMigrations(join(root, "sql"));
    for (const example of examples) {
      const world = await record(load(`./made/${example}`) as Program, {
        config: { "authensor-database:cluster": "platform" },
      });
      world.expectNothingSecretInPlain();
      const data = world.all("kubernetes:core/v1:ConfigMap").map(({ inputs }) => inputs.data);
      expect(data).toContainEqual(files);
      expect(data).toContainEqual({ "partitions.js": bundles.partitions });
    }
  });
});
