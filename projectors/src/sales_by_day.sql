-- What each ticket brought its seller, a day of UTC a row.
CREATE TABLE sales_by_day (
    seller uuid NOT NULL,
    ticket uuid NOT NULL,
    day date NOT NULL,
    currency text NOT NULL,
    -- Units and money of the orders that were paid on that day.
    units_sold bigint NOT NULL,
    gross_minor bigint NOT NULL,
    -- Money of whatever orders that went back on that day.
    refunded_minor bigint NOT NULL,
    PRIMARY KEY (seller, ticket, day, currency)
);

-- Everything of one seller, newest first.
CREATE INDEX sales_by_day_of_seller ON sales_by_day (seller, day DESC);

-- What later events do not say again.
CREATE TABLE sales_sellers (ticket uuid PRIMARY KEY, seller uuid NOT NULL);
CREATE TABLE sales_orders (
    id uuid PRIMARY KEY,
    ticket uuid NOT NULL,
    units bigint NOT NULL,
    total_minor bigint NOT NULL,
    currency text NOT NULL,
    -- What is to go back.
    refund_minor bigint
);
