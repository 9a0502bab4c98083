/** `./authensor review`: what a reviewer must know of a preview. */
import { readFileSync } from "node:fs";
import { UsageError } from "../local/config";
import { NotAPreview, readPreview } from "./preview";
import { markdown, terminal } from "./render";
import { policyAdvice, readPolicies } from "./policies";
import { isWhole, reviewOf, stops } from "./review";
import { plain } from "./values";

export interface ReviewOptions {
  markdown?: boolean;
  allow?: string[];
  /** A file with what policy packs said. */
  policies?: string;
}

/** Exit codes: 0 nothing stops it, 1 a preview failed, 3 what holds data goes and was not allowed to, or a rule is broken. */
export function runReview(file: string | undefined, options: ReviewOptions): { text: string; exitCode: 0 | 1 | 3 } {
  const { text, source } = read(file);
  const said = options.policies;
  try {
    const policies = said === undefined ? undefined : readPolicies(readText(said, said), said);
    const review = reviewOf(readPreview(text, source), options.allow, policies);
    if (policies?.stack !== undefined && policies.stack !== review.stack)
      throw new NotAPreview(
        `${said} is of the stack ${plain(policies.stack)}, the preview of ${plain(review.stack)}; ${policyAdvice}`,
      );
    return {
      text: options.markdown ? markdown(review) : terminal(review),
      exitCode: !isWhole(review) ? 1 : stops(review) ? 3 : 0,
    };
  } catch (error) {
    throw error instanceof NotAPreview ? new UsageError(error.message) : error;
  }
}

function read(file = "-"): { text: string; source: string } {
  if (file !== "-") return { text: readText(file, file), source: file };
  if (process.stdin.isTTY)
    throw new UsageError("which preview? `pulumi preview --json | ./authensor review`, or name a file that has it");
  return { text: readText(0, "standard input"), source: "standard input" };
}

function readText(from: string | number, source: string): string {
  try {
    return readFileSync(from, "utf8");
  } catch (error) {
    throw new UsageError(`cannot read ${source}: ${(error as NodeJS.ErrnoException).code}`);
  }
}
