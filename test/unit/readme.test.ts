import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";

const root = `${__dirname}/../..`;
const readme = readFileSync(`${root}/README.md`, "utf8");
const { config } = parse(readFileSync(`${root}/Pulumi.yaml`, "utf8")) as {
  config: Record<string, { description: string; default?: unknown }>;
};

function shown(value: unknown): string {
  if (value === undefined) return "**required**";
  if (value === "") return "empty";
  return `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;
}

test("the README's table has every configuration key with its default and description, and no other", () => {
  const rows = Object.entries(config).map(
    ([key, { default: initial, description }]) => `| \`${key}\` | ${shown(initial)} | ${description} |`,
  );
  const table = readme.split("\n").slice(readme.split("\n").indexOf("| key | default | what it is |") + 2);
  expect(table.slice(0, table.indexOf(""))).toEqual(rows);
});
