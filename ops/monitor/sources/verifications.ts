/** What the last verifications of the trail found, and how long ago that was. */
import { overdueHours, type Scope } from "../../verify/overdue";
import type { Source } from "../source";

interface Verification extends Record<string, unknown> {
  scope: Scope;
  /** Hours since the last one ended, or since one is awaited. */
  age: number;
  /** Null before the first. */
  findings: number | null;
  unverified: number | null;
}

export const verifications: Source = {
  name: "verifications",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const rows = await primary.query<Verification>(
      `select scope, (extract(epoch from now() - coalesce(finished_at, since)) / 3600)::float8 as age,
              findings::float8 as findings, unverified::float8 as unverified
         from audit.verifications`,
      signal,
    );
    const named = { recent: "the recent trail", whole: "the whole trail", archived: "the trail and the archive" };
    const ended = rows.filter(({ findings }) => findings !== null);
    const most = (of: "findings" | "unverified") => Math.max(...ended.map((row) => row[of] ?? 0));
    const reasons = rows.flatMap(({ scope, age, findings }) => [
      ...((findings ?? 0) > 0 ? [`the last verification of ${named[scope]} has ${findings} findings`] : []),
      ...(age > overdueHours[scope]
        ? [`${Math.round(age)} hours ago was the last verification of ${named[scope]}`]
        : []),
    ]);
    return {
      samples: {
        VerificationAgeHours: Object.fromEntries(rows.map(({ scope, age }) => [scope, age])),
        ...(ended.length > 0 && { VerificationFindings: most("findings"), VerificationUnverified: most("unverified") }),
      },
      findings: [{ part: "verification", ...(reasons.length > 0 && { reason: reasons.join("; ") }) }],
    };
  },
};
