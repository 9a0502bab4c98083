/** Rows out of a query as they come, in PostgreSQL's binary form, so that no value is decoded on the way; as slow as its reader. */
import type pg from "pg";
import { to } from "pg-copy-streams";

const signature = Buffer.from("PGCOPY\n\xff\r\n\0", "latin1");

/** The first column of each row, some rows at a time. To be read to its end, or the connection is of no further use. */
export async function* copyOut(client: pg.Client, query: string): AsyncGenerator<Buffer[]> {
  const stream = client.query(to(`copy (${query}) to stdout (format binary)`));
  let rest: Buffer = Buffer.alloc(0);
  let begun = false;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    if (!begun) {
      if (rest.length < 19) continue;
      if (!rest.subarray(0, 11).equals(signature)) throw new Error("the server sent no binary COPY");
      at = 19 + rest.readInt32BE(15);
      begun = true;
    }
    const rows: Buffer[] = [];
    // A row: its number of columns, a column's length, its bytes; at the end −1 columns.
    while (rest.length >= at + 6 && rest.readInt16BE(at) > 0) {
      const end = at + 6 + rest.readInt32BE(at + 2);
      if (rest.length < end) break;
      rows.push(rest.subarray(at + 6, end));
      at = end;
    }
    rest = rest.subarray(at);
    if (rows.length > 0) yield rows;
  }
}
