/** Which programs there are by schedule, and what they are made from: all of it follows from the table (scheduledPrograms.ts). */
import { type Features, type ScheduledProgram, sourceOf } from "./scheduledProgram";
import { scheduledPrograms } from "./scheduledPrograms";

export type ScheduledName = keyof typeof scheduledPrograms;

export const scheduledNames = Object.keys(scheduledPrograms) as ScheduledName[];

/** Those that this deployment has. */
export const programsOf = (has: Features): ScheduledName[] =>
  scheduledNames.filter((name) => {
    const { when }: ScheduledProgram = scheduledPrograms[name];
    return when === undefined || when(has);
  });

type ScheduledSource = {
  [Name in ScheduledName]: (typeof scheduledPrograms)[Name] extends { entry: infer Entry } ? Entry : Name;
}[ScheduledName];

type Helper = (typeof scheduledPrograms.drill.helpers)[number];

/** What is to be bundled: what they run, and what that starts. */
export const scheduledSources = [
  ...new Set<ScheduledSource | Helper>([
    ...scheduledNames.map((name) => sourceOf(name, scheduledPrograms[name]) as ScheduledSource),
    ...scheduledPrograms.drill.helpers,
  ]),
];

/** Those that have a setting: when they run. */
export type TimedName = {
  [Name in ScheduledName]: (typeof scheduledPrograms)[Name] extends { schedule: string } ? Name : never;
}[ScheduledName];

/** Those of this deployment that have a schedule, as the database is told of them. */
export const timedProgramsOf = (has: Features) => programsOf(has).filter(isTimed);

export const isTimed = (name: ScheduledName): name is TimedName => "schedule" in scheduledPrograms[name];
