import { scheduledSources } from "./scheduledNames";

/** Every program that a deployment runs, by the name of its file in ops/. */
export const sources = ["reboot", "migrate", "guard", "monitor", ...scheduledSources] as const;

export type Source = (typeof sources)[number];
