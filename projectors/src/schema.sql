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
