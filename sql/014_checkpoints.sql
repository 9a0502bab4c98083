-- What lets the trail be proven from outside, and after its old months are gone.

-- A stretch of a chain that was archived: its rows are no longer here, its end is, so that what follows can be
-- verified. Months overlap where receipts were dated back or crossed midnight, so a month may leave several stretches
-- of one chain. Checkpoints are a chain of their own: one made up later, to explain away a removed row, does not fit an
-- earlier anchor.
create table audit.checkpoints (
  seq          bigint      primary key,
  chain        text        not null check (chain in ('receipts', 'history')),
  agent        text        not null,
  first_seq    bigint      not null,
  last_seq     bigint      not null,
  last_seal    bytea       not null check (octet_length(last_seal) = 32),
  last_hash    text        check ((last_hash is not null) = (chain = 'receipts')),   -- Authensor's receipt_hash
  source       text        not null,                                                 -- the partition that was archived
  made_at      timestamptz not null,
  seal         bytea       not null,
  unique (chain, agent, first_seq),
  check (first_seq <= last_seq)
);

create function audit.checkpoint_seal(
  previous_seal bytea, seq bigint, chain text, agent text, first_seq bigint, last_seq bigint,
  last_seal bytea, last_hash text, source text, made_at timestamptz
) returns bytea
  language sql stable parallel safe
  return sha256(record_send(row(
    previous_seal, seq, convert_to(chain, 'UTF8'), convert_to(agent, 'UTF8'), first_seq, last_seq,
    last_seal, convert_to(last_hash, 'UTF8'), convert_to(source, 'UTF8'), made_at
  )));

-- Writes down where the chains stood in a partition of receipts or of audit.receipt_history, and says how many
-- stretches that took. Detaching a month calls it (015), and makes sure that no row joins afterwards. Twice changes
-- nothing.
create function audit.checkpoint(partition regclass) returns int
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
declare
  of_receipts boolean := exists (
    select from pg_catalog.pg_attribute where attrelid = partition and attname = 'chain_seq');
  columns     text    := case
    when of_receipts
    then $q$coalesce(audit.chain_of(actor_id, lane), '') as agent, chain_seq as seq, chain_seal as seal,
            receipt_hash as hash$q$
                                               else $q$agent, seq, seal, null::text as hash$q$ end;
  stretch     record;
  made        audit.checkpoints;
  written     int := 0;
begin
  lock table audit.checkpoints in share row exclusive mode;
  select seq, seal into made.seq, made.seal from audit.checkpoints order by seq desc limit 1;
  made.seq    := coalesce(made.seq, 0);
  made.seal   := coalesce(made.seal, '');
  made.chain  := case when of_receipts then 'receipts' else 'history' end;
  made.source := (select relname from pg_catalog.pg_class where oid = partition);

  for stretch in execute format($q$
    -- The ends are the rows that no next one follows: sorted on disk if need be, whatever the number of rows.
    select agent, seq - rows + 1 as first_seq, seq as last_seq, seal, hash
      from (select *, place - lag(place, 1, 0::bigint) over (partition by agent order by seq) as rows
              from (select *, row_number() over chain as place, lead(seq) over chain as next
                      from (select %s from %s) r window chain as (partition by agent order by seq)) places
             where next is distinct from seq + 1) ends
     order by agent collate "C", first_seq
  $q$, columns, partition)
  loop
    continue when exists (select from audit.checkpoints c
      where (c.chain, c.agent, c.first_seq, c.last_seq, c.last_seal)
          = (made.chain, stretch.agent, stretch.first_seq, stretch.last_seq, stretch.seal));
    made.agent     := stretch.agent;
    made.first_seq := stretch.first_seq;
    made.last_seq  := stretch.last_seq;
    made.last_seal := stretch.seal;
    made.last_hash := stretch.hash;
    made.made_at   := clock_timestamp();
    made.seq       := made.seq + 1;
    made.seal      := audit.checkpoint_seal(made.seal, made.seq, made.chain, made.agent, made.first_seq, made.last_seq,
                                            made.last_seal, made.last_hash, made.source, made.made_at);
    insert into audit.checkpoints values (made.*);
    written := written + 1;
  end loop;
  return written;
end
$$;

grant select on audit.checkpoints to authensor_auditor, authensor_monitor;
grant execute on function
  audit.checkpoint_seal(bytea, bigint, text, text, bigint, bigint, bytea, text, text, timestamptz)
  to authensor_auditor;
