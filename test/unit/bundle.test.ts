/** The programs of the local cloud are bundled once, and again as soon as anything that goes into them has changed. */
import { mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../cloud/kubernetes/bundle";

// A place of its own in each checkout: what is kept goes by it.
const directory = join(__dirname, "../../node_modules/.cache/bundled");
const main = join(directory, "main.ts");
const imported = join(directory, "imported.ts");

/** As long as before, and from before now, as whatever is edited by hand is by the next run. */
const write = (file: string, text: string) => {
  writeFileSync(file, text);
  const passed = new Date(Date.now() - 60_000);
  utimesSync(file, passed, passed);
};
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

beforeAll(async () => {
  mkdirSync(directory, { recursive: true });
  write(main, 'import { word } from "./imported"; console.log(word);');
  write(imported, 'export const word = "one";');
  await settled();
});
afterAll(() => rmSync(directory, { recursive: true }));

const made = async () => (await bundle(main)).toString();

test("what is imported is read again once it has changed, though it is as long and as old as it was", async () => {
  const first = await made();
  expect(first).toContain('"one"');
  expect(await made()).toBe(first);
  write(imported, 'export const word = "two";');
  await settled();
  expect(await made()).toContain('"two"');
});

test("a file that is gone is missed, whatever is kept", async () => {
  await made();
  rmSync(imported);
  await expect(made()).rejects.toThrow(/Could not resolve "\.\/imported"/);
});
