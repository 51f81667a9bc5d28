CREATE SCHEMA IF NOT EXISTS projector;
CREATE SCHEMA IF NOT EXISTS read;

-- What readers see of each projection.
CREATE TABLE IF NOT EXISTS projector.live (
    name text PRIMARY KEY,
    version integer NOT NULL
);
ALTER TABLE projector.live ADD COLUMN IF NOT EXISTS build integer NOT NULL DEFAULT 1;

-- The sets of tables that there are, and what each is for: `kept` by the projectors of its version,
-- `filling` by a rebuild, or the `former` one, to which a rollback leads.
CREATE TABLE IF NOT EXISTS projector.build (
    name text NOT NULL,
    version integer NOT NULL,
    number integer NOT NULL,
    part text NOT NULL CHECK (part IN ('kept', 'filling', 'former')),
    -- Left out while the tables are filled, to be made when they are full.
    indexes text [] NOT NULL DEFAULT '{}',
    PRIMARY KEY (name, version, number)
);
CREATE UNIQUE INDEX IF NOT EXISTS build_part ON projector.build (name, version, part);

-- How far what readers see has come.
CREATE OR REPLACE VIEW read.checkpoint AS
SELECT
    'projector/' || live.name AS name,
    checkpoint.commit_position,
    checkpoint.prepare_position
FROM projector.live
JOIN follower.checkpoint
    ON checkpoint.name = 'projector/' || live.name || '/v' || live.version
    || CASE WHEN live.build = 1 THEN '' ELSE '/b' || live.build END;

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
