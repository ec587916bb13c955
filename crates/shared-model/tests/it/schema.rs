//! `src/schema.rs` is written by hand, so this compares it with the tables that the migrations make.

use std::collections::BTreeMap;
use std::fmt::Write;

use diesel::sql_types::{Array, Bool, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl};

use crate::support::database;

const SCHEMA_RS: &str = include_str!("../../src/schema.rs");

#[test]
fn schema_rs_describes_the_tables_that_the_migrations_make() {
    let tables = tables_of(&mut database());
    let written = tables_in(SCHEMA_RS);
    let names = |tables: &BTreeMap<String, String>| tables.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&tables));
    for (name, table) in &tables {
        assert_eq!(
            &written[name], table,
            "src/schema.rs, left, has another {name} than the database, right"
        );
    }
}

/// The `table!` blocks of a source file, by the table's name.
fn tables_in(source: &str) -> BTreeMap<String, String> {
    let blocks = source.split("diesel::table! {\n").skip(1);
    blocks
        .map(|block| {
            let (table, _) = block.split_once("\n}").unwrap();
            let (name, _) = table.trim().split_once(' ').unwrap();
            (name.to_owned(), format!("{table}\n"))
        })
        .collect()
}

#[derive(QueryableByName)]
struct CatalogRow {
    #[diesel(sql_type = Text)]
    table_name: String,
    #[diesel(sql_type = Array<Text>)]
    primary_key: Vec<String>,
    #[diesel(sql_type = Text)]
    column_name: String,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Bool)]
    is_nullable: bool,
}

/// The content of a `table!` block for each table of the database, with the columns in their order.
fn tables_of(connection: &mut PgConnection) -> BTreeMap<String, String> {
    let columns: Vec<CatalogRow> = diesel::sql_query(
        "SELECT class.relname::text AS table_name, attribute.attname::text AS column_name,
                type.typname::text AS type_name, NOT attribute.attnotnull AS is_nullable,
                ARRAY (SELECT key_column.attname::text
                       FROM pg_index, unnest(indkey) WITH ORDINALITY AS key (attnum, position)
                       JOIN pg_attribute AS key_column USING (attnum)
                       WHERE indrelid = class.oid AND indisprimary AND key_column.attrelid = class.oid
                       ORDER BY position) AS primary_key
         FROM pg_class AS class
         JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
         JOIN pg_type AS type ON type.oid = attribute.atttypid
         WHERE class.relnamespace = 'public'::regnamespace AND class.relkind = 'r'
           AND class.relname <> '__diesel_schema_migrations'
           AND attribute.attnum > 0 AND NOT attribute.attisdropped
         ORDER BY class.relname, attribute.attnum",
    )
    .load(connection)
    .unwrap();
    let mut tables = BTreeMap::new();
    for column in columns {
        let CatalogRow {
            table_name,
            primary_key,
            column_name,
            type_name,
            is_nullable,
        } = column;
        let table = tables
            .entry(table_name.clone())
            .or_insert_with(|| format!("    {table_name} ({}) {{\n", primary_key.join(", ")));
        let diesel_type = diesel_type(&type_name);
        let diesel_type = if is_nullable {
            format!("Nullable<{diesel_type}>")
        } else {
            diesel_type.to_owned()
        };
        writeln!(table, "        {column_name} -> {diesel_type},").unwrap();
    }
    for table in tables.values_mut() {
        table.push_str("    }\n");
    }
    tables
}

fn diesel_type(type_name: &str) -> &'static str {
    match type_name {
        "_int4" => "Array<Integer>",
        "_text" => "Array<Text>",
        "bool" => "Bool",
        "bytea" => "Bytea",
        "int4" => "Integer",
        "int8" => "BigInt",
        "interval" => "Interval",
        "jsonb" => "Jsonb",
        "text" => "Text",
        "timestamp" => "Timestamp",
        "timestamptz" => "Timestamptz",
        "uuid" => "Uuid",
        "varchar" => "Varchar",
        other => panic!("add the diesel type of {other} here"),
    }
}
