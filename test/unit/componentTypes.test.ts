import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** What keeps the place of another component while there is none has its type. */
const standsInFor: Record<string, string> = { ReplicaGround: "Replica" };

test("the type token of a component is authensor:<its folder>:<its class>: another one would make anew all that is in it", () => {
  const files = readdirSync("components").flatMap((room) =>
    readdirSync(`components/${room}`).map((file) => ({ room, file: `components/${room}/${file}` })),
  );
  const said = files.flatMap(({ room, file }) => {
    const text = readFileSync(file, "utf8");
    const classes = [...text.matchAll(/class (\w+) extends pulumi\.ComponentResource/g)].map(([, name]) => name);
    const types = [...text.matchAll(/super\(\s*"([^"]+)"/g)].map(([, type]) => type);
    return classes.map((name, index) => [types[index], `authensor:${room}:${standsInFor[name!] ?? name}`]);
  });
  expect(said.length).toBeGreaterThan(20);
  expect(said.map(([type]) => type)).toEqual(said.map(([, wanted]) => wanted));
});
