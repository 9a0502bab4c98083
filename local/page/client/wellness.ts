/** Whether all is well, in one sentence, and what is worth saying aloud. */
import type { AlarmNow, AlarmsWidget, Widget } from "../answers";
import { plural } from "./format";

export interface Wellness {
  level: "good" | "warn" | "bad" | "unknown";
  /** In two seconds. */
  headline: string;
  details: string;
}

export const alarmsOf = (widgets: readonly Widget[]): AlarmsWidget[] => widgets.filter((one) => one.kind === "alarms");

/** @param groups the most urgent first, as the dashboard has them */
export function wellness(groups: readonly AlarmsWidget[]): Wellness {
  const all = groups.flatMap(({ alarms }) => alarms);
  const count = (state: AlarmNow["state"]) => all.filter((alarm) => alarm.state === state).length;
  const [ok, alarming, dark] = [count("OK"), count("ALARM"), count("INSUFFICIENT_DATA")];
  const rest = `Of ${plural(all.length, "alarm")} ${ok} ${ok === 1 ? "is" : "are"} OK, ${dark} ${dark === 1 ? "has" : "have"} no data.`;
  const urgent = groups[0]?.alarms.some(({ state }) => state === "ALARM") ?? false;
  if (urgent) return { level: "bad", headline: "Something is wrong now", details: `${alarming} in ALARM. ${rest}` };
  if (alarming > 0)
    return { level: "warn", headline: "Something to do in the morning", details: `${alarming} in ALARM. ${rest}` };
  if (ok === 0) return { level: "unknown", headline: "Nothing is known yet", details: "No alarm has data." };
  return { level: "good", headline: "No alarm", details: rest };
}

/** A sentence for each alarm that came or went; nothing for what is as it was, so that a screen reader is quiet. */
export function changes(before: readonly AlarmNow[], after: readonly AlarmNow[]): string {
  const was = new Map(before.map(({ name, state }) => [name, state]));
  return after
    .filter(({ name, state }) => was.has(name) && (was.get(name) === "ALARM") !== (state === "ALARM"))
    .map(({ name, state, says }) => (state === "ALARM" ? `Alarm ${name}: ${says}` : `Alarm ${name} is over.`))
    .join(" ");
}
