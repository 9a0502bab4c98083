/** How far the bucket is behind the database, and what the archiver found. */
import { one } from "../server";
import type { Source } from "../source";

/** @param tolerableMinutes behind, from which `/health/ready` speaks of it, as the alarm does */
export const archive = (tolerableMinutes: number): Source => ({
  name: "archive",
  everySeconds: 60,
  timeoutSeconds: 5,
  onFailure: [{ part: "archive", reason: "how far the locked bucket is behind cannot be read" }],
  async collect({ primary }, signal) {
    const { age, problems, dump } = await one<{ age: number; problems: number; dump: number }>(
      primary,
      `select (greatest(extract(epoch from now() - archived_until), 0) / 60)::float8 as age, problems::float8 as problems,
              (greatest(extract(epoch from now() - dumped_until), 0) / 60)::float8 as dump
         from audit.archive, audit.dumps`,
      signal,
    );
    const reasons = [
      ...(age > tolerableMinutes
        ? [`the locked bucket lacks what was sealed in the last ${Math.round(age)} minutes`]
        : []),
      ...(problems > 0 ? [`the archiver has found ${problems} problems in the trail or in the bucket`] : []),
    ];
    return {
      samples: { ArchiveAgeMinutes: age, ArchiveProblems: problems, DumpAgeMinutes: dump },
      findings: [{ part: "archive", ...(reasons.length > 0 && { reason: reasons.join("; ") }) }],
    };
  },
});
