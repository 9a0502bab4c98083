-- Full-text search over what agents asked for: action, resource, agent, parameters and metadata.

-- Letters and digits make words, all else separates them, so that 'charges' is found in 'stripe.charges.create' and in
-- 'https://api.stripe.com/v1/charges', which PostgreSQL's parser alone keeps whole. JSON's escapes separate too.
create function audit.separate_words(text) returns text
  language sql immutable parallel safe strict
  return replace(replace(replace(replace(replace(replace(replace(replace(replace(replace($1,
    '\\', ' '), '\n', ' '), '\t', ' '), '\r', ' '), '.', ' '), '/', ' '), '-', ' '), '+', ' '), '<', ' '), '=', ' ');

-- The text a receipt is found by: at most 4 KB, for a tsvector holds no more than 1 MB, and an index that refuses a
-- payload would lose the receipt.
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

-- In PL/pgSQL, for the index' sake: the expression of an index is planned anew for each INSERT, unless it hides in a
-- function whose own plans are kept.
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

-- An expression, not a column, which would travel with every SELECT *. New words wait in a list of their own and are
-- sorted in together: 256 kB at a time. Measured with 16 writers: without the list half the rate; with the default of 4
-- MB, one writer stands still for 400 to 900 ms each time, while holding its agent's chain.
create index receipts_words on receipts using gin (audit.receipt_words(tool_name, actor_id, envelope))
  with (fastupdate = on, gin_pending_list_limit = 256);

-- What people type, in the words of the index: "quoted phrases", or, -without. A word with separators in it
-- (stripe.charges.create) asks for all of its parts, and -stripe.charges excludes them side by side.
create function audit.search_query(query text) returns tsquery
  language sql immutable parallel safe strict
  return websearch_to_tsquery('pg_catalog.simple', lower(replace(audit.separate_words(
    -- A minus that is the operator passes the separation in disguise.
    regexp_replace(
      regexp_replace(replace(query, '¬', ' '), '(^|\s)-(\w[^\s"]*[./+<=\\-][^\s"]*)', '\1¬"\2"', 'g'),
      '(^|\s)-(?=[\w"])', '\1¬', 'g')), '¬', '-')));

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

  return query
  -- Found by the index and sorted by time in this order: the planner could otherwise walk through time and split every
  -- text it meets.
  with matching as materialized (
    select r.id, r.created_at
      from public.receipts r
     where audit.receipt_words(r.tool_name, r.actor_id, r.envelope) @@ wanted
       and r.created_at >= since and r.created_at < until
  ), newest as materialized (
    select m.id, m.created_at from matching m order by m.created_at desc, m.id limit greatest(max_results, 1000)
  ), best as materialized (
    select r.id, r.created_at, r.actor_id, r.tool_name, left(r.envelope #>> '{action,resource}', 512) as resource,
           r.decision_outcome, r.status, audit.receipt_text(r.tool_name, r.actor_id, r.envelope) as words,
           -- What was done to what weighs more than with which parameters.
           ts_rank_cd(
             setweight(audit.words(audit.separate_words(left(coalesce(r.tool_name, ''), 256) || ' '
               || left(coalesce(r.envelope #>> '{action,resource}', ''), 512))), 'A')
             || audit.receipt_words(null, r.actor_id, r.envelope), wanted, 1) as rank
      from newest n join public.receipts r using (id, created_at)
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
grant execute on function audit.search_query(text), audit.search_receipts(text, timestamptz, timestamptz, int)
  to authensor_app, authensor_auditor;
