/** The dashboard for Grafana, with the thresholds that settings have by default: `npm run grafana` writes docs/grafana. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { alarmsFor } from "../../components/monitoring/alarmTable";
import { grafanaDashboard } from "../../components/monitoring/grafana";
import { alarmThresholds } from "../alarmThresholds";

export const grafanaFile = join(__dirname, "../../docs/grafana/authensor-database.json");

const server = { capacity: { vcpus: 2, memoryGib: 4, burstable: true }, storageGib: 20 };

export const grafanaText = (): string => {
  const rows = alarmsFor({
    thresholds: alarmThresholds,
    copies: true,
    drills: true,
    retires: true,
    primary: server,
    replica: server,
    monthsAhead: 3,
  });
  return `${JSON.stringify(grafanaDashboard(rows), null, 2)}\n`;
};

if (require.main === module) writeFileSync(grafanaFile, grafanaText());
