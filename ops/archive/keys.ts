/**
 * Where things are in the bucket. Manifests and dumps are numbered, a thousand to a folder at each level, so that the newest is found by
 * listing three short folders, however many there are; no clock has a part in it, and no object that is ever written again.
 */

const groups = (number: number): string =>
  String(number)
    .padStart(9, "0")
    .replace(/(\d{3})(?=\d)/g, "$1/");

export const manifestFolder = "manifests/";
export const dumpFolder = "dumps/";
export const monthFolder = "months/";
export const holdFolder = "holds/";

/** `manifests/000/012/345.json` */
export const numberedKey = (folder: string, number: number): string => `${folder}${groups(number)}.json`;
export const manifestKey = (number: number): string => numberedKey(manifestFolder, number);
export const dumpKey = (number: number): string => numberedKey(dumpFolder, number);
export const monthKey = (number: number): string => numberedKey(monthFolder, number);

/** Whether a folder below a numbered one may hold a number beyond: keys are of one length, and `~` is after every digit. */
export const mayReach = (folder: string, number: number): boolean =>
  numberedKey(folder.slice(0, folder.indexOf("/") + 1), number) < `${folder}~`;

/** The number in the key of something that is numbered; undefined in any other key. */
export function numberIn(key: string): number | undefined {
  const parts = /^\w+\/(\d{3})\/(\d{3})\/(\d{3})\.json$/.exec(key);
  return (parts && Number(parts.slice(1).join(""))) || undefined;
}

/** Whether a folder is one of those that hold a thousand. */
export const isNumberedFolder = (key: string): boolean => /^\w+\/(\d{3}\/){1,2}$/.test(key);

const dayFolder = (day: string): string => day.replaceAll("-", "/");

/** By day and number; what makes it unlike another run's is random. */
const dated = (day: string, number: number, random: string): string =>
  `${dayFolder(day)}/${String(number).padStart(9, "0")}-${random}`;

/** A segment's, by the manifest that it was written for. */
export const segmentKey = (day: string, number: number, random: string): string =>
  `segments/${dated(day, number, random)}.ndjson.gz`;

/** A part of a dump, by the dump that it was written for. */
export const partKey = (day: string, number: number, random: string): string =>
  `parts/${dated(day, number, random)}.copy.gz`;

/** What is noted of a dump's parts before the dump is whole. */
export const begunFolder = (number: number): string => `parts/begun/${String(number).padStart(9, "0")}/`;

/** A month's archive, by the manifest that it was written for: `archives/2026/11/000000012-9f1c3a5b7d02.ndjson.gz` */
export const archiveKey = (month: string, number: number, random: string): string =>
  `archives/${dated(month, number, random)}.ndjson.gz`;

/** A drill's report, by its start: `drills/2026/11/28/20261128T210000Z-9f1c3a5b.json` */
export const drillKey = (startedAt: string, random: string): string =>
  `drills/${dayFolder(startedAt.slice(0, 10))}/${startedAt.replaceAll(/[-:]|\.\d+/g, "")}-${random}.json`;

/** What a legal hold holds, as it is noted before it is held. */
export const heldFolder = (hold: number): string => `held/${String(hold).padStart(9, "0")}/`;
