/**
 * What there is in the database and of its server, read from the catalog: each thing with what it is, as one line of text. Nothing is left
 * out because it seems harmless; what initdb made is compared in builtIns.ts, and here but for its owners and rights left out by its oid. As
 * queries.ts: PostgreSQL's own functions only. Columns that not every version has are read through to_jsonb.
 */

import { firstMade } from "./builtIns";

const made = (oid: string) => `${oid} >= ${firstMade}`;
const broughtAlong = (oid: string) => `${oid} < ${firstMade}`;

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
   where ${made("c.oid")} and c.relkind not in ('i', 'I', 't') and not (c.relpersistence = 't' and n.nspname ~ '^pg_temp_\\d+$')`;

/** The server's superuser has a name of its own on each; its oid is 10 (BOOTSTRAP_SUPERUSERID). */
const ownerName = (owner: string) =>
  `case ${owner} when 10 then 'the server''s superuser' else pg_get_userbyid(${owner})::text end`;

const inScope = (what: string) => `${what} join relation r on r.oid =`;

/** The columns of this one of PostgreSQL's functions differ from version to version, and are written after it. */
const sqlBody = `regexp_replace(pg_get_function_sqlbody(p.oid), '(pg_stat_get_activity\\(NULL::integer\\) a)\\([^)]*\\)', '\\1', 'g')`;

/** Whether the index works as one. */
const works = (index: string) =>
  ["indisvalid", "indisready", "indislive"].map((flag) => `${index}.${flag}`).join(" and ") +
  ` and not ${index}.indcheckxmin`;

/** Where a table's large values are. */
const toast = `(select case when t.relkind = 't' and t.relpersistence = r.relpersistence and t.relowner = r.relowner
            and exists (select from pg_index i where i.indrelid = t.oid and i.indisunique and ${works("i")}) then 'TOAST' else 'TOAST altered' end
            || coalesce(' with options ' || array_to_string(t.reloptions, ' '), '')
      from pg_class t where t.oid = r.reltoastrelid)`;

/** What makes a type what it is, besides its name, its owner and what it is the type of. */
const ofType = (type: string) =>
  `row(${["typlen", "typbyval", "typtype", "typcategory", "typispreferred", "typisdefined", "typdelim", "typsubscript::oid", "typinput::oid", "typoutput::oid", "typreceive::oid", "typsend::oid", "typmodin::oid", "typmodout::oid", "typanalyze::oid", "typalign", "typstorage", "typnotnull", "typbasetype", "typtypmod", "typndims", "typcollation", "typdefault"].map((column) => `${type}.${column}`).join(", ")})`;
/** A row's type, and that of an array of such rows: as PostgreSQL makes those of its own tables. */
const rowType = `(select case when (t.typowner, t.typrelid, t.typelem, t.typacl::text, ${ofType("t")}) is distinct from (r.relowner, r.oid, 0::oid, null::text, ${ofType("plain")}) then 'row type altered'
            when (y.typowner, y.typrelid, y.typelem, y.typacl::text, ${ofType("y")}) is distinct from (r.relowner, 0::oid, t.oid, null::text, ${ofType("plain_array")}) then 'array type altered' end
      from pg_type t left join pg_type y on y.oid = t.typarray join pg_type plain on plain.oid = 'pg_class'::regtype join pg_type plain_array on plain_array.oid = plain.typarray
     where t.oid = r.reltype)`;

const tablespace = (column: string) => `(select 'tablespace ' || spcname from pg_tablespace where oid = ${column})`;
const sequence = `(select concat_ws(' ', 'sequence', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, case when seqcycle then 'cycle' end) from pg_sequence where seqrelid = r.oid)`;

const owned = [
  ["pg_proc", "proowner"],
  ["pg_namespace", "nspowner"],
  ["pg_class", "relowner"],
  ["pg_type", "typowner"],
  ["pg_operator", "oprowner"],
  ["pg_opclass", "opcowner"],
  ["pg_opfamily", "opfowner"],
  ["pg_language", "lanowner"],
  ["pg_collation", "collowner"],
  ["pg_conversion", "conowner"],
  ["pg_ts_config", "cfgowner"],
  ["pg_ts_dict", "dictowner"],
  ["pg_tablespace", "spcowner"],
  ["pg_extension", "extowner"],
] as const;

/** Without the version that 17.12 and later give each column themselves; whatever ALTER TABLE says of it, the server keeps its own. */
const optionsOfColumn =
  "(select 'options ' || string_agg(o, ' ') from unnest(attoptions) o where o not like 'pg\\_attver=%')";

/** `scope` is a relation, or '' for what is none's; `key` names the thing there, `fact` says what it is. */
const parts: readonly string[] = [
  // Relations and what belongs to them.
  `select scope, 'relation', concat_ws('; ', 'kind ' || relkind::text, 'owner ' || pg_get_userbyid(relowner), 'persistence ' || relpersistence::text,
          (select 'access ' || amname from pg_am a where a.oid = relam), 'options ' || array_to_string(reloptions, ' '),
          ${tablespace("reltablespace")}, ${toast}, ${sequence}, 'partitioned by ' || pg_get_partkeydef(oid),
          (select 'default partition ' || partdefid::regclass from pg_partitioned_table where partrelid = r.oid and partdefid <> 0), ${rowType}, case when reloftype <> 0 then 'of ' || reloftype::regtype::text end,
          'replica identity ' || relreplident::text, nullif(${flags(["relrowsecurity", "row security"], ["relforcerowsecurity", "forced"])}, ''),
          (select 'child of ' || string_agg(inhparent::regclass::text || case when inhdetachpending then ' (being detached)' else '' end, ' ' order by inhseqno)
             from pg_inherits where inhrelid = r.oid),
          case when relispartition then 'partition' end,
          -- What these say decides whether the server looks for triggers, rules, indexes and checks at all.
          nullif(${flags(["not relhastriggers and exists (select from pg_trigger t where t.tgrelid = r.oid)", "triggers not fired"], ["not relhasrules and exists (select from pg_rewrite w where w.ev_class = r.oid)", "rules not followed"], ["not relhasindex and exists (select from pg_index i where i.indrelid = r.oid)", "indexes not kept"], ["relchecks <> (select count(*) from pg_constraint k where k.conrelid = r.oid and contype = 'c')", "checks not made"], ["not relhassubclass and exists (select from pg_inherits i where i.inhparent = r.oid)", "children not read"])}, ''),
          ${rights("relacl", "r", "relowner")}) from relation r`,
  `select scope, 'column ' || attname, concat_ws('; ', format_type(atttypid, atttypmod) || ' (' || atttypid || ')',
          case when attcollation not in (0, 100) then 'collation ' || attcollation::regcollation::text end,
          nullif(${flags(["attnotnull", "not null"], ["attidentity = 'a' and not r.relispartition", "identity always"], ["attidentity = 'd' and not r.relispartition", "identity"], ["attgenerated <> ''", "generated"], ["a.attstorage <> y.typstorage", "storage"], ["attcompression <> ''", "compression"], ["atthasmissing", "filled in where missing"], ["(attlen, attbyval, attalign) <> (typlen, typbyval, typalign)", "stored as another type"])}, ''),
          (select 'default ' || pg_get_expr(adbin, adrelid) from pg_attrdef d where d.adrelid = a.attrelid and d.adnum = a.attnum),
          ${optionsOfColumn}, 'statistics ' || nullif(to_jsonb(a) ->> 'attstattarget', '-1'),
          nullif(${rights("attacl", "c", "relowner")}, 'no one else'))
     from ${inScope("pg_attribute a")} a.attrelid join pg_type y on y.oid = a.atttypid where attnum > 0 and not attisdropped`,
  `select coalesce(r.scope, ''), 'constraint ' || case when r.relispartition and contype <> 'c' then '' else conname || ' ' end || pg_get_constraintdef(k.oid),
          ${flags(["not convalidated", "not validated"], ["conislocal", "local"])}
     from pg_constraint k left join relation r on r.oid = k.conrelid
    where ${made("k.oid")} and contype <> 't' and not (contype = 'n' and convalidated) and (k.conrelid = 0 or r.oid is not null)`,
  `select scope, 'index ' || case when r.relispartition then '' else i.indexrelid::regclass::text || ' ' end
            || regexp_replace(pg_get_indexdef(i.indexrelid), 'INDEX .* ON (ONLY )?', 'INDEX ON '),
          concat_ws(' ', ${flags(["indisvalid", "valid"], ["indisready", "ready"], ["indislive", "live"], ["indcheckxmin", "not for every snapshot"], ["not indimmediate", "deferrable"], ["indisprimary", "primary"], ["indisclustered", "clustered"], ["indisreplident", "replica identity"], ["x.relispartition", "partition"])},
            'persistence ' || x.relpersistence::text, ${tablespace("x.reltablespace")}, 'owner ' || pg_get_userbyid(x.relowner))
     from pg_index i ${inScope("")} i.indrelid join pg_class x on x.oid = i.indexrelid`,
  `select scope, 'trigger ' || tgname, pg_get_triggerdef(t.oid) || '; enabled ' || tgenabled::text
     from ${inScope("pg_trigger t")} t.tgrelid where not tgisinternal or tgenabled <> 'O' or ${made("tgfoid")}`,
  `select scope, 'internal triggers', string_agg(format('%s %s', tgfoid::regproc, tgtype), ' ' order by tgfoid, tgtype) from ${inScope("pg_trigger t")} t.tgrelid
    where tgisinternal and not ${made("tgfoid")} group by scope`,
  `select scope, 'rule ' || rulename, pg_get_ruledef(w.oid) || '; enabled ' || ev_enabled::text from ${inScope("pg_rewrite w")} w.ev_class`,
  `select scope, 'policy ' || polname, polcmd::text from ${inScope("pg_policy p")} p.polrelid`,
  `select scope, 'extended statistics ' || stxname, '' from ${inScope("pg_statistic_ext s")} s.stxrelid`,

  // What can be called or meant by a name.
  `select '', 'function ' || p.oid::regprocedure::text, concat_ws('; ', 'returns ' || pg_get_function_result(p.oid),
          'arguments ' || pg_get_function_arguments(p.oid), 'language ' || lanname, 'owner ' || pg_get_userbyid(proowner), 'kind ' || prokind::text,
          'volatility ' || provolatile::text, 'parallel ' || proparallel::text,
          nullif(${flags(["prosecdef", "security definer"], ["proleakproof", "leakproof"], ["proisstrict", "strict"])}, ''),
          'support ' || nullif(prosupport::oid, 0), 'cost ' || nullif(procost, case when lanname in ('internal', 'c') then 1 else 100 end),
          'rows ' || nullif(prorows, case when proretset then 1000 else 0 end), 'transforms ' || array_to_string(protrftypes, ' '), 'library ' || probin, array_to_string(proconfig, ', '), ${rights("proacl", "f", "proowner")},
          'body ' || encode(sha256(textsend(coalesce(${sqlBody}, prosrc))), 'hex'))
     from pg_proc p join pg_language l on l.oid = p.prolang where ${made("p.oid")}`,
  `select '', 'type ' || t.oid::regtype::text, concat_ws('; ', 'kind ' || typtype::text, 'owner ' || pg_get_userbyid(typowner),
          'labels ' || (select string_agg(enumlabel, ' ' order by enumsortorder) from pg_enum e where e.enumtypid = t.oid),
          'base ' || nullif(typbasetype, 0)::regtype::text, ${rights("typacl", "T", "typowner")})
     from pg_type t where ${made("t.oid")} and not exists (select from pg_type e where e.typarray = t.oid) and not exists (select from pg_class c where c.oid = t.typrelid and c.relkind <> 'c')
       and typnamespace not in (select oid from pg_namespace where nspname ~ '^pg_(toast_)?temp_\\d+$')`,
  `select '', format('cast from %s to %s', castsource::regtype, casttarget::regtype), format('%s %s %s', castfunc::regprocedure, castcontext, castmethod)
     from pg_cast where ${made("oid")}`,
  `select '', 'operator ' || oid::regoperator::text, oprcode::regprocedure::text from pg_operator where ${made("oid")}`,
  `select '', format('operator class %s of %s', opcname, opcintype::regtype), opcfamily::text from pg_opclass where ${made("oid")}`,
  `select '', 'operator family ' || opfname, '' from pg_opfamily where ${made("oid")}`,
  `select '', 'operator in a family ' || amopopr::regoperator::text, amopfamily::text from pg_amop where ${made("oid")}`,
  `select '', 'function in a family ' || amproc::regprocedure::text, amprocfamily::text from pg_amproc where ${made("oid")}`,
  `select '', 'language ' || lanname, concat_ws('; ', case when lanpltrusted then 'trusted' else 'not trusted' end, lanplcallfoid::regproc::text, laninline::regproc::text, lanvalidator::regproc::text)
     from pg_language where ${made("oid")}`,
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
  `select '', 'extension ' || extname, concat_ws('; ', 'schema ' || extnamespace::regnamespace::text, 'owner ' || ${ownerName("extowner")}, 'configured by ' || array_to_string(extconfig, ' ')) from pg_extension`,
  `select '', format('member of extension %s: %s', extname, pg_describe_object(classid, objid, objsubid)), ''
     from pg_depend d join pg_extension e on d.refclassid = 'pg_extension'::regclass and d.refobjid = e.oid where d.deptype = 'e' and ${made("d.objid")}`,
  `select '', 'publication ' || pubname, '' from pg_publication`,
  `select '', 'subscription ' || subname, '' from pg_subscription`,
  `select '', 'logical replication slot ' || slot_name, plugin::text from pg_get_replication_slots() where slot_type = 'logical'`,
  `select '', 'foreign data wrapper ' || fdwname, '' from pg_foreign_data_wrapper`,
  `select '', 'foreign server ' || srvname, '' from pg_foreign_server`,
  `select '', format('%s on what initdb made', pg_describe_object(class, oid, 0)), ''
     from (select 'pg_rewrite'::regclass as class, oid, ev_class as relation from pg_rewrite union all select 'pg_trigger'::regclass, oid, tgrelid from pg_trigger) o
    where ${made("oid")} and ${broughtAlong("relation")}`,
  `select '', 'large objects', count(*)::text from pg_largeobject_metadata having count(*) > 0`,
  `select '', format('security label of %s', pg_describe_object(classoid, objoid, objsubid)), label from pg_seclabel`,
  `select '', format('security label of the server''s %s', pg_describe_object(classoid, objoid, 0)), label from pg_shseclabel`,
  `select '', 'replication origin ' || roname, '' from pg_replication_origin`,

  // Who may what.
  `select '', 'database', concat_ws('; ', 'owner ' || pg_get_userbyid(datdba), pg_encoding_to_char(encoding),
          nullif(${flags(["datistemplate", "template"], ["not datallowconn", "no connections"])}, ''), 'connection limit ' || nullif(datconnlimit, -1), ${tablespace("nullif(dattablespace, 1663)")}, ${rights("datacl", "d", "datdba")})
     from pg_database where datname = current_database()`,
  `select '', 'tablespace ' || spcname, concat_ws('; ', 'owner ' || pg_get_userbyid(spcowner), 'location ' || pg_tablespace_location(oid),
          'options ' || array_to_string(spcoptions, ' '), ${rights("spcacl", "t", "spcowner")}) from pg_tablespace where ${made("oid")}`,
  `select '', 'schema ' || nspname, concat_ws('; ', 'owner ' || pg_get_userbyid(nspowner), ${rights("nspacl", "n", "nspowner")})
     from pg_namespace where (${made("oid")} or nspname = 'public') and nspname !~ '^pg_(toast_)?temp_\\d+$'`,
  `select '', format('default privileges of %s for %s%s', pg_get_userbyid(defaclrole), defaclobjtype, coalesce(' in ' || nullif(defaclnamespace, 0)::regnamespace::text, '')),
          ${rights("defaclacl", "f", "defaclrole")} from pg_default_acl`,
  `select '', 'right on what initdb made: ' || pg_describe_object(o.class, o.oid, o.part), string_agg(format('%s may %s', case when a.grantee = 0 then 'everyone' else pg_get_userbyid(a.grantee) end, a.privilege_type || case when a.is_grantable then ' (and pass it on)' else '' end), ', ' order by 1)
     from (select 'pg_class'::regclass as class, oid, 0 as part, relacl as acl, acldefault('r', relowner) as plain, relowner as owner from pg_class where relacl is not null
           union all select 'pg_proc'::regclass, oid, 0, proacl, acldefault('f', proowner), proowner from pg_proc where proacl is not null
           union all select 'pg_namespace'::regclass, oid, 0, nspacl, acldefault('n', nspowner), nspowner from pg_namespace where nspacl is not null and nspname <> 'public'
           union all select 'pg_type'::regclass, oid, 0, typacl, acldefault('T', typowner), typowner from pg_type where typacl is not null
           union all select 'pg_language'::regclass, oid, 0, lanacl, acldefault('l', lanowner), lanowner from pg_language where lanacl is not null
           union all select 'pg_tablespace'::regclass, oid, 0, spcacl, acldefault('t', spcowner), spcowner from pg_tablespace where spcacl is not null
           union all select 'pg_class'::regclass, attrelid, attnum, attacl, acldefault('c', relowner), relowner
             from pg_attribute join pg_class c on c.oid = attrelid where attacl is not null) o
     cross join aclexplode(o.acl) a
    where ${broughtAlong("o.oid")} and a.grantee <> o.owner and not (a.grantee = 0 and a.privilege_type = 'SELECT' and not a.is_grantable
            and exists (select from pg_class v where v.oid = o.oid and v.relnamespace = 'information_schema'::regnamespace and v.relkind = 'v'))
      and not exists (
            select from aclexplode(coalesce((select initprivs from pg_init_privs i where i.classoid = o.class and i.objoid = o.oid and i.objsubid = o.part), o.plain)) b
             where b.grantee = a.grantee and b.privilege_type = a.privilege_type and b.is_grantable = a.is_grantable)
    group by o.class, o.oid, o.part`,
  // From the owner of one of PostgreSQL's own functions or schemas on, all that is built on it is his.
  `select '', 'owner of what initdb made: ' || pg_describe_object(class, oid, 0), pg_get_userbyid(owner)
     from (${owned.map(([catalog, column]) => `select '${catalog}'::regclass as class, oid, ${column} as owner from ${catalog}`).join(" union all ")}) o
    where ${broughtAlong("oid")} and owner <> 10 and (class, oid) is distinct from ('pg_namespace'::regclass::oid, 'public'::regnamespace::oid)`,
  `select '', 'right on the parameter ' || parname, array_to_string(paracl, ' ') from pg_parameter_acl`,
  // Not how many connections it may have: that is each deployment's own number (018 repairs it), and changes no row.
  `select '', 'role ' || rolname, concat_ws('; ', ${flags(["rolsuper", "superuser"], ["rolcreaterole", "createrole"], ["rolcreatedb", "createdb"], ["rolreplication", "replication"], ["rolbypassrls", "bypassrls"], ["rolinherit", "inherit"], ["rolcanlogin", "login"])},
          'valid until ' || nullif(rolvaliduntil, 'infinity'))
     from pg_roles where oid <> 10 and (${made("oid")} or rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls or rolcanlogin)`,
  `select '', format('membership of %s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid)),
          string_agg(concat_ws(' ', case when admin_option then 'admin' end, case when to_jsonb(m) ->> 'inherit_option' = 'false' then 'noinherit' end,
            case when to_jsonb(m) ->> 'set_option' = 'false' then 'noset' end), ', ' order by 1) from pg_auth_members m
    group by member, roleid`,
  `select '', format('setting of %s%s: %s', coalesce(pg_get_userbyid(nullif(setrole, 0)), 'everyone'), case when setdatabase = 0 then ' in every database' else '' end, split_part(c, '=', 1)),
          substr(c, strpos(c, '=') + 1)
     from pg_db_role_setting, unnest(setconfig) c where setdatabase in (0, (select oid from pg_database where datname = current_database()))`,
  // Only who may read all settings sees it.
  `select '', 'parameter session_preload_libraries', libraries
     from (select case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('session_preload_libraries') end) s (libraries) where libraries <> ''`,
  `select '', 'parameter ' || name, current_setting(name)
     from unnest(array['session_replication_role', 'allow_system_table_mods', 'local_preload_libraries', 'zero_damaged_pages', 'ignore_checksum_failure', 'ignore_system_indexes']) name`,
];

export const catalogQuery = `
  with relation as materialized (${relations})
  select scope::text, key::text, coalesce(fact, '')::text as fact from (
    ${parts.join("\n    union all ")}) t (scope, key, fact) limit 200000`;
