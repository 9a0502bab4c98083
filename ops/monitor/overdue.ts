/**
 * Programs on schedule that say nothing of themselves but how they ended, and hours without a success after which one is overdue:
 * two days missed, and what a run may take. Of verifications: ops/verify/overdue.ts.
 */
export const overdueHours = { partitions: 49, compact: 61, hold: 55, retire: 61 } as const;
