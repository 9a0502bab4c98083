import { overdueHours as programOverdueHours } from "../../ops/monitor/overdue";
import { overdueHours } from "../../ops/verify/overdue";
import { type Alarm, watched } from "./alarm";
import type { AlarmInputs } from "./alarmInputs";

/** Is the trail verified, is what runs on schedule done, and good for the weeks to come? */
export function upkeep(inputs: AlarmInputs): Alarm[] {
  return [...scheduled(inputs), ...(inputs.copies ? copies(inputs) : []), ...(inputs.drills ? drills(inputs) : [])];
}

/** Does RDS copy its backups? */
function copies({ thresholds: { drillRpoMinutes } }: AlarmInputs): Alarm[] {
  return [
    watched("CopiesAgeMinutes", {
      name: "copies-overdue",
      severity: "ticket",
      comparison: "above",
      threshold: drillRpoMinutes,
      datapoints: [5, 5],
      says: `What the copies of RDS' backups lead to is more than ${drillRpoMinutes} minutes old.`,
    }),
  ];
}

/** Are the backups proven? */
function drills({ thresholds: { drillDays, drillRtoMinutes, drillRpoMinutes } }: AlarmInputs): Alarm[] {
  return [
    watched("DrillAgeDays", {
      name: "drill-overdue",
      severity: "ticket",
      comparison: "above",
      threshold: drillDays,
      datapoints: [5, 5],
      says: `No drill has proven the backups for more than ${drillDays} days.`,
    }),
    watched("DrillProblems", {
      name: "drill-failed",
      severity: "ticket",
      comparison: "above",
      threshold: 0,
      datapoints: [5, 5],
      says: "The last drill failed, found something wrong in what it restored, or was killed: the backups are not proven, and its instance may still be there and cost money.",
    }),
    watched("DrillRtoMinutes", {
      name: "drill-slow",
      severity: "ticket",
      comparison: "above",
      threshold: drillRtoMinutes,
      datapoints: [5, 5],
      says: `The server that the last drill restored from the copies took its first receipt after more than ${drillRtoMinutes} minutes (RTO).`,
    }),
    watched("DrillRpoMinutes", {
      name: "drill-stale",
      severity: "ticket",
      comparison: "above",
      threshold: drillRpoMinutes,
      datapoints: [5, 5],
      says: `What the last drill restored from the copies was more than ${drillRpoMinutes} minutes old (RPO).`,
    }),
  ];
}

function scheduled({ monthsAhead, retires, thresholds: { archiveMinutes } }: AlarmInputs): Alarm[] {
  const leastMonths = Math.min(2, monthsAhead);
  return [
    watched("MonthsAhead", {
      name: "months-missing",
      severity: "ticket",
      comparison: "below",
      threshold: leastMonths,
      datapoints: [5, 5],
      says: `Fewer than ${leastMonths} months ahead have a partition.`,
    }),
    watched("RowsOutsideMonths", {
      name: "rows-outside-months",
      severity: "ticket",
      comparison: "above",
      threshold: 0,
      datapoints: [5, 5],
      says: "At least 1 row is stored before the first month or after the last one.",
    }),
    watched("ProgramsFailed", {
      name: "program-failed",
      severity: "ticket",
      comparison: "above",
      threshold: 0,
      datapoints: [5, 5],
      says: "The last run of at least 1 program on schedule failed.",
    }),
    overdue("partitions", "Partitions were last made"),
    overdue("compact", "Months of the locked bucket were last looked at for what is to become one archive"),
    overdue("hold", "Legal holds were last applied to what came since"),
    ...(retires ? [overdue("retire", "PostgreSQL was last looked at for months that are past onlineMonths")] : []),
    watched("VerificationFindings", {
      name: "trail-broken",
      severity: "page",
      comparison: "above",
      threshold: 0,
      datapoints: [1, 1],
      says: "The last verification found at least 1 broken place in the trail or in the archive.",
    }),
    watched("VerificationUnverified", {
      name: "trail-not-all-verified",
      severity: "ticket",
      comparison: "above",
      threshold: 0,
      datapoints: [5, 5],
      says: "The last verification could not verify all that it should: the bucket lacks a month that has left the database, or the minor version of PostgreSQL is unknown.",
    }),
    watched("VerificationAgeHours", {
      name: "verification-overdue",
      severity: "ticket",
      label: "recent",
      comparison: "above",
      threshold: overdueHours.recent,
      datapoints: [5, 5],
      says: `What the last days wrote was last verified more than ${overdueHours.recent} hours ago.`,
    }),
    watched("VerificationAgeHours", {
      name: "whole-verification-overdue",
      severity: "ticket",
      label: "whole",
      comparison: "above",
      threshold: overdueHours.whole,
      datapoints: [5, 5],
      says: `The whole trail was last verified more than ${overdueHours.whole} hours ago.`,
    }),
    watched("VerificationAgeHours", {
      name: "archived-verification-overdue",
      severity: "ticket",
      label: "archived",
      comparison: "above",
      threshold: overdueHours.archived,
      datapoints: [5, 5],
      says: `The trail and the archive were last verified against each other more than ${overdueHours.archived} hours ago.`,
    }),
    watched("ArchiveAgeMinutes", {
      name: "archive-overdue",
      severity: "page",
      comparison: "above",
      threshold: archiveMinutes,
      datapoints: [3, 3],
      says: `The locked bucket lacks what was sealed in the last ${archiveMinutes} minutes or more.`,
    }),
    watched("DumpAgeMinutes", {
      name: "dump-overdue",
      severity: "ticket",
      comparison: "above",
      // A change waits for an hour; the rest is for runs that fail.
      threshold: archiveMinutes + 160,
      datapoints: [5, 5],
      says: `The locked bucket lacks what changed in policies, keys and budgets in the last ${archiveMinutes + 160} minutes or more.`,
    }),
    watched("ArchiveProblems", {
      name: "archive-flawed",
      severity: "page",
      comparison: "above",
      threshold: 0,
      datapoints: [1, 1],
      says: "The archiver found a receipt that was altered, is missing or forked, a manifest that was touched, or that another primary was promoted in this one's place.",
    }),
    watched("CertificateDaysLeft", {
      name: "certificate-ends",
      severity: "ticket",
      comparison: "below",
      threshold: 30,
      datapoints: [5, 5],
      says: "A certificate ends in fewer than 30 days.",
    }),
    watched("SourcesFailing", {
      name: "monitor-source-failing",
      severity: "ticket",
      statistic: "Minimum",
      comparison: "above",
      threshold: 0,
      datapoints: [10, 10],
      says: "At least 1 source of the monitor has failed for 10 minutes: what it measures is not known.",
    }),
  ];
}

function overdue(program: keyof typeof programOverdueHours, what: string): Alarm {
  const hours = programOverdueHours[program];
  return watched("ProgramAgeHours", {
    name: `${program}-overdue`,
    severity: "ticket",
    label: program,
    comparison: "above",
    threshold: hours,
    datapoints: [5, 5],
    says: `${what} more than ${hours} hours ago.`,
  });
}
