CREATE SCHEMA IF NOT EXISTS process_managers;

CREATE TABLE IF NOT EXISTS process_managers.task (
    process       text        NOT NULL,
    key           uuid        NOT NULL,
    due           timestamptz NOT NULL,
    task          jsonb       NOT NULL,
    -- Rises when the log puts the task on the list anew, so that a worker that is done with the
    -- earlier one does not take this one off.
    generation    bigint      NOT NULL DEFAULT 0,
    attempts      integer     NOT NULL DEFAULT 0,
    -- Attempts in a row that failed for good.
    refusals      integer     NOT NULL DEFAULT 0,
    last_error    text,
    -- Who performs it, until when nobody else may.
    claim         uuid,
    claimed_until timestamptz,
    -- Not tried any more; a person has to look.
    parked_at     timestamptz,
    added_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (process, key)
);

CREATE INDEX IF NOT EXISTS task_due ON process_managers.task (process, due)
    WHERE parked_at IS NULL;

-- How far the payment provider's own list of events was read, and by whom it is read now.
CREATE TABLE IF NOT EXISTS process_managers.reconciler (
    name          text        PRIMARY KEY,
    seen_until    timestamptz,
    claim         uuid        NOT NULL,
    claimed_until timestamptz NOT NULL
);
