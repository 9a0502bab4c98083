/** Where every chain ends at this moment, put together here: no function in the database is asked for it. */
import type pg from "pg";
import { anchorDigest, type Anchor } from "./anchorFormat";
import { Failure } from "./program";
import { inSnapshot } from "./verify/session";
import { readServer } from "./verify/server";
import { assertReadable } from "./verify/snapshot";

interface Head {
  agent: string;
  seq: string;
  seal: Buffer;
}

const byAgent = (heads: readonly Head[]) => new Map(heads.map((head) => [head.agent, head]));

type Chains = Anchor["chains"];

/** Where the chain of a table ends that has no heads. */
export async function endOf(
  client: pg.Client,
  table: "audit.checkpoints" | "audit.imports",
): Promise<Anchor["imports"]> {
  const sql = `select seq, seal from ${table} order by seq desc limit 1`;
  const [last] = (await client.query<Omit<Head, "agent">>(sql)).rows;
  return { seq: Number(last?.seq ?? 0), seal: last?.seal.toString("hex") ?? "" };
}

/** Where chains end, together with what else an anchor says of the server. In the order of the agents' bytes. */
export async function anchorOf(
  client: pg.Client,
  { chains, imports }: Pick<Anchor, "chains" | "imports">,
): Promise<Omit<Anchor, "source">> {
  const { rows: about } = await client.query<{ database: string; as_of: string }>(
    `select current_database() as database, to_char(now(), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as as_of`,
  );
  const content = {
    server: await readServer(client),
    checkpoint: await endOf(client, "audit.checkpoints"),
    imports,
    chains: chains.toSorted((a, b) => Buffer.compare(Buffer.from(a.agent), Buffer.from(b.agent))),
  };
  const sum = (of: (chain: Chains[number]) => number) => chains.reduce((total, chain) => total + of(chain), 0);
  return {
    version: 1,
    database: about[0]?.database ?? "",
    as_of: about[0]?.as_of ?? "",
    receipts: sum(({ seq }) => seq),
    changes: sum(({ history_seq }) => history_seq),
    ...content,
    digest: anchorDigest(content),
  };
}

export async function takeAnchor(client: pg.Client): Promise<Omit<Anchor, "source">> {
  return inSnapshot(client, async () => {
    const [unreadable] = await assertReadable(client);
    if (unreadable) throw new Failure(unreadable.message);
    const { rows: receipts } = await client.query<Head>("select agent, seq, seal from audit.chain_heads");
    const { rows: changes } = await client.query<Head>("select agent, seq, seal from audit.history_heads");
    const [sealed, history] = [byAgent(receipts), byAgent(changes)];
    // An agent whose receipts are all in lanes has changes in a chain of another name than any of theirs.
    const chains = [...new Set([...sealed.keys(), ...history.keys()])].map((agent) => ({
      agent,
      seq: Number(sealed.get(agent)?.seq ?? 0),
      seal: sealed.get(agent)?.seal.toString("hex") ?? "",
      history_seq: Number(history.get(agent)?.seq ?? 0),
      history_seal: history.get(agent)?.seal.toString("hex") ?? "",
    }));
    return anchorOf(client, { chains, imports: await endOf(client, "audit.imports") });
  });
}
