/**
 * The receipts of branches, each with what is known to have happened to it, and the changes of receipts that both
 * timelines have.
 */
import { hash as digest } from "node:crypto";
import { ownerOf } from "../archive/chains";
import { actorOf } from "../verify/chainName";
import { named } from "../verify/findings";
import type { Branch, BranchRow } from "./branch";

export interface LostReceipt {
  id: string;
  agent: string;
  seq: number;
  sealedAt: string;
  seal: string;
  hash: string | null;
  prevHash: string | null;
  /** The seal before its own. */
  previousSeal: string;
  /** What it says, as it was sealed. */
  statement: string;
  /** SHA-256 of that, in hex. */
  content: string;
  changes: LostChange[];
  from: string;
}

export interface LostChange {
  receipt: string;
  agent: string;
  seq: number;
  changedAt: string;
  changedBy: string;
  application: string;
  seal: string;
  /** The columns that changed, as JSON: as they were, and as they became. */
  before: string;
  after: string;
  from: string;
}

export interface Lost {
  /** By agent, each agent's in the order of its chain. */
  receipts: LostReceipt[];
  /** Of receipts that are not lost. */
  changes: LostChange[];
  /** Why rows are not taken for what was sealed: nothing of their agents is. */
  problems: string[];
}

const tab = 0x09;
const tail = 2; // a tab, and the brace that ends the line

export function lostOf(branches: readonly Branch[]): Lost {
  const problems = new Set(branches.flatMap((branch) => branch.problems));
  const refused = new Set(branches.filter((branch) => branch.problems.length > 0).map(({ agent }) => actorOf(agent)));
  const receipts = new Map<string, LostReceipt>();
  const changes = new Map<string, LostChange>();
  const once = <T extends { seal: string; from: string }>(all: Map<string, T>, one: T, branch: Branch, seq: number) => {
    const name = `${branch.agent}\n${seq}\n${branch.base.seal.toString("hex")}`;
    const other = all.get(name);
    if (other && other.seal !== one.seal) {
      problems.add(`place ${seq} of ${ownerOf(branch)} is another one in ${one.from} than in ${other.from}`);
      refused.add(actorOf(branch.agent));
    } else if (!other) all.set(name, one);
  };
  for (const branch of branches)
    branch.rows.forEach((row, i) => {
      const before = branch.rows[i - 1]?.line.seal ?? branch.base.seal;
      if (branch.chain === "receipts") once(receipts, receiptOf(row, before), branch, row.line.seq);
      else once(changes, changeOf(row), branch, row.line.seq);
    });
  const kept = [...receipts.values()].filter(({ agent }) => !refused.has(actorOf(agent)));
  const byId = new Map(kept.map((receipt) => [receipt.id, receipt]));
  const others: LostChange[] = [];
  for (const change of changes.values()) {
    if (refused.has(actorOf(change.agent))) continue;
    const receipt = byId.get(change.receipt);
    if (receipt) receipt.changes.push(change);
    else others.push(change);
  }
  for (const receipt of kept) receipt.changes.sort((a, b) => a.seq - b.seq);
  return { receipts: inOrder(kept), changes: inOrder(others), problems: [...problems] };
}

/** As heads are locked: batches in one order do not wait for each other. */
const inOrder = <T extends { agent: string; seq: number }>(all: readonly T[]): T[] =>
  all.toSorted((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent)) || a.seq - b.seq);

function receiptOf({ bytes, line, from }: BranchRow, before: Buffer): LostReceipt {
  const statement = bytes.toString("utf8", bytes.indexOf(tab) + 1, bytes.length - tail);
  return {
    id: /^\["([0-9a-f-]{36})"/.exec(statement)?.[1] ?? "",
    agent: line.agent,
    seq: line.seq,
    sealedAt: line.sealedAt,
    seal: line.seal.toString("hex"),
    hash: line.hash,
    prevHash: line.prevHash,
    previousSeal: before.toString("hex"),
    statement,
    content: digest("sha256", statement),
    changes: [],
    from,
  };
}

interface ChangeHeader {
  receipt_id: string;
  changed_at: string;
  changed_by: string;
  application: string;
}

function changeOf({ bytes, line, from }: BranchRow): LostChange {
  const first = bytes.indexOf(tab);
  const second = bytes.indexOf(tab, first + 1);
  const third = bytes.indexOf(tab, second + 1);
  const header = JSON.parse(`${bytes.toString("utf8", 0, first)}null}`) as ChangeHeader;
  return {
    receipt: header.receipt_id,
    agent: line.agent,
    seq: line.seq,
    changedAt: header.changed_at,
    changedBy: header.changed_by,
    application: header.application,
    seal: line.seal.toString("hex"),
    before: bytes.toString("utf8", first + 1, second),
    after: bytes.toString("utf8", third + 1, bytes.length - tail),
    from,
  };
}

export const sayReceipt = ({ id, agent, seq, sealedAt, changes }: LostReceipt): string =>
  `${id}: place ${seq} of ${named(agent)}, ${sealedAt}Z${changes.length === 0 ? "" : `, changed ${changes.length === 1 ? "once" : `${changes.length} times`} since`}`;
