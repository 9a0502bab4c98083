/** How old what the copies of RDS' backups lead to is: that copying has stopped, a drill finds once a quarter only. */
import { DescribeDBInstanceAutomatedBackupsCommand, RDSClient } from "@aws-sdk/client-rds";
import type { Source } from "../source";

/** @param arn of the copies; their region is asked */
export function copies(arn: string, client: Pick<RDSClient, "send"> = clientFor(arn)): Source {
  const began = Date.now();
  return {
    name: "copies",
    everySeconds: 300,
    timeoutSeconds: 30,
    async collect(_access, signal) {
      const { DBInstanceAutomatedBackups: [found] = [] } = await client.send(
        new DescribeDBInstanceAutomatedBackupsCommand({ DBInstanceAutomatedBackupsArn: arn }),
        { abortSignal: signal },
      );
      // Where they lead nowhere yet, the first copy is awaited from now on.
      const newest = found?.RestoreWindow?.LatestTime?.getTime() ?? began;
      return { samples: { CopiesAgeMinutes: Math.max(0, Date.now() - newest) / 60_000 } };
    },
  };
}

function clientFor(arn: string): RDSClient {
  const [, , , region = ""] = arn.split(":");
  return new RDSClient({
    region,
    maxAttempts: 2,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 8000, throwOnRequestTimeout: true },
  });
}
