import { severities, type Severity } from "./alarm";
import { regionOfArn } from "../aws/arn";

interface Told {
  emails: Record<Severity, readonly string[]>;
  topicArns: Record<Severity, readonly string[]>;
}

const when: Record<Severity, string> = { page: "wake someone", ticket: "can wait for the morning" };

/** One sentence for each severity whose alarms in some region do not reach everybody that the settings name, or nobody at all. */
export function untold({ emails, topicArns }: Told, regions: readonly string[]): string[] {
  return severities.flatMap((severity) => {
    const given = topicArns[severity].map(regionOfArn);
    if (emails[severity].length > 0) {
      const silent = regions.filter((region) => given.includes(region));
      if (silent.length === 0) return [];
      return (
        `${severity}Emails are not told of alarms in ${silent.join(" and ")}: the topic of ${severity}TopicArns is used there. ` +
        `Subscribe the addresses to that topic, or remove it from ${severity}TopicArns.`
      );
    }
    const silent = regions.filter((region) => !given.includes(region));
    if (silent.length === 0) return [];
    return (
      `Nobody is told of alarms that ${when[severity]} in ${silent.join(" and ")}: set ${severity}Emails, ` +
      `or ${severity}TopicArns with a topic of each of these regions.`
    );
  });
}
