/**
 * A line of a segment: one row of a chain, with everything that its seal covers. It is JSON, and the bytes that are sealed stand in it
 * between tabs as PostgreSQL prints them: no value goes through a parser that might print it in another way (docs/backups.md).
 */
import { hash as digest } from "node:crypto";
import { sha256 } from "../sha256";
import { receiptChain, sealedChain } from "../verify/chainName";
import type { ArchivedName } from "./chains";

/** A row as a segment has it, ready to be checked against the one before it. */
export interface Line {
  agent: string;
  seq: number;
  seal: Buffer;
  /** When the database stored it, by its own clock: UTC, as PostgreSQL prints it in JSON. */
  sealedAt: string;
  /** A receipt's; undefined of other rows. */
  createdAt: string | undefined;
  /** In which its receipt was made, whose partition it is in: "2026-11"; empty for an import. */
  month: string;
  /** Authensor's hash and the one before it; null for other than receipts. */
  hash: string | null;
  prevHash: string | null;
  /** What the seal covers besides the seal before it; undefined where the row holds what no row of ours can. */
  content: Buffer | undefined;
  /** Whether Authensor's hash is the row's; true for other than receipts. */
  hashRight: boolean;
}

const json = (value: string): string => `coalesce(to_json(${value})::text, 'null')`;
const utc = (time: string): string => json(`${time} at time zone 'UTC'`);

/** SQL: the line of a row of the chain's table. */
export const lineOf: Readonly<Record<ArchivedName, string>> = {
  receipts: `concat(
    '{"chain":"receipts","agent":', to_json(${receiptChain()}), ',"seq":', coalesce(chain_seq, 0), ',"sealed_at":', ${utc("sealed_at")},
    ',"seal":"', encode(chain_seal, 'hex'), '","hash":', ${json("receipt_hash")}, ',"prev_hash":', ${json("prev_receipt_hash")}, e',"statement":\\t',
    json_build_array(id, envelope_id, parent_receipt_id, created_at at time zone 'UTC', decision_outcome, tool_name, ${sealedChain()}, envelope, decision), e'\\t}')`,
  history: `concat(
    '{"chain":"history","agent":', ${json("agent")}, ',"seq":', coalesce(seq, 0), ',"seal":"', encode(seal, 'hex'), '","receipt_id":', ${json("receipt_id")},
    ',"receipt_created_at":', ${utc("receipt_created_at")}, ',"changed_at":', ${utc("changed_at")}, ',"changed_by":', ${json("changed_by")},
    ',"application":', ${json("application")}, e',"before":\\t', before, e'\\t,"after":\\t', after, e'\\t}')`,
  // All texts and times, so nothing stands between tabs.
  imports: `concat(
    '{"chain":"imports","seq":', coalesce(seq, 0), ',"seal":"', encode(seal, 'hex'), '","reason":', ${json("reason")}, ',"opened_by":', ${json("opened_by")},
    ',"application":', ${json("application")}, ',"opened_at":', ${utc("opened_at")}, ',"agent":', ${json("agent")},
    ',"first_seq":', coalesce(first_seq, 0), ',"last_seq":', coalesce(last_seq, 0), ',"sealed_at":', ${utc("sealed_at")}, '}')`,
};

const year2000 = Date.UTC(2000, 0);

/** Microseconds since 2000 as PostgreSQL sends a timestamptz; throws at what is no time of the years 1 to 9999. */
export function timestamp(text: unknown): Buffer {
  const parts = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?$/.exec(String(text));
  const milliseconds = Date.parse(`${parts?.[1]}Z`) - year2000;
  const fraction = Number((parts?.[2] ?? "").padEnd(6, "0"));
  const near = milliseconds * 1000 + fraction;
  return int8(Number.isSafeInteger(near) ? near : BigInt(milliseconds) * 1000n + BigInt(fraction));
}

function int8(value: number | bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  if (typeof value === "bigint") bytes.writeBigInt64BE(value);
  else {
    const high = Math.floor(value / 2 ** 32);
    bytes.writeInt32BE(high);
    bytes.writeUInt32BE(value - high * 2 ** 32, 4);
  }
  return bytes;
}

/** A field of a record in PostgreSQL's binary form (docs/chain.md): type, length, bytes. */
const field = (type: number, bytes: Buffer): Buffer[] => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(type, 0);
  head.writeInt32BE(bytes.length, 4);
  return [head, bytes];
};
const bytea = (bytes: Buffer | string) => field(17, typeof bytes === "string" ? Buffer.from(bytes) : bytes);
const time = (text: unknown) => field(1184, timestamp(text));

const tab = 9;
const end = "\t}";

interface ReceiptHeader {
  agent: string;
  seq: number;
  sealed_at: string;
  seal: string;
  hash: string | null;
  prev_hash: string | null;
}

/** A statement begins with what Authensor hashes: two ids, the parent's, the time, the outcome. After that, the tool and the agent. */
const beginning =
  /^\["([0-9a-f-]{36})", "([0-9a-f-]{36})", (?:null|"[0-9a-f-]{36}"), "([^"]*)", "([^"]*)", (?:(?:null|"(?:[^"\\]|\\.)*"), (null|"(?:[^"\\]|\\.)*"), )?/;

/** Most are in so many bytes; the documents after it, which may be long, need not become text. */
const shortBytes = 512;

function beginningOf(statement: Buffer): RegExpExecArray | null {
  const parts = beginning.exec(statement.toString("latin1", 0, shortBytes));
  return parts?.[5] === undefined ? beginning.exec(statement.toString("latin1")) : parts;
}

/** Whether a statement is of an agent: the seal covers what it says, and not whose chain its line says it is in. */
function isOf(agent: string, actor: string | undefined): boolean {
  if (actor === undefined || actor === JSON.stringify(agent)) return actor !== undefined;
  return (JSON.parse(Buffer.from(actor, "latin1").toString()) ?? "") === agent;
}

function authensorHash(parts: RegExpExecArray | null, prevHash: string | null): string | undefined {
  if (!parts) return undefined;
  const [, id, envelopeId, createdAt = "", outcome] = parts;
  const [seconds, fraction = ""] = createdAt.split(".");
  const at = `${seconds}.${fraction.padEnd(3, "0").slice(0, 3)}Z`;
  return digest(
    "sha256",
    `{"id":"${id}","envelopeId":"${envelopeId}","timestamp":"${at}","decisionOutcome":"${outcome}","prevReceiptHash":"${prevHash ?? ""}"}`,
  );
}

function readReceipt(header: ReceiptHeader, statement: Buffer): Line {
  const { agent, seq, sealed_at, seal, hash, prev_hash: prevHash } = header;
  const parts = beginningOf(statement);
  const content = () => Buffer.concat([timestamp(sealed_at), sha256(statement)]);
  return {
    agent,
    seq,
    seal: Buffer.from(seal, "hex"),
    sealedAt: String(sealed_at),
    createdAt: parts?.[3],
    month: (parts?.[3] ?? "").slice(0, 7),
    hash,
    prevHash,
    content: parts && !isOf(agent, parts[5]) ? undefined : unlessImpossible(content),
    hashRight: hash !== null && hash === authensorHash(parts, prevHash),
  };
}

interface ChangeHeader {
  agent: string;
  seq: number;
  seal: string;
  receipt_id: string;
  receipt_created_at: string;
  changed_at: string;
  changed_by: string;
  application: string;
}

function readChange(header: ChangeHeader, before: Buffer, after: Buffer): Line {
  const { agent, seq, seal, receipt_id, receipt_created_at, changed_at, changed_by, application } = header;
  const content = () =>
    Buffer.concat([
      ...field(20, int8(seq)),
      ...bytea(agent),
      ...field(2950, Buffer.from(receipt_id.replaceAll("-", ""), "hex")),
      ...time(receipt_created_at),
      ...time(changed_at),
      ...[changed_by, application, before, after].flatMap(bytea),
    ]);
  return {
    agent,
    seq,
    seal: Buffer.from(seal, "hex"),
    sealedAt: String(changed_at),
    createdAt: undefined,
    month: String(receipt_created_at).slice(0, 7),
    hash: null,
    prevHash: null,
    content: unlessImpossible(content),
    hashRight: true,
  };
}

export interface ImportLine {
  chain: "imports";
  seq: number;
  seal: string;
  reason: string;
  opened_by: string;
  application: string;
  opened_at: string;
  /** Whose receipts came; the chain is nobody's. */
  agent: string;
  first_seq: number;
  last_seq: number;
  sealed_at: string;
}

function readImport(row: ImportLine): Line {
  const { seq, seal, reason, opened_by, application, opened_at, agent, first_seq, last_seq, sealed_at } = row;
  const content = () =>
    Buffer.concat([
      ...field(20, int8(seq)),
      ...[reason, opened_by, application].flatMap(bytea),
      ...time(opened_at),
      ...bytea(agent),
      ...[first_seq, last_seq].flatMap((place) => field(20, int8(place))),
      ...time(sealed_at),
    ]);
  return {
    agent: "",
    seq,
    seal: Buffer.from(seal, "hex"),
    sealedAt: String(sealed_at),
    createdAt: undefined,
    month: "",
    hash: null,
    prevHash: null,
    content: unlessImpossible(content),
    hashRight: true,
  };
}

/** A missing value, or a time such as infinity, is no error here: the row's seal cannot be right, which the reader will say. */
function unlessImpossible(content: () => Buffer): Buffer | undefined {
  try {
    return content();
  } catch {
    return undefined;
  }
}

type Header = ({ chain: "receipts" } & ReceiptHeader) | ({ chain: "history" } & ChangeHeader) | ImportLine;

/** Reads a line, without its LF. @throws at what no segment holds */
export function readLine(bytes: Buffer): { chain: ArchivedName; line: Line } {
  const first = bytes.indexOf(tab);
  // Between no tabs: all JSON.
  const header = JSON.parse(first < 0 ? bytes.toString() : `${bytes.toString("utf8", 0, first)}null}`) as Header;
  if (header.chain === "imports") return { chain: "imports", line: readImport(header) };
  if (first < 0 || bytes.toString("latin1", bytes.length - 2) !== end) throw new SyntaxError("not a line of a segment");
  if (header.chain === "receipts")
    return { chain: "receipts", line: readReceipt(header, bytes.subarray(first + 1, -end.length)) };
  const second = bytes.indexOf(tab, first + 1);
  const third = bytes.indexOf(tab, second + 1);
  const [before, after] = [bytes.subarray(first + 1, second), bytes.subarray(third + 1, -end.length)];
  return { chain: "history", line: readChange(header, before, after) };
}
