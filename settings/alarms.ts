import { queryWait } from "../components/pooling/pgbouncerConfig";
import { integer, list } from "./kinds";

const longestWait = queryWait - 1;

const emails = (severity: string, who: string) =>
  list(`${severity}Emails`, /^[^\s@,]+@[^\s@,]+\.[^\s@,]+$/, {
    description: `E-mail addresses for alarms that ${who}; each must confirm one mail per region with a server; not told where ${severity}TopicArns has the region's topic`,
    rule: "e-mail addresses, as a JSON array or divided by commas",
    example: "oncall@example.com",
  });

const topicArns = (severity: string, who: string) =>
  list(`${severity}TopicArns`, /^arn:aws[a-z-]*:sns:[a-z0-9-]+:\d{12}:[\w-]{1,256}$/, {
    description: `Existing SNS topics for alarms that ${who}, one of each region; in a region without one a topic is made`,
    rule: "ARNs of SNS topics in primaryRegion or replicaRegion, one of each at most",
    example: "arn:aws:sns:eu-central-1:123456789012:oncall",
  });

const wake = "wake someone";
const wait = "can wait for the morning";

/** Who is told, and from when on. */
export const alarms = {
  emails: { page: emails("page", wake), ticket: emails("ticket", wait) },
  topicArns: { page: topicArns("page", wake), ticket: topicArns("ticket", wait) },
  thresholds: {
    lagSeconds: integer("alarmLagSeconds", 2, 3600, {
      description: "Seconds that the replica may be behind the primary before an alarm wakes someone, 2 to 3600",
      rule: "2 to 3600 seconds",
      example: "30",
      default: "10",
    }),
    poolWaitSeconds: integer("alarmPoolWaitSeconds", 1, longestWait, {
      description: `Seconds that a client may wait for a connection of the pool before an alarm wakes someone, 1 to ${longestWait}`,
      rule: `1 to ${longestWait} seconds: after ${queryWait} the pool turns the client away`,
      example: "3",
      default: "5",
    }),
    statementMilliseconds: integer("alarmStatementMilliseconds", 1, 60_000, {
      description: "Milliseconds that the control plane's statements may take on average, 1 to 60000",
      rule: "1 to 60000 milliseconds",
      example: "100",
      default: "250",
    }),
    drillDays: integer("alarmDrillDays", 1, 400, {
      description:
        "Days since a drill has proven the backups before an alarm tells of it, 1 to 400; longer than drillSchedule says",
      rule: "1 to 400 days",
      example: "40",
      default: "100",
    }),
    drillRtoMinutes: integer("alarmDrillRtoMinutes", 5, 2880, {
      description:
        "Minutes that a drill's restored server may take to its first receipt (RTO) before an alarm tells of it, 5 to 2880",
      rule: "5 to 2880 minutes; AWS names up to a few hours for a restore from copies",
      example: "120",
      default: "240",
    }),
    drillRpoMinutes: integer("alarmDrillRpoMinutes", 1, 1440, {
      description:
        "Minutes that what a drill restores, or what the copies of the backups lead to, may be old (RPO) before an alarm tells of it, 1 to 1440",
      rule: "1 to 1440 minutes; AWS names 5 to 30 for copies in another region",
      example: "30",
      default: "60",
    }),
    archiveMinutes: integer("alarmArchiveMinutes", 3, 1440, {
      description:
        "Minutes by which the locked bucket may be behind the database before an alarm wakes someone, 3 to 1440; at least three times what archiveSchedule says",
      rule: "3 to 1440 minutes",
      example: "5",
      default: "20",
    }),
  },
};
