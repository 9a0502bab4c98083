import { majorOf, manual, type Parameter, type TuningInput, withApplyMethods } from "./parameter";
import { primaryParameters } from "./primaryParameters";

/**
 * The replica's: the primary's, sized for its own class, and with what only a standby has. What a standby must have at least as
 * much of as its primary follows from no class, so that both have the same. `storageGib` is the primary's, since a replica is
 * made as large.
 */
export function replicaParameters(input: TuningInput): Parameter[] {
  const delay = {
    value: "5000",
    unit: "ms",
    reason: "A reader may hold replay up for 5 s, half of the lag that raises the alarm; the default is 30 s.",
    source: manual("runtime-config-replication"),
  } as const;
  return [
    ...primaryParameters(input),
    ...withApplyMethods(majorOf(input), [
      {
        name: "hot_standby_feedback",
        value: "1",
        unit: "",
        reason:
          "Auditors' long reads are not cancelled by vacuum; what appends leaves little for vacuum to be held back from.",
        source: manual("runtime-config-replication"),
      },
      { name: "max_standby_streaming_delay", ...delay },
      { name: "max_standby_archive_delay", ...delay },
    ]),
  ];
}
