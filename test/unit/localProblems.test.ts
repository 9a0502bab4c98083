import { RunError } from "@pulumi/pulumi/errors";
import { expect, test } from "vitest";
import { ResourceFailed } from "../../cloud/engine/engine";
import { Unreadable } from "../../cloud/engine/state";
import { Lost } from "../../cloud/handler";
import { Locked } from "../../cloud/host/lock";
import { UsageError } from "../../local/config";
import { readProblems } from "../../local/problems";

const running = new AbortController().signal;

test.each([
  ["what the program refuses before it makes anything", new RunError("databaseCaFile /x cannot be read"), 2],
  ["wrong usage", new UsageError("--set x: expected key=value"), 2],
  ["another command at the same time", new Locked("make local is running"), 2],
  ["a resource that failed", new ResourceFailed("rds.Instance a: no space left"), 1],
])("%s is its own message in one line, with the exit code of its kind", (_, error, exitCode) => {
  expect(readProblems(error, running)).toEqual({ message: `error: ${error.message}`, exitCode });
});

test.each([
  new Unreadable("state.json is damaged"),
  new ResourceFailed("rds.Instance a: the data is gone", { cause: new Lost("the data is gone") }),
])("what only a new deployment can mend names the commands: %s", (error) => {
  expect(readProblems(error, running)).toEqual({
    message: `error: ${error.message}; run \`make clean\`, then \`make local\``,
    exitCode: 1,
  });
});

test("a database of another version of the program says how to start anew", () => {
  const failed = new ResourceFailed(
    "batch.Job m: … | migrate: the migrations do not fit this database; nothing was changed",
  );
  expect(readProblems(failed, running).message).toMatch(/\n.*another version.*make clean/);
});
