-- What happened, an event a row: who, what, when and because of what, but not the event itself,
-- which the log has. Nothing personal is in it.
CREATE TABLE timeline (
    event_id uuid PRIMARY KEY,
    commit_position bigint NOT NULL,
    prepare_position bigint NOT NULL,
    stream text NOT NULL,
    -- The first part of the stream's name, and the rest of it.
    aggregate text NOT NULL,
    aggregate_id text NOT NULL,
    revision bigint NOT NULL,
    -- As it is stored, such as `TicketReserved.v1`.
    event text NOT NULL,
    -- `anonymous`, `person` or `process`, and which.
    actor text NOT NULL,
    actor_id text,
    command uuid NOT NULL,
    correlation uuid NOT NULL,
    -- The request or the event that led to the command.
    causation uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    -- When the log took it in, to the second.
    recorded_at timestamptz NOT NULL
);

-- The history of one thing.
CREATE UNIQUE INDEX timeline_stream ON timeline (stream, revision);
-- Everything that came of one request, in order.
CREATE INDEX timeline_correlation
ON timeline (correlation, commit_position, prepare_position);
-- What came of one event directly.
CREATE INDEX timeline_causation ON timeline (causation);
