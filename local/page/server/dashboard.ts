/** The deployed dashboard with what CloudWatch knows now: asked of CloudWatch's own API alone. */
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetDashboardCommand,
  GetMetricDataCommand,
  type MetricAlarm,
} from "@aws-sdk/client-cloudwatch";
import { readDashboard } from "../../../cloud/aws/cloudwatch/dashboard";
import type { DashboardNow } from "../answers";
import { draw, queriesOf, secondsOf, spanOf, timesOf, type Query, type Span } from "./drawing";
import { type Asked, type Page, Refusal } from "./asked";

const longest = 14 * 86_400;
const mostQueries = 500;

/** One for each region, which CloudWatch keeps apart. */
const clients = new Map<string, CloudWatchClient>();

function clientOf(region: string, endpoint: string): CloudWatchClient {
  const credentials = { accessKeyId: "page", secretAccessKey: "local" };
  const client = clients.get(region) ?? new CloudWatchClient({ region, endpoint, credentials, maxAttempts: 1 });
  clients.set(region, client);
  return client;
}

export async function dashboard({ page, url, signal }: Asked): Promise<DashboardNow> {
  const { endpoint, region } = page.cloudWatch;
  const { DashboardBody = "" } = await clientOf(region, endpoint).send(
    new GetDashboardCommand({ DashboardName: page.dashboard }),
    { abortSignal: signal },
  );
  const body = readDashboard(DashboardBody);
  const seconds = Number(url.searchParams.get("seconds") ?? secondsOf(body.start ?? "") ?? 3 * 3600);
  if (!(seconds >= 60 && seconds <= longest)) throw new Refusal(400, `seconds must be 60 to ${longest}`);
  const now = new Date();
  const span = spanOf(seconds, now.getTime() / 1000);
  const queries = queriesOf(body, span);
  const regions = [...new Set([region, ...queries.map((one) => one.region), ...alarmRegions(body)])];
  const [results, alarms] = await Promise.all([
    Promise.all(regions.map((one) => metricData(page, one, queries, span, signal))),
    Promise.all(regions.map((one) => describeAlarms(clientOf(one, endpoint), signal))),
  ]);
  return {
    name: page.dashboard,
    at: now.toISOString(),
    times: timesOf(span),
    widgets: draw(body, span, results.flat(), new Map(alarms.flat())),
  };
}

const alarmRegions = ({ widgets }: ReturnType<typeof readDashboard>): string[] =>
  widgets.flatMap((widget) =>
    widget.type === "alarm" ? widget.properties.alarms.map((arn) => arn.split(":")[3] ?? "") : [],
  );

async function metricData(page: Page, region: string, all: readonly Query[], span: Span, signal: AbortSignal) {
  const own = all.filter((one) => one.region === region).map(({ query }) => query);
  if (own.length === 0) return [];
  const { MetricDataResults = [] } = await clientOf(region, page.cloudWatch.endpoint).send(
    new GetMetricDataCommand({
      MetricDataQueries: own.slice(0, mostQueries),
      StartTime: new Date(span.from * 1000),
      EndTime: new Date(span.to * 1000),
      ScanBy: "TimestampAscending",
    }),
    { abortSignal: signal },
  );
  return MetricDataResults;
}

async function describeAlarms(client: CloudWatchClient, signal: AbortSignal): Promise<[string, MetricAlarm][]> {
  const { MetricAlarms = [] } = await client.send(new DescribeAlarmsCommand({ MaxRecords: 100 }), {
    abortSignal: signal,
  });
  return MetricAlarms.map((alarm) => [alarm.AlarmArn ?? "", alarm]);
}
