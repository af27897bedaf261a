-- Views over this dataset, for DuckDB. Start it in this folder (duckdb -init catalog.sql), or from anywhere:
--   set file_search_path = 'the/dataset'; then this file.
-- A row counts when its document is in `documents`: every view here keeps to that.

create or replace view "documents" as
select * from read_parquet('documents/*.parquet');

create or replace view "sources" as
select * from read_parquet('sources/*.parquet');

create or replace view "runs" as
select * from read_parquet('runs/*.parquet');

create or replace view "recipes" as
select * from read_parquet('recipes/*.parquet');

create or replace view "quality" as
select * from read_parquet('quality/*.parquet');

create or replace view "corrections" as
select * from read_parquet('corrections/*.parquet');

create or replace view "changes" as
select * from read_parquet('changes/*.parquet');

create or replace view "invoice" as
select * from read_parquet('invoice/*.parquet') where document_id in (select document_id from documents);

create or replace view "invoice_line_items" as
select * from read_parquet('invoice_line_items/*.parquet') where document_id in (select document_id from documents);

create or replace view "evidence" as
select * from read_parquet('evidence/*.parquet') where document_id in (select document_id from documents);

create or replace view "checks" as
select * from read_parquet('checks/*.parquet') where document_id in (select document_id from documents);

create or replace view "pages" as
select * from read_parquet('pages/*.parquet') where document_id in (select document_id from documents);

create or replace view "figures" as
select * from read_parquet('figures/*.parquet') where document_id in (select document_id from documents);

create or replace view "calls" as
select * from read_parquet('calls/*.parquet');

create or replace view "failures" as
select * from read_parquet('failures/*.parquet');

-- The newest row of each address.
create or replace view current_sources as
select * from sources qualify row_number() over (partition by source_uri order by seen_at desc, run_id desc) = 1;

-- Documents that some address still holds.
create or replace view held_documents as
select * from documents where document_id in (select document_id from current_sources where not gone);

-- Failures that nothing has mended: the newest of each document, or of each address that could not be read.
create or replace view open_failures as
select * from failures
where (document_id is null or document_id not in (select document_id from documents))
  and (document_id is not null or source_uri not in
       (select source_uri from current_sources where document_id in (select document_id from documents)))
qualify row_number() over (partition by coalesce(document_id, source_uri) order by "at" desc) = 1;

-- How fresh the dataset is: the end of the last run that left nothing for later.
create or replace view freshness as
select max(finished_at) filter (where deferred = 0) as last_complete_run, max(finished_at) as last_run,
       (select max(extracted_at) from documents) as last_document
from runs;

-- Addresses whose documents are not published, by the day on which they were first seen.
create or replace view pending_by_day as
select cast(first_seen as date) as day, count(*) as addresses
from (select source_uri, min(seen_at) as first_seen from sources group by source_uri)
join current_sources using (source_uri)
where not gone and (document_id is null or document_id not in (select document_id from documents))
group by day order by day;

-- Records beside where their documents come from.
create or replace view "invoice_with_source" as
select r.*, d.source_uri, d.bytes, d.pages, d.title, d.model, d.cost_usd, s.attributes
from "invoice" r join documents d using (document_id)
left join current_sources s on s.source_uri = d.source_uri;

-- Each value beside how it was found (`_match`) and on which page (`_page`).
create or replace view "invoice_trust" as
select "document_id", "record", "record_status", "record_problems", "needs_review", "corrected_fields", "file_name", "first_page", "last_page", "recipe_id", "extracted_at", "number", "number_match", "number_page", "issue_date", "issue_date_match", "issue_date_page", "due_date", "due_date_match", "due_date_page", "seller_name", "seller_name_match", "seller_name_page", "seller_address", "seller_address_match", "seller_address_page", "seller_tax_id", "seller_tax_id_match", "seller_tax_id_page", "buyer_name", "buyer_name_match", "buyer_name_page", "buyer_address", "buyer_address_match", "buyer_address_page", "buyer_tax_id", "buyer_tax_id_match", "buyer_tax_id_page", "currency", "currency_match", "currency_page", "net_total", "net_total_match", "net_total_page", "tax_total", "tax_total_match", "tax_total_page", "gross_total", "gross_total_match", "gross_total_page", "allowances", "allowances_match", "allowances_page", "charges", "charges_match", "charges_page", "iban", "iban_match", "iban_page"
from "invoice"
left join (
  select "document_id", "record", any_value(match) filter (where below = '/number') as "number_match", any_value(page) filter (where below = '/number') as "number_page", any_value(match) filter (where below = '/issue_date') as "issue_date_match", any_value(page) filter (where below = '/issue_date') as "issue_date_page", any_value(match) filter (where below = '/due_date') as "due_date_match", any_value(page) filter (where below = '/due_date') as "due_date_page", any_value(match) filter (where below = '/seller/name') as "seller_name_match", any_value(page) filter (where below = '/seller/name') as "seller_name_page", any_value(match) filter (where below = '/seller/address') as "seller_address_match", any_value(page) filter (where below = '/seller/address') as "seller_address_page", any_value(match) filter (where below = '/seller/tax_id') as "seller_tax_id_match", any_value(page) filter (where below = '/seller/tax_id') as "seller_tax_id_page", any_value(match) filter (where below = '/buyer/name') as "buyer_name_match", any_value(page) filter (where below = '/buyer/name') as "buyer_name_page", any_value(match) filter (where below = '/buyer/address') as "buyer_address_match", any_value(page) filter (where below = '/buyer/address') as "buyer_address_page", any_value(match) filter (where below = '/buyer/tax_id') as "buyer_tax_id_match", any_value(page) filter (where below = '/buyer/tax_id') as "buyer_tax_id_page", any_value(match) filter (where below = '/currency') as "currency_match", any_value(page) filter (where below = '/currency') as "currency_page", any_value(match) filter (where below = '/net_total') as "net_total_match", any_value(page) filter (where below = '/net_total') as "net_total_page", any_value(match) filter (where below = '/tax_total') as "tax_total_match", any_value(page) filter (where below = '/tax_total') as "tax_total_page", any_value(match) filter (where below = '/gross_total') as "gross_total_match", any_value(page) filter (where below = '/gross_total') as "gross_total_page", any_value(match) filter (where below = '/allowances') as "allowances_match", any_value(page) filter (where below = '/allowances') as "allowances_page", any_value(match) filter (where below = '/charges') as "charges_match", any_value(page) filter (where below = '/charges') as "charges_page", any_value(match) filter (where below = '/iban') as "iban_match", any_value(page) filter (where below = '/iban') as "iban_page"
  from (
    select document_id, record, regexp_extract(field, '^(/.*)$', 1) as below, match, page
    from evidence where match <> 'conflict' and regexp_matches(field, '^(/.*)$')
  )
  group by "document_id", "record"
) using ("document_id", "record");

-- Each value beside how it was found (`_match`) and on which page (`_page`).
create or replace view "invoice_line_items_trust" as
select "document_id", "record", "item_index", "item_page", "record_status", "description", "description_match", "description_page", "quantity", "quantity_match", "quantity_page", "unit", "unit_match", "unit_page", "unit_price", "unit_price_match", "unit_price_page", "amount", "amount_match", "amount_page", "tax_rate", "tax_rate_match", "tax_rate_page"
from "invoice_line_items"
left join (
  select "document_id", "record", "item_index", any_value(match) filter (where below = '/description') as "description_match", any_value(page) filter (where below = '/description') as "description_page", any_value(match) filter (where below = '/quantity') as "quantity_match", any_value(page) filter (where below = '/quantity') as "quantity_page", any_value(match) filter (where below = '/unit') as "unit_match", any_value(page) filter (where below = '/unit') as "unit_page", any_value(match) filter (where below = '/unit_price') as "unit_price_match", any_value(page) filter (where below = '/unit_price') as "unit_price_page", any_value(match) filter (where below = '/amount') as "amount_match", any_value(page) filter (where below = '/amount') as "amount_page", any_value(match) filter (where below = '/tax_rate') as "tax_rate_match", any_value(page) filter (where below = '/tax_rate') as "tax_rate_page"
  from (
    select document_id, record, cast(regexp_extract(field, '^/line_items/([0-9]+)(/.*)$', 1) as bigint) as "item_index", regexp_extract(field, '^/line_items/([0-9]+)(/.*)$', 2) as below, match, page
    from evidence where match <> 'conflict' and regexp_matches(field, '^/line_items/([0-9]+)(/.*)$')
  )
  group by "document_id", "record", "item_index"
) using ("document_id", "record", "item_index");
