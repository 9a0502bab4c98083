/** What a server wrote last: what a person needs when it has failed. */
import { readIfThere } from "./files";

/** The end of a log, indented, under a line that names the file. */
export function quoteLog(logFile: string, lines = 15): string {
  const tail = lastLines(logFile, lines);
  return tail === "" ? `its log ${logFile} is empty` : `its log ${logFile} ends:\n${tail.replace(/^/gm, "  | ")}`;
}

export function lastLines(file: string, lines = 15): string {
  return (readIfThere(file) ?? "").trimEnd().split("\n").slice(-lines).join("\n");
}

/** Whether a program has said that its port can be used: trying the port would take it away, or look like a client. It may say more at once. */
export const saysListening = (logFile: string): boolean => /^listening$/m.test(readIfThere(logFile) ?? "");
