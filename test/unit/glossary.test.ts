import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const glossary = readFileSync("docs/glossary.md", "utf8");
const rows = [...glossary.matchAll(/^\| \*\*(.+?)\*\* \| (.+?) \| `(.+?)` \|$/gm)].map(([, word, meaning, file]) => ({
  word: word!,
  meaning: meaning!,
  file: file!,
}));

/** The word itself or with an ending, also as a part of a name: `drain_start`, `sealed_at`, `partitionAnchors`. */
const uses = (text: string, word: string) => new RegExp(`(?<![a-z])${word}`, "i").test(text);

describe("the glossary", () => {
  test("has every line of its tables in the form that these tests read", () => {
    const lines = glossary.split("\n").filter((line) => line.startsWith("| **"));
    expect(rows).toHaveLength(lines.length);
    expect(rows.length).toBeGreaterThan(10);
  });

  test.each(rows)("has $word from $file, which uses the word", ({ word, file }) => {
    expect(uses(readFileSync(file, "utf8"), word)).toBe(true);
  });

  test("says each word once, in one or two sentences", () => {
    expect(new Set(rows.map(({ word }) => word)).size).toBe(rows.length);
    for (const { word, meaning } of rows) {
      const sentences = meaning.split(/[.:] (?=[A-Z])/).length;
      expect([word, sentences <= 2]).toEqual([word, true]);
    }
  });

  test.each(["README.md", "docs/chain.md"])("is linked from %s", (page) => {
    expect(readFileSync(page, "utf8")).toMatch(/\]\((docs\/)?glossary\.md\)/);
  });
});
