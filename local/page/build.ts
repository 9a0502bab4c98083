/** Makes the files that a browser is given: one script, one style, and the documentation as pages, runbooks above all. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import MarkdownIt from "markdown-it";

const client = join(__dirname, "client");

/** By their path below "/". */
export async function buildFiles(docs: string): Promise<Map<string, string>> {
  const { outputFiles } = await build({
    entryPoints: { app: join(client, "main.ts"), style: join(client, "app.css") },
    outdir: "/",
    write: false,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    logLevel: "silent",
  });
  const output = (name: string) => outputFiles.find(({ path }) => path.endsWith(name))?.text ?? "";
  return new Map([
    ["index.html", readFileSync(join(client, "index.html"), "utf8")],
    ["icon.svg", readFileSync(join(client, "icon.svg"), "utf8")],
    ["app.js", output("app.js")],
    ["app.css", output("style.css")],
    ...pagesOf(docs),
  ]);
}

/** HTML in a text is text; a link to another text leads to its page. */
const markdown = new MarkdownIt({ html: false });
const normalizeLink = markdown.normalizeLink.bind(markdown);
markdown.normalizeLink = (link) => normalizeLink(link.replace(/^([^:]*)\.md(?=#|$)/, "$1.html"));

function pagesOf(docs: string): [string, string][] {
  const names = readdirSync(docs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".md"));
  return names.map((name) => [
    `docs/${name.replace(/\.md$/, ".html")}`,
    pageOf(readFileSync(join(docs, name), "utf8")),
  ]);
}

function pageOf(text: string): string {
  const title = /^# (.*)$/m.exec(text)?.[1] ?? "Documentation";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${markdown.utils.escapeHtml(title)}</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/app.css">
</head>
<body>
<header><p class="name">Authensor's database <span>documentation</span></p><nav aria-label="Views"><a href="/#now">Back to the alarms</a></nav></header>
<main class="text">
${markdown.render(text)}</main>
</body>
</html>
`;
}
