-- One movement of money a row: out of one account and into another. A row that does not add up to
-- zero cannot be written.
CREATE TABLE ledger (
    -- From 1 and without gaps, in the order of the log.
    number bigint PRIMARY KEY,
    -- The account that gets, and the one that gives.
    debit text NOT NULL,
    credit text NOT NULL,
    amount_minor bigint NOT NULL CHECK (amount_minor > 0),
    currency text NOT NULL,
    -- In words.
    why text NOT NULL,
    -- The event it follows from.
    stream text NOT NULL,
    event uuid NOT NULL,
    at timestamptz NOT NULL,
    commit_position bigint NOT NULL,
    prepare_position bigint NOT NULL,
    CHECK (debit <> credit)
);

-- What one account has to do with, such as `seller/<id>`.
CREATE INDEX ledger_debit ON ledger (debit, number);
CREATE INDEX ledger_credit ON ledger (credit, number);

-- What each account has got and given, all told.
CREATE TABLE ledger_balances (
    account text NOT NULL,
    currency text NOT NULL,
    debits_minor bigint NOT NULL CHECK (debits_minor >= 0),
    credits_minor bigint NOT NULL CHECK (credits_minor >= 0),
    PRIMARY KEY (account, currency)
);

-- What later entries need to know of earlier events.
CREATE TABLE ledger_sellers (ticket uuid PRIMARY KEY, seller uuid NOT NULL);
CREATE TABLE ledger_orders (id uuid PRIMARY KEY, facts jsonb NOT NULL);
CREATE TABLE ledger_payments (id uuid PRIMARY KEY, facts jsonb NOT NULL);
