/** Says what happened at places where a chain of receipts does not hold. Pure: rows in, findings out. */
import { hash } from "node:crypto";
import { named, type Finding } from "./findings";
import { chainKinds, expectedSeal } from "./chainKinds";
import { follows, genesis, type End, type Row, type Start } from "./chain";

export interface ChainRow extends Row {
  hash_right: boolean;
}

interface Candidate {
  seq: number;
  row: ChainRow;
  start: Start;
  end: End;
}

const candidate = (row: ChainRow): Candidate => ({
  seq: Number(row.seq),
  row,
  start: { id: row.id, at: row.at, seal: row.seal, content: row.content ?? Buffer.alloc(0), prevHash: row.prev_hash },
  end: { seal: row.seal, hash: row.hash },
});

/** All of a row that is evidence. */
export const foundIn = ({ seal, content, hash: own, prev_hash }: Row): string =>
  hash("sha256", JSON.stringify([seal.toString("hex"), content?.toString("hex"), own, prev_hash]));

const sealed = ({ seq, start: { content, prevHash } }: Candidate) => ({
  seq,
  content: content ?? Buffer.alloc(0),
  prevHash,
});

/**
 * @param rows the suspects of one agent and their neighbours
 * @param suspects their places, ascending
 * @param ends ends known from elsewhere (checkpoints, anchors), by seq
 */
export function diagnose(
  agent: string,
  rows: readonly ChainRow[],
  suspects: readonly number[],
  ends: ReadonlyMap<number, End> = new Map(),
): Finding[] {
  const all = rows.map(candidate);
  const at = (seq: number) => all.filter((other) => other.seq === seq);
  const endsBefore = (seq: number): End[] => {
    const known = ends.get(seq - 1);
    return [...(seq === 1 ? [genesis] : at(seq - 1).map((row) => row.end)), ...(known ? [known] : [])];
  };
  const whole = (row: Candidate) =>
    row.row.hash_right && endsBefore(row.seq).some((end) => follows("receipts", end, row.seq, row.start));

  const findings: Finding[] = [];
  const found = (kind: Finding["kind"], { row, seq }: Candidate, message: string, more: Partial<Finding> = {}) => {
    if (findings.some((other) => other.receipt === row.id && other.kind === kind)) return;
    findings.push({ kind, message, agent, seq, receipt: row.id, at: row.at, found: foundIn(row), ...more });
  };
  const where = ({ seq }: Candidate) => `receipt ${seq} of ${named(agent)}`;

  /** Another place at which the row would fit. */
  const belongs = (row: Candidate): { seq: number; after: End } | undefined => {
    const places = new Set([...all.map((other) => other.seq), ...all.map((other) => other.seq + 1)]);
    for (const { seq, end } of [{ seq: 0, end: genesis }, ...all.filter((other) => other !== row)]) {
      if (end.hash !== row.start.prevHash) continue;
      for (const place of new Set([seq + 1, ...places])) {
        if (place === row.seq && seq === row.seq - 1) continue;
        if (follows("receipts", end, place, row.start)) return { seq: place, after: end };
      }
    }
    return undefined;
  };

  let inserted = false;
  for (const suspect of suspects) {
    const here = at(suspect);
    const right = here.filter(whole);
    if (right.length > 1) {
      for (const row of right.slice(1))
        found(
          "forked",
          row,
          `two receipts claim place ${suspect} of ${named(agent)}, and both follow from the one before`,
        );
    }
    for (const row of here.filter((other) => !whole(other))) {
      const before = endsBefore(suspect);
      const place = belongs(row);
      const fits = before.some((end) =>
        expectedSeal(chainKinds.receipts, end.seal, sealed(row)).equals(row.start.seal),
      );
      if (fits) {
        // Its seal holds, so its own columns are as they were: either receipt_hash was altered, or the predecessor's was.
        if (!row.row.hash_right)
          found("altered-column", row, `${where(row)}: receipt_hash does not follow from it`, {
            columns: ["receipt_hash"],
          });
        continue;
      }
      // It is where it belongs, after a predecessor that was moved away.
      if (place?.seq === row.seq && row.row.hash_right) continue;
      if (place !== undefined) {
        const holder = at(place.seq).find(
          (other) => other !== row && follows("receipts", place.after, place.seq, other.start),
        );
        if (holder) {
          found("inserted-row", holder, `${where(holder)} was put in front of the one that belongs there`);
          inserted = true;
        } else if (!(inserted && place.seq === row.seq - 1)) {
          found("reordered", row, `${where(row)} belongs at place ${place.seq}`, { belongsAt: place.seq });
        }
        continue;
      }
      if (right.length > 0) {
        found("inserted-row", row, `a second receipt claims place ${suspect} of ${named(agent)}, and does not follow`);
        continue;
      }
      if (followsFromRepaired(row)) continue;
      const known = before.filter((end) => end.hash !== undefined);
      const orphaned = known.length > 0 && !known.some((end) => end.hash === row.start.prevHash);
      if (row.row.hash_right && orphaned)
        found("removed-row", row, `the predecessor of ${where(row)} is not there: those after it were renumbered`);
      else found("altered-column", row, `${where(row)} was altered: its seal does not follow from it`);
    }
  }
  return findings;

  /** Whether only the predecessor's seal was altered, so that this row is as it was. */
  function followsFromRepaired(row: Candidate): boolean {
    return at(row.seq - 1).some((previous) =>
      endsBefore(previous.seq).some((end) => {
        const seal = expectedSeal(chainKinds.receipts, end.seal, sealed(previous));
        return follows("receipts", { seal, hash: previous.end.hash }, row.seq, row.start);
      }),
    );
  }
}
