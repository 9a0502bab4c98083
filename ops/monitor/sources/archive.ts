/** How far the bucket is behind the database, and what the archiver found. */
import { one } from "../server";
import type { Source } from "../source";

export const archive: Source = {
  name: "archive",
  everySeconds: 60,
  timeoutSeconds: 5,
  async collect({ primary }, signal) {
    const { age, problems, dump } = await one<{ age: number; problems: number; dump: number }>(
      primary,
      `select (greatest(extract(epoch from now() - archived_until), 0) / 60)::float8 as age, problems::float8 as problems,
              (greatest(extract(epoch from now() - dumped_until), 0) / 60)::float8 as dump
         from audit.archive, audit.dumps`,
      signal,
    );
    return { samples: { ArchiveAgeMinutes: age, ArchiveProblems: problems, DumpAgeMinutes: dump } };
  },
};
