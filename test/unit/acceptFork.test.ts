/** The command that the archiver names for a fork is pasted into a shell, and agents' names are anybody's. */
import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { sayHowToAccept } from "../../ops/archive/acceptFork";

/** What bash makes of the command, word by word. */
function wordsOf(agent: string): string[] {
  const says = sayHowToAccept({ kind: "fork", chain: "receipts", agent, seq: 3, last: 4, says: "" });
  const command = says.slice(says.indexOf("archive --accept-fork")).replace(" --by <name> --reason <text>", "");
  const words = command.replace(/^archive /, "printf '%s\\0' ");
  return execFileSync("bash", ["-c", words], { encoding: "utf8" }).split("\0").slice(0, -1);
}

describe("the command that accepts a fork", () => {
  it.each([
    "$(echo run)",
    "`echo run`",
    '"; echo run; "',
    "'; echo run; '",
    "\\'; echo run #",
    "a\necho run\n",
    "!!",
    "$HOME",
    "a\\",
    "a\tb\u0001c",
    "ä, 代理",
    "billing-bot",
    "crawler/1",
    "",
    "7",
  ])("runs nothing of an agent's name and names that agent: %j", (agent) => {
    expect(wordsOf(agent)).toEqual(["--accept-fork", agent, "--at", "2"]);
    expect(wordsOf(`${agent || "a"}\u001f3`)).toEqual(["--accept-fork", agent || "a", "--lane", "3", "--at", "2"]);
  });

  it("runs nothing of what was put there as a lane", () => {
    expect(wordsOf("a\u001f3; echo run")).toEqual(["--accept-fork", "a", "--lane", "3; echo run", "--at", "2"]);
  });
});
