import type { AlarmInputs } from "../components/monitoring/alarmInputs";

/** What settings have by default. */
export const alarmThresholds: AlarmInputs["thresholds"] = {
  lagSeconds: 10,
  poolWaitSeconds: 5,
  statementMilliseconds: 250,
  archiveMinutes: 20,
  drillDays: 100,
  drillRtoMinutes: 240,
  drillRpoMinutes: 60,
};
