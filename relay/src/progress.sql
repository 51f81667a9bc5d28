create schema if not exists relay;

-- How far each stream had come when its checkpoint last moved.
create table if not exists relay.progress (
    stream text primary key,
    created text not null,
    sequence bigint not null check (sequence >= 0),
    updated_at timestamptz not null default now()
);
-- Where in the log the stream begins, if not at its start: after this.
alter table relay.progress add column if not exists begins_commit bigint;
alter table relay.progress add column if not exists begins_prepare bigint;
-- Why its relay refuses to go on.
alter table relay.progress add column if not exists halted text;

-- In how many partitions the streams of a name may be published.
create table if not exists relay.layout (
    name text not null,
    partitions integer not null check (partitions > 0),
    primary key (name, partitions)
);

-- The processes that relay, and which of them works on which stream.
create table if not exists relay.process (
    id uuid primary key,
    seen_at timestamptz not null
);
create table if not exists relay.lease (
    stream text primary key,
    holder uuid,
    epoch bigint not null default 0,
    held_until timestamptz not null default '-infinity'
);
