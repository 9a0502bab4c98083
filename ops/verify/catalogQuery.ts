/**
 * What there is in the database and of its server, read from the catalog: each thing with what it is, as one line of text. Nothing is left
 * out because it seems harmless; what initdb made is left out by its oid (builtins.ts looks at that). As queries.ts: PostgreSQL's own
 * functions only. Columns that not every version has are read through to_jsonb.
 */

/** Objects that initdb makes have lower oids (FirstNormalObjectId in PostgreSQL's access/transam.h). */
const made = (oid: string) => `${oid} >= 16384`;

/** Who else than the owner may do what. */
const rights = (acl: string, kind: string, owner: string) => `
  coalesce((select string_agg(format('%s may %s', grantee, rights), ', ' order by grantee) from (
    select case when a.grantee = 0 then 'everyone' else pg_get_userbyid(a.grantee) end as grantee,
           string_agg(a.privilege_type || case when a.is_grantable then ' (and pass it on)' else '' end, ' ' order by a.privilege_type) as rights
      from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) a where a.grantee <> ${owner} group by 1) g), 'no one else')`;

const flags = (...pairs: [condition: string, word: string][]) =>
  `concat_ws(' ', ${pairs.map(([condition, word]) => `case when ${condition} then '${word}' end`).join(", ")})`;

/** Relations that are somebody's: not indexes, TOAST tables and what initdb made; nor another session's temporary ones. */
const relations = `
  select c.*, n.nspname, n.nspname || '.' || c.relname as scope
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where ${made("c.oid")} and c.relkind not in ('i', 'I', 't') and n.nspname !~ '^pg_temp_'`;

const inScope = (what: string) => `${what} join relation r on r.oid =`;

/** `scope` is a relation, or '' for what is none's; `key` names the thing there, `fact` says what it is. */
const parts: readonly string[] = [
  // Relations and what belongs to them.
  `select scope, 'relation', concat_ws('; ', 'kind ' || relkind::text, 'owner ' || pg_get_userbyid(relowner), 'persistence ' || relpersistence::text,
          (select 'access ' || amname from pg_am a where a.oid = relam), 'options ' || array_to_string(reloptions, ' '),
          'partitioned by ' || pg_get_partkeydef(oid), case when reloftype <> 0 then 'of ' || reloftype::regtype::text end,
          'replica identity ' || relreplident::text, nullif(${flags(["relrowsecurity", "row security"], ["relforcerowsecurity", "forced"])}, ''),
          (select 'child of ' || string_agg(inhparent::regclass::text, ' ' order by inhseqno) from pg_inherits where inhrelid = r.oid),
          case when relispartition then 'partition' end,
          ${rights("relacl", "r", "relowner")}) from relation r`,
  `select scope, 'column ' || attname, concat_ws('; ', format_type(atttypid, atttypmod) || ' (' || atttypid || ')',
          case when attcollation not in (0, 100) then 'collation ' || attcollation::regcollation::text end,
          nullif(${flags(["attnotnull", "not null"], ["attidentity <> '' and not r.relispartition", "identity"], ["attgenerated <> ''", "generated"], ["atthasmissing", "filled in where missing"])}, ''),
          (select 'default ' || pg_get_expr(adbin, adrelid) from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum),
          nullif(${rights("attacl", "c", "relowner")}, 'no one else'))
     from ${inScope("pg_attribute a")} a.attrelid where attnum > 0 and not attisdropped`,
  `select coalesce(r.scope, ''), 'constraint ' || case when r.relispartition and contype <> 'c' then '' else conname || ' ' end || pg_get_constraintdef(k.oid),
          ${flags(["not convalidated", "not validated"], ["conislocal", "local"])}
     from pg_constraint k left join relation r on r.oid = k.conrelid
    where ${made("k.oid")} and contype <> 't' and not (contype = 'n' and convalidated) and (k.conrelid = 0 or r.oid is not null)`,
  `select scope, 'index ' || case when r.relispartition then '' else i.indexrelid::regclass::text || ' ' end
            || regexp_replace(pg_get_indexdef(i.indexrelid), 'INDEX .* ON (ONLY )?', 'INDEX ON '),
          concat_ws(' ', ${flags(["indisvalid", "valid"], ["indisready", "ready"], ["indislive", "live"], ["not indimmediate", "deferrable"], ["indisprimary", "primary"], ["x.relispartition", "partition"])},
            'persistence ' || x.relpersistence::text, 'owner ' || pg_get_userbyid(x.relowner))
     from pg_index i ${inScope("")} i.indrelid join pg_class x on x.oid = i.indexrelid`,
  `select scope, 'trigger ' || tgname, pg_get_triggerdef(t.oid) || '; enabled ' || tgenabled::text
     from ${inScope("pg_trigger t")} t.tgrelid where not tgisinternal or tgenabled <> 'O'`,
  `select scope, 'rule ' || rulename, pg_get_ruledef(w.oid) || '; enabled ' || ev_enabled::text from ${inScope("pg_rewrite w")} w.ev_class`,
  `select scope, 'policy ' || polname, polcmd::text from ${inScope("pg_policy p")} p.polrelid`,
  `select scope, 'extended statistics ' || stxname, '' from ${inScope("pg_statistic_ext s")} s.stxrelid`,

  // What can be called or meant by a name.
  `select '', 'function ' || p.oid::regprocedure::text, concat_ws('; ', 'returns ' || pg_get_function_result(p.oid),
          'arguments ' || pg_get_function_arguments(p.oid), 'language ' || lanname, 'owner ' || pg_get_userbyid(proowner), 'kind ' || prokind::text,
          'volatility ' || provolatile::text, 'parallel ' || proparallel::text,
          nullif(${flags(["prosecdef", "security definer"], ["proleakproof", "leakproof"], ["proisstrict", "strict"])}, ''),
          'support ' || nullif(prosupport::oid, 0), 'library ' || probin, array_to_string(proconfig, ', '), ${rights("proacl", "f", "proowner")},
          'body ' || encode(sha256(textsend(coalesce(pg_get_function_sqlbody(p.oid), prosrc))), 'hex'))
     from pg_proc p join pg_language l on l.oid = p.prolang where ${made("p.oid")}`,
  `select '', 'type ' || t.oid::regtype::text, concat_ws('; ', 'kind ' || typtype::text, 'owner ' || pg_get_userbyid(typowner),
          'labels ' || (select string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum e where e.enumtypid = t.oid),
          'base ' || nullif(typbasetype, 0)::regtype::text, ${rights("typacl", "T", "typowner")})
     from pg_type t where ${made("t.oid")} and typcategory <> 'A' and not exists (select from pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
       and typnamespace not in (select oid from pg_namespace where nspname ~ '^pg_(toast_)?temp_')`,
  `select '', format('cast from %s to %s', castsource::regtype, casttarget::regtype), format('%s %s %s', castfunc::regprocedure, castcontext, castmethod)
     from pg_cast where ${made("oid")}`,
  `select '', 'operator ' || oid::regoperator::text, oprcode::regprocedure::text from pg_operator where ${made("oid")}`,
  `select '', format('operator class %s of %s', opcname, opcintype::regtype), opcfamily::text from pg_opclass where ${made("oid")}`,
  `select '', 'operator family ' || opfname, '' from pg_opfamily where ${made("oid")}`,
  `select '', 'operator in a family ' || amopopr::regoperator::text, amopfamily::text from pg_amop where ${made("oid")}`,
  `select '', 'function in a family ' || amproc::regprocedure::text, amprocfamily::text from pg_amproc where ${made("oid")}`,
  `select '', 'language ' || lanname, case when lanpltrusted then 'trusted' else 'not trusted' end from pg_language`,
  `select '', 'collation ' || oid::regcollation::text, collprovider::text from pg_collation where ${made("oid")}`,
  `select '', 'conversion ' || conname, conproc::regprocedure::text from pg_conversion where ${made("oid")}`,
  `select '', 'access method ' || amname, amhandler::regprocedure::text from pg_am where ${made("oid")}`,
  `select '', 'transform ' || oid, '' from pg_transform where ${made("oid")}`,
  `select '', 'text search configuration ' || cfgname, '' from pg_ts_config where ${made("oid")}`,
  `select '', 'text search dictionary ' || dictname, '' from pg_ts_dict where ${made("oid")}`,
  `select '', 'text search parser ' || prsname, '' from pg_ts_parser where ${made("oid")}`,
  `select '', 'text search template ' || tmplname, '' from pg_ts_template where ${made("oid")}`,

  // What acts by itself, or lets data in and out.
  `select '', 'event trigger ' || evtname, format('%s %s %s', evtevent, evtfoid::regprocedure, evtenabled) from pg_event_trigger`,
  `select '', 'extension ' || extname, 'schema ' || extnamespace::regnamespace::text from pg_extension`,
  `select '', format('member of extension %s: %s', extname, pg_describe_object(classid, objid, objsubid)), ''
     from pg_depend d join pg_extension e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid where d.deptype = 'e' and ${made("d.objid")}`,
  `select '', 'publication ' || pubname, '' from pg_publication`,
  `select '', 'subscription ' || subname, '' from pg_subscription`,
  `select '', 'foreign data wrapper ' || fdwname, '' from pg_foreign_data_wrapper`,
  `select '', 'foreign server ' || srvname, '' from pg_foreign_server`,
  `select '', format('%s on what initdb made', pg_describe_object(class, oid, 0)), ''
     from (select 'pg_rewrite'::regclass as class, oid, ev_class as relation from pg_rewrite union all select 'pg_trigger'::regclass, oid, tgrelid from pg_trigger) o
    where ${made("oid")} and relation < 16384`,
  `select '', 'large objects', count(*)::text from pg_largeobject_metadata having count(*) > 0`,
  `select '', format('security label of %s', pg_describe_object(classoid, objoid, objsubid)), label from pg_seclabel`,
  `select '', 'replication origin ' || roname, '' from pg_replication_origin`,

  // Who may what.
  `select '', 'database', concat_ws('; ', 'owner ' || pg_get_userbyid(datdba), pg_encoding_to_char(encoding),
          nullif(${flags(["datistemplate", "template"], ["not datallowconn", "no connections"])}, ''), ${rights("datacl", "d", "datdba")})
     from pg_database where datname = current_database()`,
  `select '', 'schema ' || nspname, concat_ws('; ', 'owner ' || pg_get_userbyid(nspowner), ${rights("nspacl", "n", "nspowner")})
     from pg_namespace where (${made("oid")} or nspname = 'public') and nspname !~ '^pg_(toast_)?temp_'`,
  `select '', format('default privileges of %s for %s%s', pg_get_userbyid(defaclrole), defaclobjtype, coalesce(' in ' || nullif(defaclnamespace, 0)::regnamespace::text, '')),
          ${rights("defaclacl", "f", "defaclrole")} from pg_default_acl`,
  `select '', 'right on what initdb made: ' || pg_describe_object(o.class, o.oid, 0), string_agg(format('%s may %s', case when a.grantee = 0 then 'everyone' else pg_get_userbyid(a.grantee) end, a.privilege_type), ', ' order by 1)
     from (select 'pg_class'::regclass as class, oid, relacl as acl, acldefault('r', relowner) as plain, relowner as owner from pg_class where relacl is not null
           union all select 'pg_proc'::regclass, oid, proacl, acldefault('f', proowner), proowner from pg_proc where proacl is not null
           union all select 'pg_namespace'::regclass, oid, nspacl, acldefault('n', nspowner), nspowner from pg_namespace where nspacl is not null and nspname <> 'public'
           union all select 'pg_type'::regclass, oid, typacl, acldefault('T', typowner), typowner from pg_type where typacl is not null
           union all select 'pg_language'::regclass, oid, lanacl, acldefault('l', lanowner), lanowner from pg_language where lanacl is not null) o
     cross join aclexplode(o.acl) a
    where o.oid < 16384 and a.grantee <> o.owner and not (a.grantee = 0 and a.privilege_type = 'SELECT' and not a.is_grantable
            and exists (select from pg_class v where v.oid = o.oid and v.relnamespace = 'information_schema'::regnamespace and v.relkind = 'v'))
      and not exists (
            select from aclexplode(coalesce((select initprivs from pg_init_privs i where i.classoid = o.class and i.objoid = o.oid and i.objsubid = 0), o.plain)) b
             where b.grantee = a.grantee and b.privilege_type = a.privilege_type)
    group by o.class, o.oid`,
  `select '', 'right on the parameter ' || parname, array_to_string(paracl, ' ') from pg_parameter_acl`,
  `select '', 'role ' || rolname, ${flags(["rolsuper", "superuser"], ["rolcreaterole", "createrole"], ["rolcreatedb", "createdb"], ["rolreplication", "replication"], ["rolbypassrls", "bypassrls"], ["rolinherit", "inherit"], ["rolcanlogin", "login"])}
     from pg_roles where oid <> 10 and ${made("oid")}`,
  `select '', format('membership of %s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid)),
          string_agg(concat_ws(' ', case when admin_option then 'admin' end, case when to_jsonb(m) ->> 'inherit_option' = 'false' then 'noinherit' end,
            case when to_jsonb(m) ->> 'set_option' = 'false' then 'noset' end), ', ' order by 1) from pg_auth_members m
    where ${made("member")} or member = 10 group by member, roleid`,
  `select '', format('setting of %s%s: %s', coalesce(pg_get_userbyid(nullif(setrole, 0)), 'everyone'), case when setdatabase = 0 then ' in every database' else '' end, split_part(c, '=', 1)),
          substr(c, strpos(c, '=') + 1)
     from pg_db_role_setting, unnest(setconfig) c where setdatabase in (0, (select oid from pg_database where datname = current_database()))`,
  `select '', 'parameter ' || name, current_setting(name)
     from unnest(array['session_replication_role', 'allow_system_table_mods', 'local_preload_libraries', 'zero_damaged_pages', 'ignore_checksum_failure', 'ignore_system_indexes']) name`,
];

export const catalogQuery = `
  with relation as materialized (${relations})
  select scope::text, key::text, coalesce(fact, '')::text as fact from (
    ${parts.join("\n    union all ")}) t (scope, key, fact) limit 200000`;
