/** The two kinds of chains, and all in which they differ: a third kind would be one more entry here. */
import { sha256 } from "../sha256";
import { isNameless, isOfChain, receiptChain, sealedChain } from "./chainName";
import type { FindingKind } from "./findings";

export type ChainName = "receipts" | "history";

/** What a row's seal follows from, besides the seal before it. */
export interface Sealed {
  seq: number;
  content: Buffer;
  prevHash: string | null;
}

export interface ChainKind {
  /** One row of it, in messages. */
  noun: string;
  table: string;
  /** SQL: the name of a row's chain. */
  chainOf: (row?: string) => string;
  /** SQL: whether a row is of the chain with this name, by an index; '' is not asked for so. */
  isOf: (chain: string, row?: string) => string;
  /** SQL: whether it is of the chain ''. */
  isNameless: (row?: string) => string;
  /** Columns of the table: agent, place in the chain, seal, time of the receipt. */
  agent: string;
  seq: string;
  seal: string;
  time: string;
  /** Whether rows of the agent '' have NULL in the agent's column. */
  namelessIsNull: boolean;
  heads: string;
  /** The head's column of Authensor's hash; rows are linked by it besides the seal. */
  headHash: string | undefined;
  /** SQL: when the database put the row there, by its own clock; it never runs back along a chain. */
  clock: string;
  /** SQL: a row's columns beyond agent, seq, seal, time and clock. */
  columns: string;
  /** SQL: what is computed only once the row's place is known; what it needs is among the columns. */
  late: string;
  /** SQL: what is wrong with a row by itself. */
  wrongAlone: string;
  /** SQL: what is wrong with the link between a row and the one before it. */
  wrongLink: string;
  /** The same link in Node: what is hashed. */
  sealed: (previousSeal: Buffer, row: Sealed) => Buffer;
  findings: Record<"missing" | "cutOff" | "beyondHead" | "head" | "rewrittenHead", FindingKind>;
}

const int8 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

const int4 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/** What is hashed between a receipt's place and Authensor's previous hash begins with its `sealed_at`. UTC as an interval: a zone's name is looked up for each row. */
const receiptContent = `sha256(json_send(json_build_array(
    id, envelope_id, parent_receipt_id, created_at at time zone interval '0', decision_outcome, tool_name, ${sealedChain()}, envelope, decision)))`;

const authensorHash = `encode(sha256(textsend(format(
    '{"id":"%s","envelopeId":"%s","timestamp":"%s","decisionOutcome":"%s","prevReceiptHash":"%s"}',
    id, envelope_id, to_char(created_at at time zone interval '0', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), decision_outcome, prev_receipt_hash))), 'hex')`;

export const chainKinds: Readonly<Record<ChainName, ChainKind>> = {
  receipts: {
    noun: "receipt",
    table: "public.receipts",
    chainOf: receiptChain,
    isOf: isOfChain,
    isNameless,
    agent: "actor_id",
    seq: "chain_seq",
    seal: "chain_seal",
    time: "created_at",
    namelessIsNull: true,
    heads: "audit.chain_heads",
    headHash: "receipt_hash",
    clock: "sealed_at",
    columns: `coalesce(chain_seal, '') as seal, id, receipt_hash as hash, prev_receipt_hash as prev_hash,
         coalesce(timestamptz_send(sealed_at) || ${receiptContent}, '') as content, ${authensorHash} = receipt_hash as hash_right`,
    late: "",
    wrongAlone: "hash_right is not true",
    wrongLink: `prev_hash is distinct from before_hash or seal is distinct from
         sha256(before_seal || int8send(seq) || content || textsend(coalesce(prev_hash, '')))`,
    sealed: (previousSeal, { seq, content, prevHash }) =>
      Buffer.concat([previousSeal, int8(seq), content, Buffer.from(prevHash ?? "", "latin1")]),
    findings: {
      missing: "removed-row",
      cutOff: "cut-off-tail",
      beyondHead: "inserted-row",
      head: "altered-head",
      rewrittenHead: "rewritten",
    },
  },
  history: {
    noun: "change",
    table: "audit.receipt_history",
    chainOf: (row) => (row === undefined ? "agent" : `${row}.agent`),
    isOf: (chain, row) => `${row === undefined ? "agent" : `${row}.agent`} = ${chain}`,
    isNameless: (row) => `${row === undefined ? "agent" : `${row}.agent`} = ''`,
    agent: "agent",
    seq: "seq",
    seal: "seal",
    time: "receipt_created_at",
    namelessIsNull: false,
    heads: "audit.history_heads",
    headHash: undefined,
    clock: "changed_at",
    // All but the first two fields of the record that is hashed: those hold the predecessor's seal, known only once it is found.
    columns: `coalesce(seal, '') as seal, receipt_id as id, null::text as hash, null::text as prev_hash,
         receipt_created_at, changed_at, changed_by, application, before, after`,
    // Its documents are not carried through the sorting, where they may be large.
    late: `, substring(record_send(row(
           seq, textsend(agent), id, receipt_created_at, changed_at, textsend(changed_by), textsend(application),
           textsend(before::text), textsend(after::text))) from 5) as content`,
    wrongAlone: "false",
    wrongLink: `seal is distinct from
         sha256(int4send(10) || int4send(17) || int4send(octet_length(before_seal)) || before_seal || content)`,
    // The record's number of fields, then the first field's type (bytea), length and bytes; the content holds the rest.
    sealed: (previousSeal, { content }) =>
      Buffer.concat([int4(10), int4(17), int4(previousSeal.length), previousSeal, content]),
    findings: {
      missing: "altered-history",
      cutOff: "altered-history",
      beyondHead: "altered-history",
      head: "altered-history",
      rewrittenHead: "altered-history",
    },
  },
};

export const chainNames = Object.keys(chainKinds) as ChainName[];

/** Something of each kind of chain. */
export const ofEachChain = <T>(make: (name: ChainName) => T): Record<ChainName, T> =>
  Object.fromEntries(chainNames.map((name) => [name, make(name)])) as Record<ChainName, T>;

/** The seal that a row should have after the one before it (docs/chain.md). */
export const expectedSeal = ({ sealed }: Pick<ChainKind, "sealed">, previousSeal: Buffer, row: Sealed): Buffer =>
  sha256(sealed(previousSeal, row));
