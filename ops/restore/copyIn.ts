/** Rows into tables, as they come: one COPY after another on the connection, as slow as the server. */
import { once } from "node:events";
import { finished } from "node:stream/promises";
import type pg from "pg";
import { from, type CopyStreamQuery } from "pg-copy-streams";

export class CopyIn {
  private stream: CopyStreamQuery | undefined;
  private sql = "";
  private done: Promise<void> = Promise.resolve();
  /** Rows stored, by statement. */
  readonly stored = new Map<string, number>();

  constructor(private readonly client: pg.Client) {}

  /** @param sql `copy … from stdin` */
  async write(sql: string, bytes: Buffer): Promise<void> {
    if (this.sql !== sql || !this.stream) {
      await this.end();
      this.sql = sql;
      this.stream = this.client.query(from(sql));
      this.done = finished(this.stream);
      this.done.catch(() => undefined);
    }
    if (!this.stream.write(bytes)) await Promise.race([once(this.stream, "drain"), this.done]);
  }

  /** Gives up the COPY that is under way: the connection would wait for its end. */
  async abort(): Promise<void> {
    const { stream, done } = this;
    this.stream = undefined;
    stream?.destroy(new Error("given up"));
    await done.catch(() => undefined);
  }

  /** In an open transaction: what `work` has written when it fails is taken back. */
  async orUndo(work: () => Promise<void>): Promise<void> {
    await this.end();
    const before = [...this.stored];
    await this.client.query("savepoint before");
    try {
      await work();
      await this.end();
    } catch (error) {
      await this.abort();
      await this.client.query("rollback to savepoint before");
      this.stored.clear();
      for (const [sql, rows] of before) this.stored.set(sql, rows);
      throw error;
    } finally {
      await this.client.query("release savepoint before").catch(() => undefined);
    }
  }

  /** Ends the COPY that is under way; the connection is free then. */
  async end(): Promise<void> {
    const { stream, sql } = this;
    if (!stream) return;
    this.stream = undefined;
    stream.end();
    await this.done;
    this.stored.set(sql, (this.stored.get(sql) ?? 0) + stream.rowCount);
  }
}
