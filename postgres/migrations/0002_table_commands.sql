-- The commands of a table itself (pause, resume, visibility, broadcast): they belong to no round and no leg, so
-- their deliveries say themselves what a leg would have said.
ALTER TABLE deliveries
    ADD COLUMN config_version integer,
    ADD COLUMN required       boolean,
    ADD CONSTRAINT deliveries_of_a_leg_or_a_table CHECK (
        (leg_id IS NULL) = (round_id IS NULL)
        AND (leg_id IS NULL) = (config_version IS NOT NULL)
        AND (leg_id IS NULL) = (required IS NOT NULL)
        AND (leg_id IS NULL) = (kind IN ('pause', 'resume', 'visibility', 'broadcast')));

-- What a target was last told, and whether a later command makes an earlier one pointless.
CREATE INDEX deliveries_of_tables ON deliveries (environment, game_code, seq DESC) WHERE leg_id IS NULL;
CREATE INDEX commands_of_tables ON commands (table_id, id DESC) WHERE round_id IS NULL;
-- A target's last rounds, whoever served them: what readiness and drift look at.
CREATE INDEX legs_by_game_code ON legs (environment, game_code, id DESC);
