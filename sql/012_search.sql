-- Full-text search over what agents asked for: action, resource, agent, parameters and metadata. Words are indexed
-- behind those who write, and what is found never depends on how far that has come.

-- Letters and digits make words, all else separates them, so that 'charges' is found in 'stripe.charges.create' and in
-- 'https://api.stripe.com/v1/charges', which PostgreSQL's parser alone keeps whole. JSON's escapes separate too.
create function audit.separate_words(text) returns text
  language sql immutable parallel safe strict
  return translate(
    replace(replace(replace(replace($1, '\\', ' '), '\n', ' '), '\t', ' '), '\r', ' '), './-+<=', '      ');

-- The text a receipt is found by: at most 4 KB, for a tsvector holds no more than 1 MB, the words of 32 receipts too.
create function audit.receipt_text(tool_name text, actor_id text, envelope jsonb) returns text
  language sql immutable parallel safe
  return audit.separate_words(
    left(coalesce(tool_name, ''), 256)
    || ' ' || left(coalesce(envelope #>> '{action,resource}', ''), 512)
    || ' ' || left(coalesce(actor_id, ''), 256)
    || ' ' || left(coalesce((envelope #> '{action,parameters}')::text, ''), 2560)
    || ' ' || left(coalesce((envelope #> '{context,metadata}')::text, ''), 512));

-- Text that is not ASCII is lower-cased before it is split: letters that grow by it (Ⱥ: 2 bytes, ⱥ: 3) otherwise make
-- words longer than a tsvector can say, and their bytes run into the next word's.
create function audit.words(text) returns tsvector
  language sql immutable parallel safe
  return to_tsvector('pg_catalog.simple', case when octet_length($1) = length($1) then $1 else lower($1) end);

-- In PL/pgSQL, whose plans are kept: a function in SQL is planned anew for each statement.
create function audit.receipt_words(tool_name text, actor_id text, envelope jsonb) returns tsvector
  language plpgsql immutable parallel safe
  cost 500
as $$
declare
  body text := audit.receipt_text(tool_name, actor_id, envelope);
begin
  return audit.words(body);
end
$$;

-- The words of up to 32 receipts that follow one another in time, in one row: a word that all of them have is stored
-- once. A search reads the receipts of the rows that have its words, and of all time that is not indexed yet.
create table audit.search_chunks (
  oldest   timestamptz not null,         -- created_at of the first of them
  newest   timestamptz not null,         -- and of the last
  receipts int         not null,
  words    tsvector                      -- NULL where too many were made at one time: read by every search
);

create index on audit.search_chunks (newest);
create index search_chunks_wordless on audit.search_chunks (newest) where words is null;
create index on audit.search_chunks using gin (words);

create aggregate audit.words_of_all (tsvector) (sfunc = tsvector_concat, stype = tsvector, initcond = '');

-- Everything made before indexed_until is in a row above. How it is known that no receipt comes to this time later:
--   1. A run of audit.index_receipts draws a line, some seconds ago. From then on whoever stores a receipt made before
--      the line brings a row for it along: one that comes late, is imported, or whose server's clock was set back.
--   2. It writes down which transactions may have looked before that: those with a lock on receipts for writing, which
--      each takes before it looks. Where the line is is a sequence's number, which every transaction sees as it is now,
--      whatever its snapshot.
--   3. A later run, once all of these have ended, indexes up to the line, and draws the next.
-- A run that was killed has changed nothing, or a line is ahead of what is written here: then more rows are brought
-- along than need be.
create table audit.search_index (
  only_row      boolean     primary key default true check (only_row),
  indexed_until timestamptz not null default '-infinity',
  line          timestamptz not null default '-infinity',
  awaited       text[]      not null default '{}',
  check (indexed_until <= line)
);

insert into audit.search_index default values;

-- Seconds since 1970.
create sequence audit.search_line minvalue -99999999999 start -99999999999;
select setval('audit.search_line', -99999999999);

grant select on audit.search_chunks, audit.search_index to authensor_app, authensor_auditor;
-- For verification.
grant select on audit.search_line to authensor_auditor;

-- Called by audit.seal_receipt (013) for a receipt that it could not pass at a glance.
create function audit.index_late_receipt(r receipts) returns void
  language plpgsql
  set search_path = pg_catalog, pg_temp
as $$
begin
  if r.created_at < to_timestamp(pg_sequence_last_value('audit.search_line')) then
    insert into audit.search_chunks
    values (r.created_at, r.created_at, 1, strip(audit.receipt_words(r.tool_name, r.actor_id, r.envelope)));
  end if;
end
$$;

-- Indexes receipts up to the line, about as many as `most`, oldest first, and draws the next line, so long ago, when it
-- is there. Returns whether there was more to do. A second one at once does nothing.
create function audit.index_receipts(most int, lag interval) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  state audit.search_index;
  upto  timestamptz;
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise 'receipts are indexed under READ COMMITTED: an older snapshot hides some'
      using errcode = 'invalid_transaction_state';
  end if;
  select * into state from audit.search_index for update skip locked;
  if not found or exists (select from pg_locks where virtualtransaction = any (state.awaited)) then
    return false;
  end if;

  -- Receipts of the same time stay together; however many they are, no more than some are taken apart.
  select min(r.created_at) into upto
    from public.receipts r
   where r.created_at < state.line
     and r.created_at > (select l.created_at from public.receipts l
                          where l.created_at >= state.indexed_until and l.created_at < state.line
                          order by l.created_at offset most - 1 limit 1);
  upto := coalesce(upto, state.line);
  -- In one statement, so that rows of late receipts give way to those that have them now.
  with alone as (
    delete from audit.search_chunks c where c.oldest >= state.indexed_until and c.newest < upto
  )
  insert into audit.search_chunks
  select min(created_at), max(created_at), count(*),
         case when count(words) = count(*) then audit.words_of_all(words) end
    from (select r.created_at, audit.month_of(r.created_at) as month,
                 (row_number() over (order by r.created_at) - 1) / 32 as chunk,
                 case when row_number() over (partition by r.created_at order by r.created_at) <= 3 * most
                      then strip(audit.receipt_words(r.tool_name, r.actor_id, r.envelope)) end as words
            from public.receipts r
           where r.created_at >= state.indexed_until and r.created_at < upto) r
   group by month, chunk;
  update audit.search_index set indexed_until = upto, awaited = '{}';
  if upto < state.line then
    return true;
  end if;

  -- Never back, whatever the clock does.
  state.line := date_trunc('second', clock_timestamp() - lag);
  if state.line > to_timestamp(pg_sequence_last_value('audit.search_line')) then
    perform setval('audit.search_line', extract(epoch from state.line)::bigint);
  end if;
  state.line := to_timestamp(pg_sequence_last_value('audit.search_line'));
  update audit.search_index
     set line    = state.line,
         awaited = array(
           select distinct l.virtualtransaction from pg_locks l
            where l.locktype = 'relation' and l.mode = 'RowExclusiveLock' and l.pid is distinct from pg_backend_pid()
              and l.database = (select d.oid from pg_database d where d.datname = current_database())
              and l.relation in (select 'public.receipts'::regclass
                                 union all select i.inhrelid from pg_inherits i
                                            where i.inhparent = 'public.receipts'::regclass));
  return false;
end
$$;

-- By the monitor, every ten seconds. A line that it may not choose: one that is still to come would have every receipt
-- bring its own row.
create function audit.index_receipts() returns boolean
  language sql security definer
  set search_path = pg_catalog, pg_temp
begin atomic
  select audit.index_receipts(3200, '20 seconds');
end;

grant select on audit.search_index to authensor_monitor;
grant execute on function audit.index_receipts() to authensor_monitor;

-- What people type, in the words of the index: "quoted phrases", or, -without. A word with separators in it
-- (stripe.charges.create) asks for all of its parts, and -stripe.charges excludes them side by side.
create function audit.search_query(query text) returns tsquery
  language sql immutable parallel safe strict
  return websearch_to_tsquery('pg_catalog.simple', lower(replace(audit.separate_words(
    -- A minus that is the operator passes the separation in disguise.
    regexp_replace(
      regexp_replace(replace(query, '¬', ' '), '(^|\s)-(\w[^\s"]*[./+<=\\-][^\s"]*)', '\1¬"\2"', 'g'),
      '(^|\s)-(?=[\w"])', '\1¬', 'g')), '¬', '-')));

-- Patterns of the words that every match of a query has in its text: comparing with them costs a quarter of taking a
-- text apart. None where one word may stand for another.
create function audit.search_patterns(needed tsquery) returns text[]
  language sql immutable parallel safe
  return case when strpos(needed::text, ' | ') = 0 then array(
    select '%' || regexp_replace(replace(word[1], '''''', ''''), '([%_\\])', '\\\1', 'g') || '%'
      from regexp_matches(needed::text, '''((?:[^'']|'''')*)''', 'g') word) end;

-- Receipts that match, best first, then newest. Bounded in time, so that only the months in question are read. A word
-- found in very many receipts is ranked among the newest thousand of them, or as many as are asked for.
create function audit.search_receipts(
  query       text,
  since       timestamptz default now() - interval '30 days',
  until       timestamptz default 'infinity',
  max_results int         default 50
) returns table (
  id uuid, created_at timestamptz, actor_id text, tool_name text, resource text,
  decision_outcome text, status text, rank real, snippet text
)
  language plpgsql stable parallel safe
  rows 50
as $$
#variable_conflict use_column
declare
  wanted tsquery := audit.search_query(query);
  -- What a row of several receipts must have at least: no word is missing for its place or for another one's presence.
  needed tsquery := nullif(regexp_replace(querytree(wanted), '<(-|\d+)>', '&', 'g'), 'T');
  parts  text[]  := audit.search_patterns(needed);
  enough int     := greatest(max_results, 1000);
  span   tstzrange;
  ids    uuid[]  := '{}';
  times  timestamptz[] := '{}';
  hit    record;
begin
  if since is null or until is null or since >= until then
    raise 'the time searched must begin before it ends, not from % until %', since, until
      using errcode = 'invalid_parameter_value';
  end if;
  if max_results is null or max_results not between 1 and 10000 then
    raise 'max_results must be 1 to 10000, not %', max_results using errcode = 'invalid_parameter_value';
  end if;
  if wanted is null or numnode(wanted) = 0 then
    raise 'the query holds no word to search for: %', coalesce(quote_literal(query), 'null')
      using errcode = 'invalid_parameter_value';
  end if;

  -- Newest first, until there are enough. Stretches do not overlap: each is read once.
  for span in
    select unnest((coalesce(range_agg(tstzrange(c.oldest, c.newest, '[]')), '{}')
                   + (select tstzmultirange(tstzrange(i.indexed_until, 'infinity')) from audit.search_index i))
                  * tstzmultirange(tstzrange(since, until))) as stretch
      from (select c.oldest, c.newest from audit.search_chunks c
             where c.words @@ needed and c.newest >= since and c.oldest < until
            union all
            select c.oldest, c.newest from audit.search_chunks c
             where c.words is null and c.newest >= since and c.oldest < until
            union all
            select c.oldest, c.newest from audit.search_chunks c
             where needed is null and c.newest >= since and c.oldest < until) c
     order by stretch desc
  loop
    for hit in
      select r.id, r.created_at
        from public.receipts r
       where r.created_at >= lower(span) and r.created_at <= upper(span) and r.created_at <@ span
         -- Said again for the planner, which knows no exclusive end of a stretch.
         and r.created_at < until
         and (parts is null or lower(audit.receipt_text(r.tool_name, r.actor_id, r.envelope)) like all (parts))
         and audit.receipt_words(r.tool_name, r.actor_id, r.envelope) @@ wanted
       order by r.created_at desc, r.id
       limit enough - cardinality(ids)
    loop
      ids := ids || hit.id;
      times := times || hit.created_at;
    end loop;
    exit when cardinality(ids) >= enough;
  end loop;

  return query
  with newest as (
    select * from unnest(ids, times) n (id, created_at)
  ), best as materialized (
    select r.id, r.created_at, r.actor_id, r.tool_name, left(r.envelope #>> '{action,resource}', 512) as resource,
           r.decision_outcome, r.status, audit.receipt_text(r.tool_name, r.actor_id, r.envelope) as words,
           -- What was done to what weighs more than with which parameters.
           ts_rank_cd(
             setweight(audit.words(audit.separate_words(left(coalesce(r.tool_name, ''), 256) || ' '
               || left(coalesce(r.envelope #>> '{action,resource}', ''), 512))), 'A')
             || audit.receipt_words(null, r.actor_id, r.envelope), wanted, 1) as rank
      from newest n join public.receipts r using (id, created_at)
     where r.created_at between times[cardinality(times)] and times[1]
     order by rank desc, r.created_at desc, r.id
     limit max_results
  )
  select b.id, b.created_at, b.actor_id, b.tool_name, b.resource, b.decision_outcome, b.status, b.rank,
         ts_headline('pg_catalog.simple', regexp_replace(b.words, '["{}\[\],: ]+', ' ', 'g'), wanted,
                     'StartSel=«, StopSel=», MaxFragments=2, MaxWords=14, MinWords=6')
    from best b
   order by b.rank desc, b.created_at desc, b.id;
end
$$;

comment on function audit.search_receipts
  is 'Full-text search: web-style query ("phrase", or, -without), bounded in time, best first.';

-- The words are computed by whoever stores a receipt.
grant execute on function
  audit.separate_words(text), audit.receipt_text(text, text, jsonb), audit.words(text),
  audit.receipt_words(text, text, jsonb)
  to public;
grant execute on function
  audit.search_query(text), audit.search_patterns(tsquery), audit.search_receipts(text, timestamptz, timestamptz, int)
  to authensor_app, authensor_auditor;
