/** The page's server as a process: its directory holds all that it needs to know. */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";
import type { File, Page } from "./asked";
import { pageOf } from "./document";
import { createPage } from "./server";

/** What is written for the server when it is started. */
export type Configuration = Pick<Page, "cloudWatch" | "dashboard"> & { token: string; replica: boolean };

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".md": "text/html; charset=utf-8",
};

/** What asks for the token is shown to everybody. */
const open = ["/", "/app.js", "/app.css", "/icon.svg"];

export function readFiles(directory: string): Map<string, File> {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => extname(name) in types);
  return new Map(
    names.map((name) => {
      const path = name === "index.html" ? "/" : `/${name.replace(/\.md$/, ".html")}`;
      const content = readFileSync(join(directory, name));
      return [path, { type: types[extname(name)]!, content: () => shown(name, content), open: open.includes(path) }];
    }),
  );
}

const shown = (name: string, content: Buffer) => (name.endsWith(".md") ? pageOf(content.toString()) : content);

function serve(directory: string, port: number): void {
  const { token, replica, ...known } = JSON.parse(readFileSync(join(directory, "page.json"), "utf8")) as Configuration;
  process.env["DATABASE_URL_FILE"] = join(directory, "auditor.url");
  if (replica) process.env["REPLICA_URL_FILE"] = join(directory, "replica.url");
  const server = createPage({ ...known, gate: { token, port }, files: readFiles(join(directory, "files")) });
  server.listen(port, "127.0.0.1", () => console.log("listening"));
  server.on("error", (error) => {
    console.error(error.message);
    process.exit(1);
  });
  process.on("SIGTERM", () => process.exit(0));
}

if (require.main === module) serve(process.argv[2] ?? "", Number(process.argv[3]));
