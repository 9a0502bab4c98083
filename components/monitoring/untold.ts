import { severities, type Severity } from "./alarm";
import { regionOfArn } from "./alarmTopics";

interface Told {
  emails: Record<Severity, readonly string[]>;
  topicArns: Record<Severity, readonly string[]>;
}

const when: Record<Severity, string> = { page: "wake someone", ticket: "can wait for the morning" };

/** One sentence for each severity whose alarms reach nobody in one of the regions: their topic has no subscriber of this program's. */
export function untold({ emails, topicArns }: Told, regions: readonly string[]): string[] {
  return severities.flatMap((severity) => {
    if (emails[severity].length > 0) return [];
    const given = topicArns[severity].map(regionOfArn);
    const silent = regions.filter((region) => !given.includes(region));
    if (silent.length === 0) return [];
    return (
      `Nobody is told of alarms that ${when[severity]} in ${silent.join(" and ")}: set ${severity}Emails, ` +
      `or ${severity}TopicArns with a topic of each of these regions.`
    );
  });
}
