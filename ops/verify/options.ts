/** How a verification is asked for on the command line, and what of it does not go together. */
import { Failure } from "../program";
import { parseTime } from "../times";
import { assertAgent } from "./assertAgent";
import { recordedAs } from "./record";

export interface Options {
  since?: string;
  until?: string;
  agent?: string;
  anchors?: string[];
  apartFrom?: string[];
  fromAnchor?: string;
  fromArchive?: string;
  manifests?: string[];
  archived?: boolean;
  segments?: boolean;
  restored?: string | true;
  acknowledged?: string;
  resume?: string;
  report?: string;
  record?: string;
  connections: string;
  chunk: string;
  allowEmpty?: boolean;
}

const time = (option: string, text: string | undefined) => (text === undefined ? undefined : parseTime(option, text));

export function count(option: string, text: string, most: number): number {
  if (!/^\d+$/.test(text) || Number(text) < 1 || Number(text) > most)
    throw new Failure(`--${option} must be a whole number from 1 to ${most}, not "${text}"`, [], 2);
  return Number(text);
}

/** What options say, where they go together; else the wrong usage that they are. */
export function read(options: Options) {
  const [since, until] = [time("since", options.since), time("until", options.until)];
  if (since !== undefined && until !== undefined && since >= until)
    throw new Failure(`--since ${since} must be before --until ${until}`, [], 2);
  if ((since ?? until) !== undefined && (options.anchors || options.fromAnchor !== undefined || options.archived))
    throw new Failure(
      "anchors and the archive are about whole chains: do not combine them with --since or --until",
      [],
      2,
    );
  assertAgent(options.agent);
  if (options.agent !== undefined && options.fromAnchor !== undefined)
    throw new Failure("--from-anchor checks all agents: do not combine it with --agent", [], 2);
  const lastDays = time("from-archive", options.fromArchive);
  const bounded = [since, until, options.agent, options.anchors, options.fromAnchor, options.archived];
  if (lastDays !== undefined && bounded.some((option) => option !== undefined))
    throw new Failure(
      "--from-archive says itself what is verified: do not combine it with --since, --until, --agent, anchors or --archived",
      [],
      2,
    );
  const recorded = options.record === undefined ? undefined : recordedAs(options.record);
  const parts = [
    options.agent,
    options.until,
    ...(recorded === "whole" ? [options.since, options.fromAnchor, lastDays] : []),
  ];
  if (recorded !== undefined && parts.some((part) => part !== undefined))
    throw new Failure(
      `--record ${recorded} would tell the monitor more than was verified: do not combine it with --agent, --until${recorded === "whole" ? ", --since, --from-anchor or --from-archive" : ""}`,
      [],
      2,
    );
  if (recorded === "archived" && !options.archived)
    throw new Failure("--record archived tells of the archive as well: combine it with --archived", [], 2);
  if (options.restored && !options.archived)
    throw new Failure("--restored compares a restored database with the archive: combine it with --archived", [], 2);
  if (options.segments && !options.archived)
    throw new Failure("--segments says how the bucket is read: combine it with --archived", [], 2);
  return { since, until, lastDays, recorded };
}
