-- One receipt by its id, at the speed of a prepared statement for every caller.

-- An id says nothing of its month, so that planning weighs each month's indexes: at 36 months that takes five times as
-- long as looking into them. The plan in here is made once per session, also where a pooler hands sessions from one
-- client to the next. More than one row only where an id was used again in a later month: the one that was sealed first
-- comes first.
create function audit.find_receipt(id uuid) returns setof receipts
  language plpgsql stable parallel safe
  rows 1
  set plan_cache_mode = force_generic_plan
as $$
#variable_conflict use_column
begin
  return query select r.* from public.receipts r where r.id = find_receipt.id order by r.sealed_at;
end
$$;

comment on function audit.find_receipt is 'The receipt with this id, whatever its month.';

grant execute on function audit.find_receipt(uuid) to authensor_app, authensor_auditor;
