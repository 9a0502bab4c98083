/** How far a verification got, kept in a file: an interrupted one goes on from there. */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { Failure } from "../program";
import type { Saved } from "./progress";

/** What was asked for: the progress of another question is of no use. */
export type Question = Record<string, unknown>;

const version = 4;

export class ResumeFile {
  private written = 0;

  constructor(
    private readonly path: string,
    private readonly question: Question,
  ) {}

  read(): Saved | undefined {
    if (!existsSync(this.path)) return undefined;
    let content: { version?: number; question?: Question; saved?: Saved };
    try {
      content = JSON.parse(readFileSync(this.path, "utf8"), revive) as typeof content;
    } catch (error) {
      throw new Failure(
        `${this.path} is not the resume file of a verification: ${(error as Error).message}`,
        ["remove it to start again"],
        2,
      );
    }
    if (
      content.version !== version ||
      JSON.stringify(content.question) !== JSON.stringify(this.question) ||
      !content.saved
    )
      throw new Failure(
        `${this.path} is the resume file of another verification`,
        ["remove it to start again, or name another file"],
        2,
      );
    return content.saved;
  }

  /** At most every other second: writing it must not become the work. */
  write(saved: () => Saved): void {
    if (Date.now() - this.written < 2000) return;
    const text = JSON.stringify({ version, question: this.question, saved: saved() });
    writeFileSync(`${this.path}.new`, text, { mode: 0o600 });
    renameSync(`${this.path}.new`, this.path);
    this.written = Date.now();
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}

function revive(_key: string, value: unknown): unknown {
  const bytes = value as { type?: unknown; data?: unknown } | null;
  if (bytes !== null && typeof bytes === "object" && bytes.type === "Buffer" && Array.isArray(bytes.data))
    return Buffer.from(bytes.data as number[]);
  return value;
}
