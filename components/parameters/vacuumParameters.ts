import { clamp, manual, type Tuned } from "./parameter";

const source = manual("runtime-config-vacuum");

/** Vacuum for tables that mostly grow, sized by the memory of the class. */
export function vacuumParameters(memoryGib: number): Tuned[] {
  return [
    {
      name: "autovacuum_vacuum_insert_scale_factor",
      value: "0.05",
      unit: "",
      reason: "A partition that only grows is frozen and becomes index-only readable after 5 % of new rows, not 20 %.",
      source,
    },
    {
      name: "autovacuum_vacuum_scale_factor",
      value: "0.05",
      unit: "",
      reason:
        "api_keys is updated on each request, and pending receipts several times: dead rows go before they pile up.",
      source,
    },
    {
      name: "autovacuum_analyze_scale_factor",
      value: "0.02",
      unit: "",
      reason: "The newest days are what is asked for: the planner must know of them within 2 % of growth.",
      source,
    },
    {
      name: "autovacuum_vacuum_cost_limit",
      value: "2000",
      unit: "",
      reason: "The default of 200 was sized for spinning disks: gp3 gives 3,000 IOPS at least.",
      source,
    },
    {
      name: "autovacuum_max_workers",
      value: "5",
      unit: "",
      reason:
        "At the turn of a month two partitions of each table are busy. They share one cost limit, so that more of them read no more; " +
        "the same for every class, since until 17 it takes a reboot.",
      source,
    },
    {
      name: "maintenance_work_mem",
      value: String(clamp(65_536, (memoryGib * 1024 * 1024) / 32, 1_048_576)),
      unit: "kB",
      reason:
        "Index builds on partitions and vacuum; 1/32 of memory for each worker, 1 GiB at most (vacuum used no more until 17).",
      source: manual("runtime-config-resource"),
    },
  ];
}
