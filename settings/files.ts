/** What is written from the table: Pulumi.yaml's `config` and the README's table. `npm run settings` writes both. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument } from "yaml";
import type { Setting } from "./kinds";
import { entries } from "./table";

/** As YAML has it: the engine compares nothing of it, and `pulumi config` shows it. */
function defaultValue({ default: initial = "" }: Setting): unknown {
  return /^([[{].*|true|false|\d+)$/.test(initial) ? (JSON.parse(initial) as unknown) : initial;
}

/**
 * Declared without types: the engine would refuse one wrong type at a time, and refuse a missing key without saying what it is
 * for. So it hands everything over, and settings/ reports all of it at once. A required key has an empty default here.
 */
export function pulumiYaml(current: string): string {
  const document = parseDocument(current);
  document.set(
    "config",
    document.createNode(
      Object.fromEntries(
        entries.map(({ setting }) => [
          setting.key,
          { description: setting.description, default: defaultValue(setting) },
        ]),
      ),
    ),
  );
  return document.toString({ lineWidth: 0 });
}

const heading = "| key | default | what it is |";

export function readme(current: string): string {
  const rows = entries.map(({ setting }) => `| \`${setting.key}\` | ${initially(setting)} | ${setting.description} |`);
  const lines = current.split("\n");
  const start = lines.indexOf(heading) + 2;
  if (start < 2) throw new Error(`README.md has no line "${heading}"`);
  const end = lines.indexOf("", start);
  return [...lines.slice(0, start), ...rows, ...lines.slice(end)].join("\n");
}

function initially({ default: initial, defaultFrom }: Setting): string {
  if (defaultFrom !== undefined) return `\`${defaultFrom}\``;
  if (initial === undefined) return "**required**";
  return ["", "[]"].includes(initial) ? "not set" : `\`${initial}\``;
}

if (require.main === module) {
  const root = join(__dirname, "..");
  for (const [file, render] of Object.entries({ "Pulumi.yaml": pulumiYaml, "README.md": readme })) {
    const path = join(root, file);
    const current = readFileSync(path, "utf8");
    writeFileSync(path, render(current));
  }
}
