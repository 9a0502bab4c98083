/** What a rehearsal found, for whoever decides whether it is good enough. */
import type { Acknowledged } from "./load";
import type { LeftBehind, Move, Rehearsed } from "./rehearsal";

export function report({ acknowledged, lost, left, moves, steps, verification }: Rehearsed): string {
  const count = left ? left.named.length + lost.length : lost.length;
  const lines = [
    ...moves.map(({ from, to, pause }) => {
      const seconds = ((pause.to - pause.from) / 1000).toFixed(1);
      return `without an accepted receipt   ${seconds} s, from ${from} to ${to}`;
    }),
    `acknowledged receipts         ${acknowledged.length}, of which ${count === 0 ? "none is lost" : left ? `${count} were left behind` : `${count} are lost:`}`,
    ...(left ? sayLeft(left, lost) : []),
    ...lost.map((one) => `  ${one.receiptId}, acknowledged ${lastBefore(one, moves)}`),
    `chains across the switch      ${verification.code === 0 ? "whole" : `exit code ${verification.code}`}: ${verification.says}`,
    "what the operator did",
    ...steps.map(({ command, seconds }) => `  ${seconds.toFixed(1).padStart(5)} s  ${command}`),
  ];
  return `${lines.join("\n")}\n`;
}

const sayLeft = ({ digest, named }: LeftBehind, lost: readonly Acknowledged[]): string[] => [
  `refused, then accepted        ${digest}`,
  `named from the segments       ${named.length}, and brought in as recovered receipts`,
  `on the old primary alone      ${lost.length}, acknowledged after the newest manifest${lost.length > 0 ? ":" : ""}`,
];

/** Whether it shows what docs/failover.md promises. */
export const isGood = ({ lost, left, verification }: Rehearsed): boolean =>
  verification.code === 0 &&
  (left ? left.named.length > 0 && lost.every(({ at }) => at > left.archivedFrom) : lost.length === 0);

/** How long before everything stood still. */
function lastBefore({ at }: Acknowledged, moves: readonly Move[]): string {
  const stop = moves.map(({ pause }) => pause.from).find((moment) => moment >= at);
  return stop === undefined ? "after the last move" : `${stop - at} ms before the last that came in time`;
}
