/** How far the bucket is behind the database, and what the archiver found. */
import { one } from "../server";
import type { Source } from "../source";

export const archive: Source = {
  name: "archive",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const { age, problems } = await one<{ age: number; problems: number }>(
      primary,
      `select (greatest(extract(epoch from now() - archived_until), 0) / 60)::float8 as age, problems::float8 as problems
         from audit.archive`,
      signal,
    );
    return { samples: { ArchiveAgeMinutes: age, ArchiveProblems: problems } };
  },
};
