/** What the documents tell a person to type, for tests that such commands exist. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface Documented {
  /** Where it stands, and as it stands there. */
  where: string;
  /** Its words, the program's name first, without quotes. */
  words: string[];
}

const root = join(__dirname, "../..");
const files = ["README.md", "docs", "docs/runbooks"].flatMap((path) =>
  path.endsWith(".md") ? [path] : readdirSync(join(root, path)).map((name) => `${path}/${name}`),
);

/** Code in a document: blocks, fenced or indented, and what is in back ticks. */
const code = /^```\w*\n([\s\S]*?)^```|^ {4,}(.*)$|`([^`\n]+)`/gm;
const word = /(?:"[^"]*"|'[^']*'|[^\s"'])+/g;

export function documentedCommands(program: string): Documented[] {
  const command = new RegExp(`(?:^\\s*|[(|;&] ?)(${program} (?:"[^"]*"|'[^']*'|[^\\n|;&)#"'])+)`, "gm");
  return files
    .filter((file) => file.endsWith(".md"))
    .flatMap((file) =>
      [...readFileSync(join(root, file), "utf8").matchAll(code)].flatMap(([, fenced, indented, inline]) =>
        [...(fenced ?? indented ?? inline ?? "").matchAll(command)].map(([, text = ""]) => ({
          where: `${file}: ${text.trim()}`,
          words: (text.match(word) ?? []).map((one) => one.replace(/["']/g, "")),
        })),
      ),
    );
}
