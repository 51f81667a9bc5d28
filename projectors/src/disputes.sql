-- What buyers contest at their bank.
CREATE TABLE disputes (
    -- The provider's name of it.
    id text PRIMARY KEY,
    payment uuid NOT NULL,
    order_id uuid NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    -- The provider's word for why; none when only the decision is known.
    reason text,
    -- open, won or lost.
    status text NOT NULL,
    opened_at timestamptz NOT NULL,
    decided_at timestamptz,
    -- Where in the log it was first heard of: lists are paged by it.
    heard_commit bigint NOT NULL,
    heard_prepare bigint NOT NULL
);

-- All there are, newest first.
CREATE INDEX disputes_heard ON disputes (heard_commit DESC, heard_prepare DESC);
-- Those of one payment, to be made anew.
CREATE INDEX disputes_of_payment ON disputes (payment);

-- What later events do not say again.
CREATE TABLE disputes_payments (payment uuid PRIMARY KEY, order_id uuid NOT NULL);
