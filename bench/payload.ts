/** A receipt as an agent's HTTP call makes it: 900 bytes of envelope, 300 of decision, each one different. */

export const envelope = `
{"id": "env-:r", "timestamp": "2026-05-04T10:11:12.123Z", "action": {"type": "http.request", "resource": "https://api.example.com/v1/customers/:r/orders",
 "operation": "create", "parameters": {"method": "POST", "url": "https://api.example.com/v1/customers/:r/orders", "headers": {"content-type": "application/json",
 "x-request-id": "req-:r-:s"}, "body": {"customer": :r, "items": [{"sku": "A-:s", "quantity": 3, "price": 19.99}, {"sku": "B-:r", "quantity": 1, "price": 5.25}],
 "note": "Please deliver to the back door between nine and eleven"}}}, "principal": {"type": "agent", "id": "agent-:agent", "name": "Order agent number :agent"},
 "context": {"environment": "production", "sessionId": "session-:s", "metadata": {"region": "eu-central-1", "model": "model-large-4", "temperature": 0.2}}}`;

export const decision = `
{"outcome": "allow", "policyId": "default-policy", "policyVersion": "1.4.2", "matchedRule": "allow-http-orders",
 "reason": "Rule allow-http-orders matched action http.request with resource under https://api.example.com",
 "evaluatedAt": "2026-05-04T10:11:12.124Z", "evaluationTimeMs": 1.25, "limits": {"perMinute": 120}}`;

const oneLine = (text: string) => text.replaceAll("\n", "").trim();

/** The control plane's INSERT (receipt-service.ts), for pgbench; prepared, what differs is a parameter, and the server makes the documents of it. */
export function insertScript(table: string, agents: number, prepared = false): string {
  const values = (text: string) =>
    prepared ? `format('${toFormat(text)}', :agent::text, :r::text, :s::text)` : `'${oneLine(text)}'`;
  return `\\set agent random(1, ${agents})
\\set r random(1, 1000000000)
\\set s random(1, 1000000000)
${oneLine(`
INSERT INTO ${table} (id, envelope_id, parent_receipt_id, status, decision_outcome, tool_name, actor_id, envelope, decision, approval, approval_status, execution_attempts, receipt_hash, prev_receipt_hash, created_at, updated_at)
 VALUES (gen_random_uuid(), gen_random_uuid(), null, 'pending', 'allow', 'http.request', ${values("agent-:agent")}, ${values(envelope)}::jsonb, '${oneLine(decision)}'::jsonb, null, null, 0,
 '${"0".repeat(64)}', '${"0".repeat(64)}', date_trunc('milliseconds', now()), date_trunc('milliseconds', now())) RETURNING *;`)}
`;
}

/** For format(), of an agent's number and two others. */
const toFormat = (text: string) =>
  oneLine(text).replaceAll("'", "''").replaceAll(":agent", "%1$s").replaceAll(":r", "%2$s").replaceAll(":s", "%3$s");

/** Many receipts at once, evenly over a stretch of time, for \`table\`; ids are md5(n)::uuid for n from \`first\` on. */
export function fillStatement(table: string, first: number, count: number, since: string, until: string): string {
  return `
insert into ${table} (id, envelope_id, status, decision_outcome, tool_name, actor_id, envelope, decision, created_at, updated_at)
select md5(n::text)::uuid, gen_random_uuid(), 'pending', 'allow', 'http.request', 'agent-' || n % 64,
       format('${toFormat(envelope)}', n % 64, n, n * 7)::jsonb, '${oneLine(decision)}', at, at
  from (select n, '${since}'::timestamptz + ('${until}'::timestamptz - '${since}'::timestamptz) * ((n - ${first})::float8 / ${count}) as at
          from generate_series(${first}, ${first + count - 1}) n) t
 order by at`;
}

/** The statement in a transaction that may store receipts of any date. */
export const imported = (statement: string): string =>
  `begin; select audit.open_import('a measurement'); ${statement}; commit`;
