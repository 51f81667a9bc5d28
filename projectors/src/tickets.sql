CREATE TABLE tickets (
    id uuid PRIMARY KEY,
    seller uuid NOT NULL,
    title text NOT NULL,
    price_minor bigint NOT NULL,
    currency text NOT NULL,
    quantity integer NOT NULL,
    -- Units held by orders that are not paid yet.
    reserved integer NOT NULL,
    sold integer NOT NULL,
    -- Units that can be reserved now.
    available integer NOT NULL GENERATED ALWAYS AS (
        CASE WHEN withdrawn THEN 0 ELSE GREATEST(quantity - reserved - sold, 0) END
    ) STORED,
    max_per_order integer NOT NULL,
    withdrawn boolean NOT NULL,
    -- The one order that has a single-unit ticket.
    order_id uuid,
    -- The revision of the ticket's stream.
    version bigint NOT NULL,
    listed_at timestamptz NOT NULL,
    -- Where in the log it was listed: lists are paged by it.
    listed_commit bigint NOT NULL,
    listed_prepare bigint NOT NULL,
    -- Where in the log it last changed: who watches goes on from there.
    changed_commit bigint NOT NULL,
    changed_prepare bigint NOT NULL
);

-- The public list: what can be bought, newest first.
CREATE INDEX tickets_on_sale ON tickets (listed_commit DESC, listed_prepare DESC)
WHERE available > 0;
-- The same in one currency: newest first, and by price.
CREATE INDEX tickets_of_currency ON tickets (currency, listed_commit DESC, listed_prepare DESC)
WHERE available > 0;
CREATE INDEX tickets_by_price ON tickets (currency, price_minor, listed_commit, listed_prepare)
WHERE available > 0;
-- What one person sells or has sold, newest first.
CREATE INDEX tickets_of_seller ON tickets (seller, listed_commit DESC, listed_prepare DESC);

-- What has changed.
CREATE INDEX tickets_changed ON tickets (changed_commit, changed_prepare);

-- The units each order has; needed because an event that frees or sells them does not say how many.
CREATE TABLE holds (
    ticket uuid NOT NULL,
    order_id uuid NOT NULL,
    units integer NOT NULL,
    sold boolean NOT NULL,
    PRIMARY KEY (ticket, order_id)
);
