/** For test/run.sh: names the files that failed, where that is all that went wrong. */
import { writeFileSync } from "node:fs";
import type { Reporter } from "vitest/node";

export default class FailedFiles implements Reporter {
  readonly onTestRunEnd: Reporter["onTestRunEnd"] = (files, errors, reason) => {
    // A worker that died, an error that no test was waiting for, a setup of servers that failed: no file has failed by it, so none that is run
    // again would show it, and what was not run at all would pass.
    const ended = files.every((file) => ["passed", "failed", "skipped"].includes(file.state()));
    if (errors.length > 0 || reason === "interrupted" || !ended) return;
    // Run once more, one that is skipped has not passed.
    if (process.env["ONCE_MORE"] === "now" && files.some(({ children }) => !children.allTests("skipped").next().done)) {
      console.error("a test was skipped that is to be run once more");
      process.exitCode = 1;
    }
    const failed = files.filter((file) => file.state() === "failed");
    writeFileSync(process.env["FAILED_FILES"]!, failed.map(({ relativeModuleId }) => `${relativeModuleId}\n`).join(""));
  };
}
