CREATE TABLE account (
    id uuid PRIMARY KEY,
    registered_at timestamptz NOT NULL,
    -- The person has asked to be forgotten, and is forgotten.
    erasure_requested_at timestamptz,
    erased_at timestamptz,
    -- The revision of the account's stream.
    version bigint NOT NULL,
    -- Where in the log it last changed: who watches goes on from there.
    changed_commit bigint NOT NULL,
    changed_prepare bigint NOT NULL
);

CREATE INDEX account_changed ON account (changed_commit, changed_prepare);

-- Sessions that were not ended; those past their time go when the person signs in again.
CREATE TABLE account_sessions (
    account uuid NOT NULL,
    session uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (account, session)
);

-- What readers see. A session that runs out is no event, so open ones are counted when asked for.
CREATE VIEW accounts AS
SELECT
    account.*,
    account.erasure_requested_at IS NOT NULL OR account.erased_at IS NOT NULL AS erased,
    (
        SELECT count(*) FROM account_sessions
        WHERE account_sessions.account = account.id AND account_sessions.expires_at > now()
    ) AS open_sessions
FROM account;
