CREATE SCHEMA IF NOT EXISTS projector;
CREATE SCHEMA IF NOT EXISTS read;

-- The version of each projection that readers see.
CREATE TABLE IF NOT EXISTS projector.live (
    name text PRIMARY KEY,
    version integer NOT NULL
);

-- How far what readers see has come.
CREATE OR REPLACE VIEW read.checkpoint AS
SELECT
    'projector/' || live.name AS name,
    checkpoint.commit_position,
    checkpoint.prepare_position
FROM projector.live
JOIN follower.checkpoint
    ON checkpoint.name = 'projector/' || live.name || '/v' || live.version;

-- Who may read the views and nothing else: grant it to the login of whoever only reads. Roles belong
-- to all databases of a server, so another one may have made it, or may be making it just now; and
-- an owner who may not make roles goes without.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ticketing_reader') THEN
        CREATE ROLE ticketing_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL;
END
$$;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'ticketing_reader') THEN
        GRANT USAGE ON SCHEMA read TO ticketing_reader;
        GRANT SELECT ON ALL TABLES IN SCHEMA read TO ticketing_reader;
        -- Views are made anew when another version of a projection is shown.
        ALTER DEFAULT PRIVILEGES IN SCHEMA read GRANT SELECT ON TABLES TO ticketing_reader;
    END IF;
END
$$;
