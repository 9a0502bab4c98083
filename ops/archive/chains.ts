/** The chains that the bucket has: the two of each agent, and the one of imports, which is all agents'. */
import { chainKinds, chainNames, type ChainKind, type ChainName } from "../verify/chainKinds";
import { named } from "../verify/findings";
import { chainIs } from "../verify/queries";

export type ArchivedName = ChainName | "imports";

export const archivedNames: readonly ArchivedName[] = [...chainNames, "imports"];

/** One of them: `agent` is '' where it is that of imports. */
export interface ArchivedChain {
  chain: ArchivedName;
  agent: string;
}

type ArchivedKind = Pick<ChainKind, "noun" | "table" | "seq" | "seal" | "headHash" | "sealed">;

export const archivedKinds: Readonly<Record<ArchivedName, ArchivedKind>> = {
  ...chainKinds,
  imports: {
    noun: "import",
    table: "audit.imports",
    seq: "seq",
    seal: "seal",
    headHash: undefined,
    // Its record has ten fields as well, and begins with the seal before it (docs/chain.md).
    sealed: chainKinds.history.sealed,
  },
};

/** Something of each of them. */
export const ofEachArchived = <T>(make: (name: ArchivedName) => T): Record<ArchivedName, T> =>
  Object.fromEntries(archivedNames.map((name) => [name, make(name)])) as Record<ArchivedName, T>;

/** One chain among all, as a key. */
export const nameOf = ({ chain, agent }: ArchivedChain): string => `${chain} ${agent}`;

/** Whose chain it is, in messages. */
export const ownerOf = ({ chain, agent }: ArchivedChain): string => (chain === "imports" ? "all agents" : named(agent));

/** SQL: whether a row of its table is of this chain. */
export const ofChain = (chain: ArchivedName, agent: string, parameter: number): string =>
  chain === "imports" ? ` and $${parameter}::text = ''` : chainIs(chain, agent, parameter);
