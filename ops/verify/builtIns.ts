/**
 * Whether PostgreSQL's own functions, operators, casts, types and what else gives a query its meaning are as released. Their rows in the
 * catalog differ from major version to major version and hardly ever within one: builtInDigests.json (`npm run built-ins` adds a server's to it)
 * has a digest of each kind. They are read as they are stored, and hashed here: a function that is not what it seems takes no part in it.
 */
import { createHash } from "node:crypto";
import type pg from "pg";
import known from "./builtInDigests.json";
import type { Finding } from "./findings";

interface Kind {
  /** In messages. */
  noun: string;
  from: string;
  /** What makes it what it is; not its owner and rights, which the catalog's comparison has. */
  columns: string;
  name: string;
}

/** Objects that initdb makes have lower oids (FirstNormalObjectId in PostgreSQL's access/transam.h). */
export const firstMade = 16384;
/** Those that it gives an oid of their own, the same in every build of a major version (FirstGenbkiObjectId, there). */
const fixed = (oid: string) => `${oid} < 10000`;
const initial = (oid: string) => `${oid} < ${firstMade}`;
const oid = `case when ${fixed("oid")} then oid end`;

const kinds: readonly Kind[] = [
  {
    noun: "functions",
    // What RDS might add (believed) is called by nothing here.
    from: `pg_proc x where ${initial("oid")} and proname !~ '^(rds|aurora)_'`,
    // information_schema's oid follows the collations that initdb found: it differs by ICU and by the machine's locales, on RDS too.
    columns: `${oid}, proname, case when ${fixed("pronamespace")} then pronamespace::text else pronamespace::regnamespace::text end, prolang, provariadic, prosupport::oid, prokind, prosecdef, proleakproof, proisstrict, proretset, provolatile,
      proparallel, pronargdefaults, prorettype, proargtypes, proallargtypes, proargmodes, proargnames, prosrc, probin, pg_get_function_sqlbody(oid), proconfig`,
    name: "proname",
  },
  {
    noun: "operators",
    from: `pg_operator x where ${initial("oid")}`,
    columns:
      "oid, oprname, oprnamespace, oprkind, oprcanmerge, oprcanhash, oprleft, oprright, oprresult, oprcom, oprnegate, oprcode::oid, oprrest::oid, oprjoin::oid",
    name: "oprname",
  },
  {
    noun: "casts",
    from: `pg_cast x where ${initial("oid")}`,
    columns: "castsource, casttarget, castfunc, castcontext, castmethod",
    name: "format('%s to %s', castsource::regtype, casttarget::regtype)",
  },
  {
    noun: "types",
    from: `pg_type x where ${fixed("oid")}`,
    columns: `oid, typname, typnamespace, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim, typrelid, typsubscript::oid,
      typelem, typarray, typinput::oid, typoutput::oid, typreceive::oid, typsend::oid, typmodin::oid, typmodout::oid, typalign, typstorage, typnotnull,
      typbasetype, typtypmod, typndims, typcollation, typdefault`,
    name: "typname",
  },
  {
    noun: "aggregates",
    from: `pg_aggregate x where ${initial("aggfnoid")}`,
    columns: `aggfnoid::oid, aggkind, aggnumdirectargs, aggtransfn::oid, aggfinalfn::oid, aggcombinefn::oid, aggserialfn::oid, aggdeserialfn::oid,
      aggmtransfn::oid, aggminvtransfn::oid, aggmfinalfn::oid, aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify, aggsortop, aggtranstype,
      aggmtranstype, agginitval, aggminitval`,
    name: "aggfnoid",
  },
  {
    noun: "operator classes",
    from: `pg_opclass x where ${initial("oid")}`,
    columns: `${oid}, opcmethod, opcname, opcnamespace, opcfamily, opcintype, opcdefault, opckeytype`,
    name: "opcname",
  },
  {
    noun: "operators of indexes",
    from: `pg_amop x where ${initial("oid")}`,
    columns: "amopfamily, amoplefttype, amoprighttype, amopstrategy, amoppurpose, amopopr, amopmethod, amopsortfamily",
    name: "amopopr::regoperator",
  },
  {
    noun: "functions of indexes",
    from: `pg_amproc x where ${initial("oid")}`,
    columns: "amprocfamily, amproclefttype, amprocrighttype, amprocnum, amproc::oid",
    name: "amproc",
  },
  {
    noun: "access methods",
    from: `pg_am x where ${initial("oid")}`,
    columns: "oid, amname, amhandler::oid, amtype",
    name: "amname",
  },
  {
    noun: "languages",
    from: `pg_language x where ${initial("oid")}`,
    columns: `${oid}, lanname, lanispl, lanpltrusted, lanplcallfoid::regproc, laninline::regproc, lanvalidator::regproc`,
    name: "lanname",
  },
  {
    noun: "conversions between encodings",
    from: `pg_conversion x where ${initial("oid")}`,
    columns: `${oid}, conname, connamespace, conforencoding, contoencoding, conproc::oid, condefault`,
    name: "conname",
  },
  {
    noun: "collations",
    from: `pg_collation x where ${fixed("oid")}`,
    columns: "oid, collname, collnamespace, collprovider, collisdeterministic, collencoding, collcollate, collctype",
    name: "collname",
  },
  {
    noun: "steps of the text search configuration simple",
    from: `pg_ts_config c join pg_ts_config_map x on mapcfg = c.oid join pg_ts_dict d on d.oid = mapdict join pg_ts_template t on t.oid = dicttemplate
      join pg_ts_parser p on p.oid = cfgparser where c.oid = 'simple'::regconfig`,
    columns:
      "c.oid, maptokentype, mapseqno, d.oid, dictname, dictinitoption, tmplinit::oid, tmpllexize::oid, p.oid, prsstart::oid, prstoken::oid, prsend::oid, prslextype::oid",
    name: "maptokentype",
  },
  {
    noun: "tables of its catalog",
    from: `pg_class x where ${fixed("oid")}`,
    columns:
      "oid, relname, relnamespace, relkind, relpersistence, relam, relnatts, relhasrules, relhastriggers, relrowsecurity, relforcerowsecurity, relispartition, relchecks",
    name: "relname",
  },
  {
    noun: "columns of its catalog",
    from: `pg_attribute x where ${fixed("attrelid")}`,
    columns:
      "attrelid, attname, attnum, atttypid, attlen, attbyval, attalign, attnotnull, atthasdef, attidentity, attgenerated, attisdropped, attcollation",
    name: "format('%s.%s', attrelid::regclass, attname)",
  },
  {
    noun: "indexes of its catalog",
    from: `pg_index x where ${fixed("indexrelid")}`,
    columns:
      "indexrelid, indrelid, indisunique, indisprimary, indimmediate, indisvalid, indisready, indislive, indkey, indclass, indcollation, indoption, indexprs, indpred",
    name: "indexrelid::regclass",
  },
  {
    noun: "first rights on its objects",
    from: "pg_init_privs x where privtype = 'i'",
    columns: `classoid, pg_describe_object(classoid, objoid, objsubid), (select array_agg(row(nullif(grantee, 10), privilege_type, is_grantable)::text order by 1)
      from aclexplode(initprivs))`,
    name: "pg_describe_object(classoid, objoid, objsubid)",
  },
  {
    noun: "views of roles",
    from: "pg_class x where oid = 'pg_roles'::regclass",
    columns: "relname, pg_get_viewdef(oid)",
    name: "relname",
  },
];

const query = kinds
  .map(
    ({ from, columns, name }, kind) =>
      `select ${kind} as kind, row(${columns})::text as row, (${name})::text as name, age(x.xmin) as age from ${from}`,
  )
  .join(" union all ");

interface Row {
  kind: number;
  row: string;
  name: string;
  /** Transactions since it was written. */
  age: number;
}

/** By major version: the last minor version that was looked at, and by kind the digests; more than one where minor versions made a difference. */
export type BuiltIns = Record<string, { lastMinor: number; digests: Record<string, string[]> }>;

export interface Described {
  version: string;
  minor: number;
  kinds: { noun: string; digest: string; writtenLast: string }[];
}

export async function describeBuiltIns(client: pg.Client): Promise<Described> {
  const { rows } = await client.query<Row>(query);
  const { rows: about } = await client.query<{ server_version_num: string }>("show server_version_num");
  const number = Number(about[0]?.server_version_num);
  return {
    version: String(Math.floor(number / 10_000)),
    minor: number % 10_000,
    kinds: kinds.map(({ noun }, kind) => {
      const of = rows.filter((row) => row.kind === kind);
      const text = of.map(({ row }) => row).sort();
      const last = of.reduce((a, b) => (b.age < a.age ? b : a), of[0] ?? { name: "none is left", age: 0 });
      return { noun, digest: createHash("sha256").update(JSON.stringify(text)).digest("hex"), writtenLast: last.name };
    }),
  };
}

export const builtInFindings = async (client: pg.Client): Promise<Finding[]> =>
  compareBuiltIns(await describeBuiltIns(client));

export function compareBuiltIns({ version, minor, kinds }: Described): Finding[] {
  const released = (known as BuiltIns)[version];
  const off = (message: string): Finding => ({ kind: "guard-off", message });
  if (!released)
    return [
      off(
        `what PostgreSQL ${version} brings is not known here (${Object.keys(known).join(", ")} are): ops/verify/builtInDigests.json`,
      ),
    ];
  const { lastMinor, digests } = released;
  return kinds
    .filter(({ noun, digest }) => !digests[noun]?.includes(digest))
    .map(({ noun, digest, writtenLast }): Finding => {
      const which = `(the one written last: ${writtenLast}; digest ${digest.slice(0, 16)})`;
      // RDS applies minor versions by itself: a new one's change is somebody's to look at, and no reason to wake him.
      if (minor > lastMinor)
        return {
          kind: "unknown-release",
          message: `the ${noun} of PostgreSQL ${version} are not those up to ${version}.${lastMinor}, the last minor version known here ${which}`,
        };
      return off(`the ${noun} that PostgreSQL ${version} brings are not as released ${which}`);
    });
}
