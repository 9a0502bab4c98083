/** Lines of segments as rows for COPY: what is sealed goes from one to the other as it stands, without being parsed. */
import type { ArchivedName } from "../archive/chains";
import type { ImportLine } from "../archive/lines";
import { actorOf, laneOf } from "../verify/chainName";

const receiptColumns =
  "id, envelope_id, parent_receipt_id, created_at, decision_outcome, tool_name, actor_id, lane, envelope, decision, " +
  "chain_seq, sealed_at, chain_seal, receipt_hash, prev_receipt_hash, status, updated_at";
const changeColumns =
  "agent, seq, receipt_id, receipt_created_at, changed_at, changed_by, application, before, after, seal";

const importColumns = "seq, reason, opened_by, application, opened_at, agent, first_seq, last_seq, sealed_at, seal";

export const copyOf: Readonly<Record<ArchivedName, string>> = {
  receipts: `copy public.receipts (${receiptColumns}) from stdin`,
  history: `copy audit.receipt_history (${changeColumns}) from stdin`,
  imports: `copy audit.imports (${importColumns}) from stdin`,
};

interface Header {
  chain: "receipts" | "history";
  agent: string;
  seq: number;
  seal: string;
  sealed_at: string;
  hash: string | null;
  prev_hash: string | null;
  receipt_id: string;
  receipt_created_at: string;
  changed_at: string;
  changed_by: string;
  application: string;
}

const [tab, quote, backslash, comma] = [0x09, 0x22, 0x5c, 0x2c];
const end = "\t}";

interface Row {
  chain: ArchivedName;
  row: string;
  /** Of an import, whose table has each place once. */
  place?: number;
}

/** @param statusOf what a receipt of an outcome is born with */
export function rowOf(line: Buffer, statusOf: (outcome: string) => string): Row {
  const first = line.indexOf(tab);
  if (first < 0) return importOf(JSON.parse(line.toString()) as ImportLine);
  const header = JSON.parse(`${line.toString("utf8", 0, first)}null}`) as Header;
  const { chain, agent, seq, seal } = header;
  if (chain === "receipts") {
    const [elements, rest] = elementsOf(line, first + 1, 8);
    const [id, envelopeId, parentId, createdAt, outcome, tool, chainName, envelope] = elements as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const plain = [id, envelopeId, parentId, createdAt, outcome, tool].map(textOf);
    const name = JSON.parse(chainName ?? "null") as string | null;
    // After the last element the array ends, then the line.
    const decision = line.toString("utf8", rest, line.length - end.length - 1);
    const [at = "", of = ""] = [plain[3], plain[4]];
    return {
      chain,
      row: [
        ...plain,
        text(name && actorOf(name)),
        text(laneOf(name ?? "")),
        escaped(envelope ?? ""),
        escaped(decision),
        seq,
        text(header.sealed_at),
        bytea(seal),
        text(header.hash),
        text(header.prev_hash),
        statusOf(of),
        at,
      ].join("\t"),
    };
  }
  const second = line.indexOf(tab, first + 1);
  const third = line.indexOf(tab, second + 1);
  return {
    chain,
    row: [
      text(agent),
      seq,
      ...[header.receipt_id, header.receipt_created_at, header.changed_at, header.changed_by, header.application].map(
        text,
      ),
      escaped(line.toString("utf8", first + 1, second)),
      escaped(line.toString("utf8", third + 1, line.length - end.length)),
      bytea(seal),
    ].join("\t"),
  };
}

function importOf({ seq, reason, opened_by, application, opened_at, agent, ...of }: ImportLine): Row {
  const texts = [reason, opened_by, application, opened_at, agent].map(text);
  const row = [seq, ...texts, of.first_seq, of.last_seq, text(of.sealed_at), bytea(of.seal)].join("\t");
  return { chain: "imports", row, place: seq };
}

/** The first elements of a JSON array that begins at a place, as they stand there, and where the next one begins. */
function elementsOf(line: Buffer, at: number, count: number): [string[], number] {
  const elements: string[] = [];
  // PostgreSQL puts ", " between them.
  let begin = at + 1;
  let [depth, inString] = [0, false];
  for (let i = begin; elements.length < count; i++) {
    const byte = line[i];
    if (byte === undefined) throw new SyntaxError("not a line of a segment");
    if (inString) {
      if (byte === backslash) i++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else if (byte === 0x7b || byte === 0x5b) depth++;
    else if (byte === 0x7d || byte === 0x5d) depth--;
    else if (byte === comma && depth === 0) {
      elements.push(line.toString("utf8", begin, i));
      begin = i + 2;
    }
  }
  return [elements, begin];
}

const special: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/** As COPY's text form has it. */
const escaped = (value: string): string => value.replace(/[\\\t\n\r]/g, (character) => special[character] ?? "");
const text = (value: string | null): string => (value === null ? "\\N" : escaped(value));
const textOf = (json: string): string => text(JSON.parse(json) as string | null);
const bytea = (hex: string): string => `\\\\x${hex}`;
