import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";

const root = join(__dirname, "../..");
const projects = ["tsconfig.json", "local/page/client/tsconfig.json"];

/** Imports of types too: a type that two files need of each other belongs into a third. */
function importsOf(file: string): string[] {
  const { importedFiles } = ts.preProcessFile(readFileSync(file, "utf8"));
  return importedFiles.flatMap(({ fileName }) => {
    const path = join(dirname(file), fileName);
    return fileName.startsWith(".") ? [`${path}.ts`, join(path, "index.ts")].filter(existsSync) : [];
  });
}

function circles(files: readonly string[]): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): void => {
    const start = way.indexOf(file);
    if (start >= 0) return void found.push([...way.slice(start), file].map((name) => relative(root, name)).join(" → "));
    if (done.has(file)) return;
    for (const imported of importsOf(file)) visit(imported, [...way, file]);
    done.add(file);
  };
  for (const file of files) visit(file, []);
  return found;
}

test("no file imports itself by way of others, so that each is understood after those it imports", () => {
  const files = projects.flatMap((project) => {
    const { config } = ts.parseConfigFileTextToJson(project, readFileSync(join(root, project), "utf8")) as {
      config: unknown;
    };
    return ts.parseJsonConfigFileContent(config, ts.sys, join(root, dirname(project))).fileNames;
  });
  expect(files.length).toBeGreaterThan(400);
  expect(circles(files)).toEqual([]);
});
