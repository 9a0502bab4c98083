/** docs/costs.md: `npm run costs` writes it, from what the program makes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import program from "../..";
import { assumed, costsOf, prices, type Cost } from "../../review/costs";
import { record, type World } from "./mocks";
import { configOf } from "./stacks";

/** All that a stack costs; fails where a price is missing. */
export function costsOfWorld(world: World<unknown>): (Cost & { usd: number })[] {
  const servers = world.all("aws:rds/instance:Instance");
  const storageGib = Math.max(...servers.map(({ inputs }) => Number(inputs.allocatedStorage)));
  return costsOf(world.resources, storageGib).map(({ usd, ...cost }) => {
    if (usd === undefined) throw new Error(`review/costs.ts has no price for ${cost.what}`);
    return { ...cost, usd };
  });
}

function tableOf(costs: readonly (Cost & { usd: number })[]): string {
  const total = costs.reduce((sum, { usd }) => sum + usd, 0);
  return [
    "| what | how | USD a month |",
    "| --- | --- | ---: |",
    ...costs.map(({ what, how, usd }) => `| ${what} | ${how} | ${usd.toFixed(2)} |`),
    `| **Together** | | **${total.toFixed(0)}** |`,
  ].join("\n");
}

export const costsPage = (dev: World<unknown>, prod: World<unknown>) => `# What it costs

Computed by \`npm run costs\` from the resources that the program makes for \`Pulumi.dev.yaml\` and \`Pulumi.prod.yaml\`; a unit test keeps
this page current. **The prices are not confirmed**: AWS' list prices on demand, in USD, November 2026, written down without a price list at
hand; those of the instances may be off by a tenth. Check them in the [AWS Pricing Calculator](https://calculator.aws) before you rely on them.

Assumed: ${assumed.hours} hours a month, ${assumed.walGib} GiB of write-ahead log a month.

## dev

${tableOf(costsOfWorld(dev))}

## prod

${tableOf(costsOfWorld(prod))}

## Not counted

- Logs: CloudWatch charges by what the servers write (about 0.6 a GiB); how much that is depends on the load and is not known.
- What looks at the metrics: a thousand metrics read by an open dashboard or a tool cost ${prices.thousandRequests}. E-mails of SNS: a thousand a month are free.
- The bucket: about 0.02 a GiB and month, less as objects grow colder; it depends on what is written to it.
- Growth of the storage, up to \`maxStorageGib\`; backups of the primary beyond the size of its storage.
- Reads across the peering (${prices.transfer} a GiB), requests to KMS (one for each bucket and hour, and a few for each secret).
- A KMS key costs one more for each of its first two yearly rotations.
- A drill, each quarter: a server of the primary's class in one zone with its storage, for as long as it runs. Drills, and \`verify-archived\` each
  month, read the whole bucket (${prices.transfer} a GiB from its region to the cluster's).
- The EKS cluster and its nodes, which are there already.
- Taxes. Reserved instances cost a third less for one year (not confirmed).
`;

if (require.main === module) {
  const recorded = (stack: "dev" | "prod") => record<unknown>(program, { stack, config: configOf(stack) });
  void (async () => {
    const page = costsPage(await recorded("dev"), await recorded("prod"));
    writeFileSync(join(__dirname, "../../docs/costs.md"), page);
  })();
}
