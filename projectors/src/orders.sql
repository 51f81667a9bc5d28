CREATE TABLE orders (
    id uuid PRIMARY KEY,
    ticket uuid NOT NULL,
    buyer uuid NOT NULL,
    -- The ticket's, when the order was placed.
    title text NOT NULL,
    quantity integer NOT NULL,
    unit_price_minor bigint NOT NULL,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    status text NOT NULL,
    -- The payment that is under way or was made.
    payment uuid,
    expires_at timestamptz NOT NULL,
    -- The revision of the order's stream.
    version bigint NOT NULL,
    placed_at timestamptz NOT NULL,
    -- Where in the log it was placed: lists are paged by it.
    placed_commit bigint NOT NULL,
    placed_prepare bigint NOT NULL,
    -- Where in the log it last changed: who watches goes on from there.
    changed_commit bigint NOT NULL,
    changed_prepare bigint NOT NULL
);

-- One's own orders, newest first.
CREATE INDEX orders_of_buyer ON orders (buyer, placed_commit DESC, placed_prepare DESC);
-- What has changed: read once for all who watch.
CREATE INDEX orders_changed ON orders (changed_commit, changed_prepare);
-- One's own orders of a ticket, newest first.
CREATE INDEX orders_of_ticket ON orders (ticket, buyer, placed_commit DESC, placed_prepare DESC);
-- One's own orders in one state, newest first.
CREATE INDEX orders_of_status ON orders (buyer, status, placed_commit DESC, placed_prepare DESC);
