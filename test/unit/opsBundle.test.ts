import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { bundleMigrations, bundleOps } from "../../components/programs/opsBundle";
import { scheduledSources } from "../../components/programs/scheduledNames";

vi.unmock("../../components/programs/opsBundle");

const root = join(__dirname, "../..");
let scratch: string;
beforeAll(() => {
  vi.stubEnv("AUTHENSOR_BUNDLES", undefined); // made anew each time, as in a deployment
  scratch = mkdtempSync(join(tmpdir(), "ops-bundle-"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(scratch, { recursive: true });
});

/** A project of its own with one program and this one's packages. */
function project(name: string, source: string): string {
  const directory = join(scratch, name);
  mkdirSync(join(directory, "ops"), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  writeFileSync(join(directory, "ops/hello.ts"), source);
  return directory;
}
const hello = 'import pg from "pg";\nconst kind: string = typeof pg.Client;\nconsole.log("käse", kind);\n';

describe("a bundle", () => {
  test("is one file that runs on Node alone, with its packages in it", async () => {
    const directory = project("alone", hello);
    const file = join(scratch, "alone.js");
    writeFileSync(file, (await bundleOps(["hello"], directory)).hello);
    // Elsewhere, so that no node_modules can be found above it.
    expect(execFileSync(process.execPath, [file], { cwd: "/", encoding: "utf8", env: {} })).toBe("käse function\n");
  });

  test("is the same text wherever the same source lies", async () => {
    const [here, there] = [project("here", hello), project("there/deeper", hello)];
    const text = (await bundleOps(["hello"], here)).hello;
    expect((await bundleOps(["hello"], there)).hello).toBe(text);
    expect((await bundleOps(["hello"], here)).hello).toBe(text);
    expect(text).not.toContain(scratch);
  });

  test("is the same text whether it is made alone or together with others", async () => {
    const programs = ["partitions", "migrate", "guard"] as const;
    const together = await bundleOps(programs, root);
    expect(Object.keys(together)).toEqual(programs);
    for (const program of programs) expect(together[program]).toBe((await bundleOps([program], root))[program]);
  });

  test("changes with the source", async () => {
    const changed = project("changed", hello.replace("käse", "brot"));
    expect((await bundleOps(["hello"], changed)).hello).not.toBe(
      (await bundleOps(["hello"], project("unchanged", hello))).hello,
    );
  });

  test("that would not fit into a ConfigMap is refused with its size", async () => {
    const large = project("large", `console.log(${JSON.stringify("x".repeat(1024 * 1024))});\n`);
    await expect(bundleOps(["hello"], large)).rejects.toThrow(
      /ops\/hello\.ts: 10\d{5} bytes do not fit into a ConfigMap; the most is 1048576/,
    );
  });

  test("of each program leaves room in a ConfigMap of 1 MiB, and keeps the names that its source has", async () => {
    const bundles = await bundleOps(["reboot", "migrate", "guard", "monitor", ...scheduledSources], root);
    const sizes = Object.entries(bundles).map(([program, text]) => [program, Buffer.byteLength(text)] as const);
    expect(sizes.filter(([, bytes]) => bytes > 1_000_000)).toEqual([]);
    expect(bundles.monitor).toContain("publishEverySeconds");
    expect(bundles.archive).not.toMatch(/SmithyMessageDecoderStream/);
  });

  test("of a program that does not exist, or does not compile, fails and says why", async () => {
    await expect(bundleOps(["nothing"], root)).rejects.toThrow(/Could not resolve "ops\/nothing\.ts"/);
    const broken = project("broken", 'import "not-a-package";');
    await expect(bundleOps(["hello"], broken)).rejects.toThrow(/Could not resolve "not-a-package"/);
  });

  test.each(["migrate", "partitions"])("of ops/%s.ts runs on Node alone and explains itself", async (command) => {
    const file = join(scratch, `${command}.js`);
    writeFileSync(file, (await bundleOps([command], root))[command]!);
    const help = execFileSync(process.execPath, [file, "--help"], { cwd: "/", encoding: "utf8", env: {} });
    expect(help).toMatch(/DATABASE_URL/);
  });
});

describe("the migrations of a directory", () => {
  const write = (name: string, files: Record<string, string>) => {
    const directory = join(scratch, name);
    mkdirSync(directory);
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
    return directory;
  };

  const a = "select 1;\n";

  test("are its numbered files, in order; a dump or a note beside them is not one", () => {
    const directory = write("some", { "002_b.sql": "select 2;", "001_a.sql": a, "schema.sql": "x", "README.md": "y" });
    const { files, hash } = bundleMigrations(directory);
    expect(Object.entries(files)).toEqual([
      ["001_a.sql", a],
      ["002_b.sql", "select 2;"],
    ]);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ["hyphen", { "001_a.sql": a, "002-typo.sql": a }, /002-typo\.sql: not named NNN_slug\.sql, for example/],
    ["two digits", { "001_a.sql": a, "02_b.sql": a }, /02_b\.sql: not named/],
    ["capitals", { "001_a.sql": a, "002_B.SQL": a }, /002_B\.SQL: not named/],
    ["no number", { "001_a.sql": a, "fix.sql": a }, /fix\.sql: not named/],
    ["gap", { "001_a.sql": a, "003_c.sql": a }, /003_c\.sql: number 2 is missing before it/],
    ["duplicate", { "001_a.sql": a, "001_b.sql": a }, /001_b\.sql: number 1 is taken by 001_a\.sql/],
    ["nothing in it", { "001_a.sql": "-- later\n/* or\n never */\n" }, /001_a\.sql: contains no statement/],
    ["none", { "schema.sql": a }, /no migrations in /],
  ])("are refused in one line, nothing left out in silence: %s", (name, files, message) => {
    const build = () => bundleMigrations(write(`refused ${name}`, files));
    expect(build).toThrow(message);
    rmSync(join(scratch, `refused ${name}`), { recursive: true });
    expect(build).toThrow(
      expect.objectContaining({ __pulumiRunError: true, message: expect.not.stringContaining("\n") as unknown }),
    );
  });

  test("have a hash that follows names and contents, and nothing else", () => {
    const hash = (name: string, files: Record<string, string>) => bundleMigrations(write(name, files)).hash;
    const original = hash("h0", { "001_a.sql": a, "002_b.sql": a });
    expect(hash("h1", { "002_b.sql": a, "001_a.sql": a, "notes.txt": "n" })).toBe(original);
    expect(hash("h2", { "001_a.sql": a.replace("\n", "\r\n"), "002_b.sql": a })).toBe(original);
    const different = [
      hash("h3", { "001_a.sql": a, "002_b.sql": `${a} ` }),
      hash("h4", { "001_a.sql": a, "002_c.sql": a }),
      hash("h5", { "001_a.sql": a }),
      hash("h6", { "001_a.sql": `${a} `, "002_b.sql": a }),
    ];
    expect(new Set([original, ...different]).size).toBe(5);
  });

  test("must fit into one ConfigMap together", () => {
    const half = `select '${"-".repeat(600 * 1024)}'`;
    expect(() => bundleMigrations(write("much", { "001_a.sql": half, "002_b.sql": half }))).toThrow(
      /001_a\.sql, 002_b\.sql: 12\d{5} bytes do not fit/,
    );
  });

  test("of this project are all there", () => {
    const { files } = bundleMigrations(join(root, "sql"));
    const present = readdirSync(join(root, "sql")).filter((name) => /^\d.*\.sql$/.test(name));
    expect(Object.keys(files)).toEqual(present.sort());
  });
});
