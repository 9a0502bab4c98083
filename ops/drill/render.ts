/** A drill's report for people. */
import { sayFork } from "../archive/acceptFork";
import { duration, type DrillReport } from "./report";
import type { Way } from "./way";

type Row = [name: string, value: string | undefined];

export function render(report: DrillReport, key: string | undefined): string {
  const { copies, bucket, instance } = report;
  const { made } = bucket;
  const sections: [string, Row[]][] = [
    [
      "Drill of the backups",
      [
        ["result", report.ok ? "passed" : "FAILED"],
        ["started", report.startedAt],
      ],
    ],
    [
      "From the copies of RDS' backups",
      [
        ["restored", `${copies.arn}${copies.newestRestorable ? `, which leads to ${copies.newestRestorable}` : ""}`],
        ["newest write", copies.newestWrite],
        ["server there", after(copies.seconds.available)],
        ...ofWay(copies),
      ],
    ],
    [
      "From the bucket alone, into an empty database",
      bucket.startedAt === undefined
        ? [["not tried", "there was no server to restore into"]]
        : [
            [
              "restored",
              `${bucket.name}${made ? `: dump ${made.dump}, manifests ${made.oldest} to ${made.newest}, as of ${made.until}` : ""}`,
            ],
            ["stored", after(bucket.seconds.restored)],
            ...ofWay(bucket),
          ],
    ],
    ["Both against each other", compared(report)],
    [
      "",
      [
        [
          "scratch instance",
          `${instance.identifier} in ${instance.region}, ${instance.removed ? "removed" : "NOT REMOVED"}`,
        ],
        ["left over", instance.leftOverRemoved ? "by an earlier drill, and removed by this one" : undefined],
        ["report", key ?? "NOT STORED"],
        ...report.problems.map((problem): Row => ["problem", problem]),
      ],
    ],
  ];
  return sections
    .flatMap(([title, rows]) => [title, ...rows.flatMap(line)])
    .join("\n")
    .concat("\n");
}

const width = 16;
const line = ([name, value]: Row): string[] => (value === undefined ? [] : [`  ${name.padEnd(width)}  ${value}`]);

const after = (seconds: number | undefined): string | undefined =>
  seconds === undefined ? undefined : `after ${duration(seconds)}`;

const many = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;

function ofWay({ seconds, rtoSeconds, rpoSeconds, verification }: Way): Row[] {
  const { verified, archive, findings = [], unverified = [] } = verification ?? {};
  const restored = archive?.restored;
  return [
    ["RPO", rpoSeconds === undefined ? undefined : `${duration(rpoSeconds)} from the newest write to the start`],
    ["RTO", rtoSeconds === undefined ? undefined : `${duration(rtoSeconds)} from the start to the first receipt taken`],
    ["verified", after(seconds.verified)],
    [
      "trail",
      verified &&
        `${many(verified.receipts, "receipt")}, ${many(verified.changes, "change")}, ${many(verified.agents, "chain")}; ${many(findings.length, "finding")}`,
    ],
    [
      "compared with",
      archive &&
        restored &&
        `${many(archive.manifests, "manifest")}, up to ${restored.manifest ?? "none"}; ${many(restored.archivedLater, "receipt")} archived later`,
    ],
    // In a bucket that somebody else wrote to, an accepted fork may be theirs.
    ...(archive?.forks ?? []).map((fork): Row => ["accepted fork", sayFork(fork)]),
    ...(restored?.months ?? []).map(({ month, inBucket, restored: has }): Row => [
      month,
      `${many(inBucket, "receipt")} in the bucket, ${has} restored`,
    ]),
    ["not verified", unverified.length === 0 ? undefined : unverified.join("; ")],
  ];
}

function compared({ comparison }: DrillReport): Row[] {
  if (!comparison) return [["not compared", "one of them did not come so far"]];
  const { chains, months, beyond, tables, differences } = comparison;
  const of = (chain: string) =>
    months.filter((month) => month.chain === chain).reduce((sum, { rows }) => sum + rows, 0);
  const later = beyond
    .filter(({ rows }) => rows > 0)
    .map(({ chain, in: side, rows }) => `${rows} of ${chain} in ${side}`);
  return [
    ...Object.entries(chains).map(([chain, count]): Row => [
      chain,
      `${of(chain)} in ${many(count, "chain")}, the same in both`,
    ]),
    ["in one alone", later.length === 0 ? undefined : `${later.join(", ")}: it shows a later moment`],
    [
      "tables",
      `${tables.same} the same; ${tables.changedSince.length} written to since the dump${tables.changedSince.length > 0 ? `: ${tables.changedSince.join(", ")}` : ""}`,
    ],
    ["differences", String(differences.length + comparison.more)],
  ];
}
