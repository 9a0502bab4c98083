/** Programs are bundled once, and again as soon as anything that may go into them has changed. */
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { PluginBuild } from "esbuild";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { built, type Sources } from "../../bundles/kept";

let root: string;
let keptIn: string;

/** As long as before, and from before now: nothing but its content tells that it is another one. */
const write = (path: string, text: string) => {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  const passed = new Date(Date.now() - 60_000);
  utimesSync(file, passed, passed);
};
const settled = () => new Promise((resolve) => setTimeout(resolve, 60));
const sources = { entryPoints: ["ops/main.ts"], bundle: true, platform: "node", target: "node20" } as const;
const made = async () =>
  (await built(root, { ...sources, entryPoints: [...sources.entryPoints] }, keptIn)).get("main.js")!.toString();
/** What it does, in words; and whether it was bundled, after which another file is kept. */
const outcome = async () => {
  const kept = () => readdirSync(keptIn).map((name) => statSync(join(keptIn, name)).ino);
  const before = kept();
  const text = await made();
  const words = [...text.matchAll(/"(\w+)!"/g)].map(([, word]) => word);
  return { words, keptAnew: String(kept()) !== String(before) };
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "kept-"));
  keptIn = join(root, "kept");
  mkdirSync(keptIn);
  write("package.json", "{}");
  write("ops/main.ts", 'import { word } from "./words/imported"; import other from "other"; console.log(word, other);');
  write("ops/words/imported.ts", 'export const word = "one!";');
  write("node_modules/other/package.json", '{"main": "./lib/a.js"}');
  write("node_modules/other/lib/a.js", 'module.exports = "two!";');
  write("node_modules/other/lib/b.js", 'module.exports = "six!";');
  await settled();
  expect(await outcome()).toEqual({ words: ["two", "one"], keptAnew: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true });
});

test("what was bundled is not bundled again, and is the same to the byte", async () => {
  const first = await made();
  expect(await outcome()).toEqual({ words: ["two", "one"], keptAnew: false });
  expect(await made()).toBe(first);
});

test.each<[string, () => void, string[]]>([
  ["an import that changed", () => write("ops/words/imported.ts", 'export const word = "six!";'), ["two", "six"]],
  ["a package that changed", () => write("node_modules/other/lib/a.js", 'module.exports = "six!";'), ["six", "one"]],
  [
    "a package that leads elsewhere",
    () => write("node_modules/other/package.json", '{"main": "./lib/b.js"}'),
    ["six", "one"],
  ],
  [
    "a file that is found before the one that was read",
    () => write("ops/words/imported.tsx", 'export const word = "six!";'),
    ["two", "six"],
  ],
  [
    "a package that is nearer",
    () => write("ops/node_modules/other/index.js", 'module.exports = "six!";'),
    ["six", "one"],
  ],
])("%s is seen, however old it says it is", async (_, change, words) => {
  change();
  await settled();
  expect(await outcome()).toEqual({ words, keptAnew: true });
  expect(await outcome()).toEqual({ words, keptAnew: false });
});

test.each(["other", "@of/other"])("a package %s that is nearer is seen where others were near before", async (name) => {
  write("ops/words/imported.ts", `import other from "${name}"; export const word = other + "one!";`);
  write("node_modules/@of/other/index.js", 'module.exports = "two!";');
  for (const near of ["near", "@of/near", "@by/near"]) write(`ops/node_modules/${near}/index.js`, "");
  await settled();
  expect((await outcome()).words).toContain("one");
  write(`ops/node_modules/${name}/index.js`, 'module.exports = "six!";');
  await settled();
  expect((await outcome()).words).toContain("six");
});

test.each<[string, () => void]>([
  ["where a package leads", () => write("node_modules/other/package.json", '{"main": "./lib/b.js"}')],
  ["what is found first", () => write("ops/node_modules/other/index.js", 'module.exports = "six!";')],
])("%s, changed while it was bundled, is not taken for what was bundled", async (_, change) => {
  let changes = 0;
  const meanwhile = {
    name: "meanwhile",
    setup: (build: PluginBuild) => build.onEnd(() => void (changes++ === 0 && change())),
  };
  const bundled = async () =>
    (await built(root, { ...sources, entryPoints: ["ops/main.ts"], plugins: [meanwhile] } as Sources, keptIn)).get(
      "main.js",
    )!;
  expect((await bundled()).toString()).toContain("two!");
  await settled();
  expect((await bundled()).toString()).toContain("six!");
});

test("a file that is gone is missed, whatever is kept", async () => {
  rmSync(join(root, "ops/words/imported.ts"));
  await expect(made()).rejects.toThrow(/Could not resolve "\.\/words\/imported"/);
});

test("what was written while it was bundled is not kept: it may be another one than was read", async () => {
  write("ops/words/imported.ts", 'export const word = "six!";');
  expect(await outcome()).toEqual({ words: ["two", "six"], keptAnew: false });
});

test.each<[string, (content: Buffer) => Buffer]>([
  ["half of it", (content) => content.subarray(0, content.length / 2)],
  ["nothing", () => Buffer.alloc(0)],
  ["another word in it", (content) => Buffer.from(content.toString().replace('"one!"', '"six!"'))],
])("what is kept is not believed where a lost machine, or a hand, left %s", async (_, damage) => {
  const [name = ""] = readdirSync(keptIn);
  const file = join(keptIn, name);
  writeFileSync(file, damage(readFileSync(file)));
  expect(await outcome()).toEqual({ words: ["two", "one"], keptAnew: true });
  expect(await outcome()).toEqual({ words: ["two", "one"], keptAnew: false });
});

test("what tools keep beside sources changes nothing", async () => {
  write(".tool/state", "1");
  write("node_modules/.cache/tool", "1");
  expect(await outcome()).toEqual({ words: ["two", "one"], keptAnew: false });
});

const asDeployed = async () =>
  (await built(root, { ...sources, entryPoints: ["ops/main.ts"] })).get("main.js")!.toString();
const everything = () => readdirSync(root, { recursive: true, encoding: "utf8" });

test("nothing is kept, and nothing kept is taken, where nobody says so, or a variable names a directory: as in a deployment to AWS", async () => {
  const before = everything();
  const [name = ""] = readdirSync(keptIn);
  for (const variable of [undefined, "", keptIn]) {
    vi.stubEnv("AUTHENSOR_BUNDLES", variable);
    writeFileSync(join(keptIn, name), "damaged");
    expect(await asDeployed()).toMatch(/"one!"/);
    expect(everything()).toEqual(before);
    expect(readFileSync(join(keptIn, name), "utf8")).toBe("damaged");
  }
});

test("the commands of this machine keep them beside the packages", async () => {
  vi.stubEnv("AUTHENSOR_BUNDLES", "kept");
  expect(await asDeployed()).toMatch(/"one!"/);
  expect(everything()).toContainEqual(expect.stringMatching(/^node_modules\/\.cache\/bundles\/\w{64}$/));
});

test("other options are another bundle", async () => {
  const short = { ...sources, entryPoints: ["ops/main.ts"], minifyWhitespace: true };
  expect((await built(root, short, keptIn)).get("main.js")!.toString()).not.toBe(await made());
});
