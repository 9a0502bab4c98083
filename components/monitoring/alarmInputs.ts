import type { ServerFacts } from "./serverAlarms";

/** What the alarms and their thresholds follow from. */
export interface AlarmInputs {
  /** From when on an alarm tells somebody. */
  thresholds: {
    /** Seconds that the replica may be behind. */
    lagSeconds: number;
    /** Seconds that a client may wait for a connection. */
    poolWaitSeconds: number;
    /** Milliseconds that the control plane's statements may take on average. */
    statementMilliseconds: number;
    /** Minutes by which the locked bucket may be behind the database. */
    archiveMinutes: number;
    /** Days since a drill has proven the backups. */
    drillDays: number;
    /** Minutes that a restored server may take until it takes a receipt. */
    drillRtoMinutes: number;
    /** Minutes by which the newest write that is restored, or that the copies lead to, may be older than the moment. */
    drillRpoMinutes: number;
  };
  /** Whether RDS' backups are copied to another region. */
  copies: boolean;
  /** Whether there are drills. */
  drills: boolean;
  /** Whether months leave PostgreSQL. */
  retires: boolean;
  primary: ServerFacts;
  /** Default: there is none. */
  replica?: ServerFacts | undefined;
  /** Months of partitions that are made ahead of today. */
  monthsAhead: number;
}
