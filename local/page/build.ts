/** Makes the files that the page's server is given: one script, one style, and the documentation's texts, runbooks above all. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { built } from "../../bundles/kept";

const root = join(__dirname, "../..");
const client = join(__dirname, "client");

/** By their path below "/". */
export async function buildFiles(docs: string): Promise<Map<string, string>> {
  const files = await built(root, {
    entryPoints: { app: join(client, "main.ts"), style: join(client, "app.css") },
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
  });
  const output = (name: string) => files.get(name)!.toString();
  const texts = readdirSync(docs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  return new Map([
    ["index.html", readFileSync(join(client, "index.html"), "utf8")],
    ["icon.svg", readFileSync(join(client, "icon.svg"), "utf8")],
    ["app.js", output("app.js")],
    ["app.css", output("style.css")],
    ...texts.map((name) => [`docs/${name}`, readFileSync(join(docs, name), "utf8")] as const),
  ]);
}
