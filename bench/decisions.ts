import { deploy, type Deployment, pooled, writeGuard } from "./deployment";
import { median, printTable, type Lab } from "./lab";
import { callsOf, play, quantile, type Result, type Way } from "./play";
import type { Call } from "./player";

const vendor: Way = { name: "the vendor's deployment", url: ({ direct }) => direct.vendors };
const ours: Way = { name: "**ours**", url: ({ poolers }) => pooled(poolers.ours), pooler: "ours", prepared: 32 };
const planned: Way = { ...ours, name: "ours, every statement sent, and planned each time", prepared: 0, sendAll: true };

/** Beside these, what each part of ours costs by itself. */
const parts: Way[] = [
  vendor,
  {
    name: "its schema, through our pooler",
    url: ({ poolers }) => pooled(poolers.vendors),
    pooler: "vendors",
  },
  { name: "ours without a pooler", url: ({ direct }) => direct.ours, prepared: 32 },
  { ...ours, name: "ours, every statement sent", sendAll: true },
  ours,
  { ...vendor, name: "the vendor's deployment, a key for each client", ownKeys: true },
  { ...ours, name: "ours, a key for each client", ownKeys: true },
];

/**
 * The whole way of a decision as production has it: from the control plane's statements through PgBouncer in its own configuration, TLS on
 * both sides, to the sealed and searchable trail; beside it the vendor's deployment: its table and indexes, no pooler, no TLS.
 */
export async function decisions({ quick, dir }: Lab): Promise<void> {
  const guard = await writeGuard(dir);
  const deployments: Deployment[] = [];
  try {
    for (const months of quick ? [1, 84] : [1, 24, 84]) deployments.push(await deploy(months));
    const measure = (of: Deployment[], ways: Way[], clients: number, calls: Call[], rounds = quick ? 1 : 3) =>
      repeat(rounds, () =>
        each(of, (deployment) =>
          each(ways, (way) => play(deployment, guard, way, { clients, seconds: quick ? 2 : 4, calls })),
        ),
      );
    for (const clients of quick ? [16] : [1, 16, 64])
      printDecisions(
        `Decisions, ${clients} clients`,
        deployments,
        [vendor, planned, ours],
        await measure(deployments, [vendor, planned, ours], clients, ["evaluate"]),
      );
    const last = deployments.slice(-1);
    printDecisions("What each part costs, 16 clients", last, parts, await measure(last, parts, 16, ["evaluate"]));
    const calls: Call[] = ["evaluate", "claim", "finish", "one", "list"];
    const [round] = await measure(deployments, [vendor, planned, ours], 16, calls, 1);
    printTable(
      "Calls, 16 clients: p50, p99, ms",
      ["months", "", ...calls],
      deployments.flatMap(({ months }, d) =>
        [vendor, planned, ours].map(({ name }, w) => [String(months), name, ...callsOf(calls, round![d]![w]!)]),
      ),
    );
  } finally {
    for (const deployment of deployments) await deployment.stop();
  }
}

/** Each ratio is the median over the rounds of the ratio within a round. */
function printDecisions(title: string, deployments: Deployment[], ways: Way[], rounds: Result[][][]): void {
  printTable(
    title,
    [
      ...[
        "months",
        "",
        "decisions/s",
        "to the vendor's",
        `to ${deployments[0]?.months} month(s)`,
        "p50, ms",
        "p99, ms",
      ],
      ...["CPU of a decision, ms: database", "to the vendor's", "PgBouncer", "replication", "client"],
    ],
    deployments.flatMap(({ months }, d) =>
      ways.map(({ name }, w) => {
        const of = (value: (result: Result, vendors: Result, youngest: Result) => number) =>
          median(rounds.map((round) => value(round[d]![w]!, round[d]![0]!, round[0]![w]!)));
        return [
          String(months),
          name,
          of(({ rate }) => rate),
          of(({ rate }, vendors) => rate / vendors.rate),
          of(({ rate }, _, youngest) => rate / youngest.rate),
          of(({ took }) => quantile(took.evaluate, 0.5)),
          of(({ took }) => quantile(took.evaluate, 0.99)),
          of(({ cpu }) => cpu.database),
          of(({ cpu }, vendors) => cpu.database / vendors.cpu.database),
          of(({ cpu }) => cpu.pooler),
          of(({ cpu }) => cpu.replication),
          of(({ cpu }) => cpu.client),
        ];
      }),
    ),
  );
}

async function each<T, R>(values: T[], work: (value: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const value of values) results.push(await work(value));
  return results;
}

const repeat = <R>(times: number, work: () => Promise<R>): Promise<R[]> => each(Array.from({ length: times }), work);
