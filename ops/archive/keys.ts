/**
 * Where things are in the bucket. Manifests are numbered, a thousand to a folder at each level, so that the newest is found by
 * listing three short folders, however many there are; no clock has a part in it, and no object that is ever written again.
 */

const groups = (number: number): string =>
  String(number)
    .padStart(9, "0")
    .replace(/(\d{3})(?=\d)/g, "$1/");

export const manifestFolder = "manifests/";

/** `manifests/000/012/345.json` */
export const manifestKey = (number: number): string => `${manifestFolder}${groups(number)}.json`;

/** The number in a manifest's key; undefined in any other key. */
export function manifestNumber(key: string): number | undefined {
  const parts = /^manifests\/(\d{3})\/(\d{3})\/(\d{3})\.json$/.exec(key);
  return parts ? Number(parts.slice(1).join("")) : undefined;
}

/** A segment's, by day and by the manifest that it was written for; what makes it unlike another run's is random. */
export const segmentKey = (day: string, number: number, random: string): string =>
  `segments/${day.replaceAll("-", "/")}/${String(number).padStart(9, "0")}-${random}.ndjson.gz`;
